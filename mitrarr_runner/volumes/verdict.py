"""Is this count low, high or normal, and by what range? One pure function, `judge`.

**Low** is under the floor, or under the relative bound where at least four comparable readings
exist. The relative bound is

    min(median * (1 - drop), median - 3 * spread)
    spread = max(1.4826 * MAD, 2 % of the median, sqrt(median))

so a count must be both smaller than the loss that the manifest tolerates *and* unusual for this
series. The first alone cries wolf on a series that swings; the second alone fires on tiny moves of
a stable one. The MAD ignores the odd bad day, and 1.4826 makes it a standard deviation for normal
noise; 3 of them is about once in 700 readings. The spread has a floor because a perfectly stable
series has a MAD of 0: 2 % for what changes by habit, the square root for plain counting noise
(Poisson), without which a median of 3 would fire on every 1. With more than some hundreds of files
and a usual `drop`, `drop` alone decides, as its author expects.

Readings without times cannot be compared by day: they get the plain median, bound
median * (1 - drop). **High** is the mirror image, asked for by `direction`. Sums are exact
fractions: 100 with a drop of 70 % is 30, not 30.000000000000004.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from fractions import Fraction
from itertools import islice
from math import ceil, floor, isqrt
from zoneinfo import ZoneInfo

from mitrarr_runner.text import Text, plural, text
from mitrarr_runner.volumes.days import DayNames, HolidayRule, calendar, kind_of_day
from mitrarr_runner.volumes.readings import Log, Reading

ENOUGH = 4
# How many of the newest comparable days count: eight Mondays, or eight weeks of all days.
_DAYS_SAME_WEEKDAY = 8
_DAYS_ALL = 56
_WIDTH = 3
_MAD_TO_SIGMA = Fraction("1.4826")
_LEAST_SPREAD = Fraction("0.02")


class Per(StrEnum):
    """What one reading counts: one run, the last 60 minutes, or the day so far."""

    RUN = "run"
    HOUR = "hour"
    DAY = "day"


class Against(StrEnum):
    SAME_WEEKDAY = "same_weekday"
    ALL = "all"


class Direction(StrEnum):
    BELOW = "below"
    ABOVE = "above"
    BOTH = "both"


class State(StrEnum):
    OK = "ok"
    LOW = "low"
    HIGH = "high"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class VolumeRule:
    """What is expected of a label. drop: 0.5 = half, None = the floor only; minimum 0 = none."""

    per: Per
    minimum: int
    drop: float | None
    zone: ZoneInfo
    against: Against = Against.SAME_WEEKDAY
    direction: Direction = Direction.BELOW
    holidays: HolidayRule | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer and the range it was judged by.

    code: floor, drop, rise, ok, few_readings (only the floor was compared), no_bound (the rule
    compares nothing). expected_low is the smallest count that is not low; expected_high is None
    where there is no relative bound; comparable says how many readings the median is made of.
    """

    state: State
    code: str
    current: int
    expected_low: int
    expected_high: int | None
    median: float | None
    comparable: int
    message: Text


@dataclass(frozen=True, slots=True)
class _Band:
    low: int
    high: int
    median: Fraction


def default_rule(zone: ZoneInfo) -> VolumeRule:
    """For a label that no manifest knows: at least 1, and at least half of the usual."""
    return VolumeRule(per=Per.RUN, minimum=1, drop=0.5, zone=zone)


def judge(
    readings: Sequence[Reading],
    current: int,
    now: datetime,
    rule: VolumeRule,
    *,
    share: Fraction | float = 1,
    names: DayNames | None = None,
) -> Verdict:
    """Judge `current` by the readings before it (oldest first), as they stand at `now`.

    For `per: day` and `per: hour` the readings are those of `day_so_far` and `hour_so_far`.
    share: the part of a whole day that has usually come by now (`SoFar.share`); the floor is
    multiplied by it, or every day would begin with an alarm.
    names: the calendar of rule.holidays where the caller has it at hand already.
    """
    known = _comparable(readings, now, rule, names)
    plain = any(reading.at is None for reading in known)
    return _weighed([reading.value for reading in known], current, rule, Fraction(share), plain)


def judge_in(
    log: Log, value: int, now: datetime, rule: VolumeRule, names: DayNames | None = None
) -> Verdict:
    """Judge what `log` says of `now` by what it says of earlier: this run's own value, the last
    hour, or the day so far, as the rule has it. `value` is this run's reading, which may stand in
    the log already.
    """
    if rule.per is not Per.RUN:
        so_far = log.day_so_far(now) if rule.per is Per.DAY else log.hour_so_far(now)
        return judge(so_far.past, so_far.today, now, rule, share=so_far.share, names=names)
    days = dict(log.runs_before(now, value))
    today = now.astimezone(rule.zone).date()
    values = [
        value for day in _chosen(days, today, rule, _names(rule, names)) for value in days[day]
    ]
    return _weighed(values, value, rule, Fraction(1))


def _weighed(
    values: Sequence[int], current: int, rule: VolumeRule, share: Fraction, plain: bool = False
) -> Verdict:
    """plain: the values have no dates, and so no days whose spread could be known."""
    minimum = floor(rule.minimum * share)
    band = _band(values, rule.drop, plain=plain)
    state, code = _decide(current, minimum, band, rule)
    low = max(minimum, band.low if band else 0)
    high = max(band.high, low) if band else None
    middle = float(_median(values)) if values else None
    message = _message(code, current, minimum, low, high, middle, len(values))
    return Verdict(state, code, current, low, high, middle, len(values), message)


