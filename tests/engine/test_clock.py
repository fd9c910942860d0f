"""Clock trouble, with real runs: nothing twice, nothing muted, no flood."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mitrarr_runner.clock import FixedClock
from mitrarr_runner.engine.apply import Silent
from mitrarr_runner.engine.state import gather
from mitrarr_runner.engine.tick import tick
from mitrarr_runner.plan import plan
from mitrarr_runner.store import jobs, slots
from mitrarr_runner.store.slots import SlotState

Job = Callable[..., dict[str, Any]]
START = datetime(2026, 11, 23, 12, 0, 5, tzinfo=UTC)


class Days:
    """Applies at made instants, and what ran."""

    def __init__(self, site: Any, clock: FixedClock) -> None:
        self.site = site
        self.clock = clock

    def apply(self, at: datetime) -> int:
        """How many runs that apply made."""
        before = len(self.site.history())
        self.clock.instant = at
        tick(self.site.manifest, self.site.site, self.clock, Silent(), root_from="settings")
        return len(self.site.history()) - before

    def claimed(self) -> Counter[datetime]:
        with self.site.store() as db:
            rows = slots.of_job(db, "prod", "a", 10_000)
        return Counter(row.slot for row in rows if row.state is SlotState.CLAIMED)


@pytest.fixture
def days(site: Any, job: Job) -> Days:
    site.write(jobs={"a": {**job("true"), "schedule": "*/10 * * * *"}})
    made = Days(site, FixedClock(START))
    assert made.apply(START) == 0  # the first apply learns the job
    return made


def test_an_hour_back_runs_nothing_twice_and_mutes_nothing(days: Days) -> None:
    assert days.apply(START + timedelta(minutes=60)) == 1
    assert days.apply(START + timedelta(minutes=70)) == 1
    # Back by an hour: what lies behind was dealt with, what lies ahead comes in its turn ...
    assert days.apply(START + timedelta(minutes=15)) == 0
    assert days.apply(START + timedelta(minutes=40)) == 1
    # ... and what ran already does not run again when its minute comes back.
    assert days.apply(START + timedelta(minutes=50)) == 1
    assert days.apply(START + timedelta(minutes=60)) == 0
    assert days.apply(START + timedelta(minutes=70)) == 0
    assert days.apply(START + timedelta(minutes=80)) == 1
    assert max(days.claimed().values()) == 1
    told = (days.site.root / "logs" / "mitrarr.log").read_text().count("clock_went_back")
    assert told == 1


def test_a_year_forward_and_back_mutes_nothing_and_floods_nothing(days: Days) -> None:
    assert days.apply(START + timedelta(minutes=10)) == 1
    assert days.apply(START + timedelta(days=365)) == 1  # one run, not 52,560
    with days.site.store() as db:
        kept = len(slots.of_job(db, "prod", "a", 100_000))
    assert kept < 200  # a day's window of rows and one range
    for minutes in (20, 30, 40):
        assert days.apply(START + timedelta(minutes=minutes)) == 1, minutes
    assert max(days.claimed().values()) == 1


def test_what_a_range_stands_for_is_not_looked_at_again(days: Days) -> None:
    """Thirty hours without apply, a year forward, and back into those hours."""
    assert days.apply(START + timedelta(hours=30)) == 1
    assert days.apply(START + timedelta(days=365)) == 1
    with days.site.store() as db:
        before = {row.slot: row for row in slots.of_job(db, "prod", "a", 10_000)}
    for last_slot in ("last_slot", "NULL"):  # as it is kept, and as it was kept once
        days.clock.instant = START + timedelta(hours=29)
        with days.site.store() as db, db.transaction():
            db.execute(f"UPDATE jobs SET last_slot = {last_slot}")  # noqa: S608 - our own words
            site, clock = days.site, days.clock
            view = gather(db, site.manifest, site.site, clock, clock.instant)
        assert plan(site.manifest, view, clock.instant).entries == (), last_slot
    assert days.apply(START + timedelta(hours=29)) == 0
    with days.site.store() as db:
        after = {row.slot: row for row in slots.of_job(db, "prod", "a", 10_000)}
    assert [slot for slot in after if slot not in before] == []


def test_a_clock_that_came_back_makes_nothing_missed_that_ran(days: Days, job: Job) -> None:
    """Rows that are older than the window; a row of its own kept for each of them."""
    line = {"cron": "* * * * *", "window": "10m"}
    days.site.write(jobs={"a": {**job("true"), "schedule": line}})
    days.apply(START)
    for minutes in (1, 2, 3, 4):
        assert days.apply(START + timedelta(minutes=minutes)) == 1
    assert days.apply(START + timedelta(days=365)) == 1
    assert days.apply(START + timedelta(minutes=20)) == 1
    with days.site.store() as db:
        kept = slots.of_job(db, "prod", "a", 10_000)
    ranges = [(row.slot, row.until) for row in kept if row.state is SlotState.MISSED_RANGE]
    first = START.replace(second=0)
    assert ranges == [(first + timedelta(minutes=5), first + timedelta(minutes=10))]
    with days.site.store() as db:
        known = jobs.remembered(db, "prod")["a"]
    assert known.last_slot == first + timedelta(minutes=20)


def test_what_ran_ahead_of_its_time_hides_nothing_before_it(days: Days, job: Job) -> None:
    """The clock stood an hour ahead; back, nobody comes until after what ran then."""
    line = {"cron": "*/10 * * * *", "window": "10m"}
    days.site.write(jobs={"a": {**job("true"), "schedule": line}})
    assert days.apply(START + timedelta(minutes=10)) == 1
    assert days.apply(START + timedelta(minutes=60)) == 1
    assert days.apply(START + timedelta(minutes=15)) == 0
    assert days.apply(START + timedelta(minutes=85)) == 1
    first = START.replace(second=0)
    with days.site.store() as db:
        kept = slots.of_job(db, "prod", "a", 10_000)
    fates = [(row.state.value, row.slot, row.until) for row in reversed(kept)]
    assert [(state, slot - first, until and until - first) for state, slot, until in fates] == [
        (state, timedelta(minutes=slot), until and timedelta(minutes=until))
        for state, slot, until in (
            ("claimed", 10, None),
            ("missed_range", 20, 50),
            ("claimed", 60, None),
            ("missed_range", 70, 70),
            ("claimed", 80, None),
        )
    ]


def test_a_job_that_is_new_while_the_clock_is_ahead_is_not_muted(days: Days, job: Job) -> None:
    days.site.write(
        jobs={
            "a": {**job("true"), "schedule": "*/10 * * * *"},
            "b": {**job("true"), "schedule": "*/10 * * * *"},
        }
    )
    days.apply(START + timedelta(days=365))
    days.apply(START + timedelta(minutes=11))  # b starts anew here
    days.apply(START + timedelta(minutes=20))
    assert [run.job for run in days.site.history()].count("b") == 1


NIGHTS = {
    "a gap: 02:30 does not exist and runs once, at 03:00": (
        "30 2 * * *",
        "America/New_York",
        datetime(2026, 3, 8, 4, 0, tzinfo=UTC),
        ["2026-03-08T07:00"],
    ),
    "a repeated hour: 01:30 runs once, in the first pass": (
        "30 1 * * *",
        "America/New_York",
        datetime(2026, 11, 1, 4, 0, tzinfo=UTC),
        ["2026-11-01T05:30"],
    ),
    "a repeated hour counts twice for a star job": (
        "*/30 * * * *",
        "America/New_York",
        datetime(2026, 11, 1, 4, 59, tzinfo=UTC),
        ["2026-11-01T05:00", "2026-11-01T05:30", "2026-11-01T06:00", "2026-11-01T06:30"],
    ),
    "the gap is at midnight": (
        "0 0 * * *",
        "America/Sao_Paulo",
        datetime(2018, 11, 4, 2, 0, tzinfo=UTC),
        ["2018-11-04T03:00"],
    ),
}


@pytest.mark.parametrize("night", NIGHTS, ids=list(NIGHTS))
def test_nights_in_which_the_clock_changes(site: Any, job: Job, night: str) -> None:
    cron, zone, start, expected = NIGHTS[night]
    schedule = {"cron": cron, "timezone": zone}
    site.write(jobs={"a": {**job("true"), "schedule": schedule}})
    days = Days(site, FixedClock(start))
    days.apply(start)
    hours = 4 if "midnight" not in night else 6
    ticks = range(2, hours * 60, 6) if "star" not in night else range(1, 119, 6)
    for minutes in ticks:
        days.apply(start + timedelta(minutes=minutes))
    assert [slot.strftime("%Y-%m-%dT%H:%M") for slot in sorted(days.claimed())] == expected
    assert len(site.history()) == len(expected)
