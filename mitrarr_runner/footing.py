"""May this process work on this state at all? Whose it is, and what kind of disk it stands on.

Files that another user leaves in state/ lock its owner out, and neither locks nor SQLite's WAL hold
over a network file system: both are refused before anything is opened or made, with the line to
type instead. A state that does not exist yet would belong to who makes it, and is expected to be
wanted by the owner of the folder it is made in; a `state/` that exists decides alone, and so an
empty one made by hand is the way out where that is not so (containers, CI).
"""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from mitrarr_runner import redact
from mitrarr_runner.errors import StateError
from mitrarr_runner.text import text

MOUNTS = Path("/proc/self/mountinfo")

NETWORK = (
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ncpfs", "ceph", "lustre", "glusterfs"),
    *("fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone"),
)
"""File systems whose locks or shared memory do not hold between hosts (sqlite.org/wal.html)."""


def check(folder: Path, *, making: bool = False, mounts: Path | None = None) -> None:
    """Raise StateError ("other_owner", "network_disk") where `folder` is not ours to work in.

    A folder that does not exist yet is judged by the disk of what it would be made in, and where it
    is about to be made (making) by that one's owner too: a look leaves nothing, and is free.
    mounts: a table in the form of /proc/self/mountinfo (proc(5)).
    """
    try:
        found = _stat(folder)
    except PermissionError:  # even its folder is shut: that one's owner is the one to ask
        folder, found = _nearest(folder)
    if found is not None and found.st_uid != os.geteuid():
        raise _other_owner(folder, found.st_uid)
    if making and found is None:
        _check_above(folder)
    kind = network_disk(folder, mounts)
    if kind is not None:
        raise StateError(
            text("{folder} lies on a network disk ({kind})", folder=str(folder), kind=kind),
            code="network_disk",
            hint=text(
                "locks do not hold there: keep the site on a disk of this host (settings.root);"
                " spools and archives may stay on the network"
            ),
        )


def ours(folder: Path) -> bool:
    """Whether `folder` exists and belongs to this process's user. Raises PermissionError where it
    cannot be looked at."""
    found = _stat(folder)
    return found is not None and found.st_uid == os.geteuid()


def unwritable(root: Path, folders: Sequence[Path], error: PermissionError) -> StateError:
    """The error for a site whose `folders` (state/ first) could not be made below `root`, with the
    line that makes them.

    The line gives away those folders only and never `root` itself, which may be /opt, or / where
    somebody stands in the wrong place.
    """
    near, found = _nearest(Path(error.filename or root / "state").parent)
    if found.st_uid == os.geteuid():
        return shut(near)
    owner, user = (shlex.quote(user_name(uid)) for uid in (found.st_uid, os.geteuid()))
    line = f"sudo install -d -o {user} -m 700 "
    if _nearest(root)[0] == root:
        names = shlex.join(str(folder.relative_to(root)) for folder in folders)
        line = f"cd {shlex.quote(str(root))} && {line}{names}"
    else:
        line += shlex.quote(str(root))
    hint = text("give the site to {user}: {line}", user=user, line=line)
    if not ours(folders[0]):  # whose state/ is, is not decided yet
        hint = text(
            "type it as that user: sudo -u {owner} mitrarr ...;"
            " or, if {user} is to own this site: {line}",
            owner=owner,
            user=user,
            line=line,
        )
    return StateError(
        text(
            "{folder} cannot be written: it belongs to user {owner}",
            folder=str(near),
            owner=user_name(found.st_uid),
        ),
        code="unwritable",
        hint=hint,
    )


def shut(folder: Path) -> StateError:
    """The error for any other place where this user may not read or write something.

    A folder and not its file: names in a spool may be somebody's.
    """
    near, found = _nearest(folder)
    shown = redact.safe(str(near))
    return StateError(
        text(
            "no permission in {folder}, which belongs to user {owner}",
            folder=shown,
            owner=user_name(found.st_uid),
        ),
        code="no_permission",
        hint=text("see the rights there: {command}", command=f"ls -la {shlex.quote(shown)}"),
    )


def network_disk(folder: Path, mounts: Path | None = None) -> str | None:
    """The kind of network file system a folder lies on, or None."""
    _, found = _nearest(folder.absolute())
    if os.major(found.st_dev):  # a disk of this host has a number of its own
        return None
    device = f"{os.major(found.st_dev)}:{os.minor(found.st_dev)}"
    try:
        lines = (mounts or MOUNTS).read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    kinds = (_kind(line) for line in lines if line.split(" ", 3)[2:3] == [device])
    return next((kind for kind in kinds if kind in NETWORK), None)


def _kind(line: str) -> str:
    """The file system of one line: the first word after the dash (the fields before it vary)."""
    return line.partition(" - ")[2].partition(" ")[0]


def _nearest(folder: Path) -> tuple[Path, os.stat_result]:
    """The folder, or the first above it that can be looked at."""
    for path in (folder, *folder.absolute().parents):
        with contextlib.suppress(OSError):
            return path, path.stat()
    return Path("/"), Path("/").stat()


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _check_above(folder: Path) -> None:
    """Root's own folders are for whoever may write in them (/opt, /srv, a group's); another user's
    are that user's, for root too."""
    near, found = _nearest(folder)
    if found.st_uid in (os.geteuid(), 0):
        return
    if not os.access(near, os.W_OK | os.X_OK):
        raise _other_owner(near, found.st_uid)
    owner = user_name(found.st_uid)
    raise StateError(
        text("{folder} belongs to user {owner}", folder=str(near), owner=owner),
        code="other_owner",
        hint=text(
            "type it as that user: sudo -u {owner} mitrarr ...;"
            " or, if {user} is to own this site: {line}",
            owner=shlex.quote(owner),
            user=user_name(os.geteuid()),
            line=f"mkdir -p -m 700 {shlex.quote(str(folder))}",
        ),
    )


def _other_owner(folder: Path, uid: int) -> StateError:
    name = user_name(uid)
    return StateError(
        text("{folder} belongs to user {owner}", folder=str(folder), owner=name),
        code="other_owner",
        hint=text("type it as that user: sudo -u {owner} mitrarr ...", owner=shlex.quote(name)),
    )


def user_name(uid: int) -> str:
    """A user as sudo takes it: the name, or "#1234" where there is none."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"
