"""Whose file is this? The id of a person, from the template a source declares.

A template may use the names of `SOURCE_NAMES`: Type-1 fields, the file's name without its ending
(`stem`), and `t2["018"]` for field 2.018 of the first Type-2 record, as text.

`id: "{{ tcn }}"` is by far the usual one, so a template that is one plain name never wakes Jinja2.
Ids are personal data: nothing here puts one into an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from mitrarr_runner import templates
from mitrarr_runner.errors import UsageError
from mitrarr_runner.manifest.references import SOURCE_NAMES
from mitrarr_runner.nist.model import Transaction
from mitrarr_runner.text import text

ID_LENGTH = 128

_PLAIN = re.compile(r"\{\{\s*(\w+)\s*\}\}")


class NoIdError(Exception):
    """code: no_id (nothing came out) or bad_id (too long, or not printable)."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Rule:
    """A checked id template. names: those of SOURCE_NAMES it uses."""

    template: str
    names: frozenset[str]
    plain: str | None

    @property
    def from_name(self) -> bool:
        """Whether the file's name is needed, which is kept nowhere."""
        return "stem" in self.names


def rule(template: str) -> Rule:
    """Raises UsageError (id_template) for a template that could give no id to any file."""
    plain = _PLAIN.fullmatch(template.strip())
    names = frozenset({plain[1]}) if plain else templates.names_in(template)
    unknown = sorted(names - SOURCE_NAMES)
    if unknown:
        raise UsageError(
            text("the id of a source cannot use {names}", names=", ".join(unknown)),
            code="id_template",
            hint=text("names it may use: {names}", names=", ".join(sorted(SOURCE_NAMES))),
        )
    return Rule(template, names, plain[1] if plain and plain[1] != "t2" else None)


def person_id(wanted: Rule, transaction: Transaction, stem: str) -> str:
    """The id, trimmed; raises NoIdError."""
    values = {name: _VALUES[name](transaction) for name in wanted.names if name in _VALUES}
    values["stem"] = stem
    if wanted.plain is not None:
        return checked(str(values[wanted.plain]))
    try:
        return checked(templates.render(wanted.template, values))
    except UsageError:  # a Type-2 field this file does not have
        raise NoIdError("no_id") from None


def checked(person: str) -> str:
    """An id fit to be kept: trimmed, 1 to 128 printable characters; raises NoIdError."""
    trimmed = person.strip()
    if not trimmed:
        raise NoIdError("no_id")
    if len(trimmed) > ID_LENGTH or not trimmed.isprintable():
        raise NoIdError("bad_id")
    return trimmed


def stem_of(name: str) -> str:
    return PurePath(name).stem


def _type2(transaction: Transaction) -> Mapping[str, str]:
    records = transaction.of_type(2)
    if not records:
        return {}
    return {
        f"{number:03d}": transaction.decode(value).strip()
        for number, value in records[0].fields().items()
    }


_VALUES: Mapping[str, Callable[[Transaction], object]] = {
    "tcn": lambda transaction: transaction.tcn or "",
    "dai": lambda transaction: transaction.dai or "",
    "ori": lambda transaction: transaction.ori or "",
    "tot": lambda transaction: transaction.tot or "",
    "date": lambda transaction: transaction.first.text(5) or "",
    "t2": _type2,
}
