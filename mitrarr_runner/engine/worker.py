"""Run one job once: lock, inner check, slot row, steps, result, end of everything it started.

The worker is forked by the supervisor, leads its own session and is recorded before it acts, so
that a supervisor that is killed loses nothing: the worker goes on and writes its own end. It takes
the job's lock first and checks inside the lock that the slot is still unclaimed (measured with 20
processes: checked before the lock, 10 of 15 slots ran twice; inside, none).
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, NoReturn

from mitrarr_runner import locks, processes
from mitrarr_runner.clock import Clock, iso
from mitrarr_runner.engine import attempts, orphans
from mitrarr_runner.engine.capture import Capture
from mitrarr_runner.engine.orders import NOBODY, Left, Order, Reporter, store_trouble
from mitrarr_runner.errors import StateError
from mitrarr_runner.locks import Held
from mitrarr_runner.logs import EventLog
from mitrarr_runner.manifest import compiled
from mitrarr_runner.manifest.model import Limits, Overlap
from mitrarr_runner.store import audit, drains, jobs, pauses, requests, runs, slots
from mitrarr_runner.store.database import Database, open_database
from mitrarr_runner.store.requests import Asked
from mitrarr_runner.store.runs import Outcome, ProcessId
from mitrarr_runner.store.slots import SlotState
from mitrarr_runner.text import Text, text

_REPLACER = "overlap: replace"
"""Who asked a run to end so that the next slot can start."""

_BY_HAND = "by hand"
"""The reason that such a request has when no slot is to start but a run that was asked for."""

_CPU_MARGIN = 5
"""Seconds of CPU between SIGXCPU and SIGKILL: in them the worker breaks its step off, ends what is
left and writes the run's end; a program that does not heed SIGXCPU gets no more than them."""

_RECORD_WAIT = 20.0
"""Seconds to try to write the end of a run into a store that is in trouble."""

_LOCK_WAIT = 5.0
"""Seconds to find out whether the holder of a busy lock is working on our very slot."""


def store_path(order: Order) -> Any:
    return order.site.root / order.manifest.settings.store


def fork(order: Order, report: int, keep: int) -> int:
    """Start a worker; returns its pid. `report` is the pipe's write end, `keep` a descriptor of a
    numbered host lock that the worker holds as long as it lives. Never returns in the child.
    """
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        os.set_inheritable(keep, False)
        code = _work(order, Reporter(report))
    except StateError as error:
        code = _without_store(order, Reporter(report), error)
    except BaseException:  # the child must never run the parent's code
        with contextlib.suppress(BaseException):
            import traceback

            _crashed(order, traceback.format_exc())
    finally:
        os._exit(code)


def _without_store(order: Order, reporter: Reporter, error: StateError) -> int:
    """The store is in trouble: what is not claimed stays due; a run whose end could not be written
    is found lost by the next apply, and is run again where that does no harm."""
    EventLog(order.site.main_log, order.clock).event(
        "store_trouble", job=order.job.name, code=error.code
    )
    reporter.tell("store_trouble", job=order.job.name, **store_trouble(error))
    processes.end_descendants(processes.GRACE)
    return StateError.exit_code


def _work(order: Order, reporter: Reporter) -> int:
    os.setsid()
    processes.become_subreaper()
    _detach()
    held = _lock(order)
    if isinstance(held, Left):
        reporter.tell("left", job=order.job.name, why=held.value)
        return 0
    _limit(order.job.limits)
    wanted: list[int] = []  # SIGTERM after the last step: too late for this run, not for the next
    signal.signal(signal.SIGTERM, lambda number, _frame: wanted.append(number))
    code = 0
    current: Order | None = order
    while current is not None:
        # Whoever sees the run may ask it to end: that waits until there is somebody to heed it.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        run = _claim(current)
        if isinstance(run, Left):
            reporter.tell("left", job=order.job.name, why=run.value)
            break
        outcome = _one(current, run, held, reporter)
        code = code if outcome in (*runs.GOOD, Outcome.SKIPPED) else 1
        # Whoever ended a run wanted no next one now; a queued slot is left to the next apply.
        last = outcome is Outcome.STOPPED or wanted or _spent(order.job.limits)
        current = None if last else _queued(current)
    processes.end_descendants(processes.GRACE)
    held.release()
    return code


