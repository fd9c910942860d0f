"""How do things stand at this instant? The store's rows and the processes they name, as values.

Reading only, but for `record_lost`, which writes the end of runs whose process is gone.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from mitrarr_runner import locks
from mitrarr_runner.clock import Clock
from mitrarr_runner.engine.orphans import worker_gone
from mitrarr_runner.manifest.model import Manifest
from mitrarr_runner.plan import StateView
from mitrarr_runner.site import Site
from mitrarr_runner.store import drains, jobs, pauses, requests, runs, slots
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.requests import Asked
from mitrarr_runner.store.runs import Outcome, Run
from mitrarr_runner.text import text, to_data


def store_path(manifest: Manifest, site: Site) -> object:
    return site.root / manifest.settings.store


def gather(db: Database, manifest: Manifest, site: Site, clock: Clock, now: datetime) -> StateView:
    """Everything `plan` needs to know, as of `now`."""
    name = manifest.name
    longest = max((job.schedule.window for job in manifest.jobs.values()), default=0)
    running: dict[str, Run] = {}
    lost: dict[str, Run] = {}
    for run in runs.unfinished(db, name):
        (lost if is_lost(run, name, site, clock) else running)[run.job] = run
    last = runs.latest(db, name)
    for job, run in last.items():
        if run.outcome is Outcome.LOST and job not in running:
            lost.setdefault(job, run)
    return StateView(
        memories=jobs.remembered(db, name),
        slots=slots.open_since(db, name, now - timedelta(seconds=longest), now),
        last=last,
        running=running,
        lost=lost,
        pauses=pauses.of(db, name, pauses.Paused.JOB),
        requests=tuple(requests.waiting(db, name, Asked.RUN)),
        drain=drains.of(db, name, now),
    )


def is_lost(run: Run, manifest: str, site: Site, clock: Clock) -> bool:
    """Whether nobody can be working on an unfinished run: its process is gone and its lock free.

    A lock that is held means that a child of the job still lives, whatever became of the worker.
    """
    return worker_gone(run, clock) and locks.is_free(site.lock_of(manifest, run.job))


def forget_future(db: Database, manifest: str, now: datetime) -> bool:
    """After a clock that stood ahead: forget what it made us say of the future.

    Needs a transaction. Whether there was anything.
    """
    rows = slots.forget_future(db, manifest, now)
    return bool(jobs.forget_future(db, manifest, now) + rows)


def record_lost(db: Database, manifest: str, lost: list[Run], now: datetime) -> list[Run]:
    """Write the end of lost runs; returns those that nobody else had written before.

    Needs a transaction.
    """
    written = []
    for run in lost:
        reason = text(
            "its process ended without a word (killed, the server went down, or the disk was full)"
        )
        result = {**run.result, "reason": to_data(reason)}
        if not run.finished and runs.finish(
            db,
            run.id,
            Outcome.LOST,
            code="lost",
            reason=str(reason),
            seconds=None,
            now=now,
            result=result,
        ):
            written.append(run)
    return written
