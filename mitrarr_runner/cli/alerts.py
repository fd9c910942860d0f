"""alerts list, alerts ack: which incidents are open, and who takes one over."""

from __future__ import annotations

from typing import Annotated

import typer

from mitrarr_runner.cli.options import CONFIG
from mitrarr_runner.cli.place import place_with
from mitrarr_runner.cli.reading import Reading, with_work, zone
from mitrarr_runner.cli.screen import show, width
from mitrarr_runner.cli.session import output_format
from mitrarr_runner.cli.verb import Verb, session
from mitrarr_runner.errors import UsageError
from mitrarr_runner.store import incidents
from mitrarr_runner.text import mark, text

_FORMAT = typer.Option("--format", help=mark("text for people, json for programs."))


def listing(
    ctx: typer.Context,
    config: Annotated[str | None, CONFIG] = None,
    format: Annotated[str, _FORMAT] = "text",
) -> int:
    from mitrarr_runner.engine.report.alerts import alerts_json, alerts_text

    here = session(ctx)
    wanted = output_format(format)
    found = place_with(here, config, with_work)
    with Reading(found) as db:
        opened = () if db is None else incidents.open_incidents(db, None)
    if wanted == "json":
        here.json(alerts_json(opened, here.say))
    else:
        at, name = here.clock.now(), found.manifest.name
        show(here, alerts_text(opened, at, zone(found), here.say, width(here), name))
    return 0


def ack(
    ctx: typer.Context,
    handle: Annotated[str, typer.Argument(metavar="HANDLE", help=mark("The incident, e.g. A142."))],
    reason: Annotated[
        str, typer.Option("--reason", help=mark("What is being done: the next shift reads it."))
    ],
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            help=mark(
                "Who takes it; default: MITRARR_OPERATOR, SUDO_USER, the SSH key, the login."
            ),
        ),
    ] = None,
    config: Annotated[str | None, CONFIG] = None,
) -> int:
    from mitrarr_runner.alerts import notify

    here = session(ctx)
    if not reason.strip():
        raise UsageError(
            text("--reason is empty"),
            code="usage",
            hint=text("say what is being done: the next shift will read it"),
        )
    found = place_with(here, config, with_work)
    with found.open_store() as db:
        taken = notify.acknowledge(
            db,
            found.manifest,
            found.site,
            here.clock,
            handle=handle.strip().upper(),
            actor=here.actor(by),
            reason=reason.strip(),
        )
    here.print(text("{handle} is taken over by {actor}", handle=taken.handle, actor=taken.ack_by))
    here.print(text("  no more reminders until it worsens; one notice when it is over"))
    return 0


VERBS = (
    Verb(
        "list",
        listing,
        mark(
            "The incidents that are open, and who took them over."
            "\n\nExample: mitrarr alerts list --format json"
        ),
        group="alerts",
    ),
    Verb(
        "ack",
        ack,
        mark(
            "Take an incident over: no more reminders until it worsens."
            '\n\nExample: mitrarr alerts ack A142 --reason "ticket 71"'
        ),
        group="alerts",
    ),
)
