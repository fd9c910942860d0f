"""send-to-findface: everybody who waits for a destination, now."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer

from mitrarr_runner.cli.options import BY, CONFIG
from mitrarr_runner.cli.place import Place, destination_place, place_with
from mitrarr_runner.cli.progress import Line
from mitrarr_runner.cli.session import Session, output_format
from mitrarr_runner.cli.verb import Verb, session
from mitrarr_runner.errors import UsageError
from mitrarr_runner.manifest.model import Job, Manifest, Schedule
from mitrarr_runner.steps.contract import Context, Progress, RunInfo, StepOutcome, StepResult
from mitrarr_runner.text import mark, text

_FORMAT = typer.Option("--format", help=mark("text for people, json for programs."))

INTERRUPTED = 130


def send_to_findface(
    ctx: typer.Context,
    batch_size: Annotated[
        int, typer.Option("--batch-size", help=mark("People between two looks at Ctrl-C."))
    ] = 50,
    destination: Annotated[
        str | None, typer.Option("--destination", help=mark("Where to; needed if there are more."))
    ] = None,
    by: Annotated[str | None, BY] = None,
    config: Annotated[str | None, CONFIG] = None,
    format: Annotated[str, _FORMAT] = "text",
) -> int:
    here = session(ctx)
    wanted = output_format(format)
    if batch_size < 1:
        raise UsageError(
            text("--batch-size must be at least 1"),
            code="usage",
            hint=text("for example: --batch-size 50"),
        )
    if destination is not None:
        found = destination_place(here, config, destination)
    else:
        found = place_with(here, config, lambda manifest: bool(manifest.destinations))
    name = _destination(found.manifest, destination)
    result = _send(here, found, name, batch_size, by)
    if wanted == "json":
        here.json(
            {
                "destination": name,
                "outcome": result.outcome.value,
                "code": result.code,
                "message": here.say(result.message),
                "counts": dict(result.counts),
            }
        )
    else:
        _tell_sent(here, name, result)
    return _exit_code(result)


def _destination(manifest: Manifest, given: str | None) -> str:
    """The one that was named, else the only one there is."""
    names = list(manifest.destinations)
    if given is not None and given in names:
        return given
    if not names:
        raise UsageError(
            text("the manifest has no destination"),
            code="no_destination",
            hint=text("declare it under destinations: in the manifest, or name that with --config"),
        )
    if given is None and len(names) == 1:
        return names[0]
    raise UsageError(
        text("there are several destinations: {names}", names=", ".join(names)),
        code="several_destinations",
        hint=text("name one: --destination {name}", name=names[0]),
    )


def _send(here: Session, found: Place, name: str, batch_size: int, by: str | None) -> StepResult:
    """The step of the same name, outside a run: the same queue, lock, verdict and account."""
    import mitrarr_runner.steps.send_to_findface as step
    from mitrarr_runner.engine import wakeup
    from mitrarr_runner.store import audit

    line = Line(here.err, here.say, here.clock) if here.err.isatty() else None

    def progress(done: int, total: int | None) -> None:
        if line is not None:
            line.show(name, done, total)

    actor = here.actor(by)
    found.open_store().close()
    try:
        with _until_interrupted() as stopping:
            context = _context(here, found, actor, progress, stopping)
            result = step.run(step.Options(name, batch_size), context)
    finally:
        if line is not None:
            line.clear()
    with found.open_store() as db, db.transaction():
        wakeup.forget(found.site)  # what was seen of the destination may open or close an incident
        audit.write(
            db,
            actor=actor,
            action="send_to_findface",
            subject=name,
            now=here.clock.now(),
            detail={"outcome": result.outcome.value, "code": result.code, **result.counts},
        )
    return result


def _context(
    here: Session,
    found: Place,
    actor: str,
    progress: Progress,
    stopping: Callable[[], bool],
) -> Context:
    from mitrarr_runner.logs import EventLog

    job = Job("send-to-findface", Schedule(None, found.manifest.settings.timezone), ())
    return Context(
        manifest=found.manifest,
        site=found.site,
        clock=here.clock,
        run=RunInfo(0, job, None, 0, 1, actor),
        log=EventLog(found.site.main_log, here.clock),
        progress=progress,
        stopping=stopping,
        open_store=found.open_store,
        lock=-1,
        output=-1,
        counts={},
    )


@contextmanager
def _until_interrupted() -> Iterator[Callable[[], bool]]:
    """Ctrl-C ends after the batch in hand; a second one at once."""
    asked: list[bool] = []

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(True)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)


def _exit_code(result: StepResult) -> int:
    """By hand, a destination that does not answer is a failure: nobody would look again. The work
    is kept all the same, and the scheduler goes on with it. Another sender at work is no failure.
    """
    if result.code == "busy":
        return 0
    if result.code == "stopped":
        return INTERRUPTED
    return 1 if result.outcome in (StepOutcome.DEFERRED, StepOutcome.FAILED) else 0


def _tell_sent(here: Session, name: str, result: StepResult) -> None:
    from mitrarr_runner.delivery import reasons

    if result.code == "busy":
        here.print(text("{destination}: {message}", destination=name, message=result.message))
        here.print(text("  -> {hint}", hint=reasons.hint_of(result.code)))
        return
    here.print(result.message)
    if result.outcome is StepOutcome.DEFERRED:
        here.print(text("  -> {hint}", hint=reasons.hint_of(result.code)))
    elif result.code == "destination_paused":
        here.print(text("  -> go on: mitrarr resume --destination {name}", name=name))
    elif result.code == "stopped":
        here.print(text("  -> stopped after the batch; the rest waits in the queue"))
    if result.counts.get("parked"):
        here.print(text("  -> look: mitrarr deliveries list --state parked"))


VERBS = (
    Verb(
        "send-to-findface",
        send_to_findface,
        mark(
            "Send everybody who waits, now. Parked people do not fail it; exit 1 when the"
            " destination does not answer (the work is kept)."
            "\n\n\b\nExample:\n  mitrarr send-to-findface --batch-size 50"
        ),
    ),
)
