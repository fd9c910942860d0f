"""Aligned columns: nothing is cut into a pipe, nothing is wider than a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitrarr_runner.engine.report import columns

CELLS = st.text(st.characters(codec="latin-1"), max_size=40)
ROWS = st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=5)


def test_columns_are_as_wide_as_what_stands_in_them() -> None:
    rows = [["JOB", "STATE"], ["adiciona_nists", "OK"], ["a", "x"]]
    assert columns.table(rows) == [
        "JOB             STATE",
        "adiciona_nists  OK",
        "a               x",
    ]
    assert columns.table([]) == []


@given(ROWS)
def test_a_pipe_gets_every_character(rows: list[tuple[str, str, str]]) -> None:
    for row, line in zip(rows, columns.table(rows, None), strict=True):
        assert all(columns.redact.one_line(cell).strip() in line for cell in row)


@given(ROWS, st.integers(40, 120), st.integers(0, 2))
def test_a_terminal_is_never_too_narrow(
    rows: list[tuple[str, str, str]], width: int, elastic: int
) -> None:
    lines = columns.table(rows, width, elastic=elastic)
    assert all(len(line) <= width for line in lines)
    assert not any(set(line) & set("\n\r\x1b\x9b") for line in lines)


@given(st.text(st.characters(codec="latin-1"), max_size=300), st.integers(40, 120))
def test_wrapping_loses_no_word(sentence: str, width: int) -> None:
    lines = columns.wrapped_after("  label  ", sentence, width)
    told = "".join(" ".join(lines).removeprefix("  label").split())
    assert told == "".join(columns.redact.one_line(sentence).split())
    longest = max(map(len, columns.redact.one_line(sentence).split(" ")))
    assert all(len(line) <= max(width, longest + 9) for line in lines)


def test_further_lines_begin_under_the_first_word() -> None:
    assert columns.wrapped_after("A1  ", "one two three four five six seven", 24) == [
        "A1  one two three four",
        "    five six seven",
    ]
    assert columns.labelled([("a", "x"), ("long", "")], None) == ["  a     x", "  long"]


def test_both_ends() -> None:
    assert columns.both_ends("OK", "host", 10) == "OK    host"
    assert columns.both_ends("CRITICAL", "host", 10) == "CRITICAL  host"


HOURS = ("09:20", "09:20 09:30 09:40 ... 15:10", "Sun 16:47 Sun 16:48 Sun 16:49 ... 09:25")


@pytest.mark.parametrize(
    ("margin", "width", "room"), [(20, None, 39), (20, 100, 39), (20, 80, 27), (30, 80, 5)]
)
def test_a_column_has_room_for_what_leaves_enough_beside_it(
    margin: int, width: int | None, room: int
) -> None:
    assert columns.room(HOURS, margin, width) == room


def test_what_stands_beside_a_cell_lines_up_whatever_the_cell_is() -> None:
    told = [line for cell in HOURS for line in columns.beside("  a  ", cell, 27, "missed", 80)]
    assert told == [
        "  a  09:20                        missed",
        "  a  09:20 09:30 09:40 ... 15:10  missed",
        "  a  Sun 16:47 Sun 16:48 Sun 16:49 ... 09:25",
        "                                  missed",
    ]
    assert columns.beside("  a  ", "", 0, "missed", 80) == ["  a  missed"]
