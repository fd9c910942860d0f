"""How is a copy of the state put back? Checked first, then exchanged with what is there, at once.

Never deletes: the state that was is kept beside the new one as `state.before-<stamp>`. Killed at
any point, the old state or the new one is in place and the old one is somewhere; what was half
unpacked carries a mark, and only what carries it is ever removed.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import re
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from mitrarr_runner import atomic, footing, locks
from mitrarr_runner.clock import iso
from mitrarr_runner.delivery import site_key
from mitrarr_runner.engine.state_files import FORMAT, LIST, Copied, Copy, no_room, sound_schema
from mitrarr_runner.errors import StateError, UsageError
from mitrarr_runner.locks import Held
from mitrarr_runner.site import Site
from mitrarr_runner.store.database import SCHEMA_VERSION, open_readonly
from mitrarr_runner.text import Text, text

_LIST_LIMIT = 1_000_000
_NAMES = re.compile(
    r"state/[A-Za-z0-9_-][A-Za-z0-9_.-]*\.db|state/site\.key"
    r"|state/compiled/[a-z0-9_-]+\.last_good\.json"
)
_PLACES = 64
"""The most workers a host may be allowed (the schema's maximum of max_parallel_jobs)."""

_MARK = ".unpacked"
_CHUNK = 1 << 20
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@dataclass(frozen=True, slots=True)
class Restored:
    """aside: where the state that was is kept; None where there was none."""

    copy: Copy
    aside: Path | None


def restore(site: Site, file: Path, now: datetime) -> Restored:
    """Put a copy in the place of the present state, in one step, and keep what was.

    Raises StateError, and changes nothing, where the copy is damaged or newer than this program,
    its key does not fit its store, or somebody works in the site.
    """
    footing.check(site.state, making=True)
    home = site.state.resolve()
    home.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _opened(file) as stream, _alone(site):
        _tidy(home, now)
        fresh = home.parent / f"{_prefix(home)}{os.getpid()}"
        try:
            with no_room(home.parent):
                copy = _unpack(stream, file, fresh)
            _examine(fresh, copy)
            _keep_heartbeats(site, _Unpacked(fresh))
            aside = _swap(home, fresh, now)
        finally:
            _discard(fresh)
        (home / _MARK).unlink()
    site.make()
    return Restored(copy, aside)


def look(file: Path) -> Copy:
    """What a copy says of itself, before anybody is asked to agree to it. Raises as `restore`."""
    with _opened(file) as stream, _unfit(file), tarfile.open(fileobj=stream, mode="r:") as tar:
        return _listed(tar)


def _prefix(home: Path) -> str:
    return f".{home.name}.restore-"


def _tidy(home: Path, now: datetime) -> None:
    """What a restore that was killed has left: half a copy, or the state that was."""
    for left in home.parent.glob(f"{_prefix(home)}*"):
        if not _discard(left):
            left.rename(_free_name(home, now))
    (home / _MARK).unlink(missing_ok=True)


def _discard(fresh: Path) -> bool:
    """Remove what was unpacked and did not get its place; never anything else."""
    if not (fresh / _MARK).exists():
        return not fresh.exists()
    shutil.rmtree(fresh)
    return True


def _opened(file: Path) -> IO[bytes]:
    try:
        return file.open("rb")
    except OSError as error:
        raise UsageError(
            text("{path} cannot be read: {reason}", path=str(file), reason=error.strerror or ""),
            code="backup_missing",
            hint=text("name a file that mitrarr state backup has made"),
        ) from error


def _unpack(stream: IO[bytes], file: Path, fresh: Path) -> Copy:
    """The files of a copy, each with the bytes and the hash that the copy's list says."""
    fresh.mkdir(mode=0o700)
    (fresh / _MARK).touch()
    with _unfit(file), tarfile.open(fileobj=stream, mode="r:") as tar:
        copy = _listed(tar)
        for wanted in copy.files:
            _extract(tar, wanted, fresh)
    return copy


@contextmanager
def _unfit(file: Path) -> Iterator[None]:
    """Whatever reading raises where a file is no copy, told as one that is damaged."""
    try:
        yield
    except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError) as error:
        raise _damaged(file) from error


def _listed(tar: tarfile.TarFile) -> Copy:
    """The copy's own list. Raises ValueError and its kin where it is not one."""
    with _member(tar, LIST, _LIST_LIMIT) as stream:
        data: Mapping[str, Any] = json.loads(stream.read(_LIST_LIMIT))
    if data["version"] != FORMAT:
        raise _newer(text("its form is of a newer program"))
    files = tuple(
        Copied(str(f["path"]), int(f["bytes"]), str(f["sha256"]), f["schema"])
        for f in data["files"]
    )
    if not any(f.schema is not None for f in files) or not all(map(_allowed, files)):
        raise ValueError("not the files of a state")
    for f in files:
        if f.schema is not None and f.schema > SCHEMA_VERSION:
            told = text(
                "its schema is {found}, this program knows {known}",
                found=f.schema,
                known=SCHEMA_VERSION,
            )
            raise _newer(told)
    return Copy(str(data["made"]), str(data["host"]), str(data["program"]), files)


