"""What is wrong with the store, and what does a person do about it? SQLite's errors as StateErrors.

A store that is damaged, or gone although it was here, is set aside by being refused: every verb
ends with exit code 4, nothing is written to it and no empty one takes its place, until a person
puts a copy back (`mitrarr state restore`, which keeps the old files). What is a bug of ours (a
constraint, a wrong statement) is not translated.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from mitrarr_runner.errors import StateError
from mitrarr_runner.text import Text, text

_ROOM = 65536
"""Bytes free below which SQLite cannot even begin and says "disk I/O error": its shared memory file
alone takes 32 kB."""


def translated(error: sqlite3.Error, path: Path) -> StateError | None:
    """The trouble as something to act on; None for what is a bug."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL or (code in _IO and is_full(path.parent)):
        return full(path)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return _busy(path)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return damaged(path, str(error))
    if code == sqlite3.SQLITE_ERROR and str(error).startswith("no such table"):
        return damaged(path, str(error))
    if code == sqlite3.SQLITE_READONLY:
        return _readonly(path)
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return _unopened(path, str(error))
    if code == sqlite3.SQLITE_IOERR:
        return _unanswered(path, str(error))
    return None


_IO = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)


def full(path: Path) -> StateError:
    return StateError(
        text("the disk of the store is full: {path}", path=str(path)),
        code="store_full",
        hint=text("free some space; nothing is half-written, and the next apply does what is left"),
    )


def damaged(path: Path, reason: str) -> StateError:
    return StateError(
        text("the store is damaged: {path} ({reason})", path=str(path), reason=reason),
        code="store_damaged",
        hint=_way_back(),
    )


def gone(path: Path) -> StateError:
    return StateError(
        text("the store is gone: {path} was here before and is missing or empty", path=str(path)),
        code="store_gone",
        hint=text(
            "is its disk mounted? put a copy back: mitrarr state restore FILE"
            " (to begin anew on purpose, remove {made} too)",
            made=f"{path.name}.made",
        ),
    )


def foreign(path: Path) -> StateError:
    return StateError(
        text("{path} is a database, but not of this program", path=str(path)),
        code="store_foreign",
        hint=text("look at settings.store; nothing was changed"),
    )


def newer(found: int, known: int) -> StateError:
    return StateError(
        text(
            "the store is newer than this program (schema {found}, this program knows {known})",
            found=found,
            known=known,
        ),
        code="store_newer",
        hint=text(
            "install the newer mitrarr again, or put back a copy made before the update:"
            " mitrarr state restore FILE; nothing was changed"
        ),
    )


def folder(path: Path) -> StateError:
    return StateError(
        text("{path} is a folder, not a store", path=str(path)),
        code="store_unopened",
        hint=text("look at settings.store; nothing was changed"),
    )


def _busy(path: Path) -> StateError:
    return StateError(
        text("the store is busy: another process holds it for too long ({path})", path=str(path)),
        code="store_busy",
        hint=text("see who has it open (fuser -v {path}), and try again", path=str(path)),
    )


def _readonly(path: Path) -> StateError:
    return StateError(
        text("the store cannot be written: {path}", path=str(path)),
        code="store_readonly",
        hint=text("look at its owner and rights, and whether its disk is mounted read-only"),
    )


def _unopened(path: Path, reason: str) -> StateError:
    return StateError(
        text("the store cannot be opened: {path} ({reason})", path=str(path), reason=reason),
        code="store_unopened",
        hint=text("look at its owner and rights, and whether its disk is mounted read-only"),
    )


def _unanswered(path: Path, reason: str) -> StateError:
    return StateError(
        text("the disk of the store fails: {path} ({reason})", path=str(path), reason=reason),
        code="store_io",
        hint=text("look at the disk first (dmesg); then: mitrarr state check"),
    )


def _way_back() -> Text:
    return text(
        "it stays as it is and nothing is written to it; see what is wrong: mitrarr state check;"
        " put a copy back: mitrarr state restore FILE"
    )


def is_full(folder: Path) -> bool:
    """Whether the disk of `folder` has no room for a store to work in, or for no name more; False
    where it cannot be asked. btrfs counts no names: 0 of 0."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    nameless = found.f_files > 0 and found.f_favail == 0
    return nameless or found.f_bavail * found.f_frsize < _ROOM
