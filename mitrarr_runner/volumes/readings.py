"""What had come by this time of day? Cuts dated readings into windows that can be compared.

A day of which nothing was read inside the window is left out, not taken for zero: a runner that
was switched off has not seen an empty day.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from itertools import accumulate
from statistics import median
from zoneinfo import ZoneInfo

_SHARE_DAYS = 56  # eight weeks: long enough for a median, short enough to follow a new habit
_HOUR = timedelta(hours=1)


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


@dataclass(frozen=True, slots=True)
class _Day:
    """first, last: the readings of that local day are instants[first:last]."""

    date: date
    first: int
    last: int


class Log:
    """Dated readings in order, cut into the local days of a zone: made once, asked often.

    Undated readings are left out.
    """

    def __init__(self, readings: Sequence[Reading], zone: ZoneInfo) -> None:
        dated = sorted((r.at, r.value) for r in readings if r.at is not None)
        self.zone = zone
        self.instants = [at for at, _ in dated]
        self.values = [value for _, value in dated]
        self._sums = [0, *accumulate(self.values)]
        dates = {at.astimezone(zone).date() for at in self.instants}
        self._days = [self._whole(day) for day in sorted(dates)]

    def _whole(self, day: date) -> _Day:
        start, end = (_day_before(d, self.zone) for d in (day, day + timedelta(days=1)))
        return _Day(day, bisect_right(self.instants, start), bisect_right(self.instants, end))

    def between(self, first: int, last: int) -> tuple[int, int]:
        """(sum, number) of the readings instants[first:last]."""
        return (self._sums[last] - self._sums[first], last - first) if last > first else (0, 0)

    def runs_before(self, now: datetime, value: int) -> Iterator[tuple[date, list[int]]]:
        """The values up to now by local day, newest first, without the one that `now` gave."""
        end = bisect_right(self.instants, now)
        same = range(bisect_left(self.instants, now), end)
        own = next((index for index in same if self.values[index] == value), end)
        for day in reversed(self._days[: bisect_left(self._days, end, key=lambda d: d.first)]):
            last = min(day.last, end)
            yield day.date, self.values[day.first : min(own, last)] + self.values[own + 1 : last]

    def day_so_far(self, now: datetime) -> SoFar:
        """The day so far, local midnight to now, beside every past day up to the same time."""
        local = now.astimezone(self.zone)
        past, wholes = [], []
        for day in self._before(local.date()):
            end = _instant(day.date, local.time(), self.zone)
            total, count = self.between(day.first, bisect_right(self.instants, end, day.first))
            if count:
                past.append(Reading(end, total))
                wholes.append(self.between(day.first, day.last)[0])
        recent = list(zip(past, wholes, strict=True))[-_SHARE_DAYS:]
        shares = [Fraction(reading.value, whole) for reading, whole in recent if whole > 0]
        first = bisect_right(self.instants, _day_before(local.date(), self.zone))
        today, read = self.between(first, bisect_right(self.instants, now))
        return SoFar(tuple(past), today, read, median(shares) if shares else Fraction(1))

    def hour_so_far(self, now: datetime) -> SoFar:
        """The 60 minutes that end now, beside the same 60 minutes of every past day."""
        local = now.astimezone(self.zone)
        past = []
        for day in self._before(local.date()):
            end = _instant(day.date, local.time(), self.zone)
            total, count = self._hour(end)
            if count:
                past.append(Reading(end, total))
        return SoFar(tuple(past), *self._hour(now))

    def _hour(self, end: datetime) -> tuple[int, int]:
        first = bisect_right(self.instants, end - _HOUR)
        return self.between(first, bisect_right(self.instants, end))

    def _before(self, today: date) -> list[_Day]:
        return self._days[: bisect_left(self._days, today, key=lambda day: day.date)]


def day_so_far(readings: Sequence[Reading], now: datetime, zone: ZoneInfo) -> SoFar:
    """`Log.day_so_far` of readings that are asked once."""
    return Log(readings, zone).day_so_far(now)


def hour_so_far(readings: Sequence[Reading], now: datetime, zone: ZoneInfo) -> SoFar:
    """`Log.hour_so_far` of readings that are asked once."""
    return Log(readings, zone).hour_so_far(now)


def _instant(day: date, wall: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, wall, tzinfo=zone).astimezone(UTC)


def _day_before(day: date, zone: ZoneInfo) -> datetime:
    """Just before the midnight that begins the day: a reading at midnight is the new day's."""
    return _instant(day, time.min, zone) - timedelta(microseconds=1)
