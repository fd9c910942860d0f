"""What was measured: volume readings per run, and the latest verdict of every check."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mitrarr_runner.clock import epoch, from_epoch
from mitrarr_runner.store.database import Database


@dataclass(frozen=True, slots=True)
class StoredReading:
    at: datetime
    value: int


@dataclass(frozen=True, slots=True)
class StoredVerdict:
    """since: when this state began; at: when it was last confirmed."""

    kind: str
    subject: str
    state: str
    code: str
    detail: Mapping[str, Any]
    since: datetime
    at: datetime


def add_reading(
    db: Database, manifest: str, label: str, run: int, at: datetime, value: int
) -> None:
    """Record what one run read; a retried run replaces its own reading. Needs a transaction."""
    db.execute(
        "INSERT INTO volumes (manifest, label, run, at, value)"
        " VALUES (:manifest, :label, :run, :at, :value)"
        " ON CONFLICT (manifest, label, run) DO UPDATE"
        " SET at = excluded.at, value = excluded.value",
        manifest=manifest,
        label=label,
        run=run,
        at=epoch(at),
        value=value,
    )


def readings(db: Database, manifest: str, label: str, since: datetime) -> tuple[StoredReading, ...]:
    """Readings at or after `since`, oldest first."""
    rows = db.rows(
        "SELECT at, value FROM volumes WHERE manifest = :manifest AND label = :label"
        " AND at >= :since ORDER BY at, run",
        manifest=manifest,
        label=label,
        since=epoch(since),
    )
    return tuple(StoredReading(from_epoch(row["at"]), row["value"]) for row in rows)


def labels(db: Database, manifest: str) -> tuple[str, ...]:
    """Every label that has a reading, by name."""
    rows = db.rows(
        "SELECT DISTINCT label FROM volumes WHERE manifest = :manifest ORDER BY label",
        manifest=manifest,
    )
    return tuple(row["label"] for row in rows)


def set_verdict(
    db: Database,
    manifest: str,
    kind: str,
    subject: str,
    state: str,
    code: str,
    detail: Mapping[str, object],
    now: datetime,
) -> None:
    """Keep the latest verdict of a check; `since` moves only when the state changes.

    Needs a transaction.
    """
    db.execute(
        "INSERT INTO verdicts (manifest, kind, subject, state, code, detail, since, at)"
        " VALUES (:manifest, :kind, :subject, :state, :code, :detail, :now, :now)"
        " ON CONFLICT (manifest, kind, subject) DO UPDATE SET"
        " since = CASE WHEN verdicts.state = excluded.state THEN verdicts.since"
        " ELSE excluded.since END,"
        " state = excluded.state, code = excluded.code, detail = excluded.detail, at = excluded.at",
        manifest=manifest,
        kind=kind,
        subject=subject,
        state=state,
        code=code,
        detail=json.dumps(detail),
        now=epoch(now),
    )


def verdicts(db: Database, manifest: str) -> tuple[StoredVerdict, ...]:
    rows = db.rows(
        "SELECT * FROM verdicts WHERE manifest = :manifest ORDER BY kind, subject",
        manifest=manifest,
    )
    return tuple(
        StoredVerdict(
            row["kind"],
            row["subject"],
            row["state"],
            row["code"],
            json.loads(row["detail"]),
            from_epoch(row["since"]),
            from_epoch(row["at"]),
        )
        for row in rows
    )
