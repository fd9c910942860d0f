"""The three faults over the wire, each alone: nobody lost, nobody doubled."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from mitrarr_runner.delivery.account import SendResult

PEOPLE = 10


def until_sent(world: Any, closes: Callable[[SendResult], bool]) -> list[SendResult]:
    """One send per tick, three minutes apart, as cron would; the quiet period is two."""
    results = []
    for _ in range(300):
        results.append(world.send())
        assert closes(results[-1])
        if world.counts() == {"sent": PEOPLE}:
            return results
        world.wait(180)
    raise AssertionError(world.counts())


@pytest.mark.parametrize("fault", ["lost", "reset", "unavailable"])
def test_each_fault_alone(online: Any, running: Any, closes: Any, fault: str) -> None:
    before = running.report()
    online.crowd(PEOPLE)
    running.set_faults({fault: 0.3})
    until_sent(online, closes)
    after = running.report()
    assert after["faults"][fault] > before["faults"].get(fault, 0)
    assert after["cards"] - before["cards"] == PEOPLE
    assert after["faces"] - before["faces"] == PEOPLE
    for trouble in ("duplicates", "doubled_faces", "cards_without_face"):
        assert after[trouble] == before[trouble]


def test_an_answer_lost_after_the_commit_is_adopted_at_once(online: Any, running: Any) -> None:
    """The card is found by its token within the same send, and its face follows."""
    running.set_faults({"lost": 1.0}, most=1)
    online.crowd(3)
    result = online.send()
    assert (result.sent, result.adopted, result.in_doubt) == (2, 1, 0)


def test_nothing_is_sent_again_before_the_quiet_period_is_over(online: Any, running: Any) -> None:
    online.crowd(1)

    def photo(number: int) -> Any:
        """The last thing before the create: from here on, one reset."""
        running.set_faults({"reset": 1.0}, most=1)
        return online.picture

    assert online.send(photo=photo).in_doubt == 1
    cards = running.report()["cards"]
    online.wait(119)
    assert online.send().in_doubt == 1
    assert running.report()["cards"] == cards
    online.wait(1)
    assert online.send().sent == 1
    assert running.report()["cards"] == cards + 1


def test_a_late_accept_is_waited_for_and_adopted(online: Any, running: Any) -> None:
    """The connection is reset and a little later it is done: the reason of the quiet period."""
    running.set_faults({"late": 1.0}, most=1)
    online.crowd(1)
    assert online.send().in_doubt == 1
    time.sleep(0.4)  # the simulator's own time: it accepts 0.2 s later
    online.wait(10)
    assert online.send().adopted == 1
