"""Which files of people were taken in, and which were refused?

Tables `registry` (one row per person and revision, and one per refused file) and `blobs` (where the
bytes lie). This is the only module that writes ids of people; everybody else carries `id` or
`handle`. What is known of files still in a spool is in `sightings`.

Functions that write expect an open transaction, unless they say otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from mitrarr_runner.clock import epoch, from_epoch
from mitrarr_runner.store.database import Database, Row
from mitrarr_runner.text import Text, from_data, to_data

FINDINGS_KEPT = 20  # of one file; a damaged megabyte must not become a megabyte of JSON


class State(StrEnum):
    """superseded: refused once, and its bytes were taken in under another handle since."""

    REGISTERED = "registered"
    NO_FACE = "no_face"
    QUARANTINED = "quarantined"
    SUPERSEDED = "superseded"


class Place(StrEnum):
    """In which of the two folders of originals a blob lies."""

    STORE = "store"
    QUARANTINE = "quarantine"


@dataclass(frozen=True, slots=True)
class Noted:
    """A finding as the registry keeps it: a code, a sentence, a place; never a value of a person.

    offset: bytes from the start of the file; record: position from 1; field: "10.011".
    """

    code: str
    severity: str
    message: Text
    offset: int | None = None
    record: int | None = None
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be written about one file. code: the finding that decided, "" where none did."""

    source: str
    person: str = field(repr=False)
    tcn: str = field(repr=False)
    sha256: str
    bytes: int
    state: State
    code: str = ""
    findings: tuple[Noted, ...] = ()
    revision: int = 1
    run: int | None = None
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One row. handle: R<n>, or Q<n> for what was once refused (it keeps its Q for ever)."""

    id: int
    handle: str
    source: str
    person: str = field(repr=False)
    tcn: str = field(repr=False)
    sha256: str
    bytes: int
    revision: int
    state: State
    code: str
    findings: tuple[Noted, ...]
    run: int | None
    actor: str
    at: datetime
    changed_at: datetime


def add(db: Database, entry: Entry, now: datetime) -> Record:
    """Insert a row under the next handle of its letter: the first refused file of a site is Q1."""
    letter = "Q" if entry.state is State.QUARANTINED else "R"
    number = db.insert(
        "INSERT INTO registry (handle, source, person, tcn, sha256, bytes, revision, state, code,"
        " findings, run, actor, at, changed_at) VALUES (:handle, :source, :person, :tcn, :sha256,"
        " :bytes, :revision, :state, :code, :findings, :run, :actor, :at, :at)",
        handle=f"{letter}{_next_number(db, letter)}",
        **_columns(entry),
        at=epoch(now),
    )
    return _one(db, "SELECT * FROM registry WHERE id = :id", id=number)


def settle(db: Database, quarantined: Record, entry: Entry, now: datetime) -> Record:
    """A refused or superseded file was judged anew: its row says so and keeps its handle.

    Guarded by the old state: raises LookupError where somebody else was faster.
    """
    changed = db.execute(
        "UPDATE registry SET source = :source, person = :person, tcn = :tcn, sha256 = :sha256,"
        " bytes = :bytes, revision = :revision, state = :state, code = :code,"
        " findings = :findings, run = :run, actor = :actor, changed_at = :at"
        " WHERE id = :id AND state IN ('quarantined', 'superseded')",
        **_columns(entry),
        id=quarantined.id,
        at=epoch(now),
    )
    if changed != 1:
        raise LookupError(quarantined.handle)
    return _one(db, "SELECT * FROM registry WHERE id = :id", id=quarantined.id)


def supersede(db: Database, quarantined: Record, now: datetime) -> None:
    """Its bytes are registered under another handle: nobody needs to look at this row any more."""
    db.execute(
        "UPDATE registry SET state = 'superseded', changed_at = :at"
        " WHERE id = :id AND state = 'quarantined'",
        id=quarantined.id,
        at=epoch(now),
    )


def find(db: Database, source: str, person: str, sha256: str) -> Record | None:
    """The row of exactly these bytes under exactly this id."""
    return _maybe(
        db.row(
            "SELECT * FROM registry"
            " WHERE source = :source AND person = :person AND sha256 = :sha256",
            source=source,
            person=person,
            sha256=sha256,
        )
    )


def refused(db: Database, source: str, sha256: str) -> tuple[Record, ...]:
    """The rows under which these bytes of this source wait in quarantine."""
    rows = db.rows(
        "SELECT * FROM registry WHERE sha256 = :sha256 AND source = :source"
        " AND state = 'quarantined' ORDER BY id",
        source=source,
        sha256=sha256,
    )
    return tuple(_record(row) for row in rows)


def next_revision(db: Database, source: str, person: str) -> int:
    """1 for a new person, one more than the newest for a known one; refused files do not count."""
    row = db.row(
        "SELECT MAX(revision) FROM registry WHERE source = :source AND person = :person"
        " AND state IN ('registered', 'no_face')",
        source=source,
        person=person,
    )
    return 1 + int(row[0] or 0) if row else 1


def other_with_tcn(db: Database, entry: Entry) -> str | None:
    """The handle of another person's file with the same transaction number, where there is one."""
    row = db.row(
        "SELECT handle FROM registry WHERE source = :source AND tcn = :tcn AND tcn <> ''"
        " AND person <> :person AND sha256 <> :sha256 AND state IN ('registered', 'no_face')"
        " ORDER BY id LIMIT 1",
        source=entry.source,
        tcn=entry.tcn,
        person=entry.person,
        sha256=entry.sha256,
    )
    return None if row is None else str(row["handle"])


