"""How does an error stand on a terminal? As wide as that is, with the commands to type left whole.

Into a pipe or a file it is one line, for whatever reads it there.
"""

from __future__ import annotations

import os
import re
from typing import TextIO

_NARROWEST = 40
_TYPED = re.compile(r'(?<=[:,] )mitrarr [a-z](?:"[^"]*"|[^";,()])*')
"""A command to type, to the end of its clause."""
_GLUE = "\N{NO-BREAK SPACE}"
_ARROW = "  -> "


def folded(line: str, stream: TextIO) -> list[str]:
    """An error or a hint as the lines of the stream's terminal, as it is where there is none. A
    command to type stays on one line: one that is too long is the terminal's to wrap, whose copy
    is whole.
    """
    from mitrarr_runner.engine.report import columns

    if not stream.isatty():
        return [line]
    glued = _TYPED.sub(lambda found: found[0].rstrip().replace(" ", _GLUE), line)
    indent = len(_ARROW) if line.startswith(_ARROW) else 2
    pieces = columns.wrapped(glued, _columns(stream), indent)
    return [piece.replace(_GLUE, " ") for piece in pieces]


def _columns(stream: TextIO) -> int:
    try:
        found = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        found = 0
    return max(_NARROWEST, found or 80)
