"""What does a code of delivery mean to a person? One sentence for each reason and each trouble.

Codes come from the server's refusals (`findface.api.ParkReason`), from its troubles
(`findface.api.Trouble`, and the transport's own), and from here. A code without a sentence is shown
as it is, so that a new one is never silent.
"""

from __future__ import annotations

from mitrarr_runner.errors import FailedError
from mitrarr_runner.text import Text, text

BY_HAND = "by_hand"
NO_RECORD = "no_record"
BUSY = "busy"
WATCH_LIST_MISSING = "watch_list_missing"

ORIGINALS = frozenset({"original_missing", "original_damaged"})
"""Our own store of originals, and no fault of the person's or the destination's."""

_PHOTO_CODES = {
    "image_kind": "not_an_image",
    "image_damaged": "not_an_image",
    "image_decoder": "not_an_image",
    "image_pixels": "too_large",
    "image_side": "too_large",
    "image_memory": "too_large",
}


def of_photo(error: FailedError) -> str:
    """The reason to park somebody whose photo cannot be made fit to send."""
    return _PHOTO_CODES.get(error.code, error.code)


def parked_text(code: str) -> Text:
    """Why a person waits for somebody."""
    known = {
        "server_no_face": text("FindFace found no face in the photo"),
        "low_quality": text("FindFace says that the photo is of low quality"),
        "several_faces": text("FindFace found several faces in the photo"),
        "too_large": text("the photo is too large"),
        "not_an_image": text("the photo cannot be read as an image"),
        "rights": text("FindFace says that this account may not do it"),
        "bad_request": text("FindFace refuses the data"),
        BY_HAND: text("held back by hand"),
        NO_RECORD: text("its registration is gone"),
        "no_face": text("its file holds no face"),
        "original_missing": text("its file is missing in the store of originals"),
        "original_damaged": text("its file is damaged in the store of originals"),
    }
    return known.get(code) or text("refused ({code})", code=code)


def trouble_text(code: str) -> Text:
    """Why a destination cannot be used at the moment."""
    return (
        _of_connection(code)
        or _of_account(code)
        or text("the destination cannot be used ({code})", code=code)
    )


def _of_connection(code: str) -> Text | None:
    known = {
        "connection": text("no connection"),
        "refused": text("connection refused"),
        "dns": text("the host's name is not known"),
        "timeout": text("no connection in time"),
        "unreachable": text("the host cannot be reached"),
        "url": text("the address is not usable"),
        "tls": text("the certificate or TLS is refused"),
        "ca_file": text("the file of authorities (ca_file) cannot be read"),
        "reset": text("the connection breaks"),
        "cut": text("the connection breaks in the middle of an answer"),
        "no_answer": text("no answer"),
        "read_timeout": text("no answer in time"),
        "write_timeout": text("the server does not take data in time"),
        "server_error": text("the server reports an error of its own"),
        "too_many_requests": text("the server asks us to wait"),
    }
    return known.get(code)


def _of_account(code: str) -> Text | None:
    known = {
        "login": text("user name or password refused"),
        "rights": text("the account lacks a right"),
        "licence": text("the server's licence does not allow it"),
        "watch_lists": text("the server refuses the watch lists"),
        WATCH_LIST_MISSING: text("a watch list does not exist there"),
        "wrong_api": text("another program answers at this address"),
        "bad_answer": text("the answer cannot be read"),
        "bad_request": text("the server refuses everybody's data"),
        BUSY: text("another send to it is under way"),
        "original_missing": text("files are missing in our own store of originals"),
        "original_damaged": text("files are damaged in our own store of originals"),
    }
    return known.get(code)


def hint_of(code: str) -> Text:
    """What to do about a destination in trouble."""
    if code == BUSY:
        return text("nothing: the other one sends them")
    if code in ORIGINALS:
        return text("is the disk of the folder store/ mounted? Then: mitrarr deliveries retry")
    if code in ("tls", "ca_file", "url", "dns", "wrong_api"):
        return text("check url and ca_file of the destination; nothing is lost meanwhile")
    if code in ("login", "rights", "licence"):
        return text("check the account and the licence at the server; nothing is lost meanwhile")
    if code in (WATCH_LIST_MISSING, "watch_lists"):
        return text("make the list there, or correct watch_lists in the manifest")
    return text("nothing is lost: it goes on by itself when the server answers again")
