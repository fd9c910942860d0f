"""Recovery, itself killed at one instant after another: the lost run is repeated once in effect."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mitrarr_runner.clock import SystemClock
from mitrarr_runner.engine.apply import Silent
from mitrarr_runner.engine.tick import tick
from mitrarr_runner.store import runs, slots
from mitrarr_runner.store.runs import Cause, Outcome, ProcessId
from mitrarr_runner.store.slots import SlotState

Job = Callable[..., dict[str, Any]]
GONE = ProcessId(2**22 + 1, "1", SystemClock().boot_id(), os.uname().nodename)


def lose_a_run(site: Any) -> int:
    """A run that began half an hour ago, and whose process is gone."""
    now = datetime.now(UTC)
    slot = now.replace(second=0, microsecond=0) - timedelta(minutes=30)
    with site.store() as db, db.transaction():
        run = runs.start(
            db,
            "prod",
            "a",
            slot=slot,
            cause=Cause.SCHEDULE,
            missed=0,
            process=GONE,
            fingerprint="f",
            actor="",
            now=slot,
        )
        slots.put(db, "prod", "a", slot, SlotState.CLAIMED, code="ran", now=slot, run=run)
    return run


def apply(site: Any) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        tick(site.manifest, site.site, SystemClock(), Silent(), root_from="settings")
    finally:
        os._exit(0)


def everything(site: Any, job: Job, *, idempotent: bool) -> None:
    site.write(
        jobs={
            "a": {
                **job("sh", "-c", "echo $MITRARR_RUN >> ran", idempotent=idempotent),
                "schedule": "0 0 1 1 *",
            }
        }
    )
    site.due(minutes=0)


def settle(site: Any) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        os.waitpid(apply(site), 0)
        if all(run.finished for run in site.history()):
            return
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("idempotent", [True, False])
def test_recovery_killed_at_every_step(site: Any, job: Job, idempotent: bool) -> None:
    everything(site, job, idempotent=idempotent)
    for milliseconds in range(0, 120, 5):
        lose_a_run(site)
        pid = apply(site)
        time.sleep(milliseconds / 1000)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        settle(site)
        with site.store() as db, db.transaction():  # the next one is another slot
            db.execute("UPDATE slots SET slot = slot - 3600")
            db.execute("UPDATE runs SET slot = slot - 3600")
    history = site.history()
    assert all(run.finished for run in history)
    lost = [run for run in history if run.cause is Cause.SCHEDULE]
    again = [run for run in history if run.cause is Cause.RECOVERY]
    assert {run.outcome for run in lost} == {Outcome.LOST}
    ran = (site.root / "ran").read_text().split() if (site.root / "ran").exists() else []
    assert len(ran) == len(set(ran)), "a recorded run ran once"
    assert {f"r{number}" for number in ran} <= {run.handle for run in again}
    if idempotent:
        assert len(again) == len(lost)
    else:
        assert again == []


def test_a_run_of_another_host_is_not_judged(site: Any, job: Job) -> None:
    """Neither its pid nor its lock say anything here."""
    everything(site, job, idempotent=True)
    lose_a_run(site)
    with site.store() as db, db.transaction():
        db.execute("UPDATE runs SET host = 'elsewhere'")
    os.waitpid(apply(site), 0)
    assert [run.finished for run in site.history()] == [False]


def test_a_reboot_ends_what_ran_before_it(site: Any, job: Job) -> None:
    """The pid may be somebody else's by now, with the same start time: the boot id decides."""
    everything(site, job, idempotent=False)
    lose_a_run(site)
    me = os.getpid()
    from mitrarr_runner import processes

    with site.store() as db, db.transaction():
        db.execute(
            "UPDATE runs SET pid = :pid, pid_started = :at, boot_id = 'before'",
            pid=me,
            at=processes.started(me),
        )
    os.waitpid(apply(site), 0)
    assert [run.outcome for run in site.history()] == [Outcome.LOST]
