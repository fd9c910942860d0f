"""Real files, where they are at hand: each one is answered with its right reason."""

from datetime import date
from pathlib import Path

import pytest

from mitrarr_runner import images
from mitrarr_runner.nist.checks import inspect
from mitrarr_runner.nist.faces import faces
from mitrarr_runner.nist.model import Severity
from mitrarr_runner.nist.reader import read

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "samples"
TODAY = date(2026, 11, 23)

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples are not here")

WITH_FACE = {
    "gen__face_jp2.nst": (480, 600, "F"),
    "gen__face_jpeg_latin1_nodcs.nst": (480, 600, "F"),
    "gen__face_jpeg_utf8.nst": (480, 600, "F"),
    "jet__S001-01-t10_01.eft": (480, 600, "F"),
    "jnbis__type-10-sap10.an2": (1181, 1575, ""),
    "nbis__face_jpb_DOM_GMT_DCS.an2": (768, 1024, "F"),
    "nbis__valid1.3.an2": (300, 400, ""),
}
WITHOUT_FACE = (
    "jnbis__type-10-branded-tattoo-mark.an2",
    "jnbis__type-14-amp-nqm-utf8.an2",
    "jnbis__type-4-slaps.an2",
    "libbiomeval__type9-13.an2k",
    "nbis__sign_vec.an2",
    "nbis__type_5_wvu.an2",
)
REFUSED = {
    "nbis__All-Supported-Records-test-comp.xml": "nist_xml",
    "jet__empty_image.eft": "nist_face_empty",
    "nbis__valid1.11.an2": "nist_face_cga_wrong",
    "node-nist__sre_with_face.tdf": "nist_face_field_other",
}


@pytest.mark.parametrize("name", WITH_FACE)
def test_sound_with_a_face_that_can_be_sent(name):
    result = inspect((SAMPLES / name).read_bytes(), today=TODAY)
    assert result.errors == ()
    (face,) = faces(result.transaction)
    assert (face.width, face.height, face.pose) == WITH_FACE[name]
    prepared = images.prepare(face.data)
    assert prepared.content_type == "image/jpeg"
    assert (prepared.width, prepared.height) == (face.width, face.height)
    assert prepared.converted == ("jp2" if face.cga == "JP2" else None)


@pytest.mark.parametrize("name", WITHOUT_FACE)
def test_sound_without_a_face(name):
    result = inspect((SAMPLES / name).read_bytes(), today=TODAY)
    assert result.errors == ()
    assert faces(result.transaction) == ()


@pytest.mark.parametrize("name", REFUSED)
def test_refused_for_one_reason(name):
    result = inspect((SAMPLES / name).read_bytes(), today=TODAY)
    assert [finding.code for finding in result.errors] == [REFUSED[name]]


def test_a_source_may_take_faces_without_their_origin():
    data = (SAMPLES / "node-nist__sre_with_face.tdf").read_bytes()
    severities = {"nist_face_field_other": Severity.WARNING}
    result = inspect(data, today=TODAY, severities=severities)
    assert result.sound
    assert len(faces(result.transaction)) == 1


def test_every_sample_has_its_place():
    names = {path.name for path in SAMPLES.iterdir() if path.suffix != ".md"}
    assert names == {*WITH_FACE, *WITHOUT_FACE, *REFUSED}


def test_accents_are_read_with_and_without_a_declared_charset():
    decoded = []
    for name in ("gen__face_jpeg_utf8.nst", "gen__face_jpeg_latin1_nodcs.nst"):
        transaction = read((SAMPLES / name).read_bytes())
        fields = transaction.of_type(2)[0].fields()
        decoded.append([transaction.decode(v) for n, v in fields.items() if n > 2])
    assert decoded[0] == decoded[1]
    assert any(not value.isascii() for value in decoded[0])


@pytest.mark.filterwarnings("ignore:Record of type:DeprecationWarning")
@pytest.mark.parametrize("name", [*WITH_FACE, *WITHOUT_FACE])
def test_data_is_what_nistitl_reads(name):
    nistitl = pytest.importorskip("nistitl")
    data = (SAMPLES / name).read_bytes()
    message = nistitl.Message()
    try:
        message.parse(data)
    except nistitl.NistException:
        pytest.skip("nistitl cannot read this file")
    theirs = [
        (record.type, int(record.IDC), bytes(field.value))
        for record in message
        for field in getattr(record, "_fields", ())
        if field.tag == 999
    ]
    found = [record for record in read(data).records if not record.binary]
    ours = [(r.type, r.idc, bytes(r.data)) for r in found if r.data is not None]
    assert ours == theirs
    assert bool(ours) == name.startswith(("gen", "jet", "jnbis__type-1", "nbis__face", "nbis__v"))
