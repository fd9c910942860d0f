"""The supervisor: plan, start one worker per due job, wait, judge, leave proof.

Two applies may overlap (a long job must not keep others from their slots), so nothing here relies
on being alone: slots are claimed by inserting rows, ends are guarded updates, workers per host are
counted by numbered lock files. The supervisor holds no store open while it forks.
"""

from __future__ import annotations

import contextlib
import gc
import os
import selectors
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import FrameType
from typing import Protocol

from mitrarr_runner import locks, processes
from mitrarr_runner.clock import Clock
from mitrarr_runner.engine import orders, orphans, state, worker
from mitrarr_runner.engine.orders import NOBODY, Caller, Lines, Order
from mitrarr_runner.errors import StateError
from mitrarr_runner.locks import Held
from mitrarr_runner.logs import EventLog
from mitrarr_runner.manifest.model import Manifest
from mitrarr_runner.plan import Action, Plan, PlannedRun, StateView, blocked, plan
from mitrarr_runner.site import Site
from mitrarr_runner.steps import KINDS
from mitrarr_runner.store import jobs, runs, slots
from mitrarr_runner.store.database import Database, open_database
from mitrarr_runner.store.runs import Cause, Outcome
from mitrarr_runner.store.slots import SlotState
from mitrarr_runner.text import text, to_data

_PLACE_WAIT = 50.0
"""Seconds to wait for a free place among the host's workers before leaving a slot to the next
apply: less than a cron minute, so that waiting applies do not pile up."""

_ROWS = {
    Action.MISSED: SlotState.MISSED,
    Action.PAUSED: SlotState.PAUSED,
    Action.SKIP: SlotState.SKIPPED,
    Action.QUEUED: SlotState.QUEUED,
    Action.BLOCKED: SlotState.BLOCKED,
}


_FAILED = (Outcome.FAILED, Outcome.TIMEOUT, Outcome.LOST, Outcome.BLOCKED)
"""What makes an apply exit 1. A run that was stopped or replaced did what somebody wanted of it."""


class Listener(Protocol):
    """Told what happens, as it happens; prints or does not."""

    def planned(self, plan: Plan, view: StateView) -> None: ...

    def event(self, event: Mapping[str, object]) -> None: ...


class Silent:
    """Nobody is watching: cron."""

    def planned(self, plan: Plan, view: StateView) -> None:
        return

    def event(self, event: Mapping[str, object]) -> None:
        return


@dataclass(frozen=True, slots=True)
class Ended:
    """One planned run's end. run None: no worker had to start, or another apply had the slot."""

    entry: PlannedRun
    run: int | None
    outcome: Outcome | None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Applied:
    """What one apply did. lost: runs of earlier applies that were found dead this time; signal: the
    one that ended it early (SIGINT is Ctrl-C)."""

    plan: Plan
    ended: tuple[Ended, ...]
    lost: tuple[runs.Run, ...]
    left: tuple[PlannedRun, ...]
    signal: int | None
    seconds: float

    @property
    def interrupted(self) -> bool:
        return self.signal is not None

    @property
    def failed(self) -> bool:
        bad = any(one.outcome in _FAILED for one in self.ended)
        return bad or bool(self.lost) or self._blocked()

    @property
    def broken_off(self) -> bool:
        """Whether a run was ended before its work was done, because somebody wanted it so."""
        return any(one.outcome in (Outcome.STOPPED, Outcome.REPLACED) for one in self.ended)

    def _blocked(self) -> bool:
        return any(entry.action is Action.BLOCKED for entry in self.plan.entries)


@dataclass(slots=True)
class _Running:
    """A worker this supervisor waits for."""

    entry: PlannedRun
    pid: int
    pipe: int
    timeout: int
    lines: Lines = field(default_factory=Lines)
    run: int | None = None
    outcome: Outcome | None = None
    seconds: float = 0.0
    begun: float = field(default_factory=time.monotonic)

    @property
    def deadline(self) -> float:
        """When the supervisor ends a worker that did not end this run itself."""
        return self.begun + self.timeout + orphans.BACKSTOP

    def began(self) -> None:
        """Another run of the same worker has its own time."""
        self.begun = time.monotonic()


