"""Which bytes are sent to the server for this face?

JPEG and PNG go as they are, without metadata. JPEG 2000 and raw pixels become JPEG of quality 95;
so does a picture that is too large for the server (bytes or longest side), scaled, and one whose
EXIF wants it turned. FINDFACE.md section 1 has the limits. The caps are applied to the header
before anything is decoded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from mitrarr_runner.images import child
from mitrarr_runner.images.headers import MAX_PIXELS, Bytes, ImageError, damaged, kind, size
from mitrarr_runner.images.strip import orientation, strip_jpeg, strip_png
from mitrarr_runner.text import text

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_BYTES = 10_000_000
MAX_SIDE = 6000
QUALITY = 95

_FORMATS: Mapping[str, str] = MappingProxyType(
    {"jpeg": "JPEG", "png": "PNG", "jp2": "JPEG2000", "jpc": "JPEG2000"}
)
_TURNS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # EXIF orientation -> PIL Transpose


@dataclass(frozen=True, slots=True)
class Prepared:
    """An image to send. width and height in pixels, of `data`.

    converted: why the pixels were encoded again: "jp2", "jpc", "raw", "upright" or "scaled";
    None where they are the sender's own.
    """

    data: bytes = field(repr=False)
    content_type: str
    width: int
    height: int
    converted: str | None = None


@dataclass(frozen=True, slots=True)
class _Limits:
    bytes: int
    side: int


def prepare(
    data: Bytes,
    *,
    max_bytes: int = MAX_BYTES,
    max_side: int = MAX_SIDE,
    max_pixels: int = MAX_PIXELS,
) -> Prepared:
    """A JPEG, PNG or JPEG 2000 made fit to send; ImageError if it is none or cannot be read."""
    found = kind(data)
    if found not in _FORMATS:
        raise ImageError(text("no image format that can be sent"), code="image_kind")
    width, height = size(data)
    _cap(width, height, max_pixels)
    if found in ("jp2", "jpc"):
        reason, turn = found, 1
    else:
        turn = orientation(data, found)
        stripped = strip_jpeg(data) if found == "jpeg" else strip_png(data)
        if turn == 1 and len(stripped) <= max_bytes and max(width, height) <= max_side:
            return Prepared(stripped, f"image/{found}", width, height)
        reason = "upright" if turn != 1 else "scaled"
    _load_pillow()
    task = partial(_decode, bytes(data), _FORMATS[found], (width, height), turn)
    return _convert(task, _Limits(max_bytes, max_side), reason)


def prepare_raw(
    width: int,
    height: int,
    depth: int,
    data: Bytes,
    *,
    space: str = "RGB",
    max_bytes: int = MAX_BYTES,
    max_side: int = MAX_SIDE,
    max_pixels: int = MAX_PIXELS,
) -> Prepared:
    """Raw pixels (CGA NONE), row by row from the top left, as JPEG.

    depth: bits per pixel, 8 (gray) or 24. space: CSP (10.012); "YCC" means Y Cb Cr.
    """
    if depth not in (8, 24) or min(width, height) < 1 or len(data) != width * height * depth // 8:
        raise damaged(text("its size does not fit its pixels"))
    _cap(width, height, max_pixels)
    mode = "L" if depth == 8 else "YCbCr" if space == "YCC" else "RGB"
    _load_pillow()
    task = partial(_raw, bytes(data), mode, (width, height))
    return _convert(task, _Limits(max_bytes, max_side), "raw")


def _cap(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        message = text(
            "it has {width} x {height} pixels, the limit is {limit}",
            width=width,
            height=height,
            limit=max_pixels,
        )
        raise ImageError(message, code="image_pixels")


def _load_pillow() -> None:
    """Import in the parent: every child would pay 50 ms for it otherwise."""
    from PIL import Image, Jpeg2KImagePlugin, JpegImagePlugin, PngImagePlugin

    Image.preinit()
    del Jpeg2KImagePlugin, JpegImagePlugin, PngImagePlugin


def _convert(task: partial[Image], limits: _Limits, reason: str) -> Prepared:
    jpeg = child.run(lambda: _encode(task(), limits))
    width, height = size(jpeg)
    return Prepared(jpeg, "image/jpeg", width, height, reason)


# Below this line: in the child only.


def _decode(data: bytes, name: str, expected: tuple[int, int], turn: int) -> Image:
    import io
    import warnings

    from PIL import Image

    warnings.simplefilter("ignore")  # the pixel cap was ours, before
    with Image.open(io.BytesIO(data), formats=[name]) as image:
        if image.size != expected:
            raise ValueError("header and decoder disagree")
        image.load()
        flat = _flat(image)
    return flat.transpose(Image.Transpose(_TURNS[turn])) if turn in _TURNS else flat


def _raw(data: bytes, mode: str, shape: tuple[int, int]) -> Image:
    from PIL import Image

    return _flat(Image.frombytes(mode, shape, data))


def _flat(image: Image) -> Image:
    """Gray or RGB of 8 bits, transparency over white."""
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits of gray: the upper eight
        return image.convert("I").point(lambda value: value / 256).convert("L")
    if image.mode in ("L", "RGB"):
        return image.copy()
    if "A" in image.mode or "transparency" in image.info:
        colour = image.convert("RGBA")
        white = Image.new("RGBA", colour.size, "white")
        return Image.alpha_composite(white, colour).convert("RGB")
    return image.convert("L" if image.mode == "1" else "RGB")


def _encode(image: Image, limits: _Limits) -> bytes:
    """JPEG within the limits; a picture that stays too heavy gets smaller by a fifth at a time."""
    import io

    image.thumbnail((limits.side, limits.side))
    profile = image.info.get("icc_profile")
    image.info = {"icc_profile": profile} if profile else {}  # no comment survives
    while True:
        out = io.BytesIO()
        image.save(out, "JPEG", quality=QUALITY, subsampling=0, icc_profile=profile)
        if out.tell() <= limits.bytes or max(image.size) < 64:
            return out.getvalue()
        image.thumbnail((image.width * 4 // 5, image.height * 4 // 5))
