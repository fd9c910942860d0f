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
from functools import cache
from types import MappingProxyType

FS, GS, RS, US = b"\x1c", b"\x1d", b"\x1e", b"\x1f"
DATA = 999
_FS = re.compile(FS)
FAULTS_KEPT = 100  # per record: a damaged megabyte must not become a million findings

# Whatever stands between two GS, with its tag where it begins with one.
_STRETCH = re.compile(rb"(?:(\d{1,2}\.\d{1,5}):)?([^\x1d]*)\x1d?")


class FaultKind(StrEnum):
    """How a stretch of a record is not a field of that record."""

    MALFORMED = "malformed"  # no `T.NNN:` where a field should begin
    FOREIGN = "foreign"  # the tag of another record type
    DUPLICATE = "duplicate"  # a field number seen before; the first one counts
    SEPARATOR = "separator"  # FS inside a text field
    TOO_MANY = "too_many"  # the splitting stopped here


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
    """Split one tagged record, `record` being all its bytes from `T.001:` to FS.

    A GS ends every text, so the first `GS T.999:` is the image, whatever the texts before it say.
    """
    end = len(record) - 1
    image_tag, numbers = _grammar(record_type)
    image = image_tag.search(record, 0, end)
    stop = image.start() if image else end
    values: dict[int, memoryview] = {}
    faults: list[Fault] = []
    for stretch in _STRETCH.finditer(record, 0, stop):
        number = numbers.get(stretch[1]) or _number(stretch[1], record_type)
        if number:
            start, after = stretch.span(2)
            view = record[start:after]
            if values.setdefault(number, view) is view:
                continue
            kind = FaultKind.DUPLICATE
        else:
            kind = FaultKind.FOREIGN if stretch[1] else FaultKind.MALFORMED
        if stretch.start() < stop:  # the last match is the empty one at the end
            faults.append(Fault(kind, stretch.start(), number or 0))
        if len(faults) >= FAULTS_KEPT:
            faults.append(Fault(FaultKind.TOO_MANY, stretch.start()))
            break
    if image:
        values.setdefault(DATA, record[image.end() : end])
    if _FS.search(record, 0, stop):
        faults += _separators(values)
    return Fields(MappingProxyType(values), tuple(faults))


@cache
def _grammar(record_type: int) -> tuple[re.Pattern[bytes], Mapping[bytes | None, int]]:
    """The tag before the image, and the usual spelling of every other tag with its number."""
    image = re.compile(rb"\x1d0?%d\.0{0,2}999:" % record_type)
    return image, {b"%d.%03d" % (record_type, number): number for number in range(1, DATA)}


def _number(tag: bytes | None, record_type: int) -> int | None:
    """The field number of an unusual spelling (`1.01`); None for another record type's tag."""
    if tag is None:
        return None
    owner, digits = tag.split(b".")
    return int(digits) if int(owner) == record_type else None


def _separators(values: Mapping[int, memoryview]) -> list[Fault]:
    """The texts that hold an FS: LEN probably counts too much."""
    texts = [number for number in values if number != DATA]
    return [
        Fault(FaultKind.SEPARATOR, 0, number) for number in texts if _FS.search(values[number])
    ][:FAULTS_KEPT]
