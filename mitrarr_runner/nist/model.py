"""What is a transaction? Records, findings, and the few Type-1 fields everybody asks for.

All values are views into the bytes that were read; a record splits its fields when first asked.
Nothing here judges: `reader` walks, `checks` judge. The repr of a record shows no field.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from mitrarr_runner.nist.fields import DATA, NO_FIELDS, Fields, parse
from mitrarr_runner.text import Text

BINARY_TYPES = frozenset(range(3, 9))  # 4-byte LEN, 1-byte IDC, no separators
KNOWN_TYPES = frozenset({*range(1, 23), 98, 99})  # ANSI/NIST-ITL 1-2011 Update 2015, table 3

# 1.015 DCS, first item (ANSI/NIST-ITL 1-2011, table 4).
_CHARSETS = {0: "ascii", 1: "latin-1", 2: "utf-16", 3: "utf-8", 4: "utf-32"}


class Severity(StrEnum):
    """An error means quarantine."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a check has to say; never with a Type-2 value or a name in it.

    offset: bytes from the start of the file. record: position from 1. field: "10.011".
    """

    code: str
    severity: Severity
    message: Text
    offset: int | None = None
    record: int | None = None
    field: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One logical record. position: from 1 (the Type-1 record). offset, length: bytes."""

    type: int
    position: int
    idc: int | None
    offset: int
    length: int
    source: memoryview = field(repr=False)
    _parsed: Fields | None = field(default=None, init=False, repr=False)

    @property
    def binary(self) -> bool:
        return self.type in BINARY_TYPES

    @property
    def parsed(self) -> Fields:
        """The fields and the faults found while splitting them; split once, kept."""
        parsed = self._parsed
        if parsed is None:
            parsed = NO_FIELDS if self.binary else parse(self.source, self.type)
            object.__setattr__(self, "_parsed", parsed)
        return parsed

    def fields(self) -> Mapping[int, memoryview]:
        """Values by field number, in file order; of a repeated tag, the first. Empty if binary."""
        return self.parsed.values

    def field(self, number: int) -> memoryview | None:
        return self.parsed.values.get(number)

    def text(self, number: int, charset: str = "ascii") -> str | None:
        """The field decoded; bytes outside the charset become U+FFFD. None where it is absent."""
        value = self.parsed.values.get(number)
        return None if value is None else str(value, charset, "replace")

    @property
    def data(self) -> memoryview | None:
        """`T.999`; of a binary record, everything after LEN and IDC."""
        return self.source[5:] if self.binary else self.parsed.values.get(DATA)


@dataclass(frozen=True, slots=True, eq=False)
class Transaction:
    """A walked file. findings are the walk's own (bytes after the end, a missing last record)."""

    data: memoryview = field(repr=False)
    records: tuple[Record, ...]
    content: tuple[tuple[int, int], ...] | None  # (type, IDC) as CNT lists them; None: unreadable
    findings: tuple[Finding, ...] = ()

    @property
    def first(self) -> Record:
        """The Type-1 record."""
        return self.records[0]

    def of_type(self, number: int) -> tuple[Record, ...]:
        return tuple(record for record in self.records if record.type == number)

    @property
    def ver(self) -> str | None:
        return self.first.text(2)

    @property
    def tot(self) -> str | None:
        return self.first.text(4)

    @property
    def date(self) -> date | None:
        """1.005 DAT, where it is a real date."""
        return real_date(self.first.text(5))

    @property
    def dai(self) -> str | None:
        return self.first.text(7)

    @property
    def ori(self) -> str | None:
        return self.first.text(8)

    @property
    def tcn(self) -> str | None:
        """1.009: an id of a person's file; it never reaches a log."""
        return self.first.text(9)

    @property
    def charset(self) -> str | None:
        """The declared charset (1.015 DCS) as Python names it; None where none is declared."""
        declared = (self.first.text(15) or "").split("\x1f")[0].strip()
        return _CHARSETS.get(int(declared)) if declared.isdecimal() and len(declared) < 4 else None

    def decode(self, value: memoryview, charsets: Iterable[str] = ("utf-8", "cp1252")) -> str:
        """Text of a field outside Type-1: the declared charset, else the first that fits strictly.

        Where none fits, the last one with U+FFFD for what it cannot read (cp1252 has five holes).
        """
        declared = self.charset
        order = ((declared,) if declared else ()) + tuple(charsets) or ("utf-8",)
        for charset in order:
            try:
                return codecs.decode(value, charset)
            except UnicodeError:
                continue
        return str(value, order[-1], "replace")


def real_date(value: str | None) -> date | None:
    """YYYYMMDD as a date; None for anything else."""
    if value is None or len(value) != 8 or not (value.isascii() and value.isdigit()):
        return None
    try:
        return datetime.strptime(value, "%Y%m%d").date()  # noqa: DTZ007 a date has no zone
    except ValueError:
        return None
