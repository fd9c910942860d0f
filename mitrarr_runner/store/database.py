"""How is the store reached? One connection, explicit transactions, named parameters.

SQLite in WAL mode with synchronous=FULL (a commit that returned survives a power cut) and
secure_delete (deleted rows of people leave no bytes behind). Nothing here knows what the tables
mean; the modules beside it do, one per family of tables, as functions over a Database.

A connection never crosses a fork: close it before, open a new one after.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from mitrarr_runner.errors import StateError
from mitrarr_runner.text import text

Row = sqlite3.Row
SCHEMA_VERSION = 1
_BUSY_SECONDS = 30.0


class Database:
    """One open store. Reads happen in autocommit; writes only inside `with db.transaction():`."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self.path = path

    def execute(self, sql: str, /, **values: object) -> int:
        """Run one statement; returns how many rows it changed (the guard of guarded updates)."""
        return self._connection.execute(sql, values).rowcount

    def insert(self, sql: str, /, **values: object) -> int:
        """Run one INSERT into a table with an `id`; returns the new id."""
        return int(self._connection.execute(sql, values).lastrowid or 0)

    def rows(self, sql: str, /, **values: object) -> list[Row]:
        return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, /, **values: object) -> Row | None:
        found: Row | None = self._connection.execute(sql, values).fetchone()
        return found

    def many(self, sql: str, values: Sequence[Mapping[str, object]]) -> None:
        self._connection.executemany(sql, values)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One write transaction: all or nothing. The lock is taken at once (BEGIN IMMEDIATE), so
        what is read inside cannot change before it is written. Not nestable, on purpose.
        """
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_database(path: Path) -> Database:
    """Open the store at `path`, making and migrating it where needed.

    Raises StateError when it is damaged, newer than this program, or owned by somebody else.
    """
    _refuse_other_owner(path.parent)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return _guarded(path, lambda: _open_writable(path))


def open_readonly(path: Path) -> Database | None:
    """Open an existing store for reading only (the guardian's watched store); None when absent.

    Raises StateError when it is damaged, or newer than this program.
    """
    if not path.exists():
        return None
    database = _guarded(path, lambda: _open_readable(path))
    if _version(database) == 0:  # made, but killed before its first table: nothing was stored
        database.close()
        return None
    return database


def _guarded(path: Path, opening: object) -> Database:
    assert callable(opening)  # noqa: S101 - narrows the type for the checker
    try:
        database = opening()
        assert isinstance(database, Database)  # noqa: S101
        return database
    except sqlite3.DatabaseError as error:
        raise StateError(
            text("the store cannot be read: {path} ({reason})", path=str(path), reason=str(error)),
            code="store_unreadable",
            hint=text("keep the file, and restore a copy: docs/en/troubleshooting.md, 'The store'"),
        ) from error


def _connect(target: str, *, uri: bool = False) -> sqlite3.Connection:
    connection = sqlite3.connect(target, timeout=_BUSY_SECONDS, isolation_level=None, uri=uri)
    connection.row_factory = sqlite3.Row
    return connection


def _open_readable(path: Path) -> Database:
    """SQLite opens lazily: only the first read tells whether this is a store."""
    database = Database(_connect(f"{path.as_uri()}?mode=ro", uri=True), path)
    _refuse_newer(_version(database))
    return database


def _open_writable(path: Path) -> Database:
    previous = os.umask(0o077)
    try:
        connection = _connect(str(path))
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "secure_delete = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")
    finally:
        os.umask(previous)
    database = Database(connection, path)
    _migrate(database)
    return database


def _migrate(database: Database) -> None:
    """Bring the schema up to SCHEMA_VERSION; each numbered file in a transaction of its own."""
    version = _version(database)
    _refuse_newer(version)
    for number in range(version + 1, SCHEMA_VERSION + 1):
        script = next(Path(__file__).with_name("migrations").glob(f"{number:04d}_*.sql"))
        with database.transaction():
            if _version(database) >= number:  # another process was faster
                continue
            for statement in script.read_text(encoding="utf-8").split(";\n"):
                if statement.strip():
                    database.execute(statement)
            database.execute(f"PRAGMA user_version = {number}")


def _refuse_newer(version: int) -> None:
    if version > SCHEMA_VERSION:
        raise StateError(
            text(
                "the store is newer than this program (schema {found}, this program knows {known})",
                found=version,
                known=SCHEMA_VERSION,
            ),
            code="store_newer",
            hint=text("install the newer mitrarr again; nothing was changed"),
        )


def _version(database: Database) -> int:
    row = database.row("PRAGMA user_version")
    return int(row[0]) if row else 0


def _refuse_other_owner(folder: Path) -> None:
    """Files that root makes in another user's state lock that user out: refuse beforehand."""
    for candidate in (folder, *folder.parents):
        if candidate.exists():
            owner = candidate.stat().st_uid
            break
    if owner in (os.geteuid(), 0) and not (owner == 0 and os.geteuid() != 0 and folder.exists()):
        return
    if not folder.exists():
        return
    name = _user_name(owner)
    raise StateError(
        text("{folder} belongs to user {owner}", folder=str(folder), owner=name),
        code="other_owner",
        hint=text("type it as that user: sudo -u {owner} mitrarr ...", owner=name),
    )


def _user_name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
