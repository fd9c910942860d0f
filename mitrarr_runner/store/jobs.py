"""What does the planner remember of each job: since when it is known, and its last slot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from mitrarr_runner.clock import epoch, from_epoch
from mitrarr_runner.store.database import Database


@dataclass(frozen=True, slots=True)
class JobMemory:
    """fingerprint: of cron text and zone; slots at or before `floor` are not looked at;
    run_now: the schedule says `first: now` and that run has not happened yet.
    """

    job: str
    fingerprint: str
    floor: datetime
    last_slot: datetime | None
    run_now: bool


def remembered(db: Database, manifest: str) -> Mapping[str, JobMemory]:
    rows = db.rows("SELECT * FROM jobs WHERE manifest = :manifest", manifest=manifest)
    return {
        row["job"]: JobMemory(
            row["job"],
            row["fingerprint"],
            from_epoch(row["floor"]),
            None if row["last_slot"] is None else from_epoch(row["last_slot"]),
            bool(row["run_now"]),
        )
        for row in rows
    }


def remember(db: Database, manifest: str, memories: Iterable[JobMemory], now: datetime) -> None:
    """Write new jobs and changed schedules: they start anew at their floor. Needs a transaction.

    A row whose fingerprint is already the same is left alone, so that of two applies that see the
    same new schedule the second changes nothing; but for a floor in the future, which a clock that
    has come back left behind.
    """
    db.many(
        "INSERT INTO jobs (manifest, job, fingerprint, floor, last_slot, run_now, first_seen)"
        " VALUES (:manifest, :job, :fingerprint, :floor, NULL, :run_now, :now)"
        " ON CONFLICT (manifest, job) DO UPDATE SET fingerprint = excluded.fingerprint,"
        " floor = excluded.floor, last_slot = NULL, run_now = excluded.run_now"
        " WHERE jobs.fingerprint <> excluded.fingerprint OR jobs.floor > excluded.floor",
        [
            {
                "manifest": manifest,
                "job": memory.job,
                "fingerprint": memory.fingerprint,
                "floor": epoch(memory.floor),
                "run_now": int(memory.run_now),
                "now": epoch(now),
            }
            for memory in memories
        ],
    )


def handled(db: Database, manifest: str, job: str, slot: datetime) -> None:
    """Note that `slot` was handled (run, skipped, missed ...); never moves back.

    Needs a transaction.
    """
    db.execute(
        "UPDATE jobs SET last_slot = CASE WHEN last_slot IS NULL OR last_slot < :slot"
        " THEN :slot ELSE last_slot END, run_now = 0 WHERE manifest = :manifest AND job = :job",
        manifest=manifest,
        job=job,
        slot=epoch(slot),
    )


def forget_future(db: Database, manifest: str, now: datetime) -> int:
    """Last slots that lie ahead were read off a wrong clock: back to the newest that has a row and
    has come. Rows of the future must be forgotten first. Needs a transaction.
    """
    return db.execute(
        "UPDATE jobs SET last_slot = (SELECT MAX(COALESCE(slots.until, slots.slot)) FROM slots"
        " WHERE slots.manifest = jobs.manifest AND slots.job = jobs.job AND slots.slot <= :now"
        " AND COALESCE(slots.until, slots.slot) <= :now)"
        " WHERE manifest = :manifest AND last_slot > :now",
        manifest=manifest,
        now=epoch(now),
    )


def reopen(db: Database, manifest: str, job: str, since: datetime) -> None:
    """Let the next plans look at the slots from `since` on again; those with a row stay what they
    are. Needs a transaction."""
    db.execute(
        "UPDATE jobs SET last_slot = :before WHERE manifest = :manifest AND job = :job"
        " AND last_slot > :before",
        manifest=manifest,
        job=job,
        before=epoch(since) - 1,
    )


def raise_floor(db: Database, manifest: str, job: str, floor: datetime) -> None:
    """Leave everything up to `floor` out of the next plans. Needs a transaction."""
    db.execute(
        "UPDATE jobs SET floor = :floor WHERE manifest = :manifest AND job = :job"
        " AND floor < :floor",
        manifest=manifest,
        job=job,
        floor=epoch(floor),
    )
