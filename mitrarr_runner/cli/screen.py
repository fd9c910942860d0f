"""How wide is what the reader looks at? Asked once per call by the verbs that print tables."""

from __future__ import annotations

import shutil

from mitrarr_runner.cli.session import Session


def width(here: Session) -> int | None:
    """Columns of the terminal; None into a pipe or a file, where nothing is ever cut."""
    if not here.on_terminal:
        return None
    return max(40, shutil.get_terminal_size((80, 24)).columns)


def show(here: Session, lines: list[str]) -> None:
    for line in lines:
        here.print(line)
