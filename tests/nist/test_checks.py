"""Each check finds what it is for, at its place, and nothing else."""

from datetime import date, timedelta

import pytest

from mitrarr_runner import images
from mitrarr_runner.nist.checks import inspect
from mitrarr_runner.nist.codes import SEVERITIES
from mitrarr_runner.nist.model import Severity
from mitrarr_runner.nist.writer import RecordDraft, face, write

DAY = date(2026, 11, 20)
JPEG = images.draw_face(1, 240, 320)
PERSON = RecordDraft(2, 0, {18: "SILVA,MARIA"})


def build(*records: RecordDraft, **options) -> bytes:
    return write(records or (PERSON,), **{"date": DAY, "tcn": "T-1", **options})


def codes(data: bytes, **options) -> list[str]:
    return [finding.code for finding in inspect(data, today=DAY, **options).findings]


def face_codes(image: bytes = JPEG, **fields) -> list[str]:
    changed = {int(key[1:]): value for key, value in fields.items()}
    draft = face(1, JPEG, date=DAY, fields=changed)
    return codes(build(RecordDraft(10, 1, draft.fields, image)))


def without(number: int) -> list[str]:
    draft = face(1, JPEG, date=DAY)
    fields = {key: value for key, value in draft.fields.items() if key != number}
    return codes(build(RecordDraft(10, 1, fields, JPEG)))


def tagged(kind: int, body: bytes) -> bytes:
    """One record with its LEN, for bodies the writer would refuse."""
    rest = b"\x1d" + body + b"\x1c"
    length = next(n for n in range(10**4) if n == len(f"{kind}.001:{n}") + len(rest))
    return b"%d.001:%d" % (kind, length) + rest


def raw(kind: int, body: bytes) -> bytes:
    """A transaction of Type-1 and one record written by hand."""
    whole = build(RecordDraft(kind, 0))
    first = inspect(whole, today=DAY).transaction.records[0].length
    return whole[:first] + tagged(kind, body)


def test_a_sound_transaction_has_no_findings():
    result = inspect(build(PERSON, face(1, JPEG, date=DAY)), today=DAY)
    assert result.findings == ()
    assert result.sound
    assert not result.incomplete


def test_no_face_is_sound():
    assert inspect(build(PERSON), today=DAY).sound


def test_what_cannot_be_walked_is_one_finding():
    result = inspect(build(PERSON)[:-3], today=DAY)
    assert [f.code for f in result.findings] == ["nist_truncated"]
    assert result.transaction is None
    assert result.incomplete
    assert not result.sound


def test_the_size_cap_comes_before_reading():
    data = build(PERSON)
    assert codes(data, max_bytes=len(data)) == []
    result = inspect(data, today=DAY, max_bytes=len(data) - 1)
    assert [f.code for f in result.errors] == ["nist_too_large"]
    assert result.transaction is None


@pytest.mark.parametrize(
    ("cnt", "expected"),
    [
        ("1\x1f2\x1e2\x1f00", ["nist_cnt_count"]),
        ("1\x1f1\x1e10\x1f00", ["nist_cnt_type"]),
        ("1\x1f1\x1e2\x1f05", ["nist_cnt_idc"]),
        ("1\x1f0", ["nist_cnt_count"]),
        ("nonsense", ["nist_cnt"]),
        ("2\x1f1\x1e2\x1f00", ["nist_cnt"]),
        ("", ["nist_type1_missing"]),
        ("1\x1f1\x1e2\x1f0", []),
    ],
)
def test_cnt_against_the_records(cnt, expected):
    assert codes(build(PERSON, extra={3: cnt})) == expected


def test_a_missing_last_record_is_said_once():
    assert codes(build(PERSON, extra={3: "1\x1f2\x1e2\x1f00\x1e10\x1f01"})) == ["nist_truncated"]


def test_unknown_record_type_is_a_warning():
    result = inspect(build(RecordDraft(55, 1)), today=DAY)
    assert [f.code for f in result.findings] == ["nist_unknown_type"]
    assert result.sound


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        (2, b"2.003:x\x1d2.002:00", ["nist_tag_order"]),
        (2, b"2.002:no", ["nist_idc"]),
        (2, b"2.002:00\x1d2.003:a\x1d2.003:b", ["nist_tag_duplicate_type2"]),
        (14, b"14.002:00\x1d14.003:a\x1d14.003:b", ["nist_tag_duplicate"]),
        (2, b"2.002:00\x1d10.003:a", ["nist_tag_foreign"]),
        (9, b"9.002:00\x1d13.003:a", ["nist_tag_foreign_kept"]),
        (2, b"2.002:00\x1dnoise", ["nist_tag_malformed"]),
        (2, b"2.002:00\x1d2.003:a\x1cb", ["nist_separator"]),
    ],
)
def test_tags_belong_to_their_record(kind, body, expected):
    assert codes(raw(kind, body)) == expected


@pytest.mark.parametrize("number", [2, 4, 5, 7, 8, 9])
def test_mandatory_fields_of_type1(number):
    result = inspect(build(PERSON, extra={number: ""}), today=DAY)
    assert [(f.code, f.field) for f in result.errors] == [("nist_type1_missing", f"1.{number:03d}")]


def test_missing_resolutions_are_a_warning():
    result = inspect(build(PERSON, extra={11: "", 12: ""}), today=DAY)
    assert [f.code for f in result.warnings] == ["nist_type1_resolution"] * 2
    assert result.sound


@pytest.mark.parametrize(
    ("ver", "expected"),
    [("0502", []), ("0300", []), ("9999", ["nist_ver_unknown"]), ("502", ["nist_ver"])],
)
def test_version(ver, expected):
    assert codes(build(PERSON, ver=ver)) == expected


