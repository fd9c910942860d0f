"""What operators order by hand, at the edges of time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from mitrarr_runner.clock import FixedClock, SystemClock
from mitrarr_runner.engine import control
from mitrarr_runner.store import pauses, slots
from mitrarr_runner.store.pauses import Pause, Paused

Job = Callable[..., dict[str, Any]]


def test_resume_after_a_pause_has_ended_leaves_the_slots_after_it(
    site: Any, job: Job, lately: Callable[..., str]
) -> None:
    site.write(jobs={"a": job("true", schedule=lately(25, 15, 5))})
    site.due(minutes=29)
    now = datetime.now(UTC)
    pause = Pause(
        Paused.JOB, "a", "rui", "", now - timedelta(minutes=28), now - timedelta(minutes=20)
    )
    with site.store() as db:
        with db.transaction():
            pauses.put(db, "prod", pause)
        answer = control.resume(
            db,
            site.site,
            SystemClock(),
            "prod",
            Paused.JOB,
            "a",
            actor="ana",
            job=site.manifest.jobs["a"],
        )
    assert answer.not_run == 1
    assert site.run("apply").code == 0
    with site.store() as db:
        rows = [(row.state.value, row.code) for row in slots.of_job(db, "prod", "a", 9)]
    assert rows == [("claimed", "ran"), ("missed", "catch_up_latest")]


def test_a_slot_at_the_very_end_of_a_pause_is_due(site: Any, job: Job) -> None:
    end = datetime.now(UTC).replace(second=0, microsecond=0)
    site.write(jobs={"a": job("true", schedule="* * * * *")})
    site.due(minutes=5)
    with site.store() as db:
        with db.transaction():
            pauses.put(db, "prod", Pause(Paused.JOB, "a", "rui", "", end - timedelta(hours=1), end))
        control.resume(db, site.site, FixedClock(end), "prod", Paused.JOB, "a", actor="ana")
    site.run("apply")
    assert next(run.slot for run in site.history()) >= end


def test_a_clock_that_went_back_makes_no_negative_span(site: Any, job: Job) -> None:
    site.write(jobs={"a": job("true")})
    site.due()
    later = datetime.now(UTC) + timedelta(hours=1)
    with site.store() as db, db.transaction():
        pauses.put(db, "prod", Pause(Paused.JOB, "a", "rui", "", later, None))
    told = site.run("resume", "a").out
    assert "it was paused for 0s" in told
