"""What would happen now, and why? PURE: (Manifest, StateView, now) -> Plan.

`mitrarr plan` prints the Plan, `mitrarr apply` does it: a dry run cannot drift from the real one.
Nothing here reads a clock, a file or the store. The rules are SEMANTICS sections 1, 4, 5 and 6.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import islice
from typing import TypeAlias
from zoneinfo import ZoneInfo

from mitrarr_runner import schedule
from mitrarr_runner.manifest.model import CatchUp, First, Job, Manifest, Overlap
from mitrarr_runner.steps import idempotent
from mitrarr_runner.store.drains import Drain
from mitrarr_runner.store.jobs import JobMemory
from mitrarr_runner.store.pauses import Pause
from mitrarr_runner.store.requests import Request
from mitrarr_runner.store.runs import SATISFYING, Cause, Outcome, Run
from mitrarr_runner.store.slots import SlotRow, SlotState
from mitrarr_runner.text import Text, text

HARD_CAP = 1000
"""Slots of one job that one plan looks at singly; what is older becomes a missed_range: one for
what is inside the window, one for what is older than that."""

ON_TIME = timedelta(minutes=10)
"""How late the newest slot may be and still be run under `catch_up: skip`. System cron may be
called every minute or every five; a grace of seconds drops runs silently."""

LATE = timedelta(minutes=1)
"""From when on a run is told as late: as apply and why tell it."""

_AT_ONCE = timedelta(0)

_SECOND = timedelta(seconds=1)
"""Slots are whole seconds: one before a slot is after every slot before it."""

_RARELY = timedelta(days=366 * 8)
"""Between two slots at most: from one leap day to the next over a century that has none."""


class Action(StrEnum):
    """run and recover start a worker; wait starts one after `after`; the others only leave a row
    (queued, skip, missed, paused, blocked) or nothing (wait without `after`)."""

    RUN = "run"
    WAIT = "wait"
    SKIP = "skip"
    MISSED = "missed"
    PAUSED = "paused"
    BLOCKED = "blocked"
    QUEUED = "queued"
    RECOVER = "recover"


@dataclass(frozen=True, slots=True)
class StateView:
    """What the store says of one manifest's jobs at one instant.

    running: unfinished runs that are alive; lost: unfinished ones whose process is gone; last: the
    newest run of each job. slots: by job, the rows later than its last slot (a range: that ends
    later), and queued ones; where no last slot is known, those that reach into the window and the
    newest before it.
    """

    memories: Mapping[str, JobMemory] = field(default_factory=dict)
    slots: Mapping[str, Mapping[datetime, SlotRow]] = field(default_factory=dict)
    last: Mapping[str, Run] = field(default_factory=dict)
    running: Mapping[str, Run] = field(default_factory=dict)
    lost: Mapping[str, Run] = field(default_factory=dict)
    pauses: Mapping[str, Pause] = field(default_factory=dict)
    requests: tuple[Request, ...] = ()
    drain: Drain | None = None

    def draining(self, now: datetime) -> bool:
        return self.drain is not None and self.drain.holds(now)


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One line of a plan. due_at = slot + jitter; missed = slots that this run stands for.

    until: end of a range of slots that were missed, or passed in a pause; run: the lost run that
    is recovered; request: who asked; after: jobs of this plan that end first.
    """

    job: str
    slot: datetime | None
    due_at: datetime
    action: Action
    code: str
    reason: Text
    missed: int = 0
    until: datetime | None = None
    run: int | None = None
    request: int | None = None
    after: tuple[str, ...] = ()

    @property
    def starts(self) -> bool:
        """Whether apply starts a worker for it."""
        return self.action in (Action.RUN, Action.RECOVER) or bool(self.after)


@dataclass(frozen=True, slots=True)
class Plan:
    """memories: new jobs, changed schedules and clocks gone wrong, to be remembered first."""

    at: datetime
    manifest: str
    fingerprint: str
    entries: tuple[PlannedRun, ...]
    memories: tuple[JobMemory, ...]

    @property
    def starting(self) -> tuple[PlannedRun, ...]:
        return tuple(entry for entry in self.entries if entry.starts)


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
        found = [_with_needs(job, entry, decided, view) for entry in found]
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
def _parsed(expression: str) -> schedule.Cron:
    return schedule.parse(expression)


@lru_cache(maxsize=20_000)
def _fingerprint(expression: str, zone: str) -> str:
    return schedule.fingerprint(expression, zone)


@lru_cache(maxsize=1000)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(maxsize=20_000)
def _any_in(expression: str, zone: str, after: datetime, until: datetime) -> bool:
    """Whether (after, until] holds a slot: the same for all jobs that share line and last slot."""
    slots = schedule.slots(_parsed(expression), _zone(zone), after, until)
    return next(slots, None) is not None


