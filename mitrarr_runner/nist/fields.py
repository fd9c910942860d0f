"""Where do the fields of one tagged record begin and end?

Splits `T.NNN:value GS T.NNN:value ... FS` without copying a byte. `T.999` is the image: it runs to
the record's end by LEN, whatever its bytes look like, and an earlier text that merely holds
"999:" is not it. What does not fit is listed as a `Fault`; nothing here judges or raises.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

FS, GS, RS, US = b"\x1c", b"\x1d", b"\x1e", b"\x1f"
DATA = 999
FAULTS_KEPT = 50  # per record: a damaged megabyte must not become a million findings

_FIELD = re.compile(rb"(\d{1,2})\.(?:0*999(:)|(\d{1,5}):([^\x1c\x1d]*)(\x1d?))")
_TO_SEPARATOR = re.compile(rb"[^\x1d]*\x1d?")


class FaultKind(StrEnum):
    """How a stretch of a record is not a field of that record."""

    MALFORMED = "malformed"  # no `T.NNN:` where a field should begin
    FOREIGN = "foreign"  # the tag of another record type
    DUPLICATE = "duplicate"  # a field number seen before; the first one counts
    SEPARATOR = "separator"  # FS inside a text field


@dataclass(frozen=True, slots=True)
class Fault:
    """offset: bytes from the start of the record. number: the field, 0 where there is none."""

    kind: FaultKind
    offset: int
    number: int = 0


@dataclass(frozen=True, slots=True)
class Fields:
    """The values by field number, in file order, and what did not fit."""

    values: Mapping[int, memoryview]
    faults: tuple[Fault, ...] = ()


NO_FIELDS = Fields(MappingProxyType({}))


def parse(record: memoryview, record_type: int) -> Fields:
    """Split one tagged record, `record` being all its bytes from `T.001:` to FS."""
    end = len(record) - 1
    text = record[:end]
    values: dict[int, memoryview] = {}
    faults: list[Fault] = []
    at, wanted, field_at = 0, b"%d" % record_type, _FIELD.match
    while at < end:
        match = field_at(text, at)
        if match is None:
            faults.append(Fault(FaultKind.MALFORMED, at))
            at = _next(text, at)
            continue
        owner, is_data, digits, _, _ = match.groups()
        number = DATA if is_data else int(digits)
        start, stop = (match.end(), end) if is_data else match.span(4)
        if owner != wanted and int(owner) != record_type:
            faults.append(Fault(FaultKind.FOREIGN, at, number))
            at = _next(text, at)
            continue
        if stop < end and not is_data and not match[5]:
            faults.append(Fault(FaultKind.SEPARATOR, stop, number))
            after = _next(text, at)
            stop = after - 1 if record[after - 1] == GS[0] else after
        else:
            after = end if is_data else match.end()
        if values.setdefault(number, view := record[start:stop]) is not view:
            faults.append(Fault(FaultKind.DUPLICATE, at, number))
        at = after
    return Fields(MappingProxyType(values), tuple(faults[:FAULTS_KEPT]))


def _next(text: memoryview, at: int) -> int:
    """The place after the next GS, or the end."""
    match = _TO_SEPARATOR.match(text, at)
    return match.end() if match else len(text)
