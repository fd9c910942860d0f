"""How is the state of a site kept elsewhere? As one tar file that `state_restore.py` can put back.

In it: every store below state/ (copied through SQLite's online backup, never by reading the open
file), the site key, without which everybody would be sent twice, and the last good manifests. Not
in it: originals and quarantine, which are ordinary files that never change (copy those folders
after the state, so that every row finds its file), logs, locks, caches.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import shutil
import socket
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from mitrarr_runner import atomic, footing
from mitrarr_runner.clock import iso
from mitrarr_runner.delivery import site_key
from mitrarr_runner.engine.state_check import first_words
from mitrarr_runner.errors import StateError, UsageError
from mitrarr_runner.site import Site
from mitrarr_runner.store import soundness
from mitrarr_runner.store.database import open_readonly
from mitrarr_runner.store.schema import version_of
from mitrarr_runner.text import Text, text

FORMAT = 1
LIST = "manifest.json"
"""The first file of a copy: what is in it, with sizes and hashes."""

_LEFTOVER = 3600


@dataclass(frozen=True, slots=True)
class Copied:
    """One file of a copy. path: below the site's root; schema: of a store, else None."""

    path: str
    bytes: int
    sha256: str
    schema: int | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """What a copy says of itself."""

    made: str
    host: str
    program: str
    files: tuple[Copied, ...]


def backup(site: Site, stores: Iterable[Path], target: Path, now: datetime) -> Copy:
    """Copy the state into `target`: the whole file appears, or none (an older one stays).

    Safe while applies run. Raises StateError where a store is damaged or cannot be read, or the
    disk of the target is full, and UsageError for a target that cannot be.
    """
    footing.check(site.state)
    stores = tuple(stores)
    _refuse_target(site, target, stores)
    _sweep(target, now)
    with no_room(target.parent), _folder_beside(target) as work:
        files = [_store_copied(path, site, work) for path in stores]
        if not files:
            raise _empty(text("there is no state in {folder}", folder=str(site.state)))
        files += [_copied(path, site, work) for path in _small_files(site)]
        copy = Copy(iso(now), socket.gethostname(), version("mitrarr"), tuple(files))
        _write_tar(work / "copy.tar", work, copy, now)
        (work / "copy.tar").replace(target)
        atomic.sync_folder(target.parent)
    return copy


def _refuse_target(site: Site, target: Path, stores: tuple[Path, ...]) -> None:
    parent = target.parent.resolve()
    if target.is_dir() or not parent.is_dir():
        raise UsageError(
            text("{path} is not a place for a file", path=str(target)),
            code="backup_place",
            hint=text("name a file in a folder that exists, on another disk if you can"),
        )
    if parent.is_relative_to(site.state.resolve()):
        raise UsageError(
            text("{path} lies in the state itself", path=str(target)),
            code="backup_place",
            hint=text("name a file elsewhere: what a copy is for is the loss of this folder"),
        )
    for path in stores:
        if path.parent.resolve() != site.state.resolve():
            raise UsageError(
                text("the store {path} does not lie in state/", path=str(path)),
                code="backup_place",
                hint=text("name one in state/ in settings.store, or copy it by other means"),
            )


@contextmanager
def no_room(folder: Path) -> Iterator[None]:
    """A full disk, told as one of the copy."""
    try:
        yield
    except (StateError, OSError) as error:
        full = error.code == "store_full" if isinstance(error, StateError) else _full(error)
        if not full:
            raise
        raise StateError(
            text("there is no room for the copy in {folder}", folder=str(folder)),
            code="backup_no_room",
            hint=text("make room, or name another disk; nothing was changed"),
        ) from error


def _full(error: OSError) -> bool:
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def _folder_beside(target: Path) -> Iterator[Path]:
    """A folder (0700) on the target's own disk, removed at the end."""
    made = tempfile.mkdtemp(prefix=_prefix(target), dir=target.parent)
    try:
        yield Path(made)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _prefix(target: Path) -> str:
    return f".{target.name}.part-"


def _sweep(target: Path, now: datetime) -> None:
    """Remove what a backup that was killed left beside its target: it holds ids of people."""
    for left in target.parent.glob(f"{_prefix(target)}*"):
        with contextlib.suppress(OSError):
            if now.timestamp() - left.stat().st_mtime > _LEFTOVER:
                shutil.rmtree(left)


def _store_copied(path: Path, site: Site, work: Path) -> Copied:
    """Copy one store as of one instant, and look whether the copy is whole."""
    target = work / path.name
    db = open_readonly(path)
    if db is None:
        raise _empty(text("there is nothing in {path} yet", path=str(path)))
    with db:
        db.copy_to(target)
    return _measured(target, f"state/{path.name}", sound_schema(target, path))


def sound_schema(target: Path, shown: Path) -> int:
    """The schema of a store that nobody has open. Raises StateError where it is not whole, which
    names `shown`: the file that a person knows, not the copy that is looked at.
    """
    found: tuple[str, ...] = ("empty",)
    schema = 0
    try:
        db = open_readonly(target)
        if db is not None:
            with db:
                found, schema = soundness.integrity(db), version_of(db)
    except StateError as error:
        if error.code != "store_damaged":
            raise
        raise _damaged(shown, str(error.message.values["reason"])) from error
    for beside in ("-wal", "-shm"):
        target.with_name(target.name + beside).unlink(missing_ok=True)
    if found:
        raise _damaged(shown, first_words(found))
    return schema


def _damaged(path: Path, reason: str) -> StateError:
    return StateError(
        text("the store is damaged: {path} ({reason})", path=str(path), reason=reason),
        code="store_damaged",
        hint=text("no copy was made of it; see what is wrong: mitrarr state check"),
    )


def _small_files(site: Site) -> Iterator[Path]:
    """The key after the stores: a store that knows a key is never kept without it."""
    key = site_key.path_of(site)
    if key.exists():
        yield key
    yield from sorted(site.compiled.glob("*.last_good.json"))


def _copied(path: Path, site: Site, work: Path) -> Copied:
    target = work / path.name
    target.write_bytes(path.read_bytes())
    return _measured(target, path.relative_to(site.root).as_posix())


def _measured(path: Path, name: str, schema: int | None = None) -> Copied:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Copied(name, path.stat().st_size, digest, schema)


def _write_tar(path: Path, work: Path, copy: Copy, now: datetime) -> None:
    listed = json.dumps(as_json(copy), indent=1).encode()
    with path.open("xb") as raw:
        os.fchmod(raw.fileno(), 0o600)
        with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
            tar.addfile(_entry(LIST, len(listed), now), io.BytesIO(listed))
            for file in copy.files:
                with (work / Path(file.path).name).open("rb") as stream:
                    tar.addfile(_entry(file.path, file.bytes, now), stream)
        raw.flush()
        os.fsync(raw.fileno())


def _entry(name: str, size: int, now: datetime) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o600, int(now.timestamp())
    return entry


def as_json(copy: Copy) -> dict[str, object]:
    """The list inside a copy; also what `state backup --format json` answers."""
    files = [
        {"path": f.path, "bytes": f.bytes, "sha256": f.sha256, "schema": f.schema}
        for f in copy.files
    ]
    return {
        "version": FORMAT,
        "made": copy.made,
        "host": copy.host,
        "program": copy.program,
        "files": files,
    }


def _empty(message: Text) -> UsageError:
    hint = text("nothing was ever applied here; name the manifest of a site with --config")
    return UsageError(message, code="state_empty", hint=hint)
