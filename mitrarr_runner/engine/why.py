"""Why did a slot run, or not? One planned instant of one job, looked up in what the store kept and
judged by the same plan as apply, told in sentences.

Reading only. Whatever it cannot know it says: a row that is not kept any more is no explanation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from mitrarr_runner import schedule
from mitrarr_runner.clock import Clock
from mitrarr_runner.engine import why_run
from mitrarr_runner.engine.report.history import slot_reason
from mitrarr_runner.engine.state import gather, is_lost
from mitrarr_runner.manifest.model import CatchUp, Job, Manifest
from mitrarr_runner.plan import (
    Plan,
    PlannedRun,
    StateView,
    blocked,
    blocked_as_kept,
    jitter_of,
    not_repeated,
    plan,
    repeatable,
    upcoming,
)
from mitrarr_runner.site import Site
from mitrarr_runner.store import evidence, runs
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.jobs import JobMemory
from mitrarr_runner.store.runs import Outcome, Run
from mitrarr_runner.store.slots import SlotRow, SlotState
from mitrarr_runner.text import Catalogue, Text, text

_BACK = timedelta(days=366 * 8)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Question:
    """asked: the instant as typed, to the minute. job None: the manifest does not have it (any
    more). db None: nothing was ever applied here.
    """

    name: str
    job: Job | None
    asked: datetime
    manifest: Manifest
    site: Site
    clock: Clock
    db: Database | None
    say: Catalogue

    @property
    def zone(self) -> ZoneInfo:
        zone = self.job.schedule.timezone if self.job else self.manifest.settings.timezone
        return ZoneInfo(zone)

    def hour(self, at: datetime) -> str:
        return self.say.hour(at, self.zone, self.asked)


@dataclass(frozen=True, slots=True)
class Answer:
    """slot: the one that is told about, None where there is none. state: ran, running, lost,
    queued, missed, skipped, paused, blocked, due, future, before, unknown, none. lost: the run's
    process is gone.
    """

    slot: datetime | None
    state: str
    code: str
    lines: tuple[Text, ...]
    run: Run | None = None
    lost: bool = False


def why(question: Question) -> Answer:
    """The slot at the asked minute; where there is none, says so and tells of the one before it."""
    slot, notes = _slot_of(question)
    if slot is None:
        return Answer(None, "none", "no_slot", tuple(notes))
    found = _of_slot(question, slot)
    return Answer(
        found.slot, found.state, found.code, (*notes, *found.lines), found.run, found.lost
    )


# -- which slot


def _slot_of(question: Question) -> tuple[datetime | None, list[Text]]:
    asked, db, name = question.asked, question.db, question.manifest.name
    if db is not None and evidence.row_of(db, name, question.name, asked) is not None:
        return asked, []
    if question.job is None or question.job.schedule.cron is None:
        return _without_schedule(question)
    job = question.job
    cron = schedule.parse(job.schedule.cron or "")
    before = schedule.latest_slot(cron, question.zone, asked - _BACK, asked)
    if before == asked:
        return asked, []
    after = next(iter(upcoming(job, asked, 1)), None)
    return before, [_no_slot(question, job, before, after)]


def _without_schedule(question: Question) -> tuple[datetime | None, list[Text]]:
    name, at = question.name, question.hour(question.asked)
    known = None
    if question.db is not None:
        known = evidence.neighbour(
            question.db, question.manifest.name, question.name, question.asked
        )
    what = text("{job} has no schedule: it runs only when it is asked for", job=name)
    if question.job is None:
        what = text("the manifest does not have {job} (any more)", job=name)
    if known is None:
        return None, [what]
    near = text(
        "{at} is no slot of it; the one before was {slot}", at=at, slot=question.hour(known)
    )
    return known, [what, near]


def _no_slot(question: Question, job: Job, before: datetime | None, after: datetime | None) -> Text:
    values = {
        "at": question.hour(question.asked),
        "job": job.name,
        "cron": job.schedule.cron,
        "zone": job.schedule.timezone,
    }
    if before is None or after is None:
        near = before or after
        if near is None:
            return text("{at} is no slot of {job} ({cron}, {zone})", **values)
        return text(
            "{at} is no slot of {job} ({cron}, {zone}); the nearest is {near}",
            **values,
            near=question.hour(near),
        )
    return text(
        "{at} is no slot of {job} ({cron}, {zone}); around it: {before} and {after}."
        " This is about {before}",
        **values,
        before=question.hour(before),
        after=question.hour(after),
    )


# -- what became of it


def _of_slot(question: Question, slot: datetime) -> Answer:
    db = question.db
    row = evidence.row_of(db, question.manifest.name, question.name, slot) if db else None
    if db is not None and row is not None:
        return _of_row(question, db, row, slot)
    if slot > question.clock.now():
        return _future(question, _view(question), slot)
    return _no_row(question, slot)


def _of_row(question: Question, db: Database, row: SlotRow, slot: datetime) -> Answer:
    if row.state is SlotState.CLAIMED:
        return _claimed(question, db, row, slot)
    if row.state in (SlotState.MISSED, SlotState.MISSED_RANGE):
        return Answer(slot, "missed", row.code, tuple(_missed(question, db, row, slot)))
    told = {
        SlotState.SKIPPED: _held_up,
        SlotState.QUEUED: _held_up,
        SlotState.PAUSED: _paused,
        SlotState.BLOCKED: _blocked,
    }[row.state]
    return Answer(slot, row.state.value, row.code, tuple(told(question, db, row)))


def _claimed(question: Question, db: Database, row: SlotRow, slot: datetime) -> Answer:
    run = runs.get(db, row.run) if row.run is not None else None
    if run is None:
        gone = text("it was run; what became of the run is not kept any more")
        return Answer(slot, "ran", "not_kept", (gone,))
    lost = not run.finished and is_lost(run, question.manifest.name, question.site, question.clock)
    state, code = "ran", run.outcome.value if run.outcome else "running"
    if lost:
        state, code = "lost", "lost"
    elif not run.finished:
        state = "running"
    repeated = evidence.lost_before(db, question.manifest.name, question.name, slot, run.id)
    scene = why_run.Scene(question.zone, question.asked, question.clock.now(), question.say)
    lines = [*why_run.told(run, repeated, scene, lost=lost)]
    if lost or run.outcome is Outcome.LOST:
        lines += _in_its_place(question, db, run, slot)
    return Answer(slot, state, code, tuple(lines), run, lost)


def _in_its_place(question: Question, db: Database, run: Run, slot: datetime) -> Iterator[Text]:
    """A lost run is not repeated where that of a later slot stands for it."""
    job = question.job
    if job is None or job.schedule.catch_up is CatchUp.ALL or not repeatable(job, run):
        return
    later = evidence.run_after(db, question.manifest.name, question.name, slot)
    if later is not None and later.slot is not None:
        yield text(
            "{run} ran a later slot, {slot}, in its place (catch_up: {policy})",
            run=later.handle,
            slot=question.hour(later.slot),
            policy=job.schedule.catch_up.value,
        )


def _missed(question: Question, db: Database, row: SlotRow, slot: datetime) -> Iterator[Text]:
    yield _why_missed(question, row)
    if row.until is not None:
        yield text(
            "every slot from {first} to {last} was missed",
            first=question.hour(row.slot),
            last=question.hour(row.until),
        )
    yield from _not_in_time(question, db, row, slot)
    instead = evidence.run_after(db, question.manifest.name, question.name, row.until or row.slot)
    if instead is not None and instead.slot is not None and row.code == "catch_up_latest":
        yield text(
            "{run} ran the newest slot, {slot}, for those before it",
            run=instead.handle,
            slot=question.hour(instead.slot),
        )


def _not_in_time(question: Question, db: Database, row: SlotRow, slot: datetime) -> Iterator[Text]:
    """What kept the slot from being run while it was due, as far as it is known. What waits for a
    need, an older slot or a free place leaves no row: then it is not known.
    """
    name = question.manifest.name
    due = slot + jitter_of(question.job) if question.job is not None else slot
    found = text("the apply at {at} found it", at=question.hour(row.at))
    pause = evidence.paused(db, name, question.name, due)
    drain = evidence.drained(db, name, due, row.at)
    if pause is not None:
        yield from _pause(question, db, pause)
    elif drain is not None:
        yield _drain(question, drain)
    elif not evidence.applied(db, name, due, row.at):
        found = text(
            "no apply is known to have come while it was due; the one at {at} found it",
            at=question.hour(row.at),
        )
    yield found


def _drain(question: Question, deed: evidence.Deed) -> Text:
    values = {
        "manifest": question.manifest.name,
        "actor": deed.actor,
        "at": question.hour(deed.at),
    }
    reason = str(deed.detail.get("reason") or "")
    if reason:
        return text(
            '{manifest} was draining, by {actor} since {at}: "{reason}"', **values, reason=reason
        )
    return text("{manifest} was draining, by {actor} since {at}", **values)


def _why_missed(question: Question, row: SlotRow) -> Text:
    """With how many were caught up instead, while the job says so still."""
    if question.job is not None and row.code == "catch_up_all":
        told = not_repeated(question.job)
        if str(told) == row.reason:
            return told
    return slot_reason(row)


def _held_up(question: Question, db: Database, row: SlotRow) -> Iterator[Text]:
    yield slot_reason(row)
    other = evidence.run_during(db, question.manifest.name, question.name, row.at)
    if other is None:
        return
    started = question.hour(other.started_at)
    if other.finished_at is None:
        yield text("{run} was running then, since {at}", run=other.handle, at=started)
    else:
        yield text(
            "{run} was running then, from {start} to {end}",
            run=other.handle,
            start=started,
            end=question.hour(other.finished_at),
        )
    if question.job is not None:
        yield text("the job says overlap: {policy}", policy=question.job.overlap.value)


def _paused(question: Question, db: Database, row: SlotRow) -> Iterator[Text]:
    name = question.manifest.name
    deed = evidence.last_deed(db, name, question.name, "pause", row.at)
    if deed is None:
        yield slot_reason(row)
        return
    yield from _pause(question, db, deed)
    if row.until is not None:
        first, last = question.hour(row.slot), question.hour(row.until)
        yield text("every slot from {first} to {last} was left out", first=first, last=last)


def _pause(question: Question, db: Database, deed: evidence.Deed) -> Iterator[Text]:
    """By whom, when and why the job was paused, and how that ended."""
    values = {"actor": deed.actor, "at": question.hour(deed.at)}
    reason = str(deed.detail.get("reason") or "")
    if reason:
        yield text('the job was paused by {actor} at {at}: "{reason}"', **values, reason=reason)
    else:
        yield text("the job was paused by {actor} at {at}, without a reason", **values)
    until = deed.detail.get("until")
    if until:
        end = datetime.fromisoformat(str(until))
        yield text("the pause was to end by itself at {at}", at=question.hour(end))
    resumed = evidence.resumed(db, question.manifest.name, question.name, deed)
    if resumed is not None:
        yield _resumed(question, resumed)


def _resumed(question: Question, deed: evidence.Deed) -> Text:
    values = {"actor": deed.actor, "at": question.hour(deed.at)}
    if deed.detail.get("catch_up"):
        return text("{actor} resumed it at {at}, with --catch-up", **values)
    return text("{actor} resumed it at {at}", **values)


def _blocked(question: Question, db: Database, row: SlotRow) -> Iterator[Text]:
    need = row.code.removeprefix("need:")
    told = blocked_as_kept(need, row.reason)
    yield told
    if told == blocked(need, Outcome.BLOCKED):
        return  # no run of it is the cause
    run = evidence.run_before(db, question.manifest.name, need, row.at)
    if run is not None and run.finished_at is not None:
        yield text(
            "{run} of {need} ended at {at}; look: {command}",
            run=run.handle,
            need=need,
            at=question.hour(run.finished_at),
            command=f"mitrarr logs {need} --run {run.handle}",
        )


# -- what has no row


def _memory(question: Question, view: StateView) -> JobMemory | None:
    return view.memories.get(question.name)


def _view(question: Question) -> StateView:
    if question.db is None:
        return StateView()
    now = question.clock.now()
    return gather(question.db, question.manifest, question.site, question.clock, now)


def _no_row(question: Question, slot: datetime) -> Answer:
    """A slot of the past that nothing was written about; with jitter it may still be to come."""
    view = _view(question)
    memory = _memory(question, view)
    if memory is None:
        never = text(
            "no apply has seen {job} yet; nothing before the first one is run", job=question.name
        )
        return Answer(slot, "before", "new", (never,))
    if slot <= memory.floor:
        return Answer(slot, "before", *_floor(question, memory))
    made = plan(question.manifest, view, question.clock.now())
    entry = _planned(question, made, slot)
    if entry is not None:
        return Answer(slot, "due", entry.code, tuple(_due(question, entry)))
    if _waits(question, memory, made, slot):
        return _future(question, view, slot)
    unknown = text("nothing is kept about it: rows of the past are removed after a while")
    return Answer(slot, "unknown", "not_kept", (unknown,))


def _floor(question: Question, memory: JobMemory) -> tuple[str, tuple[Text, ...]]:
    """Why nothing before the floor is looked at: new, resumed, or with another schedule."""
    assert question.db is not None  # noqa: S101 - there is a memory
    name = question.manifest.name
    values = {"job": question.name, "at": question.say.moment(memory.floor, question.zone)}
    resumed = evidence.last_deed(question.db, name, question.name, "resume", memory.floor)
    if resumed is not None and resumed.at == memory.floor:
        told = text(
            "{job} was resumed at {at} by {actor} without --catch-up; nothing before is run",
            **values,
            actor=resumed.actor,
        )
        return "resumed", (told,)
    if evidence.first_seen(question.db, name, question.name) == memory.floor:
        return "new", (text("{job} is new since {at}; nothing before is run", **values),)
    changed = text(
        "the schedule of {job} was changed, seen at {at}; nothing before is run", **values
    )
    return "changed", (changed,)


def _waits(question: Question, memory: JobMemory, made: Plan, slot: datetime) -> bool:
    """Whether only the jitter of a slot without a row is still to come: nobody has dealt with it,
    and the next apply does not begin anew with a changed schedule.
    """
    job, now = question.job, question.clock.now()
    if job is None or slot + jitter_of(job) <= now:
        return False
    last = memory.last_slot
    handled = last is not None and slot <= last <= now
    return not handled and all(anew.job != question.name for anew in made.memories)


def _planned(question: Question, made: Plan, slot: datetime) -> PlannedRun | None:
    """What apply would do about it at this instant."""
    for entry in made.entries:
        first, last = entry.slot, entry.until or entry.slot
        if entry.job != question.name or first is None or last is None:
            continue
        if first <= slot <= last or (entry.code == "draining" and slot <= last):
            return entry
    return None


def _due(question: Question, entry: PlannedRun) -> Iterator[Text]:
    yield text("it is due, and no apply has dealt with it yet")
    if entry.starts:
        yield text("the next apply runs it: {reason}", reason=entry.reason)
    else:
        yield text("what the next apply says of it: {reason}", reason=entry.reason)


def _future(question: Question, view: StateView, slot: datetime) -> Answer:
    """What would decide, as things stand. With jitter the slot is not the instant to wait for."""
    job = question.job
    if job is None:
        gone = text("the manifest does not have {job} (any more)", job=question.name)
        return Answer(slot, "future", "unknown_job", (gone,))
    code, lines = "will_run", list(_deciders(question, view, job, slot))
    wait = jitter_of(job)
    ahead = text("it lies ahead; as things stand:")
    if lines:
        code = "depends"
    else:
        at = question.hour(slot)
        ahead = text("it lies ahead; the first apply from {at} on runs it", at=at)
    if wait:
        after = text("as things stand:") if lines else text("the first apply from then on runs it")
        return Answer(slot, "future", code, (_jittered(question, slot, wait), after, *lines))
    return Answer(slot, "future", code, (ahead, *lines))


def _jittered(question: Question, slot: datetime, wait: timedelta) -> Text:
    return text(
        "it is still to come: because of jitter it is due at {at}, {span} after its slot",
        at=question.say.moment(slot + wait, question.zone),
        span=question.say.span(wait.total_seconds()),
    )


def _deciders(question: Question, view: StateView, job: Job, slot: datetime) -> Iterator[Text]:
    """A pause takes what becomes due in it and, once it is over, the slots that fell into it."""
    due = slot + jitter_of(job)
    pause = view.pauses.get(job.name)
    if pause is not None and (pause.holds(due) or (pause.at <= slot and pause.holds(slot))):
        until = text("without an end")
        if pause.until is not None:
            until = text("until {at}", at=question.hour(pause.until))
        yield text(
            "the job is paused by {actor}, {until}: it is not run", actor=pause.actor, until=until
        )
    if view.drain is not None and view.drain.holds(due):
        yield text(
            "{manifest} is draining, by {actor}: it waits for the end of that",
            manifest=question.manifest.name,
            actor=view.drain.actor,
        )
    running = view.running.get(job.name)
    if running is not None:
        yield text(
            "{run} is running; if it still is, overlap: {policy} decides",
            run=running.handle,
            policy=job.overlap.value,
        )
    for need in job.needs:
        yield _need(question, view, need, slot)


def _need(question: Question, view: StateView, need: str, slot: datetime) -> Text:
    """A need that is due by then decides by that run; else its last one does."""
    last, job = view.last.get(need), question.manifest.jobs.get(need)
    if need in view.running:
        return text(
            "it needs {need}, whose {run} is running", need=need, run=view.running[need].handle
        )
    coming = next(iter(upcoming(job, question.clock.now(), 1)), None) if job is not None else None
    if coming is not None and coming <= slot:
        at = question.hour(coming)
        return text(
            "it needs {need}, which is due itself at {at}: that run decides", need=need, at=at
        )
    if last is None:
        return text("it needs {need}, which has not run yet", need=need)
    values = {"need": need, "run": last.handle}
    if last.outcome in runs.SATISFYING:
        return text("it needs {need}, whose last run ({run}) was good", **values)
    if last.outcome is Outcome.STOPPED:
        return text(
            "it needs {need}, whose last run ({run}) was stopped: as it stands, blocked", **values
        )
    if last.outcome in (None, Outcome.LOST):
        return text(
            "it needs {need}, whose last run ({run}) was lost: as it stands, blocked", **values
        )
    return text("it needs {need}, whose last run ({run}) failed: as it stands, blocked", **values)
