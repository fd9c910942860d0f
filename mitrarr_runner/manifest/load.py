"""From a path to a Manifest, or to everything that is wrong with it.

Reads, merges, checks and builds. Touches neither the state nor the host beyond the manifest's own
files. What only floors above can judge (cron lines, options of steps) is judged by `extra_checks`,
which `engine/validate` hands in. Files that change while they are read are read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from mitrarr_runner.manifest import build, check, files, garbage
from mitrarr_runner.manifest.document import Document
from mitrarr_runner.manifest.files import Found
from mitrarr_runner.manifest.loaded import Loaded, absolute
from mitrarr_runner.manifest.merge import Merged, merge
from mitrarr_runner.manifest.model import Manifest
from mitrarr_runner.manifest.problem import Level, Problem
from mitrarr_runner.manifest.read import BYTES, read
from mitrarr_runner.site import find_root
from mitrarr_runner.text import text

ExtraCheck: TypeAlias = Callable[[Merged, Manifest | None], Iterable[Problem]]
"""The data may have any shape (see `reach`); the manifest is there where no error was found yet."""

_TRIES = 5


def load(
    shown: str | None,
    *,
    environment: Mapping[str, str],
    cwd: Path,
    extra_checks: Sequence[ExtraCheck] = (),
) -> Loaded:
    """Load the manifest at `shown` (None: the built-in defaults). Problems are values: raises
    nothing for a bad manifest."""
    if shown is None:
        root = find_root(None, None, environment, cwd)
        return Loaded("", build.default_manifest(root.root), root)
    path = absolute(shown, cwd)
    with garbage.left_alone():
        found, documents = _read(path, shown)
        return _checked(path, shown, found, documents, environment, cwd, extra_checks)


def _read(path: Path, shown: str) -> tuple[Found, list[Document]]:
    """One version of all files: while they change, they are read again."""
    for _ in range(_TRIES):
        found = files.find(path, shown)
        documents = [_document(*file) for file in found.files]
        if not found.stamps or files.unchanged(found.stamps):
            return found, documents
    return Found(problems=(_changing(shown),)), []


def _document(path: Path, shown: str) -> Document:
    try:
        return read(shown, files.read_bytes(path, BYTES))
    except OSError as error:
        problem = files.unreadable(path, shown, error)
        return Document(shown, problems=(problem,), complete=False)


def _changing(shown: str) -> Problem:
    return Problem(
        "changing",
        Level.ERROR,
        shown,
        None,
        None,
        "",
        text("the files change while they are read"),
        text("Wait until the copy or the `git pull` has ended, and try again."),
    )


def _checked(
    path: Path,
    shown: str,
    found: Found,
    documents: Sequence[Document],
    environment: Mapping[str, str],
    cwd: Path,
    extra_checks: Sequence[ExtraCheck],
) -> Loaded:
    merged = merge(documents, shown)
    problems = list(found.problems)
    if documents:
        complete = merged.complete and not check.fatal(found.problems)
        problems += check.check(Merged(merged.data, merged.marks, merged.problems, complete))
    wanted_root = build.settings_root(merged.data, path, found.is_folder)
    root = find_root(wanted_root, path, environment, cwd)
    manifest = None
    if not check.fatal(problems):
        sources = tuple(file for file, _ in found.files)
        manifest = build.build(merged.data, path=path, root=root.root, files=sources)
    for extra in extra_checks:
        problems += extra(merged, manifest)
    good = not check.fatal(problems)
    return Loaded(
        shown,
        manifest if good else None,
        root,
        check.ordered(problems),
        found.files,
        found.stamps,
        merged.data if good else None,
    )
