"""Where do faces come from when there may be no real ones? They are drawn here.

Deterministic by seed (for one version of Pillow) and distinct per seed: a portrait that a person
takes for a drawn face, and a nearly flat wall that nobody takes for one. For the demo and the
tests; nothing else.
"""

from __future__ import annotations

import io
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

_SKIN = ("#f1c9a5", "#e0ac80", "#c68a5c", "#9c6540", "#6f4527", "#4a2c18")
_HAIR = ("#1b1410", "#3a2618", "#5d3b22", "#8a5a2b", "#b98d4f", "#8f8f8f")
_EYES = ("#2e1d12", "#4a3520", "#3f5a3a", "#35546f")
_CLOTH = ("#27364f", "#5a2a2a", "#2d4a35", "#4a4a52", "#6b5630")
_FORMATS = {"jpeg": "JPEG", "png": "PNG", "jp2": "JPEG2000"}


def draw_face(seed: int, width: int = 480, height: int = 640, kind: str = "jpeg") -> bytes:
    """A portrait as JPEG, PNG or JPEG 2000 ("jpeg", "png", "jp2")."""
    from PIL import Image, ImageDraw

    dice = random.Random(seed)  # noqa: S311 pictures, not secrets
    image = Image.new("RGB", (480, 640), _tone(dice, 195, 235))
    brush = ImageDraw.Draw(image)
    _shoulders(brush, dice, seed)
    _head(brush, dice)
    return _encoded(image.resize((width, height)), kind)


def draw_wall(seed: int, width: int = 480, height: int = 640, kind: str = "jpeg") -> bytes:
    """A wall in soft light: two neighbouring tones, no face."""
    from PIL import Image

    dice = random.Random(seed)  # noqa: S311 pictures, not secrets
    tone = dice.randint(150, 220)
    shade = Image.linear_gradient("L").resize((width, height)).point(lambda v: tone + v // 64)
    tint = _tone(dice, 0, 6)
    bands = [shade.point(lambda v, add=add: v + add) for add in tint]
    return _encoded(Image.merge("RGB", bands), kind)


def _shoulders(brush: ImageDraw, dice: random.Random, seed: int) -> None:
    """A shirt whose stripes spell the low 32 bits of the seed, so that no two are alike."""
    brush.rounded_rectangle((40, 520, 440, 700), 90, fill=dice.choice(_CLOTH))
    for bit in range(32):
        left = 84 + bit * 10
        shade = "#e8e8e8" if seed >> bit & 1 else "#202020"
        brush.rectangle((left, 600, left + 6, 639), fill=shade)


def _head(brush: ImageDraw, dice: random.Random) -> None:
    skin, hair = dice.choice(_SKIN), dice.choice(_HAIR)
    wide, tall = dice.randint(105, 130), dice.randint(150, 175)
    middle, top = 240, 110
    bottom = top + 2 * tall
    brush.rectangle((200, bottom - 60, 280, 560), fill=skin)
    fringe = dice.randint(20, 60)
    brush.ellipse((middle - wide - 18, top - 30, middle + wide + 18, bottom - 90), fill=hair)
    brush.ellipse((middle - wide, top + 8, middle + wide, bottom), fill=skin)
    brush.chord((middle - wide, top, middle + wide, top + 3 * fringe), 180, 360, fill=hair)
    for side in (-1, 1):
        x = middle + side * (wide - 2)
        brush.ellipse((x - 16, 250, x + 16, 310), fill=skin)
    _features(brush, dice, hair)


def _features(brush: ImageDraw, dice: random.Random, hair: str) -> None:
    apart, level = dice.randint(48, 60), dice.randint(245, 265)
    iris = dice.choice(_EYES)
    for side in (-1, 1):
        x = 240 + side * apart
        brush.ellipse((x - 26, level - 13, x + 26, level + 13), fill="white")
        brush.ellipse((x - 12, level - 12, x + 12, level + 12), fill=iris)
        brush.ellipse((x - 5, level - 5, x + 5, level + 5), fill="black")
        brush.line((x - 30, level - 32, x + 30, level - 34), fill=hair, width=dice.randint(6, 11))
    if dice.random() < 0.3:
        for side in (-1, 1):
            x = 240 + side * apart
            brush.ellipse((x - 40, level - 32, x + 40, level + 34), outline="#222222", width=5)
        brush.line((240 - apart + 40, level, 240 + apart - 40, level), fill="#222222", width=5)
    nose = dice.randint(60, 75)
    brush.line((240, level + 12, 226, level + nose), fill="#7a4a35", width=5)
    brush.line((226, level + nose, 252, level + nose + 3), fill="#7a4a35", width=5)
    mouth, smile = level + nose + 38, dice.randint(8, 26)
    brush.chord((200, mouth - smile, 280, mouth + smile), 0, 180, fill="#9c3b3b")


def _tone(dice: random.Random, low: int, high: int) -> tuple[int, int, int]:
    return dice.randint(low, high), dice.randint(low, high), dice.randint(low, high)


def _encoded(image: Image, kind: str) -> bytes:
    out = io.BytesIO()
    options: dict[str, object] = {"quality": 90} if kind == "jpeg" else {}
    if kind == "jp2":
        options = {"quality_mode": "rates", "quality_layers": [12], "irreversible": True}
    image.save(out, _FORMATS[kind], **options)
    return out.getvalue()
