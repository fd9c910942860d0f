"""How does an image lose its metadata without losing a pixel?

JPEG and PNG are rewritten by segment and chunk, not decoded: what is needed to show the picture
is kept by name, everything else goes (EXIF with its place and camera, XMP, comments, thumbnails,
bytes after the end). `orientation` says whether a camera wanted the picture turned, because that
wish would be lost with the metadata.
"""

from __future__ import annotations

import struct

from mitrarr_runner.images.headers import (
    EOI,
    PNG_START,
    Bytes,
    Segment,
    damaged,
    segments,
)
from mitrarr_runner.text import text

_APP0, _APP1, _APP2, _APP14, _COM = 0xE0, 0xE1, 0xE2, 0xEE, 0xFE
_APPS = range(0xE0, 0xF0)
# The markers whose payload decides how the picture looks, and how each begins.
_KEPT_APPS = {_APP0: b"JFIF\x00", _APP2: b"ICC_PROFILE\x00", _APP14: b"Adobe"}
# Critical chunks and those that change the look (PNG specification, 3rd edition, table 7).
_KEPT_CHUNKS = frozenset(
    {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB"}
    | {b"cICP", b"bKGD", b"pHYs"}
)
_ORIENTATION = 0x0112


def strip_jpeg(data: Bytes) -> bytes:
    """The same picture, bit for bit, up to its EOI. ImageError where the chain breaks."""
    view = memoryview(data)
    kept = [b"\xff\xd8"]
    for segment in segments(data):
        if _wanted(view, segment):
            kept.append(bytes(view[segment.start : segment.end]))
        if segment.marker == EOI:
            break
    return b"".join(kept)


def strip_png(data: Bytes) -> bytes:
    """The same picture, chunk for chunk, up to IEND. ImageError where the chain breaks."""
    view, at, kept = memoryview(data), 8, [PNG_START]
    while at + 12 <= len(view):
        length, name = struct.unpack_from(">I4s", view, at)
        end = at + 12 + length
        if end > len(view):
            break
        if name in _KEPT_CHUNKS:
            kept.append(bytes(view[at:end]))
        if name == b"IEND":
            return b"".join(kept)
        at = end
    raise damaged(text("it is cut short"))


def orientation(data: Bytes, kind: str) -> int:
    """EXIF orientation, 1 (upright) to 8; 1 where there is none or it cannot be read."""
    try:
        exif = _exif_of_jpeg(data) if kind == "jpeg" else _exif_of_png(data)
        found = _tag(exif) if exif else 1
    except (struct.error, IndexError):
        return 1
    return found if 1 <= found <= 8 else 1


def _wanted(view: memoryview, segment: Segment) -> bool:
    if segment.marker == _COM:
        return False
    if segment.marker not in _APPS:
        return True
    start = _KEPT_APPS.get(segment.marker)
    return start is not None and bytes(view[segment.body : segment.body + len(start)]) == start


def _exif_of_jpeg(data: Bytes) -> memoryview | None:
    view = memoryview(data)
    for segment in segments(data):
        body = view[segment.body : segment.end]
        if segment.marker == _APP1 and bytes(body[:6]) == b"Exif\x00\x00":
            return body[6:]
    return None


def _exif_of_png(data: Bytes) -> memoryview | None:
    view, at = memoryview(data), 8
    while at + 12 <= len(view):
        length, name = struct.unpack_from(">I4s", view, at)
        if name == b"eXIf":
            return view[at + 8 : at + 8 + length]
        at += 12 + length
    return None


def _tag(exif: memoryview) -> int:
    """The orientation tag of IFD0 in a TIFF block (TIFF 6.0, section 2)."""
    order = {b"II": "<", b"MM": ">"}.get(bytes(exif[:2]))
    if order is None:
        return 1
    (at,) = struct.unpack_from(order + "I", exif, 4)
    (count,) = struct.unpack_from(order + "H", exif, at)
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(order + "HH", exif, entry)
        if tag == _ORIENTATION and kind == 3:
            (value,) = struct.unpack_from(order + "H", exif, entry + 8)
            return int(value)
    return 1
