"""May this process work on this state at all? Whose it is, and what kind of disk it stands on.

Files that another user leaves in state/ lock its owner out, and neither locks nor SQLite's WAL hold
over a network file system: both are refused before anything is opened or made, with the line to
type instead.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from pathlib import Path

from mitrarr_runner.errors import StateError
from mitrarr_runner.text import text

MOUNTS = Path("/proc/self/mountinfo")

NETWORK = (
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ncpfs", "ceph", "lustre", "glusterfs"),
    *("fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone"),
)
"""File systems whose locks or shared memory do not hold between hosts (sqlite.org/wal.html)."""


def check(folder: Path, *, mounts: Path | None = None) -> None:
    """Raise StateError ("other_owner", "network_disk") where `folder` is not ours to work in.

    A folder that does not exist yet is judged by the disk of what it would be made in. mounts: a
    table in the form of /proc/self/mountinfo (proc(5)).
    """
    try:
        found = _stat(folder)
    except PermissionError:  # even its folder is shut: that one's owner is the one to ask
        folder, found = _nearest(folder)
    if found is not None and found.st_uid != os.geteuid():
        raise _other_owner(folder, found.st_uid)
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
