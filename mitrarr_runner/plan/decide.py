"""(Manifest, StateView, now) -> Plan: job after job, what starts and what only leaves a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache

from mitrarr_runner import schedule
from mitrarr_runner.manifest.model import CatchUp, First, Job, Manifest, Overlap
from mitrarr_runner.plan.coming import jitter_of
from mitrarr_runner.plan.needs import with_needs
from mitrarr_runner.plan.past import as_paused, due_slots, during
from mitrarr_runner.plan.values import Action, Plan, PlannedRun, StateView
from mitrarr_runner.steps import idempotent
from mitrarr_runner.store.jobs import JobMemory
from mitrarr_runner.store.runs import Cause, Run
from mitrarr_runner.store.slots import SlotState
from mitrarr_runner.text import Text, text

ON_TIME = timedelta(minutes=10)
"""How late the newest slot may be and still be run under `catch_up: skip`. System cron may be
called every minute or every five; a grace of seconds drops runs silently."""

LATE = timedelta(minutes=1)
"""From when on a run is told as late: as apply and why tell it."""


def plan(manifest: Manifest, view: StateView, now: datetime, only: str | None = None) -> Plan:
    """The plan of one instant; `only` limits it to one job (its needs are then not run)."""
    entries: list[PlannedRun] = []
    memories: list[JobMemory] = []
    decided: dict[str, list[PlannedRun]] = {}
    for job in in_order(manifest.jobs):
        if only is not None and job.name != only:
            continue
        memory = _memory(job, view, now)
        if memory is not view.memories.get(job.name):
            memories.append(memory)
        found = list(_of_job(job, memory, view, now))
        found = [with_needs(job, entry, decided, view) for entry in found]
        decided[job.name] = found
        entries += found
    return Plan(now, manifest.name, manifest.fingerprint, tuple(entries), tuple(memories))


def in_order(jobs: Mapping[str, Job]) -> Iterator[Job]:
    """Every job after the jobs it needs (validation has refused cycles); else as written."""
    done: set[str] = set()

    def visit(job: Job) -> Iterator[Job]:
        if job.name in done:
            return
        done.add(job.name)
        for need in job.needs:
            if need in jobs:
                yield from visit(jobs[need])
        yield job

    for job in jobs.values():
        yield from visit(job)


@lru_cache(maxsize=20_000)
def _fingerprint(expression: str, zone: str) -> str:
    return schedule.fingerprint(expression, zone)


def _memory(job: Job, view: StateView, now: datetime) -> JobMemory:
    """What is remembered of the job, or what is to be remembered from now on.

    A floor in the future (the clock stood a year ahead when the job was new) would mute the job
    until then; it starts anew instead.
    """
    known = view.memories.get(job.name)
    fingerprint = _fingerprint(job.schedule.cron or "", job.schedule.timezone)
    if known is not None and known.fingerprint == fingerprint and known.floor <= now:
        return known
    first = job.schedule.first is First.NOW and (known is None or known.fingerprint != fingerprint)
    return JobMemory(job.name, fingerprint, now, None, first)


def _of_job(job: Job, memory: JobMemory, view: StateView, now: datetime) -> Iterator[PlannedRun]:
    pause = view.pauses.get(job.name)
    paused = pause is not None and pause.holds(now)
    yield from _asked(job, view, now)
    if memory.run_now and not paused and job.name not in view.running:
        minute = now.replace(second=0, microsecond=0)
        if minute not in view.slots.get(job.name, {}):
            reason = text("new, and its schedule says first: now")
            owed = PlannedRun(job.name, minute, minute, Action.RUN, "first_now", reason)
            yield _drained(owed) if view.draining(now) else owed
    if not paused:
        yield from _left_queued(job, view, now)
    due, older = due_slots(job, memory, view, now)
    yield from older
    held = [slot for slot in due if pause is not None and during(pause, slot, now)]
    for slot in held:
        yield as_paused(job, slot, pause)
    due = [slot for slot in due if slot not in held]
    entries = list(_due_entries(job, due, view, now)) if due else []
    if not paused and not view.draining(now):
        yield from _recovery(job, entries, view, now)
    yield from entries


def _recovery(
    job: Job, entries: Sequence[PlannedRun], view: StateView, now: datetime
) -> Iterator[PlannedRun]:
    """The lost run once more, before the slots that became due since."""
    lost = view.lost.get(job.name)
    if lost is None or job.name in view.running or not repeatable(job, lost):
        return
    if in_its_place(job, lost, entries) is None:
        reason = text("{run} was lost; its steps may be repeated", run=lost.handle)
        due_at = lost.slot or now
        yield PlannedRun(job.name, lost.slot, due_at, Action.RECOVER, "lost", reason, run=lost.id)


def in_its_place(job: Job, lost: Run, entries: Sequence[PlannedRun]) -> PlannedRun | None:
    """The planned run of a later slot that stands for a lost run as it stands for missed slots, so
    that no recovery is needed; None where each slot is repeated (`catch_up: all`), or nothing of
    the lost run may be. entries: of the job.
    """
    if job.schedule.catch_up is CatchUp.ALL or not repeatable(job, lost):
        return None
    later = (e for e in entries if e.slot is not None and (lost.slot is None or e.slot > lost.slot))
    return next((entry for entry in later if entry.starts), None)


def _left_queued(job: Job, view: StateView, now: datetime) -> Iterator[PlannedRun]:
    """Slots that waited for a run which ended without taking them: they go first."""
    if job.name in view.running:
        return
    for slot, row in sorted(view.slots.get(job.name, {}).items()):
        if row.state is SlotState.QUEUED:
            reason = text("waited for a run that ended without taking it")
            due_at = slot + jitter_of(job)
            left = PlannedRun(job.name, slot, due_at, Action.RUN, "left_queued", reason)
            yield _drained(left) if view.draining(now) else left


def repeatable(job: Job, lost: Run) -> bool:
    """A lost recovery is not recovered again: what kills each run must not be run at each tick."""
    return idempotent(job) and lost.cause is not Cause.RECOVERY


def _asked(job: Job, view: StateView, now: datetime) -> Iterator[PlannedRun]:
    for request in view.requests:
        if request.job == job.name:
            reason = text("asked for")
            if request.actor:  # an exported state names nobody
                reason = text("asked for by {actor}", actor=request.actor)
            asked = PlannedRun(job.name, None, now, Action.RUN, "asked", reason, request=request.id)
            yield _drained(asked) if view.draining(now) else asked


def _due_entries(
    job: Job, due: Sequence[datetime], view: StateView, now: datetime
) -> Iterator[PlannedRun]:
    """Which of the due slots run, and what becomes of the others. While draining nothing is
    decided: when it ends, they are caught up as the job says.
    """
    if view.draining(now):
        newest, older = due[-1], len(due) - 1
        due_at = newest + jitter_of(job)
        yield _drained(
            PlannedRun(job.name, newest, due_at, Action.RUN, "due", text("on time"), older)
        )
        return
    policy = job.schedule.catch_up
    kept: Sequence[datetime] = due[-1:]
    if policy is CatchUp.ALL:
        kept = due[-job.schedule.max :]
    elif policy is CatchUp.SKIP and now - due[-1] - jitter_of(job) > ON_TIME:
        kept = ()
    left = due[: len(due) - len(kept)]
    for slot in left:
        due_at, code = slot + jitter_of(job), f"catch_up_{policy.value}"
        yield PlannedRun(job.name, slot, due_at, Action.MISSED, code, not_repeated(job))
    for slot in kept:
        missed = len(left) if policy is CatchUp.LATEST else 0
        yield _to_run(job, slot, missed, view, now)


def _drained(entry: PlannedRun) -> PlannedRun:
    """What would start waits for the end of the drain; no row is left, so that nothing is lost."""
    reason = text("draining: nothing new is started")
    return replace(entry, action=Action.WAIT, code="draining", reason=reason)


def _to_run(job: Job, slot: datetime, missed: int, view: StateView, now: datetime) -> PlannedRun:
    due_at = slot + jitter_of(job)
    running = view.running.get(job.name)
    if running is not None and due_at <= running.started_at:
        reason = text("waits for {run}, which works on an older slot", run=running.handle)
        return PlannedRun(job.name, slot, due_at, Action.WAIT, "backlog", reason)
    if running is not None and job.overlap is not Overlap.REPLACE:
        return _overlapping(job, slot, due_at, running, view)
    if running is not None:
        reason = text("replaces {run}, which is still running", run=running.handle)
        return PlannedRun(job.name, slot, due_at, Action.RUN, "replace", reason, missed)
    if missed or now - due_at >= LATE:
        reason = _late(job.schedule.catch_up)
        return PlannedRun(job.name, slot, due_at, Action.RUN, "caught_up", reason, missed)
    return PlannedRun(job.name, slot, due_at, Action.RUN, "due", text("on time"), missed)


def _late(policy: CatchUp) -> Text:
    if policy is CatchUp.SKIP:
        allowed = ON_TIME // timedelta(minutes=1)
        return text("late: caught up now (catch_up: skip allows {n} minutes)", n=allowed)
    return text("late: caught up now (catch_up: {policy})", policy=policy.value)


def not_repeated(job: Job) -> Text:
    """Why a slot is left out under the job's catch_up."""
    policy = job.schedule.catch_up
    if policy is CatchUp.ALL:
        return text(
            "missed, and not repeated (catch_up: all repeats the newest {max}, as max says)",
            max=job.schedule.max,
        )
    return text("missed, and not repeated (catch_up: {policy})", policy=policy.value)


def _overlapping(
    job: Job, slot: datetime, due_at: datetime, running: Run, view: StateView
) -> PlannedRun:
    rows = view.slots.get(job.name, {})
    queued = any(row.state is SlotState.QUEUED for row in rows.values())
    if job.overlap is Overlap.QUEUE and not queued:
        reason = text("waits for {run}, which is still running", run=running.handle)
        return PlannedRun(job.name, slot, due_at, Action.QUEUED, "queued", reason)
    reason = text("{run} is still running", run=running.handle)
    code = "queue_full" if queued else "overlap"
    return PlannedRun(job.name, slot, due_at, Action.SKIP, code, reason)
