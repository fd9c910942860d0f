"""Which lines of cron are valid and yet probably not what was meant?

Warnings never stop a schedule. They speak about the line itself and about one thing of its zone: a
fixed time that a change of the clock swallows within the coming year.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from mitrarr_runner.schedule.fields import FIELDS, Field
from mitrarr_runner.schedule.grammar import Cron, columns_of
from mitrarr_runner.schedule.instants import gaps
from mitrarr_runner.text import Text, offset, text


@dataclass(frozen=True, slots=True)
class CronWarning:
    """A suspicious line. Codes: cron_uneven_step, cron_idle_step, cron_either_day, cron_both_days,
    cron_gap."""

    code: str
    message: Text
    hint: Text


def warnings(cron: Cron, zone: ZoneInfo, now: datetime) -> list[CronWarning]:
    """What a careful reader would ask about this line, seen from `now`."""
    columns = columns_of(cron.expression)
    found = [
        warning for f, column in zip(FIELDS, columns, strict=True) for warning in _steps(f, column)
    ]
    found += _days(cron, columns)
    if cron.fixed_time:
        found += _gap(cron, zone, now)
    return found


def _steps(f: Field, column: str) -> list[CronWarning]:
    found = []
    for item in column.split(","):
        match = re.fullmatch(r"(\*|[0-9a-z]+)/([0-9]+)", item)
        if match is None:
            continue
        by, size = int(match[2]), f.top - f.low + 1
        start = f.low if match[1] == "*" else f.number(match[1])
        if start is not None and start + by > f.top:
            found.append(_idle(item, start))
        elif match[1] == "*" and f.low == 0 and not f.names and size % by:
            found.append(_uneven(f, item, by, size))
    return found


def _idle(item: str, value: int) -> CronWarning:
    return CronWarning(
        "cron_idle_step",
        text(
            'the step of "{item}" does nothing: it starts anew in each cycle and only ever '
            "reaches {value}",
            item=item,
            value=value,
        ),
        text('If that is meant, write "{value}".', value=value),
    )


def _uneven(f: Field, item: str, by: int, size: int) -> CronWarning:
    last = (size - 1) // by * by
    return CronWarning(
        "cron_uneven_step",
        text(
            '"{item}" is not even: after {field} {last} it starts anew at 0, {rest} later instead '
            "of {step}",
            item=item,
            field=f.label,
            last=last,
            rest=size - last,
            step=by,
        ),
        text("Steps that come out even: {steps}.", steps=", ".join(_even(size))),
    )


def _even(size: int) -> list[str]:
    return [f"*/{by}" for by in range(2, size // 2 + 1) if size % by == 0]


def _days(cron: Cron, columns: list[str]) -> list[CronWarning]:
    day, weekday = columns[2], columns[4]
    if cron.either_day:
        return [
            CronWarning(
                "cron_either_day",
                text(
                    'day "{day}" and weekday "{weekday}" are both given: it runs on days that fit '
                    "either of them",
                    day=day,
                    weekday=weekday,
                ),
                text('For one of the two only, put "*" in the other field.'),
            )
        ]
    if "*" not in (day, weekday) and len(cron.days) < 31 and len(cron.weekdays) < 7:
        return [
            CronWarning(
                "cron_both_days",
                text(
                    'day "{day}" and weekday "{weekday}" must both fit, because one of them '
                    'starts with "*"',
                    day=day,
                    weekday=weekday,
                ),
                text('For one of the two only, put "*" in the other field.'),
            )
        ]
    return []


def _gap(cron: Cron, zone: ZoneInfo, now: datetime) -> list[CronWarning]:
    for swallowed, following, instant in gaps(cron, zone, now, now + timedelta(days=366)):
        return [
            CronWarning(
                "cron_gap",
                text(
                    "{time} does not exist on {date} in {zone}: the clock jumps over it, "
                    "and the job runs at {following} {offset}",
                    time=f"{swallowed:%H:%M}",
                    date=f"{swallowed:%Y-%m-%d}",
                    zone=zone.key,
                    following=f"{following:%H:%M}",
                    offset=offset(instant.astimezone(zone)),
                ),
                text("If that is too late or too early, choose a time outside the jump."),
            )
        ]
    return []
