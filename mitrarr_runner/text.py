"""Which words does a person see? English source texts, translated at the edge through gettext.

Code below the doors never formats sentences: it makes `Text` values (an English template with
named holes, and the values), which travel in errors, results and incidents and are rendered by a
`Catalogue` where somebody reads them. Keys, codes and JSON stay English.

The catalogue files are `locale/<language>/LC_MESSAGES/mitrarr.{po,mo}`; `make catalogue` extracts
and compiles them, and a test fails on a missing or stale entry.
"""

from __future__ import annotations

import gettext
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

LANGUAGES = ("en", "pt_BR")
DOMAIN = "mitrarr"

_WEEKDAYS = {
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    "pt_BR": ("seg", "ter", "qua", "qui", "sex", "sáb", "dom"),
}


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence for people that has not chosen its language yet; `str()` gives the English."""

    template: str
    values: Mapping[str, object] = field(default_factory=dict)
    plural: str | None = None
    count: int = 0

    def __str__(self) -> str:
        return Catalogue("en")(self)


def text(template: str, /, **values: object) -> Text:
    """Mark an English template (`{name}` holes) for translation; values may be Texts themselves."""
    return Text(template, values)


def mark(template: str, /) -> str:
    """Mark an English text that is translated later as it is: help texts of the command line."""
    return template


def plural(one: str, many: str, count: int, /, **values: object) -> Text:
    """Like `text`, for a sentence that changes with `count` (which fills the hole `{count}`)."""
    return Text(one, {"count": count, **values}, many, count)


def to_data(message: Text) -> dict[str, object]:
    """A Text as JSON values, for the store: rendered later, in the reader's language."""
    data: dict[str, object] = {"text": message.template}
    if message.values:
        data["values"] = {
            key: to_data(value) if isinstance(value, Text) else value
            for key, value in message.values.items()
        }
    if message.plural is not None:
        data |= {"plural": message.plural, "count": message.count}
    return data


def from_data(data: Mapping[str, Any]) -> Text:
    """The inverse of `to_data`."""
    values = {
        key: from_data(value) if isinstance(value, Mapping) else value
        for key, value in data.get("values", {}).items()
    }
    return Text(data["text"], values, data.get("plural"), data.get("count", 0))


class Catalogue:
    """Renders Texts, numbers, sizes, spans and instants in one language."""

    def __init__(self, language: str) -> None:
        self.language = language if language in LANGUAGES else "en"
        self._translations = gettext.translation(
            DOMAIN, Path(__file__).with_name("locale"), [self.language], fallback=True
        )

    def __call__(self, message: Text | str, /, **values: object) -> str:
        if isinstance(message, str):
            message = Text(message, values)
        if not message.template:  # gettext answers "" with the catalogue's own header
            return ""
        if message.plural is None:
            template = self._translations.gettext(message.template)
        else:
            template = self._translations.ngettext(message.template, message.plural, message.count)
        if not message.values:
            return template
        return template.format_map({key: self._value(v) for key, v in message.values.items()})

    def _value(self, value: object) -> object:
        if isinstance(value, Text):
            return self(value)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 1000:
            return self.number(value)
        return value

    def number(self, value: float, decimals: int = 0) -> str:
        """1234.5 -> "1,234.5" (en) or "1.234,5" (pt_BR)."""
        shown = f"{value:,.{decimals}f}"
        if self.language == "pt_BR":
            return shown.translate(str.maketrans(",.", ".,"))
        return shown

    def size(self, count: int) -> str:
        """Bytes for people, in powers of 1000: 1 -> "1 byte", 1_250_000 -> "1.2 MB"."""
        if count < 1000:
            return f"{count} byte" if count == 1 else f"{count} bytes"
        value = float(count)
        for unit in ("kB", "MB", "GB"):
            value /= 1000
            if value < 999.95:
                return f"{self.number(value, 1 if value < 10 else 0)} {unit}"
        return f"{self.number(value / 1000, 1)} TB"

    def span(self, seconds: float) -> str:
        """A length of time, two units at most: 39 -> "39s", 2040 -> "34m00s", 208800 -> "2d10h"."""
        whole = int(seconds)
        if whole < 0:
            return "-" + self.span(-seconds)
        if whole < 60:
            return f"{whole}s"
        if whole < 3600:
            return f"{whole // 60}m{whole % 60:02d}s"
        if whole < 86400:
            return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
        return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"

    def moment(self, instant: datetime, zone: tzinfo, *, seconds: bool = True) -> str:
        """An instant with its weekday and offset, which no reader then has to guess."""
        local = instant.astimezone(zone)  # no strftime here: lists of slots are long
        day = _WEEKDAYS[self.language][local.weekday()]
        date = f"{local.year:04d}-{local.month:02d}-{local.day:02d}"
        if self.language == "pt_BR":
            date = f"{local.day:02d}/{local.month:02d}/{local.year:04d}"
        time = f"{local.hour:02d}:{local.minute:02d}" + (f":{local.second:02d}" if seconds else "")
        return f"{day} {date} {time} {offset(local)}"

    def day(self, instant: datetime, zone: tzinfo) -> str:
        """A day of the last year or the coming one: "Tue 10-06" (en), "ter 06/10" (pt_BR)."""
        local = instant.astimezone(zone)
        day = _WEEKDAYS[self.language][local.weekday()]
        return f"{day} {local.strftime('%d/%m' if self.language == 'pt_BR' else '%m-%d')}"

    def hour(self, instant: datetime, zone: tzinfo, today: datetime) -> str:
        """The shortest reading beside `today`: "03:10", "Mon 03:00", "Mon 12-07 03:00"; with the
        offset where the clock shows that hour twice: "01:30-05:00"."""
        local, reference = instant.astimezone(zone), today.astimezone(zone)
        time = f"{local.hour:02d}:{local.minute:02d}"
        if local.replace(fold=1 - local.fold).utcoffset() != local.utcoffset():
            time += offset(local)
        if local.date() == reference.date():
            return time
        day = _WEEKDAYS[self.language][local.weekday()]
        if abs((local.date() - reference.date()).days) < 7:
            return f"{day} {time}"
        return f"{self.day(instant, zone)} {time}"


def offset(local: datetime) -> str:
    """The offset of an aware instant as "-03:00"."""
    shift = local.utcoffset() or timedelta(0)
    minutes = abs(shift) // timedelta(minutes=1)
    return f"{'-' if shift < timedelta(0) else '+'}{minutes // 60:02d}:{minutes % 60:02d}"


def language_of(environment: Mapping[str, str]) -> str:
    """The language a person's terminal asks for: MITRARR_LANG, then the POSIX locale variables."""
    for variable in ("MITRARR_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = environment.get(variable, "")
        if value:
            return "pt_BR" if value.lower().startswith("pt") else "en"
    return "en"


def language_of_terminal() -> str:
    return language_of(os.environ)
