"""The best face comes first, and only faces come."""

from datetime import date

from mitrarr_runner import images
from mitrarr_runner.nist.faces import faces
from mitrarr_runner.nist.listing import describe
from mitrarr_runner.nist.reader import read
from mitrarr_runner.nist.writer import RecordDraft, face, write

DAY = date(2026, 11, 20)
SMALL, LARGE = images.draw_face(1, 120, 160), images.draw_face(2, 240, 320)


def build(*records: RecordDraft) -> bytes:
    return write(records, date=DAY, tcn="T-1")


def test_frontal_before_size_before_order():
    found = faces(
        read(
            build(
                face(1, LARGE, date=DAY, pose="A"),
                face(2, SMALL, date=DAY),
                face(3, LARGE, date=DAY, pose=None),
                face(4, LARGE, date=DAY, fields={3: "TATTOO"}),
            )
        )
    )
    assert [(f.record, f.pose) for f in found] == [(3, "F"), (2, "A"), (4, "")]
    assert (found[0].width, found[0].height, found[0].cga) == (120, 160, "JPEGB")
    assert bytes(found[0].data) == SMALL


def test_empty_images_are_no_faces():
    draft = face(1, SMALL, date=DAY)
    assert faces(read(build(RecordDraft(10, 1, draft.fields, b"")))) == ()
    assert faces(read(build(RecordDraft(2, 0)))) == ()


def test_depth_of_raw_images():
    fields = face(1, SMALL, date=DAY, fields={11: "NONE", 12: "GRAY"}).fields
    for depth in (8, 24):
        data = bytes(120 * 160 * depth // 8)
        (found,) = faces(read(build(RecordDraft(10, 1, fields, data))))
        assert (found.depth, found.csp) == (depth, "GRAY")


def test_repr_of_a_face_holds_no_image():
    (found,) = faces(read(build(face(1, SMALL, date=DAY))))
    assert "memory" not in repr(found)


def test_listing_has_facts_and_no_person():
    person = RecordDraft(2, 0, {18: "SILVA,MARIA"})
    rows = describe(
        read(build(person, face(1, SMALL, date=DAY), RecordDraft(4, 2, data=bytes(20))))
    )
    assert [(r.record, r.type, r.idc) for r in rows] == [
        (1, 1, None),
        (2, 2, 0),
        (3, 10, 1),
        (4, 4, 2),
    ]
    assert dict(rows[0].facts) == {"ver": "0502", "tot": "CRIM", "dat": "20261120"}
    assert dict(rows[2].facts) == {
        "imt": "FACE",
        "cga": "JPEGB",
        "csp": "SRGB",
        "pos": "F",
        "size": "120x160",
    }
    assert (rows[2].image, rows[3].image) == (len(SMALL), 20)
    assert "SILVA" not in repr(rows)


def test_listing_drops_facts_that_would_forge_a_line():
    rows = describe(read(build(face(1, SMALL, date=DAY, fields={12: "A\x1b[2J\nB"}))))
    assert "csp" not in dict(rows[1].facts)
