"""The steps of one run, with the job's one retry policy and its one deadline.

A failed step ends its job; a retry begins again at the step that failed. The job's timeout is the
total of all attempts and pauses between them. Time is kept by SIGALRM in the worker itself: at the
deadline the running step is broken off; a grace later the worker ends itself whatever it does.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Any

from mitrarr_runner import processes
from mitrarr_runner.engine.capture import Capture
from mitrarr_runner.engine.orders import Order, Reporter
from mitrarr_runner.errors import MitrarrError, StateError
from mitrarr_runner.locks import Held
from mitrarr_runner.logs import EventLog
from mitrarr_runner.manifest.model import Limits, Retry, Step
from mitrarr_runner.steps import KINDS
from mitrarr_runner.steps.contract import Context, RunInfo, StepOutcome, StepResult
from mitrarr_runner.store import runs
from mitrarr_runner.store.database import Database, open_database
from mitrarr_runner.store.runs import Outcome
from mitrarr_runner.text import Catalogue, Text, plural, text, to_data

_PROGRESS_EVERY = 0.2


class TimedOut(BaseException):
    """The deadline. A BaseException, so that no step's `except Exception` swallows it."""


class Stopped(BaseException):
    """Somebody asked the run to end now."""


class Spent(BaseException):
    """A step that runs in the worker itself has used all the CPU of limits.cpu."""


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended; steps: an account of each one that did."""

    outcome: Outcome
    code: str
    reason: Text
    seconds: float
    steps: Sequence[Mapping[str, object]] = ()

    @property
    def result(self) -> Mapping[str, object]:
        """What the store keeps of it."""
        return {"steps": list(self.steps), "reason": to_data(self.reason)}


def last_line(order: Order, end: End) -> str | None:
    """What closes the log of a run that was broken off; else its last step has closed it."""
    say = Catalogue(order.manifest.settings.language or "en")
    if end.outcome is Outcome.TIMEOUT:
        return f"-- {say(text('timed out after {span}', span=say.span(order.job.timeout)))}"
    if end.outcome in (Outcome.STOPPED, Outcome.REPLACED):
        return f"-- {say(end.reason)}"
    if end.code == "cpu_limit":
        return f"-- {end.outcome.value}: {say(end.reason)}"
    return None


@dataclass(slots=True)
class _Account:
    """What the run has done so far: one entry per step that ended, and the counts of all."""

    steps: list[dict[str, object]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    deferred: str = ""
    skipped: str = ""
    failed: StepResult | None = None
    stopping: bool = False
    kind: str = ""


def run(
    order: Order, run_id: int, held: Held, capture: Capture, log: EventLog, reporter: Reporter
) -> End:
    """Run every step of the order's job; never raises, every way out is an End."""
    started = order.clock.monotonic()
    account = _Account()
    outcome, code, reason = Outcome.OK, "ok", text("")
    try:
        with _deadline(order, run_id, capture), _stoppable(account), _frugal(order.job.limits):
            outcome, code, reason = _all(order, run_id, held, capture, log, reporter, account)
    except TimedOut:
        outcome, code = Outcome.TIMEOUT, "timeout"
        reason = plural(
            "not done after {count} second", "not done after {count} seconds", order.job.timeout
        )
    except Stopped:
        outcome, code, reason = Outcome.STOPPED, "stopped", text("ended by request")
    except Spent:
        outcome, code = Outcome.FAILED, "cpu_limit"
        limit = Catalogue("en").span(order.job.limits.cpu or 0)
        reason = text("it used more CPU than limits.cpu allows ({limit})", limit=limit)
    seconds = order.clock.monotonic() - started
    return End(outcome, code, reason, seconds, account.steps)


