"""How is the store reached? One connection, explicit transactions, named parameters.

SQLite in WAL mode with synchronous=FULL (a commit that returned survives a power cut) and
secure_delete (deleted rows of people leave no bytes behind). Nothing here knows what the tables
mean; the modules beside it do, one per family of tables, as functions over a Database.

A connection never crosses a fork: close it before, open a new one after. No other code opens or
copies the file: closing any descriptor of it gives up SQLite's locks (`copies.py` copies it).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from mitrarr_runner import atomic, footing
from mitrarr_runner.store import trouble
from mitrarr_runner.store.schema import SCHEMA, Schema, migrate, refuse_unknown, version_of

Row = sqlite3.Row
SCHEMA_VERSION = SCHEMA.version
BUSY_SECONDS = 30.0
"""How long a statement waits for another process before the store is called busy."""


class Database:
    """One open store. Reads happen in autocommit; writes only inside `with db.transaction():`.

    Every method raises StateError when the store is in trouble (trouble.py).
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self.path = path

    def execute(self, sql: str, /, **values: object) -> int:
        """Run one statement; returns how many rows it changed (the guard of guarded updates)."""
        with _Telling(self.path):
            return self._connection.execute(sql, values).rowcount

    def insert(self, sql: str, /, **values: object) -> int:
        """Run one INSERT into a table with an `id`; returns the new id."""
        with _Telling(self.path):
            return int(self._connection.execute(sql, values).lastrowid or 0)

    def rows(self, sql: str, /, **values: object) -> list[Row]:
        with _Telling(self.path):
            return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, /, **values: object) -> Row | None:
        with _Telling(self.path):
            found: Row | None = self._connection.execute(sql, values).fetchone()
            return found

    def many(self, sql: str, values: Sequence[Mapping[str, object]]) -> None:
        with _Telling(self.path):
            self._connection.executemany(sql, values)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One write transaction: all or nothing. The lock is taken at once (BEGIN IMMEDIATE), so
        what is read inside cannot change before it is written. Not nestable, on purpose.
        """
        with _Telling(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            with _Telling(self.path):
                self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # SQLite has rolled some back by itself
                self._connection.execute("ROLLBACK")
            raise

    def copy_to(self, target: Path) -> None:
        """Write a whole copy as of one instant, while others go on reading and writing (SQLite's
        online backup). Raises StateError, "store_full" too where the target's disk is full.
        """
        with _Telling(self.path), contextlib.closing(sqlite3.connect(target)) as copy:
            self._connection.backup(copy)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Telling:
    """Turns what SQLite raises about this store into a StateError; a bug stays what it is.

    A class, for a generator would cost more than the statements of an apply.
    """

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.Error):
            told = trouble.translated(error, self._path)
            if told is not None:
                raise told from error


def open_database(path: Path, *, schema: Schema = SCHEMA) -> Database:
    """Open the store at `path`, making and migrating it where needed.

    Raises StateError when it is damaged, gone, newer than this program, owned by somebody else, on
    a network disk, or its disk is full; then nothing was changed.
    """
    footing.check(path.parent)
    fresh = _is_fresh(path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _Telling(path):
        connection = _writable(path, schema)
    if fresh:
        with contextlib.suppress(OSError):
            atomic.write_file(_made(path), b"")
    return Database(connection, path)


def open_readonly(path: Path, *, schema: Schema = SCHEMA) -> Database | None:
    """Open an existing store for reading only (the guardian's watched store); None when absent.

    Raises StateError when it is damaged, gone, newer than this program or owned by somebody else.
    """
    footing.check(path.parent)
    if _is_fresh(path):
        return None
    with _Telling(path):
        connection = _readable(path, schema)
    database = Database(connection, path)
    version = version_of(database)
    if version == 0:
        database.close()
        return None
    return database if version == schema.version else _as_it_will_be(database, schema)


def _as_it_will_be(older: Database, schema: Schema) -> Database:
    """A store of an older program, before the first write of this one: a copy in memory that is
    brought up to date, so that looking changes nothing on disk."""
    copy = _connect(":memory:")
    try:
        with older, _Telling(older.path):
            older._connection.backup(copy)
        migrate(database := Database(copy, older.path), schema)
    except BaseException:
        copy.close()
        raise
    return database


def _made(path: Path) -> Path:
    """Says that there was a store: an empty or missing one is then not taken for a new one."""
    return path.with_name(f"{path.name}.made")


def _is_fresh(path: Path) -> bool:
    """Whether nothing was ever stored here. Raises StateError where something was, and is gone."""
    try:
        if path.is_dir():
            raise trouble.folder(path)
        if path.stat().st_size:
            return False
    except (FileNotFoundError, NotADirectoryError):
        pass
    if _made(path).exists():
        raise trouble.gone(path)
    return True


def _connect(target: str, *, uri: bool = False) -> sqlite3.Connection:
    connection = sqlite3.connect(target, timeout=BUSY_SECONDS, isolation_level=None, uri=uri)
    connection.row_factory = sqlite3.Row
    return connection


def _writable(path: Path, schema: Schema) -> sqlite3.Connection:
    previous = os.umask(0o077)
    try:
        connection = _connect(str(path))
        try:
            database = Database(connection, path)
            refuse_unknown(database, schema)
            _in_wal_mode(connection)
            for pragma in ("synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
                connection.execute(f"PRAGMA {pragma}")
            migrate(database, schema)
        except BaseException:
            connection.close()
            raise
    finally:
        os.umask(previous)
    return connection


def _in_wal_mode(connection: sqlite3.Connection) -> None:
    """Changing the mode needs the file for itself and does not wait for it: two processes that
    make the store together would both be told that it is busy."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def _readable(path: Path, schema: Schema) -> sqlite3.Connection:
    """SQLite opens lazily: only the first read tells whether this is a store."""
    try:
        return _looked_at(path, schema, "mode=ro")
    except sqlite3.OperationalError as error:
        if not _can_be_read_as_it_is(path, error):
            raise
    return _looked_at(path, schema, "mode=ro&immutable=1")


def _looked_at(path: Path, schema: Schema, how: str) -> sqlite3.Connection:
    connection = _connect(f"{path.absolute().as_uri()}?{how}", uri=True)
    try:
        connection.execute("PRAGMA user_version").fetchone()
        refuse_unknown(Database(connection, path), schema)
    except BaseException:
        connection.close()
        raise
    return connection


def _can_be_read_as_it_is(path: Path, error: sqlite3.OperationalError) -> bool:
    """Reading needs a small shared file beside the store, which a full or read-only disk refuses.
    A store that was closed well (no WAL is left) is whole without it, and who cannot make that
    file cannot change the store meanwhile either.
    """
    refused = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY)
    if error.sqlite_errorcode & 0xFF not in (*refused, sqlite3.SQLITE_FULL):
        return False
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size == 0
    except FileNotFoundError:
        return True
    except OSError:
        return False
