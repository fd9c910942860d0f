"""Send the people who wait for a destination: each one once, a card and then its face.

First the queue is brought up to the registry, then everybody who is due is sent. A destination that
does not answer defers the step (the work is kept); parked people are told and do not fail it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mitrarr_runner.clock import epoch
from mitrarr_runner.delivery import enqueue as queue
from mitrarr_runner.delivery import reasons
from mitrarr_runner.delivery.account import SendResult
from mitrarr_runner.errors import FailedError, MitrarrError
from mitrarr_runner.manifest.model import Destination
from mitrarr_runner.steps.contract import Context, StepOutcome, StepResult, View
from mitrarr_runner.store import deliveries, pauses, readings, registry, sightings
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.deliveries import State
from mitrarr_runner.text import Catalogue, Text, plural, text

if TYPE_CHECKING:
    from mitrarr_runner.images import Prepared
    from mitrarr_runner.site import Site

KIND = "send_to_findface"
IDEMPOTENT = True

VERDICT = "destination"
"""The kind of the verdict kept per destination: state "ok" or "down"."""


@dataclass(frozen=True, slots=True)
class Options:
    destination: str
    batch_size: int = 50


def parse(options: Mapping[str, object]) -> Options:
    return Options(str(options["destination"]), int(str(options.get("batch_size", 50))))


def describe(options: Options, view: View) -> Text:
    """The queue at this instant; new = registered and not queued, and files that an earlier step of
    the job would take in now (some may turn out to be refused)."""
    destination = view.manifest.destinations[options.destination]
    new, queued = _coming(destination, view), 0
    if view.store is not None:
        new += queue.count_new(view.store, destination)
        counted = deliveries.counts(view.store, destination.name)
        queued = counted[State.PENDING] + counted[State.SENDING]
    if not new + queued:
        return text("{destination}: nobody waits", destination=destination.name)
    return text(
        "{destination}: {new} new + {queued} in the queue, {batches} of {size}",
        destination=destination.name,
        new=new,
        queued=queued,
        batches=plural(
            "{count} batch", "{count} batches", -(-(new + queued) // options.batch_size)
        ),
        size=options.batch_size,
    )


def _coming(destination: Destination, view: View) -> int:
    """Files that are ready in the spools of the register_nist steps before this one."""
    from mitrarr_runner.intake import spool

    ready = 0
    for step in view.job.steps:
        if step.kind == KIND and step.options.get("destination") == destination.name:
            return ready
        source = view.manifest.sources.get(str(step.options.get("source")))
        if step.kind != "register_nist" or source is None:
            continue
        if destination.sources and source.name not in destination.sources:
            continue
        seen = sightings.seen_files(view.store, source.name) if view.store else {}
        with suppress(MitrarrError):  # that step says it itself
            ready += len(spool.look(source, seen, view.now).ready)
    return 0


def run(options: Options, context: Context) -> StepResult:
    destination = context.manifest.destinations[options.destination]
    with context.open_store() as db:
        pause = _pause(db, destination, context)
        if pause is not None:
            message = text(
                "{destination}: paused by {actor}", destination=destination.name, actor=pause.actor
            )
            return StepResult(StepOutcome.SKIPPED, "destination_paused", message)
        queue.enqueue(db, context.site, destination, clock=context.clock)
        result = _send(db, destination, options.batch_size, context)
        _judge(db, destination, result, context)
        waiting = deliveries.counts(db, destination.name)[State.PENDING]
    code = result.reason or ("stopped" if result.stopped else "ok")
    return StepResult(_outcome(result), code, told(destination, result, waiting), _counts(result))


def photo_source(db: Database, site: Site) -> Callable[[int], Prepared]:
    """The face of a registry row, ready to be sent; raises FailedError where there is none."""

    def photo(number: int) -> Prepared:
        from mitrarr_runner.intake.faces import load_face

        record = registry.by_id(db, number)
        if record is None:
            raise FailedError(text("its registration is gone"), code=reasons.NO_RECORD)
        return load_face(site, record.sha256)

    return photo


def told(destination: Destination, result: SendResult, waiting: int) -> Text:
    """One sentence: what became of everybody, and why it stopped where it did.

    `waiting`: people who are pending at this destination afterwards, due or not.
    """
    if result.busy:
        return reasons.trouble_text(result.reason)
    if not result.deferred:
        return _account(result) if result.people else _nobody(waiting)
    trouble = text(
        "{destination}: {trouble}; {people}, nothing is lost",
        destination=destination.name,
        trouble=_trouble(result),
        people=plural("{count} person waits", "{count} people wait", waiting),
    )
    if not result.reached:
        return trouble
    return text("{account}; then {trouble}", account=_account(result), trouble=trouble)


def _outcome(result: SendResult) -> StepOutcome:
    """Our own missing files are a failure; a destination in trouble is not."""
    if result.reason in reasons.ORIGINALS:
        return StepOutcome.FAILED
    return StepOutcome.DEFERRED if result.deferred else StepOutcome.OK


def _trouble(result: SendResult) -> Text:
    trouble = reasons.trouble_text(result.reason)
    if not result.detail:
        return trouble
    return text("{trouble} ({detail})", trouble=trouble, detail=result.detail)


def _nobody(waiting: int) -> Text:
    if not waiting:
        return text("nobody waits")
    return plural("{count} person waits for later", "{count} people wait for later", waiting)


def _account(result: SendResult) -> Text:
    """ "240 in 39s (6.2/s): 236 sent, 3 already there, 1 parked": the parts make the whole."""
    shown = [
        (result.sent, plural("{count} sent", "{count} sent", result.sent)),
        (result.adopted, plural("{count} already there", "{count} already there", result.adopted)),
        (result.parked, plural("{count} parked", "{count} parked", result.parked)),
        (result.in_doubt, text("{n} in doubt", n=result.in_doubt)),
        (
            result.pending,
            plural("{count} left in the queue", "{count} left in the queue", result.pending),
        ),
    ]
    parts = [words for count, words in shown if count]
    joined = parts[0]
    for part in parts[1:]:
        joined = text("{first}, {then}", first=joined, then=part)
    return text(
        "{people} in {span}{rate}: {parts}",
        people=result.people,
        span=Catalogue("en").span(result.seconds),
        rate=_rate(result),
        parts=joined,
    )


def _rate(result: SendResult) -> Text | str:
    """People per second, left out where it would say nothing."""
    if result.seconds < 1:
        return ""
    tenths = round((result.people - result.pending) * 10 / result.seconds)
    return text(" ({whole}.{tenth}/s)", whole=tenths // 10, tenth=tenths % 10)


def _counts(result: SendResult) -> Mapping[str, int]:
    return {
        "people": result.people,
        "sent": result.sent,
        "adopted": result.adopted,
        "parked": result.parked,
        "pending": result.pending,
        "in_doubt": result.in_doubt,
    }


def _pause(db: Database, destination: Destination, context: Context) -> pauses.Pause | None:
    pause = pauses.of(db, context.manifest.name, pauses.Paused.DESTINATION).get(destination.name)
    return pause if pause is not None and pause.holds(context.clock.now()) else None


def _send(db: Database, destination: Destination, batch_size: int, context: Context) -> SendResult:
    """Everybody who is due. Where nobody is, the destination is left alone; unless it was down the
    last time: then it is asked how it is, so that its recovery is seen."""
    down = _was_down(db, destination, context)
    due = deliveries.due(db, destination.name, epoch(context.clock.now()))
    if not due and not down:
        return SendResult()
    from mitrarr_runner.delivery.client import client_for
    from mitrarr_runner.delivery.send import probe, send

    with client_for(db, context.site, destination, clock=context.clock, log=context.log) as client:
        if not due:
            return probe(destination, client)
        return send(
            db,
            context.site,
            destination,
            client,
            clock=context.clock,
            photo=photo_source(db, context.site),
            progress=context.progress,
            stopping=context.stopping,
            log=context.log,
            batch_size=batch_size,
        )


def _was_down(db: Database, destination: Destination, context: Context) -> bool:
    return any(
        (verdict.kind, verdict.subject, verdict.state) == (VERDICT, destination.name, "down")
        for verdict in readings.verdicts(db, context.manifest.name)
    )


def _judge(db: Database, destination: Destination, result: SendResult, context: Context) -> None:
    """Keep what was seen of the destination; what was not asked is not claimed."""
    if result.busy or not (result.reached or result.deferred):
        return
    down = result.deferred and result.reason not in reasons.ORIGINALS
    state, code = ("down", result.reason) if down else ("ok", "")
    detail = {"detail": result.detail} if result.detail else {}
    with db.transaction():
        readings.set_verdict(
            db,
            context.manifest.name,
            VERDICT,
            destination.name,
            state,
            code,
            detail,
            context.clock.now(),
        )
