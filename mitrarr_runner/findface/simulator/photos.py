"""Would FindFace take this picture? Decoded for real and judged by what is in it.

A picture with enough structure has exactly one face; a nearly flat one has none. Neither file name
nor seed has a say.
"""

from __future__ import annotations

from mitrarr_runner.images.contrast import contrast
from mitrarr_runner.images.headers import ImageError

LARGEST_BYTES = 10_000_000
LONGEST_SIDE = 6000
SMALLEST_SIDE = 50  # the least a face may measure
NEARLY_FLAT = 8.0  # standard deviation of the grey values; a drawn wall has 1, a face 40 and more

NO_FACE = "All objects on a photo are of low quality or no objects found"
NO_IMAGE = "Upload a valid image."
TOO_LARGE = f"Image size exceeds {LARGEST_BYTES} bytes or {LONGEST_SIDE} pixels."


class PhotoRefusedError(Exception):
    """The sentence the server answers with, as `desc` of BAD_PARAM on `source_photo`."""


def look(data: bytes) -> tuple[int, int]:
    """Width and height of a picture that holds one face; PhotoRefusedError for any other."""
    if len(data) > LARGEST_BYTES:
        raise PhotoRefusedError(TOO_LARGE)
    try:
        seen = contrast(data, max_side=LONGEST_SIDE)
    except ImageError as error:
        too_large = error.code == "image_side"
        raise PhotoRefusedError(TOO_LARGE if too_large else NO_IMAGE) from None
    if min(seen.width, seen.height) < SMALLEST_SIDE or seen.contrast < NEARLY_FLAT:
        raise PhotoRefusedError(NO_FACE)
    return seen.width, seen.height