def _allowed(file: Copied) -> bool:
    store = file.path.endswith(".db")
    return bool(_NAMES.fullmatch(file.path)) and store == isinstance(file.schema, int)


def _member(tar: tarfile.TarFile, name: str, limit: int) -> IO[bytes]:
    member = tar.getmember(name)
    stream = tar.extractfile(member) if member.isreg() and member.size <= limit else None
    if stream is None:
        raise ValueError(name)
    return stream


def _extract(tar: tarfile.TarFile, wanted: Copied, fresh: Path) -> None:
    target = fresh / Path(wanted.path).relative_to("state")
    target.parent.mkdir(mode=0o700, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with _member(tar, wanted.path, wanted.bytes) as stream, target.open("xb") as out:
        os.fchmod(out.fileno(), 0o600)
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            size += out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
    if (digest.hexdigest(), size) != (wanted.sha256, wanted.bytes):
        raise ValueError(wanted.path)


def _examine(fresh: Path, copy: Copy) -> None:
    """Whether the stores of the copy are whole, and its key theirs."""
    here = _Unpacked(fresh)
    for file in copy.files:
        if file.schema is None:
            continue
        path = fresh / Path(file.path).name
        sound_schema(path, Path(file.path))
        db = open_readonly(path)
        if db is not None:
            with db:
                site_key.examine(db, here)
        path.with_name(f"{path.name}.made").touch(mode=0o600)
    atomic.sync_folder(fresh)


def _keep_heartbeats(old: Site, fresh: Site) -> None:
    """When apply was last called is no part of a copy: cron goes on calling it meanwhile."""
    if old.heartbeat.is_dir():
        shutil.copytree(old.heartbeat, fresh.heartbeat)


class _Unpacked(Site):
    """A site of which only the state is there, under another name; root is that folder."""

    __slots__ = ()

    @property
    def state(self) -> Path:
        return self.root


@contextmanager
def _alone(site: Site) -> Iterator[None]:
    """Hold every lock of the site, so that no job runs or starts meanwhile."""
    held: list[Held] = []
    try:
        if site.state.is_dir():
            site.locks.mkdir(mode=0o700, exist_ok=True)
            places = [site.locks / f"worker-{number}.lock" for number in range(1, _PLACES + 1)]
            for path in sorted({*places, *site.locks.glob("*.lock")}):
                taken = locks.acquire(path)
                if taken is None:
                    raise _at_work(path.stem)
                held.append(taken)
        yield
    finally:
        for one in held:
            one.release()


def _swap(home: Path, fresh: Path, now: datetime) -> Path | None:
    """Exchange the folders in one step; the old one gets the name under which it is kept."""
    if not home.exists():
        fresh.rename(home)
        atomic.sync_folder(home.parent)
        return None
    aside = _free_name(home, now)
    try:
        if _exchange(fresh, home):
            fresh.rename(aside)
        else:
            _by_turns(home, fresh, aside)
    except OSError as error:
        raise StateError(
            text("{folder} cannot be put aside", folder=str(home)),
            code="state_held",
            hint=text("is it the root of a disk of its own? mount that disk one folder higher"),
        ) from error
    atomic.sync_folder(home.parent)
    return aside


def _by_turns(home: Path, fresh: Path, aside: Path) -> None:
    """Where the kernel cannot exchange: there is no state/ for a moment."""
    home.rename(aside)
    try:
        fresh.rename(home)
    except OSError:
        aside.rename(home)
        raise


def _free_name(home: Path, now: datetime) -> Path:
    stamp = iso(now).replace(":", "").replace("-", "")
    names = (f"{home.name}.before-{stamp}{more}" for more in ("", *(f"-{n}" for n in range(2, 99))))
    return next(path for name in names if not (path := home.parent / name).exists())


def _exchange(one: Path, other: Path) -> bool:
    """renameat2(RENAME_EXCHANGE), Linux 3.15: two names change places; False where it cannot."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    names = (os.fsencode(one), os.fsencode(other))
    if call(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL):
        return False
    raise OSError(number, os.strerror(number))


def _damaged(file: Path) -> StateError:
    return StateError(
        text("{path} is damaged, or not a copy of a state", path=str(file)),
        code="backup_damaged",
        hint=text("nothing was changed; take an older copy"),
    )


def _newer(reason: Text) -> StateError:
    return StateError(
        text("the copy is newer than this program: {reason}", reason=reason),
        code="backup_newer",
        hint=text("install the mitrarr that made it; nothing was changed"),
    )


def _at_work(name: str) -> StateError:
    return StateError(
        text("somebody works in this site: the lock {name} is held", name=name),
        code="state_busy",
        hint=text("mitrarr drain, wait until nothing runs (mitrarr status), and try again"),
    )