def upcoming(job: Job, now: datetime, count: int) -> tuple[datetime, ...]:
    """The next `count` slots of a job after `now`, whatever its state."""
    if job.schedule.cron is None:
        return ()
    cron, zone = _parsed(job.schedule.cron), _zone(job.schedule.timezone)
    horizon = min(_RARELY * count, datetime.max.replace(tzinfo=UTC) - now)
    return tuple(islice(schedule.slots(cron, zone, now, now + horizon), count))


def slots_between(job: Job, start: datetime, end: datetime) -> Iterator[datetime]:
    """Every slot of a job, `start` inclusive, `end` exclusive."""
    if job.schedule.cron is None:
        return iter(())
    cron, zone = _parsed(job.schedule.cron), _zone(job.schedule.timezone)
    return schedule.slots(cron, zone, start - _SECOND, end - _SECOND)


def jitter_of(job: Job) -> timedelta:
    if not job.schedule.jitter:
        return _AT_ONCE
    return timedelta(seconds=schedule.jitter(job.name, job.schedule.jitter))


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
    due, older = _due(job, memory, view, now)
    yield from older
    held = [slot for slot in due if pause is not None and _during(pause, slot, now)]
    for slot in held:
        yield _paused(job, slot, pause)
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


def _due(
    job: Job, memory: JobMemory, view: StateView, now: datetime
) -> tuple[list[datetime], list[PlannedRun]]:
    """Unclaimed slots in (lower, now], oldest first, and the lines for what is older than those:
    every slot since the last one that was handled stands in one of the two.
    """
    if job.schedule.cron is None:
        return [], []
    cron, zone = _parsed(job.schedule.cron), _zone(job.schedule.timezone)
    dealt = _dealt(job, view, now)
    last = memory.last_slot if memory.last_slot and memory.last_slot <= now else None
    now = now - jitter_of(job)
    window = now - timedelta(seconds=job.schedule.window)
    handled = max(memory.floor, last or _newest(dealt, window) or memory.floor)
    lower = max(handled, window)
    found: list[datetime] = []
    if lower < now and _any_in(job.schedule.cron, job.schedule.timezone, lower, now):
        found += _free(schedule.slots(cron, zone, lower, now), dealt)
    older: list[PlannedRun] = []
    if handled < window:
        older += _ranges(job, handled, window, dealt, view, "older_than_window")
    cut = found[:-HARD_CAP]
    if cut:
        older += _ranges(job, cut[0] - _SECOND, cut[-1], dealt, view, "too_many")
    return found[-HARD_CAP:], older


Dealt: TypeAlias = Mapping[datetime, datetime]
"""First and last slot of what a row stands for; the same instant but for a range."""


def _dealt(job: Job, view: StateView, now: datetime) -> Dealt:
    """What has a row. A range that ends ahead was read off a clock that stood there, and is
    forgotten by the next apply: it stands for nothing.
    """
    rows = view.slots.get(job.name, {}).values()
    ends = ((row.slot, row.until or row.slot, row.until) for row in rows)
    return {first: last for first, last, until in ends if until is None or until <= now}


def _newest(dealt: Dealt, until: datetime) -> datetime | None:
    """Up to where everything was dealt with, where the last slot is not known (any more)."""
    return max((last for last in dealt.values() if last <= until), default=None)


def _free(slots: Iterator[datetime], dealt: Dealt) -> Iterator[datetime]:
    """The slots that no row stands for."""
    ranges = [(first, last) for first, last in dealt.items() if first < last]
    for slot in slots:
        if slot not in dealt and not any(first <= slot <= last for first, last in ranges):
            yield slot


def _ranges(
    job: Job, after: datetime, until: datetime, dealt: Dealt, view: StateView, code: str
) -> Iterator[PlannedRun]:
    """Lines for every slot in (after, until] without a row; what fell into a pause is told by
    itself.
    """
    pause = view.pauses.get(job.name)
    for begin, end in _between(after, until, dealt):
        for start, stop, held in _by_pause(begin, end, pause):
            ends = _first_and_last(job, start, stop)
            if ends is None:
                continue
            if held:
                yield replace(_paused(job, ends[0], pause), until=ends[1])
            else:
                yield _range(job, *ends, code)


def _between(after: datetime, until: datetime, dealt: Dealt) -> Iterator[tuple[datetime, datetime]]:
    """(after, until] without the slots that have rows."""
    for first, last in sorted(dealt.items()):
        if first > until:
            break
        if after < first - _SECOND:
            yield after, first - _SECOND
        after = max(after, last)
    if after < until:
        yield after, until


