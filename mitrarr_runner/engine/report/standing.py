"""How does a site stand? Everything `status` tells, read once and given as values.

It reads the store, the spools, the heartbeat and the disk, and changes nothing. A spool that
cannot be reached is a sentence here, never an error: a status must come out while things are down.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from zoneinfo import ZoneInfo

from mitrarr_runner.clock import Clock, from_epoch
from mitrarr_runner.delivery import desk
from mitrarr_runner.delivery.desk import Shown
from mitrarr_runner.engine import outcry
from mitrarr_runner.engine.report.gap import Before
from mitrarr_runner.engine.state import gather
from mitrarr_runner.errors import MitrarrError
from mitrarr_runner.intake import spool
from mitrarr_runner.intake.spool import SpoolLook
from mitrarr_runner.manifest.compiled import known_manifests
from mitrarr_runner.manifest.model import Job, Manifest, Per, Settings, Source
from mitrarr_runner.plan import Action, Plan, StateView, jitter_of, plan, upcoming
from mitrarr_runner.site import Site
from mitrarr_runner.store import (
    incidents,
    pauses,
    readings,
    registry,
    runs,
    sightings,
    trouble,
)
from mitrarr_runner.store import slots as slot_rows
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.deliveries import State as PersonState
from mitrarr_runner.store.drains import Drain
from mitrarr_runner.store.incidents import Incident
from mitrarr_runner.store.jobs import JobMemory
from mitrarr_runner.store.pauses import Pause, Paused
from mitrarr_runner.store.registry import Record
from mitrarr_runner.store.registry import State as FileState
from mitrarr_runner.store.runs import Outcome, Run
from mitrarr_runner.store.slots import SlotRow, SlotState
from mitrarr_runner.store.tallies import registered_since, sent_since
from mitrarr_runner.text import Text, from_data

EVENTS = 12
"""How many of the last things that happened to a job are shown."""

PILE = 3
"""How many of the files and people that wait for somebody are shown by handle."""

OVERDUE = timedelta(minutes=10)
"""A slot that nobody dealt with for that long means that nobody calls apply."""

SILENT = timedelta(hours=2)
"""An apply that long ago means the same, whether anything was due or not."""


class Mark(StrEnum):
    """What became of one slot or one run of a job."""

    OK = "ok"
    DEFERRED = "deferred"
    FAILED = "failed"
    TIMEOUT = "timeout"
    LOST = "lost"
    BLOCKED = "blocked"
    PAUSED = "paused"
    SKIPPED = "skipped"
    MISSED = "missed"
    REPLACED = "replaced"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that is over. slot: None for a run by hand; run: None where nothing ran."""

    at: datetime
    mark: Mark
    slot: datetime | None = None
    run: Run | None = None


@dataclass(frozen=True, slots=True)
class JobStanding:
    """events: what is over, oldest first, at most EVENTS. failures: bad ends in a row.

    last_run: the newest run that is over, however many slots passed since; without an outcome it
    was lost. last_slot: the newest slot that is over, whatever became of it. next_slot: None
    without a schedule, and while a pause has no end; it has passed where only its jitter is still
    to come. due: since when something is due that the next apply would start. jitter: between a
    slot and the instant at which it is due.
    """

    name: str
    running: Run | None = None
    pause: Pause | None = None
    events: tuple[Event, ...] = ()
    failures: int = 0
    last_run: Run | None = None
    last_slot: datetime | None = None
    next_slot: datetime | None = None
    due: datetime | None = None
    jitter: timedelta = timedelta(0)

    @property
    def next_due(self) -> datetime | None:
        """When it runs next, as people ask it; next_slot is the nominal instant."""
        return None if self.next_slot is None else self.next_slot + self.jitter

    @property
    def newest(self) -> Event | None:
        return self.events[-1] if self.events else None


@dataclass(frozen=True, slots=True)
class SpoolStanding:
    """Exactly one of look and trouble is set."""

    source: str
    look: SpoolLook | None = None
    trouble: Text | None = None
    hint: Text | None = None


