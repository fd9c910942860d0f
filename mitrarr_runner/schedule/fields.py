"""What may stand in one field of a line of cron? Numbers, names, `*`, lists, ranges, steps.

Everything else is refused with a hint. What passes is handed on in the plainest form, the one that
croniter reads the way cron does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mitrarr_runner.errors import UsageError
from mitrarr_runner.text import Text, text

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_ITEM = re.compile(r"(?:\*|([0-9]+|[a-z]+)(?:-([0-9]+|[a-z]+))?)(?:/([0-9]+))?", re.ASCII | re.I)
_UNSUPPORTED = re.compile(r"[?#]|(?<![a-z])(?:lw|[lwrh])(?![a-z])")


class CronError(UsageError):
    """A line of cron that is refused. Codes: cron_fields, cron_six_fields, cron_unsupported,
    cron_macro, cron_syntax, cron_range, cron_never."""


def refused(code: str, message: Text, hint: Text) -> CronError:
    return CronError(message, code=code, hint=hint)


@dataclass(frozen=True, slots=True)
class Field:
    """One of the five fields: its English name, its bounds, the names of its values in order."""

    label: Text
    low: int
    high: int
    names: tuple[str, ...] = ()

    @property
    def top(self) -> int:
        """The last value of a cycle: 7 is only another way to write Sunday."""
        return 6 if self.names == _WEEKDAYS else self.high

    def number(self, word: str) -> int | None:
        """The value of a number or a name; None for a word this field does not know."""
        if word.isdigit():
            return int(word)
        word = word.lower()
        return self.low + self.names.index(word) if word in self.names else None


FIELDS = (
    Field(text("minute"), 0, 59),
    Field(text("hour"), 0, 23),
    Field(text("day"), 1, 31),
    Field(text("month"), 1, 12, _MONTHS),
    Field(text("weekday"), 0, 7, _WEEKDAYS),
)


def check_field(f: Field, column: str) -> str:
    """Check one field and write it in the plainest form that croniter reads the way cron does.
    Refusals quote it as it was written."""
    odd = _UNSUPPORTED.search(column.lower())
    if odd is not None:
        raise refused(
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
        raise refused(
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
        high = low if by is None else max(low, f.top)
    if high < low:
        raise _backward(f, item, low, high)
    # croniter takes an equal range such as 5-5 for the whole field; cron takes it for 5.
    return str(low) if low == high else f"{low}-{high}" + (f"/{by}" if by else "")


def _step(f: Field, step: str | None) -> int | None:
    if step is None:
        return None
    by = int(step)
    if not 1 <= by <= f.top - f.low + 1:
        raise refused(
            "cron_range",
            text(
                "a step of the {field} field is between 1 and {high}; here it is {value}",
                field=f.label,
                high=f.top - f.low + 1,
                value=step,
            ),
            text("A step counts within the field: it cannot be longer than the field is."),
        )
    return by


def _value(f: Field, word: str) -> int:
    value = f.number(word)
    if value is None:
        raise refused(
            "cron_syntax",
            text("the {field} field does not know {word}", field=f.label, word=word),
            _forms(f),
        )
    if not f.low <= value <= f.high:
        raise refused(
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
    return refused(
        "cron_range",
        text('the {field} range "{item}" runs backward', field=f.label, item=item),
        text(
            'Write it as a list: "{suggestion}"',
            suggestion=f"{_span(low, f.top)},{_span(f.low, high)}",
        ),
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