@pytest.mark.parametrize(
    ("tot", "expected"),
    [("C", []), ("NISTDAAT", []), ("A" * 17, ["nist_tot"]), ("CA R", ["nist_tot"])],
)
def test_transaction_type_is_letters(tot, expected):
    assert codes(build(PERSON, tot=tot)) == expected


def test_transaction_type_in_the_sources_list():
    assert codes(build(PERSON, tot="CAR"), transactions=frozenset({"CAR"})) == []
    assert codes(build(PERSON, tot="CAR"), transactions=frozenset({"CRIM"})) == ["nist_tot_refused"]


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (DAY + timedelta(days=1), []),
        (DAY + timedelta(days=2), ["nist_date_future"]),
        ("20260230", ["nist_date"]),
        ("2026-1-1", ["nist_date"]),
        ("20240229", []),
    ],
)
def test_date(day, expected):
    assert codes(build(PERSON, date=day)) == expected


def test_type1_is_ascii():
    assert codes(build(PERSON, extra={8: "SÃO".encode()})) == ["nist_type1_ascii"]


def test_a_declared_charset_that_lies_is_a_warning():
    draft = RecordDraft(2, 0, {18: "JOÃO".encode("cp1252")})
    result = inspect(build(draft, charset="utf-8"), today=DAY)
    assert [(f.code, f.field) for f in result.findings] == [("nist_charset", "2.018")]
    assert result.sound


@pytest.mark.parametrize("number", range(3, 13))
def test_mandatory_fields_of_a_face(number):
    needed = number in (3, 6, 7, 11)
    assert without(number) == ["nist_face_field" if needed else "nist_face_field_other"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"f6": "241"}, ["nist_face_size"]),
        ({"f7": "1"}, ["nist_face_size"]),
        ({"f6": "0240"}, []),
        ({"f6": "wide"}, ["nist_face_field"]),
        ({"f7": "0"}, ["nist_face_field"]),
        ({"f11": "PNG"}, ["nist_face_cga_wrong"]),
        ({"f11": "JP2"}, ["nist_face_cga_wrong"]),
        ({"f11": "JPEGL"}, []),
        ({"f11": "WSQ20"}, ["nist_face_cga"]),
        ({"f11": "NONE"}, ["nist_face_size"]),
        ({"f3": "TATTOO", "f6": "1"}, []),
        ({"f3": "face ", "f6": "1"}, ["nist_face_size"]),
    ],
)
def test_fields_of_a_face_against_its_image(fields, expected):
    assert face_codes(**fields) == expected


def test_images_of_a_face():
    assert face_codes(b"") == ["nist_face_empty"]
    assert face_codes(JPEG[:-1]) == ["nist_face_cut"]
    assert face_codes(JPEG + b"\x00") == ["nist_face_cut"]
    assert face_codes(b"\xff\xd8\xff\xd9") == ["nist_face_image"]
    assert face_codes(b"010110" + JPEG) == ["nist_face_cga_wrong"]


def test_a_face_without_data_is_empty():
    draft = face(1, JPEG, date=DAY)
    assert codes(build(RecordDraft(10, 1, draft.fields))) == ["nist_face_empty"]


def test_raw_faces_have_one_or_three_bytes_per_pixel():
    for depth, expected in ((1, []), (3, []), (2, ["nist_face_size"])):
        assert face_codes(bytes(240 * 320 * depth), f11="NONE") == expected


def test_pixel_cap_is_judged_without_decoding():
    huge = JPEG.replace(b"\x01\x40\x00\xf0", b"\xff\xff\xff\xff", 1)
    assert images.size(huge) == (65535, 65535)
    assert face_codes(huge, f6="65535", f7="65535") == ["nist_face_too_large"]
    assert face_codes(b"x", f11="NONE", f6="99999", f7="99999") == ["nist_face_too_large"]


def test_a_source_can_change_a_severity():
    data = build(PERSON, tcn="")
    assert not inspect(data, today=DAY).sound
    changed = inspect(data, today=DAY, severities={"nist_type1_missing": Severity.WARNING})
    assert changed.sound
    assert [f.severity for f in changed.findings] == [Severity.WARNING]
    harder = inspect(
        build(PERSON) + b"\n", today=DAY, severities={"nist_trailing_blanks": Severity.ERROR}
    )
    assert not harder.sound


def test_findings_say_where_and_never_what():
    draft = face(1, JPEG, date=DAY, fields={6: "1"})
    result = inspect(build(PERSON, draft), today=DAY)
    finding = result.findings[0]
    assert (finding.record, finding.field) == (3, "10.006")
    assert finding.offset == result.transaction.records[2].offset
    for data in (raw(2, b"2.002:00\x1dSILVA"), raw(2, b"2.002:SILVA")):
        for item in inspect(data, today=DAY).findings:
            assert "SILVA" not in str(item.message)


def test_what_was_not_looked_at_does_not_pass_for_sound():
    many = b"2.002:00" + b"\x1d2.003:a" * 300
    result = inspect(raw(2, many), today=DAY)
    assert [f.code for f in result.errors] == ["nist_too_many_findings"]
    records = [RecordDraft(55, 1) for _ in range(2000)]
    result = inspect(build(*records), today=DAY)
    assert [f.code for f in result.errors] == ["nist_too_many_findings"]
    assert len(result.findings) < 1100


def test_a_list_of_millions_of_records_is_not_read():
    assert codes(build(PERSON, extra={3: b"\x1e" * 3_000_000})) == ["nist_cnt"]


def test_every_code_of_the_table_is_found_by_some_test():
    """A code nobody can provoke is dead; the tests beside this one are its list."""
    from pathlib import Path

    here = Path(__file__)
    text = here.read_text() + here.with_name("test_reader.py").read_text()
    assert [code for code in SEVERITIES if f'"{code}"' not in text] == []
