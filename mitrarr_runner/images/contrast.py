"""How much is there to see in a picture? Decoded for real, measured in grey values.

For the simulator, which must judge pictures by their content and not by their names. It says
nothing about faces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mitrarr_runner.images.headers import ImageError, damaged, kind
from mitrarr_runner.text import text

if TYPE_CHECKING:
    from PIL.Image import Image

_FORMATS = ("jpeg", "png", "webp")


@dataclass(frozen=True, slots=True)
class Measured:
    """Pixels, and the standard deviation of the grey values (0 is flat, 127.5 the most)."""

    width: int
    height: int
    contrast: float


def contrast(data: bytes, *, max_side: int = 6000) -> Measured:
    """Measure a JPEG, PNG or WEBP. ImageError: image_kind, image_side (read from the header, before
    anything is decoded) or image_damaged (truncated included)."""
    found = kind(data)
    if found not in _FORMATS:
        raise ImageError(text("no image format that can be sent"), code="image_kind")
    import io
    import warnings

    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the cap is ours
        try:
            with Image.open(io.BytesIO(data), formats=[found.upper()]) as image:
                return _measure(image, max_side)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            raise damaged(text("it cannot be decoded")) from None


def _measure(image: Image, max_side: int) -> Measured:
    from PIL import ImageStat

    width, height = image.size
    if max(width, height) > max_side:
        raise ImageError(
            text(
                "its longest side has {side} pixels, the limit is {limit}",
                side=max(width, height),
                limit=max_side,
            ),
            code="image_side",
        )
    return Measured(width, height, ImageStat.Stat(image.convert("L")).stddev[0])
