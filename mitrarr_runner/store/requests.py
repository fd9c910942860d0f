"""What was asked for and not done yet? Rows that the API and the verbs leave, apply consumes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mitrarr_runner.clock import epoch, from_epoch
from mitrarr_runner.store.database import Database


class Asked(StrEnum):
    RUN = "run"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Request:
    id: int
    job: str
    kind: Asked
    actor: str
    at: datetime
    reason: str = ""


def add(
    db: Database,
    manifest: str,
    job: str,
    kind: Asked,
    *,
    actor: str,
    now: datetime,
    reason: str = "",
) -> int:
    """Needs a transaction."""
    return db.insert(
        "INSERT INTO requests (manifest, job, kind, actor, reason, at)"
        " VALUES (:manifest, :job, :kind, :actor, :reason, :at)",
        manifest=manifest,
        job=job,
        kind=kind.value,
        actor=actor,
        reason=reason,
        at=epoch(now),
    )


def waiting(db: Database, manifest: str, kind: Asked, job: str | None = None) -> list[Request]:
    rows = db.rows(
        "SELECT * FROM requests WHERE manifest = :manifest AND kind = :kind"
        " AND (:job IS NULL OR job = :job) AND done_at IS NULL ORDER BY id",
        manifest=manifest,
        kind=kind.value,
        job=job,
    )
    return [
        Request(
            row["id"],
            row["job"],
            Asked(row["kind"]),
            row["actor"],
            from_epoch(row["at"]),
            row["reason"],
        )
        for row in rows
    ]


def done(db: Database, request: int, now: datetime) -> bool:
    """Close a request; False when another apply did it before. Needs a transaction."""
    return bool(
        db.execute(
            "UPDATE requests SET done_at = :now WHERE id = :request AND done_at IS NULL",
            request=request,
            now=epoch(now),
        )
    )
