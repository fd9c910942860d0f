"""What does the store know that explains one slot? Reading only, for `why`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mitrarr_runner.clock import epoch, from_epoch
from mitrarr_runner.store import runs
from mitrarr_runner.store.database import Database, Row
from mitrarr_runner.store.runs import Run
from mitrarr_runner.store.slots import SlotRow, SlotState


@dataclass(frozen=True, slots=True)
class Deed:
    """One line of the audit chain."""

    id: int
    action: str
    actor: str
    at: datetime
    detail: Mapping[str, Any]


def row_of(db: Database, manifest: str, job: str, slot: datetime) -> SlotRow | None:
    """The slot's own row, else the one of the range that covers it."""
    row = db.row(
        "SELECT * FROM slots WHERE manifest = :manifest AND job = :job AND slot <= :slot"
        " AND (slot = :slot OR until >= :slot) ORDER BY slot DESC LIMIT 1",
        manifest=manifest,
        job=job,
        slot=epoch(slot),
    )
    if row is None:
        return None
    until = row["until"]
    return SlotRow(
        row["job"],
        from_epoch(row["slot"]),
        SlotState(row["state"]),
        row["code"],
        row["reason"],
        row["run"],
        None if until is None else from_epoch(until),
        from_epoch(row["at"]),
    )


def neighbour(db: Database, manifest: str, job: str, at: datetime) -> datetime | None:
    """The newest slot at or before `at` that has a row, whatever the schedule says today."""
    row = db.row(
        "SELECT MAX(slot) AS slot FROM slots WHERE manifest = :manifest AND job = :job"
        " AND slot <= :at",
        manifest=manifest,
        job=job,
        at=epoch(at),
    )
    return None if row is None or row["slot"] is None else from_epoch(row["slot"])


def run_after(db: Database, manifest: str, job: str, slot: datetime) -> Run | None:
    """The run of the first later slot that was run: it stands for those missed before it."""
    row = db.row(
        "SELECT run FROM slots WHERE manifest = :manifest AND job = :job AND slot > :slot"
        " AND state = 'claimed' ORDER BY slot LIMIT 1",
        manifest=manifest,
        job=job,
        slot=epoch(slot),
    )
    return None if row is None or row["run"] is None else runs.get(db, row["run"])


def run_during(db: Database, manifest: str, job: str, at: datetime) -> Run | None:
    """The run of a job that was in progress at that instant."""
    row = db.row(
        "SELECT id FROM runs WHERE manifest = :manifest AND job = :job AND started_at <= :at"
        " AND (finished_at IS NULL OR finished_at >= :at) ORDER BY id DESC LIMIT 1",
        manifest=manifest,
        job=job,
        at=epoch(at),
    )
    return None if row is None else runs.get(db, row["id"])


def run_before(db: Database, manifest: str, job: str, at: datetime) -> Run | None:
    """The newest run of a job that had begun by then."""
    row = db.row(
        "SELECT id FROM runs WHERE manifest = :manifest AND job = :job AND started_at <= :at"
        " ORDER BY id DESC LIMIT 1",
        manifest=manifest,
        job=job,
        at=epoch(at),
    )
    return None if row is None else runs.get(db, row["id"])


def lost_before(db: Database, manifest: str, job: str, slot: datetime, run: int) -> Run | None:
    """The earlier run of the same slot, which `run` repeats."""
    row = db.row(
        "SELECT MAX(id) AS id FROM runs WHERE manifest = :manifest AND job = :job"
        " AND slot = :slot AND id < :run",
        manifest=manifest,
        job=job,
        slot=epoch(slot),
        run=run,
    )
    return None if row is None or row["id"] is None else runs.get(db, row["id"])


def first_seen(db: Database, manifest: str, job: str) -> datetime | None:
    """When apply saw the job for the first time."""
    row = db.row(
        "SELECT first_seen FROM jobs WHERE manifest = :manifest AND job = :job",
        manifest=manifest,
        job=job,
    )
    return None if row is None else from_epoch(row["first_seen"])


def last_deed(db: Database, manifest: str, job: str, action: str, until: datetime) -> Deed | None:
    """The newest pause or resume of a job at or before an instant."""
    rows = db.rows(
        "SELECT * FROM audit WHERE action = :action AND subject = :job"
        " AND at <= :until ORDER BY id DESC LIMIT 50",
        action=action,
        job=job,
        until=epoch(until),
    )
    return _of_job(rows, manifest)


def resumed(db: Database, manifest: str, job: str, pause: Deed) -> Deed | None:
    """The resume that ended a pause; None where it holds, or ended by itself."""
    rows = db.rows(
        "SELECT * FROM audit WHERE action IN ('pause', 'resume') AND subject = :job"
        " AND id > :pause ORDER BY id LIMIT 50",
        job=job,
        pause=pause.id,
    )
    found = _of_job(rows, manifest)
    return found if found is not None and found.action == "resume" else None


def paused(db: Database, manifest: str, job: str, at: datetime) -> Deed | None:
    """The pause that held a job at an instant; a pause stays as it began."""
    rows = db.rows(
        "SELECT * FROM audit WHERE action IN ('pause', 'resume')"
        " AND subject = :job AND at <= :at ORDER BY id DESC LIMIT 50",
        job=job,
        at=epoch(at),
    )
    found = _of_job(rows, manifest)
    return found if found is not None and found.action == "pause" and _holds(found, at) else None


def drained(db: Database, manifest: str, begin: datetime, end: datetime) -> Deed | None:
    """The first drain of a manifest that held at some instant in [begin, end)."""
    rows = db.rows(
        "SELECT * FROM audit WHERE action IN ('drain', 'undrain')"
        " AND subject = :manifest AND at < :end ORDER BY id DESC LIMIT 50",
        manifest=manifest,
        end=epoch(end),
    )
    deeds = [_deed(row) for row in rows]
    since = [deed for deed in deeds if deed.at > begin]
    before = next((deed for deed in deeds if deed.at <= begin), None)
    if before is not None and before.action == "drain" and _holds(before, begin):
        return before
    return next((deed for deed in reversed(since) if deed.action == "drain"), None)


def applied(db: Database, manifest: str, begin: datetime, end: datetime) -> bool:
    """Whether an apply left anything in [begin, end): a row about a slot, or a run it started. One
    that found nothing to do leaves nothing.
    """
    row = db.row(
        "SELECT 1 FROM slots WHERE manifest = :manifest AND at >= :begin AND at < :end"
        " UNION ALL SELECT 1 FROM runs WHERE manifest = :manifest AND cause <> 'hand'"
        " AND started_at >= :begin AND started_at < :end LIMIT 1",
        manifest=manifest,
        begin=epoch(begin),
        end=epoch(end),
    )
    return row is not None


def _of_job(rows: Iterable[Row], manifest: str) -> Deed | None:
    """The first of the deeds on jobs of one manifest."""
    for row in rows:
        deed = _deed(row)
        if deed.detail.get("manifest") == manifest and deed.detail.get("kind") == "job":
            return deed
    return None


def _deed(row: Row) -> Deed:
    detail = json.loads(row["detail"])
    return Deed(row["id"], row["action"], row["actor"], from_epoch(row["at"]), detail)


def _holds(deed: Deed, at: datetime) -> bool:
    """Whether a pause or drain had not ended by itself."""
    until = deed.detail.get("until")
    return not until or at < datetime.fromisoformat(str(until))