def _all(
    order: Order,
    run_id: int,
    held: Held,
    capture: Capture,
    log: EventLog,
    reporter: Reporter,
    account: _Account,
) -> tuple[Outcome, str, Text]:
    retry = order.job.retry
    position = 0
    for attempt in range(1, max(1, retry.attempts) + 1):
        context = _context(order, run_id, attempt, held, capture, log, account)
        position, failed = _from(position, order, context, capture, reporter, account)
        if failed is None:
            return _finished(account)
        if account.stopping:
            return Outcome.STOPPED, "stopped", text("ended by request")
        processes.end_descendants(processes.GRACE)
        if not failed.again:
            break
        if attempt < retry.attempts:
            pause = wait(retry, attempt)
            reporter.tell("retry", job=order.job.name, attempt=attempt, seconds=pause)
            capture.line(f"-- attempt {attempt} failed ({failed.code}); next in {pause:.0f}s")
            _sleep(pause, account)
    return Outcome.FAILED, failed.code if failed else "failed", _told(failed)


def _told(failed: StepResult | None) -> Text:
    return failed.message if failed else text("failed")


def wait(retry: Retry, attempt: int) -> float:
    """Seconds before the attempt after `attempt`: exponential, capped."""
    return float(min(retry.max, retry.backoff * retry.factor ** (attempt - 1)))


def _sleep(seconds: float, account: _Account) -> None:
    deadline = time.monotonic() + seconds
    while not account.stopping and time.monotonic() < deadline:
        time.sleep(min(0.2, seconds))


def _finished(account: _Account) -> tuple[Outcome, str, Text]:
    if account.stopping and account.skipped == "stopped":
        return Outcome.STOPPED, "stopped", text("ended by request")
    if account.failed is not None:
        return Outcome.FAILED, account.failed.code, account.failed.message
    if account.deferred:
        return Outcome.DEFERRED, account.deferred, text("work is kept for later")
    if account.skipped:
        return Outcome.SKIPPED, account.skipped, text("not now")
    return Outcome.OK, "ok", text("")


def _from(
    position: int,
    order: Order,
    context: Context,
    capture: Capture,
    reporter: Reporter,
    account: _Account,
) -> tuple[int, StepResult | None]:
    """Run the steps from `position` on; the position and result of the one that failed, if any."""
    say = Catalogue(order.manifest.settings.language or "en")
    steps = order.job.steps
    for index in range(position, len(steps)):
        if account.stopping:
            account.skipped = "stopped"
            return index, None
        kind = steps[index].kind
        account.kind = kind
        reporter.tell("step", job=order.job.name, position=index + 1, steps=len(steps), kind=kind)
        capture.line(f"-- step {index + 1}/{len(steps)} {kind}")
        begun = order.clock.monotonic()
        result = _step(steps[index], context, index, reporter)
        seconds = order.clock.monotonic() - begun
        capture.line(f"-- {result.outcome.value}: {say(result.message)}")
        _note(order, context.run.id, account, index, kind, result, seconds)
        reporter.tell("step_done", job=order.job.name, **account.steps[-1])
        if result.outcome is StepOutcome.FAILED and result.goes_on:
            account.failed = account.failed or result
            continue
        if result.outcome is StepOutcome.FAILED:
            return index, result
        if result.outcome is StepOutcome.SKIPPED and kind == "command":
            account.skipped = result.code
            return index, None
        if result.outcome is StepOutcome.DEFERRED:
            account.deferred = account.deferred or result.code
    return len(steps), None


def _step(step: Step, context: Context, index: int, reporter: Reporter) -> StepResult:
    kind = KINDS[step.kind]
    shown = 0.0

    def progress(done: int, total: int | None) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown >= _PROGRESS_EVERY or done == total:
            shown = now
            reporter.tell(
                "progress",
                job=context.run.job.name,
                position=index + 1,
                kind=step.kind,
                done=done,
                total=total,
            )

    try:
        with _frugal_of_memory(context.run.job.limits):
            return kind.run(kind.parse(step.options), replace(context, progress=progress))
    except MitrarrError as error:
        return StepResult(StepOutcome.FAILED, error.code, error.message)
    except MemoryError:
        told = text("it wanted more memory than the job's limit")
        return StepResult(StepOutcome.FAILED, "memory_limit", told)
    except Exception as error:  # a step's bug is one failed job, told in its log, not a lost one
        return _bug(error, context)


