"""A copy of the state: made under fire, refused when damaged, put back whole or not at all."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mitrarr_runner import locks
from mitrarr_runner.clock import SystemClock
from mitrarr_runner.delivery.site_key import path_of, site_key
from mitrarr_runner.engine import state_restore
from mitrarr_runner.engine.state_check import check, first_words, sound, stores
from mitrarr_runner.engine.state_files import backup
from mitrarr_runner.engine.state_restore import restore
from mitrarr_runner.errors import MitrarrError, StateError
from mitrarr_runner.site import Site
from mitrarr_runner.store import meta
from mitrarr_runner.store.database import SCHEMA_VERSION, open_database

ROOT = Path(__file__).parent.parent.parent
NOW = datetime(2026, 11, 23, 14, 10, 4, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Site:
    """A site with a store, a key and a guardian's store."""
    site = Site(tmp_path / "site")
    site.make()
    (site.compiled / "prod.last_good.json").write_text("{}")
    for name in ("mitrarr.db", "guardian.db"):
        with open_database(site.state / name) as db, db.transaction():
            meta.put(db, "name", name)
    with open_database(site.state / "mitrarr.db") as db:
        site_key(db, site)
    return site


@pytest.fixture
def copy(home: Site, tmp_path: Path) -> Path:
    target = tmp_path / "copy.tar"
    backup(home, stores(home), target, NOW)
    return target


def value(site: Site, store: str = "mitrarr.db") -> str | None:
    with open_database(site.state / store) as db:
        return meta.get(db, "name")


def change(site: Site) -> None:
    with open_database(site.state / "mitrarr.db") as db, db.transaction():
        meta.put(db, "name", "later")


def tree(folder: Path) -> dict[str, bytes]:
    """Every file by name and content (locks and SQLite's own helpers left out)."""
    kept = (p for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock")
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in kept
        if not p.name.endswith(("-wal", "-shm"))
    }


# Backup


def test_what_is_in_it(copy: Path) -> None:
    assert copy.stat().st_mode & 0o777 == 0o600
    with tarfile.open(copy) as tar:
        assert tar.getnames() == [
            "manifest.json",
            "state/guardian.db",
            "state/mitrarr.db",
            "state/site.key",
            "state/compiled/prod.last_good.json",
        ]
        assert {member.mode for member in tar.getmembers()} == {0o600}
        listed = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
    assert listed["version"] == 1
    assert listed["made"] == "2026-11-23T14:10:04Z"
    assert [file["schema"] for file in listed["files"]] == [
        SCHEMA_VERSION,
        SCHEMA_VERSION,
        None,
        None,
    ]


def test_nothing_else_is_left_behind(copy: Path, home: Site) -> None:
    assert {path.name for path in copy.parent.iterdir()} == {"copy.tar", "site"}


WRITER = """
import sys
from pathlib import Path
from mitrarr_runner.store import meta
from mitrarr_runner.store.database import open_database
number = 0
while True:
    with open_database(Path(sys.argv[1])) as db, db.transaction():
        meta.put(db, "a", str(number))
        meta.put(db, "padding", "x" * (number * 7919 % 90_000))
        meta.put(db, "b", str(number))
    number += 1
"""


