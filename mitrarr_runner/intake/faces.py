"""Which picture is sent for this record? Opens a stored original and makes its best face fit.

JPEG and PNG pass without their metadata, JPEG 2000 and raw pixels become JPEG (images.prepare).
Nothing is judged anew: the file was sound when it was registered.
"""

from __future__ import annotations

from mitrarr_runner import images
from mitrarr_runner.errors import FailedError
from mitrarr_runner.images import Prepared
from mitrarr_runner.intake import originals
from mitrarr_runner.nist.faces import Face, faces
from mitrarr_runner.nist.reader import read
from mitrarr_runner.site import Site
from mitrarr_runner.store.registry import Place
from mitrarr_runner.text import text

RAW = "NONE"


def load_face(site: Site, sha256: str) -> Prepared:
    """The best face of a registered original, ready to send.

    FailedError: original_missing, original_damaged, no_face, image_* (ImageError).
    """
    found = faces(read(originals.read(site, sha256, Place.STORE)))
    if not found:
        message = text("the file {hash} holds no face", hash=sha256[:12])
        raise FailedError(message, code="no_face")
    return _prepared(found[0])


def _prepared(face: Face) -> Prepared:
    if face.cga == RAW:
        return images.prepare_raw(face.width, face.height, face.depth, face.data, space=face.csp)
    return images.prepare(face.data)
