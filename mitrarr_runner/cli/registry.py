"""registry list, show, requeue: which files were taken in, which refused, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from mitrarr_runner.cli.options import BY, CONFIG
from mitrarr_runner.cli.place import Place, place_with
from mitrarr_runner.cli.reading import Reading, check_known, choice, with_work, zone
from mitrarr_runner.cli.register import source_of, tell
from mitrarr_runner.cli.screen import show, width
from mitrarr_runner.cli.session import Session, output_format
from mitrarr_runner.cli.verb import Verb, session
from mitrarr_runner.errors import UsageError
from mitrarr_runner.redact import safe
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.registry import Record
from mitrarr_runner.store.registry import State as FileState
from mitrarr_runner.text import mark, text

_FORMAT = typer.Option("--format", help=mark("text for people, json for programs."))
_LIMIT = typer.Option("--limit", min=1, help=mark("How many, at most."))


def registry_list(
    ctx: typer.Context,
    state: Annotated[
        str | None,
        typer.Option("--state", help=mark("registered, no_face, quarantined or superseded.")),
    ] = None,
    source: Annotated[str | None, typer.Option("--source", help=mark("Only this source."))] = None,
    limit: Annotated[int, _LIMIT] = 20,
    config: Annotated[str | None, CONFIG] = None,
    format: Annotated[str, _FORMAT] = "text",
) -> int:
    from mitrarr_runner.engine.report.registry import Listing, list_json, list_text
    from mitrarr_runner.store import registry

    here = session(ctx)
    wanted = output_format(format)
    only = choice(state, FileState, "--state")
    found = place_with(here, config, with_work)
    records: list[Record] = []
    counts = dict.fromkeys(FileState, 0)
    with Reading(found) as db:
        if db is not None:
            records = registry.listing(db, state=only, source=source, limit=limit)
            counts = dict(registry.counts(db, source))
    if source is not None and not sum(counts.values()):
        check_known(source, found.manifest.sources, "source")
    listing = Listing(records, counts, here.clock.now(), zone(found))
    if wanted == "json":
        here.json(list_json(listing))
    else:
        show(here, list_text(listing, here.say, width(here)))
    return 0


def registry_show(
    ctx: typer.Context,
    handle: Annotated[str, typer.Argument(metavar="HANDLE", help=mark("For example Q311."))],
    id: Annotated[
        bool,
        typer.Option("--id", help=mark("Show the person's id too; the audit notes who asked.")),
    ] = False,
    by: Annotated[str | None, BY] = None,
    config: Annotated[str | None, CONFIG] = None,
    format: Annotated[str, _FORMAT] = "text",
) -> int:
    from mitrarr_runner.delivery import desk
    from mitrarr_runner.engine.report.registry import Detail, show_json, show_text

    here = session(ctx)
    wanted = output_format(format)
    found = place_with(here, config, with_work)
    with Reading(found) as db:
        record = _record(db, handle)
        assert db is not None  # noqa: S101 - a record was found in it
        sent = desk.of_registry(db, record.id)
    person = _revealed(here, found, record, by) if id else None
    detail = Detail(record, sent, here.clock.now(), zone(found), person)
    if wanted == "json":
        here.json(show_json(detail, here.say))
    else:
        show(here, show_text(detail, here.say, width(here)))
    return 0


def _revealed(here: Session, found: Place, record: Record, by: str | None) -> str:
    """The id of a person; looking it up leaves a line in the audit chain first."""
    from mitrarr_runner.store import audit

    with found.open_store() as db, db.transaction():
        audit.write(
            db,
            actor=here.actor(by),
            action="registry_show_id",
            subject=record.handle,
            now=here.clock.now(),
        )
    return record.person


def registry_requeue(
    ctx: typer.Context,
    handle: Annotated[str, typer.Argument(metavar="HANDLE", help=mark("For example Q311."))],
    by: Annotated[str | None, BY] = None,
    config: Annotated[str | None, CONFIG] = None,
    format: Annotated[str, _FORMAT] = "text",
) -> int:
    from mitrarr_runner.intake.register import requeue
    from mitrarr_runner.store import audit

    here = session(ctx)
    wanted = output_format(format)
    found = place_with(here, config, with_work)
    with Reading(found) as reading:
        record = _record(reading, handle)
    source = source_of(found.manifest, record.source)
    actor = here.actor(by)
    with found.open_store() as db:
        done = requeue(db, found.site, source, record.handle, clock=here.clock, actor=actor)
        with db.transaction():
            audit.write(
                db,
                actor=actor,
                action="registry_requeue",
                subject=record.handle,
                now=here.clock.now(),
                detail={"outcome": done.outcome.value, "handle": done.handle},
            )
    return tell(here, found, source, done, wanted)


def _record(db: Database | None, handle: str) -> Record:
    from mitrarr_runner.store import registry

    record = None if db is None else registry.show(db, handle.strip())
    if record is None:
        raise UsageError(
            text("there is no file {handle}", handle=safe(handle, 12)),
            code="unknown_handle",
            hint=text("list them: mitrarr registry list"),
        )
    return record


VERBS = (
    Verb(
        "list",
        registry_list,
        mark(
            "The newest files by handle: registered, without a face, quarantined."
            "\n\n\b\nExamples:\n  mitrarr registry list\n"
            "  mitrarr registry list --state quarantined --source DETRAN"
        ),
        "registry",
    ),
    Verb(
        "show",
        registry_show,
        mark(
            "One file: its state, what the checks found and where, and what to do next. The"
            " person's id is shown only with --id.\n\n\b\nExample:\n  mitrarr registry show Q311"
        ),
        "registry",
    ),
    Verb(
        "requeue",
        registry_requeue,
        mark(
            "Judge a quarantined file again, by today's rules of its source. Exit 1 when it is"
            " refused again.\n\n\b\nExample:\n  mitrarr registry requeue Q311"
        ),
        "registry",
    ),
)
