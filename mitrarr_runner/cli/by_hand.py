"""register-nist, send-to-findface, clean: the work of the jobs, done once by hand."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from mitrarr_runner.cli.place import Place, destination_place, place_with
from mitrarr_runner.cli.progress import Line
from mitrarr_runner.cli.screen import show, width
from mitrarr_runner.cli.session import Session, output_format
from mitrarr_runner.cli.verb import Verb, session
from mitrarr_runner.delivery.desk import Shown
from mitrarr_runner.engine.places import did_you_mean
from mitrarr_runner.engine.report.deliveries import state_word
from mitrarr_runner.errors import UsageError
from mitrarr_runner.intake.by_hand import Registered
from mitrarr_runner.intake.ledger import Outcome
from mitrarr_runner.manifest.model import Destination, Job, Manifest, Schedule, Source
from mitrarr_runner.redact import safe
from mitrarr_runner.steps.contract import Context, Progress, RunInfo, StepOutcome, StepResult
from mitrarr_runner.store.deliveries import State as PersonState
from mitrarr_runner.store.registry import State
from mitrarr_runner.store.runs import Run
from mitrarr_runner.text import Text, mark, plural, text

if TYPE_CHECKING:
    from mitrarr_runner.steps import clean as clean_step

_CONFIG = typer.Option(
    "--config", help=mark("Manifest file or folder; default: $MITRARR_CONFIG, then ./configs/prod.")
)
_FORMAT = typer.Option("--format", help=mark("text for people, json for programs."))
_BY = typer.Option("--by", help=mark("Who asks; default: MITRARR_OPERATOR, SUDO_USER, login."))

INTERRUPTED = 130


# -- register-nist


def register_nist(
    ctx: typer.Context,
    id: Annotated[
        str,
        typer.Option(
            "--id",
            help=mark("The person's id; - reads it from standard input, off the process list."),
        ),
    ],
    source: Annotated[str, typer.Option("--source", help=mark("A source of the manifest."))],
    file: Annotated[str, typer.Option("--file", help=mark("The ANSI/NIST file; it is kept."))],
    by: Annotated[str | None, _BY] = None,
    config: Annotated[str | None, _CONFIG] = None,
    format: Annotated[str, _FORMAT] = "text",
) -> int:
    from mitrarr_runner.intake.register import register_file
    from mitrarr_runner.store import audit

    here = session(ctx)
    wanted = output_format(format)
    found = place_with(here, config, lambda manifest: source in manifest.sources)
    declared = source_of(found.manifest, source)
    person = _person(id, file)
    actor = here.actor(by)
    with found.open_store() as db:
        done = register_file(
            db,
            found.site,
            declared,
            person=person,
            file=sys.stdin.buffer if file == "-" else Path(file),
            clock=here.clock,
            actor=actor,
        )
        with db.transaction():
            audit.write(
                db,
                actor=actor,
                action="register_nist",
                subject=done.handle,
                now=here.clock.now(),
                detail={"source": declared.name, "outcome": done.outcome.value},
            )
    return tell(here, found, declared, done, wanted)


def _person(given: str, file: str) -> str:
    if given != "-":
        return given
    if file == "-":
        raise UsageError(
            text("only one of --id and --file can be read from standard input"),
            code="usage",
            hint=text("give the file by its path"),
        )
    return sys.stdin.readline().rstrip("\r\n")


def source_of(manifest: Manifest, name: str) -> Source:
    """Raises UsageError (unknown_source)."""
    if name in manifest.sources:
        return manifest.sources[name]
    names = ", ".join(manifest.sources)
    hint = text("the manifest has: {names}", names=names)
    if not names:
        hint = text("declare it under sources: in the manifest, or name that with --config")
    raise UsageError(
        text("there is no source {name}", name=safe(name, 64)),
        code="unknown_source",
        hint=did_you_mean(name, manifest.sources) or hint,
    )


def tell(here: Session, found: Place, source: Source, done: Registered, wanted: str) -> int:
    """What became of one file; exit code 1 when it lies in quarantine."""
    refused = done.state is State.QUARANTINED
    if wanted == "json":
        from mitrarr_runner.engine.report.registry import finding_json

        errors = [one.code for one in done.findings if one.severity == "error"]
        here.json(
            {
                "handle": done.handle,
                "state": done.state.value,
                "outcome": done.outcome.value,
                "code": errors[0] if refused and errors else "",
                "findings": [finding_json(finding, here.say) for finding in done.findings],
            }
        )
    elif refused:
        _tell_refused(here, source, done)
    else:
        _tell_taken(here, found, source, done)
    return 1 if refused else 0


def _tell_refused(here: Session, source: Source, done: Registered) -> None:
    from mitrarr_runner.engine.report.registry import finding_lines

    message = text("{handle} {source}: in quarantine", handle=done.handle, source=source.name)
    if done.outcome is Outcome.REPEATED:
        message = text(
            "{handle} {source}: the same file was refused before; it is in quarantine",
            handle=done.handle,
            source=source.name,
        )
    here.print(message)
    for finding in done.findings:
        show(here, finding_lines(finding, here.say, width(here)))
    here.print(text("  -> look: mitrarr registry show {handle}", handle=done.handle))


def _tell_taken(here: Session, found: Place, source: Source, done: Registered) -> None:
    values = {"handle": done.handle, "source": source.name}
    message = text("{handle} {source}: registered", **values)
    if done.outcome is Outcome.REPEATED:
        message = text("{handle} {source}: the same file is registered already", **values)
    elif done.outcome is Outcome.REVISED:
        message = text("{handle} {source}: registered, a new revision of a known person", **values)
    elif done.state is State.NO_FACE:
        message = text("{handle} {source}: registered; it holds no face to send", **values)
    here.print(message)
    if done.state is State.REGISTERED:
        _tell_sending(here, found, source, done.handle)


def _tell_sending(here: Session, found: Place, source: Source, handle: str) -> None:
    """Who sends it on, and when; or how far its person is already."""
    known = {one.destination: one for one in _on_the_way(found, handle)}
    for destination in found.manifest.destinations.values():
        if destination.sources and source.name not in destination.sources:
            continue
        one = known.get(destination.name)
        if one is not None and one.state is not PersonState.PENDING:
            here.print(_standing(one))
        else:
            here.print(_sender(here, found, destination))


def _on_the_way(found: Place, handle: str) -> Sequence[Shown]:
    from mitrarr_runner.delivery import desk
    from mitrarr_runner.store import registry

    db = found.open_readonly()
    if db is None:
        return ()
    with db:
        record = registry.show(db, handle)
        return () if record is None else desk.of_registry(db, record.id)


def _standing(one: Shown) -> Text:
    return text(
        "  {destination}: {state}; look: mitrarr deliveries show {handle}",
        destination=one.destination,
        state=state_word(one.state),
        handle=one.handle,
    )


def _sender(here: Session, found: Place, destination: Destination) -> Text:
    """The job that comes first."""
    from mitrarr_runner.plan import upcoming

    now, zone = here.clock.now(), ZoneInfo(found.manifest.settings.timezone)
    senders = [
        (slot, job.name)
        for job in found.manifest.jobs.values()
        if _sends(job, destination)
        for slot in upcoming(job, now, 1)
    ]
    if not senders:
        return text(
            "  no job sends it to {destination}; by hand: mitrarr send-to-findface --batch-size 50",
            destination=destination.name,
        )
    slot, job_name = min(senders)
    return text(
        "  {job} sends it to {destination} at {hour}",
        job=job_name,
        destination=destination.name,
        hour=here.say.hour(slot, zone, now),
    )


def _sends(job: Job, destination: Destination) -> bool:
    return any(
        step.kind == "send_to_findface" and step.options.get("destination") == destination.name
        for step in job.steps
    )


# -- send-to-findface


def send_to_findface(
    ctx: typer.Context,
    batch_size: Annotated[
        int, typer.Option("--batch-size", help=mark("People between two looks at Ctrl-C."))
    ] = 50,
    destination: Annotated[
        str | None, typer.Option("--destination", help=mark("Where to; needed if there are more."))
    ] = None,
    by: Annotated[str | None, _BY] = None,
    config: Annotated[str | None, _CONFIG] = None,
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

    line = Line(here.err) if here.on_terminal else None

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


# -- clean


@dataclass(frozen=True, slots=True)
class _Heap:
    """Old files of one declared folder, or ("") our own temporaries."""

    folder: str
    files: int
    bytes: int


def clean(
    ctx: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help=mark("Say what would go; remove nothing."))
    ] = False,
    by: Annotated[str | None, _BY] = None,
    config: Annotated[str | None, _CONFIG] = None,
    format: Annotated[str, _FORMAT] = "text",
) -> int:
    from mitrarr_runner.steps import clean as step

    here = session(ctx)
    wanted = output_format(format)
    found = place_with(here, config, lambda manifest: bool(manifest.jobs))
    options = _folders(found.manifest)
    work = step.look if dry_run else step.remove
    gone = work(options, found.site, here.clock.now())
    heaps = _heaps(options, gone)
    stuck = _stuck(here, found, dry_run, here.actor(by), len(gone.files))
    if wanted == "json":
        here.json(
            {
                "dry_run": dry_run,
                "files": len(gone.files),
                "bytes": gone.size,
                "folders": [
                    {"path": heap.folder or None, "files": heap.files, "bytes": heap.bytes}
                    for heap in heaps
                ],
                "runs": [run.handle for run in stuck],
            }
        )
    else:
        _tell_cleaned(here, heaps, stuck, dry_run)
    return 0


def _folders(manifest: Manifest) -> clean_step.Options:
    """The folders of every clean step of the manifest, each once, with its shortest age."""
    from mitrarr_runner.steps import clean as step

    ages: dict[Path, int] = {}
    for job in manifest.jobs.values():
        for one in job.steps:
            if one.kind == step.KIND:
                for folder in step.parse(one.options).folders:
                    age = ages.get(folder.path, folder.older_than)
                    ages[folder.path] = min(age, folder.older_than)
    return step.Options(tuple(step.Folder(path, age) for path, age in ages.items()))


def _heaps(options: clean_step.Options, found: clean_step.Found) -> list[_Heap]:
    """Counts per folder; names of files, which may be somebody's number, are not told."""
    counted: dict[str, list[int]] = {}
    for path, size in found.files:
        home = next((f.path for f in options.folders if path.is_relative_to(f.path)), None)
        counted.setdefault(str(home) if home else "", []).append(size)
    return [_Heap(folder, len(sizes), sum(sizes)) for folder, sizes in counted.items()]