def counts(db: Database, source: str | None = None) -> Mapping[State, int]:
    """How many rows there are in each state, zeros included; of one source, or of all."""
    rows = db.rows(
        "SELECT state, COUNT(*) AS number FROM registry"
        " WHERE source = :source OR :every = 1 GROUP BY state",
        source=source or "",
        every=1 if source is None else 0,
    )
    found = {State(row["state"]): int(row["number"]) for row in rows}
    return {state: found.get(state, 0) for state in State}


def listing(
    db: Database, *, state: State | None = None, source: str | None = None, limit: int = 50
) -> list[Record]:
    """The newest rows first, at most `limit`."""
    rows = db.rows(
        "SELECT * FROM registry WHERE (state = :state OR :any_state = 1)"
        " AND (source = :source OR :any_source = 1) ORDER BY id DESC LIMIT :limit",
        state=state or "",
        any_state=1 if state is None else 0,
        source=source or "",
        any_source=1 if source is None else 0,
        limit=limit,
    )
    return [_record(row) for row in rows]


def show(db: Database, handle: str) -> Record | None:
    """One row by its handle; `q1` is `Q1`."""
    return _maybe(db.row("SELECT * FROM registry WHERE handle = :handle", handle=handle.upper()))


def by_id(db: Database, number: int) -> Record | None:
    return _maybe(db.row("SELECT * FROM registry WHERE id = :id", id=number))


def by_person(db: Database, source: str, person: str) -> list[Record]:
    """Every row of one person, the newest first."""
    rows = db.rows(
        "SELECT * FROM registry WHERE source = :source AND person = :person ORDER BY id DESC",
        source=source,
        person=person,
    )
    return [_record(row) for row in rows]


def place_of(db: Database, sha256: str) -> Place | None:
    """Where the bytes lie durably; None where they were never recorded."""
    row = db.row("SELECT place FROM blobs WHERE sha256 = :sha256", sha256=sha256)
    return None if row is None else Place(row["place"])


def quarantined_blobs(db: Database) -> frozenset[str]:
    """The hashes of all bytes that count as refused."""
    rows = db.rows("SELECT sha256 FROM blobs WHERE place = 'quarantine'")
    return frozenset(row["sha256"] for row in rows)


def put_blob(db: Database, sha256: str, size: int, place: Place, now: datetime) -> Place:
    """Record that the bytes lie at `place`, and answer where they count from now on.

    `store` wins: what one source registered is not taken away because another one refuses it.
    """
    db.execute(
        "INSERT INTO blobs (sha256, bytes, place, at) VALUES (:sha256, :bytes, :place, :at)"
        " ON CONFLICT (sha256) DO UPDATE SET place = CASE"
        " WHEN blobs.place = 'store' THEN blobs.place ELSE excluded.place END",
        sha256=sha256,
        bytes=size,
        place=place,
        at=epoch(now),
    )
    return place_of(db, sha256) or place


def _next_number(db: Database, letter: str) -> int:
    """Counted per letter and never given twice, also after rows were erased."""
    key = f"handle_{letter}"
    row = db.row("SELECT value FROM meta WHERE key = :key", key=key)
    number = 1 + int(row["value"]) if row else 1
    db.execute(
        "INSERT INTO meta (key, value) VALUES (:key, :value)"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        key=key,
        value=str(number),
    )
    return number


def _columns(entry: Entry) -> dict[str, object]:
    return {
        "source": entry.source,
        "person": entry.person,
        "tcn": entry.tcn,
        "sha256": entry.sha256,
        "bytes": entry.bytes,
        "revision": entry.revision,
        "state": entry.state,
        "code": entry.code,
        "findings": _findings_json(entry.findings),
        "run": entry.run,
        "actor": entry.actor,
    }


def _one(db: Database, sql: str, /, **values: object) -> Record:
    row = db.row(sql, **values)
    if row is None:
        raise LookupError("registry")
    return _record(row)


def _maybe(row: Row | None) -> Record | None:
    return None if row is None else _record(row)


def _record(row: Row) -> Record:
    return Record(
        id=int(row["id"]),
        handle=row["handle"],
        source=row["source"],
        person=row["person"],
        tcn=row["tcn"],
        sha256=row["sha256"],
        bytes=int(row["bytes"]),
        revision=int(row["revision"]),
        state=State(row["state"]),
        code=row["code"],
        findings=_findings(row["findings"]),
        run=row["run"],
        actor=row["actor"],
        at=from_epoch(row["at"]),
        changed_at=from_epoch(row["changed_at"]),
    )


def _findings_json(findings: Sequence[Noted]) -> str:
    kept = sorted(findings, key=lambda item: item.severity != "error")[:FINDINGS_KEPT]
    return json.dumps(
        [
            {
                "code": item.code,
                "severity": item.severity,
                "message": to_data(item.message),
                "offset": item.offset,
                "record": item.record,
                "field": item.field,
            }
            for item in kept
        ],
        ensure_ascii=False,
    )


def _findings(stored: str) -> tuple[Noted, ...]:
    return tuple(
        Noted(**{**item, "message": from_data(item["message"])}) for item in json.loads(stored)
    )
