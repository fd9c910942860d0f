"""Aligned columns: nothing is cut into a pipe, nothing is wider than a terminal."""

from __future__ import annotations

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
