"""Can the image of a Type-10 FACE record be used? Looks at fields and header bytes only.

Check 10 of the intake: mandatory fields, HLL and VLL against the image's own size, CGA against its
first bytes, its last bytes, and the caps that must hold before anybody decodes it. Records of
another kind (TATTOO, MARK ...) are kept and not judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from mitrarr_runner import images
from mitrarr_runner.nist.codes import finding
from mitrarr_runner.nist.model import Finding, Record
from mitrarr_runner.text import Text, text

MAX_FACE_BYTES = 30_000_000

NAMES: Mapping[int, str] = MappingProxyType(
    {
        3: "IMT",
        4: "SRC",
        5: "PHD",
        6: "HLL",
        7: "VLL",
        8: "SLC",
        9: "HPS",
        10: "VPS",
        11: "CGA",
        12: "CSP",
    }
)
_NEEDED = frozenset({3, 6, 7, 11})  # without these the image cannot be read

# CGA (10.011) -> what the first bytes may be. "" is raw: no header to compare.
COMPRESSIONS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "NONE": frozenset(),
        "JPEGB": frozenset({"jpeg"}),
        "JPEGL": frozenset({"jpeg"}),
        "JP2": frozenset({"jp2", "jpc"}),
        "JP2L": frozenset({"jp2", "jpc"}),
        "PNG": frozenset({"png"}),
    }
)
_NUMBER = re.compile(r"0*(\d{1,6})")


def number(record: Record, field: int) -> int | None:
    """A field that is a plain number, else None."""
    match = _NUMBER.fullmatch((record.text(field) or "").strip())
    return int(match[1]) if match else None


def is_face(record: Record) -> bool:
    """IMT (10.003) says FACE; a sender's blanks and small letters do not hide a face."""
    return (record.text(3) or "").strip().upper() == "FACE"


def check(record: Record) -> Iterator[Finding]:
    """The findings of one Type-10 record; none for an image that is not a FACE."""
    if record.field(3) and not is_face(record):
        return
    yield from _fields(record)
    if not record.field(3):
        return
    data = record.data
    if not data:
        message = text("record {record}: the face image (DATA) is empty", record=record.position)
        yield _at(record, 999, "nist_face_empty", message)
    elif len(data) > MAX_FACE_BYTES:
        message = text(
            "record {record}: the face image has {size} bytes, the limit is {limit}",
            record=record.position,
            size=len(data),
            limit=MAX_FACE_BYTES,
        )
        yield _at(record, 999, "nist_face_too_large", message)
    elif record.field(11):
        yield from _compression(record, data)


def _fields(record: Record) -> Iterator[Finding]:
    for field, name in NAMES.items():
        if not record.field(field):
            code = "nist_face_field" if field in _NEEDED else "nist_face_field_other"
            message = text(
                "record {record}: field {tag} ({name}) is missing or empty",
                record=record.position,
                tag=f"10.{field:03d}",
                name=name,
            )
            yield _at(record, field, code, message)
        elif field in (6, 7) and not number(record, field):
            message = text(
                "record {record}: field {tag} ({name}) is not a number above zero",
                record=record.position,
                tag=f"10.{field:03d}",
                name=name,
            )
            yield _at(record, field, "nist_face_field", message)


def _compression(record: Record, data: memoryview) -> Iterator[Finding]:
    declared = record.text(11) or ""
    if declared not in COMPRESSIONS:
        message = text(
            "record {record}: unknown compression of the face image (CGA)", record=record.position
        )
        yield _at(record, 11, "nist_face_cga", message)
        return
    if declared == "NONE":
        yield from _raw(record, data)
        return
    found = images.kind(data)
    if found not in COMPRESSIONS[declared]:
        message = text(
            "record {record}: CGA says {declared}, but the image is {found}",
            record=record.position,
            declared=declared,
            found=_NAMES.get(found) or text("none of the known formats"),
        )
        yield _at(record, 11, "nist_face_cga_wrong", message)
        return
    yield from _image(record, data)


_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "jpeg": "JPEG",
        "png": "PNG",
        "jp2": "JPEG 2000",
        "jpc": "JPEG 2000",
        "webp": "WebP",
        "wsq": "WSQ",
    }
)


def _image(record: Record, data: memoryview) -> Iterator[Finding]:
    """Size, caps and end of an image that is of the declared format."""
    if not images.complete(data):
        message = text("record {record}: the face image is cut short", record=record.position)
        yield _at(record, 999, "nist_face_cut", message)
        return
    try:
        width, height = images.size(data)
    except images.ImageError as error:
        message = text(
            "record {record}: the face image is damaged: {why}",
            record=record.position,
            why=error.message,
        )
        yield _at(record, 999, "nist_face_image", message)
        return
    yield from _size(record, width, height)


def _size(record: Record, width: int, height: int) -> Iterator[Finding]:
    declared = (number(record, 6), number(record, 7))
    if all(declared) and declared != (width, height):
        message = text(
            "record {record}: HLL and VLL say {declared_width} x {declared_height} pixels,"
            " the image has {width} x {height}",
            record=record.position,
            declared_width=declared[0],
            declared_height=declared[1],
            width=width,
            height=height,
        )
        yield _at(record, 6, "nist_face_size", message)
    if width * height > images.MAX_PIXELS:
        yield _too_many_pixels(record, width, height)


def _raw(record: Record, data: memoryview) -> Iterator[Finding]:
    """CGA NONE: one byte per pixel (gray) or three."""
    width, height = number(record, 6), number(record, 7)
    if not width or not height:
        return
    if width * height > images.MAX_PIXELS:
        yield _too_many_pixels(record, width, height)
    elif len(data) not in (width * height, width * height * 3):
        message = text(
            "record {record}: the raw face image has {size} bytes, {width} x {height} pixels need"
            " {gray} or {colour}",
            record=record.position,
            size=len(data),
            width=width,
            height=height,
            gray=width * height,
            colour=width * height * 3,
        )
        yield _at(record, 999, "nist_face_size", message)


def _too_many_pixels(record: Record, width: int, height: int) -> Finding:
    message = text(
        "record {record}: the face image has {width} x {height} pixels, the limit is {limit}",
        record=record.position,
        width=width,
        height=height,
        limit=images.MAX_PIXELS,
    )
    return _at(record, 999, "nist_face_too_large", message)


def _at(record: Record, field: int, code: str, message: Text) -> Finding:
    tag = f"10.{field:03d}"
    return finding(code, message, offset=record.offset, record=record.position, field=tag)
