"""What does a line of cron say? Five fields in, sets of numbers out; anything else is refused.

Our own grammar comes first and is narrower than croniter's: numbers, names of months and weekdays,
`*`, lists, ranges, steps, and seven macros. Seconds, years, `R`, `H`, `L`, `W`, `#`, `?`, backward
ranges and dates that never come are refused with a hint. What passes is written in the plainest
form and expanded by croniter, which never sees a zone or an instant.

Two rules are Debian cron's (crontab(5)):

- Where the day of the month and the weekday are both restricted, a day that fits *either* is due.
  A field that starts with `*` is not restricted, so with `*/2` in one of them *both* must fit.
- A job whose minute or hour field starts with `*` follows elapsed time on nights on which the
  clock changes; any other is a fixed-time job (see `instants`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from mitrarr_runner.schedule.fields import FIELDS, CronError, Field, check_field, refused
from mitrarr_runner.text import Text, plural, text

LONGEST = 1000
_ZONE = re.compile(r"(?:CRON_)?TZ=(.*)", re.IGNORECASE)
_LONGEST_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


@dataclass(frozen=True, slots=True)
class Cron:
    """One line of cron, understood. Weekdays count from 0 = Sunday to 6 = Saturday."""

    expression: str
    fixed_time: bool
    either_day: bool
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]


def parse(expression: str) -> Cron:
    """Understand a line of cron or a macro such as @daily; CronError says what to write instead."""
    columns = _columns(expression)
    minutes, hours, days, months, weekdays = map(_numbers_of, range(len(FIELDS)), columns)
    cron = Cron(
        expression=expression,
        fixed_time=not (_starred(columns[0]) or _starred(columns[1])),
        either_day=not (_starred(columns[2]) or _starred(columns[4])),
        minutes=minutes,
        hours=hours,
        days=days,
        months=months,
        weekdays=weekdays,
    )
    _check_possible(cron)
    return cron


def columns_of(expression: str) -> list[str]:
    """The five fields of a line that `parse` accepts, macros spelled out; in small letters."""
    return _split(expression.strip(" \t").lower())


def _split(line: str) -> list[str]:
    return re.split(r"[ \t]+", _MACROS.get(line.lower(), line))


def _starred(column: str) -> bool:
    return column.startswith("*")


def _columns(expression: str) -> list[str]:
    """Split the line, refusing what is not five fields."""
    line = expression.strip(" \t")
    if len(line) > LONGEST:
        raise refused(
            "cron_syntax",
            text("a line of cron has at most {limit} characters", limit=LONGEST),
            text("Write lists as ranges and steps, or as several jobs."),
        )
    odd = re.search(r"[^ \t!-~]", line)
    if odd is not None:
        raise refused(
            "cron_syntax",
            text("cron knows plain ASCII only; here is {character}", character=ascii(odd[0])),
            text("Type the line anew: it may have been pasted from a document."),
        )
    if line.startswith("@"):
        _check_macro(line)
    columns = _split(line) if line else []
    if columns and (zone := _ZONE.match(columns[0])) is not None:
        raise _zone_inside(columns, zone[1])
    if len(columns) > 5:
        raise _too_many(columns)
    if len(columns) < 5:
        raise _too_few(line, columns)
    return columns


def _check_macro(line: str) -> None:
    if line.lower() in _MACROS:
        return
    if line.lower() == "@reboot":
        raise refused(
            "cron_macro",
            text(
                "@reboot is not a time: nobody tells a one-shot program that the host has started"
            ),
            text('Use a time, e.g. "@hourly", or start the command from a systemd unit.'),
        )
    raise refused(
        "cron_macro",
        text("cron does not know {macro}", macro=line),
        text("It knows {macros}.", macros=", ".join(_MACROS)),
    )


def _zone_inside(columns: list[str], zone: str) -> CronError:
    """Some crons take CRON_TZ=ZONE before the fields."""
    hint = text("The zone goes into schedule.timezone, beside schedule.cron.")
    if (line := _accepted(columns[1:])) is not None:
        example = f'{{cron: "{line}", timezone: {zone}}}'
        hint = text("The zone goes into schedule.timezone: {example}", example=example)
    message = text("a line of cron has no time zone in it; here is {word}", word=columns[0])
    return refused("cron_unsupported", message, hint)


def _too_many(columns: list[str]) -> CronError:
    count = len(columns)
    hint = text("There are no seconds and no years here: leave them out.")
    if not _looks_like_cron(columns[5]):
        hint = text("A schedule is the five fields only; the command goes into `steps`.")
    elif count == 6 and (minutes := _accepted(columns[1:])) is not None:
        hint = text('There are no seconds here. Without them: "{suggestion}"', suggestion=minutes)
    return refused("cron_six_fields", _count(count), hint)


def _too_few(line: str, columns: list[str]) -> CronError:
    hint = _example()
    if f"@{line.lower()}" in _MACROS:
        hint = text('Perhaps you meant "{suggestion}"', suggestion=f"@{line.lower()}")
    elif columns and (filled := _accepted(columns + ["*"] * (5 - len(columns)))) is not None:
        hint = _missing_star(columns[0], filled)
    return refused("cron_fields", _count(len(columns)), hint)


def _count(count: int) -> Text:
    return plural(
        "cron has 5 fields (minute hour day month weekday); here is {count}",
        "cron has 5 fields (minute hour day month weekday); here are {count}",
        count,
    )


def _example() -> Text:
    return text('For example, every 10 minutes: "*/10 * * * *"')


def _missing_star(minute: str, filled: str) -> Text:
    every = re.fullmatch(r"\*/([0-9]+)", minute)
    if every is not None and filled.endswith(" * * * *"):
        return text(
            'If the idea is "every {count} minutes": "{suggestion}"',
            count=int(every[1]),
            suggestion=filled,
        )
    return text('Perhaps a "*" is missing: "{suggestion}"', suggestion=filled)


def _looks_like_cron(column: str) -> bool:
    return re.fullmatch(r"[0-9*,/?#LWRH-]+|[a-zA-Z]{3}([-,][a-zA-Z]{3})*", column) is not None


def _accepted(columns: list[str]) -> str | None:
    """The line, if it would be accepted as it is."""
    line = " ".join(columns)
    try:
        parse(line)
    except CronError:
        return None
    return line


@lru_cache(maxsize=5000)
def _numbers_of(position: int, column: str) -> frozenset[int]:
    """What one column names. Ten thousand lines are made of a few hundred columns."""
    plain = ["*"] * len(FIELDS)
    plain[position] = check_field(FIELDS[position], column)
    return _expand(" ".join(plain), column)[position]


def _expand(plain: str, column: str) -> list[frozenset[int]]:
    """Let croniter expand a line that our grammar has passed."""
    from croniter import CroniterError, croniter

    try:
        expanded, _ = croniter.expand(plain)
    except CroniterError as error:  # our grammar and croniter's disagree: say so, guess nothing
        raise refused(
            "cron_syntax",
            text('"{value}" is not understood as a line of cron', value=column),
            _example(),
        ) from error
    return [_numbers(f, values) for f, values in zip(FIELDS, expanded, strict=True)]


def _numbers(f: Field, values: list[int | str]) -> frozenset[int]:
    if "*" in values:
        return frozenset(range(f.low, f.top + 1))
    return frozenset(int(value) for value in values)


def _check_possible(cron: Cron) -> None:
    """Refuse a date that no year has: such a job would wait for ever without a word."""
    if cron.either_day:
        return
    if any(min(cron.days) <= _LONGEST_MONTHS[month - 1] for month in cron.months):
        return
    raise refused(
        "cron_never",
        text(
            "never due: no month of this line has a day {day}",
            day=", ".join(str(day) for day in sorted(cron.days)),
        ),
        text("For the last day of a month take the first of the next one, at 00:00."),
    )