def _stuck(here: Session, found: Place, dry_run: bool, actor: str, files: int) -> list[Run]:
    """Runs whose process is gone: recorded as lost, so that they are judged and run again."""
    from mitrarr_runner.engine import wakeup
    from mitrarr_runner.engine.state import gather, record_lost
    from mitrarr_runner.store import audit

    db = found.open_readonly() if dry_run else found.open_store()
    if db is None:
        return []
    now = here.clock.now()
    with db:
        view = gather(db, found.manifest, found.site, here.clock, now)
        lost = [run for run in view.lost.values() if not run.finished]
        if dry_run:
            return lost
        with db.transaction():
            written = record_lost(db, found.manifest.name, lost, now)
            if written:
                wakeup.forget(found.site)
            audit.write(
                db,
                actor=actor,
                action="clean",
                subject=found.manifest.name,
                now=now,
                detail={"files": files, "runs": [run.handle for run in written]},
            )
        return written


def _tell_cleaned(here: Session, heaps: list[_Heap], stuck: list[Run], dry_run: bool) -> None:
    for heap in heaps:
        count = plural("{count} old file", "{count} old files", heap.files)
        values: Mapping[str, object] = {
            "folder": heap.folder or text("left by mitrarr itself"),
            "files": count,
            "size": here.say.size(heap.bytes),
        }
        if dry_run:
            here.print(text("{folder}: {files} would be removed, {size}", **values))
        else:
            here.print(text("{folder}: {files} removed, {size}", **values))
    for run in stuck:
        named = {"run": run.handle, "job": run.job}
        if dry_run:
            here.print(text("{run} of {job}: its process is gone; would be recorded", **named))
        else:
            here.print(text("{run} of {job}: its process is gone; recorded as lost", **named))
    if not heaps and not stuck:
        here.print(text("nothing to remove, no run is stuck"))


VERBS = (
    Verb(
        "register-nist",
        register_nist,
        mark(
            "Register one ANSI/NIST file now, under an id. The file is kept; the scheduler sends"
            " it on. Exit 1 when it goes to quarantine.\n\n\b\nExamples:\n"
            "  mitrarr register-nist --id 2025001 --source DETRAN --file a.nst\n"
            "  echo 2025001 | mitrarr register-nist --id - --source DETRAN --file a.nst"
        ),
    ),
    Verb(
        "send-to-findface",
        send_to_findface,
        mark(
            "Send everybody who waits, now. Parked people do not fail it; exit 1 when the"
            " destination does not answer (the work is kept)."
            "\n\n\b\nExample:\n  mitrarr send-to-findface --batch-size 50"
        ),
    ),
    Verb(
        "clean",
        clean,
        mark(
            "Remove what the manifest's clean steps would remove, and record runs whose process"
            " is gone.\n\n\b\nExample:\n  mitrarr clean --dry-run"
        ),
    ),
)