def _by_pause(
    after: datetime, until: datetime, pause: Pause | None
) -> Iterator[tuple[datetime, datetime, bool]]:
    """(after, until] in pieces: before a pause, in it (True), after it."""
    begin = end = until
    if pause is not None:
        begin = min(max(pause.at - _SECOND, after), until)
    if pause is not None and pause.until is not None:
        end = min(max(pause.until - _SECOND, begin), until)
    for piece in ((after, begin, False), (begin, end, True), (end, until, False)):
        if piece[0] < piece[1]:
            yield piece


def _first_and_last(job: Job, after: datetime, until: datetime) -> tuple[datetime, datetime] | None:
    """The slots of a job at both ends of (after, until]; None where it holds none."""
    cron, zone = _parsed(job.schedule.cron or ""), _zone(job.schedule.timezone)
    first = next(schedule.slots(cron, zone, after, until), None)
    if first is None:
        return None
    return first, schedule.latest_slot(cron, zone, after, until) or first


def _range(job: Job, first: datetime, last: datetime, code: str) -> PlannedRun:
    reason = text("missed, and older than the window in which slots are caught up")
    if code == "too_many":
        reason = text("missed, and more than {cap} slots at once", cap=HARD_CAP)
    return PlannedRun(job.name, first, first, Action.MISSED, code, reason, until=last)


def _during(pause: Pause, slot: datetime, now: datetime) -> bool:
    """While a pause holds, nothing due is run; after its end, only its own slots stay unrun."""
    if pause.holds(now):
        return True
    return pause.at <= slot and (pause.until is None or slot < pause.until)


def _paused(job: Job, slot: datetime, pause: Pause | None) -> PlannedRun:
    actor = pause.actor if pause else ""
    reason = text("paused by {actor}", actor=actor) if actor else text("paused")
    return PlannedRun(job.name, slot, slot + jitter_of(job), Action.PAUSED, "paused", reason)


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


def _with_needs(
    job: Job, entry: PlannedRun, decided: Mapping[str, Sequence[PlannedRun]], view: StateView
) -> PlannedRun:
    """A run waits for the needed jobs that are due too, as long as those have to wait themselves; a
    need that failed blocks it.
    """
    if entry.action not in (Action.RUN, Action.RECOVER) or entry.code == "asked":
        return entry
    after: list[str] = []
    for need in job.needs:
        entries = decided.get(need, ())
        starts = any(other.starts for other in entries)
        waits = any(other.action is Action.WAIT and not other.starts for other in entries)
        if need in view.running and (waits or not starts):
            reason = text("waits for {need}, which is still running", need=need)
            return _changed(entry, Action.WAIT, "need_running", reason)
        if waits:
            reason = text("waits for {need}, which has to wait as well", need=need)
            return _changed(entry, Action.WAIT, "need_waits", reason)
        if starts:
            after.append(need)
        elif (ended := _ended_badly(need, entries, view)) is not None:
            return _changed(entry, Action.BLOCKED, f"need:{need}", blocked(need, ended))
    if not after:
        return entry
    reason = text("needs {needs}; runs next", needs=", ".join(after))
    return _changed(entry, Action.WAIT, "needs", reason, tuple(after))


def _ended_badly(need: str, entries: Sequence[PlannedRun], view: StateView) -> Outcome | None:
    """How what is needed ended, where that keeps others from running."""
    if any(other.action is Action.BLOCKED for other in entries):
        return Outcome.BLOCKED
    if need in view.lost:
        return Outcome.LOST
    last = view.last.get(need)
    outcome = last.outcome if last is not None else None
    return None if outcome in SATISFYING else outcome


def blocked(need: str, ended: Outcome) -> Text:
    """Why a job is blocked, by how what it needs ended; BLOCKED: that was not run at all."""
    if ended is Outcome.BLOCKED:
        return text("blocked by {need}, which was blocked itself", need=need)
    if ended is Outcome.STOPPED:
        return text("blocked by {need}, whose last run was stopped", need=need)
    if ended is Outcome.LOST:
        return text("blocked by {need}, whose last run was lost", need=need)
    return text("blocked by {need}, whose last run failed", need=need)


def blocked_as_kept(need: str, reason: str) -> Text:
    """The sentence that a slot's row keeps in English, for readers of any language."""
    for ended in (Outcome.BLOCKED, Outcome.STOPPED, Outcome.LOST):
        if str(blocked(need, ended)) == reason:
            return blocked(need, ended)
    return blocked(need, Outcome.FAILED)


def _changed(
    entry: PlannedRun, action: Action, code: str, reason: Text, after: tuple[str, ...] = ()
) -> PlannedRun:
    return PlannedRun(
        entry.job,
        entry.slot,
        entry.due_at,
        action,
        code,
        reason,
        entry.missed,
        run=entry.run,
        after=after,
    )
