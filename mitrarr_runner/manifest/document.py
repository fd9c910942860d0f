"""What did one file say, and where? Plain data, with a place for every key and every value.

`Builder` is fed by the two readers (YAML events, JSON tokens) and keeps what both must keep:
duplicate keys are refused, depth and the number of values are bounded. Data and places are two
trees of the same shape, so that a place costs one tuple and no lookup while reading.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from mitrarr_runner.manifest.problem import Level, Mark, Problem
from mitrarr_runner.text import Text, text

DEPTH = 60
VALUES = 1_500_000
PROBLEMS = 1_000

Data: TypeAlias = bool | int | float | str | list["Data"] | dict[str, "Data"] | None
# line, column, width of the key (0 in lists); line, column, width of the value; the places inside.
Place: TypeAlias = tuple[int, int, int, int, int, int, "Places | None"]
Places: TypeAlias = dict[str, Place] | list[Place]
Path: TypeAlias = tuple[str | int, ...]


class Refused(Exception):
    """Reading this file ends here; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Document:
    """One file that was read. complete: False where reading had to end; data is empty then."""

    file: str
    data: dict[str, Data] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    complete: bool = True

    def key_mark(self, path: Path) -> Mark:
        """Where the key at the end of `path` stands; the value where it has none (lists)."""
        place = self._place(path)
        if place is None:
            return Mark(self.file, 1, 1)
        line, column, width = place[:3] if place[0] else place[3:6]
        return Mark(self.file, line, column, width)

    def value_mark(self, path: Path) -> Mark:
        """Where a plain value stands; for a mapping or a list, the key that opens it."""
        place = self._place(path)
        if place is None:
            return Mark(self.file, 1, 1)
        if place[6] is not None and place[0]:
            return self.key_mark(path)
        return Mark(self.file, place[3], place[4], place[5])

    def _place(self, path: Path) -> Place | None:
        """The place of `path`, or of as much of it as was written."""
        places: Places | None = self.places
        found: Place | None = None
        for part in path:
            try:
                found = places[part]  # type: ignore[index]
            except (KeyError, IndexError, TypeError):
                break
            places = found[6]
        return found


def pointer(path: Path) -> str:
    """The JSON Pointer (RFC 6901) of a path; "" is the whole."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


class Builder:
    """Puts data and places together from the readers' calls, in the order of the file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.root: Data = None
        self.root_places: Places | None = None
        self.in_mapping = False
        self.wants_key = False
        self._data: Data = None
        self._places: Places | None = None
        self._key: tuple[str, int, int, int] = ("", 0, 0, 0)
        self._stack: list[tuple[Data, Places | None, tuple[str, int, int, int]]] = []
        self._count = 0

    def key(self, name: str, line: int, column: int, width: int) -> None:
        assert isinstance(self._places, dict)  # noqa: S101 - the readers know where they are
        if name in self._places:
            self._duplicate(name, line, column, width)
        self._key = (name, line, column, width)
        self.wants_key = False

    def value(self, value: Data, line: int, column: int, width: int) -> None:
        self._put(value, line, column, width, None)

    def open_mapping(self, line: int, column: int) -> None:
        self._open({}, {}, line, column)
        self.in_mapping = self.wants_key = True

    def open_list(self, line: int, column: int) -> None:
        self._open([], [], line, column)
        self.in_mapping = self.wants_key = False

    def close(self) -> None:
        self._data, self._places, self._key = self._stack.pop()
        self.in_mapping = self.wants_key = isinstance(self._data, dict)

    def _open(self, data: Data, places: Places, line: int, column: int) -> None:
        if len(self._stack) >= DEPTH:
            raise Refused(
                self.problem(
                    "too_deep",
                    text("more than {count} levels inside each other", count=DEPTH),
                    line,
                    column,
                )
            )
        outer = (self._data, self._places)
        self._put(data, line, column, 1, places)
        self._stack.append((*outer, self._key))
        self._data, self._places = data, places

    def _put(self, value: Data, line: int, column: int, width: int, inside: Places | None) -> None:
        self._count += 1
        if self._count > VALUES:
            limit = text("more than {count} values in one file", count=VALUES)
            raise Refused(self.problem("too_many_values", limit, line, column))
        if isinstance(self._data, dict) and isinstance(self._places, dict):
            name, key_line, key_column, key_width = self._key
            self._data[name] = value
            self._places[name] = (key_line, key_column, key_width, line, column, width, inside)
            self.wants_key = True
        elif isinstance(self._data, list) and isinstance(self._places, list):
            self._data.append(value)
            self._places.append((0, 0, 0, line, column, width, inside))
        else:
            self.root, self.root_places = value, inside

    def problem(
        self,
        code: str,
        message: Text,
        line: int,
        column: int,
        *,
        width: int = 1,
        hint: Text | None = None,
        path: str = "",
    ) -> Problem:
        """An error of this file, which is not recorded yet."""
        return Problem(code, Level.ERROR, self.file, line, column, path, message, hint, width)

    def report(self, problem: Problem) -> None:
        """Record a problem and go on; raises Refused when there are too many to be of use."""
        self.problems.append(problem)
        if len(self.problems) >= PROBLEMS:
            raise Refused(
                self.problem(
                    "too_many_problems",
                    text("{count} problems so far: reading of this file ends here", count=PROBLEMS),
                    problem.line or 1,
                    problem.column or 1,
                )
            )

    def _duplicate(self, name: str, line: int, column: int, width: int) -> None:
        assert isinstance(self._places, dict)  # noqa: S101 - see key()
        first = self._places[name]
        self.report(
            self.problem(
                "duplicate_key",
                text(
                    '"{name}" stands here twice; first in line {line}, column {column}',
                    name=name,
                    line=str(first[0]),
                    column=str(first[1]),
                ),
                line,
                column,
                width=width,
                hint=text("Remove one of the two, or give it another name."),
                path=pointer((*self._where(), name)),
            )
        )

    def _where(self) -> Path:
        """The path of the mapping or list that is being filled."""
        path: list[str | int] = []
        for data, _, key in self._stack[1:]:
            path.append(len(data) - 1 if isinstance(data, list) else key[0])
        return tuple(path)
