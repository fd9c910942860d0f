"""A history judged again: the warnings a changed threshold would have given."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from mitrarr_runner.volumes import (
    Direction,
    HolidayRule,
    Log,
    Per,
    Reading,
    Replay,
    State,
    VolumeRule,
    Warned,
    judge,
    judge_in,
    replay,
)

ZONE = ZoneInfo("America/Sao_Paulo")
NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)


def rule(per: Per, minimum: int, drop: float | None = None, **more: object) -> VolumeRule:
    return VolumeRule(per, minimum, drop, ZONE, **more)  # type: ignore[arg-type]


def daily(values: list[int], hour: int = 18) -> list[Reading]:
    """One reading a day at that UTC hour, the last of them yesterday."""
    last = NOW.replace(hour=hour, minute=0) - timedelta(days=1)
    days = [last - timedelta(days=back) for back in range(len(values) - 1, -1, -1)]
    return [Reading(day, value) for day, value in zip(days, values, strict=True)]


def test_a_higher_floor_warns_more_often_and_says_when() -> None:
    readings = daily([60] * 20 + [44] + [60] * 10 + [12, 31] + [60] * 5)
    assert [one.value for one in replay(readings, rule(Per.DAY, 20), NOW).warnings] == [12]
    found = replay(readings, rule(Per.DAY, 50), NOW)
    assert [one.value for one in found.warnings] == [44, 12, 31]
    assert found.warnings[0].at.date() == date(2026, 11, 5)
    assert found.since == readings[0].at


def test_days_are_warnings_of_their_own_and_runs_in_a_row_are_one() -> None:
    readings = daily([9, 3, 4, 9, 2])
    assert len(replay(readings, rule(Per.DAY, 5), NOW).warnings) == 3
    assert [one.value for one in replay(readings, rule(Per.RUN, 5), NOW).warnings] == [3, 2]


def test_a_day_is_told_by_its_last_count_that_was_low() -> None:
    """Low at 10:00 (2) and at 11:00 (2 + 3), normal at 12:00 (2 + 3 + 90)."""
    at = NOW.replace(hour=13, minute=0) - timedelta(days=1)
    today = [Reading(at + timedelta(hours=n), value) for n, value in enumerate((2, 3, 90))]
    found = replay(today, rule(Per.DAY, 50), NOW)
    assert found.warnings == (Warned(at + timedelta(hours=1), 5),)


def test_only_the_last_90_days_are_judged_and_older_ones_compared_with() -> None:
    readings = daily([100] * 60 + [1] * 60 + [100] * 60)
    found = replay(readings, rule(Per.DAY, 50), NOW)
    assert len(found.warnings) == 30
    assert found.since == NOW.replace(hour=18, minute=0) - timedelta(days=90)


def test_nothing_known_is_no_warning() -> None:
    assert replay([], rule(Per.DAY, 50), NOW) == Replay(None, ())
    undated = [Reading(None, 1)] * 9
    assert replay(undated, rule(Per.RUN, 50), NOW).warnings == ()


def test_what_cannot_be_judged_ends_no_warning() -> None:
    """Without a floor, and with fewer comparable readings than four, nothing is claimed."""
    readings = daily([100] * 7 * 9 + [1])
    assert len(replay(readings, rule(Per.DAY, 0, 0.5), NOW).warnings) == 1
    assert replay(readings[-3:], rule(Per.DAY, 0, 0.5), NOW).warnings == ()


def test_the_calendar_counts() -> None:
    """The second of November is a holiday: low like a Sunday, and no warning."""
    days = [datetime(2026, 9, 1, 18, tzinfo=UTC) + timedelta(days=n) for n in range(80)]
    holidays = {date(2026, 9, 7), date(2026, 10, 12), date(2026, 11, 2)}
    readings = [
        Reading(day, 10 if day.weekday() == 6 or day.date() in holidays else 100) for day in days
    ]
    with_calendar = rule(Per.DAY, 0, 0.5, holidays=HolidayRule("BR"))
    late = {date(2026, 10, 12), date(2026, 11, 2)}
    warned = {one.at.date() for one in replay(readings, rule(Per.DAY, 0, 0.5), NOW).warnings}
    assert late <= warned
    calm = {one.at.date() for one in replay(readings, with_calendar, NOW).warnings}
    assert not late & calm


def test_a_reading_is_judged_alike_in_a_log_and_in_a_list() -> None:
    """Every run of a dense history, per run: the log's short way and the list's long one."""
    start = NOW - timedelta(days=30)
    readings = [
        Reading(start + timedelta(hours=n), 50 + (n * 7919) % 37 - 40 * (n % 97 == 0))
        for n in range(600)
    ]
    log, wanted = Log(readings, ZONE), rule(Per.RUN, 5, 0.4)
    for number, one in enumerate(readings[300:], 300):
        assert one.at is not None
        short = judge_in(log, one.value, one.at, wanted)
        assert short == judge(readings[:number], one.value, one.at, wanted)
    assert {judge_in(log, 1, NOW, wanted).state, judge_in(log, 60, NOW, wanted).state} == {
        State.LOW,
        State.OK,
    }


def test_two_readings_of_one_second_are_not_compared_with_themselves() -> None:
    at = NOW - timedelta(minutes=1)
    log = Log([Reading(at, 7), Reading(at, 9)], ZONE)
    assert list(log.runs_before(at, 7)) == [(date(2026, 11, 23), [9])]
    assert list(log.runs_before(at, 8)) == [(date(2026, 11, 23), [7, 9])]


def test_what_reaches_the_floor_is_not_high() -> None:
    nothing = [Reading(None, 0)] * 4
    above = VolumeRule(Per.RUN, 1, 0.01, ZONE, direction=Direction.ABOVE)
    assert judge(nothing, 1, NOW, above).state is State.OK
    assert judge(nothing, 2, NOW, above).state is State.HIGH
