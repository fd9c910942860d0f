"""What does a line of cron say? Five fields in, sets of numbers out; anything else is refused.

Our own grammar comes first and is narrower than croniter's: numbers, names of months and weekdays,
`*`, lists, ranges, steps, and seven macros. Seconds, years, `R`, `H`, `L`, `W`, `#`, `?`, backward
ranges and dates that never come are refused with a hint. What passes is written in the plainest
form and expanded by croniter, which never sees a zone or an instant.

Two rules are Debian cron's (crontab(5)):

- Where the day of the month and the weekday are both restricted, a day that fits *either* is due.
  A field that starts with `*` is not restricted, so with `*/2` in one of them *both* must fit.
- A job whose minute or hour field starts with `*` follows elapsed time on nights on which the
  clock changes; any other is a fixed-time job (see `enumerate`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from mitrarr_runner.errors import UsageError
from mitrarr_runner.text import Text, text

LONGEST = 1000
_LONGEST_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_ITEM = re.compile(r"(?:\*|([0-9]+|[a-z]+)(?:-([0-9]+|[a-z]+))?)(?:/([0-9]+))?", re.ASCII)


class CronError(UsageError):
    """A line of cron that is refused. Codes: cron_fields, cron_six_fields, cron_unsupported,
    cron_macro, cron_syntax, cron_range, cron_never."""


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


@dataclass(frozen=True, slots=True)
class Field:
    """One of the five fields: its English name, its bounds, the names of its values."""

    label: Text
    low: int
    high: int
    names: tuple[str, ...] = ()
    first_name: int = 0
    values: dict[str, int] = field(init=False, hash=False)

    def __post_init__(self) -> None:
        numbered = {name: self.first_name + i for i, name in enumerate(self.names)}
        object.__setattr__(self, "values", numbered)


def fields() -> tuple[Field, ...]:
    """The five fields in the order of a line."""
    return (
        Field(text("minute"), 0, 59),
        Field(text("hour"), 0, 23),
        Field(text("day"), 1, 31),
        Field(text("month"), 1, 12, _MONTHS, 1),
        Field(text("weekday"), 0, 7, _WEEKDAYS),
    )


def parse(expression: str) -> Cron:
    """Understand a line of cron or a macro such as @daily; CronError says what to write instead."""
    columns = _columns(expression)
    plain = [_check_field(f, column) for f, column in zip(fields(), columns, strict=True)]
    minutes, hours, days, months, weekdays = _expand(" ".join(plain), expression)
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
    """The five fields of a line that `parse` accepts, macros spelled out."""
    line = expression.strip(" \t").lower()
    return re.split(r"[ \t]+", _MACROS.get(line, line))


def _starred(column: str) -> bool:
    return column.startswith("*")


def _columns(expression: str) -> list[str]:
    """Split the line, refusing what is not five fields."""
    line = expression.strip(" \t")
    if len(line) > LONGEST:
        raise _error(
            "cron_syntax", text("a line of cron has at most {limit} characters", limit=LONGEST)
        )
    if line.startswith("@"):
        _check_macro(line.lower())
    columns = columns_of(line) if line else []
    odd = re.search(r"[^ \t!-~]", line)
    if odd is not None:
        raise _error(
            "cron_syntax",
            text("cron knows plain ASCII only; here is {character}", character=ascii(odd[0])),
            text("Type the line anew: it may have been pasted from a document."),
        )
    if len(columns) > 5:
        raise _too_many(columns)
    if len(columns) < 5:
        raise _too_few(line, columns)
    return columns


def _check_macro(line: str) -> None:
    if line in _MACROS:
        return
    if line == "@reboot":
        raise _error(
            "cron_macro",
            text(
                "@reboot is not a time: nobody tells a one-shot program that the host has started"
            ),
            text('Use a time, e.g. "@hourly", or start the command from a systemd unit.'),
        )
    raise _error(
        "cron_macro",
        text("cron does not know {macro}", macro=line),
        text("It knows {macros}.", macros=", ".join(_MACROS)),
    )


def _too_many(columns: list[str]) -> CronError:
    count = len(columns)
    if any(not _looks_like_cron(column) for column in columns[:5]):
        hint = None
    elif not _looks_like_cron(columns[5]):
        hint = text("A schedule is the five fields only; the command goes into `steps`.")
    elif (minutes := _accepted(columns[1:6])) is not None and count == 6:
        hint = text('There are no seconds here. Without them: "{suggestion}"', suggestion=minutes)
    else:
        hint = text("There are no seconds and no years here: leave them out.")
    return _error(
        "cron_six_fields",
        text("cron has 5 fields (minute hour day month weekday); here are {count}", count=count),
        hint,
    )


def _too_few(line: str, columns: list[str]) -> CronError:
    hint = text('For example, every 10 minutes: "*/10 * * * *"')
    if f"@{line.lower()}" in _MACROS:
        hint = text('Perhaps you meant "{suggestion}"', suggestion=f"@{line.lower()}")
    elif columns and (filled := _accepted(columns + ["*"] * (5 - len(columns)))) is not None:
        hint = _missing_star(columns[0], filled)
    return _error(
        "cron_fields",
        text(
            "cron has 5 fields (minute hour day month weekday); here are {count}",
            count=len(columns),
        ),
        hint,
    )


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


def _check_field(f: Field, column: str) -> str:
    """Check one field and write it in the plainest form that croniter reads the way cron does."""
    odd = re.search(r"[?#]|(?<![a-z])[lwrh](?![a-z])", column)
    if odd is not None:
        raise _error(
            "cron_unsupported",
            text(
                'the {field} field "{value}" uses {sign}, which cron does not have',
                field=f.label,
                value=column,
                sign=odd[0].upper(),
            ),
            _instead(odd[0]),
        )
    return ",".join(_check_item(f, column, item) for item in column.split(","))


def _instead(sign: str) -> Text:
    if sign == "?":
        return text('Write "*" instead.')
    if sign in "hr":
        return text("Choose a value; to spread jobs over time, use `jitter` beside `cron`.")
    return text(
        "Let the job run on the candidate days and let its first step decide, "
        "or name the days themselves."
    )


def _check_item(f: Field, column: str, item: str) -> str:
    match = _ITEM.fullmatch(item)
    if match is None:
        raise _error(
            "cron_syntax",
            text(
                'the {field} field "{value}" is not understood at "{item}"',
                field=f.label,
                value=column,
                item=item,
            ),
            _forms(f),
        )
    first, last, step = match.groups()
    by = _step(f, step)
    if first is None:
        return "*" if by is None else f"*/{by}"
    low = _value(f, first)
    if last is not None:
        high = _value(f, last)
    else:
        high = low if by is None else min(f.high, 6) if f.names == _WEEKDAYS else f.high
        high = max(high, low)
    if high < low:
        raise _backward(f, item, low, high)
    # croniter takes an equal range such as 5-5 for the whole field; cron takes it for 5.
    return str(low) if low == high else f"{low}-{high}" + (f"/{by}" if by else "")


def _step(f: Field, step: str | None) -> int | None:
    if step is None:
        return None
    by = int(step)
    if not 1 <= by <= f.high - f.low + 1:
        raise _error(
            "cron_range",
            text(
                "a step of the {field} field is between 1 and {high}; here it is {value}",
                field=f.label,
                high=f.high - f.low + 1,
                value=step,
            ),
            text("A step counts within the field: it cannot be longer than the field is."),
        )
    return by


def _value(f: Field, word: str) -> int:
    value = int(word) if word.isdigit() else f.values.get(word)
    if value is None:
        raise _error(
            "cron_syntax",
            text("the {field} field does not know {word}", field=f.label, word=word),
            _forms(f),
        )
    if not f.low <= value <= f.high:
        raise _error(
            "cron_range",
            text(
                "the {field} field goes from {low} to {high}; here is {word}",
                field=f.label,
                low=f.low,
                high=f.high,
                word=word,
            ),
            text("Choose a value from {low} to {high}.", low=f.low, high=f.high),
        )
    return value


def _backward(f: Field, item: str, low: int, high: int) -> CronError:
    top = 6 if f.names == _WEEKDAYS else f.high
    ends = ["7" if f.names == _WEEKDAYS and high == 0 and low == 7 else _span(low, top)]
    ends.append(_span(f.low, high))
    return _error(
        "cron_range",
        text('the {field} range "{item}" runs backward', field=f.label, item=item),
        text('Write it as a list: "{suggestion}"', suggestion=",".join(ends)),
    )


def _span(low: int, high: int) -> str:
    return str(low) if low >= high else f"{low}-{high}"


def _forms(f: Field) -> Text:
    if f.names:
        return text(
            "Numbers from {low} to {high} or {names}; lists 1,3; ranges 1-5; steps */2.",
            low=f.low,
            high=f.high,
            names=", ".join(f.names),
        )
    return text(
        "Numbers from {low} to {high}; lists 1,3; ranges 1-5; steps */2.", low=f.low, high=f.high
    )


def _expand(plain: str, expression: str) -> list[frozenset[int]]:
    """Let croniter expand a line that our grammar has passed."""
    from croniter import CroniterError, croniter

    try:
        expanded, _ = croniter.expand(plain)
    except CroniterError as error:  # our grammar and croniter's disagree: say so, guess nothing
        raise _error(
            "cron_syntax",
            text('"{value}" is not understood as a line of cron', value=expression.strip()),
            text('For example, every 10 minutes: "*/10 * * * *"'),
        ) from error
    return [_numbers(f, values) for f, values in zip(fields(), expanded, strict=True)]


def _numbers(f: Field, values: list[int | str]) -> frozenset[int]:
    if "*" in values:
        return frozenset(range(f.low, 7 if f.names == _WEEKDAYS else f.high + 1))
    return frozenset(int(value) for value in values)


def _check_possible(cron: Cron) -> None:
    """Refuse a date that no year has: such a job would wait for ever without a word."""
    if cron.either_day:
        return
    if any(min(cron.days) <= _LONGEST_MONTHS[month - 1] for month in cron.months):
        return
    raise _error(
        "cron_never",
        text(
            "never due: no month of this line has a day {day}",
            day=", ".join(str(day) for day in sorted(cron.days)),
        ),
        text("For the last day of a month take the first of the next one, at 00:00."),
    )


def _error(code: str, message: Text, hint: Text | None = None) -> CronError:
    return CronError(message, code=code, hint=hint)
