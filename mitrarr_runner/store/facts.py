"""What does the store know that an alert could be about? Read-only questions for the judge.

Each answers for one job, source or destination at a time, over indexes, so that the cost does not
grow with the history. Nothing here decides whether a fact is bad.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mitrarr_runner.clock import epoch, from_epoch
from mitrarr_runner.errors import StateError
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.pauses import Paused
from mitrarr_runner.text import text

UNREADABLE: tuple[type[Exception], ...] = (StateError, sqlite3.Error)
"""What opening, reading or writing a store raises when the store is in trouble."""


def missing(name: str) -> StateError:
    """A store that should be there and is not, as an error; one of UNREADABLE."""
    return StateError(text("there is no store {name}", name=name), code="store_missing")


@dataclass(frozen=True, slots=True)
class Streak:
    """Runs in a row that ended the same bad way: how many, since when, and the newest of them."""

    times: int
    since: datetime
    run: int
    code: str

    @property
    def handle(self) -> str:
        return f"r{self.run}"


@dataclass(frozen=True, slots=True)
class NotRun:
    """The newest slot of a job, which did not run, and nothing ran since."""

    slot: datetime
    state: str
    code: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Pile:
    """Things that wait for a person: how many, since when, and the number of the newest."""

    count: int
    since: datetime
    newest: str


def failing(db: Database, manifest: str, job: str) -> Streak | None:
    """Failed and timed-out runs after the last good one; lost and skipped ones do not count."""
    row = db.row(
        "SELECT COUNT(*) AS times, MIN(finished_at) AS since, MAX(id) AS run FROM runs"
        " WHERE manifest = :manifest AND job = :job AND outcome IN ('failed', 'timeout')"
        " AND id > COALESCE((SELECT MAX(id) FROM runs WHERE manifest = :manifest AND job = :job"
        " AND outcome IN ('ok', 'deferred')), 0)",
        manifest=manifest,
        job=job,
    )
    return _streak(db, row)


def lost(db: Database, manifest: str, job: str) -> Streak | None:
    """Lost runs after the last one that reached its end, well or badly."""
    row = db.row(
        "SELECT COUNT(*) AS times, MIN(finished_at) AS since, MAX(id) AS run FROM runs"
        " WHERE manifest = :manifest AND job = :job AND outcome = 'lost'"
        " AND id > COALESCE((SELECT MAX(id) FROM runs WHERE manifest = :manifest AND job = :job"
        " AND outcome IN ('ok', 'deferred', 'failed', 'timeout')), 0)",
        manifest=manifest,
        job=job,
    )
    return _streak(db, row)


def _streak(db: Database, row: Mapping[str, int] | sqlite3.Row | None) -> Streak | None:
    if row is None or not row["times"]:
        return None
    newest = db.row("SELECT code FROM runs WHERE id = :run", run=row["run"])
    code = str(newest["code"]) if newest else ""
    return Streak(row["times"], from_epoch(row["since"]), row["run"], code)


def not_run(db: Database, manifest: str, job: str) -> NotRun | None:
    """The newest slot where it was missed or blocked and no run has started since."""
    row = db.row(
        "SELECT * FROM slots WHERE manifest = :manifest AND job = :job ORDER BY slot DESC LIMIT 1",
        manifest=manifest,
        job=job,
    )
    if row is None or row["state"] not in ("missed", "missed_range", "blocked"):
        return None
    later = db.row(
        "SELECT id FROM runs WHERE manifest = :manifest AND job = :job AND started_at >= :at"
        " ORDER BY id DESC LIMIT 1",
        manifest=manifest,
        job=job,
        at=row["at"],
    )
    if later is not None:
        return None
    return NotRun(
        from_epoch(row["slot"]), row["state"], row["code"], row["reason"], from_epoch(row["at"])
    )


def first_seen(db: Database, manifest: str | None, job: str) -> datetime | None:
    """When a job became known; manifest None = in whatever manifest, the earliest."""
    row = db.row(
        "SELECT MIN(first_seen) AS at FROM jobs"
        " WHERE job = :job AND (:manifest IS NULL OR manifest = :manifest)",
        manifest=manifest,
        job=job,
    )
    return None if row is None or row["at"] is None else from_epoch(row["at"])


def paused(db: Database, manifest: str | None, job: str, now: datetime) -> bool:
    """Whether a job is paused at `now`; manifest None = in whatever manifest."""
    row = db.row(
        "SELECT 1 FROM pauses WHERE kind = 'job' AND name = :job"
        " AND (:manifest IS NULL OR manifest = :manifest)"
        " AND (until IS NULL OR until > :now) LIMIT 1",
        manifest=manifest,
        job=job,
        now=epoch(now),
    )
    return row is not None


def has_jobs(db: Database, manifest: str) -> bool:
    """Whether any job of a manifest of that name was ever known."""
    return db.row("SELECT 1 FROM jobs WHERE manifest = :name LIMIT 1", name=manifest) is not None


def paused_in(db: Database, kind: Paused, name: str) -> tuple[str, ...]:
    """The manifests under whose names a job or destination has a pause, its end passed or not."""
    rows = db.rows(
        "SELECT manifest FROM pauses WHERE kind = :kind AND name = :name ORDER BY manifest",
        kind=kind.value,
        name=name,
    )
    return tuple(row["manifest"] for row in rows)


def quarantined(db: Database) -> Mapping[str, Pile]:
    """Refused files by source."""
    rows = db.rows(
        "SELECT pile.source AS name, pile.count, pile.since, registry.handle AS newest FROM"
        " (SELECT source, COUNT(*) AS count, MIN(changed_at) AS since, MAX(id) AS newest"
        " FROM registry WHERE state = 'quarantined' GROUP BY source) AS pile"
        " JOIN registry ON registry.id = pile.newest",
    )
    return {
        row["name"]: Pile(row["count"], from_epoch(row["since"]), row["newest"]) for row in rows
    }


def parked(db: Database) -> Mapping[str, Pile]:
    """People whom a destination refused, by destination."""
    rows = db.rows(
        "SELECT deliveries.destination AS name, COUNT(DISTINCT deliveries.id) AS count,"
        " MIN(creates.at) AS since, MAX(deliveries.id) AS newest FROM creates"
        " JOIN deliveries ON deliveries.id = creates.delivery"
        " WHERE creates.state = 'parked' GROUP BY deliveries.destination",
    )
    return {
        row["name"]: Pile(row["count"], from_epoch(row["since"]), f"D{row['newest']}")
        for row in rows
    }


def registered_by(db: Database, run: int) -> int:
    """How many files a run took in, over all its attempts (those without a face included)."""
    row = db.row(
        "SELECT COUNT(*) AS count FROM registry WHERE run = :run"
        " AND state IN ('registered', 'no_face')",
        run=run,
    )
    return 0 if row is None else int(row["count"])