def _limit(limits: Limits) -> None:
    """Hold this process, and all it starts, to limits.cpu (setrlimit(2): per process).

    Over it comes SIGXCPU, which says what a SIGKILL does not. The worker itself heeds it while
    steps run; what it does before and after is bookkeeping, and is let finish. (limits.memory holds
    for the steps alone: attempts.)
    """
    if limits.cpu is not None:
        signal.signal(signal.SIGXCPU, signal.SIG_IGN)
        _hold(resource.RLIMIT_CPU, limits.cpu, limits.cpu + _CPU_MARGIN)


def _hold(kind: int, soft: int, hard: int) -> None:
    """Set a limit; a lower one of the host stays: only root may raise it, and asking is an error
    that would keep the job from ever starting."""
    _, most = resource.getrlimit(kind)
    if most != resource.RLIM_INFINITY:
        soft, hard = min(soft, most), min(hard, most)
    resource.setrlimit(kind, (soft, hard))


def _spent(limits: Limits) -> bool:
    """Whether this process has used so much of limits.cpu that a queued slot's run would be ended
    for it: that slot is left to the next apply, whose worker begins at nothing."""
    return limits.cpu is not None and 2 * time.process_time() > limits.cpu


def _detach() -> None:
    """No terminal, no inherited handlers: stdin is empty, output goes nowhere until captured."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _lock(order: Order) -> Held | Left:
    """The job's lock, or why there is none for us."""
    path = order.site.lock_of(order.manifest.name, order.job.name)
    replacing = order.job.overlap is Overlap.REPLACE
    deadline = time.monotonic() + (2 * processes.GRACE + 30 if replacing else _LOCK_WAIT)
    asked = False
    while (held := locks.acquire(path)) is None:
        with open_database(store_path(order)) as db:
            claimed = order.slot is not None and slots.exists(
                db, order.manifest.name, order.job.name, order.slot
            )
            if claimed and claimed is not SlotState.QUEUED and order.recovers is None:
                return Left.TAKEN
            running = _holder(db, order)
            if running is not None and replacing and not asked:
                _ask_to_stop(db, order, running)
                asked = True
            elif running is not None and not replacing and not _backlog(running, order):
                _overlapped(db, order)
                return Left.TAKEN
        if time.monotonic() > deadline:
            return Left.BUSY
        time.sleep(0.05)
    return held


def _holder(db: Database, order: Order) -> runs.Run | None:
    """The job's unfinished run for another slot than ours."""
    for run in runs.unfinished(db, order.manifest.name):
        if run.job == order.job.name and (run.slot != order.slot or order.slot is None):
            return run
    return None


def _backlog(running: runs.Run, order: Order) -> bool:
    """Whether our slot was due already when that run began: it is work that waits its turn
    (`catch_up: all`, or another apply on the same backlog), not a slot that overlaps."""
    return order.slot is not None and order.slot <= running.started_at


def _ask_to_stop(db: Database, order: Order, running: runs.Run) -> None:
    with db.transaction():
        requests.add(
            db,
            order.manifest.name,
            order.job.name,
            Asked.STOP,
            actor=_REPLACER,
            reason=_BY_HAND if order.slot is None else "",
            now=order.clock.now(),
        )
    orphans.ask_to_end(running, order.manifest.name, order.site, order.clock)


def _overlapped(db: Database, order: Order) -> None:
    if order.slot is None:
        return
    state, code = SlotState.SKIPPED, "overlap"
    if order.job.overlap is Overlap.QUEUE:
        state, code = SlotState.QUEUED, "queued"
    with db.transaction():
        name, job, now = order.manifest.name, order.job.name, order.clock.now()
        slots.put(db, name, job, order.slot, state, code=code, now=now)
        jobs.handled(db, name, job, order.slot)


