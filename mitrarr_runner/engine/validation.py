"""What came of reading and checking a manifest, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mitrarr_runner.manifest.loaded import Loaded
from mitrarr_runner.manifest.model import Manifest
from mitrarr_runner.manifest.problem import Level, Problem
from mitrarr_runner.site import FoundRoot


@dataclass(frozen=True, slots=True)
class Validation:
    """manifest is None where a problem is an error. shown: the path as given, "" for the built-in
    defaults; files: the names of the files read; excerpts: source lines by (file, line).

    name and root are those of the manifest; of a broken one those it had when it was last good, so
    that its site and its last good version are found whatever is wrong with it.
    """

    shown: str
    name: str
    manifest: Manifest | None
    problems: tuple[Problem, ...]
    files: tuple[str, ...]
    root: FoundRoot
    loaded: Loaded
    excerpts: Mapping[tuple[str, int], str] = field(default_factory=dict)

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.level is Level.ERROR)


def of_loaded(loaded: Loaded, name: str) -> Validation:
    lines: Mapping[tuple[str, int], str] = {}
    if loaded.problems:
        from mitrarr_runner.engine.excerpts import excerpts

        lines = excerpts(loaded)
    return Validation(
        loaded.shown,
        name,
        loaded.manifest,
        loaded.problems,
        tuple(shown for _, shown in loaded.files),
        loaded.root,
        loaded,
        lines,
    )
