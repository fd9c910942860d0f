"""What ran, since when, and how did it end? A run is `started` before anything happens.

The row names its process by pid, start time, boot and host: a pid alone is never trusted. Ends
are guarded updates (`WHERE state = 'started'`), so that a worker and a recovery that judge the
same run cannot both write its end.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from mitrarr_runner.clock import epoch, from_epoch
from mitrarr_runner.store.database import Database, Row


class Cause(StrEnum):
    """Why a run was started."""

    SCHEDULE = "schedule"
    RECOVERY = "recovery"
    HAND = "hand"


class Outcome(StrEnum):
    OK = "ok"
    FAILED = "failed"
    TIMEOUT = "timeout"
    LOST = "lost"
    BLOCKED = "blocked"
    SKIPPED = "skipped"
    REPLACED = "replaced"
    DEFERRED = "deferred"
    STOPPED = "stopped"


GOOD = (Outcome.OK, Outcome.DEFERRED)
"""Outcomes of work that was done: deferred work is kept, not failed."""

SATISFYING = (*GOOD, Outcome.SKIPPED, Outcome.REPLACED)
"""Outcomes that satisfy `needs`."""


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process that cannot be mistaken for another: pid, its start time in ticks, boot, host."""

    pid: int
    started: str
    boot_id: str
    host: str


@dataclass(frozen=True, slots=True)
class Run:
    """asked_reason: why somebody asked for it.

    result: {"steps": [{"kind", "outcome", "code", "message", "seconds", "counts"}]}.
    """

    id: int
    job: str
    slot: datetime | None
    cause: Cause
    missed: int
    finished: bool
    outcome: Outcome | None
    code: str
    reason: str
    process: ProcessId
    fingerprint: str
    actor: str
    started_at: datetime
    finished_at: datetime | None
    seconds: float | None
    result: Mapping[str, Any]
    asked_reason: str = ""

    @property
    def handle(self) -> str:
        return f"r{self.id}"


def start(
    db: Database,
    manifest: str,
    job: str,
    *,
    slot: datetime | None,
    cause: Cause,
    missed: int,
    process: ProcessId,
    fingerprint: str,
    actor: str,
    now: datetime,
    asked_reason: str = "",
) -> int:
    """Insert a started run and return its id. Needs a transaction."""
    return db.insert(
        "INSERT INTO runs (manifest, job, slot, cause, missed, state, host, pid, pid_started,"
        " boot_id, fingerprint, actor, asked_reason, started_at) VALUES (:manifest, :job, :slot,"
        " :cause, :missed, 'started', :host, :pid, :pid_started, :boot_id, :fingerprint, :actor,"
        " :asked_reason, :now)",
        manifest=manifest,
        job=job,
        slot=None if slot is None else epoch(slot),
        cause=cause.value,
        missed=missed,
        host=process.host,
        pid=process.pid,
        pid_started=process.started,
        boot_id=process.boot_id,
        fingerprint=fingerprint,
        actor=actor,
        asked_reason=asked_reason,
        now=epoch(now),
    )


def withdraw(db: Database, run: int) -> None:
    """Take back a run whose slot turned out to be taken, in the transaction that started it."""
    db.execute("DELETE FROM runs WHERE id = :run AND state = 'started'", run=run)


def note(db: Database, run: int, result: Mapping[str, object]) -> None:
    """Keep what the run has done so far, so that a kill loses no finished step's account.

    Needs a transaction.
    """
    db.execute(
        "UPDATE runs SET result = :result WHERE id = :run AND state = 'started'",
        run=run,
        result=json.dumps(result),
    )


def finish(
    db: Database,
    run: int,
    outcome: Outcome,
    *,
    code: str,
    reason: str,
    seconds: float | None,
    now: datetime,
    result: Mapping[str, object] | None = None,
) -> bool:
    """End a started run; False when somebody else ended it before. Needs a transaction."""
    return bool(
        db.execute(
            "UPDATE runs SET state = 'finished', outcome = :outcome, code = :code,"
            " reason = :reason, seconds = :seconds, finished_at = :now,"
            " result = COALESCE(:result, result) WHERE id = :run AND state = 'started'",
            run=run,
            outcome=outcome.value,
            code=code,
            reason=reason,
            seconds=seconds,
            now=epoch(now),
            result=None if result is None else json.dumps(result),
        )
    )


