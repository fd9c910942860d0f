"""Which planned instants were dealt with, and how? Inserting a slot's row is the claim."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mitrarr_runner.clock import epoch, from_epoch
from mitrarr_runner.store.database import Database, Row

_FOR_EVER = 2**62
"""Later than any instant."""


class SlotState(StrEnum):
    """claimed: a run has it. queued: waits for the job's running one. All others: not run."""

    CLAIMED = "claimed"
    QUEUED = "queued"
    MISSED = "missed"
    MISSED_RANGE = "missed_range"
    SKIPPED = "skipped"
    PAUSED = "paused"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class SlotRow:
    """until is set for missed_range, and for paused where a row stands for many: every slot in
    [slot, until] has that fate."""

    job: str
    slot: datetime
    state: SlotState
    code: str
    reason: str
    run: int | None
    until: datetime | None
    at: datetime


def put(
    db: Database,
    manifest: str,
    job: str,
    slot: datetime,
    state: SlotState,
    *,
    code: str,
    now: datetime,
    reason: str = "",
    run: int | None = None,
    until: datetime | None = None,
) -> bool:
    """Insert the slot's row; False when it exists already: somebody else dealt with the slot. A
    queued slot may still be blocked. Needs a transaction.
    """
    return bool(
        db.execute(
            "INSERT INTO slots (manifest, job, slot, until, state, code, reason, run, at)"
            " VALUES (:manifest, :job, :slot, :until, :state, :code, :reason, :run, :at)"
            " ON CONFLICT (manifest, job, slot) DO UPDATE SET state = excluded.state,"
            " code = excluded.code, reason = excluded.reason, at = excluded.at"
            " WHERE slots.state = 'queued' AND excluded.state = 'blocked'",
            manifest=manifest,
            job=job,
            slot=epoch(slot),
            until=None if until is None else epoch(until),
            state=state.value,
            code=code,
            reason=reason,
            run=run,
            at=epoch(now),
        )
    )


def claim_queued(db: Database, manifest: str, job: str, slot: datetime, run: int) -> bool:
    """Turn a queued slot into a claimed one; guarded by the old state. Needs a transaction."""
    return bool(
        db.execute(
            "UPDATE slots SET state = 'claimed', code = 'ran', run = :run"
            " WHERE manifest = :manifest AND job = :job AND slot = :slot AND state = 'queued'",
            manifest=manifest,
            job=job,
            slot=epoch(slot),
            run=run,
        )
    )


def attach(db: Database, manifest: str, job: str, slot: datetime, run: int) -> None:
    """Name the newer run that works on an already claimed slot (recovery). Needs a transaction."""
    db.execute(
        "UPDATE slots SET run = :run WHERE manifest = :manifest AND job = :job AND slot = :slot",
        manifest=manifest,
        job=job,
        slot=epoch(slot),
        run=run,
    )


def exists(db: Database, manifest: str, job: str, slot: datetime) -> SlotState | None:
    row = db.row(
        "SELECT state FROM slots WHERE manifest = :manifest AND job = :job AND slot = :slot",
        manifest=manifest,
        job=job,
        slot=epoch(slot),
    )
    return None if row is None else SlotState(row["state"])


def open_since(
    db: Database, manifest: str, after: datetime, now: datetime
) -> Mapping[str, Mapping[datetime, SlotRow]]:
    """The rows a plan must know, by job: later than their job's last slot, and whatever is queued.

    Of a job without a last slot, or with one in the future (the clock went back), every row later
    than `after`, and the newest before it. A range is later where its end is. In the steady state
    that is next to nothing, however long the history.
    """
    rows = db.rows(
        "SELECT slots.* FROM slots JOIN jobs ON jobs.manifest = slots.manifest"
        " AND jobs.job = slots.job WHERE slots.manifest = :manifest AND (slots.state = 'queued'"
        " OR COALESCE(slots.until, slots.slot) > CASE WHEN jobs.last_slot <= :now"
        " THEN jobs.last_slot ELSE :after END"
        " OR ((jobs.last_slot IS NULL OR jobs.last_slot > :now) AND slots.slot ="
        " (SELECT MAX(old.slot) FROM slots AS old WHERE old.manifest = jobs.manifest"
        " AND old.job = jobs.job AND COALESCE(old.until, old.slot) <= :after"
        " AND old.slot <= :after)))",
        manifest=manifest,
        after=epoch(after),
        now=epoch(now),
    )
    found: dict[str, dict[datetime, SlotRow]] = {}
    for row in rows:
        slot = _row(row)
        found.setdefault(slot.job, {})[slot.slot] = slot
    return found


def forget_future(db: Database, manifest: str, now: datetime) -> int:
    """Remove what was said of instants that have not come yet: the clock stood ahead, and is back.

    What ran stays: a slot never runs twice, whatever the clock does. Needs a transaction.
    """
    return db.execute(
        "DELETE FROM slots WHERE manifest = :manifest AND state NOT IN ('claimed', 'queued')"
        " AND (slot > :now OR until > :now)",
        manifest=manifest,
        now=epoch(now),
    )


def of_job(db: Database, manifest: str, job: str, limit: int) -> tuple[SlotRow, ...]:
    """The newest `limit` rows of a job, newest first."""
    rows = db.rows(
        "SELECT * FROM slots WHERE manifest = :manifest AND job = :job"
        " ORDER BY slot DESC LIMIT :limit",
        manifest=manifest,
        job=job,
        limit=limit,
    )
    return tuple(_row(row) for row in rows)


def newest_not_run(
    db: Database, manifest: str, job: str, after: int, before: int | None = None
) -> SlotRow | None:
    """The newest row between two instants (seconds since 1970, exclusive) that no run has."""
    row = db.row(
        "SELECT * FROM slots WHERE manifest = :manifest AND job = :job AND slot > :after"
        " AND slot < :before AND state <> 'claimed' ORDER BY slot DESC LIMIT 1",
        manifest=manifest,
        job=job,
        after=after,
        before=_FOR_EVER if before is None else before,
    )
    return None if row is None else _row(row)


def between(
    db: Database, manifest: str, job: str, first: datetime, last: datetime, limit: int
) -> tuple[SlotRow, ...]:
    """The newest `limit` rows of a job in [first, last], newest first."""
    rows = db.rows(
        "SELECT * FROM slots WHERE manifest = :manifest AND job = :job"
        " AND slot >= :first AND slot <= :last ORDER BY slot DESC LIMIT :limit",
        manifest=manifest,
        job=job,
        first=epoch(first),
        last=epoch(last),
        limit=limit,
    )
    return tuple(_row(row) for row in rows)


def _row(data: Row) -> SlotRow:
    return SlotRow(
        data["job"],
        from_epoch(data["slot"]),
        SlotState(data["state"]),
        data["code"],
        data["reason"],
        data["run"],
        None if data["until"] is None else from_epoch(data["until"]),
        from_epoch(data["at"]),
    )


def forget_paused(db: Database, manifest: str, job: str, since: datetime) -> None:
    """Take back that slots from `since` on were left out for a pause: they are to be caught up.
    Needs a transaction."""
    db.execute(
        "DELETE FROM slots WHERE manifest = :manifest AND job = :job AND state = 'paused'"
        " AND slot >= :since",
        manifest=manifest,
        job=job,
        since=epoch(since),
    )