def _claim(order: Order) -> int | Left:
    """The inner check: insert the slot's row and the started run together, or find that it is not
    ours to run now."""
    manifest, job, now = order.manifest.name, order.job.name, order.clock.now()
    with open_database(store_path(order)) as db, db.transaction():
        pause = pauses.of(db, manifest, pauses.Paused.JOB).get(job)
        if pause is not None and pause.holds(now) and order.cause is not runs.Cause.HAND:
            return Left.HELD
        if drains.of(db, manifest, now) is not None and not order.foreground:
            return Left.HELD
        if order.request is not None and not requests.done(db, order.request, now):
            return Left.TAKEN
        if order.recovers is not None and not _recoverable(db, order):
            return Left.TAKEN
        if order.cause is not runs.Cause.HAND and not _needs_met(db, order):
            return Left.NEEDS
        for stale in requests.waiting(db, manifest, requests.Asked.STOP, job):
            requests.done(db, stale.id, now)  # its run was killed before it could heed it
        run = runs.start(
            db,
            manifest,
            job,
            slot=order.slot,
            cause=order.cause,
            missed=order.missed,
            process=me(order.clock),
            fingerprint=order.manifest.fingerprint,
            actor=order.caller.actor,
            asked_reason=order.caller.reason,
            now=now,
        )
        if not _claim_slot(db, order, run, now):
            runs.withdraw(db, run)
            return Left.TAKEN
        if order.caller.actor:
            detail = {"run": run, "reason": order.caller.reason}
            audit.write(
                db, actor=order.caller.actor, action="run", subject=job, now=now, detail=detail
            )
        return run


def _needs_met(db: Database, order: Order) -> bool:
    """Whether no needed job has begun or failed since the plan: another apply may run it."""
    if not order.job.needs:
        return True
    newest = runs.latest(db, order.manifest.name)
    for run in (newest[need] for need in order.job.needs if need in newest):
        since = run.started_at >= order.planned.replace(microsecond=0)
        if not run.finished or (since and run.outcome not in runs.SATISFYING):
            return False
    return True


def _claim_slot(db: Database, order: Order, run: int, now: datetime) -> bool:
    if order.slot is None:
        return True
    manifest, job, slot = order.manifest.name, order.job.name, order.slot
    if order.recovers is not None:
        slots.attach(db, manifest, job, slot, run)
        return True
    jobs.handled(db, manifest, job, slot)
    return slots.claim_queued(db, manifest, job, slot, run) or slots.put(
        db, manifest, job, slot, SlotState.CLAIMED, code="ran", now=now, run=run
    )


def _recoverable(db: Database, order: Order) -> bool:
    """Whether the lost run is still the newest word on its slot."""
    lost = runs.get(db, order.recovers or 0)
    if lost is None or lost.outcome is not Outcome.LOST:
        return False
    if order.slot is None:  # of those by hand, the newest run of the job is the word
        last = runs.latest(db, order.manifest.name).get(order.job.name)
        return last is not None and last.id == lost.id
    newest = runs.of_slot(db, order.manifest.name, order.job.name, order.slot)
    return newest is not None and newest.id == lost.id


def me(clock: Clock) -> ProcessId:
    import socket

    pid = os.getpid()
    return ProcessId(pid, processes.started(pid), clock.boot_id(), socket.gethostname())


def _one(order: Order, run: int, held: Held, reporter: Reporter) -> Outcome:
    slot = None if order.slot is None else iso(order.slot)
    reporter.tell("started", job=order.job.name, slot=slot, run=run)
    log = EventLog(order.site.main_log, order.clock)
    log.event("run_started", job=order.job.name, run=f"r{run}", cause=order.cause.value)
    capture = Capture(order.site.run_logs / order.job.name / f"{run}.log")
    os.dup2(capture.descriptor, 1)
    os.dup2(capture.descriptor, 2)
    try:
        end = attempts.run(order, run, held, capture, log, reporter)
    finally:
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 1)
        os.dup2(null, 2)
        os.close(null)
    stray = processes.end_descendants(processes.GRACE)
    if stray:
        log.event("stray_processes_ended", job=order.job.name, run=f"r{run}", count=stray)
    end = _as_asked(order, end)
    line = attempts.last_line(order, end)
    if line is not None:
        capture.line(line)
    capture.close()
    end = _record(order, run, end)
    log.event(
        "run_finished",
        job=order.job.name,
        run=f"r{run}",
        outcome=end.outcome.value,
        code=end.code,
        seconds=f"{end.seconds:.1f}",
    )
    reporter.tell(
        "finished", job=order.job.name, run=run, outcome=end.outcome.value, seconds=end.seconds
    )
    return end.outcome


