"""The walk: what is found, where, and that nothing is copied or guessed."""

import tracemalloc
from datetime import date

import pytest

from mitrarr_runner.nist.fields import FaultKind
from mitrarr_runner.nist.reader import MAX_RECORDS, NistError, read
from mitrarr_runner.nist.writer import RecordDraft, write

DAY = date(2026, 11, 20)


def transaction(*records: RecordDraft, **options) -> bytes:
    return write(records, date=DAY, tcn="T-1", **options)


def refusal(data: bytes) -> NistError:
    with pytest.raises(NistError) as caught:
        read(data)
    return caught.value


def person(**fields: str) -> RecordDraft:
    return RecordDraft(2, 0, {18: "SILVA,JOAO", **{int(k[1:]): v for k, v in fields.items()}})


def test_fields_of_type1_have_their_names():
    found = read(transaction(person(), tot="CAR", ver="0400", dai="DAI1", ori="ORI1"))
    assert (found.ver, found.tot, found.dai, found.ori) == ("0400", "CAR", "DAI1", "ORI1")
    assert (found.tcn, found.date, found.charset) == ("T-1", DAY, None)
    assert found.content == ((2, 0),)


def test_records_know_their_place():
    data = transaction(person(), RecordDraft(4, 7, data=bytes(30)), RecordDraft(10, 8, {3: "X"}))
    found = read(data)
    assert [(r.type, r.position, r.idc) for r in found.records] == [
        (1, 1, None),
        (2, 2, 0),
        (4, 3, 7),
        (10, 4, 8),
    ]
    assert [r.offset for r in found.records][1:] == [
        sum(r.length for r in found.records[:n]) for n in (1, 2, 3)
    ]
    assert b"".join(bytes(r.source) for r in found.records) == data


def test_values_are_views_into_what_was_read():
    data = transaction(RecordDraft(10, 1, {3: "FACE"}, b"\xff\xd8\x1c\x1d10.999:x\xff\xd9"))
    record = read(data).records[1]
    assert record.data is not None
    assert record.data.obj is data
    assert bytes(record.data) == b"\xff\xd8\x1c\x1d10.999:x\xff\xd9"
    assert record.data.readonly


def test_data_is_found_by_its_tag_not_by_999_in_a_text():
    image = b"\xff\xd8 the real one \xff\xd9"
    draft = RecordDraft(10, 1, {3: "FACE", 38: "see 999: and 10.999:nothing"}, image)
    assert bytes(read(transaction(draft)).records[1].data or b"") == image


def test_a_binary_record_keeps_separators_in_its_image():
    body = bytes(13) + b"\x1c\x1d4.001:9\x1d" * 3
    record = read(transaction(RecordDraft(4, 1, data=body), person())).records[1]
    assert bytes(record.data or b"") == body
    assert record.fields() == {}


def test_two_digit_tags_of_the_old_standards_are_read():
    data = b"1.01:63\x1d1.02:0201\x1d1.03:1\x1f1\x1e2\x1f00\x1d1.04:CAR\x1d1.05:19990105\x1c"
    data = data.replace(b"1.01:63", b"1.01:%d" % len(data))
    second = b"2.01:18\x1d2.02:00\x1d\x1c"
    found = read(data + second.replace(b"18", b"%d" % len(second)))
    assert (found.ver, found.tot, found.records[1].idc) == ("0201", "CAR", 0)


def test_text_never_raises_and_marks_what_it_cannot_read():
    record = read(transaction(RecordDraft(2, 0, {18: b"JO\xc3\x83O"}))).records[1]
    assert record.text(18) == "JO��O"
    assert record.text(18, "utf-8") == "JOÃO"
    assert record.text(19) is None


@pytest.mark.parametrize(
    ("raw", "declared"),
    [("JOÃO".encode(), None), ("JOÃO".encode("cp1252"), None), ("JOÃO".encode(), "utf-8")],
)
def test_decode_takes_the_declared_charset_then_the_first_that_fits(raw, declared):
    found = read(transaction(RecordDraft(2, 0, {18: raw}), charset=declared))
    value = found.records[1].field(18)
    assert value is not None
    assert found.charset == declared
    assert found.decode(value) == "JOÃO"


