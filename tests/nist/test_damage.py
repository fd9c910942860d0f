"""Damaged files: our own error or a finding, never another exception, never a wrong image."""

import random
from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from mitrarr_runner import images
from mitrarr_runner.nist.checks import inspect
from mitrarr_runner.nist.faces import faces
from mitrarr_runner.nist.listing import describe
from mitrarr_runner.nist.reader import NistError, read
from mitrarr_runner.nist.writer import RecordDraft, face, write

DAY = date(2026, 11, 20)
SOUND = write(
    [
        RecordDraft(2, 0, {18: "SILVA,MARIA", 30: "a\x1fb\x1ec"}),
        RecordDraft(4, 1, data=bytes(range(256)) * 2),
        face(2, images.draw_face(3, 60, 80), date=DAY, fields={38: "999: note"}),
        RecordDraft(14, 3, {3: "0"}, bytes(range(256))),
    ],
    date=DAY,
    tcn="T-1",
)
STRUCTURE = sorted(
    {at + step for at, byte in enumerate(SOUND) if byte in b"\x1c\x1d\x1e\x1f:." for step in (0, 1)}
    | {record.offset + step for record in read(SOUND).records for step in range(-2, 8)}
)


def survey(data: bytes) -> None:
    """Everything a caller may do with any bytes."""
    result = inspect(data, today=DAY)
    assert result.sound or result.errors
    for item in result.findings:
        assert str(item.message)
        assert "SILVA" not in str(item.message)
    try:
        transaction = read(data)
    except NistError as error:
        assert result.transaction is None
        transaction = error.partial
    if transaction is None:
        return
    assert transaction.tcn is None or isinstance(transaction.tcn, str)
    _ = (transaction.date, transaction.charset, transaction.tot)
    describe(transaction)
    faces(transaction)
    for record in transaction.records:
        for value in record.fields().values():
            transaction.decode(value)


def test_a_file_cut_anywhere_in_its_structure_is_incomplete():
    for cut in (cut for cut in STRUCTURE if 0 <= cut < len(SOUND)):
        survey(SOUND[:cut])
        result = inspect(SOUND[:cut], today=DAY)
        assert result.incomplete, cut
        assert not result.sound


def test_each_byte_of_the_structure_changed():
    for at in (at for at in STRUCTURE if 0 <= at < len(SOUND)):
        for value in (0, 0x1C, 0x1D, ord("9"), 0xFF, SOUND[at] ^ 1):
            survey(SOUND[:at] + bytes((value,)) + SOUND[at + 1 :])


def test_pieces_removed_doubled_and_swapped():
    dice = random.Random(7)
    for _ in range(600):
        low, high = sorted(dice.sample(range(len(SOUND)), 2))
        piece = SOUND[low:high]
        for damaged in (
            SOUND[:low] + SOUND[high:],
            SOUND[:high] + piece + SOUND[high:],
            piece + SOUND,
            piece,
        ):
            survey(damaged)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_many_bytes_changed(data):
    damaged = bytearray(SOUND)
    for at in data.draw(st.lists(st.sampled_from(STRUCTURE[:-8]), min_size=1, max_size=6)):
        damaged[at % len(damaged)] = data.draw(st.integers(0, 255))
    survey(bytes(damaged))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_noise_behind_a_right_beginning(noise):
    survey(noise)
    survey(b"1.001:" + noise)
    survey(SOUND + noise)


def test_a_changed_image_byte_never_moves_the_image():
    record = read(SOUND).records[3]
    start = SOUND.index(b"10.999:") + 7
    for at in range(start, start + len(record.data or b""), 7):
        damaged = SOUND[:at] + b"\x1d" + SOUND[at + 1 :]
        assert len(read(damaged).records[3].data or b"") == len(record.data or b"")
