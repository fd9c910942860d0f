"""Which faces does a transaction hold, and which one is best?

Only Type-10 records with IMT FACE and an image in them. It decodes nothing and judges nothing:
whether the image can be used is `checks`' business, whether it goes anywhere is delivery's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mitrarr_runner.nist.face_checks import is_face, number
from mitrarr_runner.nist.model import Record, Transaction


@dataclass(frozen=True, slots=True)
class Face:
    """One face image. record: position from 1. width and height in pixels as HLL and VLL say.

    cga: the declared compression (10.011). csp: the colour space (10.012). pose: POS (10.020),
    "F" is frontal, "" where it is absent. data: a view into the transaction's bytes.
    """

    record: int
    cga: str
    width: int
    height: int
    pose: str
    data: memoryview = field(repr=False)
    csp: str = ""

    @property
    def depth(self) -> int:
        """Bits per pixel of a raw image (CGA NONE): 8 or 24."""
        return 8 if len(self.data) == self.width * self.height else 24


def faces(transaction: Transaction) -> tuple[Face, ...]:
    """Best first: frontal before the rest, then the larger image, then the earlier record."""
    found = [_face(record) for record in transaction.of_type(10)]
    return tuple(sorted((face for face in found if face is not None), key=_rank))


def _rank(face: Face) -> tuple[bool, int, int]:
    return (face.pose != "F", -face.width * face.height, face.record)


def _face(record: Record) -> Face | None:
    data = record.data
    if not is_face(record) or not data:
        return None
    return Face(
        record=record.position,
        cga=record.text(11) or "",
        width=number(record, 6) or 0,
        height=number(record, 7) or 0,
        pose=(record.text(20) or "").strip(),
        data=data,
        csp=record.text(12) or "",
    )
