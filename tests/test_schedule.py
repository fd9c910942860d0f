"""Laws of slots: second opinions by a minute scan and by cronsim, windows, jitter, fingerprints."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mitrarr_runner.schedule import (
    fingerprint,
    jitter,
    latest_slot,
    next_slot,
    parse,
    slots,
)
from mitrarr_runner.schedule.advice import warnings

MINUTE = timedelta(minutes=1)
ZONES = [
    "UTC",
    "America/Sao_Paulo",
    "America/New_York",
    "America/St_Johns",
    "Europe/Lisbon",
    "Africa/Casablanca",
    "Antarctica/Troll",
    "Asia/Kathmandu",
    "Asia/Gaza",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
]
# Instants near which clocks of these zones changed, and a few near which nothing happens.
NIGHTS = [
    datetime(2026, 3, 8, 7, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC),
    datetime(2018, 11, 4, 3, tzinfo=UTC),
    datetime(2019, 2, 17, 2, tzinfo=UTC),
    datetime(2019, 10, 5, 15, 30, tzinfo=UTC),
    datetime(2019, 4, 6, 15, tzinfo=UTC),
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 2, 15, 2, tzinfo=UTC),
    datetime(2026, 3, 22, 2, tzinfo=UTC),
    datetime(2011, 12, 30, 10, tzinfo=UTC),
    datetime(2026, 9, 26, 14, tzinfo=UTC),
    datetime(2026, 4, 4, 14, tzinfo=UTC),
    datetime(2006, 10, 29, 2, 31, tzinfo=UTC),
    datetime(2040, 10, 20, 0, tzinfo=UTC),
    datetime(2024, 2, 29, 12, tzinfo=UTC),
]


def scan(line: str, zone: ZoneInfo, after: datetime, until: datetime) -> Iterator[datetime]:
    """Debian cron's rules, minute by minute, written a second time and as plainly as can be."""
    minute, hour, day, month, weekday = (values(*f) for f in zip(line.split(), BOUNDS, strict=True))
    columns = line.split()
    star = columns[0].startswith("*") or columns[1].startswith("*")
    both = columns[2].startswith("*") or columns[4].startswith("*")

    def fits(wall: datetime) -> bool:
        on = wall.day in day, wall.isoweekday() % 7 in {v % 7 for v in weekday}
        dated = all(on) if both else any(on)
        return wall.minute in minute and wall.hour in hour and wall.month in month and dated

    instant = after.replace(second=0, microsecond=0) - timedelta(hours=25)
    furthest = instant.astimezone(zone).replace(tzinfo=None)
    while (instant := instant + MINUTE) <= until:
        wall = instant.astimezone(zone).replace(tzinfo=None)
        if star:
            due = fits(wall)
        else:  # every reading up to this one that the wall clock has not shown before
            due = False
            while furthest < wall:
                furthest += MINUTE
                due = due or fits(furthest)
        if due and instant > after:
            yield instant


BOUNDS = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]


def values(column: str, bounds: tuple[int, int]) -> set[int]:
    found: set[int] = set()
    for item in column.split(","):
        body, _, step = item.partition("/")
        low, _, high = body.partition("-")
        if body == "*":
            first, last = bounds
        else:
            first, last = int(low), int(high or low)
        found.update(range(first, last + 1, int(step or 1)))
    return found


