"""Verdicts on volumes: floors and bands, comparable days, holidays, windows of a day, histories."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mitrarr_runner.errors import UsageError
from mitrarr_runner.volumes import (
    Against,
    Direction,
    HolidayRule,
    Per,
    Reading,
    Verdict,
    VolumeRule,
    calendar,
    day_so_far,
    default_rule,
    hour_so_far,
    judge,
    read_history,
)

ZONE = ZoneInfo("America/Sao_Paulo")
MONDAY = datetime(2026, 11, 23, 14, tzinfo=UTC)  # 11:00 in São Paulo
WEEK = timedelta(days=7)
COUNTS = st.integers(0, 5000)


def rule(
    minimum: int = 0,
    drop: float | None = 0.5,
    against: Against = Against.SAME_WEEKDAY,
    direction: Direction = Direction.BELOW,
    holidays: HolidayRule | None = None,
) -> VolumeRule:
    return VolumeRule(Per.RUN, minimum, drop, ZONE, against, direction, holidays)


def plain(*values: int) -> list[Reading]:
    return [Reading(None, value) for value in values]


def weekly(*values: int, before: datetime = MONDAY) -> list[Reading]:
    """One reading in each of the weeks before, same weekday and time, oldest first."""
    return [Reading(before - (len(values) - i) * WEEK, value) for i, value in enumerate(values)]


def seen(verdict: Verdict) -> tuple[str, str]:
    return str(verdict.state), verdict.code


# The verdict


@pytest.mark.parametrize(
    ("readings", "current", "minimum", "expected"),
    [
        (plain(100, 110, 120, 130), 58, 0, ("ok", "ok")),
        (plain(100, 110, 120, 130), 57, 0, ("low", "drop")),  # the bound is 57.5
        (plain(100, 110, 120, 130), 57, 60, ("low", "floor")),
        (plain(100, 110, 120, 130), 59, 60, ("low", "floor")),  # above the bound, under the floor
        (plain(100, 110, 120), 1, 1, ("ok", "few_readings")),
        (plain(100, 110, 120), 0, 1, ("low", "floor")),
        (plain(100, 110, 120), 0, 0, ("unknown", "few_readings")),  # nothing was compared
        ([], 5, 1, ("ok", "few_readings")),
        (plain(0, 0, 0, 0), 0, 0, ("ok", "ok")),
        (plain(0, 0, 0, 0), 0, 1, ("low", "floor")),
        (plain(0, 0, 0, 9), 0, 0, ("ok", "ok")),  # the median is zero: zero is usual
        (plain(1, 1, 1, 1), 0, 0, ("low", "drop")),
        (weekly(1000, 1100, 900, 1000), 400, 0, ("low", "drop")),
        (weekly(1000, 1100, 900, 1000), 600, 0, ("ok", "ok")),
        (weekly(1000, 1100, 900), 1, 0, ("unknown", "few_readings")),
        (weekly(1000, 1000, 1000, 1000), 500, 0, ("ok", "ok")),
        (weekly(1000, 1000, 1000, 1000), 499, 0, ("low", "drop")),
        (weekly(100, 900, 400, 1500, 50), 100, 0, ("ok", "ok")),  # a series that swings
        (weekly(100, 900, 400, 1500, 50), 100, 101, ("low", "floor")),
        (weekly(3, 3, 3, 3), 1, 0, ("ok", "ok")),  # three and one differ by chance
    ],
)
def test_floor_and_drop(
    readings: list[Reading], current: int, minimum: int, expected: tuple[str, str]
) -> None:
    assert seen(judge(readings, current, MONDAY, rule(minimum))) == expected


def test_a_tight_drop_does_not_fire_on_counting_noise() -> None:
    steady = weekly(1000, 1000, 1000, 1000)
    tight = rule(drop=0.0)
    # spread = max(2 % = 20, isqrt(1000) = 31): three of them are 93
    assert seen(judge(steady, 907, MONDAY, tight)) == ("ok", "ok")
    assert seen(judge(steady, 906, MONDAY, tight)) == ("low", "drop")
    # a drop wider than the noise is taken at its word
    assert seen(judge(steady, 899, MONDAY, rule(drop=0.1))) == ("low", "drop")
    assert seen(judge(steady, 900, MONDAY, rule(drop=0.1))) == ("ok", "ok")


def test_the_spread_is_the_mad_and_one_bad_day_does_not_move_it() -> None:
    # median 1000, deviations 0 0 100 100 100 200 1000: MAD 100, spread 148.26, bound 555.22
    series = weekly(1000, 1000, 900, 1100, 1100, 800, 0)
    assert seen(judge(series, 556, MONDAY, rule(drop=0.2))) == ("ok", "ok")
    assert seen(judge(series, 555, MONDAY, rule(drop=0.2))) == ("low", "drop")


def test_a_share_is_exact() -> None:
    # 100 * (1 - 0.7) is 30.000000000000004 in floats
    assert seen(judge(plain(100, 100, 100, 100), 30, MONDAY, rule(drop=0.7))) == ("ok", "ok")
    assert seen(judge(plain(100, 100, 100, 100), 29, MONDAY, rule(drop=0.7))) == ("low", "drop")
    assert seen(judge(plain(100, 100, 100, 100), 0, MONDAY, rule(drop=1.0))) == ("ok", "ok")


def test_without_a_drop_only_the_floor_counts() -> None:
    usual = plain(100, 100, 100, 100)
    assert seen(judge(usual, 20, MONDAY, rule(20, drop=None))) == ("ok", "ok")
    assert seen(judge(usual, 19, MONDAY, rule(20, drop=None))) == ("low", "floor")
    assert seen(judge(usual, 0, MONDAY, rule(0, drop=None))) == ("unknown", "no_bound")


@pytest.mark.parametrize(
    ("direction", "low", "high"),
    [
        (Direction.BELOW, ("low", "drop"), ("ok", "ok")),
        (Direction.ABOVE, ("ok", "ok"), ("high", "rise")),
        (Direction.BOTH, ("low", "drop"), ("high", "rise")),
    ],
)
def test_directions(direction: Direction, low: tuple[str, str], high: tuple[str, str]) -> None:
    usual = plain(100, 100, 100, 100)
    asked = rule(direction=direction)
    assert seen(judge(usual, 49, MONDAY, asked)) == low
    assert seen(judge(usual, 151, MONDAY, asked)) == high
    assert seen(judge(usual, 50, MONDAY, asked)) == ("ok", "ok")
    assert seen(judge(usual, 150, MONDAY, asked)) == ("ok", "ok")


def test_what_a_verdict_says() -> None:
    verdict = judge(plain(900, 1310, 1300, 1400), 38, MONDAY, rule(50))
    assert (verdict.current, verdict.comparable, verdict.median) == (38, 4, 1305.0)
    assert (verdict.expected_low, verdict.expected_high) == (653, 1957)
    assert str(verdict.message) == "38 is under the floor of 50"
    verdict = judge(plain(900, 1310, 1300, 1400), 60, MONDAY, rule(50))
    assert str(verdict.message) == (
        "60 is low: expected 653 to 1,957; median 1,305 of 4 comparable readings"
    )
    verdict = judge(plain(900, 1310, 1300, 1400), 2000, MONDAY, rule(50))
    assert str(verdict.message).startswith("2,000: outside 653 to 1,957 on the side not watched")
    verdict = judge(plain(900), 60, MONDAY, rule(50))
    assert (verdict.expected_low, verdict.expected_high) == (50, None)
    assert str(verdict.message) == (
        "60 reaches the floor of 50; nothing else to compare with: "
        "1 comparable reading, 4 are needed"
    )


def test_the_default_rule_of_a_label_nobody_knows() -> None:
    asked = default_rule(ZONE)
    assert (asked.minimum, asked.drop) == (1, 0.5)
    assert seen(judge([], 0, MONDAY, asked)) == ("low", "floor")
    assert seen(judge([], 120, MONDAY, asked)) == ("ok", "few_readings")


@given(
    readings=st.lists(COUNTS, max_size=12),
    dated=st.booleans(),
    current=COUNTS,
    more=COUNTS,
    minimum=st.integers(0, 50),
    drop=st.sampled_from([None, 0.0, 0.1, 0.5, 0.9, 1.0]),
)
def test_more_is_never_lower(
    readings: list[int], dated: bool, current: int, more: int, minimum: int, drop: float | None
) -> None:
    history = weekly(*readings) if dated else plain(*readings)
    asked = rule(minimum, drop)
    if judge(history, current, MONDAY, asked).state != "low":
        assert judge(history, current + more, MONDAY, asked).state != "low"


@given(
    readings=st.lists(COUNTS, max_size=12),
    current=COUNTS,
    minimum=st.integers(0, 5000),
    drop=st.sampled_from([None, 0.0, 0.1, 0.5, 0.9, 1.0]),
    direction=st.sampled_from(Direction),
    dated=st.booleans(),
)
def test_the_range_that_is_shown_is_the_range_that_decides(
    readings: list[int],
    current: int,
    minimum: int,
    drop: float | None,
    direction: Direction,
    dated: bool,
) -> None:
    history = weekly(*readings) if dated else plain(*readings)
    verdict = judge(history, current, MONDAY, rule(minimum, drop, direction=direction))
    if verdict.state == "low":
        assert current < verdict.expected_low
    elif direction != Direction.ABOVE:
        assert current >= verdict.expected_low
    if verdict.state == "high":
        assert verdict.expected_high is not None
        assert current > verdict.expected_high
    assert verdict.expected_low >= minimum
    assert current > 0 or verdict.state != "low" or verdict.expected_low > 0
    assert str(verdict.message).startswith(f"{current:,}")


@given(
    readings=st.lists(st.integers(1, 500), min_size=4, max_size=12),
    current=st.integers(0, 1000),
    drop=st.sampled_from([0.1, 0.3, 0.5, 0.9]),
    factor=st.integers(1, 1000),
)
def test_a_plain_verdict_does_not_depend_on_the_unit(
    readings: list[int], current: int, drop: float, factor: int
) -> None:
    asked = rule(drop=drop, direction=Direction.BOTH)
    scaled = plain(*(value * factor for value in readings))
    one = judge(plain(*readings), current, MONDAY, asked)
    assert judge(scaled, current * factor, MONDAY, asked).state == one.state


@given(
    level=st.integers(1, 100_000),
    drop=st.sampled_from([0.0, 0.01, 0.1, 0.5]),
    wobble=st.lists(st.integers(-2, 2), min_size=4, max_size=9),
)
def test_a_stable_series_does_not_fire_on_tiny_moves(
    level: int, drop: float, wobble: list[int]
) -> None:
    history = weekly(*(max(0, level + w) for w in wobble))
    small = max(1, level // 50)
    asked = rule(drop=drop, direction=Direction.BOTH)
    for current in (level, max(0, level - small), level + small):
        assert judge(history, current, MONDAY, asked).state == "ok"


@given(readings=st.lists(COUNTS, max_size=12), drop=st.sampled_from([None, 0.1, 0.5, 1.0]))
def test_zero_fires_only_where_something_is_asked(readings: list[int], drop: float | None) -> None:
    verdict = judge(plain(*readings), 0, MONDAY, rule(0, drop))
    assert (verdict.state == "low") == (verdict.expected_low > 0)


# Which readings are comparable


def test_only_the_same_weekday_is_compared() -> None:
    days = [
        Reading(MONDAY - timedelta(days=n), 1000 if n % 7 == 0 else 10) for n in range(56, 0, -1)
    ]
    verdict = judge(days, 400, MONDAY, rule())
    assert (verdict.comparable, verdict.median, verdict.state) == (8, 1000.0, "low")
    verdict = judge(days, 400, MONDAY, rule(against=Against.ALL))
    assert (verdict.comparable, verdict.median, verdict.state) == (56, 10.0, "ok")


def test_the_weekday_is_that_of_the_zone() -> None:
    late = datetime(2026, 11, 24, 1, tzinfo=UTC)  # Monday 22:00 in São Paulo, Tuesday in UTC
    assert judge(weekly(9, 9, 9, 9, before=late), 9, MONDAY, rule()).comparable == 4


def test_eight_days_are_enough_and_old_habits_are_forgotten() -> None:
    verdict = judge(weekly(*[9000] * 20, *[100] * 8), 60, MONDAY, rule())
    assert (verdict.comparable, verdict.median, verdict.state) == (8, 100.0, "ok")


def test_several_runs_of_one_day_are_one_day() -> None:
    runs = [
        Reading(MONDAY - week * WEEK + timedelta(minutes=10 * i), 100)
        for week in range(10, 0, -1)
        for i in range(5)
    ]
    assert judge(runs, 100, MONDAY, rule()).comparable == 40


def test_readings_of_the_future_are_not_compared() -> None:
    ahead = [Reading(MONDAY + n * WEEK, 100_000) for n in range(1, 5)]
    verdict = judge([*weekly(10, 10, 10, 10), *ahead], 10, MONDAY, rule())
    assert (verdict.comparable, verdict.median) == (4, 10.0)


BR_SP = HolidayRule("BR-SP")
CARNIVAL = datetime(2026, 2, 16, 14, tzinfo=UTC)  # a Monday


def daily(until: datetime, days: int, holidays: dict[date, int], sunday: int = 20) -> list[Reading]:
    """One reading a day: 1000 on working days and Saturdays, fewer on Sundays and holidays."""
    readings = []
    for n in range(days, 0, -1):
        at = until - timedelta(days=n)
        usual = sunday if at.weekday() == 6 else 1000
        readings.append(Reading(at, holidays.get(at.date(), usual)))
    return readings


def test_a_holiday_is_compared_with_sundays_and_holidays() -> None:
    history = daily(CARNIVAL, 60, {date(2025, 12, 25): 30, date(2026, 1, 1): 30})
    assert judge(history, 15, CARNIVAL, rule()).state == "low"
    verdict = judge(history, 15, CARNIVAL, rule(holidays=BR_SP))
    assert (verdict.state, verdict.median) == ("ok", 20.0)
    only_legal = HolidayRule("BR-SP", optional=False)
    assert judge(history, 15, CARNIVAL, rule(holidays=only_legal)).state == "low"
    named = HolidayRule("BR-SP", optional=False, extra=(CARNIVAL.date(),))
    assert judge(history, 15, CARNIVAL, rule(holidays=named)).state == "ok"
    everything = rule(against=Against.ALL, holidays=BR_SP)
    assert judge(history, 15, CARNIVAL, everything).state == "ok"


def test_a_working_day_is_not_compared_with_holidays() -> None:
    # Monday the 23rd of February, a week after Carnival, and four more Mondays before.
    now = CARNIVAL + WEEK
    history = weekly(1000, 1000, 1000, 1000, 10, before=now)
    verdict = judge(history, 900, now, rule(holidays=BR_SP))
    assert (verdict.comparable, verdict.median) == (4, 1000.0)
    assert judge(history, 900, now, rule()).comparable == 5
    everything = rule(against=Against.ALL, holidays=BR_SP)
    assert judge(history, 900, now, everything).comparable == 4


def test_the_caller_may_bring_its_calendar() -> None:
    verdict = judge(
        daily(MONDAY, 60, {}),
        15,
        MONDAY,
        rule(),
        names=lambda day: "flood" if day == MONDAY.date() else None,
    )
    assert (verdict.state, verdict.median) == ("ok", 20.0)


@pytest.mark.parametrize(
    ("code", "day", "name"),
    [
        ("BR", date(2026, 9, 7), "Independência do Brasil"),
        ("BR", date(2026, 7, 9), None),
        ("BR-SP", date(2026, 7, 9), "Revolução Constitucionalista"),
        ("BR-SP", date(2026, 2, 17), "Carnaval"),
        ("BR-SP", date(2026, 2, 18), "Quarta-feira de Cinzas"),
        ("BR-SP", date(2026, 6, 4), "Corpus Christi"),
        ("BR-SP", date(2026, 11, 23), None),
        ("US", date(2026, 7, 4), "Independence Day"),
    ],
)
def test_calendars(code: str, day: date, name: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGUAGE", "uk")  # the host's language names no holiday
    assert calendar(code)(day) == name


def test_optional_and_extra_days() -> None:
    day = date(2026, 2, 17)
    assert calendar("BR-SP", optional=False)(day) is None
    assert calendar("BR-SP", optional=False, extra=(day,))(day) == "extra"
    assert calendar("BR-SP", extra=(day,))(day) == "Carnaval"


@pytest.mark.parametrize(
    ("code", "hint"),
    [("BR-PS", "BR-SP"), ("ZZ", "BR-SP"), ("br-sp", "BR-SP"), ("", "BR-SP"), ("BR-", "BR")],
)
def test_a_calendar_that_is_not_there(code: str, hint: str) -> None:
    if code == "BR-":
        assert calendar(code)(date(2026, 9, 7)) is not None
        return
    with pytest.raises(UsageError) as caught:
        calendar(code)
    assert caught.value.code == "calendar_unknown"
    assert hint in str(caught.value.hint)


# The day so far


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


def test_the_day_so_far_and_the_same_hours_of_other_days() -> None:
    readings = [
        Reading(at("2026-11-20T23:50"), 7),  # only late: nothing was read by 11:00
        Reading(at("2026-11-21T00:00"), 1),  # midnight belongs to the new day
        Reading(at("2026-11-21T10:00"), 2),
        Reading(at("2026-11-21T11:00"), 4),  # the same minute counts
        Reading(at("2026-11-21T11:01"), 13),
        Reading(at("2026-11-22T10:59"), 5),
        Reading(at("2026-11-22T20:00"), 15),
        Reading(at("2026-11-23T09:00"), 30),
        Reading(at("2026-11-23T11:00"), 3),
        Reading(at("2026-11-23T11:01"), 99),  # the future
    ]
    so_far = day_so_far(readings, at("2026-11-23T11:00"), ZONE)
    assert so_far.past == (
        Reading(at("2026-11-21T11:00").astimezone(UTC), 7),
        Reading(at("2026-11-22T11:00").astimezone(UTC), 5),
    )
    assert (so_far.today, so_far.read) == (33, 2)
    assert so_far.share == Fraction(3, 10)  # of 7/20 and 5/20


def test_nothing_read_is_not_zero() -> None:
    so_far = day_so_far([Reading(at("2026-11-22T10:00"), 0)], at("2026-11-23T11:00"), ZONE)
    assert [reading.value for reading in so_far.past] == [0]
    assert (so_far.today, so_far.read, so_far.share) == (0, 0, 1)
    assert day_so_far([], MONDAY, ZONE).past == ()
    assert day_so_far(plain(1, 2), MONDAY, ZONE).past == ()


def test_the_floor_of_a_day_grows_with_the_day() -> None:
    hours = [
        Reading(at(f"2026-11-{day:02}T{hour:02}:30"), 0 if hour < 8 else 10)
        for day in range(1, 23)
        for hour in range(24)
    ]
    asked = VolumeRule(Per.DAY, 80, None, ZONE)
    for hour, floor in ((3, 0), (8, 0), (9, 5), (16, 40), (23, 75)):
        so_far = day_so_far(hours, at(f"2026-11-23T{hour:02}:00"), ZONE)
        verdict = judge(so_far.past, so_far.today, MONDAY, asked, share=so_far.share)
        assert verdict.expected_low == floor, hour
        assert (verdict.state == "low") == (floor > 0)
    assert judge([], 0, MONDAY, asked).expected_low == 80  # the first day knows no better


def test_the_night_on_which_the_clock_changes_has_its_own_length() -> None:
    # São Paulo, 2018-11-04: the day begins at 01:00 -02.
    readings = [
        Reading(datetime(2018, 11, 4, 2, 59, tzinfo=UTC), 1),  # the 3rd, 23:59
        Reading(datetime(2018, 11, 4, 3, 0, tzinfo=UTC), 2),  # the 4th, 01:00
        Reading(datetime(2018, 11, 5, 1, 59, tzinfo=UTC), 4),  # the 4th, 23:59
        Reading(datetime(2018, 11, 5, 2, 0, tzinfo=UTC), 8),  # the 5th, 00:00
    ]
    so_far = day_so_far(readings, datetime(2018, 11, 6, 1, 59, 59, tzinfo=UTC), ZONE)
    assert [reading.value for reading in so_far.past] == [1, 6]
    assert so_far.today == 8


def test_the_last_hour_and_that_of_other_days() -> None:
    readings = [
        Reading(at("2026-11-21T23:31"), 1),
        Reading(at("2026-11-22T00:30"), 2),
        Reading(at("2026-11-22T00:31"), 4),
        Reading(at("2026-11-22T23:30"), 8),
        Reading(at("2026-11-22T23:31"), 16),
        Reading(at("2026-11-23T00:30"), 32),
    ]
    so_far = hour_so_far(readings, at("2026-11-23T00:30"), ZONE)
    assert so_far.past == (Reading(at("2026-11-22T00:30").astimezone(UTC), 3),)
    assert (so_far.today, so_far.read, so_far.share) == (48, 2, 1)


MINUTES = st.integers(0, 60 * 24 * 12)


@settings(max_examples=60)
@given(readings=st.lists(st.tuples(MINUTES, st.integers(0, 50)), max_size=40), now=MINUTES)
def test_the_day_so_far_is_that_of_a_plain_count(readings: list[tuple[int, int]], now: int) -> None:
    start = datetime(2018, 10, 28, 3, tzinfo=UTC)  # around the night of 2018-11-04
    history = [Reading(start + timedelta(minutes=m), value) for m, value in readings]
    instant = start + timedelta(minutes=now)
    local = instant.astimezone(ZONE)
    assume(local.hour > 0)  # the local minutes that are missing on the 4th
    so_far = day_so_far(history, instant, ZONE)
    counted: dict[date, int] = {}
    for reading in history:
        assert reading.at is not None
        wall = reading.at.astimezone(ZONE)
        if reading.at <= instant and wall.time() <= local.time():
            counted[wall.date()] = counted.get(wall.date(), 0) + reading.value
    assert so_far.today == counted.pop(local.date(), 0)
    assert [reading.value for reading in so_far.past] == [counted[day] for day in sorted(counted)]
    assert 0 <= so_far.share <= 1


# The history file


def refused(data: bytes) -> UsageError:
    with pytest.raises(UsageError) as caught:
        read_history(data, "l")
    assert caught.value.hint is not None
    return caught.value


def test_histories_of_the_tutorial() -> None:
    data = b"""{
        "adiciona_nists": [120, 131],
        "outro": [],
        "dated": [
            {"at": "2026-11-22T03:00:00-03:00", "value": 7},
            {"value": 5, "at": "2026-11-21T06:00:00Z"}
        ]
    }"""
    assert read_history(data, "adiciona_nists") == tuple(plain(120, 131))
    assert read_history(data, "outro") == ()
    assert read_history(data, "missing") is None
    assert read_history(data, "dated") == (
        Reading(datetime(2026, 11, 21, 6, tzinfo=UTC), 5),
        Reading(datetime(2026, 11, 22, 6, tzinfo=UTC), 7),
    )
    assert read_history(b"\xef\xbb\xbf" + data, "adiciona_nists") == tuple(plain(120, 131))


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        (b"", "history_json", "the history is not JSON: line 1, column 1: Expecting value"),
        (b'{"l": [1,]}', "history_json", "the history is not JSON: line 1, column 10:"),
        (b'{"l": [1]} x', "history_json", "the history is not JSON: line 1, column 12:"),
        (b"[" * 100_000, "history_json", "the history is nested too deeply"),
        (b'{"l": [1], "a\xe7": [2]}', "history_encoding", "the history is not UTF-8: byte 13 does"),
        ('{"l": [1]}'.encode("utf-16"), "history_encoding", "the history is not UTF-8: byte 0"),
        (b"[1, 2]", "history_shape", "a history is a JSON object of labels and lists"),
        (b'{"l": 5}', "history_shape", 'the history of "l" is not a list'),
        (b'{"l": {"at": 1}}', "history_shape", 'the history of "l" is not a list'),
        (b'{"l": null}', "history_shape", 'the history of "l" is not a list'),
        (b'{"l": [1], "l": [2]}', "history_duplicate", 'the key "l" stands twice in the history'),
        (b'{"x": 1, "x": 2}', "history_duplicate", 'the key "x" stands twice in the history'),
        (b'{"l": [{"value": 1, "value": 2}]}', "history_duplicate", 'the key "value" stands twice'),
        (b'{"l": [1, {"at": "2026-11-22T03:00Z", "value": 1}]}', "history_mixed",
         'the history of "l" mixes'),
        (b'{"l": [1, -1]}', "history_value", "l[1] is negative"),
        (b'{"l": [1, 2.5]}', "history_value", "l[1] is not a whole number"),
        (b'{"l": [1, 1e3]}', "history_value", "l[1] is not a whole number"),
        (b'{"l": [true]}', "history_value", "l[0] is not a whole number"),
        (b'{"l": ["5"]}', "history_value", "l[0] is not a whole number"),
        (b'{"l": [null]}', "history_value", "l[0] is not a whole number"),
        (b'{"l": [[1]]}', "history_value", "l[0] is not a whole number"),
        (b'{"l": [NaN]}', "history_value", "NaN is not a count"),
        (b'{"l": [-Infinity]}', "history_value", "-Infinity is not a count"),
        (b'{"l": [1' + b"0" * 5000 + b"]}", "history_value", "a number of the history is too long"),
        (b'{"l": [1' + b"0" * 30 + b"]}", "history_value", "l[0] is too large for a count"),
        (b'{"l": [{"value": 1}]}', "history_shape", 'l[0] has no "at"'),
        (b'{"l": [{"at": "2026-11-22T03:00Z"}]}', "history_shape", 'l[0] has no "value"'),
        (b'{"l": [{"at": "2026-11-22T03:00Z", "valor": 1}]}', "history_shape",
         'l[0] has an unknown key "valor"'),
        (b'{"l": [{"at": "2026-11-22T03:00", "value": 1}]}', "history_at",
         "l[0] has an `at` without an offset"),
        (b'{"l": [{"at": "2026-11-22", "value": 1}]}', "history_at",
         "l[0] has an `at` without an offset"),
        (b'{"l": [{"at": "ontem", "value": 1}]}', "history_at", "l[0] has no readable `at`"),
        (b'{"l": [{"at": 1763000000, "value": 1}]}', "history_at", "l[0] has no readable `at`"),
        (b'{"l": [{"at": "0001-01-01T00:00+14:00", "value": 1}]}', "history_at",
         "l[0] has no readable `at`"),
        (b'{"l": [{"at": "2026-11-22T03:00Z", "value": true}]}', "history_value",
         "l[0] is not a whole number"),
    ],
)  # fmt: skip
def test_histories_that_are_refused(data: bytes, code: str, message: str) -> None:
    error = refused(data)
    assert (error.code, str(error)[: len(message)]) == (code, message)


def test_the_hint_of_a_misspelt_key() -> None:
    assert str(refused(b'{"l": [{"at": "2026-11-22T03:00Z", "valeu": 1}]}').hint) == (
        'Did you mean "value"?'
    )


def test_a_key_of_the_file_cannot_forge_a_line_or_break_the_terminal() -> None:
    message = str(refused(b'{"l": [{"\\u001b[2J\\n\\ud800": 1}]}'))
    assert message.isprintable()
    assert message.encode()


def test_an_error_in_another_label_does_not_stop_this_one() -> None:
    assert read_history(b'{"x": "not a list", "l": [4]}', "l") == tuple(plain(4))


@given(st.lists(st.integers(0, 10**9)))
def test_what_is_written_is_read(values: list[int]) -> None:
    assert read_history(json.dumps({"l": values}).encode(), "l") == tuple(plain(*values))


@given(st.binary(max_size=60) | st.text('{}[]":,l0123at value', max_size=40).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        read_history(data, "l")
    except UsageError as error:
        refusal = error.code
    else:
        refusal = "history_"
    assert refusal.startswith("history_")
