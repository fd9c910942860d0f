"""How is a correct ANSI/NIST-ITL file made? Tests, the demo and training write theirs here.

Traditional encoding; LEN and CNT are computed. It writes what it is told and checks only what
would break the file's structure: it is no validator, so that wrong values can be written on
purpose.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date as Date  # `date` is a parameter here
from types import MappingProxyType
from typing import Literal

from mitrarr_runner import images
from mitrarr_runner.nist.fields import DATA, FS, GS
from mitrarr_runner.nist.model import BINARY_TYPES

_NOTHING: Mapping[int, str | bytes] = MappingProxyType({})
_CGA: Mapping[str, str] = MappingProxyType(
    {"jpeg": "JPEGB", "png": "PNG", "jp2": "JP2", "jpc": "JP2"}
)
_DCS: Mapping[str, str] = MappingProxyType({"ascii": "000\x1fASCII", "utf-8": "003\x1fUTF-8"})


@dataclass(frozen=True, slots=True)
class RecordDraft:
    """A record to be written. fields: numbers above 2; subfields and items by RS and US inside.

    data: `T.999`; of a binary type, everything after LEN and IDC (its fixed header included).
    """

    type: int
    idc: int
    fields: Mapping[int, str | bytes] = field(default_factory=dict)
    data: bytes | None = field(default=None, repr=False)


def write(
    records: Sequence[RecordDraft],
    *,
    ver: str = "0502",
    tot: str = "CRIM",
    date: Date | str,
    dai: str = "BR/MITRARR",
    ori: str = "BR/TEST",
    tcn: str,
    charset: Literal["ascii", "utf-8"] | None = None,
    extra: Mapping[int, str | bytes] = _NOTHING,
) -> bytes:
    """A whole transaction.

    date: a date, or YYYYMMDD as it is to be written. charset: declared in 1.015 and used for
    every str outside Type-1; with None, str must be ASCII (pass bytes for anything else).
    extra: further Type-1 fields, or other values for those written here.
    """
    listed = "\x1e".join(f"{draft.type}\x1f{draft.idc:02d}" for draft in records)
    first: dict[int, str | bytes] = {
        2: ver,
        3: f"1\x1f{len(records)}" + (f"\x1e{listed}" if listed else ""),
        4: tot,
        5: date if isinstance(date, str) else date.strftime("%Y%m%d"),
        7: dai,
        8: ori,
        9: tcn,
        11: "00.00",
        12: "00.00",
    }
    if charset is not None:
        first[15] = _DCS[charset]
    first.update(extra)
    parts = [_tagged(1, first, None, "ascii")]
    parts += [_record(draft, charset or "ascii") for draft in records]
    return b"".join(parts)


def face(
    idc: int,
    image: bytes,
    *,
    src: str = "BR/TEST",
    date: Date | str,
    pose: str | None = "F",
    fields: Mapping[int, str | bytes] = _NOTHING,
) -> RecordDraft:
    """A Type-10 FACE record for a JPEG, PNG or JPEG 2000 image, its size and CGA filled in.

    fields: further ones, or other values for those written here. ImageError if it is no image.
    """
    width, height = images.size(image)
    written: dict[int, str | bytes] = {
        3: "FACE",
        4: src,
        5: date if isinstance(date, str) else date.strftime("%Y%m%d"),
        6: str(width),
        7: str(height),
        8: "1",
        9: "500",
        10: "500",
        11: _CGA[images.kind(image)],
        12: "SRGB",
    }
    if pose is not None:
        written[20] = pose
    written.update(fields)
    return RecordDraft(10, idc, written, image)


def _record(draft: RecordDraft, charset: str) -> bytes:
    if draft.type in BINARY_TYPES:
        body = draft.data or b""
        return (5 + len(body)).to_bytes(4, "big") + bytes((draft.idc,)) + body
    return _tagged(draft.type, {2: f"{draft.idc:02d}", **draft.fields}, draft.data, charset)


def _tagged(
    kind: int, fields: Mapping[int, str | bytes], data: bytes | None, charset: str
) -> bytes:
    encoded = {number: _value(value, charset) for number, value in fields.items()}
    ordered = [(number, encoded[number]) for number in sorted(encoded)]
    if data is not None:
        ordered.append((DATA, data))
    body = GS.join(_tags(kind, ordered)) + FS
    return _length(kind, len(body)) + GS + body


def _tags(kind: int, values: Iterable[tuple[int, bytes]]) -> list[bytes]:
    return [b"%d.%03d:%b" % (kind, number, value) for number, value in values]


def _value(value: str | bytes, charset: str) -> bytes:
    encoded = value.encode(charset) if isinstance(value, str) else bytes(value)
    if FS in encoded or GS in encoded:
        raise ValueError("a text field cannot hold FS or GS")
    return encoded


def _length(kind: int, body: int) -> bytes:
    """`T.001:LEN`, LEN counting its own digits and the GS after them."""
    tag = b"%d.001:" % kind
    length = len(tag) + 1 + body
    while len(tag) + len(str(length)) + 1 + body != length:
        length = len(tag) + len(str(length)) + 1 + body
    return tag + str(length).encode()
