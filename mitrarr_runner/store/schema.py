"""Which shape do the tables have? Numbered SQL files, each applied once, in a transaction.

`PRAGMA user_version` names the last one applied and changes in the same transaction, so that a
program killed in the middle leaves the shape that was before. Two processes that come at once take
turns. There is no way back to an older shape: a copy is made before an update.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mitrarr_runner.store import trouble


class Statements(Protocol):
    """What is needed of a Database here (which itself needs this module to be opened)."""

    path: Path

    def row(self, sql: str, /, **values: object) -> sqlite3.Row | None: ...

    def rows(self, sql: str, /, **values: object) -> list[sqlite3.Row]: ...

    def execute(self, sql: str, /, **values: object) -> int: ...

    def transaction(self) -> AbstractContextManager[None]: ...


@dataclass(frozen=True, slots=True)
class Schema:
    """The folder of the numbered files, and the number of the last one."""

    folder: Path
    version: int


SCHEMA = Schema(Path(__file__).with_name("migrations"), 2)


def version_of(database: Statements) -> int:
    """0: made, but killed before its first table; nothing was stored yet."""
    row = database.row("PRAGMA user_version")
    return int(row[0]) if row else 0


def refuse_unknown(database: Statements, schema: Schema) -> None:
    """Raise StateError for a store of a newer program, and for somebody else's database."""
    found = version_of(database)
    if found > schema.version:
        raise trouble.newer(found, schema.version)
    tables = database.row("SELECT name FROM sqlite_master LIMIT 1") is not None
    # Asked twice: another process may make the store between the two looks.
    if found == 0 and tables and version_of(database) == 0:
        raise trouble.foreign(database.path)


def migrate(database: Statements, schema: Schema) -> None:
    """Bring a store up to the schema's version; expects no open transaction."""
    for number in range(version_of(database) + 1, schema.version + 1):
        script = next(schema.folder.glob(f"{number:04d}_*.sql"))
        with database.transaction():
            if version_of(database) >= number:  # another process was faster
                continue
            for statement in _statements(script.read_text(encoding="utf-8")):
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {number}")


def _statements(script: str) -> Iterator[str]:
    """The statements of a file; a trigger's own semicolons do not end it."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if any(not line.startswith("--") for line in pending.split("\n") if line.strip()):
        yield pending
