"""What is in this file, record by record? Rows for `nist show`, without any Type-2 value.

Facts come from fields that describe the image or the record, never the person, and are passed
only if they look like what the standard allows: a field must not forge a line on a terminal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType

from mitrarr_runner.nist.model import Record, Transaction

_PLAIN = re.compile(r"[A-Za-z0-9 ./_-]{1,24}")

# type -> (key, field); HLL and VLL are joined to "size".
_IMAGE = (("cga", 11), ("hll", 6), ("vll", 7))
_FACTS = MappingProxyType(
    {
        1: (("ver", 2), ("tot", 4), ("dat", 5), ("dcs", 15)),
        10: (("imt", 3), *_IMAGE, ("csp", 12), ("sap", 13), ("pos", 20)),
        13: (("imp", 3), *_IMAGE, ("fgp", 13)),
        14: (("imp", 3), *_IMAGE, ("fgp", 13)),
        15: (("imp", 3), *_IMAGE, ("plp", 13)),
        16: _IMAGE,
        17: _IMAGE,
    }
)


@dataclass(frozen=True, slots=True)
class Row:
    """One record. bytes: its LEN. fields: how many it has (0: binary). image: bytes of DATA."""

    record: int
    type: int
    idc: int | None
    bytes: int
    fields: int
    image: int
    facts: tuple[tuple[str, str], ...]


def describe(transaction: Transaction) -> list[Row]:
    """One row per record, in file order; keys of facts are the standard's own mnemonics."""
    return [_row(record) for record in transaction.records]


def _row(record: Record) -> Row:
    data = record.data
    return Row(
        record=record.position,
        type=record.type,
        idc=record.idc,
        bytes=record.length,
        fields=len(record.fields()),
        image=len(data) if data is not None else 0,
        facts=tuple(_facts(record)),
    )


def _facts(record: Record) -> list[tuple[str, str]]:
    found = {key: _plain(record, field) for key, field in _FACTS.get(record.type, ())}
    width, height = found.pop("hll", None), found.pop("vll", None)
    if width and height:
        found["size"] = f"{width}x{height}"
    return [(key, value) for key, value in found.items() if value]


def _plain(record: Record, field: int) -> str | None:
    value = (record.text(field) or "").split("\x1f")[0].strip()
    return value if _PLAIN.fullmatch(value) else None
