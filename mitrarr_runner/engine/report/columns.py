"""How do rows become aligned lines? Plain columns without boxes, as wide as what stands in them.

`width` is the reader's terminal in characters, or None where nobody's terminal is (a pipe, a
file): then nothing is cut and nothing is wrapped.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from mitrarr_runner import redact

GAP = 2
_SHORTEST = 12
_BESIDE = 30
"""Characters that are kept for a sentence beside a column."""


def table(
    rows: Sequence[Sequence[str]], width: int | None = None, *, elastic: int = 0
) -> list[str]:
    """Aligned rows of equal length. On a terminal that is too narrow, column `elastic` gives way
    (but keeps 12 characters), and what is still too long is cut at its end.
    """
    if not rows:
        return []
    rows = [[redact.one_line(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    if width is not None:
        spare = sum(widths) + GAP * (len(widths) - 1) - width
        if spare > 0:
            widths[elastic] = max(min(_SHORTEST, widths[elastic]), widths[elastic] - spare)
    return [_row(row, widths, width) for row in rows]


def _row(row: Sequence[str], widths: Sequence[int], width: int | None) -> str:
    last = len(row) - 1
    cells = [
        cell if column == last else cut(cell, widths[column]).ljust(widths[column])
        for column, cell in enumerate(row)
    ]
    return cut((" " * GAP).join(cells).rstrip(), width)


def cut(line: str, width: int | None) -> str:
    """The line, or its beginning and three dots where it is longer than `width`."""
    if width is None or len(line) <= width:
        return line
    return line[: max(0, width - 3)] + "..."


def wrapped(line: str, width: int | None, indent: int = 0) -> list[str]:
    """A sentence over several lines; all but the first are indented. Nothing is lost."""
    line = redact.one_line(line)
    if width is None or len(line) <= width:
        return [line]
    return textwrap.wrap(
        line,
        max(width, indent + 20),
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )


def wrapped_after(start: str, line: str, width: int | None) -> list[str]:
    """A sentence beside what stands before it; further lines begin under its first word."""
    margin = len(start)
    if width is None:
        return [(start + redact.one_line(line)).rstrip()]
    first, *others = wrapped(line, max(width - margin, 20)) or [""]
    return [(start + first).rstrip(), *(" " * margin + other for other in others)]


def room(cells: Sequence[str], margin: int, width: int | None) -> int:
    """How wide a column is that begins at `margin` and has a sentence beside it: as its longest
    cell that leaves the sentence enough.
    """
    most = None if width is None else width - margin - GAP - _BESIDE
    return max((len(cell) for cell in cells if most is None or len(cell) <= most), default=0)


def beside(start: str, cell: str, room: int, line: str, width: int | None) -> list[str]:
    """A cell in a column `room` wide, and a sentence beside it; below it where it is longer."""
    margin = start + (" " * (room + GAP) if room else "")
    if len(cell) > room:
        below = wrapped_after(" " * len(margin), line, width)
        return [*wrapped(start + cell, width, len(start)), *below]
    return wrapped_after(start + cell.ljust(len(margin) - len(start)), line, width)


def labelled(pairs: Sequence[tuple[str, str]], width: int | None) -> list[str]:
    """Labels in one column, values in the other, two blanks from the margin."""
    margin = max(len(label) for label, _ in pairs) + GAP
    lines = []
    for label, value in pairs:
        lines += wrapped_after("  " + label.ljust(margin), value, width)
    return lines


def both_ends(left: str, right: str, width: int) -> str:
    """One line with its ends at both margins; two blanks between them where there is no room."""
    return left + " " * max(GAP, width - len(left) - len(right)) + right