def unfinished(db: Database, manifest: str) -> tuple[Run, ...]:
    rows = db.rows(
        "SELECT * FROM runs WHERE manifest = :manifest AND state = 'started' ORDER BY id",
        manifest=manifest,
    )
    return tuple(_run(row) for row in rows)


def get(db: Database, run: int) -> Run | None:
    row = db.row("SELECT * FROM runs WHERE id = :run", run=run)
    return None if row is None else _run(row)


def of_slot(db: Database, manifest: str, job: str, slot: datetime) -> Run | None:
    """The newest run of a slot."""
    row = db.row(
        "SELECT * FROM runs WHERE manifest = :manifest AND job = :job AND slot = :slot"
        " ORDER BY id DESC LIMIT 1",
        manifest=manifest,
        job=job,
        slot=epoch(slot),
    )
    return None if row is None else _run(row)


def latest(db: Database, manifest: str) -> Mapping[str, Run]:
    """The newest run of every job."""
    rows = db.rows(
        "SELECT * FROM runs WHERE id IN"
        " (SELECT MAX(id) FROM runs WHERE manifest = :manifest GROUP BY job)",
        manifest=manifest,
    )
    return {row["job"]: _run(row) for row in rows}


def last_ok(db: Database, manifest: str | None, job: str) -> Run | None:
    """The newest good run of a job (ok or deferred); manifest None = of whatever manifest."""
    row = db.row(
        "SELECT * FROM runs WHERE job = :job AND (:manifest IS NULL OR manifest = :manifest)"
        " AND outcome IN ('ok', 'deferred') ORDER BY finished_at DESC, id DESC LIMIT 1",
        manifest=manifest,
        job=job,
    )
    return None if row is None else _run(row)


def history(
    db: Database,
    manifest: str,
    *,
    job: str | None = None,
    before: int | None = None,
    limit: int = 20,
) -> tuple[Run, ...]:
    """The newest runs, newest first; `before` is a run id to page on from."""
    of_job = "" if job is None else " AND job = :job"  # with OR SQLite would not use its index
    rows = db.rows(
        f"SELECT * FROM runs WHERE manifest = :manifest{of_job}"
        " AND (:before IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit",
        manifest=manifest,
        job=job,
        before=before,
        limit=limit,
    )
    return tuple(_run(row) for row in rows)


def consecutive_failures(db: Database, manifest: str, job: str, limit: int = 100) -> int:
    """How many of the newest finished runs failed in a row (failed, timeout, lost)."""
    rows = db.rows(
        "SELECT outcome FROM runs WHERE manifest = :manifest AND job = :job"
        " AND state = 'finished' ORDER BY id DESC LIMIT :limit",
        manifest=manifest,
        job=job,
        limit=limit,
    )
    count = 0
    for row in rows:
        if row["outcome"] in ("failed", "timeout", "lost"):
            count += 1
        elif row["outcome"] in ("ok", "deferred"):
            break
    return count


def _run(row: Row) -> Run:
    return Run(
        id=row["id"],
        job=row["job"],
        slot=None if row["slot"] is None else from_epoch(row["slot"]),
        cause=Cause(row["cause"]),
        missed=row["missed"],
        finished=row["state"] == "finished",
        outcome=None if row["outcome"] is None else Outcome(row["outcome"]),
        code=row["code"],
        reason=row["reason"],
        process=ProcessId(row["pid"], row["pid_started"], row["boot_id"], row["host"]),
        fingerprint=row["fingerprint"],
        actor=row["actor"],
        started_at=from_epoch(row["started_at"]),
        finished_at=None if row["finished_at"] is None else from_epoch(row["finished_at"]),
        seconds=row["seconds"],
        result=json.loads(row["result"]),
        asked_reason=row["asked_reason"],
    )
