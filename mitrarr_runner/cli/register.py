"""register-nist: one file, now, under an id that a person gives."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from mitrarr_runner.cli.options import BY, CONFIG
from mitrarr_runner.cli.place import Place, place_with
from mitrarr_runner.cli.screen import show, width
from mitrarr_runner.cli.session import Session, output_format
from mitrarr_runner.cli.verb import Verb, session
from mitrarr_runner.delivery.desk import Shown
from mitrarr_runner.engine.places import did_you_mean
from mitrarr_runner.engine.report.deliveries import state_word
from mitrarr_runner.errors import UsageError
from mitrarr_runner.intake.by_hand import Registered
from mitrarr_runner.intake.ledger import Outcome
from mitrarr_runner.manifest.model import Destination, Job, Manifest, Source, source_named
from mitrarr_runner.redact import safe
from mitrarr_runner.store.deliveries import State as PersonState
from mitrarr_runner.store.registry import State
from mitrarr_runner.text import Text, mark, text

_FORMAT = typer.Option("--format", help=mark("text for people, json for programs."))


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
    by: Annotated[str | None, BY] = None,
    config: Annotated[str | None, CONFIG] = None,
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
    found = source_named(manifest, name)
    if found is not None:
        return found
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
)
