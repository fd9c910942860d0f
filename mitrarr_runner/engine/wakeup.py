"""When must apply look again? The minimum over one table of sources, written for wake.py to read.

A source that is forgotten here is a job that does not run: each is a function with a contract
test. The file is written inside a write transaction and removed inside one by whatever may change
the answer (`forget`), so that no apply can write an answer that is already wrong.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from mitrarr_runner import atomic
from mitrarr_runner.alerts import notify
from mitrarr_runner.clock import epoch
from mitrarr_runner.manifest.files import Stamp
from mitrarr_runner.manifest.model import Manifest
from mitrarr_runner.plan import jitter_of, upcoming
from mitrarr_runner.site import Site
from mitrarr_runner.store import drains, jobs, pauses, requests, runs, slots
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.runs import Outcome
from mitrarr_runner.store.slots import SlotState

LONGEST = timedelta(hours=1)
"""A full apply happens at least this often, whatever the sources say: rules about ages (a pause
that lasts, a heartbeat) are judged by full applies only."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What a source may look at."""

    db: Database
    manifest: Manifest
    now: datetime


def due_slots(moment: Moment) -> datetime | None:
    """The next slot of any job, jitter included; at once where an old one still waits."""
    return _first(
        slot + jitter_of(job)
        for job in moment.manifest.jobs.values()
        for slot in upcoming(job, moment.now - jitter_of(job), 1)
    )


def new_jobs(moment: Moment) -> datetime | None:
    """A job the store does not know yet must be remembered at once: its floor is now."""
    known = jobs.remembered(moment.db, moment.manifest.name)
    unknown = any(name not in known for name in moment.manifest.jobs)
    waiting = any(memory.run_now for memory in known.values())
    return moment.now if unknown or waiting else None


def queued_slots(moment: Moment) -> datetime | None:
    rows = slots.open_since(moment.db, moment.manifest.name, moment.now, moment.now)
    queued = any(r.state is SlotState.QUEUED for of_job in rows.values() for r in of_job.values())
    return moment.now if queued else None


def asked(moment: Moment) -> datetime | None:
    found = requests.waiting(moment.db, moment.manifest.name, requests.Asked.RUN)
    return moment.now if found else None


def unfinished_runs(moment: Moment) -> datetime | None:
    """A run in progress may die at any time, and may be what another job waits for."""
    return moment.now if runs.unfinished(moment.db, moment.manifest.name) else None


def lost_runs(moment: Moment) -> datetime | None:
    """A lost run may be due for recovery, once."""
    last = runs.latest(moment.db, moment.manifest.name).values()
    lost = any(r.outcome is Outcome.LOST and r.cause is not runs.Cause.RECOVERY for r in last)
    return moment.now if lost else None


def pause_ends(moment: Moment) -> datetime | None:
    found = pauses.of(moment.db, moment.manifest.name, pauses.Paused.JOB).values()
    return _first(pause.until for pause in found if pause.until and pause.until > moment.now)


def draining(moment: Moment) -> datetime | None:
    """A drain ends by a word of somebody, which removes the answer, or at its instant; until then,
    look each time."""
    found = drains.of(moment.db, moment.manifest.name, moment.now)
    return moment.now if found is not None else None


def notices(moment: Moment) -> datetime | None:
    """Notices to retry or repeat, pending incidents that will fire."""
    return notify.next_due(moment.db, moment.manifest, moment.now)


SOURCES: tuple[Callable[[Moment], datetime | None], ...] = (
    due_slots,
    new_jobs,
    queued_slots,
    asked,
    unfinished_runs,
    lost_runs,
    pause_ends,
    draining,
    notices,
)


def _first(instants: Iterable[datetime]) -> datetime | None:
    return min(instants, default=None)


def next_look(moment: Moment) -> datetime:
    """The earliest instant at which anything can be due."""
    found = [at for source in SOURCES if (at := source(moment)) is not None]
    return min([*found, moment.now + LONGEST])


def write(
    db: Database,
    manifest: Manifest,
    site: Site,
    now: datetime,
    root_from: str,
    stamps: Sequence[Stamp],
) -> None:
    """Leave the answer for wake.py; raises OSError (a full disk: the next apply looks again).

    stamps: of the manifest's files as they were when it was read, not as they are now: an edit
    made while apply was working must wake it.
    """
    if manifest.path is None or not stamps:
        return
    with db.transaction():
        at = next_look(Moment(db, manifest, now))
        if at <= now:
            _path(site, manifest).unlink(missing_ok=True)
            return
        data = {
            "manifest": str(manifest.path),
            "root_from": root_from,
            "written": epoch(now),
            "at": epoch(at),
            "heartbeat": str(site.heartbeat / manifest.name),
            "stamps": [[one.path, one.size, one.mtime_ns, one.inode] for one in stamps],
        }
        try:
            atomic.write_file(_path(site, manifest), json.dumps(data).encode(), durable=False)
        except OSError:
            _path(site, manifest).unlink(missing_ok=True)  # an old answer may be wrong by now
            raise


def _path(site: Site, manifest: Manifest) -> Path:
    return site.wake / f"{manifest.name}.json"


def forget(site: Site) -> None:
    """Make the next apply take the full way. Call it inside the transaction that changes things."""
    for path in site.wake.glob("*.json"):
        path.unlink(missing_ok=True)
