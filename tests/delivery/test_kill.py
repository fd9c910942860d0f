"""kill -9 of a real sender at each stage, and a whole night of them: the account must close."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from mitrarr_runner.findface.simulator.process import start

Spawn = Callable[..., subprocess.Popen[str]]

STAGES = {
    "nothing begun": ({"pending": 1}, 0, 0),
    "card begun": ({"sending": 1}, 0, 0),
    "card made": ({"sending": 1}, 1, 0),
    "face begun": ({"sending": 1}, 1, 0),
    "face made": ({"sending": 1}, 1, 1),
}


def last_line(sender: subprocess.Popen[str]) -> Any:
    """The account of a sender that lived."""
    return json.loads(sender.communicate(timeout=30)[0].splitlines()[-1])


@pytest.mark.parametrize("stage", list(STAGES))
def test_a_sender_killed_at_each_stage_is_made_good(
    online: Any, running: Any, spawn: Spawn, stage: str
) -> None:
    """After the kill the store and the server say what the stage says; the next sender, once the
    quiet period is over, leaves one card with one face."""
    before = running.report()
    online.crowd(1)
    killed = spawn(online, die=stage)
    killed.communicate(timeout=30)
    assert killed.returncode == -signal.SIGKILL
    states, cards, faces = STAGES[stage]
    assert online.counts() == states
    assert running.report()["cards"] - before["cards"] == cards
    assert running.report()["faces"] - before["faces"] == faces

    next_one = spawn(online, quiet=0.0)
    account = last_line(next_one)
    assert online.counts() == {"sent": 1}
    found = cards and stage in ("card made", "face made")
    assert (account["sent"], account["adopted"]) == ((0, 1) if found else (1, 0))
    after = running.report()
    assert after["cards"] - before["cards"] == after["faces"] - before["faces"] == 1
    for trouble in ("duplicates", "doubled_faces", "cards_without_face"):
        assert after[trouble] == before[trouble]


def test_a_sender_that_comes_too_early_leaves_what_is_in_doubt(
    online: Any, running: Any, spawn: Spawn
) -> None:
    online.crowd(1)
    spawn(online, die="card begun").communicate(timeout=30)
    cards = running.report()["cards"]
    account = last_line(spawn(online, quiet=60.0))
    assert (account["in_doubt"], account["deferred"]) == (1, False)
    assert running.report()["cards"] == cards


def test_the_lock_of_a_killed_sender_is_free_at_once(online: Any, spawn: Spawn) -> None:
    online.crowd(1)
    spawn(online, die="card made").communicate(timeout=30)
    account = last_line(spawn(online))
    assert not account["busy"]


@pytest.mark.slow
def test_a_night_of_faults_and_kills(world: Any, spawn: Spawn) -> None:
    """120 people, 30 % faults of the three kinds, 10 kill -9: none lost, none doubled, every card
    with its face. The acceptance test of the issue; bench/delivery.py prints it at any size."""
    people, kills, seed = 120, 10, 20261122
    dice = random.Random(seed)
    faults = {"lost": 0.1, "reset": 0.1, "unavailable": 0.1}
    with start(seed=seed, faults=faults) as simulator:
        world.change(url=simulator.url)
        world.crowd(people)
        done = ticks = 0
        while world.counts() != {"sent": people}:
            sender = spawn(world, quiet=0.5)
            if done < kills:
                assert sender.stdout.readline() == "ready\n"
                time.sleep(dice.uniform(0.0, 0.2))  # real time: the kill falls anywhere
                sender.kill()
            printed = sender.communicate(timeout=60)[0]
            if sender.returncode == 0:
                account = json.loads(printed.splitlines()[-1])
                parts = ("sent", "adopted", "parked", "pending", "in_doubt")
                assert account["people"] == sum(account[part] for part in parts)
            else:
                assert sender.returncode == -signal.SIGKILL
                done += 1
            ticks += 1
            assert ticks < 400, world.counts()
            time.sleep(0.05)
        report = simulator.report()
    assert done == kills
    assert sum(report["faults"].values()) > people * 0.3
    assert (report["cards"], report["faces"]) == (people, people)
    assert (report["duplicates"], report["doubled_faces"]) == (0, 0)
    assert report["cards_without_face"] == 0
