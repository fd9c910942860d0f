"""Who paused what, when, why, and until when? A pause survives restarts and edits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mitrarr_runner.clock import epoch, from_epoch
from mitrarr_runner.store.database import Database


class Paused(StrEnum):
    """What kind of thing is paused."""

    JOB = "job"
    DESTINATION = "destination"


@dataclass(frozen=True, slots=True)
class Pause:
    """until None = until somebody resumes it."""

    kind: Paused
    name: str
    actor: str
    reason: str
    at: datetime
    until: datetime | None

    def holds(self, now: datetime) -> bool:
        return self.until is None or now < self.until


def put(db: Database, manifest: str, pause: Pause) -> bool:
    """Pause it; False when it was paused already (the first pause stays). Needs a transaction.

    A pause whose end has passed is replaced.
    """
    return bool(
        db.execute(
            "INSERT INTO pauses (manifest, kind, name, actor, reason, at, until)"
            " VALUES (:manifest, :kind, :name, :actor, :reason, :at, :until)"
            " ON CONFLICT (manifest, kind, name) DO UPDATE SET actor = excluded.actor,"
            " reason = excluded.reason, at = excluded.at, until = excluded.until"
            " WHERE pauses.until IS NOT NULL AND pauses.until <= excluded.at",
            manifest=manifest,
            kind=pause.kind.value,
            name=pause.name,
            actor=pause.actor,
            reason=pause.reason,
            at=epoch(pause.at),
            until=None if pause.until is None else epoch(pause.until),
        )
    )


def remove(db: Database, manifest: str, kind: Paused, name: str) -> Pause | None:
    """End a pause and return it; None when there was none. Needs a transaction."""
    row = db.row(
        "SELECT * FROM pauses WHERE manifest = :manifest AND kind = :kind AND name = :name",
        manifest=manifest,
        kind=kind.value,
        name=name,
    )
    if row is None:
        return None
    db.execute(
        "DELETE FROM pauses WHERE manifest = :manifest AND kind = :kind AND name = :name",
        manifest=manifest,
        kind=kind.value,
        name=name,
    )
    return _pause(dict(row))


def of(db: Database, manifest: str, kind: Paused) -> Mapping[str, Pause]:
    """Every pause of a kind by name, those whose end has passed included."""
    rows = db.rows(
        "SELECT * FROM pauses WHERE manifest = :manifest AND kind = :kind ORDER BY name",
        manifest=manifest,
        kind=kind.value,
    )
    return {row["name"]: _pause(dict(row)) for row in rows}


def _pause(row: Mapping[str, object]) -> Pause:
    until = row["until"]
    return Pause(
        Paused(str(row["kind"])),
        str(row["name"]),
        str(row["actor"]),
        str(row["reason"]),
        from_epoch(int(str(row["at"]))),
        None if until is None else from_epoch(int(str(until))),
    )
