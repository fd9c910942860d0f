"""What would happen, described: the plan of now and of the next instant with work, with the steps'
own words for what they would do. Reads the store, the spools and nothing else; changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from mitrarr_runner.errors import MitrarrError
from mitrarr_runner.manifest.diff import Change
from mitrarr_runner.manifest.model import Job, Manifest
from mitrarr_runner.plan import Plan, PlannedRun, StateView, jitter_of, plan, upcoming
from mitrarr_runner.site import Site
from mitrarr_runner.steps import KINDS
from mitrarr_runner.steps.contract import View
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.jobs import JobMemory
from mitrarr_runner.text import Text

DESCRIBED = 50
"""Entries whose steps are described: describing looks into spools, and nobody reads more."""


@dataclass(frozen=True, slots=True)
class Described:
    """A planned run and, for those that start, (kind, words) of each of its steps."""

    entry: PlannedRun
    steps: tuple[tuple[str, Text], ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """soon: (job, slot) of the next slots after that, earliest first."""

    manifest: Manifest
    view: StateView
    plan: Plan
    changes: tuple[Change, ...]
    now: tuple[Described, ...]
    next_at: datetime | None
    next: tuple[Described, ...]
    soon: tuple[tuple[str, datetime], ...]


def preview(
    manifest: Manifest,
    view: StateView,
    now: datetime,
    site: Site,
    store: Database | None,
    changes: Sequence[Change] = (),
) -> Preview:
    made = plan(manifest, view, now)
    following = {name: upcoming(job, now, 5) for name, job in manifest.jobs.items()}
    instants = [slots[0] + jitter_of(manifest.jobs[n]) for n, slots in following.items() if slots]
    next_at = min(instants, default=None)
    later: tuple[PlannedRun, ...] = ()
    if next_at is not None:
        later = plan(manifest, _settled(manifest, view, now), next_at).entries
    soon = sorted((slot, name) for name, slots in following.items() for slot in slots)
    return Preview(
        manifest,
        view,
        made,
        tuple(changes),
        _described(made.entries, manifest, site, store, now),
        next_at,
        _described(later, manifest, site, store, now),
        tuple((name, slot) for slot, name in soon),
    )


def _settled(manifest: Manifest, view: StateView, now: datetime) -> StateView:
    """The view as it will be once everything due now has been dealt with."""
    from mitrarr_runner import schedule

    memories = {
        name: JobMemory(
            name,
            schedule.fingerprint(job.schedule.cron or "", job.schedule.timezone),
            now - jitter_of(job),
            None,
            False,
        )
        for name, job in manifest.jobs.items()
    }
    return replace(view, memories=memories, slots={}, lost={}, requests=())


def _described(
    entries: Sequence[PlannedRun],
    manifest: Manifest,
    site: Site,
    store: Database | None,
    now: datetime,
) -> tuple[Described, ...]:
    found = []
    for number, entry in enumerate(entries):
        steps: tuple[tuple[str, Text], ...] = ()
        if entry.starts and number < DESCRIBED:
            job = manifest.jobs[entry.job]
            steps = describe(job, View(manifest, site, now, job, store))
        found.append(Described(entry, steps))
    return tuple(found)


def describe(job: Job, view: View) -> tuple[tuple[str, Text], ...]:
    """(kind, words) of each step; what keeps a step from looking is itself worth reading."""
    words = []
    for step in job.steps:
        kind = KINDS[step.kind]
        try:
            told = kind.describe(kind.parse(step.options), view)
        except MitrarrError as error:
            told = error.message
        words.append((step.kind, told))
    return tuple(words)
