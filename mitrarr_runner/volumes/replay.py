"""How often would a rule have warned? A history judged again, reading by reading, as it came in.

Answers a reviewer who sees a threshold move. A warning begins with a verdict that is not normal and
ends with a normal one; with `per: day` each day is its own. What cannot be judged ends nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby

from mitrarr_runner.volumes.days import DayNames, calendar
from mitrarr_runner.volumes.readings import Log, Reading
from mitrarr_runner.volumes.verdict import Per, State, VolumeRule, judge_in

SPAN = timedelta(days=90)

MOST = 2200
"""Readings that are judged at most, the newest ones: about a second, and 90 days of every hour."""


@dataclass(frozen=True, slots=True)
class Warned:
    """at, value: the count that was warned of; of a day, its last one that was not normal."""

    at: datetime
    value: int


@dataclass(frozen=True, slots=True)
class Replay:
    """since: the first reading that was judged; None where there is no reading at all."""

    since: datetime | None
    warnings: tuple[Warned, ...]


def replay(readings: Sequence[Reading], rule: VolumeRule, now: datetime) -> Replay:
    """Judge the last 90 days of a label's history by a rule. Older readings are compared with.

    Of several readings in one hour only the last is judged, unless the rule is per run.
    """
    log = Log(readings, rule.zone)
    points = _points(log, rule, now)
    names = _remembering(rule)
    found: list[Warned] = []
    warned = False
    day: date | None = None
    for at, value in points:
        today = at.astimezone(rule.zone).date()
        if rule.per is Per.DAY and today != day:
            warned, day = False, today
        verdict = judge_in(log, value, at, rule, names)
        if verdict.state is State.UNKNOWN:
            continue
        fires = verdict.state is not State.OK
        if fires and warned and rule.per is Per.DAY:
            found[-1] = Warned(at, verdict.current)
        elif fires and not warned:
            found.append(Warned(at, verdict.current))
        warned = fires
    return Replay(points[0][0] if points else None, tuple(found))


def _points(log: Log, rule: VolumeRule, now: datetime) -> list[tuple[datetime, int]]:
    dated = zip(log.instants, log.values, strict=True)
    wanted = [(at, value) for at, value in dated if now - SPAN <= at <= now]
    if rule.per is not Per.RUN:
        hours = groupby(wanted, key=lambda one: one[0].replace(minute=0, second=0, microsecond=0))
        wanted = [list(same)[-1] for _, same in hours]
    return wanted[-MOST:]


def _remembering(rule: VolumeRule) -> DayNames | None:
    """The rule's calendar, which is asked for the same days again and again."""
    if rule.holidays is None:
        return None
    names = calendar(rule.holidays.calendar, rule.holidays.optional, rule.holidays.extra)
    known: dict[date, str | None] = {}

    def name(day: date) -> str | None:
        if day not in known:
            known[day] = names(day)
        return known[day]

    return name
