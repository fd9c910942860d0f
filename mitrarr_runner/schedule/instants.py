"""Which instants does a line of cron name in a zone? Debian cron's rules, by our own count.

The time line of a zone is cut into pieces of constant offset; inside a piece local minutes and UTC
differ by a constant, so slots are additions. Only the borders between pieces need thought:

- **Star** jobs (minute or hour starts with `*`) follow elapsed time: every real minute whose local
  reading fits. A repeated hour counts twice, the minutes of a gap never.
- **Fixed-time** jobs follow the wall: a local time inside a gap is due once, at the first instant
  after the gap; a repeated local time is due once, in the first pass; two local times that meet at
  one instant are one slot. Without exception: the 30th of December 2011, which Apia skipped
  whole, is a gap like any other.

croniter's zone handling is not used (it doubles fixed times in a repeated hour and invents star
slots after a gap), and shifts of half an hour, gaps at midnight and repeated days need no case of
their own here.
"""

from __future__ import annotations

import calendar
from collections import deque
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from mitrarr_runner.schedule.grammar import Cron

_DAY = 86400
_SECOND = timedelta(seconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
# The shortest stretch between two changes of a zone in tzdata 2026 is 3.98 days (Freetown, 1939),
# since 1970 6.9 days: looking every three days cannot jump over a change and its undoing.
_PROBE = 3 * _DAY
_CELL = 64 * _PROBE
# No clock was ever put back by more than a day, so what happened two days ago decides nothing.
_LOOK_BACK = 2 * _DAY
# Local time must stay inside the years that datetime knows, at both ends.
_FIRST = -(_EPOCH_ORDINAL - 800) * _DAY
_LAST = (date.max.toordinal() - _EPOCH_ORDINAL - 400) * _DAY


def slots(cron: Cron, zone: ZoneInfo, after: datetime, until: datetime) -> Iterator[datetime]:
    """Every slot in (after, until], in UTC, strictly increasing."""
    low, high = max(_seconds(after) + 1, _FIRST), min(_seconds(until), _LAST)
    reached: int | None = None  # the furthest local reading the wall clock has shown
    for start, end, offset in _pieces(zone, low - _LOOK_BACK, high + 1):
        first = start + offset
        if cron.fixed_time:
            if (
                reached is not None
                and reached < first
                and low <= start
                and _due_in(cron, reached, first)
            ):
                yield _EPOCH + timedelta(seconds=start)
                first += 1
            first = max(first, reached if reached is not None else first)
            reached = max(reached if reached is not None else first, end + offset)
        yield from _readings(cron, max(first, low + offset), end + offset, offset)


def next_slot(
    cron: Cron, zone: ZoneInfo, after: datetime, horizon_days: int = 366 * 8
) -> datetime | None:
    """The first slot after `after`, or None where there is none within the horizon.

    Eight years reach over a leap day that a century swallows (2096 to 2104).
    """
    until = _EPOCH + timedelta(seconds=min(_seconds(after) + horizon_days * _DAY, _LAST))
    return next(slots(cron, zone, after, until), None)


def latest_slot(cron: Cron, zone: ZoneInfo, after: datetime, until: datetime) -> datetime | None:
    """The last slot in (after, until], without a walk over the slots before it.

    Looks back an hour, then four, then sixteen ...: a window of years costs what its end costs.
    """
    span = timedelta(hours=1)
    upper = until
    while upper > after:
        lower = upper - span if upper - after > span else after
        newest = deque(slots(cron, zone, lower, upper), maxlen=1)
        if newest:
            return newest[0]
        upper, span = lower, span * 4
    return None


def moved(cron: Cron, zone: ZoneInfo, local: datetime) -> datetime | None:
    """Where a naive local time lies in a gap and the line names it: the slot at which it is due
    instead. None for any other time, and for star jobs."""
    if not cron.fixed_time:
        return None
    reading = (local - _EPOCH.replace(tzinfo=None)) // _SECOND
    reached: int | None = None
    for start, end, offset in _pieces(zone, reading - _LOOK_BACK, reading + _LOOK_BACK):
        if reached is not None and reached <= reading < start + offset:
            named = _due_in(cron, reading, reading + 1)
            return _EPOCH + timedelta(seconds=start) if named else None
        reached = max(reached if reached is not None else start + offset, end + offset)
    return None


def gaps(
    cron: Cron, zone: ZoneInfo, after: datetime, until: datetime
) -> Iterator[tuple[datetime, datetime, datetime]]:
    """Gaps of the zone in (after, until] that swallow a local time of this line.

    Yields (the swallowed local time and the first local time after the gap, both naive; the
    instant at which the gap ends).
    """
    reached: int | None = None
    for start, end, offset in _pieces(zone, _seconds(after) + 1, _seconds(until) + 1):
        if reached is not None and reached < start + offset:
            swallowed = next(_minutes(cron, reached, start + offset), None)
            if swallowed is not None:
                yield _local(swallowed), _local(start + offset), _EPOCH + timedelta(seconds=start)
        reached = end + offset


def _seconds(instant: datetime) -> int:
    """Whole seconds since 1970, rounded down; slots are whole seconds, so none is lost by it."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs a zone")
    return (instant - _EPOCH) // _SECOND


def _local(reading: int) -> datetime:
    return (_EPOCH + timedelta(seconds=reading)).replace(tzinfo=None)


def _offset(zone: ZoneInfo, instant: int) -> int:
    shift = (_EPOCH + timedelta(0, instant)).astimezone(zone).utcoffset()
    assert shift is not None  # noqa: S101 - a ZoneInfo always knows
    return shift.days * _DAY + shift.seconds


def _pieces(zone: ZoneInfo, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Cut [start, stop) into (start, end, offset) of constant offset, lazily, in seconds.

    Two neighbours may have the same offset.
    """
    for cell in range(start // _CELL, (stop - 1) // _CELL + 1):
        for begin, end, offset in _pieces_of(zone, cell):
            if begin < stop and start < end:
                yield max(begin, start), min(end, stop), offset


@lru_cache(maxsize=2000)
def _pieces_of(zone: ZoneInfo, cell: int) -> tuple[tuple[int, int, int], ...]:
    """The pieces of one cell of a fixed grid: all lines of a zone share what was found out once."""
    pieces = []
    begin, stop = cell * _CELL, (cell + 1) * _CELL
    offset = _offset(zone, begin)
    for known in range(begin, stop, _PROBE):
        following = _offset(zone, known + _PROBE)
        if following != offset:
            end = _change(zone, known, known + _PROBE, offset)
            pieces.append((begin, end, offset))
            begin, offset = end, following
    return (*pieces, (begin, stop, offset))


def _change(zone: ZoneInfo, low: int, high: int, offset: int) -> int:
    """The first second in (low, high] at which the offset is another one."""
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, middle) == offset:
            low = middle
        else:
            high = middle
    return high


def _readings(cron: Cron, first: int, stop: int, offset: int) -> Iterator[datetime]:
    """Instants of the local minutes of the line in [first, stop), where local = UTC + offset."""
    hours, minutes = _ordered(cron.hours), _steps(cron.minutes)
    for midnight in _midnights(cron, first, stop):
        for hour in hours:
            reading = midnight + hour * 3600
            if reading + 3600 <= first or reading >= stop:
                continue
            base = _EPOCH + timedelta(0, reading - offset)
            if first <= reading and reading + 3600 <= stop:
                for minute in minutes:
                    yield base + minute
            else:
                earliest, latest = timedelta(0, first - reading), timedelta(0, stop - reading)
                for minute in minutes:
                    if earliest <= minute < latest:
                        yield base + minute


@lru_cache(maxsize=5000)
def _ordered(numbers: frozenset[int]) -> tuple[int, ...]:
    return tuple(sorted(numbers))


@lru_cache(maxsize=5000)
def _steps(minutes: frozenset[int]) -> tuple[timedelta, ...]:
    # timedelta(0, n) and not timedelta(seconds=n): a third of the cost, in the hot loop.
    return tuple(timedelta(0, minute * 60) for minute in sorted(minutes))


def _minutes(cron: Cron, first: int, stop: int) -> Iterator[int]:
    """Local minutes of the line in [first, stop), as seconds of the wall clock."""
    for instant in _readings(cron, first, stop, 0):
        yield _seconds(instant)


def _due_in(cron: Cron, first: int, stop: int) -> bool:
    return next(_minutes(cron, first, stop), None) is not None


def _midnights(cron: Cron, first: int, stop: int) -> Iterator[int]:
    """The local midnights, in seconds, of the days of the line that [first, stop) touches."""
    earliest = first // _DAY + _EPOCH_ORDINAL
    latest = (stop - 1) // _DAY + _EPOCH_ORDINAL
    day = date.fromordinal(earliest)
    months = day.year * 12 + day.month - 1
    before, length = _month(months)
    while before < latest:
        if months % 12 + 1 in cron.months:
            days = _days(cron.days, cron.weekdays, cron.either_day, before % 7, length)
            for number in days:
                if earliest <= before + number <= latest:
                    yield (before + number - _EPOCH_ORDINAL) * _DAY
        months += 1
        before, length = _month(months)


@lru_cache(maxsize=5000)
def _month(months: int) -> tuple[int, int]:
    """(ordinal of the day before the month, its length); months are counted from the year 0."""
    year, month = divmod(months, 12)
    return date(year, month + 1, 1).toordinal() - 1, calendar.monthrange(year, month + 1)[1]


@lru_cache(maxsize=5000)
def _days(
    days: frozenset[int], weekdays: frozenset[int], either: bool, before: int, length: int
) -> tuple[int, ...]:
    """The days of the line in a month of `length` days; `before`: the weekday of the day before."""
    fits = any if either else all
    return tuple(
        day
        for day in range(1, length + 1)
        # Ordinal 7 was a Sunday, and weekdays count from it.
        if fits((day in days, (before + day) % 7 in weekdays))
    )
