"""Is what a store says consistent in itself? Read-only questions, each a count of rows that do not
fit; nothing here repairs anything.
"""

from __future__ import annotations

from mitrarr_runner.store.database import Database
from mitrarr_runner.store.registry import Place

_REPORTED = 20


def integrity(db: Database) -> tuple[str, ...]:
    """What SQLite finds wrong with the file, the first few; empty when it is whole.

    Names tables and pages, no values.
    """
    found = [str(row[0]) for row in db.rows(f"PRAGMA integrity_check({_REPORTED})")]
    return () if found == ["ok"] else tuple(found)


def deliveries_without_record(db: Database) -> int:
    return _count(
        db,
        "SELECT COUNT(*) AS number FROM deliveries WHERE NOT EXISTS"
        " (SELECT 1 FROM registry WHERE registry.id = deliveries.registry)",
    )


def creates_without_delivery(db: Database) -> int:
    return _count(
        db,
        "SELECT COUNT(*) AS number FROM creates WHERE NOT EXISTS"
        " (SELECT 1 FROM deliveries WHERE deliveries.id = creates.delivery)",
    )


def records_without_original(db: Database) -> int:
    """Registered files whose bytes no blob row names."""
    return _count(
        db,
        "SELECT COUNT(*) AS number FROM registry WHERE NOT EXISTS"
        " (SELECT 1 FROM blobs WHERE blobs.sha256 = registry.sha256)",
    )


def slots_without_run(db: Database) -> int:
    """Claimed slots of which no run is known; retention removes the slot before its run."""
    return _count(
        db,
        "SELECT COUNT(*) AS number FROM slots WHERE state = 'claimed' AND (run IS NULL OR"
        " NOT EXISTS (SELECT 1 FROM runs WHERE runs.id = slots.run))",
    )


def originals(db: Database) -> dict[str, Place]:
    """Where each original should lie, by its hash."""
    rows = db.rows("SELECT sha256, place FROM blobs")
    return {row["sha256"]: Place(row["place"]) for row in rows}


def _count(db: Database, sql: str) -> int:
    row = db.row(sql)
    return int(row["number"]) if row is not None else 0
