"""The store in trouble: damaged, gone, newer, busy, full, read-only, killed in a migration."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mitrarr_runner.errors import StateError
from mitrarr_runner.store import database, meta, runs
from mitrarr_runner.store.database import SCHEMA_VERSION, Database, open_database, open_readonly
from mitrarr_runner.store.schema import SCHEMA, Schema, refuse_unknown, version_of

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "mitrarr.db"


@pytest.fixture
def kept(path: Path) -> Path:
    """A store with one row in it, closed."""
    with open_database(path) as db, db.transaction():
        meta.put(db, "kept", "yes")
    return path


@pytest.fixture
def second(tmp_path: Path) -> Callable[..., Schema]:
    """Our schema with one more migration, of this text."""

    def make(script: str = "CREATE TABLE extra (a INTEGER);\n") -> Schema:
        folder = tmp_path / "migrations"
        folder.mkdir(exist_ok=True)
        for old in SCHEMA.folder.glob("*.sql"):
            (folder / old.name).write_bytes(old.read_bytes())
        number = SCHEMA.version + 1
        (folder / f"{number:04d}_more.sql").write_text(script, encoding="utf-8")
        return Schema(folder, number)

    return make


def refused(path: Path, opening: Callable[..., object] = open_database) -> StateError:
    with pytest.raises(StateError) as caught:
        opening(path)
    assert caught.value.exit_code == 4
    assert caught.value.hint is not None
    return caught.value


def row(path: Path) -> str | None:
    with open_database(path) as db:
        return meta.get(db, "kept")


# Migrations


def test_the_schema_is_the_last_numbered_file() -> None:
    numbers = sorted(int(file.name[:4]) for file in SCHEMA.folder.glob("*.sql"))
    assert numbers == list(range(1, SCHEMA_VERSION + 1))


def test_a_second_migration_keeps_what_is_there(kept: Path, second: Callable[..., Schema]) -> None:
    with open_database(kept, schema=second()) as db:
        assert version_of(db) == SCHEMA_VERSION + 1
        assert db.rows("SELECT * FROM extra") == []
        assert meta.get(db, "kept") == "yes"


def test_looking_at_an_older_store_shows_it_as_it_will_be_and_changes_nothing(
    kept: Path, second: Callable[..., Schema]
) -> None:
    before = kept.read_bytes()
    with open_readonly(kept, schema=second()) or pytest.fail("there is a store") as db:
        assert version_of(db) == SCHEMA_VERSION + 1
        assert db.rows("SELECT * FROM extra") == []
        assert meta.get(db, "kept") == "yes"
    assert kept.read_bytes() == before


def test_the_first_store_of_all_still_opens(path: Path) -> None:
    with open_database(path, schema=Schema(SCHEMA.folder, 1)) as db, db.transaction():
        db.execute(
            "INSERT INTO runs (manifest, job, cause, state, host, pid, pid_started, boot_id,"
            " fingerprint, started_at)"
            " VALUES ('prod', 'a', 'hand', 'finished', 'h', 1, '', '', '', 1)"
        )
    with open_readonly(path) or pytest.fail("there is a store") as db:
        assert [run.asked_reason for run in runs.history(db, "prod")] == [""]
    with open_database(path) as db:
        assert version_of(db) == SCHEMA_VERSION
        assert [run.job for run in runs.history(db, "prod")] == ["a"]


def test_a_statement_may_hold_semicolons(path: Path, second: Callable[..., Schema]) -> None:
    script = (
        "-- one; two;\nCREATE TABLE extra (a TEXT);\nCREATE TRIGGER t AFTER INSERT ON extra BEGIN\n"
        "  UPDATE extra SET a = 'x;\ny';\n  DELETE FROM extra;\nEND;\n-- the end;\n"
    )
    with open_database(path, schema=second(script)) as db:
        names = [row["name"] for row in db.rows("SELECT name FROM sqlite_master")]
        assert {"extra", "t"} <= set(names)


def test_a_bad_migration_changes_nothing(kept: Path, second: Callable[..., Schema]) -> None:
    bad = second("CREATE TABLE extra (a INTEGER);\nCREATE TABL oops (b);\n")
    with pytest.raises(sqlite3.OperationalError):
        open_database(kept, schema=bad)
    with open_database(kept) as db:
        assert version_of(db) == SCHEMA_VERSION
        assert not db.rows("SELECT name FROM sqlite_master WHERE name = 'extra'")


MIGRATING = """
import sys
from pathlib import Path
from mitrarr_runner.store.database import open_database
from mitrarr_runner.store.schema import Schema
with open_database(Path(sys.argv[1]), schema=Schema(Path(sys.argv[2]), int(sys.argv[3]))):
    print("done")
"""

LONG = """CREATE TABLE extra (a INTEGER);
INSERT INTO extra WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
 WHERE i < {rows}) SELECT i FROM n;
