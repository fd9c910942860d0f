"""Which rows are history that nobody needs any more? Counts them, or deletes them.

Kept whatever their age: everything about people and their files, deliveries, the audit chain,
open incidents with their notices, the newest run and the newest good run of each job, its newest
slot, slots at or after its last one, queued slots. Slots go before their runs, so that a claimed
slot always has its run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mitrarr_runner.clock import epoch
from mitrarr_runner.store.database import Database


@dataclass(frozen=True, slots=True)
class Cuts:
    """What is older than these instants may go."""

    slots: datetime
    runs: datetime
    notices: datetime
    volumes: datetime


_OLD_SLOT = (
    "s.state <> 'queued' AND s.at < :slots AND s.slot < :slots AND COALESCE(s.until, 0) < :slots"
    " AND s.slot < (SELECT MAX(n.slot) FROM slots n WHERE n.manifest = s.manifest"
    " AND n.job = s.job)"
    " AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.manifest = s.manifest AND j.job = s.job"
    " AND COALESCE(j.last_slot, 0) < s.slot)"
)

_OLD: Mapping[str, str] = {
    "slots": f"slots AS s WHERE s.manifest = :manifest AND {_OLD_SLOT}",
    "runs": (
        "runs AS r WHERE r.manifest = :manifest AND r.state = 'finished' AND r.finished_at < :runs"
        " AND r.id NOT IN (SELECT MAX(id) FROM runs WHERE manifest = :manifest GROUP BY job)"
        " AND r.id NOT IN (SELECT MAX(id) FROM runs WHERE manifest = :manifest"
        " AND outcome IN ('ok', 'deferred') GROUP BY job)"
        " AND NOT EXISTS (SELECT 1 FROM slots s WHERE s.manifest = r.manifest AND s.job = r.job"
        f" AND s.slot = r.slot AND s.run = r.id AND NOT ({_OLD_SLOT}))"
    ),
    "requests": "requests AS q WHERE q.manifest = :manifest AND q.done_at < :runs",
    "notices": (
        "notices AS n WHERE n.manifest = :manifest AND n.at < :notices"
        " AND (n.sent_at IS NOT NULL OR n.given_up_at IS NOT NULL) AND NOT EXISTS"
        " (SELECT 1 FROM incidents i WHERE i.id = n.incident AND i.state <> 'closed')"
    ),
    "incidents": (
        "incidents AS i WHERE i.manifest = :manifest AND i.state = 'closed'"
        " AND i.closed_at < :notices AND NOT EXISTS (SELECT 1 FROM notices n"
        " WHERE n.incident = i.id AND (n.at >= :notices"
        " OR (n.sent_at IS NULL AND n.given_up_at IS NULL)))"
    ),
    "volumes": "volumes AS v WHERE v.manifest = :manifest AND v.at < :volumes",
}


def count(db: Database, manifest: str, cuts: Cuts) -> dict[str, int]:
    """How many rows of each table `remove` would delete now."""
    found = {}
    for table, old in _OLD.items():
        row = db.row(f"SELECT COUNT(*) AS number FROM {old}", **_values(manifest, cuts))
        found[table] = int(row["number"]) if row is not None else 0
    return found


def remove(db: Database, manifest: str, cuts: Cuts) -> dict[str, int]:
    """Delete them, table by table, each in a transaction of its own; how many of each."""
    found = {}
    for table, old in _OLD.items():
        with db.transaction():
            found[table] = db.execute(f"DELETE FROM {old}", **_values(manifest, cuts))
    return found


def _values(manifest: str, cuts: Cuts) -> dict[str, object]:
    return {
        "manifest": manifest,
        "slots": epoch(cuts.slots),
        "runs": epoch(cuts.runs),
        "notices": epoch(cuts.notices),
        "volumes": epoch(cuts.volumes),
    }
