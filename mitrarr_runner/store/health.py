"""Is the store's file whole, and does its journal work where it lies?

Reads only, but for `try_wal`, which works on a database of its own.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from mitrarr_runner.store.database import Database


def quick_check(db: Database) -> tuple[str, ...]:
    """What SQLite finds wrong, the first few, empty when it is whole; names tables and pages only.

    Without the comparison of indexes with their tables, which `state check` makes: much faster.
    """
    found = tuple(str(row[0]) for row in db.rows("PRAGMA quick_check(5)"))
    return () if found == ("ok",) else found


def journal_mode(db: Database) -> str:
    """ "wal" for every store that this program made."""
    row = db.row("PRAGMA journal_mode")
    return "" if row is None else str(row[0])


def try_wal(folder: Path) -> bool:
    """Whether two connections can share a WAL database in this folder; leaves `trial.db` there."""
    path = folder / "trial.db"
    try:
        with closing(sqlite3.connect(path)) as one, closing(sqlite3.connect(path)) as two:
            mode = one.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            one.execute("CREATE TABLE trial (a INTEGER)")
            one.commit()
            two.execute("SELECT COUNT(*) FROM trial").fetchone()
            return str(mode) == "wal"
    except sqlite3.Error:
        return False
