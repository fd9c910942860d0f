"""What would happen, described: the plan of now and of the next instant with work, with the steps'
own words for what they would do. Reads what it is handed and what steps look at; changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeAlias
from zoneinfo import ZoneInfo

from mitrarr_runner import schedule
from mitrarr_runner.engine.notes import Noted
from mitrarr_runner.errors import MitrarrError
from mitrarr_runner.manifest.model import Job, Manifest
from mitrarr_runner.plan import Action, Plan, PlannedRun, StateView, jitter_of, plan, upcoming
from mitrarr_runner.site import Site
from mitrarr_runner.steps import KINDS
from mitrarr_runner.steps.contract import View
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.drains import Drain
from mitrarr_runner.store.jobs import JobMemory
from mitrarr_runner.store.pauses import Pause
from mitrarr_runner.text import Text, text

DESCRIBED = 50
"""Entries whose steps are looked into: that reads spools, and nobody reads more."""

AHEAD = 5
"""Slots of each job that are listed as coming."""

_SECOND = timedelta(seconds=1)

Steps: TypeAlias = tuple[tuple[str, Text], ...]
Describe: TypeAlias = Callable[[Job, PlannedRun], Steps]
"""What each step of a job would do in a planned run: (kind, words)."""

Slots: TypeAlias = Mapping[str, tuple[datetime, ...]]


@dataclass(frozen=True, slots=True)
class Described:
    """A planned run and, for those that start, what its steps would do."""

    entry: PlannedRun
    steps: Steps


@dataclass(frozen=True, slots=True)
class Base:
    """What the plan was made upon, where it is not this manifest's own state: another manifest
    beside it (shown, fingerprint), or an exported state (host, at)."""

    shown: str
    fingerprint: str
    host: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """soon: (job, slot) of the next slots, 5 a job, by time and then by name.

    next_at: None where no job has a slot to come. pauses: those that hold. applied: when apply was
    last called; None = never, or not known here.
    """

    manifest: Manifest
    shown: str
    host: str
    plan: Plan
    changes: tuple[Noted, ...]
    now: tuple[Described, ...]
    next_at: datetime | None
    next: tuple[Described, ...]
    soon: tuple[tuple[str, datetime], ...]
    pauses: tuple[Pause, ...]
    base: Base | None = None
    applied: datetime | None = None
    drain: Drain | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a plan is made, for its first lines."""

    shown: str
    host: str
    changes: Sequence[Noted] = ()
    base: Base | None = None
    applied: datetime | None = None


def preview(
    manifest: Manifest, view: StateView, now: datetime, describe: Describe, frame: Frame
) -> Preview:
    made = plan(manifest, view, now)
    following = _following(manifest, now)
    due = _due_next(manifest, _as_remembered(view, made), following, now)
    next_at = min(due.values(), default=None)
    later: tuple[PlannedRun, ...] = ()
    if next_at is not None:
        jobs = {name: manifest.jobs[name] for name, at in due.items() if at == next_at}
        later = _later(replace(manifest, jobs=jobs), _settled(made, view, jobs, next_at), next_at)
    soon = sorted((slot, name) for name, slots in following.items() for slot in slots)
    return Preview(
        manifest,
        frame.shown,
        frame.host,
        made,
        tuple(frame.changes),
        _described(made.entries, manifest, describe),
        next_at,
        _described(later, manifest, describe),
        tuple((name, slot) for slot, name in soon),
        tuple(pause for pause in view.pauses.values() if pause.holds(now)),
        frame.base,
        frame.applied,
        view.drain,
    )


def _following(manifest: Manifest, now: datetime) -> Slots:
    """The next slots that are not due yet: with jitter, the first of them may have passed."""
    known: dict[tuple[str | None, str, timedelta], tuple[datetime, ...]] = {}
    found = {}
    for name, job in manifest.jobs.items():
        wait = jitter_of(job)
        line = (job.schedule.cron, job.schedule.timezone, wait)
        if line not in known:
            known[line] = upcoming(job, now - wait, AHEAD)
        found[name] = known[line]
    return found


