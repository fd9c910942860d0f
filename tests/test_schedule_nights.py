"""The nights on which the clock changes, with the instants written out by hand.

For each zone the comment gives the change itself; the instants follow from it and from Debian
cron's rules, not from the program.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from mitrarr_runner.schedule import moved, parse, slots


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def between(line: str, zone: str, after: str, until: str) -> list[str]:
    """Slots in (after, until], as "dd HH:MM" in UTC."""
    found = slots(parse(line), ZoneInfo(zone), utc(after), utc(until))
    return [f"{slot:%d %H:%M}" for slot in found]


# 2026-03-08T07:00Z: 02:00 EST becomes 03:00 EDT.
SPRING = ("America/New_York", "2026-03-08T05:00", "2026-03-08T12:00")


@pytest.mark.parametrize(
    ("line", "zone", "local", "slot"),
    [
        ("30 2 * * *", "America/New_York", "2026-03-08T02:30", "08 07:00"),
        ("0,30 1-3 * * *", "America/New_York", "2026-03-08T02:30", "08 07:00"),
        ("30 2 * * *", "America/New_York", "2026-03-08T02:31", None),
        ("30 2 * * *", "America/New_York", "2026-03-09T02:30", None),
        ("0 3 * * *", "America/New_York", "2026-03-08T03:00", None),  # exists
        ("30 1 * * *", "America/New_York", "2026-11-01T01:30", None),  # exists, twice
        ("*/30 2 * * *", "America/New_York", "2026-03-08T02:30", None),
        ("0 12 * * *", "Pacific/Apia", "2011-12-30T12:00", "30 10:00"),  # a whole day is skipped
        ("0 0 * * *", "America/Sao_Paulo", "2018-11-04T00:00", "04 03:00"),
    ],
)
def test_what_stands_for_a_local_time_in_a_gap(
    line: str, zone: str, local: str, slot: str | None
) -> None:
    found = moved(parse(line), ZoneInfo(zone), datetime.fromisoformat(local))
    assert (None if found is None else f"{found:%d %H:%M}") == slot


# 2026-11-01T06:00Z: 02:00 EDT becomes 01:00 EST.
AUTUMN = ("America/New_York", "2026-11-01T03:59", "2026-11-01T12:00")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("30 2 * * *", ["08 07:00"]),  # in the gap: once, at its end
        ("0 2 * * *", ["08 07:00"]),
        ("59 1 * * *", ["08 06:59"]),
        ("0 3 * * *", ["08 07:00"]),
        ("0,30 2,3 * * *", ["08 07:00", "08 07:30"]),  # 02:00, 02:30 and 03:00 meet
        ("0-59/20 2 * * *", ["08 07:00"]),  # a range is not a star
        ("*/30 2 * * *", []),  # star: a gap has no minutes
        ("*/30 1-3 * * *", ["08 06:00", "08 06:30", "08 07:00", "08 07:30"]),
        ("0 */2 * * *", ["08 08:00", "08 10:00", "08 12:00"]),  # 04, 06, 08 EDT; 02 is not there
        ("30 2 8 3 *", ["08 07:00"]),
        ("30 2 9 3 *", []),
        ("30 2 * * sun", ["08 07:00"]),
        ("30 2 * * mon", []),
    ],
)
def test_new_york_in_spring(line: str, expected: list[str]) -> None:
    assert between(line, *SPRING) == expected


def test_new_york_in_spring_every_twenty_minutes_goes_on_by_the_clock() -> None:
    assert between("*/20 * * * *", "America/New_York", "2026-03-08T06:30", "2026-03-08T07:30") == [
        "08 06:40",
        "08 07:00",
        "08 07:20",
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("30 1 * * *", ["01 05:30"]),  # repeated: once, in the first pass
        ("0,30 1,2 * * *", ["01 05:00", "01 05:30", "01 07:00", "01 07:30"]),
        ("0 2 * * *", ["01 07:00"]),
        ("*/30 1 * * *", ["01 05:00", "01 05:30", "01 06:00", "01 06:30"]),  # star: both passes
        ("30 */1 1 11 *", [f"01 {hour:02}:30" for hour in range(4, 12)]),
        ("0 0 * * *", ["01 04:00"]),
    ],
)
def test_new_york_in_autumn(line: str, expected: list[str]) -> None:
    assert between(line, *AUTUMN) == expected


@pytest.mark.parametrize(
    ("line", "zone", "after", "until"),
    [
        ("30 1 * * *", "America/New_York", "2026-11-01T05:59", "2026-11-01T12:00"),
        ("30 1 * * *", "America/New_York", "2026-11-01T06:20", "2026-11-01T12:00"),
        ("30 23 * * *", "America/Sao_Paulo", "2019-02-17T02:00", "2019-02-17T12:00"),
        ("30 2 * * *", "America/New_York", "2026-03-08T07:00", "2026-03-08T12:00"),
    ],
)
def test_a_window_that_begins_in_or_after_the_change_remembers_it(
    line: str, zone: str, after: str, until: str
) -> None:
    assert between(line, zone, after, until) == []


# 2018-11-04T03:00Z: 00:00 -03 becomes 01:00 -02; the day begins at one.
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0 0 * * *", ["03 03:00", "04 03:00", "05 02:00"]),
        ("30 0 * * sun", ["04 03:00"]),
        ("0 0,1 4 11 *", ["04 03:00"]),
        ("15 1 4 11 *", ["04 03:15"]),
        ("*/15 0 4 11 *", []),
        ("*/30 1 */3 * *", ["04 03:00", "04 03:30"]),
        ("@daily", ["03 03:00", "04 03:00", "05 02:00"]),
    ],
)
def test_sao_paulo_where_the_gap_is_at_midnight(line: str, expected: list[str]) -> None:
    zone = "America/Sao_Paulo"
    assert between(line, zone, "2018-11-03T02:59", "2018-11-05T02:59") == expected


# 2019-02-17T02:00Z: 24:00 -02 of the 16th becomes 23:00 -03 of the 16th.
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("30 23 * * *", ["17 01:30"]),
        ("0 23 16 2 *", ["17 01:00"]),
        ("*/30 23 16 2 *", ["17 01:00", "17 01:30", "17 02:00", "17 02:30"]),
        ("0 0 * * *", ["17 03:00"]),
        ("0 0 17 2 *", ["17 03:00"]),
    ],
)
def test_sao_paulo_where_an_evening_hour_comes_twice(line: str, expected: list[str]) -> None:
    zone = "America/Sao_Paulo"
    assert between(line, zone, "2019-02-16T12:00", "2019-02-17T12:00") == expected


# 2019-10-05T15:30Z: 02:00 +10:30 becomes 02:30 +11.
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("15 2 * * *", ["05 15:30"]),
        ("0,15,30 2 * * *", ["05 15:30"]),
        ("0,15,45 2 * * *", ["05 15:30", "05 15:45"]),
        ("*/15 2 * * *", ["05 15:30", "05 15:45"]),
        ("0 * * * *", ["05 14:30", "05 16:00"]),  # 01:00 and 03:00: there is no 02:00
    ],
)
def test_lord_howe_jumps_half_an_hour(line: str, expected: list[str]) -> None:
    assert between(line, "Australia/Lord_Howe", "2019-10-05T14:00", "2019-10-05T16:15") == expected


# 2019-04-06T15:00Z: 02:00 +11 becomes 01:30 +10:30.
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("45 1 * * *", ["06 14:45"]),
        ("15 1 * * *", ["06 14:15"]),
        ("0 2 * * *", ["06 15:30"]),
        (
            "*/15 1 * * *",
            [f"06 {t}" for t in ("14:00", "14:15", "14:30", "14:45", "15:00", "15:15")],
        ),
        ("0 * * * *", ["06 14:00", "06 15:30"]),
    ],
)
def test_lord_howe_repeats_half_an_hour(line: str, expected: list[str]) -> None:
    assert between(line, "Australia/Lord_Howe", "2019-04-06T13:30", "2019-04-06T16:00") == expected


def test_lisbon_2026() -> None:
    # 2026-03-29T01:00Z: 01:00 becomes 02:00. 2026-10-25T01:00Z: 02:00 becomes 01:00.
    spring = ("Europe/Lisbon", "2026-03-28T12:00", "2026-03-29T12:00")
    autumn = ("Europe/Lisbon", "2026-10-24T12:00", "2026-10-25T12:00")
    assert between("30 1 * * *", *spring) == ["29 01:00"]
    assert between("*/30 1 * * *", *spring) == []
    assert between("30 1 * * *", *autumn) == ["25 00:30"]
    assert between("*/30 1 * * *", *autumn) == ["25 00:00", "25 00:30", "25 01:00", "25 01:30"]


def test_casablanca_2026_goes_back_for_ramadan_and_forth_after_it() -> None:
    # 2026-02-15T02:00Z: 03:00 +01 becomes 02:00 +00. 2026-03-22T02:00Z: 02:00 becomes 03:00.
    back = ("Africa/Casablanca", "2026-02-14T12:00", "2026-02-15T12:00")
    forth = ("Africa/Casablanca", "2026-03-21T12:00", "2026-03-22T12:00")
    assert between("30 2 * * *", *back) == ["15 01:30"]
    assert between("*/30 2 * * *", *back) == ["15 01:00", "15 01:30", "15 02:00", "15 02:30"]
    assert between("30 2 * * *", *forth) == ["22 02:00"]
    assert between("*/30 2 * * *", *forth) == []


# 2011-12-30T10:00Z: the 29th, 24:00 -10, becomes the 31st, 00:00 +14.
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0 4 * * *", ["29 14:00", "30 10:00", "30 14:00"]),  # the 30th at 04:00 is in the gap
        ("0 0 * * *", ["29 10:00", "30 10:00", "31 10:00"]),  # the 30th and the 31st meet
        ("0 4 30 12 *", ["30 10:00"]),
        ("0 4 * * fri", ["30 10:00"]),
        ("*/30 4 30 12 *", []),
        ("0 */12 * * *", ["29 10:00", "29 22:00", "30 10:00", "30 22:00", "31 10:00"]),
    ],
)
def test_apia_skips_a_whole_day(line: str, expected: list[str]) -> None:
    assert between(line, "Pacific/Apia", "2011-12-29T09:59", "2011-12-31T10:00") == expected


def test_st_johns_repeats_an_hour_across_midnight() -> None:
    # 2006-10-29T02:31Z: 00:01 -02:30 of the 29th becomes 23:01 -03:30 of the 28th.
    night = ("America/St_Johns", "2006-10-29T01:00", "2006-10-29T05:00")
    assert between("0,30 0,23 * * *", *night) == ["29 01:30", "29 02:00", "29 02:30", "29 04:00"]
    assert between("*/30 0,23 * * *", *night) == [
        *("29 01:30", "29 02:00", "29 02:30", "29 03:00", "29 03:30", "29 04:00")
    ]


def test_recife_2000_had_summer_for_a_week() -> None:
    # -02 instead of -03 from 2000-10-08 to 2000-10-15: the shortest change since 1970.
    found = between("30 2 * * *", "America/Recife", "2000-09-01T00:00", "2000-11-30T00:00")
    summer = [f"{day:02} 04:30" for day in range(8, 15)]
    assert found[37:44] == summer
    assert [slot[3:] for slot in found[:37] + found[44:]] == ["05:30"] * 83


@pytest.mark.parametrize(
    ("zone", "offset"),
    [("America/Sao_Paulo", 3), ("UTC", 0), ("America/Manaus", 4)],
)
def test_a_year_without_a_change_is_a_plain_year(zone: str, offset: int) -> None:
    found = list(
        slots(parse("30 2 * * *"), ZoneInfo(zone), utc("2026-01-01T00:00"), utc("2027-01-01T00:00"))
    )
    first = utc("2026-01-01T02:30") + timedelta(hours=offset)
    assert found == [first + timedelta(days=day) for day in range(365)]