def _as_asked(order: Order, end: attempts.End) -> attempts.End:
    """The end of a run that was asked to end, with who asked; a store in trouble is no reason not
    to have one."""
    if end.outcome is not Outcome.STOPPED:
        return end
    with contextlib.suppress(StateError), open_database(store_path(order)) as db:
        return _named(end, requests.waiting(db, order.manifest.name, Asked.STOP, order.job.name))
    return end


def _named(end: attempts.End, asked: list[requests.Request]) -> attempts.End:
    """Who asked first is who ended it; nobody did where it was a signal alone (Ctrl-C)."""
    if end.outcome is not Outcome.STOPPED or not asked:
        return end
    if asked[0].actor != _REPLACER:
        return replace(end, reason=_ended_by(asked[0]))
    reason = text("replaced by the next slot's run")
    if asked[0].reason == _BY_HAND:
        reason = text("replaced by a run that was asked for by hand")
    return replace(end, outcome=Outcome.REPLACED, code="replaced", reason=reason)


def _record(order: Order, run: int, end: attempts.End) -> attempts.End:
    """Write the end; where the store is full or busy, try for a while: what was done must not
    count as lost."""
    deadline = time.monotonic() + _RECORD_WAIT
    while True:
        try:
            return _write_end(order, run, end)
        except StateError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.5)


def _write_end(order: Order, run: int, end: attempts.End) -> attempts.End:
    with open_database(store_path(order)) as db, db.transaction():
        asked = requests.waiting(db, order.manifest.name, Asked.STOP, order.job.name)
        for request in asked:
            requests.done(db, request.id, order.clock.now())
        end = _named(end, asked)
        runs.finish(
            db,
            run,
            end.outcome,
            code=end.code,
            reason=str(end.reason),
            seconds=end.seconds,
            now=order.clock.now(),
            result=end.result,
        )
    return end


def _ended_by(request: requests.Request) -> Text:
    if request.reason:
        return text('ended by {actor}: "{reason}"', actor=request.actor, reason=request.reason)
    return text("ended by {actor}", actor=request.actor)


def _queued(order: Order) -> Order | None:
    """The slot that waited for this run to end (`overlap: queue`), as the next order: the
    schedule's, whoever asked for this run. Under a newer manifest the next apply decides on it.
    """
    if order.job.overlap is not Overlap.QUEUE:
        return None
    name = order.manifest.name
    if compiled.last_good_fingerprint(order.site, name) not in (None, order.manifest.fingerprint):
        return None
    with open_database(store_path(order)) as db:
        now = order.clock.now()
        if drains.of(db, name, now) is not None:
            return None
        waiting: Mapping[datetime, slots.SlotRow] = slots.open_since(db, name, now, now).get(
            order.job.name, {}
        )
    for slot, row in sorted(waiting.items()):
        if row.state is SlotState.QUEUED:
            return replace(
                order,
                slot=slot,
                cause=runs.Cause.SCHEDULE,
                missed=0,
                caller=NOBODY,
                recovers=None,
                request=None,
            )
    return None


def _crashed(order: Order, told: str) -> NoReturn:
    """A bug in the worker: the run's own log gets the traceback, the run is one failed job."""
    from mitrarr_runner import redact

    log = EventLog(order.site.main_log, order.clock)
    last = told.strip().splitlines()[-1]
    log.event("worker_crashed", job=order.job.name, error=redact.safe(last))
    with contextlib.suppress(OSError):
        path = order.site.run_logs / order.job.name / "crash.log"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(redact.mask(told), encoding="utf-8")
    processes.end_descendants(processes.GRACE)
    sys.exit(70)
