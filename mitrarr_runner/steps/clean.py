"""Remove what was left behind: old files of declared temporary folders, and our own temporaries.

Deletes regular files and emptied folders by their modification time, never follows a symbolic
link, never leaves the folder's own disk, and refuses folders that are a root of something.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mitrarr_runner.clock import epoch
from mitrarr_runner.errors import FailedError
from mitrarr_runner.site import Site
from mitrarr_runner.steps.contract import Context, StepOutcome, StepResult, View
from mitrarr_runner.text import Text, plural, text

KIND = "clean"
IDEMPOTENT = True

_OWN_AGE = 86400
_OWN_SUFFIX = ".tmp"


@dataclass(frozen=True, slots=True)
class Folder:
    """older_than: seconds since the file was last written to."""

    path: Path
    older_than: int


@dataclass(frozen=True, slots=True)
class Options:
    folders: tuple[Folder, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What may go: files with their sizes."""

    files: tuple[tuple[Path, int], ...]

    @property
    def size(self) -> int:
        return sum(size for _, size in self.files)


def parse(options: Mapping[str, object]) -> Options:
    folders = options.get("folders", ())
    assert isinstance(folders, (list, tuple))  # noqa: S101 - the schema has seen to it
    return Options(tuple(Folder(Path(str(f["path"])), int(f["older_than"])) for f in folders))


def describe(options: Options, view: View) -> Text:
    found = look(options, view.site, view.now)
    files = len(found.files)
    told = plural("{count} old file, {size}", "{count} old files, {size}", files, size=_size(found))
    return _told(found, told)


def run(options: Options, context: Context) -> StepResult:
    found = remove(options, context.site, context.clock.now())
    files = len(found.files)
    told = plural(
        "{count} old file removed, {size}",
        "{count} old files removed, {size}",
        files,
        size=_size(found),
    )
    counts = {"removed": files, "bytes": found.size}
    return StepResult(StepOutcome.OK, "ok", _told(found, told), counts)


def _told(found: Found, message: Text) -> Text:
    return message if found.files else text("nothing to remove")


def _size(found: Found) -> str:
    return f"{found.size / 1_000_000:.1f} MB"


def look(options: Options, site: Site, now: datetime) -> Found:
    """What `remove` would remove now. Raises FailedError for a folder that must not be cleaned."""
    files: list[tuple[Path, int]] = []
    for folder in options.folders:
        _refuse_roots(folder.path, site)
        before = epoch(now) - folder.older_than
        files += [
            (path, found.st_size) for path, found in _walk(folder.path) if found.st_mtime < before
        ]
    before = epoch(now) - _OWN_AGE
    for own in (site.state, site.originals, site.quarantine):
        files += [
            (path, found.st_size)
            for path, found in _walk(own)
            if path.name.startswith(".") and path.suffix == _OWN_SUFFIX and found.st_mtime < before
        ]
    return Found(tuple(files))


def remove(options: Options, site: Site, now: datetime) -> Found:
    """Remove it; a file that somebody else removed meanwhile is what was wanted."""
    found = look(options, site, now)
    gone = []
    for path, size in found.files:
        try:
            path.unlink(missing_ok=True)
        except PermissionError:
            continue
        gone.append((path, size))
    for folder in options.folders:
        _remove_empty_folders(folder, now)
    return Found(tuple(gone))


def _refuse_roots(path: Path, site: Site) -> None:
    resolved = path.resolve()
    forbidden = {site.root.resolve(), *site.root.resolve().parents, Path.home()}
    own = (site.state, site.originals, site.quarantine, site.logs)
    inside_own = any(resolved.is_relative_to(folder.resolve()) for folder in own)
    if (
        resolved in forbidden
        or resolved.parent == resolved
        or inside_own
        or len(resolved.parts) < 3
    ):
        raise FailedError(
            text("{path} is not a folder to clean", path=str(path)),
            code="clean_refused",
            hint=text("name a temporary folder of its own"),
        )


def _walk(top: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Regular files below `top` on the same disk."""
    try:
        disk = top.stat().st_dev
    except OSError:
        return
    todo = [top]
    while todo:
        try:
            entries = list(os.scandir(todo.pop()))
        except OSError:
            continue
        for entry in entries:
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if stat.S_ISDIR(found.st_mode) and found.st_dev == disk:
                todo.append(Path(entry.path))
            elif stat.S_ISREG(found.st_mode):
                yield Path(entry.path), found


def _remove_empty_folders(folder: Folder, now: datetime) -> None:
    before = epoch(now) - folder.older_than
    for path, _, _ in os.walk(folder.path, topdown=False, followlinks=False):
        if Path(path) == folder.path:
            continue
        try:
            if Path(path).lstat().st_mtime < before:
                Path(path).rmdir()  # refuses where anything is left
        except OSError:
            continue
