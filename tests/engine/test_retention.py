"""What may go after a while, and what never does; logs renamed under eight writers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mitrarr_runner import locks
from mitrarr_runner.clock import FixedClock
from mitrarr_runner.engine import rotation
from mitrarr_runner.engine.retention import Pruned, look, prune, prune_daily
from mitrarr_runner.engine.rotation import rotate
from mitrarr_runner.logs import EventLog
from mitrarr_runner.manifest.model import Keep, Severity
from mitrarr_runner.site import Site
from mitrarr_runner.store import audit, incidents, jobs, readings, requests, runs, slots, soundness
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.jobs import JobMemory
from mitrarr_runner.store.runs import Cause, Outcome, ProcessId
from mitrarr_runner.store.slots import SlotState

ROOT = Path(__file__).parent.parent.parent
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ME = ProcessId(1, "1", "boot", "host")


def day(days: float) -> datetime:
    """So many days ago."""
    return NOW - timedelta(days=days)


class Past:
    """A site whose history is written by hand."""

    def __init__(self, site: Any, job: Any, **keep: Any) -> None:
        more = {"schedule": {"cron": "0 3 * * *", "window": "24h"}}
        site.write(settings={"keep": keep}, jobs={n: job("true", **more) for n in ("a", "b")})
        self.files: Site = site.site
        self.manifest = site.manifest
        self.db: Database = site.store()
        with self.db.transaction():
            for name in ("a", "b"):
                memory = JobMemory(name, "f", day(1000), None, False)
                jobs.remember(self.db, "prod", [memory], day(1000))

    def ran(self, days: float, job: str = "a", outcome: Outcome = Outcome.OK) -> int:
        at = day(days)
        with self.db.transaction():
            number = runs.start(
                self.db,
                "prod",
                job,
                slot=at,
                cause=Cause.SCHEDULE,
                missed=0,
                process=ME,
                fingerprint="f",
                actor="",
                now=at,
            )
            slots.put(self.db, "prod", job, at, SlotState.CLAIMED, code="ran", now=at, run=number)
            jobs.handled(self.db, "prod", job, at)
            runs.finish(
                self.db, number, outcome, code="", reason="", seconds=1.0, now=at, result={}
            )
        return number

    def slot(self, days: float, state: SlotState, *, until: datetime | None = None) -> None:
        with self.db.transaction():
            slots.put(self.db, "prod", "a", day(days), state, code="", now=day(days), until=until)

    def log(self, name: str, days: float, size: int = 10) -> Path:
        path = self.files.run_logs / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * size)
        os.utime(path, (day(days).timestamp(), day(days).timestamp()))
        return path

    def prune(self, now: datetime = NOW) -> Pruned:
        expected = look(self.db, self.files, self.manifest, now)
        done = prune(self.db, self.files, self.manifest, now)
        assert (expected.logs, expected.bytes) == (done.logs, done.bytes)
        assert expected.rows == done.rows
        assert soundness.slots_without_run(self.db) == 0
        return done

    def kept(self, table: str) -> int:
        row = self.db.row(f"SELECT COUNT(*) AS n FROM {table}")  # noqa: S608
        assert row is not None
        return int(row["n"])


@pytest.fixture
def past(site: Any, job: Any) -> Iterator[Past]:
    made = Past(site, job)
    yield made
    made.db.close()


def test_the_manifest_says_how_long(site: Any, job: Any, past: Past) -> None:
    assert past.manifest.settings.keep == Keep(90 * 86400, 30 * 86400, 10**9, 90 * 86400)
    keep = {"runs": "365d", "run_logs": "1h", "run_logs_size": "500MB", "notices": 60}
    site.write(settings={"keep": keep})
    assert site.manifest.settings.keep == Keep(365 * 86400, 3600, 500_000_000, 60)


@pytest.mark.parametrize("keep", [{"runs": "long"}, {"run_logs_size": "1 TB"}, {"deliveries": 1}])
def test_a_manifest_that_says_it_wrongly(site: Any, keep: Any) -> None:
    site.write(settings={"keep": keep})
    assert site.run("validate").code == 2


# Rows


def test_runs_and_their_slots_go_together(past: Past) -> None:
    for days in (200, 91, 89, 1):
        past.ran(days)
    done = past.prune()
    assert (done.rows["runs"], done.rows["slots"]) == (2, 2)
    assert (past.kept("runs"), past.kept("slots")) == (2, 2)
    assert past.prune().rows == dict.fromkeys(done.rows, 0)


def test_the_newest_run_and_the_newest_good_one_stay(past: Past) -> None:
    past.ran(500)
    good = past.ran(400)
    past.ran(300, outcome=Outcome.FAILED)
    bad = past.ran(200, outcome=Outcome.FAILED)
    other = past.ran(300, job="b")
    past.prune()
    found = {run.id for run in runs.history(past.db, "prod", limit=100)}
    assert found == {good, bad, other}
    last = runs.last_ok(past.db, "prod", "a")
    assert last is not None
    assert last.id == good, "a heartbeat still knows when the job was last good"


def test_unfinished_runs_and_queued_slots_stay(past: Past) -> None:
    with past.db.transaction():
        number = runs.start(
            past.db,
            "prod",
            "a",
            slot=None,
            cause=Cause.HAND,
            missed=0,
            process=ME,
            fingerprint="f",
            actor="",
            now=day(300),
        )
    past.slot(200, SlotState.QUEUED)
    past.ran(1)
    past.prune()
    assert runs.get(past.db, number) is not None
    assert slots.exists(past.db, "prod", "a", day(200)) is SlotState.QUEUED


def test_slots_that_did_not_run(past: Past) -> None:
    past.slot(200, SlotState.MISSED)
    past.slot(150, SlotState.MISSED_RANGE, until=day(80))
    past.slot(120, SlotState.PAUSED)
    past.ran(1)
    past.prune()
    assert slots.exists(past.db, "prod", "a", day(200)) is None
    assert slots.exists(past.db, "prod", "a", day(120)) is None
    assert slots.exists(past.db, "prod", "a", day(150)) is SlotState.MISSED_RANGE


def test_the_last_word_on_a_job_stays(past: Past) -> None:
    """A yearly job that was missed long ago is still a missed job."""
    past.slot(300, SlotState.MISSED)
    past.prune()
    assert slots.exists(past.db, "prod", "a", day(300)) is SlotState.MISSED


def test_no_slot_inside_a_window_goes_whatever_is_asked(site: Any, job: Any) -> None:
    past = Past(site, job, runs="0s", run_logs="0s", notices="0s")
    for days in (20, 9, 7.5, 3, 1):
        past.ran(days)
    past.prune()
    assert [slots.exists(past.db, "prod", "a", day(d)) for d in (20, 9)] == [None, None]
    assert all(slots.exists(past.db, "prod", "a", day(d)) for d in (7.5, 3, 1))
    past.db.close()


def test_slots_after_the_jobs_last_one_stay(past: Past) -> None:
    """After a changed schedule, or a clock that went back, the rows are what keeps a slot from
    running twice."""
    past.ran(200)
    past.ran(1)
    with past.db.transaction():
        jobs.remember(past.db, "prod", [JobMemory("a", "g", day(300), None, False)], NOW)
    past.prune()
    assert slots.exists(past.db, "prod", "a", day(200)) is SlotState.CLAIMED


def test_other_manifests_of_the_store_are_left_to_theirs(past: Past) -> None:
    past.ran(200)
    past.ran(1)
    with past.db.transaction():
        slots.put(past.db, "other", "a", day(200), SlotState.MISSED, code="", now=day(200))
        slots.put(past.db, "other", "a", day(100), SlotState.MISSED, code="", now=day(100))
        readings.add_reading(past.db, "other", "a", 1, day(900), 5)
    past.prune()
    assert slots.exists(past.db, "other", "a", day(200)) is SlotState.MISSED
    assert past.kept("volumes") == 1


def test_volumes_and_requests(past: Past) -> None:
    with past.db.transaction():
        for run, days in enumerate((900, 801, 799, 401, 10)):
            readings.add_reading(past.db, "prod", "a", run, day(days), 5)
        for days in (200, 10):
            number = requests.add(
                past.db, "prod", "a", requests.Asked.RUN, actor="x", now=day(days)
            )
            requests.done(past.db, number, day(days))
        waiting = requests.add(past.db, "prod", "a", requests.Asked.RUN, actor="x", now=day(200))
    done = past.prune()
    assert (done.rows["volumes"], done.rows["requests"]) == (2, 1)
    assert waiting in [one.id for one in requests.waiting(past.db, "prod", requests.Asked.RUN)]


def incident(past: Past, days: float, *, closed: float | None, sent: bool = True) -> int:
    with past.db.transaction():
        number = incidents.add(
            past.db,
            "prod",
            rule="job_failed",
            subject=f"s{days}",
            severity=Severity.WARNING,
            detail={},
            since=day(days),
        )
        notice = incidents.add_notice(
            past.db,
            "prod",
            incident=number,
            channel="log",
            kind="opened",
            severity=Severity.WARNING,
            stable_id=f"n{number}",
            payload="{}",
            now=day(days),
        )
        if sent:
            row = past.db.row("SELECT MAX(id) AS id FROM notices")
            assert row is not None
            incidents.sent(past.db, [row["id"]], day(days))
        if closed is not None:
            incidents.close(past.db, number, day(closed))
    assert notice is None or notice
    return number


def test_closed_incidents_go_with_their_notices_and_open_ones_stay(past: Past) -> None:
    gone = incident(past, 200, closed=100)
    recent = incident(past, 201, closed=10)
    still_open = incident(past, 300, closed=None)
    unsent = incident(past, 202, closed=100, sent=False)
    done = past.prune()
    assert done.rows["incidents"] == 1
    found = {n: incidents.get(past.db, "prod", n) is not None for n in (gone, recent, still_open)}
    assert found == {gone: False, recent: True, still_open: True}
    assert incidents.told(past.db, still_open) == ("log",), "who is told of its end"
    assert incidents.get(past.db, "prod", unsent) is not None


def test_people_and_the_audit_chain_are_never_touched(past: Past) -> None:
    with past.db.transaction():
        audit.write(past.db, actor="x", action="y", subject="z", now=day(3000))
        for statement in (
            "INSERT INTO registry (handle, source, person, sha256, bytes, state, at, changed_at)"
            " VALUES ('D1', 'S', 'p', 'aa', 1, 'registered', 0, 0)",
            "INSERT INTO blobs (sha256, bytes, place, at) VALUES ('aa', 1, 'store', 0)",
            "INSERT INTO deliveries (destination, registry, source, token, at, changed_at)"
            " VALUES ('f', 1, 'S', 't', 0, 0)",
            "INSERT INTO creates (delivery, part, state, at) VALUES (1, 'card', 'sent', 0)",
        ):
            past.db.execute(statement)
    past.prune()
    tables = ("registry", "blobs", "deliveries", "creates", "audit", "jobs")
    assert [past.kept(table) for table in tables] == [1, 1, 1, 1, 1, 2]
    assert audit.broken_at(past.db) is None


# The clock


def test_once_a_day(past: Past) -> None:
    past.ran(200)
    past.ran(1)
    assert prune_daily(past.db, past.files, past.manifest, NOW).rows["runs"] == 1
    past.ran(201)
    past.ran(1)
    again = prune_daily(past.db, past.files, past.manifest, NOW + timedelta(hours=23))
    assert again == Pruned()
    later = prune_daily(past.db, past.files, past.manifest, NOW + timedelta(hours=25))
    assert later.rows["runs"] == 1


def test_a_clock_that_is_a_year_ahead_sweeps_nothing_away(past: Past) -> None:
    for days in (89, 60, 30, 1):
        past.ran(days)
    past.prune()
    done = past.prune(NOW + timedelta(days=365))
    assert done.rows["runs"] == 1, "two days further, not a year"
    assert past.kept("runs") == 3
    back = prune_daily(past.db, past.files, past.manifest, NOW + timedelta(minutes=1))
    assert back.rows["runs"] == 0, "and when it is back, pruning goes on at once"
    for days in range(1, 5):  # after a real pause of two months it comes up to date
        past.prune(NOW + timedelta(days=60 + days))
    assert past.kept("runs") == 3
    for days in range(5, 60):
        past.prune(NOW + timedelta(days=60 + days))
    assert past.kept("runs") < 3


def test_it_never_fails_an_apply(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    past.ran(200)
    past.ran(1)
    with past.db.transaction():
        past.db.execute("DROP TABLE notices")
    assert prune_daily(past.db, past.files, past.manifest, NOW) == Pruned()


# Run logs


def test_run_logs_by_age(past: Past) -> None:
    old, new, last = (past.log(f"a/{n}.log", d) for n, d in ((1, 31), (2, 29), (3, 1)))
    only = past.log("b/4.log", 300)
    gone = past.log("removed_job/5.log", 300)
    past.log("removed_job/6.log", 299)
    done = past.prune()
    assert (done.logs, done.bytes) == (2, 20)
    assert [p.exists() for p in (old, new, last, only, gone)] == [False, True, True, True, False]


def test_run_logs_by_size(site: Any, job: Any) -> None:
    past = Past(site, job, run_logs_size=350)
    logs = [past.log(f"{'ab'[n % 2]}/{n}.log", 20 - n, 100) for n in range(6)]
    assert past.prune().logs == 3
    assert [path.exists() for path in logs] == [False] * 3 + [True] * 3
    past.db.close()


def test_the_log_of_a_run_in_progress_stays(past: Past) -> None:
    with past.db.transaction():
        number = runs.start(
            past.db,
            "prod",
            "a",
            slot=None,
            cause=Cause.HAND,
            missed=0,
            process=ME,
            fingerprint="f",
            actor="",
            now=day(40),
        )
    mine = past.log(f"a/{number}.log", 40)
    past.log("a/999.log", 1)
    past.prune()
    assert mine.exists()


def test_logs_of_another_manifests_jobs_are_its_own(site: Any, job: Any) -> None:
    guardian = site.root / "configs" / "guardian.json"
    site.write(name="guardian", jobs={"watch": job("true")})
    site.manifest_path.rename(guardian)
    assert site.run("apply", str(guardian)).code == 0
    past = Past(site, job, run_logs="1d")
    theirs = [past.log(f"watch/{n}.log", 20 + n) for n in range(3)]
    past.prune()
    assert all(path.exists() for path in theirs)
    past.db.close()


def test_clean_prunes_and_says_so(site: Any, job: Any) -> None:
    past = Past(site, job)
    past.db.close()
    log = site.root / "logs" / "runs" / "a" / "1.log"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"x" * 1000)
    (log.parent / "2.log").touch()
    os.utime(log, (0, 0))
    done = site.run("clean", "--dry-run")
    assert "history: 0 rows and 1 run log would be removed, 1.0 kB" in done.out, done.err
    assert log.exists()
    done = site.run("clean", "--format", "json")
    assert done.json["history"]["run_logs"] == 1
    assert done.json["history"]["rows"]["runs"] == 0
    assert not log.exists()


def test_apply_prunes(site: Any, job: Any) -> None:
    past = Past(site, job)
    past.db.close()
    log = site.root / "logs" / "runs" / "a" / "1.log"
    log.parent.mkdir(parents=True)
    log.touch()
    (log.parent / "2.log").touch()
    os.utime(log, (0, 0))
    main = site.root / "logs" / "mitrarr.log"
    main.write_bytes(b"x\n" * 6_000_000)
    assert site.run("apply").code == 0
    assert not log.exists()
    assert main.with_name("mitrarr.log.1").stat().st_size >= 12_000_000


# Rotation


@pytest.fixture
def place(tmp_path: Path) -> Site:
    made = Site(tmp_path / "site")
    made.make()
    return made


def test_numbers_move_on_and_the_oldest_goes(place: Site) -> None:
    for number in range(1, 14):
        place.main_log.write_text(f"{number}" * 20)
        assert rotate(place, [place.main_log], size=10) == 1
    kept = sorted(place.logs.glob("mitrarr.log*"), key=lambda path: int(path.suffix[1:]))
    assert [path.name for path in kept] == [f"mitrarr.log.{n}" for n in range(1, 11)]
    assert [path.read_text() for path in kept] == [f"{n}" * 20 for n in range(13, 3, -1)]


def test_short_logs_links_and_pipes_stay(place: Site, tmp_path: Path) -> None:
    place.main_log.write_text("short")
    long = tmp_path / "long"
    long.write_text("x" * 100)
    (place.logs / "link.log").symlink_to(long)
    os.mkfifo(place.logs / "pipe.log")
    paths = [place.main_log, place.logs / "link.log", place.logs / "pipe.log", place.logs / "none"]
    assert rotate(place, paths, size=10) == 0


def test_a_gap_is_filled_first(place: Site) -> None:
    """Killed between two renames."""
    for number in (1, 3):
        place.main_log.with_name(f"mitrarr.log.{number}").write_text(str(number))
    place.main_log.write_text("x" * 20)
    assert rotate(place, [place.main_log], size=10) == 1
    found = {path.name: path.read_text()[:1] for path in place.logs.glob("mitrarr.log.*")}
    assert found == {"mitrarr.log.1": "x", "mitrarr.log.2": "1", "mitrarr.log.3": "3"}


def test_one_at_a_time(place: Site) -> None:
    place.main_log.write_text("x" * 20)
    held = locks.acquire(place.locks / "rotate.lock")
    assert held is not None
    with held:
        assert rotate(place, [place.main_log], size=10) == 0
    assert rotate(place, [place.main_log], size=10) == 1


WRITING = """
import sys
from pathlib import Path
from mitrarr_runner.clock import SystemClock
from mitrarr_runner.engine import rotation
from mitrarr_runner.logs import EventLog
from mitrarr_runner.site import Site
site = Site(Path(sys.argv[1]))
log = EventLog(site.main_log, SystemClock())
for number in range(int(sys.argv[3])):
    log.event("line", writer=sys.argv[2], number=number)
    if number % 50 == 0:
        rotation.rotate(site, [site.main_log], size=50_000, count=1000)
"""


def test_no_line_is_lost_while_eight_processes_write(place: Site) -> None:
    lines = 1500
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITING, str(place.root), str(writer), str(lines)],
            env=environment,
        )
        for writer in range(8)
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0] * 8
    files = list(place.logs.glob("mitrarr.log*"))
    assert len(files) > 5, "it was rotated while they wrote"
    found = [line for file in files for line in file.read_text().splitlines()]
    told = {tuple(line.split(" ")[3:]) for line in found}
    assert len(found) == 8 * lines
    assert told == {(f"writer={w}", f"number={n}") for w in range(8) for n in range(lines)}


def test_the_sizes_that_hold() -> None:
    assert (rotation.SIZE, rotation.COUNT) == (10_000_000, 10)


def test_a_line_after_the_rename_makes_a_new_log(place: Site) -> None:
    log = EventLog(place.main_log, FixedClock(NOW))
    log.event("before")
    rotate(place, [place.main_log], size=10)
    log.event("after")
    assert "after" in place.main_log.read_text()
