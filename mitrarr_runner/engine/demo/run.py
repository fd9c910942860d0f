"""The demo's course: a site, a simulator that misbehaves on purpose, the verbs, the account.

Every number of the summary is read back: from the store, and from the simulated server itself.
The verbs run as processes of their own, as an operator's shell would run them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mitrarr_runner.clock import Clock
from mitrarr_runner.engine.demo import site as demo_site
from mitrarr_runner.engine.demo.account import Account, count
from mitrarr_runner.findface.simulator import process
from mitrarr_runner.findface.simulator.process import SimulatorProcess
from mitrarr_runner.text import Catalogue, text

LOST, RESET = 3, 2
"""How many answers the simulated server swallows, and how many connections it drops."""


@dataclass(frozen=True, slots=True)
class Demo:
    """account: what was counted; problems: what did not come out as it must; seconds: in all."""

    account: Account
    problems: tuple[str, ...]
    seconds: float


def run(folder: Path, clock: Clock, say: Catalogue, tell: Callable[[str], None]) -> Demo:
    """Run the whole demo in `folder`, telling a person what happens line by line."""
    begun = clock.monotonic()
    folder = folder.absolute()
    demo_site.prepare(folder)
    files = demo_site.fill(folder, clock.now())
    made = say(
        "{count} ANSI/NIST files made in {folder} (drawn faces, invented names)",
        count=files,
        folder=str(folder / "entrada"),
    )
    tell(made)
    with process.start(seed=7, lists=("DETRAN",), faults_on="creates") as simulator:
        tell(say("simulated FindFace on {url}; it will misbehave on purpose", url=simulator.url))
        demo_site.write_manifest(folder, simulator.url, say.language, clock.now())
        problems = _course(folder, simulator, say, tell)
        report = simulator.report()
    account = count(folder, files, report)
    if not account.closes:
        problems.append(say(text("the account does not close")))
    if account.doubled or account.remote_faces != account.sent or not account.remote_closes:
        problems.append(say(text("the server's people are not ours")))
    return Demo(account, tuple(problems), clock.monotonic() - begun)


def _course(
    folder: Path, simulator: SimulatorProcess, say: Catalogue, tell: Callable[[str], None]
) -> list[str]:
    """The six verbs. After the first apply the people in doubt are looked up again: their answers
    were swallowed, and only a second look after the quiet period may decide."""
    problems: list[str] = []

    def step(number: int, words: Sequence[str], *, expected: int = 0) -> None:
        tell("")
        tell(f"[{number}/6] mitrarr {' '.join(words)}")
        code = _verb(folder, words, say, tell)
        if code != expected:
            told = say("{verb} ended with exit code {code}", verb=words[0], code=code)
            problems.append(told)

    step(1, ["validate", "configs/prod.yaml"])
    step(2, ["plan", "configs/prod.yaml"])
    simulator.set_faults({"lost": 0.2, "reset": 0.2}, each={"lost": LOST, "reset": RESET})
    step(3, ["apply", "configs/prod.yaml", "--verbose"])
    simulator.set_faults({})
    if _in_doubt(folder):
        tell("")
        waited = demo_site.QUIET_PERIOD
        told = say(
            "The server swallowed answers: those people are in doubt, not lost. After the quiet"
            " period ({seconds} s) a second look decides.",
            seconds=waited,
        )
        tell(told)
        time.sleep(waited + 1)
    step(4, ["run", "adiciona_nists", "--config", "configs/prod.yaml"])
    step(5, ["plan", "configs/prod.yaml", "--detailed-exitcode"])
    step(6, ["status", "--config", "configs/prod.yaml"])
    return problems


def _in_doubt(folder: Path) -> bool:
    from mitrarr_runner.delivery import desk
    from mitrarr_runner.store.database import open_readonly
    from mitrarr_runner.store.deliveries import State

    db = open_readonly(folder / "state" / "mitrarr.db")
    if db is None:
        return False
    with db:
        found = desk.counts(db)
    return bool(found.get(State.SENDING, 0) + found.get(State.PENDING, 0))


def _verb(folder: Path, words: Sequence[str], say: Catalogue, tell: Callable[[str], None]) -> int:
    """One verb as a process of its own, its output passed on line by line."""
    environment: Mapping[str, str] = {
        **{k: v for k, v in os.environ.items() if not k.startswith("MITRARR_")},
        "MITRARR_LANG": say.language,
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": "80",
    }
    command = [sys.executable, "-m", "mitrarr_runner.wake", *words]
    child: subprocess.Popen[Any] = subprocess.Popen(
        command,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    assert child.stdout is not None  # noqa: S101 - PIPE was asked for
    for line in child.stdout:
        tell(line.rstrip("\n"))
    return child.wait()
