"""Real files in a spool: each lands in its state, for the right reason."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest

from mitrarr_runner.intake.faces import load_face
from mitrarr_runner.store import registry
from mitrarr_runner.store.registry import State

SAMPLES = Path(__file__).parents[3] / "shared" / "samples"

FACES = {
    "gen__face_jp2.nst",
    "gen__face_jpeg_latin1_nodcs.nst",
    "gen__face_jpeg_utf8.nst",
    "jet__S001-01-t10_01.eft",
    "jnbis__type-10-sap10.an2",
    "nbis__face_jpb_DOM_GMT_DCS.an2",
    "nbis__valid1.3.an2",
}
FACELESS = {
    "jnbis__type-10-branded-tattoo-mark.an2",
    "jnbis__type-14-amp-nqm-utf8.an2",
    "jnbis__type-4-slaps.an2",
    "libbiomeval__type9-13.an2k",
    "nbis__sign_vec.an2",
    "nbis__type_5_wvu.an2",
}
REFUSED = {
    "jet__empty_image.eft": "nist_face_empty",
    "nbis__All-Supported-Records-test-comp.xml": "nist_xml",
    "nbis__valid1.11.an2": "nist_face_cga_wrong",
    "node-nist__sre_with_face.tdf": "nist_face_field_other",
}


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="no samples here")
def test_every_sample_lands_where_it_should(shop: Any) -> None:
    names = {}
    for path in SAMPLES.iterdir():
        if path.suffix != ".md":
            shutil.copyfile(path, shop.spool / path.name)
            names[hashlib.sha256(path.read_bytes()).hexdigest()] = path.name
    shop.change(pattern="*", settle=0, id="{{ stem }}")
    result = shop.run()
    landed = {names[row.sha256]: row for row in registry.listing(shop.db, limit=99)}
    assert result.files == len(names) == len(landed)
    by_state = {state: {n for n, row in landed.items() if row.state is state} for state in State}
    assert by_state[State.REGISTERED] == FACES
    assert by_state[State.NO_FACE] == FACELESS
    assert {name: landed[name].code for name in by_state[State.QUARANTINED]} == REFUSED
    for name in FACES:
        assert load_face(shop.site, landed[name].sha256).content_type in ("image/jpeg", "image/png")
    assert shop.run().files == 0
