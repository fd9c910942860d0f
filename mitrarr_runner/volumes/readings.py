"""What had come by this time of day? Cuts dated readings into windows that can be compared.

A day of which nothing was read inside the window is left out, not taken for zero: a runner that
was switched off has not seen an empty day.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from itertools import accumulate
from statistics import median
from zoneinfo import ZoneInfo

_SHARE_DAYS = 56  # eight weeks: long enough for a median, short enough to follow a new habit


@dataclass(frozen=True, slots=True)
class Reading:
    """One count. `at` is an aware instant, or None in a history that gives no times."""

    at: datetime | None
    value: int


@dataclass(frozen=True, slots=True)
class SoFar:
    """The window of today that ends now, and the same window of every earlier day that was read.

    past: one reading per day, oldest first, dated at that day's same local time.
    today: the sum of today's window; `read` says of how many readings (0: nothing was read).
    share: the part of a whole window that has usually come by now (median over past days; 1 where
    there are none): a floor meant for a whole day is multiplied by it.
    """

    past: tuple[Reading, ...]
    today: int
    read: int
    share: Fraction = Fraction(1)


def day_so_far(readings: Sequence[Reading], now: datetime, zone: ZoneInfo) -> SoFar:
    """The day so far, local midnight to now, beside every past day up to the same local time."""
    log = _Log(readings, now)
    so_far = _cut(log, now, zone, _midnight)
    wholes = [
        (reading, log.between(*_whole_day(reading, zone))[0])
        for reading in so_far.past[-_SHARE_DAYS:]
    ]
    shares = [Fraction(reading.value, whole) for reading, whole in wholes if whole > 0]
    return SoFar(so_far.past, so_far.today, so_far.read, median(shares) if shares else Fraction(1))


def hour_so_far(readings: Sequence[Reading], now: datetime, zone: ZoneInfo) -> SoFar:
    """The 60 minutes that end now, beside the same 60 minutes of every past day."""
    return _cut(_Log(readings, now), now, zone, lambda end, _: end - timedelta(hours=1))


class _Log:
    """Dated readings up to now, in order, with running sums."""

    def __init__(self, readings: Sequence[Reading], now: datetime) -> None:
        dated = sorted((r.at, r.value) for r in readings if r.at is not None and r.at <= now)
        self.instants = [at for at, _ in dated]
        self._sums = [0, *accumulate(value for _, value in dated)]

    def between(self, after: datetime, until: datetime) -> tuple[int, int]:
        """(sum, number) of the readings in (after, until]."""
        first, last = bisect_right(self.instants, after), bisect_right(self.instants, until)
        return self._sums[last] - self._sums[first], last - first


def _cut(
    log: _Log, now: datetime, zone: ZoneInfo, start: Callable[[datetime, ZoneInfo], datetime]
) -> SoFar:
    local = now.astimezone(zone)
    days = sorted({at.astimezone(zone).date() for at in log.instants} - {local.date()})
    past = []
    for day in days:
        end = _instant(day, local.time(), zone)
        total, count = log.between(start(end, zone), end)
        if count:
            past.append(Reading(end, total))
    today, read = log.between(start(now, zone), now)
    return SoFar(tuple(past), today, read)


def _instant(day: date, wall: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, wall, tzinfo=zone).astimezone(UTC)


def _midnight(end: datetime, zone: ZoneInfo) -> datetime:
    return _day_before(end.astimezone(zone).date(), zone)


def _day_before(day: date, zone: ZoneInfo) -> datetime:
    """Just before the midnight that begins the day: a reading at midnight is the new day's."""
    return _instant(day, time.min, zone) - timedelta(microseconds=1)


def _whole_day(reading: Reading, zone: ZoneInfo) -> tuple[datetime, datetime]:
    assert reading.at is not None  # noqa: S101 - _cut dates every reading it makes
    day = reading.at.astimezone(zone).date()
    return _day_before(day, zone), _day_before(day + timedelta(days=1), zone)
