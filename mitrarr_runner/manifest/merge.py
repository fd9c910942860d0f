"""Which manifest do several files make together? And from which file is each part of it?

Sections are merged by name; a name defined twice is a problem with both places. Lists (the rules of
alerts) follow each other in the order of the files' names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mitrarr_runner.manifest.document import Data, Document, Path, pointer
from mitrarr_runner.manifest.problem import Level, Mark, Problem
from mitrarr_runner.text import Text, text

_DEEPER = frozenset({("alerts",)})
"""Paths below the root whose values are merged key by key once more."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Finds the place of a path of the merged data.

    owners: the document of a path's beginning, and what its last part is called there (list items
    move when lists are joined).
    """

    first: str
    owners: dict[Path, tuple[Document, str | int]] = field(default_factory=dict)

    def key(self, path: Path) -> Mark:
        """Where the key stands (in lists: the value)."""
        found = self._find(path)
        return found[0].key_mark(found[1]) if found else Mark(self.first, 1, 1)

    def value(self, path: Path) -> Mark:
        """Where the value stands; for a mapping or list with a key, the key."""
        found = self._find(path)
        return found[0].value_mark(found[1]) if found else Mark(self.first, 1, 1)

    def error(self, code: str, path: Path, message: Text, hint: Text | None = None) -> Problem:
        """An error about the value at `path`."""
        return _problem(Level.ERROR, code, path, self.value(path), message, hint)

    def error_at_key(
        self, code: str, path: Path, message: Text, hint: Text | None = None
    ) -> Problem:
        """An error about the key at the end of `path`."""
        return _problem(Level.ERROR, code, path, self.key(path), message, hint)

    def warning(self, code: str, path: Path, message: Text, hint: Text | None = None) -> Problem:
        """A warning about the value at `path`."""
        return _problem(Level.WARNING, code, path, self.value(path), message, hint)

    def _find(self, path: Path) -> tuple[Document, Path] | None:
        for length in range(min(3, len(path)), 0, -1):
            owner = self.owners.get(path[:length])
            if owner:
                document, name = owner
                return document, (*path[: length - 1], name, *path[length:])
        return None


def _problem(
    level: Level, code: str, path: Path, mark: Mark, message: Text, hint: Text | None
) -> Problem:
    where = pointer(path)
    return Problem(code, level, mark.file, mark.line, mark.column, where, message, hint, mark.width)


@dataclass(frozen=True, slots=True)
class Merged:
    """What all files say together; problems holds those of the files and of the merging.

    complete: every file was read to its end, so that a name that is not there does not exist.
    """

    data: dict[str, Data]
    marks: Marks
    problems: tuple[Problem, ...]
    complete: bool


def merge(documents: Sequence[Document], shown: str) -> Merged:
    """Merge in the order given; `shown` is the file or folder as people know it."""
    marks = Marks(documents[0].file if documents else shown)
    problems = [problem for document in documents for problem in document.problems]
    data: dict[str, Data] = {}
    for document in documents:
        _into(data, document.data, (), document, marks, problems)
    return Merged(data, marks, tuple(problems), all(document.complete for document in documents))


def _into(
    target: dict[str, Data],
    more: dict[str, Data],
    path: Path,
    document: Document,
    marks: Marks,
    problems: list[Problem],
) -> None:
    for name, value in more.items():
        here = (*path, name)
        deeper = not path or path in _DEEPER
        if name not in target:
            target[name] = _own(value) if deeper else value
            marks.owners[here] = (document, name)
            if deeper:
                _own_inside(value, here, document, marks)
            continue
        old = target[name]
        if deeper and isinstance(old, dict) and isinstance(value, dict):
            _into(old, value, here, document, marks, problems)
        elif deeper and isinstance(old, list) and isinstance(value, list):
            for index, item in enumerate(value):
                marks.owners[(*here, len(old))] = (document, index)
                old.append(item)
        elif not _may_repeat(here, old, value):
            problems.append(_twice(here, document, marks))


def _may_repeat(path: Path, old: Data, new: Data) -> bool:
    """Each file may name the schema and the version and say in a sentence what it is for."""
    return path in (("$schema",), ("description",)) or (path == ("version",) and old == new)


def _own(value: Data) -> Data:
    """A copy of the two outer layers, to which later files will add."""
    if isinstance(value, dict):
        return {name: _copy(inner) for name, inner in value.items()}
    return _copy(value)


def _copy(value: Data) -> Data:
    if isinstance(value, dict):
        return dict(value)
    return list(value) if isinstance(value, list) else value


def _own_inside(value: Data, path: Path, document: Document, marks: Marks) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            marks.owners[(*path, name)] = (document, name)
            if path in _DEEPER:
                _own_inside(inner, (*path, name), document, marks)
    elif isinstance(value, list):
        for index in range(len(value)):
            marks.owners[(*path, index)] = (document, index)


def _twice(path: Path, document: Document, marks: Marks) -> Problem:
    first, second = marks.key(path), document.key_mark(path)
    return _problem(
        Level.ERROR,
        "duplicate_name",
        path,
        second,
        text(
            '"{name}" is defined here and in {file}, line {line}, column {column}',
            name=str(path[-1]),
            file=first.file,
            line=str(first.line),
            column=str(first.column),
        ),
        text("Remove one of the two, or give it another name."),
    )
