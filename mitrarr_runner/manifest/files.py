"""Which files is a manifest made of, and are they still the same? Nothing here reads their text.

The rule for a folder: files whose names end in .yaml, .yml or .json are read, in the order of their
names. Hidden files, editors' backups (name~, #name#, .bak, .orig, .rej, .swp, .tmp) and *.md are
left alone; anything else is left alone with a warning, so that `20-jobs.yaml.txt` is noticed.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from mitrarr_runner.manifest.problem import Level, Problem
from mitrarr_runner.text import Text, text

SUFFIXES = (".yaml", ".yml", ".json")
MOST_FILES = 1_000

_SILENT = ("~", "#", ".bak", ".orig", ".rej", ".swp", ".tmp", ".md")


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells one version of a file (or of a folder's list of names) from the next."""

    path: str
    size: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class Found:
    """files: path and the name people know it by, in reading order. stamps: the folder's first.

    is_folder says how `settings.root` is to be understood.
    """

    files: tuple[tuple[Path, str], ...] = ()
    stamps: tuple[Stamp, ...] = ()
    problems: tuple[Problem, ...] = ()
    is_folder: bool = False


def find(path: Path, shown: str) -> Found:
    """The files behind `path`; shown is the same path as it was typed. Raises nothing."""
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            return _folder(path, shown, found)
        if not stat.S_ISREG(found.st_mode):
            return _broken("not_a_file", shown, text("neither a file nor a folder"))
    except (OSError, ValueError) as error:
        return Found(problems=(unreadable(path, shown, error),))
    if path.suffix.lower() not in SUFFIXES:
        hint = text("Manifests end in .yaml, .yml or .json.")
        return _broken("unknown_type", shown, text("not the name of a manifest"), hint)
    return Found(((path, shown),), (_stamp(path, found),))


def _folder(path: Path, shown: str, folder: os.stat_result) -> Found:
    files, stamps, problems = [], [_stamp(path, folder)], []
    for name in sorted(entry.name for entry in path.iterdir()):
        inner, inner_shown = path / name, f"{shown.rstrip('/')}/{name}"
        if name.startswith(".") or name.endswith(_SILENT):
            continue
        if not name.lower().endswith(SUFFIXES):
            problems.append(_left_alone(inner_shown))
            continue
        try:
            found = inner.stat()
        except OSError as error:
            problems.append(unreadable(inner, inner_shown, error))
            continue
        if stat.S_ISREG(found.st_mode):
            files.append((inner, inner_shown))
            stamps.append(_stamp(inner, found))
        else:
            problems.append(_problem("not_a_file", inner_shown, text("not a file")))
    if len(files) > MOST_FILES:
        message = text("more than {count} manifest files in one folder", count=MOST_FILES)
        return _broken("too_many_files", shown, message)
    if not files and not any(problem.level is Level.ERROR for problem in problems):
        hint = text("Files that end in .yaml, .yml or .json are read.")
        problems.append(_problem("empty_folder", shown, text("no manifest in this folder"), hint))
    return Found(tuple(files), tuple(stamps), tuple(problems), is_folder=True)


def read_bytes(path: Path, limit: int) -> bytes:
    """At most limit + 1 bytes of a regular file; raises OSError."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    with open(os.open(path, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        return file.read(limit + 1)


def unchanged(stamps: tuple[Stamp, ...]) -> bool:
    """Whether every file and folder is still the version that was stamped."""
    try:
        return bool(stamps) and all(
            _stamp(Path(stamp.path), Path(stamp.path).stat()) == stamp for stamp in stamps
        )
    except OSError:
        return False


def _stamp(path: Path, found: os.stat_result) -> Stamp:
    return Stamp(str(path), found.st_size, found.st_mtime_ns, found.st_ino)


def unreadable(path: Path, shown: str, error: Exception) -> Problem:
    """One clear problem for a file or folder that cannot be looked at or read."""
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.ENOENT, errno.ENOTDIR):
        if path.is_symlink():
            return _problem("broken_link", shown, text("a link that leads nowhere"))
        hint = text("Give the path of a manifest, or set MITRARR_CONFIG.")
        return _problem("missing", shown, text("no such file or folder"), hint)
    if number in (errno.EACCES, errno.EPERM):
        hint = text("It must be readable by the user who runs mitrarr: ls -l shows whose it is.")
        return _problem("unreadable", shown, text("no permission to read it"), hint)
    if number == errno.ELOOP:
        return _problem("broken_link", shown, text("a link that leads to itself"))
    reason = os.strerror(number) if number else text("not a usable path")
    return _problem("unreadable", shown, text("cannot be read: {reason}", reason=reason))


def _left_alone(shown: str) -> Problem:
    return Problem(
        "ignored_file",
        Level.WARNING,
        shown,
        None,
        None,
        "",
        text("not read: manifests end in .yaml, .yml or .json, and folders inside are left alone"),
        text("Rename it, or move it elsewhere."),
    )


def _problem(code: str, shown: str, message: Text, hint: Text | None = None) -> Problem:
    return Problem(code, Level.ERROR, shown, None, None, "", message, hint)


def _broken(code: str, shown: str, message: Text, hint: Text | None = None) -> Found:
    return Found(problems=(_problem(code, shown, message, hint),))