@dataclass(frozen=True, slots=True)
class VolumeStanding:
    """What was last found of a label that is counted by the day, today. low: what is expected at
    least by that time of this weekday; high: None = no upper end; message: the check's own words.
    """

    label: str
    at: datetime
    low: int
    high: int | None
    message: Text


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything `status` tells, at one instant.

    fingerprint: "" where there is no manifest at all, only the built-in defaults.
    broken: the manifest has errors; this is the last good one, where there is one. applied: when
    apply was last here and could work, None = never. failing: when one last could not, for the
    store; None where the last one could. overdue: a slot that nobody has dealt with for long.
    disk: of the store, used, in percent. full: the store, where its disk has no room for it.
    down: code of the trouble by destination. quarantined, parked: the newest few. config: what a
    verb that names no job must be given with --config, "" where it comes here without.
    """

    manifest: str
    fingerprint: str
    at: datetime
    zone: ZoneInfo
    host: str
    broken: bool = False
    applied: datetime | None = None
    failing: datetime | None = None
    overdue: bool = False
    drain: Drain | None = None
    disk: int | None = None
    full: Path | None = None
    jobs: tuple[JobStanding, ...] = ()
    spools: tuple[SpoolStanding, ...] = ()
    registry: Mapping[FileState, int] = field(default_factory=dict)
    deliveries: Mapping[PersonState, int] = field(default_factory=dict)
    registered_today: int = 0
    sent_today: int = 0
    volumes: tuple[VolumeStanding, ...] = ()
    incidents: tuple[Incident, ...] = ()
    paused_destinations: tuple[Pause, ...] = ()
    down: Mapping[str, str] = field(default_factory=dict)
    quarantined: Sequence[Record] = ()
    parked: Sequence[Shown] = ()
    config: str = ""


def standing(
    db: Database | None, manifest: Manifest, site: Site, clock: Clock, *, broken: bool = False
) -> Standing:
    """db None = nothing was ever applied here."""
    now = clock.now()
    zone = ZoneInfo(manifest.settings.timezone)
    applied = _applied(site, manifest.name)
    store = site.root / manifest.settings.store
    folder = _folder(store, site)
    base = Standing(
        manifest=manifest.name,
        fingerprint=manifest.fingerprint if manifest.path is not None else "",
        at=now,
        zone=zone,
        host=socket.gethostname(),
        broken=broken,
        applied=applied,
        failing=outcry.failing(site, manifest.name, applied),
        disk=_disk(folder),
        full=store if trouble.is_full(folder) else None,
        jobs=tuple(_unknown(job, now) for job in manifest.jobs.values()),
        spools=tuple(_spools(db, manifest, now)),
        registry=dict.fromkeys(FileState, 0),
        deliveries=dict.fromkeys(PersonState, 0),
        config=_config(manifest, site),
    )
    return base if db is None else _from_store(db, base, manifest, site, clock)


def _config(manifest: Manifest, site: Site) -> str:
    """A guardian, and a second manifest with a store of its own, are not what the verbs mean that
    are given no manifest."""
    apart = manifest.settings.store != Settings().store and len(known_manifests(site)) > 1
    lone = manifest.settings.watches is None and not apart
    return "" if lone or manifest.path is None else str(manifest.path)


def _from_store(
    db: Database, base: Standing, manifest: Manifest, site: Site, clock: Clock
) -> Standing:
    name, now = manifest.name, base.at
    view = gather(db, manifest, site, clock, now)
    made = plan(manifest, view, now)
    view, due = replace(view, memories=_memories(view, made)), _due(made)
    midnight = now.astimezone(base.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    held = pauses.of(db, name, Paused.DESTINATION).values()
    return replace(
        base,
        overdue=_overdue(made, view, now),
        drain=view.drain,
        jobs=(
            *(
                replace(_job(db, name, job, view, now), due=due.get(job.name))
                for job in manifest.jobs.values()
            ),
            *_gone(manifest, view),
        ),
        registry=registry.counts(db),
        deliveries=desk.counts(db),
        registered_today=registered_since(db, midnight),
        sent_today=sent_since(db, midnight),
        volumes=tuple(_volumes(db, manifest, midnight)),
        incidents=incidents.open_incidents(db, name if manifest.path is not None else None),
        paused_destinations=tuple(pause for pause in held if pause.holds(now)),
        down=_down(db, manifest),
        quarantined=registry.listing(db, state=FileState.QUARANTINED, limit=PILE),
        parked=desk.listing(db, state=PersonState.PARKED, limit=PILE),
    )


def _unknown(job: Job, now: datetime) -> JobStanding:
    """Nothing of the past is run where nothing was ever applied."""
    return JobStanding(
        job.name, next_slot=next(iter(upcoming(job, now, 1)), None), jitter=jitter_of(job)
    )


def _gone(manifest: Manifest, view: StateView) -> Iterator[JobStanding]:
    """Jobs that were taken out of the manifest while they ran."""
    for job, run in view.running.items():
        if job not in manifest.jobs:
            yield JobStanding(job, running=run)


def _job(db: Database, manifest: str, job: Job, view: StateView, now: datetime) -> JobStanding:
    pause = view.pauses.get(job.name)
    if pause is not None and not pause.holds(now):
        pause = None
    lost = view.lost.get(job.name)
    gone = lost.id if lost else None
    ran = runs.history(db, manifest, job=job.name, limit=EVENTS)
    found = events(ran, slot_rows.of_job(db, manifest, job.name, EVENTS), gone)
    over = [event.slot for event in found if event.slot is not None]
    failures = runs.consecutive_failures(db, manifest, job.name)
    return JobStanding(
        job.name,
        running=view.running.get(job.name),
        pause=pause,
        events=found[-EVENTS:],
        failures=failures + (1 if lost is not None and not lost.finished else 0),
        last_run=next((run for run in ran if _mark_of_run(run, gone) is not None), None),
        last_slot=max(over, default=None),
        next_slot=_next_slot(job, view, now),
        jitter=jitter_of(job),
    )


def events(
    found: Sequence[Run], rows: Sequence[SlotRow], lost: int | None = None
) -> tuple[Event, ...]:
    """Runs and slots that were not run as one row of events, oldest first; `lost`: the unfinished
    run whose process is gone. What still goes on or waits is no event.
    """
    told = [
        Event(run.started_at, mark, run.slot, run)
        for run in found
        if (mark := _mark_of_run(run, lost)) is not None
    ]
    told += [
        Event(row.at, _MARKS[row.state], row.until or row.slot)
        for row in rows
        if row.state in _MARKS
    ]
    return tuple(sorted(told, key=lambda event: (event.at, event.slot or event.at)))


_MARKS: Mapping[SlotState, Mark] = {
    SlotState.MISSED: Mark.MISSED,
    SlotState.MISSED_RANGE: Mark.MISSED,
    SlotState.SKIPPED: Mark.SKIPPED,
    SlotState.PAUSED: Mark.PAUSED,
    SlotState.BLOCKED: Mark.BLOCKED,
}


def _mark_of_run(run: Run, lost: int | None) -> Mark | None:
    if run.outcome is not None:
        return Mark(run.outcome.value)
    return Mark.LOST if run.id == lost else None


def outcome(event: Event | None) -> Outcome | None:
    """An event as the contract's list of outcomes has it.

    What did not run is `skipped`; so is a run ended by hand: the work was not done, it is nobody's
    failure, and the count of failures in a row neither grows nor starts anew.
    """
    if event is None:
        return None
    if event.mark in (Mark.MISSED, Mark.PAUSED, Mark.STOPPED):
        return Outcome.SKIPPED
    return Outcome(event.mark.value)


def _memories(view: StateView, made: Plan) -> Mapping[str, JobMemory]:
    """With those that the next apply writes first: new and changed schedules begin at now."""
    return {**view.memories, **{memory.job: memory for memory in made.memories}}


def _next_slot(job: Job, view: StateView, now: datetime) -> datetime | None:
    """The first slot that is not due yet and that nobody has dealt with. With jitter it may have
    passed; then it counts only if a plan would still look at it.
    """
    wait, memory = jitter_of(job), view.memories[job.name]
    start = max(now - wait, memory.floor)
    if memory.last_slot is not None and memory.last_slot <= now:
        start = max(start, memory.last_slot)
    rows = view.slots.get(job.name, {})
    slot = _first_free(job, start, rows)
    pause = view.pauses.get(job.name)
    if slot is None or pause is None or not _takes(pause, slot, slot + wait):
        return slot
    if pause.until is None:
        return None
    return _first_free(job, max(start, pause.until - timedelta(seconds=1)), rows)


def _takes(pause: Pause, slot: datetime, due: datetime) -> bool:
    """A pause takes what becomes due in it and, once it is over, the slots that fell into it."""
    return pause.holds(due) or (pause.at <= slot and pause.holds(slot))


def _first_free(job: Job, after: datetime, rows: Collection[datetime]) -> datetime | None:
    taken = sum(slot > after for slot in rows)
    return next((slot for slot in upcoming(job, after, 1 + taken) if slot not in rows), None)


def _due(made: Plan) -> Mapping[str, datetime]:
    """Since when each job has a slot that would be started now; the oldest where there are more."""
    found: dict[str, datetime] = {}
    for entry in made.starting:
        if entry.slot is not None:
            found[entry.job] = min(entry.due_at, found.get(entry.job, entry.due_at))
    return found


def _overdue(made: Plan, view: StateView, now: datetime) -> bool:
    """Whether a slot was dealt with by nobody. What waits for another job waits rightly, and a
    lost run is judged by its own age.
    """
    if view.draining(now):
        return False
    rightly = (Action.WAIT, Action.RECOVER)
    return any(
        entry.slot is not None and entry.action not in rightly and now - entry.due_at >= OVERDUE
        for entry in made.entries
    )


def _down(db: Database, manifest: Manifest) -> Mapping[str, str]:
    return {
        verdict.subject: verdict.code
        for verdict in readings.verdicts(db, manifest.name)
        if verdict.kind == "destination"
        and verdict.state == "down"
        and verdict.subject in manifest.destinations
    }


def _volumes(db: Database, manifest: Manifest, midnight: datetime) -> Iterator[VolumeStanding]:
    """Today's verdicts of labels that are judged by the day so far."""
    for verdict in readings.verdicts(db, manifest.name):
        rule = manifest.volumes.get(verdict.subject)
        if verdict.kind != "volume" or rule is None or rule.per is not Per.DAY:
            continue
        low, message = verdict.detail.get("low"), verdict.detail.get("message")
        if verdict.at >= midnight and low is not None and isinstance(message, Mapping):
            high = verdict.detail.get("high")
            yield VolumeStanding(verdict.subject, verdict.at, low, high, from_data(message))


