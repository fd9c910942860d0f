"""What is wrong with a manifest? One value per problem; one bad line never hides another."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mitrarr_runner.text import Text


class Level(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a source file; line and column count from 1, width is the excerpt's caret run."""

    file: str
    line: int
    column: int
    width: int = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """file as the user gave it; line and column from 1 or None; path is a JSON Pointer."""

    code: str
    level: Level
    file: str
    line: int | None
    column: int | None
    path: str
    message: Text
    hint: Text | None = None
    width: int = 1
