"""Does anything run twice, get lost or stay locked when processes are killed at random?

    python bench/kills.py [--kills N] [--seed S]

Applies are started over and over and killed with SIGKILL at random instants: the supervisor, a
worker, a command of a worker, or all of them, recoveries included. Between two rounds the stored
slots move back in time, so that the present minute is due again. At the end it prints the account
and exits 1 unless: no slot of a job that may not be repeated ran twice, every minute since the
first one has a row (run, missed, skipped ...), every claimed slot has a run with an outcome, every
command that ran belongs to a recorded run, no lock is left, and no orphan was ever seen beside a
free lock.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mitrarr_runner import locks, processes, schedule
from mitrarr_runner.clock import SystemClock
from mitrarr_runner.engine.apply import Silent
from mitrarr_runner.engine.tick import tick
from mitrarr_runner.manifest.load import load
from mitrarr_runner.manifest.model import Manifest
from mitrarr_runner.site import Site
from mitrarr_runner.store import jobs, runs
from mitrarr_runner.store.database import open_database
from mitrarr_runner.store.jobs import JobMemory
from mitrarr_runner.store.runs import Outcome

ONCE = ("once_1", "once_2", "once_3")
AGAIN = ("again_1", "again_2")
SCRIPT = 'echo "$MITRARR_JOB $MITRARR_RUN" >> ran; sleep 0.0$(( $MITRARR_RUN % 8 ))'


@dataclass
class Account:
    """What a campaign came to; problems is empty when everything held."""

    kills: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    ran: int = 0
    problems: list[str] = field(default_factory=list)


def make_site(root: Path) -> Manifest:
    step = [{"command": {"argv": ["sh", "-c", SCRIPT]}}]
    made = {
        name: {"schedule": "* * * * *", "steps": step, "idempotent": name in AGAIN}
        for name in (*ONCE, *AGAIN)
    }
    data = {
        "version": 1,
        "name": "prod",
        "settings": {"timezone": "America/Sao_Paulo", "root": "..", "max_parallel_jobs": 8},
        "jobs": made,
    }
    path = root / "configs" / "prod.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(data))
    manifest = load(str(path), environment={}, cwd=root).manifest
    assert manifest is not None
    Site(root).make()
    floor = datetime.now(UTC) - timedelta(seconds=90)
    memories = [
        JobMemory(name, schedule.fingerprint("* * * * *", "America/Sao_Paulo"), floor, None, False)
        for name in manifest.jobs
    ]
    with open_database(root / "state" / "mitrarr.db") as db, db.transaction():
        jobs.remember(db, "prod", memories, SystemClock().now())
    return manifest


def age(root: Path) -> None:
    """Everything stored is two minutes older: the present minute is due again."""
    with open_database(root / "state" / "mitrarr.db") as db, db.transaction():
        db.execute("UPDATE slots SET slot = slot - 100000000")  # out of the way of the next line
        db.execute("UPDATE slots SET slot = slot + 100000000 - 120")
        db.execute("UPDATE runs SET slot = slot - 120")
        db.execute("UPDATE jobs SET last_slot = last_slot - 120, floor = floor - 120")


def claimed(root: Path) -> None:
    """Wait until every living worker has claimed its slot: a slot that was planned before time
    moved and is claimed after it would be an instant that never was."""
    places = [root / "state" / "locks" / f"worker-{number}.lock" for number in range(1, 9)]
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        held = sum(not locks.is_free(path) for path in places)
        at_work = [
            run
            for run in unfinished(root)
            if processes.started(run.process.pid) == run.process.started
        ]
        if held <= len(at_work):
            return
        time.sleep(0.02)


def apply(manifest: Manifest, root: Path) -> int:
    """Start an apply as a process of its own; its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        tick(manifest, Site(root), SystemClock(), Silent(), root_from="settings")
    finally:
        os._exit(0)


