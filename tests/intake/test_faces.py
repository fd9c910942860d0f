from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mitrarr_runner import images
from mitrarr_runner.errors import FailedError
from mitrarr_runner.intake import originals
from mitrarr_runner.intake.faces import load_face
from mitrarr_runner.nist import writer
from mitrarr_runner.store.registry import Place

DAY = "20260102"


def kept(shop: Any, *faces: writer.RecordDraft) -> str:
    data = writer.write(list(faces), date=DAY, tcn="T1")
    parts = iter([data, b""])
    draft = originals.copy(shop.site, lambda _: next(parts))
    originals.place(shop.site, [(draft, Place.STORE)])
    draft.close()
    return draft.sha256


def test_a_jpeg_passes_as_it_is(shop: Any, portrait: bytes) -> None:
    found = load_face(shop.site, kept(shop, writer.face(1, portrait, date=DAY)))
    assert (found.content_type, found.width, found.height) == ("image/jpeg", 60, 80)
    assert found.converted is None


def test_jpeg_2000_becomes_jpeg(shop: Any) -> None:
    image = images.draw_face(1, 60, 80, "jp2")
    found = load_face(shop.site, kept(shop, writer.face(1, image, date=DAY)))
    assert images.kind(found.data) == "jpeg"
    assert found.converted == "jp2"


def test_raw_pixels_become_jpeg(shop: Any, portrait: bytes) -> None:
    draft = writer.face(1, portrait, date=DAY, fields={6: "4", 7: "2", 11: "NONE"})
    raw = writer.RecordDraft(10, 1, draft.fields, bytes(range(24)))
    found = load_face(shop.site, kept(shop, raw))
    assert (images.kind(found.data), found.width, found.height) == ("jpeg", 4, 2)


def test_the_frontal_face_is_the_one(shop: Any, portrait: bytes) -> None:
    profile = writer.face(1, images.draw_face(2, 90, 120), date=DAY, pose="L")
    found = load_face(shop.site, kept(shop, profile, writer.face(2, portrait, date=DAY)))
    assert (found.width, found.height) == (60, 80)


def test_what_cannot_be_sent_says_why(shop: Any, nist: Callable[..., bytes]) -> None:
    faceless = kept(shop)
    for sha256, code in ((faceless, "no_face"), ("0" * 64, "original_missing")):
        with pytest.raises(FailedError) as raised:
            load_face(shop.site, sha256)
        assert raised.value.code == code
    originals.path_of(shop.site, faceless, Place.STORE).write_bytes(nist())
    with pytest.raises(FailedError) as raised:
        load_face(shop.site, faceless)
    assert raised.value.code == "original_damaged"
