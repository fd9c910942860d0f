"""Heartbeats, from our own store, from a watched one, and where there is none."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from mitrarr_runner.alerts import notify
from mitrarr_runner.clock import FixedClock, epoch
from mitrarr_runner.engine import tick
from mitrarr_runner.logs import EventLog
from mitrarr_runner.manifest.model import Heartbeat, Settings
from mitrarr_runner.steps import heartbeat
from mitrarr_runner.steps.contract import StepOutcome
from mitrarr_runner.store import jobs, pauses, readings, runs
from mitrarr_runner.store.jobs import JobMemory
from mitrarr_runner.store.pauses import Pause, Paused
from mitrarr_runner.store.runs import Cause, Outcome, ProcessId

OF_JOB = Heartbeat("scheduler", 1500, job="adiciona_nists")
OF_APPLY = Heartbeat("apply", 3600, manifest="prod")


@pytest.fixture
def guardian(bench: Any) -> Any:
    """The guardian's manifest: a store of its own, watching production's."""
    bench.manifest = replace(
        bench.manifest,
        name="guardian",
        settings=Settings(store="state/guardian.db", watches="state/mitrarr.db"),
        heartbeats={"scheduler": OF_JOB, "apply": OF_APPLY},
    )
    return bench


@pytest.fixture
def own(bench: Any) -> Any:
    bench.manifest = replace(bench.manifest, heartbeats={"scheduler": OF_JOB, "apply": OF_APPLY})
    return bench


def ran(bench: Any, outcome: Outcome, manifest: str = "prod") -> None:
    now = bench.clock.now()
    with bench.store() as db, db.transaction():
        run = runs.start(
            db,
            manifest,
            "adiciona_nists",
            slot=None,
            cause=Cause.SCHEDULE,
            missed=0,
            process=ProcessId(1, "1", "b", "h"),
            fingerprint="f",
            actor="",
            now=now,
        )
        runs.finish(db, run, outcome, code="", reason="", seconds=1.0, now=now)


def beat(bench: Any, name: str = "scheduler") -> tuple[str, str]:
    """Run the step; the outcome must be ok whatever it heard. Returns (state, code) as kept."""
    result = bench.run(heartbeat, {"name": name})
    assert result.outcome is StepOutcome.OK
    with bench.store(bench.manifest.settings.store) as db:
        (kept,) = [one for one in readings.verdicts(db, bench.manifest.name) if one.subject == name]
    assert kept.kind == "heartbeat"
    assert kept.code == result.code
    return kept.state, kept.code


@pytest.mark.parametrize(("seconds", "state"), [(1500, "ok"), (1501, "late")])
def test_the_age_of_the_last_good_run(own: Any, seconds: int, state: str) -> None:
    ran(own, Outcome.OK)
    own.wait(seconds=seconds)
    ran(own, Outcome.FAILED)
    ran(own, Outcome.SKIPPED)
    assert beat(own)[0] == state


def test_deferred_is_good_and_another_manifests_run_is_not_ours(own: Any) -> None:
    ran(own, Outcome.DEFERRED)
    own.wait(seconds=1501)
    ran(own, Outcome.OK, manifest="other")
    assert beat(own) == ("late", "late")


def test_a_job_that_never_was_good_is_as_old_as_it_is_known(own: Any) -> None:
    assert beat(own) == ("unknown", "never")
    with own.store() as db, db.transaction():
        now = own.clock.now()
        memory = JobMemory("adiciona_nists", "f", now, None, False)
        jobs.remember(db, "prod", [memory], now)
    assert beat(own) == ("ok", "ok")
    own.wait(seconds=1501)
    assert beat(own) == ("late", "late")


def test_a_paused_job_is_not_late(own: Any) -> None:
    ran(own, Outcome.OK)
    own.wait(days=1)
    with own.store() as db, db.transaction():
        pauses.put(db, "prod", Pause(Paused.JOB, "adiciona_nists", "x", "", own.clock.now(), None))
    assert beat(own) == ("unknown", "paused")


def test_the_last_apply_of_a_manifest(own: Any) -> None:
    assert beat(own, "apply") == ("late", "never")
    touched = own.site.heartbeat / "prod"
    touched.touch()
    for seconds, state in ((0, "ok"), (3600, "ok"), (3601, "late"), (-3601, "unknown")):
        at = epoch(own.clock.now()) - seconds
        os.utime(touched, (at, at))
        assert beat(own, "apply")[0] == state


def test_the_guardian_reads_the_watched_store(guardian: Any) -> None:
    ran(guardian, Outcome.OK)
    assert beat(guardian) == ("ok", "ok")
    guardian.wait(seconds=1501)
    assert beat(guardian) == ("late", "late")
    with guardian.store() as db:
        assert readings.verdicts(db, "guardian") == ()  # nothing is written where it watches


def test_a_watched_store_that_is_missing_or_damaged_is_late(guardian: Any) -> None:
    assert beat(guardian) == ("late", "store_unreadable")
    assert not (guardian.site.state / "mitrarr.db").exists()
    ran(guardian, Outcome.OK)
    assert beat(guardian) == ("ok", "ok")
    path = guardian.site.state / "mitrarr.db"
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.write_bytes(b"\0" * 100 + os.urandom(8192))
    assert beat(guardian) == ("late", "store_unreadable")
    path.unlink()
    path.mkdir()
    assert beat(guardian) == ("late", "store_unreadable")


def test_a_store_without_our_tables_is_unreadable(guardian: Any) -> None:
    (guardian.site.state / "mitrarr.db").touch()
    assert beat(guardian) == ("late", "store_unreadable")


def test_late_is_an_incident_of_the_guardian(guardian: Any) -> None:
    log = EventLog(guardian.site.main_log, guardian.clock)
    beat(guardian)
    with guardian.store("state/guardian.db") as db:
        notify.watch(db, guardian.manifest, guardian.site, guardian.clock, log)
        ran(guardian, Outcome.OK)
        guardian.wait(minutes=1)
        beat(guardian)
        notify.watch(db, guardian.manifest, guardian.site, guardian.clock, log)
    lines = (guardian.site.logs / "alerts.log").read_text().splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == [
        "A1 CRITICAL opened heartbeat_late scheduler the watched store cannot be read",
        "A1 CRITICAL recovered heartbeat_late scheduler after 1m00s",
    ]


def test_what_it_says(own: Any) -> None:
    ran(own, Outcome.OK)
    own.wait(minutes=41)
    late = own.run(heartbeat, {"name": "scheduler"})
    assert str(late.message) == "last good run of adiciona_nists: 41m00s ago, limit 25m00s"
    told = heartbeat.describe(heartbeat.parse({"name": "apply"}), own.view(None))
    assert str(told) == "last apply of prod: at most 1h00m old"


# Who beats


def test_a_long_apply_beats_once_it_has_claimed_a_run(site: Any, job: Any) -> None:
    """Not before: a store that cannot be written would look alive. Again at its end."""
    site.write(jobs={"job_a": job("sleep", "2")})
    assert site.run("apply").code == 0
    beat = site.site.heartbeat / "prod"
    with site.store() as db, db.transaction():
        db.execute("DELETE FROM jobs")
    site.due()
    for wake in site.site.wake.glob("*.json"):
        wake.unlink()
    os.utime(beat, (1, 1))
    process = site.start("apply")
    deadline = time.monotonic() + 20
    while beat.stat().st_mtime == 1:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert process.poll() is None, "it beats while the job runs"
    os.utime(beat, (1, 1))
    assert process.wait() == 0
    assert beat.stat().st_mtime > 1


def test_a_broken_manifest_does_not_silence_apply(site: Any, job: Any) -> None:
    site.write(jobs={"job_a": job("true")})
    assert site.run("apply").code == 0
    beat = site.site.heartbeat / "prod"
    os.utime(beat, (1, 1))
    site.manifest_path.write_text('{"version": 1, "name": "prod", "jobs": {', encoding="utf-8")
    assert site.run("apply").code == 2
    assert beat.stat().st_mtime > 1
    os.utime(beat, (1, 1))
    store = site.site.state / "mitrarr.db"
    store.write_bytes(b"\xff" * 8192)
    assert site.run("apply").code == 4
    assert beat.stat().st_mtime == 1


def test_an_apply_that_fails_has_not_left(site: Any) -> None:
    """After days of a full disk the first good apply must not take the others for given up."""
    site.site.make()
    clock = FixedClock(datetime(2026, 11, 20, 12, 0, tzinfo=UTC), ticks=10**7)
    now, beat = epoch(clock.now()), site.site.heartbeat / "second"
    beat.touch()
    marker = site.site.state / ".trouble-second"
    marker.touch()
    long_ago = now - 3 * 86400
    os.utime(beat, (long_ago, long_ago))
    for told, met, left in ((0, 0, True), (now - 60, now, False), (long_ago, long_ago, True)):
        os.utime(marker, (met, told))
        assert tick._left(site.site, "second", clock) is left
