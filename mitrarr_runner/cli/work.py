"""validate, plan, apply, run-schedule, run: from the manifest to the work."""

from __future__ import annotations

from typing import Annotated

import typer

from mitrarr_runner.cli import applying
from mitrarr_runner.cli.place import place
from mitrarr_runner.cli.plan import plan
from mitrarr_runner.cli.session import output_format
from mitrarr_runner.cli.verb import Verb, session
from mitrarr_runner.text import mark

_PATH = typer.Argument(
    metavar="[PATH]",
    show_default=False,
    help=mark("Manifest file or folder; default: $MITRARR_CONFIG, then ./configs/prod."),
)
_WORK = typer.Argument(
    metavar="[PATH]",
    show_default=False,
    help=mark(
        "Manifest file or folder, or a saved plan; default: $MITRARR_CONFIG, then ./configs/prod."
    ),
)
_FORMAT = typer.Option("--format", help=mark("text for people, json for programs."))
_FAIL_IF_BUSY = typer.Option(
    "--fail-if-busy", help=mark("Exit 3 where something was left because it is running already.")
)
_BY = typer.Option("--by", help=mark("Who asks; default: MITRARR_OPERATOR, SUDO_USER, login."))


def validate(
    ctx: typer.Context,
    path: Annotated[str | None, _PATH] = None,
    format: Annotated[str, _FORMAT] = "text",
) -> int:
    from mitrarr_runner.engine import validate as checking
    from mitrarr_runner.engine.problems_report import last_good, problems_json, problems_text
    from mitrarr_runner.manifest.load import find_manifest

    here = session(ctx)
    wanted = output_format(format)
    shown = find_manifest(path, here.environment, here.cwd) or place(here, None).shown or None
    checked = checking.validate(shown, environment=here.environment, cwd=here.cwd, clock=here.clock)
    errors = bool(checked.errors)
    if wanted == "json":
        here.json(problems_json(checked.problems))
    else:
        here.print(problems_text(checked, here.say, last_good(checked) if errors else None))
    return 2 if errors else 0


def apply(
    ctx: typer.Context,
    path: Annotated[str | None, _WORK] = None,
    job: Annotated[str | None, typer.Option("--job", help=mark("Only this job."))] = None,
    format: Annotated[str, _FORMAT] = "text",
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose", "-v", help=mark("Tell everything, as on a terminal, also into a pipe.")
        ),
    ] = False,
    by: Annotated[str | None, _BY] = None,
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
    config: Annotated[
        str | None, typer.Option("--config", help=mark("Manifest file or folder."))
    ] = None,
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
    config: Annotated[
        str | None, typer.Option("--config", help=mark("Manifest file or folder."))
    ] = None,
    by: Annotated[str | None, _BY] = None,
    fail_if_busy: Annotated[bool, _FAIL_IF_BUSY] = False,
) -> int:
    return applying.run_job(session(ctx), job, config, by, fail_if_busy=fail_if_busy)


VERBS = (
    Verb(
        "validate",
        validate,
        mark(
            "Show every problem of a manifest, with its place and a hint. Exit 0 good, 2 problems."
            "\n\nExample: mitrarr validate configs/prod"
        ),
    ),
    Verb(
        "plan",
        plan,
        mark(
            "Show what apply would do now and why, and the next instant with work."
            " Changes nothing.\n\nExample: mitrarr plan --from 2026-11-23 --until 2026-11-24"
        ),
    ),
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
