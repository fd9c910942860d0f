"""Who may work now? Advisory locks on files that are never deleted.

The lock belongs to our own open descriptor (`filelock.lock_descriptor`), so that it can be handed
on purpose to the children of a command: a lock is free only when nobody of the job is left.
Measured: deleting a lock file makes two holders, and a FileLock object frees its lock at exit or
garbage collection while a child still works.
"""

from __future__ import annotations

import contextlib
import errno
import os
from dataclasses import dataclass
from pathlib import Path

from mitrarr_runner.errors import StateError
from mitrarr_runner.text import text


@dataclass(frozen=True, slots=True)
class Held:
    """A lock that is held as long as `descriptor`, or an inherited copy of it, stays open."""

    path: Path
    descriptor: int

    def release(self) -> None:
        """Close our copy; children that inherited one keep the lock until they end."""
        os.close(self.descriptor)

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def acquire(path: Path) -> Held | None:
    """Take the lock at once or answer None; the file is made (mode 0600) where it is missing.

    Raises StateError where it cannot be made for want of room.
    """
    from filelock import lock_descriptor

    descriptor = _opened(path)
    try:
        taken = lock_descriptor(descriptor, blocking=False)
    except BaseException:
        os.close(descriptor)
        raise
    if taken:
        return Held(path, descriptor)
    os.close(descriptor)
    return None


def _opened(path: Path) -> int:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StateError(
            text("the disk is full: {path}", path=str(path.parent)),
            code="disk_full",
            hint=text("free some space and try again; nothing is half-written"),
        ) from error


def inheritors(path: Path) -> list[int]:
    """Processes that hold the lock by a descriptor they inherited: what a command is and starts,
    whatever has become of the worker that took it. Other users' processes are not seen.

    The worker's own copy is one that exec closes, and who only tries a lock that is held has none
    (proc(5), fdinfo).
    """
    try:
        wanted = path.stat()
    except FileNotFoundError:
        return []
    return [
        int(process.name)
        for process in Path("/proc").iterdir()
        if process.name.isdigit() and _inherited(process, wanted)
    ]


def _inherited(process: Path, wanted: os.stat_result) -> bool:
    with contextlib.suppress(OSError):  # it has ended, or is another user's
        for descriptor in (process / "fd").iterdir():
            with contextlib.suppress(OSError):  # closed by now
                if os.path.samestat(descriptor.stat(), wanted):
                    told = (process / "fdinfo" / descriptor.name).read_text()
                    flags = int(told.partition("flags:")[2].split()[0], 8)
                    if "\nlock:" in told and not flags & os.O_CLOEXEC:
                        return True
    return False


def is_free(path: Path) -> bool:
    """Whether nobody held the lock at this instant (it may be taken the next)."""
    if not path.exists():
        return True
    held = acquire(path)
    if held is None:
        return False
    held.release()
    return True
