"""Texts of instants from tables are those of isoformat, in every zone and on every night."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitrarr_runner.engine.instant_texts import InstantTexts

ZONES = sorted(available_timezones() - {"localtime"})


def plainly(instant: datetime, zone: ZoneInfo) -> tuple[str, str]:
    utc = instant.strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")
    return utc, instant.astimezone(zone).isoformat(timespec="seconds")


@given(
    st.sampled_from(ZONES),
    st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.just(UTC)),
    st.lists(st.integers(0, 3 * 86400), max_size=30),
)
def test_as_isoformat_says(name: str, start: datetime, seconds: list[int]) -> None:
    texts = InstantTexts(ZoneInfo(name))
    for after in (0, *seconds):
        try:
            instant = (start + timedelta(seconds=after)).replace(microsecond=0)
        except OverflowError:
            continue
        assert texts.of(instant) == plainly(instant, texts.zone)


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("America/New_York", datetime(2026, 11, 1, tzinfo=UTC)),  # back at 06:00 UTC
        ("America/New_York", datetime(2026, 3, 8, tzinfo=UTC)),  # forward at 07:00 UTC
        ("Australia/Lord_Howe", datetime(2026, 4, 4, tzinfo=UTC)),  # back by half an hour
        ("Pacific/Apia", datetime(2011, 12, 29, tzinfo=UTC)),  # a day left out
        ("Asia/Kathmandu", datetime(2026, 6, 1, tzinfo=UTC)),  # +05:45
        ("America/Sao_Paulo", datetime(2018, 11, 4, tzinfo=UTC)),  # no midnight
        ("Africa/Monrovia", datetime(1972, 1, 6, tzinfo=UTC)),  # -00:44:30
    ],
)
def test_every_minute_of_three_days(name: str, start: datetime) -> None:
    texts = InstantTexts(ZoneInfo(name))
    for minute in range(-1440, 2 * 1440):
        instant = start + timedelta(minutes=minute)
        assert texts.of(instant) == plainly(instant, texts.zone)


@pytest.mark.parametrize("instant", [datetime(1, 1, 1, 12), datetime(9999, 12, 31, 12)])
def test_the_ends_of_the_calendar(instant: datetime) -> None:
    texts = InstantTexts(ZoneInfo("UTC"))
    instant = instant.replace(tzinfo=UTC)
    assert texts.of(instant) == plainly(instant, texts.zone)