@pytest.fixture
def writers(home: Site) -> Iterator[list[subprocess.Popen[bytes]]]:
    words = [sys.executable, "-c", WRITER, str(home.state / "mitrarr.db")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = [subprocess.Popen(words, env=environment) for _ in range(2)]
    yield running
    for process in running:
        process.kill()
        process.wait()


def test_while_others_write(
    home: Site, tmp_path: Path, writers: list[subprocess.Popen[bytes]]
) -> None:
    """Each copy is one instant; no writer loses its locks and none fails."""
    with open_database(home.state / "mitrarr.db") as db:
        while meta.get(db, "b") is None:
            time.sleep(0.01)
    for number in range(10):
        target = tmp_path / f"{number}.tar"
        backup(home, stores(home), target, NOW)
        with tarfile.open(target) as tar:
            (tmp_path / "one.db").write_bytes(tar.extractfile("state/mitrarr.db").read())  # type: ignore[union-attr]
        connection = sqlite3.connect(tmp_path / "one.db")
        found = dict(connection.execute("SELECT key, value FROM meta"))
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()
        assert found["a"] == found["b"]
    assert [process.poll() for process in writers] == [None, None]


def test_an_older_copy_stays_when_the_new_one_fails(home: Site, copy: Path) -> None:
    before = copy.read_bytes()
    store = home.state / "guardian.db"
    data = bytearray(store.read_bytes())
    data[5000:9000] = b"\xff" * 4000
    store.write_bytes(bytes(data))
    with pytest.raises(StateError) as caught:
        backup(home, stores(home), copy, NOW)
    assert caught.value.code == "store_damaged"
    assert "mitrarr state check" in str(caught.value.hint)
    assert copy.read_bytes() == before
    assert {path.name for path in copy.parent.iterdir()} == {"copy.tar", "site"}


def spoilt(path: Path) -> None:
    """Pages of tables are garbage, the first one is good: the file opens and copies."""
    data = bytearray(path.read_bytes())
    data[5000:40000] = b"\xff" * 35000
    path.write_bytes(bytes(data))


def half_spoilt(path: Path) -> None:
    """One page, so that only a look at every page finds it."""
    data = bytearray(path.read_bytes())
    data[20480:24576] = b"\xff" * 4096
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("damage", [spoilt, half_spoilt])
def test_what_is_damaged_is_the_store_and_not_its_copy(
    home: Site, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    store = home.state / "mitrarr.db"
    damage(store)
    with pytest.raises(StateError) as caught:
        backup(home, stores(home), tmp_path / "copy.tar", NOW)
    told = str(caught.value.message)
    assert caught.value.code == "store_damaged"
    assert f"the store is damaged: {store} (" in told
    assert ".part-" not in told
    assert "\n" not in told
    assert "*** in database" not in told


@pytest.mark.parametrize("damage", [spoilt, half_spoilt])
def test_damage_is_told_in_one_readable_line(home: Site, damage: Callable[[Path], None]) -> None:
    damage(home.state / "mitrarr.db")
    (found,) = [one for one in check(home, stores(home), NOW) if one.state == "damaged"]
    assert "\n" not in str(found.message)
    assert "*** in" not in str(found.message)


def test_what_sqlite_says_first() -> None:
    said = (
        "*** in database main ***\nPage 6: btreeInitPage() returns error code 11\nPage 7: x",
        "y",
    )
    assert first_words(said) == "Page 6: btreeInitPage() returns error code 11"
    assert first_words(("row 1 missing from index a",)) == "row 1 missing from index a"
    assert first_words(("*** in database main ***",)) == "*** in database main ***"
    assert first_words(("",)) == ""


@pytest.mark.parametrize("where", ["site/state/copy.tar", "site/state/locks/c.tar", "no/c", "site"])
def test_places_that_cannot_be(home: Site, tmp_path: Path, where: str) -> None:
    with pytest.raises(MitrarrError) as caught:
        backup(home, stores(home), tmp_path / where, NOW)
    assert caught.value.code == "backup_place"


def test_a_store_elsewhere_and_no_store(home: Site, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    open_database(other).close()
    with pytest.raises(MitrarrError) as caught:
        backup(home, [other], tmp_path / "c.tar", NOW)
    assert caught.value.code == "backup_place"
    with pytest.raises(MitrarrError) as caught:
        backup(Site(tmp_path / "new"), [], tmp_path / "c.tar", NOW)
    assert caught.value.code == "state_empty"


def test_what_a_killed_backup_left_goes(home: Site, tmp_path: Path) -> None:
    left = tmp_path / ".copy.tar.part-abc"
    left.mkdir()
    (left / "mitrarr.db").write_text("ids of people")
    backup(home, stores(home), tmp_path / "copy.tar", SystemClock().now())
    assert left.exists(), "it may be somebody's work in progress"
    os.utime(left, (0, 0))
    backup(home, stores(home), tmp_path / "copy.tar", SystemClock().now())
    assert not left.exists()


# Restore


def test_there_and_back(home: Site, copy: Path) -> None:
    change(home)
    (home.wake / "prod.json").write_text("{}")
    key = path_of(home).read_bytes()
    before = tree(home.state)
    done = restore(home, copy, NOW)
    assert value(home) == "mitrarr.db"
    assert value(home, "guardian.db") == "guardian.db"
    assert path_of(home).read_bytes() == key
    assert list(home.wake.iterdir()) == []
    assert done.aside == home.root / "state.before-20261123T141004Z"
    assert tree(done.aside) == before
    assert home.state.stat().st_mode & 0o777 == 0o700
    assert sound(check(home, stores(home), NOW))
    names = {path.name for path in home.root.iterdir()}
    assert names == {"state", done.aside.name, "store", "quarantine", "logs"}


def test_twice_in_one_second(home: Site, copy: Path) -> None:
    asides = [restore(home, copy, NOW).aside for _ in range(3)]
    assert len({str(aside) for aside in asides}) == 3
    assert all(aside is not None and aside.is_dir() for aside in asides)


def test_on_a_new_host(home: Site, copy: Path, tmp_path: Path) -> None:
    new = Site(tmp_path / "elsewhere" / "site")
    assert restore(new, copy, NOW).aside is None
    assert value(new) == "mitrarr.db"
    assert sound(check(new, stores(new), NOW))


def test_over_a_damaged_and_over_a_lost_store(home: Site, copy: Path) -> None:
    (home.state / "mitrarr.db").write_bytes(b"\xff" * 9000)
    restore(home, copy, NOW)
    assert value(home) == "mitrarr.db"
    (home.state / "mitrarr.db").unlink()
    restore(home, copy, NOW)
    assert value(home) == "mitrarr.db"


def test_where_the_kernel_cannot_exchange(
    home: Site, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_restore, "_exchange", lambda one, other: False)
    change(home)
    done = restore(home, copy, NOW)
    assert value(home) == "mitrarr.db"
    assert done.aside is not None
    assert (done.aside / "mitrarr.db").exists()


def test_a_state_that_is_a_link(home: Site, copy: Path, tmp_path: Path) -> None:
    big = tmp_path / "big"
    home.state.rename(big)
    home.state.symlink_to(big)
    change(home)
    done = restore(home, copy, NOW)
    assert home.state.is_symlink()
    assert done.aside is not None
    assert done.aside.parent == tmp_path
    assert value(home) == "mitrarr.db"


@pytest.mark.parametrize("name", ["prod.job_a", "worker-3", "notices.mitrarr.prod"])
def test_while_somebody_works(home: Site, copy: Path, name: str) -> None:
    change(home)
    held = locks.acquire(home.locks / f"{name}.lock")
    assert held is not None
    with held, pytest.raises(StateError) as caught:
        restore(home, copy, NOW)
    assert caught.value.code == "state_busy"
    assert name in str(caught.value)
    assert value(home) == "later"
    assert not list(home.root.glob("state.before-*"))
    restore(home, copy, NOW)


# Copies that must not be put back


def altered(copy: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    """Write the copy anew with other members."""
    with tarfile.open(copy) as tar:
        members = {m.name: tar.extractfile(m).read() for m in tar.getmembers()}  # type: ignore[union-attr]
    change(members)
    with tarfile.open(copy, "w") as tar:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))


def listing(members: dict[str, bytes], edit: Callable[[Any], None]) -> None:
    data = json.loads(members["manifest.json"])
    edit(data)
    members["manifest.json"] = json.dumps(data).encode()


def flip(members: dict[str, bytes]) -> None:
    data = bytearray(members["state/mitrarr.db"])
    data[1000] ^= 1
    members["state/mitrarr.db"] = bytes(data)


def renamed(members: dict[str, bytes], name: str) -> None:
    members[name] = members.pop("state/guardian.db")
    listing(members, lambda data: data["files"][0].update(path=name))


DAMAGES: dict[str, Callable[[dict[str, bytes]], None]] = {
    "one bit": flip,
    "a file is missing": lambda members: members.pop("state/site.key") and None,
    "no list": lambda members: members.pop("manifest.json") and None,
    "list is no list": lambda members: members.update({"manifest.json": b"[1]"}),
    "list is no JSON": lambda members: members.update({"manifest.json": b"{"}),
    "no store": lambda members: listing(members, lambda data: data.update(files=data["files"][2:])),
    "climbs out": lambda members: renamed(members, "state/../../evil.db"),
    "from the root": lambda members: renamed(members, "/tmp/evil.db"),
    "another folder": lambda members: renamed(members, "configs/prod.db"),
    "size is a lie": lambda members: listing(
        members, lambda data: data["files"][0].update(bytes=10)
    ),
    "a store without schema": lambda members: listing(
        members, lambda data: data["files"][0].update(schema=None)
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_copy(home: Site, copy: Path, damage: Callable[[dict[str, bytes]], None]) -> None:
    change(home)
    before = tree(home.state)
    altered(copy, damage)
    with pytest.raises(StateError) as caught:
        restore(home, copy, NOW)
    assert caught.value.code == "backup_damaged"
    assert tree(home.state) == before
    assert {p.name for p in home.root.iterdir()} == {"state", "store", "quarantine", "logs"}


@pytest.mark.parametrize("size", [0, 100, 512, 5000, 150_000])
def test_a_copy_that_is_cut_off(home: Site, copy: Path, size: int) -> None:
    copy.write_bytes(copy.read_bytes()[:size])
    with pytest.raises(StateError) as caught:
        restore(home, copy, NOW)
    assert caught.value.code == "backup_damaged"
    assert value(home) == "mitrarr.db"


def test_something_else_altogether(home: Site, tmp_path: Path) -> None:
    other = tmp_path / "x.tar"
    other.write_text("hello")
    with pytest.raises(StateError) as caught:
        restore(home, other, NOW)
    assert caught.value.code == "backup_damaged"
    with pytest.raises(MitrarrError) as missing:
        restore(home, tmp_path / "missing.tar", NOW)
    assert missing.value.code == "backup_missing"


@pytest.mark.parametrize("what", ["version", "schema"])
def test_a_newer_copy(home: Site, copy: Path, what: str) -> None:
    def newer(data: Any) -> None:
        if what == "version":
            data["version"] = 2
        else:
            data["files"][0]["schema"] = 99

    altered(copy, lambda members: listing(members, newer))
    with pytest.raises(StateError) as caught:
        restore(home, copy, NOW)
    assert caught.value.code == "backup_newer"
    assert value(home) == "mitrarr.db"


def test_a_copy_with_another_key(home: Site, copy: Path) -> None:
    """Store and key stay together: with another key everybody would be sent a second time."""
    import hashlib

    def foreign(members: dict[str, bytes]) -> None:
        members["state/site.key"] = os.urandom(32)
        digest = hashlib.sha256(members["state/site.key"]).hexdigest()
        listing(members, lambda data: data["files"][2].update(sha256=digest))

    altered(copy, foreign)
    with pytest.raises(StateError) as caught:
        restore(home, copy, NOW)
    assert caught.value.code == "site_key_foreign"
    assert value(home) == "mitrarr.db"


# Killed in the middle


RESTORING = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from mitrarr_runner import atomic
from mitrarr_runner.engine import state_restore as module
from mitrarr_runner.site import Site
where = sys.argv[3]

def dying(name):
    real = getattr(module, name)
    def then(*words):
        if where == "before" + name:
            os.kill(os.getpid(), 9)
        done = real(*words)
        if where == "after" + name:
            os.kill(os.getpid(), 9)
        return done
    setattr(module, name, then)

for name in ("_unpack", "_extract", "_examine", "_exchange", "_swap"):
    dying(name)
module.restore(Site(Path(sys.argv[1])), Path(sys.argv[2]), datetime(2026, 11, 23, tzinfo=UTC))
"""

STAGES = [
    f"{when}{name}"
    for name in ("_unpack", "_extract", "_examine", "_exchange", "_swap")
    for when in ("before", "after")
]


@pytest.mark.parametrize("stage", STAGES)
def test_killed_while_restoring(home: Site, copy: Path, stage: str) -> None:
    change(home)
    words = [sys.executable, "-c", RESTORING, str(home.root), str(copy), stage]
    done = subprocess.run(words, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    assert done.returncode == -signal.SIGKILL
    exchanged = stage in ("after_exchange", "after_swap")
    assert value(home) == ("mitrarr.db" if exchanged else "later")
    assert sound(check(home, stores(home), NOW))
    restore(home, copy, NOW)
    assert value(home) == "mitrarr.db"
    names = set()
    for aside in home.root.glob("state.before-*"):
        with open_database(aside / "mitrarr.db") as db:
            names.add(meta.get(db, "name"))
    assert "later" in names, "the state that was is kept, wherever it was killed"
    assert not list(home.root.glob(".state.restore-*"))


# Check


def problems(site: Site) -> set[str]:
    return {one.name for one in check(site, stores(site), NOW) if one.state != "good"}


def test_a_sound_state(home: Site) -> None:
    assert problems(home) == set()
    names = [
        one.name for one in check(home, stores(home), NOW) if one.subject.endswith("mitrarr.db")
    ]
    assert names == ["integrity", "schema", "audit", "deliveries", "slots", "originals", "site_key"]


def spoil(home: Site, *statements: str) -> None:
    connection = sqlite3.connect(home.state / "mitrarr.db")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


ROW = (
    "INSERT INTO registry (handle, source, person, sha256, bytes, state, at, changed_at)"
    " VALUES ('D1', 'S', 'p', 'aa', 1, 'registered', 0, 0)"
)
BAD_ROWS = {
    "deliveries": (
        "INSERT INTO deliveries (destination, registry, source, token, at, changed_at)"
        " VALUES ('f', 77, 'S', 't', 0, 0)",
    ),
    "slots": (
        "INSERT INTO slots (manifest, job, slot, state, run, at)"
        " VALUES ('prod', 'a', 60, 'claimed', 99, 60)",
    ),
    "originals": (ROW,),
    "audit": (
        "INSERT INTO audit (at, actor, action, subject, previous, hash)"
        " VALUES (0, 'a', 'b', 'c', 'd', 'e')",
    ),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_rows_that_do_not_fit(home: Site, name: str) -> None:
    spoil(home, *BAD_ROWS[name])
    assert problems(home) == {name}
    assert not sound(check(home, stores(home), NOW))


def test_an_original_that_is_gone(home: Site) -> None:
    spoil(home, ROW, "INSERT INTO blobs (sha256, bytes, place, at) VALUES ('aa', 1, 'store', 0)")
    assert problems(home) == {"originals"}
    (home.originals / "aa").mkdir()
    (home.originals / "aa" / "aa.nst").write_text("x")
    assert problems(home) == set()


def test_files_that_no_row_names(home: Site) -> None:
    (home.quarantine / "bb.nst").write_text("x")
    today = SystemClock().now()
    young = check(home, stores(home), today)
    assert all(one.state == "good" for one in young), "it may be on its way"
    later = check(home, stores(home), today.replace(year=today.year + 1))
    (found,) = [one for one in later if one.state != "good"]
    assert (found.name, found.state, found.count) == ("quarantine_files", "warning", 1)
    assert sound(later)


def test_a_missing_key_and_a_damaged_file(home: Site) -> None:
    path_of(home).unlink()
    assert problems(home) == {"site_key"}
    data = bytearray((home.state / "mitrarr.db").read_bytes())
    data[5000:40000] = b"\xff" * 35000
    (home.state / "mitrarr.db").write_bytes(bytes(data))
    assert problems(home) & {"integrity", "store_damaged"}
    (home.state / "guardian.db").unlink()
    assert "store_gone" in problems(home)


def test_a_newer_store_is_not_a_damaged_one(home: Site) -> None:
    spoil(home, "PRAGMA user_version = 99")
    (found,) = [one for one in check(home, stores(home), NOW) if one.state != "good"]
    assert (found.name, found.state) == ("store_newer", "newer")
    assert "schema 99" in str(found.message)
    assert not sound(check(home, stores(home), NOW)), "nothing can be done with it"


def test_no_place_below_the_state_is_lost(home: Site, copy: Path) -> None:
    """Whatever else somebody keeps in state/ is in the folder that is put aside."""
    (home.state / "notes.txt").write_text("mine")
    done = restore(home, copy, NOW)
    assert done.aside is not None
    assert (done.aside / "notes.txt").read_text() == "mine"
    shutil.rmtree(done.aside)
