"""How are a hundred thousand instants written as JSON texts? By tables, a day of a zone at a time.

On a day on which a zone does not change its clock, a local time is a date, one of 1440 times and
an offset. isoformat finds all three anew for each instant, at four times the cost (bench/slots.py).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)


class InstantTexts:
    """Instants as (in UTC, in the zone): 2026-11-23T12:30:00Z and 2026-11-23T09:30:00-03:00."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone
        self._days: dict[int, _Day | None] = {}
        hours, minutes = range(24), range(60)
        self._times = tuple(f"{hour:02}:{minute:02}:00" for hour in hours for minute in minutes)

    def of(self, instant: datetime) -> tuple[str, str]:
        """instant: aware, in UTC. A fraction of a second is left out."""
        number = instant.toordinal()
        try:
            day = self._days[number]
        except KeyError:
            day = self._days[number] = _day(instant, self.zone)
        if day is None or instant.second:
            return _utc(instant), instant.astimezone(self.zone).isoformat(timespec="seconds")
        minute = instant.hour * 60 + instant.minute
        date, local = divmod(minute + day.shift, 1440)
        return (
            f"{day.dates[1]}T{self._times[minute]}Z",
            f"{day.dates[date + 1]}T{self._times[local]}{day.offset}",
        )


class _Day:
    """A day in UTC. dates: the day before, itself, the day after; shift: minutes from UTC to local
    time; offset: the same as ISO 8601 has it."""

    __slots__ = ("dates", "offset", "shift")

    def __init__(self, begin: datetime, shift: timedelta, offset: str) -> None:
        self.dates = tuple((begin + n * _DAY).date().isoformat() for n in (-1, 0, 1))
        self.shift = shift // _MINUTE
        self.offset = offset


def _day(instant: datetime, zone: ZoneInfo) -> _Day | None:
    """The day of an instant; None where no table holds: the clock changes on it, its offset is no
    whole number of minutes (before 1972), or a day beside it has no date."""
    begin = instant.replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        local = begin.astimezone(zone)
        shift, later = local.utcoffset(), (begin + _DAY).astimezone(zone).utcoffset()
        if shift is None or shift != later or shift % _MINUTE:
            return None
        return _Day(begin, shift, local.isoformat()[19:])
    except OverflowError:
        return None


def _utc(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat()[:19] + "Z"
