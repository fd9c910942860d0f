"""apply, run-schedule, run: the work itself."""

from __future__ import annotations

from typing import Annotated

import typer

from mitrarr_runner.cli import applying
from mitrarr_runner.cli.options import BY, CONFIG, MANIFEST_OR_PLAN, REASON
from mitrarr_runner.cli.session import output_format
from mitrarr_runner.cli.verb import Verb, session
from mitrarr_runner.text import mark

_FORMAT = typer.Option("--format", help=mark("text for people, json for programs."))
_FAIL_IF_BUSY = typer.Option(
    "--fail-if-busy", help=mark("Exit 3 where something was left because it is running already.")
)


def apply(
    ctx: typer.Context,
    path: Annotated[str | None, MANIFEST_OR_PLAN] = None,
    job: Annotated[str | None, typer.Option("--job", help=mark("Only this job."))] = None,
    format: Annotated[str, _FORMAT] = "text",
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose", "-v", help=mark("Tell everything, as on a terminal, also into a pipe.")
        ),
    ] = False,
    by: Annotated[str | None, BY] = None,
    fail_if_busy: Annotated[bool, _FAIL_IF_BUSY] = False,
) -> int:
    return applying.apply(
        session(ctx),
        path,
        job=job,
        wanted=output_format(format),
        verbose=verbose,
        by=by,
        fail_if_busy=fail_if_busy,
    )


def run_schedule(
    ctx: typer.Context,
    config: Annotated[str | None, CONFIG] = None,
    format: Annotated[str, _FORMAT] = "text",
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose", "-v", help=mark("Tell everything, as on a terminal, also into a pipe.")
        ),
    ] = False,
) -> int:
    return applying.apply(session(ctx), config, wanted=output_format(format), verbose=verbose)


def run(
    ctx: typer.Context,
    job: Annotated[str, typer.Argument(help=mark("The job to run now, in the foreground."))],
    config: Annotated[str | None, CONFIG] = None,
    reason: Annotated[str, REASON] = "",
    by: Annotated[str | None, BY] = None,
    fail_if_busy: Annotated[bool, _FAIL_IF_BUSY] = False,
) -> int:
    here = session(ctx)
    return applying.run_job(here, job, config, by, reason=reason, fail_if_busy=fail_if_busy)


VERBS = (
    Verb(
        "apply",
        apply,
        mark(
            "Do what is due, once. Called by system cron; silent there unless an incident opens,"
            " worsens or closes.\n\nExample: mitrarr apply configs/prod"
        ),
    ),
    Verb("run-schedule", run_schedule, mark("The tutorial's name of apply.")),
    Verb(
        "run",
        run,
        mark("Run one job now, in the foreground.\n\nExample: mitrarr run adiciona_nists"),
    ),
)
