"""What is known of files that lie in a spool folder? The table `spool`, by inode.

A name may be a CPF, so no name is kept: a file is known again by inode, size, mtime and ctime.
ctime is there because a sender may write other bytes of the same length and set the old mtime.

Functions that write expect an open transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from mitrarr_runner.store.database import Database, Row


class Seen(StrEnum):
    """What a spool file was at the last look. done: its registration is durable."""

    ARRIVING = "arriving"
    TRUNCATED = "truncated"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class SeenFile:
    """A spool file as it was at the last look; times in nanoseconds and seconds since 1970.

    first_seen: when its inode was first seen. at: since when it has been as it is here.
    """

    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    state: Seen
    first_seen: int
    at: int


def seen_files(db: Database, source: str) -> Mapping[int, SeenFile]:
    """What was seen of a source's spool, by inode."""
    rows = db.rows("SELECT * FROM spool WHERE source = :source", source=source)
    return {int(row["inode"]): _seen(row) for row in rows}


def note_files(db: Database, source: str, files: Iterable[SeenFile]) -> None:
    """Remember spool files as they are now, in place of what was known of their inodes."""
    db.many(
        "INSERT INTO spool (source, inode, size, mtime_ns, ctime_ns, state, first_seen, at)"
        " VALUES (:source, :inode, :size, :mtime_ns, :ctime_ns, :state, :first_seen, :at)"
        " ON CONFLICT (source, inode) DO UPDATE SET size = excluded.size,"
        " mtime_ns = excluded.mtime_ns, ctime_ns = excluded.ctime_ns, state = excluded.state,"
        " first_seen = excluded.first_seen, at = excluded.at",
        [{"source": source, **asdict(file)} for file in files],
    )


def forget_files(db: Database, source: str, inodes: Sequence[int]) -> None:
    """They are no longer in the spool; a new file that gets such an inode is a new file."""
    db.many(
        "DELETE FROM spool WHERE source = :source AND inode = :inode",
        [{"source": source, "inode": inode} for inode in inodes],
    )


def _seen(row: Row) -> SeenFile:
    return SeenFile(
        inode=int(row["inode"]),
        size=int(row["size"]),
        mtime_ns=int(row["mtime_ns"]),
        ctime_ns=int(row["ctime_ns"]),
        state=Seen(row["state"]),
        first_seen=int(row["first_seen"]),
        at=int(row["at"]),
    )
