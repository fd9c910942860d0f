"""Pausing, resuming, stopping, draining: what the command line and the API do to jobs, as one set
of functions, so that a pause by curl and a pause by hand are the same pause.

Each writes its row, the audit line and removes the wake files in one transaction, and returns what
a person should be told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from mitrarr_runner.clock import Clock, iso
from mitrarr_runner.engine import orphans, wakeup
from mitrarr_runner.engine.state import gather, is_lost
from mitrarr_runner.manifest.model import Job, Manifest
from mitrarr_runner.plan import plan, slots_between
from mitrarr_runner.site import Site
from mitrarr_runner.store import audit, drains, jobs, pauses, requests, runs, slots
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.drains import Drain
from mitrarr_runner.store.pauses import Pause, Paused
from mitrarr_runner.store.runs import Run
from mitrarr_runner.store.slots import SlotRow, SlotState

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class PauseAnswer:
    """already: it was paused before, and that pause stays; running: a run that goes on."""

    pause: Pause
    already: bool
    running: Run | None


@dataclass(frozen=True, slots=True)
class StopAnswer:
    """left: how many processes of a killed worker were ended; 0: the worker was asked to."""

    run: Run
    left: int


@dataclass(frozen=True, slots=True)
class ResumeAnswer:
    """pause None: it was not paused. not_run: slots that passed while it was."""

    pause: Pause | None
    not_run: int


def pause(
    db: Database,
    site: Site,
    clock: Clock,
    manifest: str,
    kind: Paused,
    name: str,
    *,
    actor: str,
    reason: str = "",
    until: datetime | None = None,
) -> PauseAnswer:
    """Stop starting runs; a run in progress goes on."""
    now = clock.now()
    wanted = Pause(kind, name, actor, reason, now, until)
    with db.transaction():
        put = pauses.put(db, manifest, wanted)
        if put:
            end = None if until is None else iso(until)
            detail = {"manifest": manifest, "kind": kind.value, "reason": reason, "until": end}
            audit.write(db, actor=actor, action="pause", subject=name, now=now, detail=detail)
            wakeup.forget(site)
        found = pauses.of(db, manifest, kind)[name]
    running = None
    if kind is Paused.JOB:
        running = alive(db, site, clock, manifest, name)
    return PauseAnswer(found, not put, running)


def alive(db: Database, site: Site, clock: Clock, manifest: str, job: str) -> Run | None:
    """The job's run in progress, if there is one."""
    found = (run for run in all_alive(db, site, clock, manifest) if run.job == job)
    return next(found, None)


def all_alive(db: Database, site: Site, clock: Clock, manifest: str) -> tuple[Run, ...]:
    """Every run in progress, the oldest first."""
    return tuple(
        run for run in runs.unfinished(db, manifest) if not is_lost(run, manifest, site, clock)
    )


def resume(
    db: Database,
    site: Site,
    clock: Clock,
    manifest: str,
    kind: Paused,
    name: str,
    *,
    actor: str,
    reason: str = "",
    job: Job | None = None,
    catch_up: bool = False,
) -> ResumeAnswer:
    """Start runs again. Slots that passed meanwhile are not replayed unless catch_up is asked for;
    they are counted, and the planner's floor moves past them. Those after the end of a pause that
    has ended by itself were never paused, and are left as they are.
    """
    now = clock.now()
    with db.transaction():
        found = pauses.remove(db, manifest, kind, name)
        if found is None:
            return ResumeAnswer(None, 0)
        end = now
        if found.until is not None and found.until <= now:
            end = found.until - _SECOND  # a slot at its end is due
        not_run = 0
        if kind is Paused.JOB:
            rows = slots.of_job(db, manifest, name, 10_000)
            not_run = sum(
                _stands_for(job, row)
                for row in rows
                if row.state is SlotState.PAUSED and row.slot >= found.at
            )
            known = jobs.remembered(db, manifest).get(name)
            if job is not None and known is not None:
                start = max(found.at, known.floor, known.last_slot or found.at)
                unseen = [slot for slot in slots_between(job, start, end) if slot > start]
                not_run += len(unseen)
            if catch_up:
                slots.forget_paused(db, manifest, name, found.at)
                jobs.reopen(db, manifest, name, found.at)
            else:
                jobs.raise_floor(db, manifest, name, end)
        detail = {
            "manifest": manifest,
            "kind": kind.value,
            "catch_up": catch_up,
            "reason": reason,
        }
        audit.write(db, actor=actor, action="resume", subject=name, now=now, detail=detail)
        wakeup.forget(site)
    return ResumeAnswer(found, not_run)


def _stands_for(job: Job | None, row: SlotRow) -> int:
    """How many slots a row stands for; of a job that the manifest does not have, that is not
    known."""
    if row.until is None or job is None:
        return 1
    return sum(1 for _ in slots_between(job, row.slot, row.until + _SECOND))


def stop(
    db: Database,
    site: Site,
    clock: Clock,
    manifest: str,
    job: str,
    *,
    actor: str,
    reason: str = "",
) -> StopAnswer | None:
    """Ask the job's run to end; None when none is running here."""
    running = alive(db, site, clock, manifest, job)
    if running is None:
        return None
    now = clock.now()
    with db.transaction():
        asked = requests.Asked.STOP
        requests.add(db, manifest, job, asked, actor=actor, reason=reason, now=now)
        detail = {"run": running.id, "reason": reason}
        audit.write(db, actor=actor, action="stop", subject=job, now=now, detail=detail)
    return StopAnswer(running, orphans.ask_to_end(running, manifest, site, clock))


@dataclass(frozen=True, slots=True)
class DrainAnswer:
    """already: it was drained before, and that stays; running: what goes on to its end."""

    drain: Drain
    already: bool
    running: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class UndrainAnswer:
    """drain None: it was not drained. waiting: slots that passed meanwhile, by job; the next apply
    deals with them as each job's catch_up says.
    """

    drain: Drain | None
    waiting: Mapping[str, int]


def drain(
    db: Database,
    site: Site,
    clock: Clock,
    manifest: str,
    *,
    actor: str,
    reason: str = "",
    until: datetime | None = None,
) -> DrainAnswer:
    """Start nothing new of a manifest; what runs goes on. Slots that pass meanwhile wait."""
    now = clock.now()
    wanted = Drain(actor, reason, now, until)
    with db.transaction():
        put = drains.put(db, manifest, wanted)
        if put:
            detail = {"reason": reason, "until": None if until is None else iso(until)}
            audit.write(db, actor=actor, action="drain", subject=manifest, now=now, detail=detail)
            wakeup.forget(site)
        found = drains.of(db, manifest, now) or wanted
    return DrainAnswer(found, not put, all_alive(db, site, clock, manifest))


def undrain(
    db: Database, site: Site, clock: Clock, manifest: Manifest, *, actor: str, reason: str = ""
) -> UndrainAnswer:
    """Start runs again; the next apply catches up what is due."""
    name, now = manifest.name, clock.now()
    view = gather(db, manifest, site, clock, now)
    waiting = {
        entry.job: entry.missed + 1
        for entry in plan(manifest, view, now).entries
        if entry.code == "draining" and entry.slot is not None
    }
    with db.transaction():
        found = drains.remove(db, name, now)
        if found is None:
            return UndrainAnswer(None, {})
        detail = {"reason": reason}
        audit.write(db, actor=actor, action="undrain", subject=name, now=now, detail=detail)
        wakeup.forget(site)
    return UndrainAnswer(found, waiting)
