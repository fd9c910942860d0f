"""How do the bytes of a file come to lie in the store for good? Content-addressed originals.

Order of durability (NIST.md section 5): hash while copying to a temporary file -> fsync -> rename
to store/ab/<sha256>.nst or quarantine/<sha256>.nst -> fsync of the folders; only then may a row
name them. Measured: without the fsyncs 478 of 478 registered files were corrupt after a power cut.
A group of files is synced in several threads, which the journal of the file system joins into few
writes.

Every temporary file is locked by the process that writes it, so that the next intake can tell the
leftovers of a killed one from work in progress. Nothing here knows what the bytes mean.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import mmap
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from mitrarr_runner import atomic
from mitrarr_runner.errors import FailedError
from mitrarr_runner.site import Site
from mitrarr_runner.store.registry import Place
from mitrarr_runner.text import text

RESERVE = 200_000_000
"""Bytes of the store's disk that intake leaves free: state, logs and alerts need them more."""

_CHUNK = 1 << 20
_THREADS = 8

FreeBytes = Callable[[Path], int]
Read = Callable[[int], bytes]
"""Gives at most so many bytes; none at the end."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A copy on its way to its place, until `close`. descriptor holds the temporary's lock."""

    temporary: Path
    descriptor: int
    sha256: str
    size: int

    @property
    def data(self) -> memoryview:
        """Its bytes, mapped: a file of 50 MB costs no 50 MB of memory."""
        if self.size == 0:
            return memoryview(b"")
        return memoryview(mmap.mmap(self.descriptor, self.size, access=mmap.ACCESS_READ))

    def close(self) -> None:
        """Give up what was not put in place."""
        self.temporary.unlink(missing_ok=True)
        os.close(self.descriptor)


def path_of(site: Site, sha256: str, place: Place) -> Path:
    if place is Place.QUARANTINE:
        return site.quarantine / f"{sha256}.nst"
    return site.originals / sha256[:2] / f"{sha256}.nst"


def free_bytes(folder: Path) -> int:
    """What an ordinary user may still write to the disk of `folder`."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def check_reserve(site: Site, size: int, free: FreeBytes = free_bytes) -> None:
    """Raise FailedError (disk_reserve) where `size` bytes more would eat into the reserve."""
    with store_errors():
        left = free(site.originals)
    if left < RESERVE + size:
        raise disk_reserve(left)


@contextmanager
def store_errors() -> Iterator[None]:
    """An OSError of the store as an error that a person can act on."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_reserve(0) from None
        raise FailedError(
            text(
                "the store of originals cannot be written ({reason})",
                reason=os.strerror(error.errno or 0),
            ),
            code="store_unwritable",
            hint=text("look at the folders `store` and `quarantine`: owner, rights, disk"),
        ) from None


def disk_reserve(left: int) -> FailedError:
    return FailedError(
        text(
            "intake stopped: {left} MB free on the disk of the store, {reserve} MB are kept free",
            left=left // 1_000_000,
            reserve=RESERVE // 1_000_000,
        ),
        code="disk_reserve",
        hint=text("free some space; what is in the spool waits there and nothing is lost"),
    )


def copy(site: Site, read: Read) -> Draft:
    """Copy what `read(count)` gives until it gives nothing, hashing on the way.

    Errors of `read` pass through as they are; those of the store become FailedError.
    """
    with store_errors():
        temporary, descriptor = _temporary(site)
    try:
        digest, size = hashlib.sha256(), 0
        while chunk := read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            with store_errors():
                atomic.write_all(descriptor, chunk)
        return Draft(temporary, descriptor, digest.hexdigest(), size)
    except BaseException:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)
        raise


def _temporary(site: Site) -> tuple[Path, int]:
    folder = site.originals / ".incoming"
    folder.mkdir(mode=0o700, exist_ok=True)
    while True:
        descriptor, name = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=folder)
        if _locked(descriptor):
            return Path(name), descriptor
        os.close(descriptor)  # swept away between the two calls: make another


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sweep(site: Site) -> int:
    """Remove the temporaries of processes that are gone; answers how many."""
    removed = 0
    with store_errors():
        for leftover in (site.originals / ".incoming").glob(".*.tmp"):
            with suppress(FileNotFoundError):
                removed += _sweep_one(leftover)
    return removed


def _sweep_one(leftover: Path) -> int:
    descriptor = os.open(leftover, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        if not _locked(descriptor):
            return 0
        leftover.unlink()
        return 1
    finally:
        os.close(descriptor)


def sync(drafts: Iterable[Draft]) -> None:
    """fsync the files of a group, several at a time."""
    with store_errors(), ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(os.fsync, [draft.descriptor for draft in drafts]))


def place(site: Site, placed: Iterable[tuple[Draft, Place]]) -> None:
    """Rename synced drafts to where they belong and make the names durable.

    The same bytes twice are the same name twice: the second rename changes nothing.
    """
    folders = set()
    with store_errors():
        for draft, where in placed:
            target = path_of(site, draft.sha256, where)
            if _made(target.parent):
                folders.add(target.parent.parent)
            _rename(draft.temporary, target)
            folders.add(target.parent)
        if folders:
            with ThreadPoolExecutor(_THREADS) as pool:
                list(pool.map(atomic.sync_folder, folders))


def _made(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return False
    return True


def _rename(temporary: Path, target: Path) -> None:
    try:
        temporary.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        atomic.write_file(target, temporary.read_bytes())  # store and quarantine on two disks
        temporary.unlink()


def holds(site: Site, sha256: str, size: int, where: Place) -> bool:
    """Whether the bytes lie at `where`, as far as a look at name and size can tell."""
    try:
        return path_of(site, sha256, where).stat().st_size == size
    except FileNotFoundError:
        return False


def quarantined(site: Site) -> set[str]:
    """The hashes of all files in quarantine."""
    with store_errors():
        return {path.stem for path in site.quarantine.glob("[0-9a-f]*.nst")}


def remove(site: Site, sha256: str, where: Place) -> None:
    """Take one copy away, after another one was made durable."""
    with store_errors():
        path_of(site, sha256, where).unlink(missing_ok=True)


@contextmanager
def opened(site: Site, sha256: str, where: Place) -> Iterator[BinaryIO]:
    """An original for reading; FailedError (original_missing) where it is not there."""
    path = path_of(site, sha256, where)
    try:
        stream = path.open("rb", buffering=0)
    except OSError as error:
        raise FailedError(
            text(
                "an original of the store cannot be read: {hash} ({reason})",
                hash=sha256[:12],
                reason=os.strerror(error.errno or 0),
            ),
            code="original_missing",
            hint=text("restore it from a copy of the store, or ask the sender for the file again"),
        ) from None
    with stream:
        yield cast(BinaryIO, stream)


def read(site: Site, sha256: str, where: Place) -> bytes:
    """The whole original, its hash checked; FailedError (original_damaged) where it differs."""
    with opened(site, sha256, where) as stream:
        data = stream.read()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise damaged(sha256)
    return data


def damaged(sha256: str) -> FailedError:
    return FailedError(
        text("an original of the store is damaged: {hash}", hash=sha256[:12]),
        code="original_damaged",
        hint=text("look at the disk; restore it from a copy, or ask the sender for the file again"),
    )