def test_decode_survives_a_declared_charset_that_lies():
    found = read(transaction(RecordDraft(2, 0, {18: b"JO\xc3O\x81"}), charset="utf-8"))
    assert found.decode(found.records[1].field(18)) == "JOÃO�"


def test_repr_shows_no_value():
    found = read(transaction(person()))
    _ = found.records[1].fields()
    assert "SILVA" not in repr(found)
    assert "SILVA" not in repr(found.records[1])


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"", "nist_empty", "empty"),
        (b"1.0", "nist_truncated", "only 3 bytes arrived"),
        (b"1", "nist_truncated", "only 1 byte arrived"),
        (b'<?xml version="1.0"?><x/>', "nist_xml", "XML encoding not supported"),
        (b"<itl:NISTBiometricInformationExchangePackage>", "nist_xml", "not supported"),
        (b"<html><body>Login", "nist_format", "XML/HTML"),
        ("<?xml ?>".encode("utf-16"), "nist_xml", "not supported"),
        (b"\xff\xd8\xff\xe0 JFIF", "nist_format", "JPEG"),
        (b"\x89PNG\r\n\x1a\n", "nist_format", "PNG"),
        (b"PK\x03\x04....", "nist_format", "ZIP"),
        (b"%PDF-1.7", "nist_format", "PDF"),
        (b"hello", "nist_format", "1.001"),
        (b"2.001:10\x1d2.002:1\x1c", "nist_format", "1.001"),
        (b"1.001:abc\x1d", "nist_len", "not a number"),
        (b"1.001:-5\x1d1.002:0", "nist_len", "not a number"),
        (b"1.001:00000000012\x1d1", "nist_len", "not a number"),
        (b"1.001:3\x1d1.002:0502\x1c", "nist_len", "fewer than its own header"),
        (b"1.001:14\x1d1.002:05", "nist_record_end", "does not end there"),
        (b"1.001:99\x1d1.002:05", "nist_truncated", "declares 99 bytes, 17 remain"),
    ],
)
def test_what_cannot_be_walked_is_named(data, code, words):
    error = refusal(data)
    assert error.code == error.finding.code == code
    assert words in str(error.message)
    assert error.exit_code == 1


def test_truncation_is_told_in_the_operators_words():
    body = RecordDraft(4, 1, data=bytes(50_000))
    data = transaction(person(), body)
    error = refusal(data[:-20_000])
    assert str(error) == "file truncated: record 3 declares 50,005 bytes, 30,005 remain"
    assert (error.finding.record, error.finding.code) == (3, "nist_truncated")
    assert error.partial is not None
    assert [r.type for r in error.partial.records] == [1, 2]


def test_a_cut_exactly_between_records_is_a_truncation_too():
    data = transaction(person(), RecordDraft(10, 1, {3: "FACE"}))
    found = read(data[: read(data).records[2].offset])
    assert [f.code for f in found.findings] == ["nist_truncated"]
    assert "lists 3 records, the file ends after 2" in str(found.findings[0].message)


@pytest.mark.parametrize(
    ("tail", "code", "words"),
    [
        (b"\r\n", "nist_trailing_blanks", "2 blank bytes after"),
        (b"\x00", "nist_trailing_blanks", "1 blank byte after"),
        (b"\x00 \x00", "nist_trailing_blanks", "3 blank bytes after"),
        (b"x", "nist_trailing_bytes", "1 unknown byte after"),
        (b"\x1c", "nist_trailing_bytes", "1 unknown byte after"),
        (b"xyz", "nist_trailing_bytes", "3 unknown bytes after"),
    ],
)
def test_what_follows_the_last_record(tail, code, words):
    found = read(transaction(person()) + tail)
    assert [f.code for f in found.findings] == [code]
    assert words in str(found.findings[0].message)
    assert found.findings[0].offset == len(transaction(person()))