def _decide(current: int, minimum: int, band: _Band | None, rule: VolumeRule) -> tuple[State, str]:
    if current < minimum:
        return State.LOW, "floor"
    if band is None:
        return _without_band(rule)
    if rule.direction != Direction.ABOVE and current < band.low:
        return State.LOW, "drop"
    if rule.direction != Direction.BELOW and current > max(band.high, minimum):
        return State.HIGH, "rise"
    return State.OK, "ok"


def _without_band(rule: VolumeRule) -> tuple[State, str]:
    """The floor has been kept, and nothing else could be compared."""
    if rule.drop is None:
        return (State.OK, "ok") if rule.minimum > 0 else (State.UNKNOWN, "no_bound")
    return State.OK if rule.minimum > 0 else State.UNKNOWN, "few_readings"


def _band(values: Sequence[int], drop: float | None, *, plain: bool) -> _Band | None:
    """The relative range of normal counts, as whole numbers; None where there is none."""
    if drop is None or len(values) < ENOUGH:
        return None
    middle = _median(values)
    loss = middle * Fraction(str(drop))
    width = loss if plain else max(loss, _WIDTH * _spread(values, middle))
    return _Band(max(0, ceil(middle - width)), floor(middle + width), middle)


def _spread(values: Sequence[int], middle: Fraction) -> Fraction:
    doubled = round(2 * middle)  # a median of whole numbers is a whole number of halves
    deviation = _median([abs(2 * value - doubled) for value in values]) / 2
    counting = Fraction(isqrt(max(1, ceil(middle))))
    return max(_MAD_TO_SIGMA * deviation, _LEAST_SPREAD * middle, counting)


def _median(values: Iterable[int]) -> Fraction:
    """Exact, and on whole numbers: a sort of thousands of fractions would take a second."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return Fraction(ordered[half] + ordered[-half - 1], 2)


def _comparable(
    readings: Sequence[Reading], now: datetime, rule: VolumeRule, names: DayNames | None
) -> list[Reading]:
    """The readings that today may be compared with, oldest first.

    On a holiday: holidays and Sundays. On other days: the same weekday without holidays, or
    (`against: all`) every day that is no holiday. Readings of the future are left out.
    """
    dated = [(reading.at, reading) for reading in readings if reading.at is not None]
    if len(dated) < len(readings):
        return list(readings)
    known = [(at.astimezone(rule.zone).date(), reading) for at, reading in dated if at <= now]
    today = now.astimezone(rule.zone).date()
    chosen = _chosen((day for day, _ in reversed(known)), today, rule, _names(rule, names))
    return [reading for day, reading in known if day in chosen]


def _names(rule: VolumeRule, names: DayNames | None) -> DayNames | None:
    if names is None and rule.holidays is not None:
        return calendar(rule.holidays.calendar, rule.holidays.optional, rule.holidays.extra)
    return names


def _chosen(
    days: Iterable[date], today: date, rule: VolumeRule, names: DayNames | None
) -> frozenset[date]:
    """The newest days that today may be compared with, out of `days`, newest first."""
    limit = _DAYS_ALL if rule.against == Against.ALL else _DAYS_SAME_WEEKDAY
    alike = (day for day in dict.fromkeys(days) if _alike(day, today, rule.against, names))
    return frozenset(islice(alike, limit))


def _alike(day: date, today: date, against: Against, names: DayNames | None) -> bool:
    if names is not None and names(today) is None and names(day) is not None:
        return False
    if against == Against.ALL and (names is None or names(today) is None):
        return True
    return kind_of_day(day, names) == kind_of_day(today, names)


def _message(
    code: str,
    current: int,
    minimum: int,
    low: int,
    high: int | None,
    middle: float | None,
    count: int,
) -> Text:
    if code == "floor":
        return text("{current} is under the floor of {minimum}", current=current, minimum=minimum)
    if code == "no_bound":
        return text("{current}: the rule has neither a floor nor a drop", current=current)
    if high is None or middle is None:
        return _floor_only(code, current, minimum, count)
    usual = plural(
        "median {median} of {count} comparable reading",
        "median {median} of {count} comparable readings",
        count,
        median=round(middle),
    )
    values = {"current": current, "low": low, "high": high, "usual": usual}
    if code == "drop":
        return text("{current} is low: expected {low} to {high}; {usual}", **values)
    if code == "rise":
        return text("{current} is high: expected {low} to {high}; {usual}", **values)
    if current > high or current < low:
        return text("{current}: outside {low} to {high} on the side not watched; {usual}", **values)
    return text("{current} is normal: expected {low} to {high}; {usual}", **values)


def _floor_only(code: str, current: int, minimum: int, count: int) -> Text:
    if code == "ok":
        return text("{current} reaches the floor of {minimum}", current=current, minimum=minimum)
    have = plural(
        "{count} comparable reading, {needed} are needed",
        "{count} comparable readings, {needed} are needed",
        count,
        needed=ENOUGH,
    )
    if minimum > 0:
        return text(
            "{current} reaches the floor of {minimum}; nothing else to compare with: {have}",
            current=current,
            minimum=minimum,
            have=have,
        )
    return text("{current}: nothing to compare with: {have}", current=current, have=have)