@st.composite
def column(draw: st.DrawFn, low: int, high: int, stars: int = 1) -> str:
    def item() -> str:
        kind = draw(st.sampled_from(["value", "range", "step"]))
        first = draw(st.integers(low, high))
        if kind == "value":
            return str(first)
        last = draw(st.integers(first, high))
        by = draw(st.integers(1, max(1, (high - low) // 2)))
        return f"{first}-{last}" + (f"/{by}" if kind == "step" else "")

    if draw(st.integers(0, 3)) < stars:
        by = draw(st.sampled_from([1, 2, 3, 5]))
        return "*" if by == 1 else f"*/{by}"
    return ",".join(item() for _ in range(draw(st.integers(1, 2))))


LINES = st.tuples(
    column(0, 59, 1), column(0, 23, 2), column(1, 28, 3), column(1, 12, 4), column(0, 7, 3)
).map(" ".join)
NEAR = st.tuples(st.sampled_from(NIGHTS), st.integers(-40 * 60, 40 * 60)).map(
    lambda pair: pair[0] + pair[1] * MINUTE
)


@settings(max_examples=120, deadline=None)
@given(line=LINES, zone=st.sampled_from(ZONES), after=NEAR, hours=st.integers(1, 60))
def test_slots_are_those_of_a_minute_scan(
    line: str, zone: str, after: datetime, hours: int
) -> None:
    until = after + timedelta(hours=hours)
    found = list(slots(parse(line), ZoneInfo(zone), after, until))
    assert found == list(scan(line, ZoneInfo(zone), after, until))


def changes() -> list[tuple[str, datetime]]:
    """(zone, night) where the night's instant is a change of that zone's clock."""
    return [
        (zone, night)
        for zone in ZONES
        for night in NIGHTS
        if len({(night + d).astimezone(ZoneInfo(zone)).utcoffset() for d in (-MINUTE, MINUTE)}) > 1
    ]


def test_the_nights_cover_the_zones() -> None:
    assert len(changes()) >= 17
    assert {zone for zone, _ in changes()} >= set(ZONES) - {"UTC", "Asia/Kathmandu"}


@pytest.mark.parametrize(("zone", "night"), changes())
def test_every_night_is_that_of_a_minute_scan(zone: str, night: datetime) -> None:
    after, until = night - timedelta(hours=15), night + timedelta(hours=27)
    for line in ("30 2 * * *", "*/30 2 * * *", "0,30 0,23 * * *", "0 */3 * * *", "7 * * * *"):
        found = list(slots(parse(line), ZoneInfo(zone), after, until))
        assert found == list(scan(line, ZoneInfo(zone), after, until)), line


# cronsim 2.8 skips the day for a star job where midnight is missing ("* 1 */3 * *" in São Paulo,
# 2018-11-04), loses star slots after a shift of half an hour (Lord Howe, "0 */3 * * *") and never
# comes back from one at a minute past midnight (St. John's, the same line).
CRONSIM_ZONES = [z for z in ZONES if z not in ("Australia/Lord_Howe", "America/St_Johns")]


def misses_a_midnight(zone: ZoneInfo, after: datetime, until: datetime) -> bool:
    day = after.replace(hour=0, minute=0, tzinfo=zone)
    while day.astimezone(UTC) <= until:
        if day.astimezone(UTC).astimezone(zone).hour:
            return True
        day += timedelta(days=1)
    return False


def in_full(line: str) -> str:
    """The line with its ranges written out: cronsim takes "0-0/1" for "0/1"."""
    return " ".join(
        column if column.startswith("*") else ",".join(map(str, sorted(values(column, bounds))))
        for column, bounds in zip(line.split(), BOUNDS, strict=True)
    )


@settings(max_examples=80, deadline=None)
@given(line=LINES, zone=st.sampled_from(CRONSIM_ZONES), after=NEAR, count=st.integers(1, 30))
def test_slots_are_those_of_cronsim(line: str, zone: str, after: datetime, count: int) -> None:
    where, until = ZoneInfo(zone), after + timedelta(days=20)
    start = after - timedelta(days=2)
    assume(parse(line).fixed_time or not misses_a_midnight(where, start, until))
    ours = list(islice(slots(parse(line), where, after, until), count))
    # From two days before, on a wall clock that shows each reading once: cronsim keeps no count of
    # the readings that were there before its start.
    theirs: list[datetime] = []
    for slot in CronSim(in_full(line), start.astimezone(where)):
        instant = slot.astimezone(UTC)
        if instant > until or len(theirs) == count:
            break
        if instant > after:
            theirs.append(instant)
    assert ours == theirs


@settings(max_examples=60, deadline=None)
@given(
    line=LINES,
    zone=st.sampled_from(ZONES),
    first=NEAR,
    spans=st.tuples(st.integers(0, 90_000), st.integers(0, 90_000)),
)
def test_windows_join_without_a_seam(
    line: str, zone: str, first: datetime, spans: tuple[int, int]
) -> None:
    cron, where = parse(line), ZoneInfo(zone)
    middle = first + timedelta(seconds=spans[0], microseconds=spans[1])
    last = middle + timedelta(seconds=spans[1])
    whole = list(slots(cron, where, first, last))
    assert whole == [*slots(cron, where, first, middle), *slots(cron, where, middle, last)]
    assert all(a < b for a, b in pairwise(whole))
    assert all(first < slot <= last and slot.tzinfo is UTC for slot in whole)


@settings(max_examples=60, deadline=None)
@given(line=LINES, zone=st.sampled_from(ZONES), after=NEAR, days=st.integers(0, 200))
def test_next_and_latest_are_the_ends_of_all(
    line: str, zone: str, after: datetime, days: int
) -> None:
    cron, where, until = parse(line), ZoneInfo(zone), after + timedelta(days=days)
    found = list(slots(cron, where, after, until))
    assert latest_slot(cron, where, after, until) == (found[-1] if found else None)
    assert next_slot(cron, where, after, days) == (found[0] if found else None)


def test_a_slot_at_the_lower_end_is_out_and_at_the_upper_end_in() -> None:
    cron, zone = parse("0 * * * *"), ZoneInfo("UTC")
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    hour = timedelta(hours=1)
    assert list(slots(cron, zone, noon, noon + hour)) == [noon + hour]
    assert list(slots(cron, zone, noon, noon)) == []
    assert list(slots(cron, zone, noon + hour, noon)) == []
    assert latest_slot(cron, zone, noon + hour, noon) is None
    assert next_slot(cron, zone, noon - timedelta(microseconds=1)) == noon
    assert next_slot(cron, zone, noon + timedelta(microseconds=1)) == noon + hour


@pytest.mark.parametrize("second", [0, 1, 59])
def test_the_last_minute_of_an_hour_is_not_lost(second: int) -> None:
    after = datetime(2026, 1, 1, 11, 58, second, tzinfo=UTC)
    found = next_slot(parse("59 * * * *"), ZoneInfo("America/Sao_Paulo"), after)
    assert found == datetime(2026, 1, 1, 11, 59, tzinfo=UTC)


def test_instants_without_a_zone_are_refused() -> None:
    naive, aware = datetime(2026, 1, 1), datetime(2026, 1, 2, tzinfo=UTC)
    with pytest.raises(ValueError, match="zone"):
        list(slots(parse("@daily"), ZoneInfo("UTC"), naive, aware))


def test_an_instant_in_another_zone_is_the_same_instant() -> None:
    cron, zone = parse("0 9 * * *"), ZoneInfo("America/Sao_Paulo")
    after = datetime(2026, 5, 1, 20, tzinfo=ZoneInfo("Asia/Tokyo"))
    assert next_slot(cron, zone, after) == datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_the_weekday_is_taken_in_the_zone() -> None:
    # Friday 22:00 in São Paulo is Saturday in UTC.
    found = next_slot(
        parse("0 22 * * fri"), ZoneInfo("America/Sao_Paulo"), datetime(2026, 11, 23, tzinfo=UTC)
    )
    assert found == datetime(2026, 11, 28, 1, tzinfo=UTC)


def test_either_day_and_both_days() -> None:
    zone, start = ZoneInfo("UTC"), datetime(2026, 1, 31, 12, tzinfo=UTC)
    end = start + timedelta(days=28)

    def days(line: str) -> list[int]:
        return [slot.day for slot in slots(parse(line), zone, start, end)]

    assert days("0 0 13 * fri") == [6, 13, 20, 27]  # February 2026: the 13th is a Friday
    assert days("0 0 14 * fri") == [6, 13, 14, 20, 27]
    assert days("0 0 */2 * fri") == [13, 27]  # starts with a star: both must fit
    assert days("0 0 1-7 * */7") == [1]  # the first Sunday
    assert days("0 0 * * fri") == [6, 13, 20, 27]
    assert days("0 0 14 * *") == [14]


def test_the_leap_day_that_a_century_swallows_is_found() -> None:
    after = datetime(2096, 3, 1, tzinfo=UTC)
    found = next_slot(parse("0 0 29 2 *"), ZoneInfo("UTC"), after)
    assert found == datetime(2104, 2, 29, tzinfo=UTC)
    assert next_slot(parse("0 0 29 2 *"), ZoneInfo("UTC"), after, horizon_days=700) is None


@pytest.mark.parametrize("year", [1, 1900, 9998, 9999])
def test_the_ends_of_time_do_not_raise(year: int) -> None:
    after = datetime(year, 12, 31, 12, tzinfo=UTC)
    cron, zone = parse("0 0 1 1 *"), ZoneInfo("America/New_York")
    found = next_slot(cron, zone, after)
    assert found is None or found > after
    assert latest_slot(cron, zone, after - timedelta(days=300), after) is None or year > 1


def test_local_mean_time_has_seconds() -> None:
    # Before 1914 São Paulo was 3:06:28 behind Greenwich.
    after = datetime(1913, 6, 1, tzinfo=UTC)
    found = next_slot(parse("0 0 * * *"), ZoneInfo("America/Sao_Paulo"), after)
    assert found == datetime(1913, 6, 1, 3, 6, 28, tzinfo=UTC)


def test_the_latest_of_a_million_slots_costs_what_one_costs() -> None:
    cron, zone = parse("* * * * *"), ZoneInfo("America/New_York")
    until = datetime(2026, 6, 1, 0, 0, 30, tzinfo=UTC)
    started = time.process_time()
    for _ in range(20):
        found = latest_slot(cron, zone, until - timedelta(days=730), until)
    assert found == datetime(2026, 6, 1, tzinfo=UTC)
    assert time.process_time() - started < 0.5  # a walk over all would take 20 * 0.1 s and more


def test_the_next_slot_far_away_in_a_window_of_years_is_lazy() -> None:
    cron, zone = parse("*/10 * * * *"), ZoneInfo("America/New_York")
    after = datetime(2026, 6, 1, tzinfo=UTC)
    started = time.process_time()
    for _ in range(1000):
        next_slot(cron, zone, after)
    assert time.process_time() - started < 1.0


def test_fingerprint_is_the_text_and_the_zone_and_nothing_else() -> None:
    one = fingerprint("*/10 * * * *", "America/Sao_Paulo")
    assert one == fingerprint(" */10  * * *\t* ", "America/Sao_Paulo")
    assert one == "1c38e1f6cf6581d3"  # sha256sum's; stores hold it, so it stays
    assert one != fingerprint("*/10 * * * *", "America/Bahia")
    assert one != fingerprint("*/15 * * * *", "America/Sao_Paulo")


def test_jitter_is_stable_and_spread() -> None:
    names = [f"job_{i}" for i in range(2000)]
    drawn = [jitter(name, 59) for name in names]
    assert drawn == [jitter(name, 59) for name in names]
    assert jitter("adiciona_nists", 300) == 28
    assert set(drawn) == set(range(60))
    assert max(drawn.count(second) for second in range(60)) < 70
    assert {jitter(name, 0) for name in names} == {0}
    with pytest.raises(ValueError, match="negative"):
        jitter("job", -1)


@pytest.mark.parametrize(
    ("line", "zone", "codes"),
    [
        ("*/10 * * * *", "America/New_York", []),
        ("59/15 * * * *", "UTC", ["cron_idle_step"]),
        ("0 */24 * * *", "UTC", ["cron_idle_step"]),
        ("0/15 * * * *", "UTC", []),
        ("*/45 * * * *", "UTC", ["cron_uneven_step"]),
        ("0 */5 * * *", "UTC", ["cron_uneven_step"]),
        ("0 0 */2 * *", "UTC", []),
        ("0 0 13 * 5", "UTC", ["cron_either_day"]),
        ("0 0 */2 * 5", "UTC", ["cron_both_days"]),
        ("30 2 * * *", "America/New_York", ["cron_gap"]),
        ("30 2 * * 1", "America/New_York", []),  # clocks change on Sundays
        ("*/30 2 * * *", "America/New_York", []),  # a star job has nothing to lose
        ("30 2 * * *", "America/Sao_Paulo", []),  # no daylight saving there
        ("30 3 * * *", "America/New_York", []),
        ("@daily", "America/New_York", []),
    ],
)
def test_warnings(line: str, zone: str, codes: list[str]) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert [warning.code for warning in warnings(parse(line), ZoneInfo(zone), now)] == codes


def test_the_warning_of_a_gap_says_what_will_happen() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    [warning] = warnings(parse("30 2 * * *"), ZoneInfo("America/New_York"), now)
    assert str(warning.message) == (
        "02:30 does not exist on 2026-03-08 in America/New_York: the clock jumps over it, "
        "and the job runs at 03:00 -04:00"
    )
    [warning] = warnings(parse("59/15 * * * *"), ZoneInfo("UTC"), now)
    assert str(warning.hint) == 'If that is meant, write "59".'