def ours(root: Path) -> Iterator[tuple[int, str]]:
    """Living commands of jobs: (pid, job)."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            words = folder.joinpath("environ").read_bytes().split(b"\0")
            found = dict(word.decode().split("=", 1) for word in words if b"=" in word)
            state = folder.joinpath("stat").read_text().rpartition(")")[2].split()[0]
            if found.get("MITRARR_ROOT") == str(root) and state != "Z":
                yield int(folder.name), found["MITRARR_JOB"]


def begun(root: Path) -> None:
    """Wait until something runs, or for a while: a busy machine starts slowly."""
    deadline = time.monotonic() + 2
    while not unfinished(root) and time.monotonic() < deadline:
        time.sleep(0.005)


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def unfinished(root: Path) -> list[runs.Run]:
    with open_database(root / "state" / "mitrarr.db") as db:
        return list(runs.unfinished(db, "prod"))


def strike(dice: random.Random, supervisor: int, root: Path, account: Account) -> None:
    """Kill something of the apply in progress."""
    target = dice.choice(["supervisor", "worker", "command", "everything"])
    workers = [run.process.pid for run in unfinished(root)]
    commands = [pid for pid, _ in ours(root)]
    if target == "worker" and not workers:
        target = "supervisor"
    if target == "command" and not commands:
        target = "supervisor"
    victims = {
        "supervisor": [supervisor],
        "worker": [dice.choice(workers)] if workers else [],
        "command": [dice.choice(commands)] if commands else [],
        "everything": [supervisor, *workers, *commands],
    }[target]
    for pid in victims:
        kill(pid)
    account.kills[target] += 1


def no_orphan_beside_a_free_lock(root: Path, account: Account) -> None:
    for pid, job in list(ours(root)):
        path = root / "state" / "locks" / f"prod.{job}.lock"
        if locks.is_free(path) and any(pid == other for other, _ in ours(root)):
            account.problems.append(f"a command of {job} lives beside a free lock")


def campaign(root: Path, kills: int, seed: int) -> Account:
    """Run it in `root`; takes some 0.3 s per kill."""
    dice = random.Random(seed)
    account = Account()
    manifest = make_site(root)
    met = False
    alive: list[int] = []
    while sum(account.kills.values()) < kills:
        if not met:
            claimed(root)
            age(root)
        supervisor = apply(manifest, root)
        alive.append(supervisor)
        if dice.random() < 0.6:  # else wherever it happens to be, its very start included
            begun(root)
        time.sleep(dice.uniform(0.0, 0.2))
        strike(dice, supervisor, root, account)
        no_orphan_beside_a_free_lock(root, account)
        met = dice.random() < 0.3  # the next apply meets what is still running
        while not met and alive:
            wait(alive.pop())
    settle(manifest, root)
    judge(root, account)
    return account


def wait(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def settle(manifest: Manifest, root: Path) -> None:
    """Let everything end, and give the last apply what is still to be said."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        wait(apply(manifest, root))
        if not unfinished(root) and not list(ours(root)):
            return
        time.sleep(0.2)


def judge(root: Path, account: Account) -> None:
    """Hold the store against what really ran."""
    with open_database(root / "state" / "mitrarr.db") as db:
        rows = db.rows("SELECT * FROM slots")
        made = db.rows("SELECT id, job, slot, outcome, state FROM runs")
        known_jobs = db.rows("SELECT job, floor, last_slot FROM jobs")
    told = {(row["job"], row["slot"]) for row in rows}
    for job in known_jobs:
        first = job["floor"] // 60 * 60 + 60
        for minute in range(first, (job["last_slot"] or 0) + 1, 60):
            if (job["job"], minute) not in told:
                account.problems.append(f"slot {minute} of {job['job']} was lost silently")
    account.outcomes = Counter(str(row["outcome"]) for row in made)
    ran = Counter(tuple(line.split()) for line in (root / "ran").read_text().splitlines())
    account.ran = sum(ran.values())
    known = {(row["job"], str(row["id"])) for row in made}
    for job, run in ran:
        if (job, run) not in known:
            account.problems.append(f"{job} run {run} ran and was not recorded")
        if ran[job, run] > 1:
            account.problems.append(f"{job} run {run} ran {ran[job, run]} times")
    per_slot = Counter((row["job"], row["slot"]) for row in made if row["slot"] is not None)
    for (job, slot), count in per_slot.items():
        if job in ONCE and count > 1:
            account.problems.append(f"slot {slot} of {job} has {count} runs")
    for row in made:
        if row["state"] != "finished" or row["outcome"] is None:
            account.problems.append(f"run {row['id']} has no outcome")
    ids = {row["id"] for row in made}
    for row in rows:
        if row["state"] == "claimed" and row["run"] not in ids:
            account.problems.append(f"slot {row['slot']} of {row['job']} is claimed by nobody")
    for path in (root / "state" / "locks").glob("*.lock"):
        if not locks.is_free(path):
            account.problems.append(f"{path.name} is still held")
    if account.outcomes[Outcome.LOST] == 0:
        account.problems.append("nothing was ever lost: the kills missed")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        account = campaign(Path(name) / "site", asked.kills, asked.seed)
    print(
        f"{sum(account.kills.values())} kills in {time.monotonic() - begun:.0f} s: "
        + ", ".join(f"{count} {what}" for what, count in sorted(account.kills.items()))
    )
    print(
        f"{account.ran} commands ran; runs: "
        + ", ".join(f"{count} {what}" for what, count in sorted(account.outcomes.items()))
    )
    for problem in account.problems:
        print(f"PROBLEM  {problem}")
    print("everything held" if not account.problems else f"{len(account.problems)} problems")
    return 1 if account.problems else 0


if __name__ == "__main__":
    sys.exit(main())
