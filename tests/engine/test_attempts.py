"""The steps of one run: what stops a job, and what does not."""

from __future__ import annotations

import os
from typing import Any

import pytest

from mitrarr_runner.clock import SystemClock
from mitrarr_runner.engine.apply import Silent
from mitrarr_runner.engine.attempts import wait
from mitrarr_runner.engine.tick import tick
from mitrarr_runner.intake import originals
from mitrarr_runner.manifest.model import Retry
from mitrarr_runner.steps import command
from mitrarr_runner.store.runs import Outcome


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
    raise MemoryError


@pytest.mark.parametrize(
    ("dies", "expected"),
    [(_leave, (Outcome.LOST, "worker_died")), (_eat, (Outcome.FAILED, "memory_limit"))],
)
def test_a_worker_that_leaves_or_wants_too_much_is_one_failed_job(
    site: Any,
    job: Any,
    monkeypatch: pytest.MonkeyPatch,
    dies: Any,
    expected: tuple[Outcome, str],
) -> None:
    site.write(jobs={"a": job("true"), "b": {"schedule": "* * * * *", "steps": [{"clean": {}}]}})
    site.due()
    monkeypatch.setattr(command, "run", dies)  # the forked worker inherits it
    done = tick(site.manifest, site.site, SystemClock(), Silent(), root_from="settings")
    assert done.applied is not None
    assert done.applied.failed
    ended = {run.job: (run.outcome, run.code) for run in site.history()}
    assert ended == {"a": expected, "b": (Outcome.OK, "ok")}
    assert site.history("a")[0].reason


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 10), (2, 20), (3, 40), (4, 60), (9, 60)])
def test_pauses_grow_and_are_capped(attempt: int, seconds: float) -> None:
    assert wait(Retry(attempts=9, backoff=10, factor=2, max=60), attempt) == seconds
