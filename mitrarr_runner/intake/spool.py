"""Which files of a spool are ready to be taken in? Looks at a folder and changes nothing in it.

The other side is often a Windows sender over SFTP: case of names means nothing, files grow while
we look, its clock is wrong. So a file is settled when it is the same at two looks and its ctime
(ours, not the sender's mtime) is older than `settle`; `settle: 0s` trusts it at once. A spool that
is missing, unmounted or unreadable is an error and never an empty spool.

File names may hold a CPF: they are in no repr, log, error or plan; the store knows files by inode.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum, auto

from mitrarr_runner.clock import epoch
from mitrarr_runner.errors import FailedError, UsageError
from mitrarr_runner.manifest.model import After, Source
from mitrarr_runner.store.sightings import Seen, SeenFile
from mitrarr_runner.text import Text, text

_TEMPORARY = (".part", ".tmp", ".filepart", ".crdownload")


@dataclass(frozen=True, slots=True)
class SpoolFile:
    """A file as the folder's listing had it. known: what the store noted of it, if it is the same.

    size in bytes; times in nanoseconds since 1970, mtime by the sender's clock, ctime by ours.
    quiet: seconds for which it has not changed.
    """

    name: str = field(repr=False)
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    known: SeenFile | None = None
    quiet: float = 0.0

    def same_as(self, found: os.stat_result) -> bool:
        """Whether an open file, or a name looked up again, is this file and unchanged."""
        return (self.inode, self.size, self.mtime_ns, self.ctime_ns) == (
            _signed(found.st_ino),
            found.st_size,
            found.st_mtime_ns,
            found.st_ctime_ns,
        )


@dataclass(frozen=True, slots=True)
class SpoolLook:
    """One look at one spool; every file that is not left alone is in exactly one of the groups.

    ready: would be read now, oldest first. arriving: not settled, or cut and perhaps still growing.
    unmatched: no pattern fits. refused: no plain file with one name (a link, a pipe). done:
    registered before and kept. leftover: registered before, still to be archived or deleted.
    oldest: age in seconds of the oldest that is ready or arriving; oldest_odd: of the unmatched and
    refused. notes: what the store should remember for the next look; gone: inodes to forget.
    """

    ready: tuple[SpoolFile, ...] = ()
    arriving: int = 0
    unmatched: int = 0
    refused: int = 0
    done: int = 0
    leftover: tuple[SpoolFile, ...] = ()
    oldest: int | None = None
    oldest_odd: int | None = None
    notes: tuple[SeenFile, ...] = ()
    gone: tuple[int, ...] = ()

    @property
    def ready_bytes(self) -> int:
        return sum(file.size for file in self.ready)


class _Kind(Enum):
    READY = auto()
    ARRIVING = auto()
    UNMATCHED = auto()
    REFUSED = auto()
    DONE = auto()
    LEFTOVER = auto()


def look(source: Source, seen: Mapping[int, SeenFile], now: datetime) -> SpoolLook:
    """Look without side effects; seen is what the store knows (`sightings.seen_files`).

    A file that is old enough but was never seen before counts as ready: a run takes the second
    look itself, a second later. Raises FailedError: spool_missing, spool_unmounted,
    spool_unreadable; UsageError (no_spool) where the source has no spool folder.
    """
    with folder(source) as descriptor:
        return look_in(descriptor, source, seen, now)


@contextmanager
def folder(source: Source) -> Iterator[int]:
    """The spool as an open descriptor, so that all that follows happens in this very folder."""
    if source.spool is None:
        message = text("source {source} has no spool folder", source=source.name)
        raise UsageError(message, code="no_spool", hint=text("give it a `spool:` in the manifest"))
    mount = source.requires.mount
    if mount is not None and not os.path.ismount(mount):
        message = text(
            "spool of {source}: nothing is mounted at {mount}", source=source.name, mount=str(mount)
        )
        hint = text("mount the disk; nothing was read and nothing is lost")
        raise FailedError(message, code="spool_unmounted", hint=hint)
    try:
        descriptor = os.open(source.spool, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise _missing(source) from None
    except OSError as error:
        raise unreadable(source, error) from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def look_in(
    descriptor: int, source: Source, seen: Mapping[int, SeenFile], now: datetime
) -> SpoolLook:
    """`look`, in a spool that is open already."""
    try:
        return _Looking(source, seen, now).over(descriptor)
    except OSError as error:
        raise unreadable(source, error) from None


def second_look(first: SpoolLook) -> bool:
    """Whether some files wait for nothing but a second look."""
    return any(file.known is None for file in first.ready)


class _Looking:
    """Sorts the entries of one listing."""

    def __init__(self, source: Source, seen: Mapping[int, SeenFile], now: datetime) -> None:
        self._source = source
        self._seen = seen
        self._now = now
        self._matches = re.compile(fnmatch.translate(source.pattern), re.IGNORECASE).match
        self._groups: dict[_Kind, list[SpoolFile]] = {kind: [] for kind in _Kind}
        self._notes: list[SeenFile] = []

    def over(self, descriptor: int) -> SpoolLook:
        present = set()
        with os.scandir(descriptor) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # gone since the listing: as if never here
                    found = entry.stat(follow_symlinks=False)
                    present.add(_signed(found.st_ino))
                    self._sort(entry.name, found)
        groups = self._groups
        return SpoolLook(
            ready=tuple(sorted(groups[_Kind.READY], key=self._order)),
            arriving=len(groups[_Kind.ARRIVING]),
            unmatched=len(groups[_Kind.UNMATCHED]),
            refused=len(groups[_Kind.REFUSED]),
            done=len(groups[_Kind.DONE]),
            leftover=tuple(groups[_Kind.LEFTOVER]),
            oldest=self._oldest(_Kind.READY, _Kind.ARRIVING),
            oldest_odd=self._oldest(_Kind.UNMATCHED, _Kind.REFUSED),
            notes=tuple(self._notes),
            gone=tuple(self._seen.keys() - present),
        )

    def _sort(self, name: str, found: os.stat_result) -> None:
        if stat.S_ISDIR(found.st_mode) or name.startswith((".", "~")) or name.endswith("~"):
            return
        file = SpoolFile(
            name, _signed(found.st_ino), found.st_size, found.st_mtime_ns, found.st_ctime_ns
        )
        before = self._before(file)
        known = before if before is not None and _unchanged(file, before) else None
        file = replace(file, known=known, quiet=self._quiet(file, known))
        kind = self._kind(file, found)
        self._groups[kind].append(file)
        if kind in (_Kind.READY, _Kind.ARRIVING) and known is None:
            self._notes.append(note(file, Seen.ARRIVING, self._now, before))

    def _before(self, file: SpoolFile) -> SeenFile | None:
        """What was known of this inode; a registered file that changed is a new file."""
        row = self._seen.get(file.inode)
        if row is not None and row.state is Seen.DONE and not _unchanged(file, row):
            return None
        return row

    def _kind(self, file: SpoolFile, found: os.stat_result) -> _Kind:
        if file.name.lower().endswith(_TEMPORARY):
            return _Kind.ARRIVING
        if not self._matches(file.name):
            return _Kind.UNMATCHED
        if not plain(found):
            return _Kind.REFUSED
        if file.known is not None and file.known.state is Seen.DONE:
            return _Kind.DONE if self._source.after is After.KEEP else _Kind.LEFTOVER
        wait = self._source.settle
        if file.known is not None and file.known.state is Seen.TRUNCATED:
            wait = max(wait, self._source.settle_max)
        return _Kind.READY if file.quiet >= wait else _Kind.ARRIVING

    def _quiet(self, file: SpoolFile, known: SeenFile | None) -> float:
        """By its ctime, or by our own looks: a clock that was set back leaves ctimes in the future
        and must not mute a file for a year.
        """
        by_ctime = self._now.timestamp() - file.ctime_ns / 1e9
        by_looks = epoch(self._now) - known.at if known else 0
        return max(by_ctime, by_looks)

    def _order(self, file: SpoolFile) -> tuple[bool, int, str]:
        """Oldest first; what is over the cap last, so that a giant cannot keep others waiting."""
        return (file.size > self._source.max_bytes, file.ctime_ns, file.name)

    def _oldest(self, *kinds: _Kind) -> int | None:
        ages = [self._age(file) for kind in kinds for file in self._groups[kind]]
        return max(ages, default=None)

    def _age(self, file: SpoolFile) -> int:
        before, since = self._before(file), file.ctime_ns // 1_000_000_000
        return max(0, epoch(self._now) - min(since, before.first_seen if before else since))


def note(file: SpoolFile, state: Seen, now: datetime, before: SeenFile | None = None) -> SeenFile:
    """What the store should remember of a file that is in `state` now."""
    before = file.known or before
    return SeenFile(
        inode=file.inode,
        size=file.size,
        mtime_ns=file.mtime_ns,
        ctime_ns=file.ctime_ns,
        state=state,
        first_seen=before.first_seen if before else epoch(now),
        at=file.known.at if file.known else epoch(now),
    )


def plain(found: os.stat_result) -> bool:
    """A regular file with one name: what a link or a pipe leads to is not the sender's to give."""
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1


def unreadable(source: Source, error: OSError) -> FailedError:
    """The error for a spool that cannot be read; never with a file's name in it."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE):
        return _missing(source)
    return FailedError(
        text(
            "spool of {source}: {folder} cannot be read ({reason})",
            source=source.name,
            folder=str(source.spool),
            reason=os.strerror(error.errno or 0),
        ),
        code="spool_unreadable",
        hint=text("give the user that runs mitrarr the right to read, write and enter the folder"),
    )


def _missing(source: Source) -> FailedError:
    message: Text = text(
        "spool of {source}: there is no folder {folder}",
        source=source.name,
        folder=str(source.spool),
    )
    hint = text("make the folder, or mount its disk, or correct `spool:` in the manifest")
    return FailedError(message, code="spool_missing", hint=hint)


def _unchanged(file: SpoolFile, known: SeenFile) -> bool:
    return (file.size, file.mtime_ns, file.ctime_ns) == (
        known.size,
        known.mtime_ns,
        known.ctime_ns,
    )


def _signed(inode: int) -> int:
    """Inodes are unsigned 64-bit numbers, integers of the store signed ones."""
    return inode - (1 << 64) if inode >= 1 << 63 else inode
