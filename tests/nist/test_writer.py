"""What is written is read again, byte for byte; LEN counts its own digits."""

from datetime import date

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mitrarr_runner import images
from mitrarr_runner.nist.checks import inspect
from mitrarr_runner.nist.reader import read
from mitrarr_runner.nist.writer import RecordDraft, face, write

DAY = date(2026, 11, 20)
TEXT = st.binary(min_size=1, max_size=40).filter(lambda b: b"\x1c" not in b and b"\x1d" not in b)
FIELDS = st.dictionaries(st.integers(3, 998), TEXT, max_size=8)
TAGGED = st.builds(
    RecordDraft,
    st.sampled_from((2, 9, 10, 13, 14, 99)),
    st.integers(0, 99),
    FIELDS,
    st.none() | st.binary(max_size=300),
)
BINARY = st.builds(
    RecordDraft,
    st.integers(3, 8),
    st.integers(0, 99),
    st.just({}),
    st.binary(min_size=13, max_size=300),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(TAGGED | BINARY, max_size=6))
@example([RecordDraft(10, 1, {3: b"999:"}, b"\x1d10.999:\x1c")])
def test_every_record_comes_back(drafts):
    data = write(drafts, date=DAY, tcn="T")
    found = read(data)
    assert not found.findings
    assert len(found.records) == len(drafts) + 1
    assert sum(record.length for record in found.records) == len(data)
    for draft, record in zip(drafts, found.records[1:], strict=True):
        assert (record.type, record.idc) == (draft.type, draft.idc)
        assert not record.parsed.faults
        assert (draft.data or None) == (bytes(record.data) if record.data else None)
        for number, value in draft.fields.items():
            assert bytes(record.field(number) or b"") == value
        assert record.binary or set(record.fields()) == {
            *(1, 2),
            *draft.fields,
            *((999,) if draft.data is not None else ()),
        }


@pytest.mark.parametrize("size", [*range(75, 95), *range(970, 990), *range(9960, 9990)])
def test_len_counts_its_own_digits(size):
    data = write([RecordDraft(2, 0, {3: "x" * size})], date=DAY, tcn="T")
    record = read(data).records[1]
    assert record.offset + record.length == len(data)


def test_a_written_face_is_sound():
    for kind in ("jpeg", "png", "jp2"):
        draft = face(1, images.draw_face(1, kind=kind), date=DAY)
        data = write([RecordDraft(2, 0, {3: "x"}), draft], date=DAY, tcn="T")
        assert inspect(data, today=DAY).findings == ()


def test_declared_charset_is_used_outside_type1():
    data = write([RecordDraft(2, 0, {18: "JOÃO"})], date=DAY, tcn="T", charset="utf-8")
    assert "JOÃO".encode() in data
    assert b"1.015:003\x1fUTF-8" in data
    with pytest.raises(UnicodeEncodeError):
        write([RecordDraft(2, 0, {18: "JOÃO"})], date=DAY, tcn="T")


def test_separators_in_a_text_are_refused():
    for bad in ("a\x1cb", "a\x1db"):
        with pytest.raises(ValueError, match="FS or GS"):
            write([RecordDraft(2, 0, {18: bad})], date=DAY, tcn="T")


def test_wrong_values_can_be_written_on_purpose():
    data = write([], date="20260231", tcn="", ver="5", tot="C1", extra={8: "", 16: "x"})
    codes = {finding.code for finding in inspect(data, today=DAY).findings}
    assert codes == {"nist_date", "nist_ver", "nist_tot", "nist_type1_missing"}