CREATE TABLE last (a INTEGER);
"""


def migrating(path: Path, schema: Schema) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", MIGRATING, str(path), str(schema.folder), str(schema.version)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_killed_in_the_middle_of_a_migration(kept: Path, second: Callable[..., Schema]) -> None:
    schema = second(LONG.format(rows=50_000_000))
    process = migrating(kept, schema)
    wal = kept.with_name(kept.name + "-wal")
    while not (wal.exists() and wal.stat().st_size > 1_000_000):
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with open_database(kept) as db:  # an old program finds the old shape
        assert version_of(db) == SCHEMA_VERSION
        assert meta.get(db, "kept") == "yes"
    with open_database(kept, schema=second(LONG.format(rows=10))) as db:
        assert len(db.rows("SELECT a FROM extra")) == 10


def test_two_processes_migrate_at_once(kept: Path, second: Callable[..., Schema]) -> None:
    schema = second(LONG.format(rows=20_000))
    both = [migrating(kept, schema) for _ in range(4)]
    told = [process.communicate(timeout=60) for process in both]
    assert [out for out, _ in told] == [b"done\n"] * 4, told
    with open_database(kept, schema=schema) as db:
        assert len(db.rows("SELECT a FROM extra")) == 20_000


def test_many_processes_make_the_store_at_once(path: Path) -> None:
    path.parent.mkdir()
    made = [migrating(path, SCHEMA) for _ in range(8)]
    told = [process.communicate(timeout=60) for process in made]
    assert [out for out, _ in told] == [b"done\n"] * 8, told


def test_a_store_that_is_made_while_one_looks_is_no_foreign_one(path: Path) -> None:
    class Late(Database):
        """Another process makes the store between the look at its version and at its tables."""

        def row(self, sql: str, /, **values: object) -> sqlite3.Row | None:
            if "sqlite_master" in sql:
                open_database(path).close()
            return super().row(sql, **values)

    path.parent.mkdir()
    with Late(sqlite3.connect(path, isolation_level=None), path) as db:
        refuse_unknown(db, SCHEMA)


def test_a_newer_store_is_left_alone(kept: Path, second: Callable[..., Schema]) -> None:
    open_database(kept, schema=second()).close()
    connection = sqlite3.connect(kept)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    before = kept.read_bytes()
    for opening in (open_database, open_readonly):
        error = refused(kept, opening)
        assert error.code == "store_newer"
        assert "mitrarr state restore" in str(error.hint)
    assert kept.read_bytes() == before


# Damage


def test_a_damaged_store_stays_as_it_is(kept: Path) -> None:
    data = kept.read_bytes()
    kept.write_bytes(b"\0" * 100 + data[100:])
    before = kept.read_bytes()
    for opening in (open_database, open_readonly):
        error = refused(kept, opening)
        assert error.code == "store_damaged"
        assert "mitrarr state restore" in str(error.hint)
    assert kept.read_bytes() == before


def test_damage_that_shows_later(path: Path) -> None:
    with open_database(path) as db, db.transaction():
        for number in range(2000):
            meta.put(db, f"key {number}", "x" * 100)
    data = bytearray(path.read_bytes())
    data[4096 * 40 : 4096 * 80] = os.urandom(4096 * 40)
    path.write_bytes(bytes(data))
    db = open_database(path)
    with pytest.raises(StateError) as caught, db:
        db.rows("SELECT * FROM meta")
    assert caught.value.code == "store_damaged"


@pytest.mark.parametrize("how", ["empty", "missing"])
def test_a_store_that_was_here_is_not_taken_for_a_new_one(kept: Path, how: str) -> None:
    kept.unlink()
    if how == "empty":
        kept.touch()
    for opening in (open_database, open_readonly):
        assert refused(kept, opening).code == "store_gone"
    assert not kept.exists() or kept.stat().st_size == 0
    kept.with_name("mitrarr.db.made").unlink()
    open_database(kept).close()  # on purpose


def test_nothing_was_ever_stored(path: Path) -> None:
    assert open_readonly(path) is None
    assert not path.parent.exists()
    path.parent.mkdir()
    path.touch()  # killed before the first table
    assert open_readonly(path) is None
    open_database(path).close()


def test_somebody_elses_database(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.db"
    connection = sqlite3.connect(theirs)
    connection.execute("CREATE TABLE people (name TEXT)")
    connection.close()
    before = theirs.read_bytes()
    for opening in (open_database, open_readonly):
        assert refused(theirs, opening).code == "store_foreign"
    assert theirs.read_bytes() == before


def test_a_folder(path: Path) -> None:
    path.mkdir(parents=True)
    for opening in (open_database, open_readonly):
        assert refused(path, opening).code == "store_unopened"


def test_a_table_that_is_gone(kept: Path) -> None:
    with open_database(kept) as db:
        with db.transaction():
            db.execute("DROP TABLE meta")
        with pytest.raises(StateError) as caught:
            meta.get(db, "kept")
    assert caught.value.code == "store_damaged"


def test_a_bug_is_not_called_trouble(kept: Path) -> None:
    with open_database(kept) as db:
        with pytest.raises(sqlite3.OperationalError):
            db.rows("SELEC 1")
        with pytest.raises(sqlite3.IntegrityError), db.transaction():
            db.execute("INSERT INTO meta (key) VALUES ('a')")


# Busy


@pytest.fixture
def holder(kept: Path) -> Iterator[sqlite3.Connection]:
    """Another process's write transaction."""
    connection = sqlite3.connect(kept, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    yield connection
    connection.close()


def test_a_busy_store(
    kept: Path, holder: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.2)
    with open_database(kept) as db:
        assert meta.get(db, "kept") == "yes", "readers do not wait"
        with pytest.raises(StateError) as caught, db.transaction():
            pytest.fail("not reached")
        assert caught.value.code == "store_busy"
        assert "fuser" in str(caught.value.hint)
        holder.execute("COMMIT")
        with db.transaction():
            meta.put(db, "kept", "again")


def test_a_store_held_by_somebody_for_himself(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.2)
    alone = sqlite3.connect(kept, isolation_level=None)
    alone.execute("PRAGMA locking_mode = EXCLUSIVE")
    alone.execute("BEGIN EXCLUSIVE")
    for opening in (open_database, open_readonly):
        assert refused(kept, opening).code == "store_busy"
    alone.close()
    assert row(kept) == "yes"


# Disks


def mounted(*words: str) -> bool:
    if os.geteuid() != 0:
        return False
    return subprocess.run(["mount", *words], capture_output=True, check=False).returncode == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB of its own."""
    top = tmp_path / "disk"
    top.mkdir()
    if not mounted("-t", "tmpfs", "-o", "size=2m", "none", str(top)):
        pytest.skip("mounting is not permitted here")
    yield top
    subprocess.run(["umount", "-l", str(top)], check=True)


def fill(top: Path) -> Path:
    filler = top / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                continue
    return filler


def too_much(db: Database) -> None:
    with db.transaction():
        for number in range(100_000):
            meta.put(db, f"key {number}", "x" * 1000)


def test_a_full_disk(disk: Path) -> None:
    path = disk / "state" / "mitrarr.db"
    with open_database(path) as db, db.transaction():
        meta.put(db, "kept", "yes")
    filler = fill(disk)
    error = refused(path)
    assert error.code == "store_full"
    found = open_readonly(path)
    assert found is not None
    with found:
        assert meta.get(found, "kept") == "yes", "a store that was closed well can be read"
    filler.unlink()
    assert row(path) == "yes"


def test_a_disk_that_runs_full_in_a_transaction(disk: Path) -> None:
    path = disk / "state" / "mitrarr.db"
    with open_database(path) as db:
        with db.transaction():
            meta.put(db, "kept", "yes")
        with pytest.raises(StateError) as caught:
            too_much(db)
        assert caught.value.code == "store_full"
        assert meta.get(db, "kept") == "yes"
        assert meta.get(db, "key 0") is None
        with db.transaction():
            meta.put(db, "kept", "still")
    assert row(path) == "still"


def test_a_new_store_on_a_full_disk(disk: Path) -> None:
    path = disk / "state" / "mitrarr.db"
    path.parent.mkdir()
    filler = fill(disk)
    assert refused(path).code == "store_full"
    filler.unlink()
    with open_database(path) as db:
        assert version_of(db) == SCHEMA_VERSION


def test_a_read_only_disk(disk: Path) -> None:
    path = disk / "state" / "mitrarr.db"
    with open_database(path) as db, db.transaction():
        meta.put(db, "kept", "yes")
    assert mounted("-o", "remount,ro", str(disk))
    assert refused(path).code in ("store_readonly", "store_unopened")
    found = open_readonly(path)
    assert found is not None
    with found:
        assert meta.get(found, "kept") == "yes"
    assert mounted("-o", "remount,rw", str(disk))
    assert row(path) == "yes"


def test_a_file_that_may_not_grow(kept: Path) -> None:
    """RLIMIT_FSIZE (quotas of some hosts) is told by SQLite as an I/O error."""
    probe = """
import resource, sys
from pathlib import Path
from mitrarr_runner.errors import StateError
from mitrarr_runner.store import meta
from mitrarr_runner.store.database import open_database
size = Path(sys.argv[1]).stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
try:
    with open_database(Path(sys.argv[1])) as db, db.transaction():
        for number in range(10_000):
            meta.put(db, f"key {number}", "x" * 1000)
except StateError as error:
    print(error.code)
"""
    done = subprocess.run(
        [sys.executable, "-c", probe, str(kept)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.stdout == "store_io\n", done.stderr
    assert row(kept) == "yes"


def test_the_files_are_the_owners_only(path: Path) -> None:
    with open_database(path) as db:
        with db.transaction():
            meta.put(db, "a", "b")
        for file in path.parent.iterdir():
            assert file.stat().st_mode & 0o077 == 0, file.name
    assert isinstance(db, Database)