def _as_remembered(view: StateView, made: Plan) -> StateView:
    """With the memories that the next apply writes first: new and changed schedules begin now."""
    return replace(view, memories={**view.memories, **{one.job: one for one in made.memories}})


def _due_next(
    manifest: Manifest, view: StateView, following: Slots, now: datetime
) -> dict[str, datetime]:
    """When each job is due next; jobs that are paused then are left out."""
    found = {}
    for name, slots in following.items():
        job = manifest.jobs[name]
        claimed, pause = view.slots.get(name, {}), view.pauses.get(name)
        if pause is not None and pause.until is None:
            continue
        if pause is not None and pause.until is not None and slots and slots[0] < pause.until:
            slots = upcoming(job, max(pause.until - _SECOND, now - jitter_of(job)), AHEAD)
        if slots and all(slot in claimed for slot in slots):  # the clock was set back past them
            slots = upcoming(job, slots[-1], 1 + len(claimed))
        floor = view.memories[name].floor
        slot = next((slot for slot in slots if slot not in claimed and slot > floor), None)
        if slot is not None:
            found[name] = slot + jitter_of(job)
    return found


def _settled(made: Plan, view: StateView, jobs: Mapping[str, Job], at: datetime) -> StateView:
    """The view as it will be at `at`, once everything due before has been dealt with, and well."""
    memories = {
        name: JobMemory(
            name,
            schedule.fingerprint(job.schedule.cron or "", job.schedule.timezone),
            at - jitter_of(job) - _SECOND,
            None,
            False,
        )
        for name, job in jobs.items()
    }
    starting = {entry.job for entry in made.starting}
    last = {name: run for name, run in view.last.items() if name not in starting}
    return replace(view, memories=memories, slots={}, last=last, lost={}, requests=())


def _later(manifest: Manifest, view: StateView, at: datetime) -> tuple[PlannedRun, ...]:
    """The plan of an instant to come: what depends on a run of now is told as an "if"."""
    return tuple(_conditional(entry, manifest, view) for entry in plan(manifest, view, at).entries)


def _conditional(entry: PlannedRun, manifest: Manifest, view: StateView) -> PlannedRun:
    if entry.action is Action.PAUSED or entry.code not in ("overlap", "queued", "queue_full"):
        return entry
    run = view.running[entry.job]
    zone = ZoneInfo(manifest.settings.timezone)
    reason = text(
        "if {run} (since {hour}) is still running then",
        run=run.handle,
        hour=run.started_at.astimezone(zone).strftime("%H:%M"),
    )
    return replace(entry, reason=reason)


def _described(
    entries: Sequence[PlannedRun], manifest: Manifest, describe: Describe
) -> tuple[Described, ...]:
    found, looked = [], 0
    for entry in entries:
        steps: Steps = ()
        if entry.starts:
            job = manifest.jobs[entry.job]
            steps = describe(job, entry) if looked < DESCRIBED else _not_looked(job)
            looked += 1
        found.append(Described(entry, steps))
    return tuple(found)


def _not_looked(job: Job) -> Steps:
    reason = text("not looked into: more than {count} jobs start", count=DESCRIBED)
    return tuple((step.kind, reason) for step in job.steps)


def describing(manifest: Manifest, site: Site, store: Database | None, now: datetime) -> Describe:
    """Steps in their own words, from what the store and the host say at this instant."""
    return partial(_described_here, manifest, site, store, now)


def _described_here(
    manifest: Manifest,
    site: Site,
    store: Database | None,
    now: datetime,
    job: Job,
    entry: PlannedRun,
) -> Steps:
    """What keeps a step from looking is itself worth reading."""
    view = View(manifest, site, now, job, store, entry.slot, entry.missed)
    words = []
    for step in job.steps:
        kind = KINDS[step.kind]
        try:
            told = kind.describe(kind.parse(step.options), view)
        except MitrarrError as error:
            told = error.message
        words.append((step.kind, told))
    return tuple(words)
