"""The steps of one run: what stops a job, and what does not."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import resource
import signal
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from mitrarr_runner import processes
from mitrarr_runner.clock import SystemClock
from mitrarr_runner.engine import worker
from mitrarr_runner.engine.apply import Silent
from mitrarr_runner.engine.attempts import wait
from mitrarr_runner.engine.tick import tick
from mitrarr_runner.intake import originals
from mitrarr_runner.manifest.model import Retry
from mitrarr_runner.steps import command
from mitrarr_runner.steps.contract import Context, StepOutcome, StepResult
from mitrarr_runner.store import slots
from mitrarr_runner.store.runs import Outcome
from mitrarr_runner.store.slots import SlotState
from mitrarr_runner.text import text


def test_a_full_disk_stops_intake_and_nothing_else(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job failed and says so; its later steps ran all the same."""
    (site.root / "spool").mkdir()
    (site.root / "spool" / "a.nst").write_bytes(b"anything")
    steps = [
        {"register_nist": {"source": "DETRAN"}},
        {"command": {"argv": ["touch", "delivered"]}},
    ]
    site.write(
        sources={"DETRAN": {"spool": "spool", "settle": "0s"}},
        jobs={"a": {"schedule": "* * * * *", "steps": steps}},
    )
    site.due()
    monkeypatch.setattr(originals, "RESERVE", 10**18)
    done = tick(site.manifest, site.site, SystemClock(), Silent(), root_from="settings")
    assert done.applied is not None
    assert done.applied.failed
    assert (site.root / "delivered").exists()
    run = site.history()[0]
    assert (run.outcome, run.code) == (Outcome.FAILED, "disk_reserve")
    assert [step["outcome"] for step in run.result["steps"]] == ["failed", "ok"]
    assert (site.root / "spool" / "a.nst").exists()


def test_a_deferred_step_lets_the_others_go_on(site: Any) -> None:
    """Nobody listens at that port: the work is kept, later steps run, needs are satisfied."""
    (site.root / "password").write_text("x")
    site.write(
        destinations={
            "findface": {
                "kind": "findface_multi",
                "url": "http://127.0.0.1:9",
                "login": {"username": "u", "password": {"file": "password"}},
                "watch_lists": ["X"],
            }
        },
        sources={"DETRAN": {"spool": "spool"}},
        jobs={
            "a": {
                "schedule": "* * * * *",
                "steps": [
                    {"send_to_findface": {"destination": "findface"}},
                    {"command": {"argv": ["touch", "later"]}},
                ],
            },
            "b": {
                "schedule": "* * * * *",
                "needs": ["a"],
                "steps": [{"command": {"argv": ["touch", "needed"]}}],
            },
        },
    )
    with site.store() as db, db.transaction():  # somebody waits
        db.execute(
            "INSERT INTO registry (handle, source, person, sha256, bytes, state, at, changed_at)"
            " VALUES ('R1', 'DETRAN', 'p', 'x', 1, 'registered', 1, 1)"
        )
    site.due()
    assert site.run("apply").code == 0
    outcomes = {run.job: run.outcome for run in site.history()}
    assert outcomes == {"a": Outcome.DEFERRED, "b": Outcome.OK}
    assert (site.root / "later").exists()
    assert (site.root / "needed").exists()
    assert "findface" in site.run("status").out


def _leave(options: object, context: object) -> None:
    os._exit(3)


def _eat(options: object, context: object) -> None:
    bytearray(3_000_000_000)


def _crash(options: object, context: object) -> None:
    faulthandler.disable()  # pytest's: it would write over the output of the tests
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.string_at(0)