class Supervisor:
    """Carries out one plan of one manifest."""

    def __init__(
        self,
        manifest: Manifest,
        site: Site,
        clock: Clock,
        listener: Listener,
        caller: Caller = NOBODY,
    ) -> None:
        self._manifest = manifest
        self._site = site
        self._clock = clock
        self._listener = listener
        self._caller = caller
        self._selector = selectors.DefaultSelector()
        self._running: dict[int, _Running] = {}
        self._ended: list[Ended] = []
        self._interrupted: int | None = None
        self._since = 0
        self._planned = clock.now()
        self._path = site.root / manifest.settings.store
        self._trouble: StateError | None = None

    def apply(self, only: str | None = None, reviewed: Plan | None = None) -> Applied:
        """Plan at this instant and do it; `reviewed` runs exactly the runs of a saved plan.

        Raises StateError when the store is in trouble, after every worker it started has ended:
        what they could not claim, the next apply plans again.
        """
        begun = self._clock.monotonic()
        now = self._clock.now()
        self._site.make()
        with open_database(self._path) as db:
            self._after_clock_trouble(db, now)
            view = self._gathered(db, now)
            made = reviewed or plan(self._manifest, view, now, only)
            with db.transaction():
                lost = state.record_lost(db, self._manifest.name, list(view.lost.values()), now)
                self._record(db, made, now)
        self._planned = now
        self._listener.planned(made, view)
        left = self._start_all(made)
        if self._trouble is not None:
            raise self._trouble
        return Applied(
            made,
            tuple(self._ended),
            tuple(lost),
            tuple(left),
            self._interrupted,
            self._clock.monotonic() - begun,
        )

    def _gathered(self, db: Database, now: datetime) -> StateView:
        """How things stand, once what killed workers left has been ended in its time."""
        view = state.gather(db, self._manifest, self._site, self._clock, now)
        if orphans.end_overdue(view, self._manifest, self._site, self._clock):
            view = state.gather(db, self._manifest, self._site, self._clock, now)
        return orphans.given_up(view, self._manifest, self._site, self._clock)

    def _after_clock_trouble(self, db: Database, now: datetime) -> None:
        with db.transaction():
            back = state.forget_future(db, self._manifest.name, now)
        if back:
            log = EventLog(self._site.main_log, self._clock)
            log.event("clock_went_back", manifest=self._manifest.name)

    def _record(self, db: Database, made: Plan, now: datetime) -> None:
        """Remember new schedules, and leave a row for every slot that is not run."""
        name = self._manifest.name
        jobs.remember(db, name, made.memories, now)
        for entry in made.entries:
            if entry.action not in _ROWS or entry.slot is None:
                continue
            found = _ROWS[entry.action]
            if entry.until is not None and entry.action is Action.MISSED:
                found = SlotState.MISSED_RANGE
            slots.put(
                db,
                name,
                entry.job,
                entry.slot,
                found,
                code=entry.code,
                reason=str(entry.reason),
                now=now,
                until=entry.until,
            )
            jobs.handled(db, name, entry.job, entry.until or entry.slot)

    # -- starting and waiting

    def _start_all(self, made: Plan) -> list[PlannedRun]:
        """Start what can start, wait, start what waited; the entries that found no place."""
        todo = list(made.starting)
        if not todo:
            return []
        processes.become_subreaper()
        self._since = int(self._clock.boottime() * processes.TICKS)
        self._prepare(todo)
        waited = 0.0
        with self._interruptible():
            ended = -1
            while todo or self._running:
                if ended != len(self._ended) or not self._running:  # only an end makes room
                    ended = len(self._ended)
                    with self._patient():
                        todo = self._start_ready(todo)
                if self._trouble is not None:
                    todo = []
                if not self._running and todo:
                    if waited > _PLACE_WAIT or self._interrupted:
                        break
                    waited += 0.2
                    time.sleep(0.2)
                self._wait(0.5)
                if self._interrupted:
                    todo = []
        return todo

    @contextmanager
    def _patient(self) -> Iterator[None]:
        """The store's trouble waits until the workers that run have ended."""
        try:
            yield
        except StateError as error:
            self._trouble = error

    def _prepare(self, todo: list[PlannedRun]) -> None:
        """Import the steps' modules before forking: each worker would import them for itself."""
        for name in dict.fromkeys(
            step.kind for entry in todo for step in self._manifest.jobs[entry.job].steps
        ):
            prepare = getattr(KINDS[name], "prepare", None)
            if prepare is not None:
                prepare()
        # What exists now is shared with the workers: a collection that touched it would copy it.
        if len(todo) > 1:  # for one worker, looking for garbage costs more than it saves
            gc.collect()
        gc.freeze()

    def _start_ready(self, todo: list[PlannedRun]) -> list[PlannedRun]:
        left: list[PlannedRun] = []
        busy = {running.entry.job for running in self._running.values()}
        waiting = Counter(entry.job for entry in todo) + Counter(busy)
        full = False
        for entry in todo:
            waiting[entry.job] -= 1
            held_up = entry.job in busy or any(waiting[need] > 0 for need in entry.after)
            place = None
            if not held_up and not full:
                blocker = self._blocker(entry)
                if blocker is not None:
                    self._block(entry, blocker)
                    continue
                place = self._place()
                full = place is None
            if place is None:
                left.append(entry)
            else:
                self._start(entry, place)
            waiting[entry.job] += 1
            busy.add(entry.job)  # one at a time, and the older slot first
        return left

    def _blocker(self, entry: PlannedRun) -> str | None:
        """The needed job of this apply whose last run did not end well."""
        satisfying = (None, *runs.SATISFYING)  # None: another apply has it, and its worker knows
        last = {ended.entry.job: ended.outcome for ended in self._ended}
        return next((n for n in entry.after if last.get(n) not in satisfying), None)

    def _block(self, entry: PlannedRun, by: str) -> None:
        now = self._clock.now()
        ends = {ended.entry.job: ended.outcome for ended in self._ended}
        reason = blocked(by, ends.get(by) or Outcome.FAILED)
        if entry.slot is not None:
            with open_database(self._path) as db, db.transaction():
                name, job = self._manifest.name, entry.job
                slots.put(
                    db,
                    name,
                    job,
                    entry.slot,
                    SlotState.BLOCKED,
                    code=f"need:{by}",
                    reason=str(reason),
                    now=now,
                )
                jobs.handled(db, name, job, entry.slot)
        self._ended.append(Ended(entry, None, Outcome.BLOCKED))
        self._listener.event({"event": "blocked", "job": entry.job, "by": by})

    def _place(self) -> Held | None:
        """A free numbered place among the host's workers."""
        for number in range(1, self._manifest.settings.max_parallel_jobs + 1):
            held = locks.acquire(self._site.locks / f"worker-{number}.lock")
            if held is not None:
                return held
        return None

    def _start(self, entry: PlannedRun, place: Held) -> None:
        job = self._manifest.jobs[entry.job]
        cause = Cause.RECOVERY if entry.action is Action.RECOVER else Cause.SCHEDULE
        if entry.code in ("asked", "by_hand"):
            cause = Cause.HAND
        order = Order(
            self._manifest,
            self._site,
            self._clock,
            job,
            entry.slot,
            cause,
            entry.missed,
            self._caller,
            self._planned,
            recovers=entry.run,
            request=entry.request,
        )
        reader, writer = os.pipe2(os.O_CLOEXEC)
        pid = worker.fork(order, writer, place.descriptor)
        os.close(writer)
        place.release()
        os.set_blocking(reader, False)
        running = _Running(entry, pid, reader, job.timeout)
        self._running[reader] = running
        self._selector.register(reader, selectors.EVENT_READ, running)

    def _wait(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            running: _Running = key.data
            piece = b""
            with contextlib.suppress(BlockingIOError):
                piece = os.read(running.pipe, 65536)
                if not piece:
                    self._collect(running)
            for event in running.lines.feed(piece):
                self._hear(running, event)
        for running in list(self._running.values()):
            if time.monotonic() > running.deadline:
                self._end(running)

    def _hear(self, running: _Running, event: Mapping[str, object]) -> None:
        if event["event"] == "started":
            if running.run is not None:  # the same worker goes on with a slot that was queued
                self._next(running, event)
            running.run = int(str(event["run"]))
            running.outcome = None
        elif event["event"] == "finished":
            running.outcome = Outcome(str(event["outcome"]))
            running.seconds = float(str(event["seconds"]))
        elif event["event"] == "store_trouble":
            self._trouble = orders.as_error(event)
        self._listener.event(event)

    def _next(self, running: _Running, event: Mapping[str, object]) -> None:
        """A run of this worker has ended, and another one follows: both are kept."""
        self._ended.append(Ended(running.entry, running.run, running.outcome, running.seconds))
        running.began()
        slot = datetime.fromisoformat(str(event["slot"]))
        running.entry = replace(running.entry, slot=slot, missed=0, run=None, request=None)

    def _collect(self, running: _Running) -> None:
        """The pipe is closed: the worker has ended, well or not."""
        self._selector.unregister(running.pipe)
        os.close(running.pipe)
        del self._running[running.pipe]
        _, status = os.waitpid(running.pid, 0)
        if running.run is None and status:
            running.run = self._claimed_by(running.pid)
        if running.run is not None and running.outcome is None:
            running.outcome = Outcome.LOST  # unless its row says otherwise
            with self._patient():
                self._died(running, status)
        self._ended.append(Ended(running.entry, running.run, running.outcome, running.seconds))

    def _claimed_by(self, pid: int) -> int | None:
        """The run of a worker that was killed before it could tell which."""
        with self._patient(), open_database(self._path) as db:
            for run in runs.unfinished(db, self._manifest.name):
                if orphans.worker_gone(run, self._clock) and run.process.pid == pid:
                    return run.id
        return None

    def _died(self, running: _Running, status: int) -> None:
        """A worker that ended without writing its end: record it, and end what it left behind."""
        orphans.end_ours({one.pid for one in self._running.values()}, self._since)
        if os.WIFSIGNALED(status):
            reason = text(
                "the worker was ended by signal {number}",
                number=processes.signal_name(os.WTERMSIG(status)),
            )
        else:
            reason = text("the worker ended with exit code {number}", number=os.WEXITSTATUS(status))
        with open_database(self._path) as db, db.transaction():
            run = runs.get(db, running.run or 0)
            result = dict(run.result) if run else {}
            runs.finish(
                db,
                running.run or 0,
                Outcome.LOST,
                code="worker_died",
                reason=str(reason),
                seconds=time.monotonic() - running.begun,
                now=self._clock.now(),
                result={**result, "reason": to_data(reason)},
            )
            run = runs.get(db, running.run or 0)
        running.outcome = run.outcome if run else Outcome.LOST
        self._listener.event(
            {
                "event": "finished",
                "job": running.entry.job,
                "run": running.run,
                "outcome": (running.outcome or Outcome.LOST).value,
                "seconds": time.monotonic() - running.begun,
            }
        )

    def _end(self, running: _Running) -> None:
        """The backstop: a worker that outlived its own deadline is ended with all it started."""
        for pid in [*processes.descendants(running.pid), running.pid]:
            processes.send(pid, signal.SIGKILL)

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Ctrl-C ends after the current batch, a second one ends the sessions; SIGHUP does nothing:
        a closed terminal is no reason to stop."""

        def interrupt(number: int, _frame: FrameType | None) -> None:
            self._interrupted = number
            for running in self._running.values():
                processes.send(running.pid, signal.SIGTERM)

        before = {
            number: signal.signal(number, action)
            for number, action in (
                (signal.SIGINT, interrupt),
                (signal.SIGTERM, interrupt),
                (signal.SIGHUP, signal.SIG_IGN),
            )
        }
        try:
            yield
        finally:
            for number, action in before.items():
                signal.signal(number, action)


def by_hand(manifest: Manifest, job: str, now: datetime) -> Plan:
    """The plan of `mitrarr run JOB`: one run without a slot."""
    entry = PlannedRun(job, None, now, Action.RUN, "by_hand", text("asked for by hand"))
    return Plan(now, manifest.name, manifest.fingerprint, (entry,), ())
