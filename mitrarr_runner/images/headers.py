"""How large is this image and is all of it here, without decoding a pixel?

Works on the first bytes and on the chain of segments, chunks or boxes; so the caps can be applied
before a decoder sees the data (829 bytes of JPEG 2000 can ask for 192 MB). Everything that does
not fit is an `ImageError`; no other exception leaves this module.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from mitrarr_runner.errors import FailedError
from mitrarr_runner.text import Text, text

MAX_PIXELS = 40_000_000  # 6000 x 6000, the most FindFace takes, and a little

PNG_START = b"\x89PNG\r\n\x1a\n"
PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
_JP2_START = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
_KINDS = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG", "png"),
    (b"\x00\x00\x00\x0cjP", "jp2"),
    (b"\xff\x4f\xff\x51", "jpc"),
    (b"\xff\xa0\xff", "wsq"),
)

SOF = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})  # ITU-T T.81, table B.1
SOS, EOI = 0xDA, 0xD9
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})  # TEM, RSTn, SOI: no length follows
_MARKER_AFTER_SCAN = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])")

Bytes = bytes | memoryview


class ImageError(FailedError):
    """The image cannot be used; the code begins with "image_"."""


def damaged(message: Text | None = None) -> ImageError:
    return ImageError(message or text("its header is damaged"), code="image_damaged")


def kind(data: Bytes) -> str:
    """jpeg, png, jp2, jpc (a bare codestream), webp, wsq or unknown, by the first bytes."""
    head = bytes(data[:12])
    for start, name in _KINDS:
        if head.startswith(start):
            return name
    return "webp" if head[:4] == b"RIFF" and head[8:] == b"WEBP" else "unknown"


def size(data: Bytes) -> tuple[int, int]:
    """Width and height in pixels of a JPEG, PNG or JPEG 2000, as its header has them."""
    found = kind(data)
    try:
        if found == "jpeg":
            width, height = _jpeg_size(data)
        elif found == "png":
            width, height = _png_size(data)
        elif found == "jp2":
            width, height = _jp2_size(data)
        elif found == "jpc":
            width, height = _codestream_size(data, 0)
        else:
            raise ImageError(text("no known image format"), code="image_kind")
    except (struct.error, IndexError) as error:
        raise damaged() from error
    if width < 1 or height < 1:
        raise damaged(text("its header declares no pixels"))
    return width, height


def complete(data: Bytes) -> bool:
    """Is the end of the image there? JPEG: FFD9; PNG: IEND; JPEG 2000: its codestream's FFD9."""
    found = kind(data)
    if found in ("jpeg", "jpc"):
        return bytes(data[-2:]) == b"\xff\xd9"
    if found == "png":
        return bytes(data[-12:]) == PNG_END
    if found == "jp2":
        return any(
            box.kind == b"jp2c" and bytes(data[box.end - 2 : box.end]) == b"\xff\xd9"
            for box in _boxes(data, 0, len(data))
        )
    return False


@dataclass(frozen=True, slots=True)
class Segment:
    """One JPEG marker segment, [start, end) from its FF; a scan includes its entropy-coded data."""

    marker: int
    start: int
    end: int
    body: int  # where the payload begins


def segments(data: Bytes) -> Iterator[Segment]:
    """The segments after SOI, EOI included and last. ImageError where the chain breaks."""
    at, whole = 2, len(data)
    while at + 1 < whole:
        if data[at] != 0xFF:
            raise damaged()
        start = at
        while at + 1 < whole and data[at + 1] == 0xFF:  # fill bytes
            at += 1
        if at + 1 >= whole:
            break
        marker = data[at + 1]
        if marker == EOI or marker in _BARE:
            yield Segment(marker, start, at + 2, at + 2)
            if marker == EOI:
                return
            at += 2
            continue
        if at + 4 > whole:
            break
        end = at + 2 + (data[at + 2] << 8 | data[at + 3])
        if end < at + 4 or end > whole or marker == 0:
            raise damaged()
        if marker == SOS:
            after = _MARKER_AFTER_SCAN.search(data, end)
            end = after.start() if after else whole
        yield Segment(marker, start, end, at + 4)
        at = end
    raise damaged(text("it is cut short"))


def _jpeg_size(data: Bytes) -> tuple[int, int]:
    for segment in segments(data):
        if segment.marker in SOF:
            height, width = struct.unpack_from(">HH", data, segment.body + 1)
            if segment.body + 6 > segment.end:
                break
            return width, height
        if segment.marker == SOS:
            break
    raise damaged()


def _png_size(data: Bytes) -> tuple[int, int]:
    if bytes(data[:8]) != PNG_START or bytes(data[12:16]) != b"IHDR":
        raise damaged()
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


@dataclass(frozen=True, slots=True)
class _Box:
    """A box of a JP2 file: its four-letter type, where its content begins and ends."""

    kind: bytes
    start: int
    end: int


def _boxes(data: Bytes, at: int, stop: int) -> Iterator[_Box]:
    """The boxes of one level (ISO/IEC 15444-1, annex I.4); ends at the first that does not fit."""
    while at + 8 <= stop:
        length, name = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if length == 1:
            if at + 16 > stop:
                return
            (length,) = struct.unpack_from(">Q", data, at + 8)
            start = at + 16
        end = stop if length == 0 else at + length
        if end < start or end > stop:
            return
        yield _Box(name, start, end)
        at = end


def _jp2_size(data: Bytes) -> tuple[int, int]:
    """From the codestream, which is what a decoder obeys; the file's own header must agree."""
    if bytes(data[:12]) != _JP2_START:
        raise damaged()
    declared: tuple[int, int] | None = None
    for box in _boxes(data, 0, len(data)):
        if box.kind == b"jp2h":
            for inner in _boxes(data, box.start, box.end):
                if inner.kind == b"ihdr":
                    height, width = struct.unpack_from(">II", data, inner.start)
                    declared = (width, height)
        if box.kind == b"jp2c":
            found = _codestream_size(data, box.start)
            if declared is not None and found != declared:
                raise damaged(text("its two headers declare different sizes"))
            return found
    raise damaged()


def _codestream_size(data: Bytes, at: int) -> tuple[int, int]:
    """SIZ (ISO/IEC 15444-1, A.5.1): the reference grid minus the image's offset in it."""
    if bytes(data[at : at + 4]) != b"\xff\x4f\xff\x51":
        raise damaged()
    right, bottom, left, top = struct.unpack_from(">IIII", data, at + 8)
    return right - left, bottom - top