def _killed(options: object, context: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _spend(options: object, context: object) -> None:
    while True:
        pass


def _spend_deaf(options: object, context: object) -> None:
    """What a loop inside a C library does: no handler of Python's ever runs."""
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    while True:
        pass


LOST = (Outcome.LOST, "worker_died")


@pytest.mark.parametrize(
    ("dies", "expected", "reason"),
    [
        (_leave, LOST, "the worker ended with exit code 3"),
        (_crash, LOST, "the worker was ended by signal 11"),
        (_killed, LOST, "the worker was ended by signal 9"),
        (_spend_deaf, LOST, "the worker was ended by signal 9"),
        (_eat, (Outcome.FAILED, "memory_limit"), "it wanted more memory than the job's limit"),
        (
            _spend,
            (Outcome.FAILED, "cpu_limit"),
            "it used more CPU than limits.cpu allows (1s)",
        ),
    ],
)
def test_a_worker_that_dies_is_one_failed_job_with_its_reason(
    site: Any,
    job: Any,
    monkeypatch: pytest.MonkeyPatch,
    dies: Any,
    expected: tuple[Outcome, str],
    reason: str,
) -> None:
    limited = job("true", limits={"cpu": "1s", "memory": "2GB"})
    site.write(jobs={"a": limited, "b": {"schedule": "* * * * *", "steps": [{"clean": {}}]}})
    site.due()
    monkeypatch.setattr(worker, "_CPU_MARGIN", 1)
    monkeypatch.setattr(command, "run", dies)  # the forked worker inherits it
    done = tick(site.manifest, site.site, SystemClock(), Silent(), root_from="settings")
    assert done.applied is not None
    assert done.applied.failed
    ended = {run.job: (run.outcome, run.code) for run in site.history()}
    assert ended == {"a": expected, "b": (Outcome.OK, "ok")}
    run = site.history("a")[0]
    assert run.reason.startswith(reason)
    if run.outcome is Outcome.FAILED:  # whoever could say so at the end of the log
        told = (site.site.run_logs / "a" / f"{run.id}.log").read_text().splitlines()
        assert told[-1] == f"-- failed: {reason}"


def _deaf(options: object, context: Context) -> StepResult:
    """A step that swallows its own deadline."""
    while True:
        with contextlib.suppress(BaseException):
            time.sleep(60)


def test_a_step_that_does_not_let_go_has_its_end_in_its_log_too(
    site: Any, job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.write(jobs={"a": job("true", timeout="1s")})
    site.due()
    monkeypatch.setattr(processes, "GRACE", 0.3)
    monkeypatch.setattr(command, "run", _deaf)
    tick(site.manifest, site.site, SystemClock(), Silent(), root_from="settings")
    run = site.history()[0]
    assert (run.outcome, run.reason) == (Outcome.TIMEOUT, "the step did not end by itself")
    told = (site.site.run_logs / "a" / f"{run.id}.log").read_text().splitlines()
    assert told == ["-- step 1/1 command", "-- timed out after 1s"]


def test_a_worker_that_has_spent_its_cpu_leaves_what_waits_to_the_next(
    site: Any, job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is the process's: the second run would be told for what the first one used."""
    later = datetime.now(UTC).replace(second=0, microsecond=0)

    def spend(options: object, context: Context) -> None:
        with context.open_store() as db, db.transaction():
            slots.put(db, "prod", "a", later, SlotState.QUEUED, code="queued", now=later)
        while True:
            pass

    def do(options: object, context: object) -> StepResult:
        return StepResult(StepOutcome.OK, "ok", text(""))

    def outcomes() -> list[Outcome | None]:
        tick(site.manifest, site.site, SystemClock(), Silent(), root_from="settings")
        return [run.outcome for run in site.history()]

    site.write(jobs={"a": job("true", limits={"cpu": "1s"}, overlap="queue")})
    site.due()
    monkeypatch.setattr(command, "run", spend)
    assert outcomes() == [Outcome.FAILED]
    monkeypatch.setattr(command, "run", do)
    assert outcomes() == [Outcome.FAILED, Outcome.OK]


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 10), (2, 20), (3, 40), (4, 60), (9, 60)])
def test_pauses_grow_and_are_capped(attempt: int, seconds: float) -> None:
    assert wait(Retry(attempts=9, backoff=10, factor=2, max=60), attempt) == seconds
