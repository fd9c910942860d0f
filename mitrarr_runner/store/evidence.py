"""What does the store know that explains one slot? Reading only, for `why`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mitrarr_runner.clock import epoch, from_epoch
from mitrarr_runner.store import runs
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.runs import Run
from mitrarr_runner.store.slots import SlotRow, SlotState


@dataclass(frozen=True, slots=True)
class Deed:
    """One line of the audit chain."""

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
        "SELECT actor, at, detail FROM audit WHERE action = :action AND subject = :job"
        " AND at <= :until ORDER BY id DESC LIMIT 50",
        action=action,
        job=job,
        until=epoch(until),
    )
    for row in rows:
        detail = json.loads(row["detail"])
        if detail.get("manifest") == manifest and detail.get("kind") == "job":
            return Deed(row["actor"], from_epoch(row["at"]), detail)
    return None