def _spools(db: Database | None, manifest: Manifest, now: datetime) -> list[SpoolStanding]:
    return [_spool(db, source, now) for source in manifest.sources.values() if source.spool]


def _spool(db: Database | None, source: Source, now: datetime) -> SpoolStanding:
    seen = {} if db is None else sightings.seen_files(db, source.name)
    try:
        return SpoolStanding(source.name, spool.look(source, seen, now))
    except MitrarrError as error:
        return SpoolStanding(source.name, trouble=error.message, hint=error.hint)


def _applied(site: Site, manifest: str) -> datetime | None:
    """Every apply that could do its work touches its heartbeat, one that wake.py finds to have
    none included."""
    try:
        return from_epoch(int((site.heartbeat / manifest).stat().st_mtime))
    except OSError:
        return None


def before(site: Site, manifest: str, clock: Clock) -> Before:
    """When apply was here before this one, and when the host started. Ask before beating."""
    now = clock.now()
    return Before(_applied(site, manifest), now - timedelta(seconds=clock.boottime()))


def _folder(store: Path, site: Site) -> Path:
    """On whose disk the store lies, or will: state/ may be another disk than the root."""
    return store.parent if store.parent.is_dir() else site.root


def _disk(folder: Path) -> int | None:
    """How full a folder's disk is for an ordinary user, in percent, rounded up as df does."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    used = found.f_blocks - found.f_bfree
    usable = used + found.f_bavail
    return -(-100 * used // usable) if usable else None
