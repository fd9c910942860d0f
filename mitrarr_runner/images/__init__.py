"""What is this image, and what may leave the building? The one door to Pillow.

`kind`, `size` and `complete` read header bytes only and hold the caps before anybody decodes;
`prepare` gives the bytes a FindFace server takes, without metadata; `draw_face` and `draw_wall`
make pictures of nobody for the demo and the tests. Decoding happens in a child process with a
memory limit. Pillow is imported when first needed, never by importing this package.
"""

from mitrarr_runner.images.draw import draw_face, draw_wall
from mitrarr_runner.images.headers import (
    MAX_PIXELS,
    ImageError,
    complete,
    kind,
    size,
)
from mitrarr_runner.images.prepare import Prepared, prepare, prepare_raw

__all__ = [
    "MAX_PIXELS",
    "ImageError",
    "Prepared",
    "complete",
    "draw_face",
    "draw_wall",
    "kind",
    "prepare",
    "prepare_raw",
    "size",
]
