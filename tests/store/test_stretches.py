"""Slots in a row that no run has: where a stretch begins, where it ends, how many are in it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest

from mitrarr_runner.clock import epoch
from mitrarr_runner.store import runs, slots, stretches
from mitrarr_runner.store.database import Database, open_database
from mitrarr_runner.store.runs import Cause, Outcome, ProcessId
from mitrarr_runner.store.slots import SlotState
from mitrarr_runner.store.stretches import Stretch

NINE = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def at(minutes: int) -> datetime:
    return NINE + timedelta(minutes=minutes)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with open_database(tmp_path / "mitrarr.db") as opened:
        yield opened


def paused(db: Database, minutes: range, job: str = "a", reason: str = "paused by x") -> None:
    for minute in minutes:
        with db.transaction():
            slots.put(
                db, "prod", job, at(minute), SlotState.PAUSED, code="paused", reason=reason,
                now=at(minute),
            )  # fmt: skip


def missed(db: Database, minutes: range, decided: int, job: str = "a") -> None:
    for minute in minutes:
        with db.transaction():
            slots.put(
                db, "prod", job, at(minute), SlotState.MISSED, code="catch_up_latest",
                now=at(decided),
            )  # fmt: skip


def ran(db: Database, minute: int, job: str = "a", slot: int | None = None) -> None:
    """slot None: by hand."""
    with db.transaction():
        number = runs.start(
            db, "prod", job, slot=None if slot is None else at(slot), cause=Cause.SCHEDULE,
            missed=0, process=ProcessId(1, "0", "b", "h"), fingerprint="f", actor="",
            now=at(minute),
        )  # fmt: skip
        runs.finish(db, number, Outcome.OK, code="ok", reason="", seconds=1, now=at(minute))
        if slot is not None:
            slots.put(
                db, "prod", job, at(slot), SlotState.CLAIMED, code="ran", run=number,
                now=at(minute),
            )  # fmt: skip


def told(
    db: Database, *jobs: str, since: datetime | None = None
) -> list[tuple[str, int, datetime, datetime]]:
    """(job, slots, the oldest, the newest) of every stretch."""
    found = stretches.newest_first(db, "prod", jobs or ("a",), since)
    return [(one.newest.job, one.count, one.oldest, one.newest.slot) for one in found]


def test_slots_in_a_row_are_one_however_many(db: Database) -> None:
    paused(db, range(0, 300, 5))
    assert told(db) == [("a", 60, at(0), at(295))]


def test_a_run_of_the_job_ends_a_stretch(db: Database) -> None:
    paused(db, range(0, 30, 10))
    ran(db, 30, slot=30)
    paused(db, range(40, 60, 10))
    ran(db, 40, job="b", slot=40)
    assert told(db) == [("a", 2, at(40), at(50)), ("a", 3, at(0), at(20))]


def test_a_run_by_hand_too(db: Database) -> None:
    paused(db, range(0, 60, 10))
    ran(db, 35)
    ran(db, 15, job="b")
    assert told(db) == [("a", 2, at(40), at(50)), ("a", 4, at(0), at(30))]


def test_another_cause_is_another_stretch(db: Database) -> None:
    paused(db, range(0, 20, 10))
    paused(db, range(20, 40, 10), reason="paused by y")
    missed(db, range(40, 70, 10), decided=75)
    assert [count for _, count, *_ in told(db)] == [3, 2, 2]


def test_since_says_what_is_shown_and_not_where_it_begins(db: Database) -> None:
    ran(db, 0, slot=0)
    paused(db, range(10, 60, 10))
    ran(db, 60, slot=60)
    paused(db, range(70, 200, 10))
    assert told(db, since=at(150)) == [("a", 13, at(70), at(190))]
    assert told(db, since=at(50)) == [("a", 13, at(70), at(190)), ("a", 5, at(10), at(50))]
    assert told(db, since=at(51)) == [("a", 13, at(70), at(190))]


def test_a_range_of_long_ago_that_was_found_now_is_shown(db: Database) -> None:
    ran(db, 0, slot=0)
    with db.transaction():
        slots.put(
            db, "prod", "a", at(10), SlotState.MISSED_RANGE, code="older_than_window",
            until=at(5000), now=at(9000),
        )  # fmt: skip
    missed(db, range(5010, 8990, 10), decided=9000)
    ran(db, 9000, slot=8990)
    assert told(db, since=at(9000)) == [("a", 398, at(5010), at(8980)), ("a", 1, at(10), at(10))]


def test_jobs_take_their_turns_and_nobody_is_asked_twice(db: Database) -> None:
    paused(db, range(0, 30, 10), job="a")
    paused(db, range(5, 35, 10), job="b")
    missed(db, range(40, 50, 10), decided=60, job="a")
    found = stretches.newest_first(db, "prod", ("a", "b", "c"), None)
    first: list[Stretch] = list(islice(found, 2))
    assert [(one.newest.job, one.newest.slot) for one in first] == [("a", at(40)), ("b", at(25))]


def test_rows_of_a_stretch(db: Database) -> None:
    paused(db, range(0, 60, 10))
    (one,) = stretches.newest_first(db, "prod", ("a",), None)
    rows = stretches.rows(db, "prod", one, 100)
    assert [row.slot for row in rows] == [at(minute) for minute in range(50, -1, -10)]
    assert [row.slot for row in stretches.rows(db, "prod", one, 2)] == [at(50), at(40)]


def test_a_long_past_is_not_read_row_by_row(db: Database) -> None:
    """SQLite counts what it steps through: neither runs of old nor what stands behind the edge."""
    stamps = range(epoch(NINE), epoch(NINE) + 20_000 * 600, 600)
    with db.transaction():
        db.many(
            "INSERT INTO slots (manifest, job, slot, state, code, at)"
            " VALUES ('prod', :job, :slot, 'claimed', 'ran', :slot)",
            [{"job": job, "slot": slot} for slot in stamps for job in ("a", "b")],
        )
    last = at(20_000 * 10)
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    db._connection.set_progress_handler(step, 1000)
    assert told(db, "a", "b", since=last - timedelta(hours=1)) == []
    assert steps < 10, "thousands of steps of SQLite's machine"
