from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from sqlite3 import IntegrityError

import pytest

from mitrarr_runner.store import registry, sightings
from mitrarr_runner.store.database import Database, open_database
from mitrarr_runner.store.registry import Entry, Noted, Place, State
from mitrarr_runner.store.sightings import Seen, SeenFile
from mitrarr_runner.text import plural, text

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ENTRY = Entry(
    source="DETRAN",
    person="ANA",
    tcn="T1",
    sha256="a" * 64,
    bytes=10,
    state=State.REGISTERED,
    run=7,
    actor="cron",
)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with open_database(tmp_path / "state" / "mitrarr.db") as opened:
        yield opened


def add(db: Database, **changes: object) -> registry.Record:
    with db.transaction():
        return registry.add(db, replace(ENTRY, **changes), NOW)  # type: ignore[arg-type]


def test_a_row_comes_back_as_it_was_written(db: Database) -> None:
    findings = (
        Noted("nist_len", "error", text("record {record}", record=3), 12, 3, "10.001"),
        Noted("x", "warning", plural("{count} byte", "{count} bytes", 2)),
    )
    record = add(db, state=State.QUARANTINED, code="nist_len", findings=findings)
    assert registry.show(db, "q1") == record
    assert registry.by_id(db, record.id) == record
    assert (record.handle, record.findings, record.code) == ("Q1", findings, "nist_len")
    assert (record.person, record.run, record.at, record.changed_at) == ("ANA", 7, NOW, NOW)


def test_handles_are_never_given_twice(db: Database) -> None:
    assert [add(db, person=str(n)).handle for n in range(2)] == ["R1", "R2"]
    assert add(db, sha256="b", state=State.QUARANTINED).handle == "Q1"
    with db.transaction():
        db.execute("DELETE FROM registry")
    assert add(db).handle == "R3"


def test_a_failed_transaction_gives_its_handle_back(db: Database) -> None:
    assert add(db).handle == "R1"
    with pytest.raises(IntegrityError):
        add(db)
    assert add(db, person="BIA").handle == "R2"


def test_no_repr_tells_an_id(db: Database) -> None:
    assert "ANA" not in repr(add(db))
    assert "ANA" not in repr(ENTRY)
    assert "T1" not in repr(ENTRY)


def test_only_so_many_findings_are_kept_errors_first(db: Database) -> None:
    many = [Noted("w", "warning", text("w"))] * 50 + [Noted("e", "error", text("e"))]
    kept = add(db, findings=tuple(many)).findings
    assert len(kept) == registry.FINDINGS_KEPT
    assert kept[0].code == "e"


def test_settle_is_guarded_by_the_old_state(db: Database) -> None:
    row = add(db, state=State.QUARANTINED, code="x")
    later = NOW + timedelta(hours=1)
    with db.transaction():
        done = registry.settle(db, row, replace(ENTRY, person="BIA"), later)
    assert (done.handle, done.state, done.person, done.code) == ("Q1", State.REGISTERED, "BIA", "")
    assert (done.at, done.changed_at) == (NOW, later)
    with pytest.raises(LookupError), db.transaction():
        registry.settle(db, row, ENTRY, later)


def test_revisions_count_what_was_taken_in(db: Database) -> None:
    assert registry.next_revision(db, "DETRAN", "ANA") == 1
    add(db, state=State.QUARANTINED)
    assert registry.next_revision(db, "DETRAN", "ANA") == 1
    add(db, sha256="b", state=State.NO_FACE)
    assert registry.next_revision(db, "DETRAN", "ANA") == 2
    assert registry.next_revision(db, "OTHER", "ANA") == 1


def test_counts_and_listing(db: Database) -> None:
    add(db)
    add(db, person="BIA", source="MG", state=State.NO_FACE)
    add(db, person="", sha256="c", state=State.QUARANTINED)
    assert registry.counts(db) == {
        State.REGISTERED: 1,
        State.NO_FACE: 1,
        State.QUARANTINED: 1,
        State.SUPERSEDED: 0,
    }
    assert registry.counts(db, "MG")[State.REGISTERED] == 0
    assert [row.handle for row in registry.listing(db)] == ["Q1", "R2", "R1"]
    assert [row.handle for row in registry.listing(db, limit=1)] == ["Q1"]
    assert [row.handle for row in registry.listing(db, state=State.NO_FACE)] == ["R2"]
    assert [row.handle for row in registry.listing(db, source="DETRAN")] == ["Q1", "R1"]
    assert [row.handle for row in registry.by_person(db, "MG", "BIA")] == ["R2"]
    assert registry.show(db, "R9") is None


def test_another_person_with_the_same_tcn(db: Database) -> None:
    add(db)
    other = replace(ENTRY, person="BIA", sha256="b")
    assert registry.other_with_tcn(db, other) == "R1"
    assert registry.other_with_tcn(db, replace(other, person="ANA")) is None
    assert registry.other_with_tcn(db, replace(other, sha256="a" * 64)) is None
    assert registry.other_with_tcn(db, replace(other, source="MG")) is None
    add(db, person="EVA", tcn="", sha256="d")
    assert registry.other_with_tcn(db, replace(other, tcn="")) is None


def test_the_store_wins_over_quarantine(db: Database) -> None:
    assert registry.place_of(db, "x") is None
    with db.transaction():
        assert registry.put_blob(db, "x", 3, Place.QUARANTINE, NOW) is Place.QUARANTINE
        assert registry.quarantined_blobs(db) == {"x"}
        assert registry.put_blob(db, "x", 3, Place.STORE, NOW) is Place.STORE
        assert registry.put_blob(db, "x", 3, Place.QUARANTINE, NOW) is Place.STORE
    assert registry.place_of(db, "x") is Place.STORE
    assert registry.quarantined_blobs(db) == frozenset()


def test_the_look_ups_of_every_file_use_an_index(db: Database) -> None:
    for sql in (
        "SELECT * FROM registry WHERE source = 'a' AND person = 'b' AND sha256 = 'c'",
        "SELECT * FROM registry WHERE sha256 = 'c' AND source = 'a' AND state = 'quarantined'",
        "SELECT handle FROM registry WHERE source = 'a' AND tcn = 'b' AND tcn <> ''",
        "SELECT MAX(revision) FROM registry WHERE source = 'a' AND person = 'b'",
    ):
        plan = db.rows(f"EXPLAIN QUERY PLAN {sql}")
        assert all("USING INDEX" in row["detail"] for row in plan)


def test_what_was_seen_of_a_spool(db: Database) -> None:
    file = SeenFile(2**62, 10, 1_700_000_000_123_456_789, -5, Seen.ARRIVING, 5, 6)
    with db.transaction():
        sightings.note_files(db, "A", [file, replace(file, inode=-3)])
        sightings.note_files(db, "B", [file])
        sightings.note_files(db, "A", [replace(file, state=Seen.DONE, at=9)])
        sightings.forget_files(db, "A", [-3, 77])
    assert sightings.seen_files(db, "A") == {2**62: replace(file, state=Seen.DONE, at=9)}
    assert sightings.seen_files(db, "B") == {2**62: file}