def _bug(error: Exception, context: Context) -> StepResult:
    import traceback

    from mitrarr_runner import redact

    told = "".join(traceback.format_exception(error))
    with contextlib.suppress(OSError):
        os.write(context.output, redact.mask(told).encode("utf-8", "backslashreplace"))
    name = type(error).__name__
    return StepResult(StepOutcome.FAILED, "bug", text("a bug: {name}; see the log", name=name))


def _note(
    order: Order,
    run_id: int,
    account: _Account,
    index: int,
    kind: str,
    result: StepResult,
    seconds: float,
) -> None:
    for key, value in result.counts.items():
        account.counts[key] = account.counts.get(key, 0) + value
    account.steps.append(
        {
            "position": index + 1,
            "kind": kind,
            "outcome": result.outcome.value,
            "code": result.code,
            "message": to_data(result.message),
            "seconds": round(seconds, 3),
            "counts": dict(result.counts),
        }
    )
    if index + 1 < len(order.job.steps):  # the last step's account is written with the run's end
        with contextlib.suppress(StateError), _store(order)() as db, db.transaction():
            runs.note(db, run_id, {"steps": account.steps})


def _store(order: Order) -> Callable[[], Database]:
    path = order.site.root / order.manifest.settings.store
    return lambda: open_database(path)


def _context(
    order: Order,
    run_id: int,
    attempt: int,
    held: Held,
    capture: Capture,
    log: EventLog,
    account: _Account,
) -> Context:
    return Context(
        manifest=order.manifest,
        site=order.site,
        clock=order.clock,
        run=RunInfo(run_id, order.job, order.slot, order.missed, attempt, order.caller.actor),
        log=log,
        progress=lambda done, total: None,
        stopping=lambda: account.stopping,
        open_store=_store(order),
        lock=held.descriptor,
        output=capture.descriptor,
        counts=account.counts,
    )


@contextmanager
def _stoppable(account: _Account) -> Iterator[None]:
    """SIGTERM ends the run after the current batch; a command, or a second SIGTERM, at once."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        if account.stopping or account.kind == "command":
            raise Stopped
        account.stopping = True

    before = signal.signal(signal.SIGTERM, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])  # what came since the claim
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _frugal_of_memory(limits: Limits) -> Iterator[None]:
    """limits.memory for the step and what it starts, and not for our bookkeeping beside it: an
    account that finds no room would be a lost run. Only the soft limit can be lifted again; a
    command gets it as its hard one, too (steps/command).
    """
    if limits.memory is None:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = limits.memory if hard == resource.RLIM_INFINITY else min(limits.memory, hard)
    resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextmanager
def _frugal(limits: Limits) -> Iterator[None]:
    """SIGXCPU breaks the running step off. Not tried again: the CPU used stays used."""
    if limits.cpu is None:
        yield
        return

    def spent(_signal: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGXCPU, signal.SIG_IGN)  # it comes again with each second of CPU
        raise Spent

    signal.signal(signal.SIGXCPU, spent)  # a handler, unlike SIG_IGN, is not handed on by exec
    try:
        yield
    finally:
        signal.signal(signal.SIGXCPU, signal.SIG_IGN)


@contextmanager
def _deadline(order: Order, run_id: int, capture: Capture) -> Iterator[None]:
    def late(_signal: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGALRM, lambda *_: _give_up(order, run_id, capture))
        signal.setitimer(signal.ITIMER_REAL, 2 * processes.GRACE)
        raise TimedOut

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, max(0.001, order.job.timeout))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _give_up(order: Order, run_id: int, capture: Capture) -> Any:
    """The step did not let go of its own accord: write the end, end the tree, leave."""
    reason = text("the step did not end by itself")
    end = End(Outcome.TIMEOUT, "timeout", reason, 0.0)
    with contextlib.suppress(Exception), _store(order)() as db, db.transaction():
        runs.finish(
            db,
            run_id,
            end.outcome,
            code=end.code,
            reason=str(end.reason),
            seconds=None,
            now=order.clock.now(),
        )
    processes.end_descendants(1.0)
    with contextlib.suppress(Exception):
        capture.line(str(last_line(order, end)))
        capture.close(1.0)
    os._exit(1)
