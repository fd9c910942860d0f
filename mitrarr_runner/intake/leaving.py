"""What becomes of a spool file whose registration is durable? Kept, archived or deleted.

`archive` moves it, under the sender's own name and never over another file, to
`.archive/<YYYY-MM-DD>/` inside the spool: the same disk, so the move is one rename, and a dot
folder, so that no look counts it. The day is the day of the move in UTC.

A file that changed since it was read is left alone: it is a new file, for the next look.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import count
from pathlib import PurePath

from mitrarr_runner.clock import iso
from mitrarr_runner.intake.spool import SpoolFile
from mitrarr_runner.manifest.model import After

ARCHIVE = ".archive"

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def leave(spool: int, file: SpoolFile, after: After, now: datetime) -> bool:
    """Do it; False where the folder does not let us (the next run tries again)."""
    if after is After.KEEP:
        return True
    try:
        if not file.same_as(os.stat(file.name, dir_fd=spool, follow_symlinks=False)):
            return True
        if after is After.DELETE:
            os.unlink(file.name, dir_fd=spool)
        else:
            _archive(spool, file.name, iso(now)[:10])
    except FileNotFoundError:
        return True  # the sender took it away
    except OSError:
        return False
    return True


def _archive(spool: int, name: str, day: str) -> None:
    with _folder(spool, ARCHIVE) as archive, _folder(archive, day) as target:
        free = _claim(target, name)
        os.rename(name, free, src_dir_fd=spool, dst_dir_fd=target)


def _claim(folder: int, name: str) -> str:
    """Make an empty file of a name nobody has, for the rename to replace."""
    wanted = PurePath(name)
    for number in count():
        free = name if number == 0 else f"{wanted.stem}.{number}{wanted.suffix}"
        with suppress(FileExistsError):
            os.close(os.open(free, _NEW, 0o600, dir_fd=folder))
            return free
    raise AssertionError("unreachable")


@contextmanager
def _folder(parent: int, name: str) -> Iterator[int]:
    """A folder below `parent`, made where it is missing; never through a link of the sender's."""
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent)
    descriptor = os.open(name, _FOLDER, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