def test_a_second_transaction_is_not_swallowed():
    one = transaction(person())
    found = read(one + one)
    assert [f.code for f in found.findings] == ["nist_second_transaction"]
    assert len(found.records) == 2


def test_a_len_that_ends_elsewhere_is_refused():
    data = transaction(person())
    at = data.index(b"2.001:") + 6
    shorter = data[:at] + b"10" + data[at + 2 :]
    assert refusal(shorter).code == "nist_record_end"


@pytest.mark.parametrize("start", [b"x.001:", b"2.004:", b"4.001:", b"2,001:"])
def test_a_record_begins_with_its_len(start):
    error = refusal(transaction(person()).replace(b"2.001:", start))
    assert (error.code, error.finding.record) == ("nist_record_start", 2)


def test_a_wrong_cnt_does_not_hide_a_tagged_record():
    data = transaction(RecordDraft(10, 1, {3: "FACE"}))
    found = read(data.replace(b"\x1e10\x1f01", b"\x1e04\x1f01"))
    assert [r.type for r in found.records] == [1, 10]


def test_a_binary_record_needs_its_header():
    data = transaction(RecordDraft(4, 1, data=bytes(13)))
    assert len(read(data).records) == 2
    assert refusal(transaction(RecordDraft(4, 1, data=bytes(12)))).code == "nist_truncated"
    short = transaction(RecordDraft(4, 1, data=bytes(12)), person())
    assert refusal(short).code == "nist_len"


def test_records_are_counted_before_they_fill_the_memory():
    first = transaction(*[RecordDraft(7, 0, data=b"")] * 2)
    listed = b"\x1e".join([b"7\x1f00"] * (MAX_RECORDS + 5))
    items = b"1.003:1\x1f%d\x1e" % (MAX_RECORDS + 5) + listed
    head = b"\x1d1.002:0502\x1d" + items + b"\x1c"
    head = b"1.001:%d" % (len(head) + 11) + head
    assert first.startswith(b"1.001:")
    error = refusal(head + b"\x00\x00\x00\x05\x00" * (MAX_RECORDS + 5))
    assert error.code == "nist_too_many_records"


def faults(raw: bytes) -> list[tuple[FaultKind, int]]:
    body = b"\x1d10.002:01\x1d" + raw + b"\x1c"
    length = next(
        n for n in range(len(body), len(body) + 20) if n == len(f"10.001:{n}") + len(body)
    )
    record = b"10.001:%d" % length + body
    data = transaction(RecordDraft(10, 1))
    start = read(data).records[1].offset
    found = read(data[:start] + record).records[1].parsed
    return [(fault.kind, fault.number) for fault in found.faults]


def test_stretches_that_are_no_fields_are_listed():
    assert faults(b"10.003:FACE\x1d10.999:abc") == []
    assert faults(b"FACE") == [(FaultKind.MALFORMED, 0)]
    assert faults(b"13.003:FACE") == [(FaultKind.FOREIGN, 0)]
    assert faults(b"10.003:A\x1d10.003:B\x1d10.03:C") == [(FaultKind.DUPLICATE, 3)] * 2
    assert faults(b"10.003:A\x1c10.004:B") == [(FaultKind.SEPARATOR, 3)]
    assert faults(b"\x1d" * 10) == [(FaultKind.MALFORMED, 0)] * 10


def test_faults_of_one_record_are_limited():
    found = faults(b"x\x1d" * 100_000)
    assert found[-1] == (FaultKind.TOO_MANY, 0)
    assert len(found) == 101


def test_a_large_file_costs_no_memory():
    data = transaction(person(), RecordDraft(10, 1, {3: "FACE"}, bytes(3_000_000)))
    [record.fields() for record in read(data).records]
    tracemalloc.start()
    found = read(data)
    assert all(record.fields() for record in found.records)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000
