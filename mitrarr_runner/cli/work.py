"""validate, plan, apply, run-schedule, run: from the manifest to the work."""

from __future__ import annotations

from typing import Annotated

import typer

from mitrarr_runner.cli import applying
from mitrarr_runner.cli.place import Place, strict
from mitrarr_runner.cli.session import Session, output_format
from mitrarr_runner.cli.times import instant
from mitrarr_runner.cli.verb import Verb, session
from mitrarr_runner.clock import FixedClock
from mitrarr_runner.errors import UsageError
from mitrarr_runner.text import mark, text

_PATH = typer.Argument(
    metavar="[PATH]",
    show_default=False,
    help=mark("Manifest file or folder; default: $MITRARR_CONFIG, then ./configs/prod."),
)
_FORMAT = typer.Option("--format", help=mark("text for people, json for programs."))
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
    shown = find_manifest(path, here.environment, here.cwd)
    checked = checking.validate(shown, environment=here.environment, cwd=here.cwd, clock=here.clock)
    errors = bool(checked.errors)
    if wanted == "json":
        here.json(problems_json(checked.problems))
    else:
        here.print(problems_text(checked, here.say, last_good(checked) if errors else None))
    return 2 if errors else 0


def plan(
    ctx: typer.Context,
    path: Annotated[str | None, _PATH] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", help=mark("Plan as of this time instead of now (changes nothing).")),
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", help=mark("List every slot from this time on."))
    ] = None,
    end: Annotated[
        str | None, typer.Option("--until", help=mark("... and before this time."))
    ] = None,
    format: Annotated[str, _FORMAT] = "text",
    detailed_exitcode: Annotated[
        bool,
        typer.Option("--detailed-exitcode", help=mark("Exit 10 when there is something to do.")),
    ] = False,
) -> int:
    from mitrarr_runner.engine import plan_report
    from mitrarr_runner.engine.preview import preview
    from mitrarr_runner.engine.state import gather
    from mitrarr_runner.plan import StateView

    here = session(ctx)
    wanted = output_format(format)
    found = strict(here, path)
    manifest = found.manifest
    if start is not None or end is not None:
        return _slots(here, found, start, end, wanted)
    clock = here.clock
    if at is not None:
        clock = FixedClock(instant(at, manifest.settings.timezone))
    now = clock.now()
    store = found.open_readonly()
    view = StateView()
    if store is not None:
        view = gather(store, manifest, found.site, here.clock, now)
    shown = preview(manifest, view, now, found.site, store, found.changes())
    if store is not None:
        store.close()
    if wanted == "json":
        here.json(plan_report.plan_json(shown))
    else:
        for line in plan_report.plan_text(shown, found.shown, here.say):
            here.print(line)
    return 10 if detailed_exitcode and shown.plan.starting else 0


def _slots(here: Session, found: Place, start: str | None, end: str | None, wanted: str) -> int:
    from mitrarr_runner.engine import plan_report
    from mitrarr_runner.plan import slots_between

    if start is None or end is None:
        raise UsageError(
            text("--from and --until go together"),
            code="usage",
            hint=text("for example: --from 2026-11-23T00:00 --until 2026-11-24T00:00"),
        )
    manifest = found.manifest
    zone = manifest.settings.timezone
    first, last = instant(start, zone), instant(end, zone)
    slots = sorted(
        (slot, job.name)
        for job in manifest.jobs.values()
        for slot in slots_between(job, first, last)
    )
    ordered = [(job, slot) for slot, job in slots]
    if wanted == "json":
        here.json(plan_report.slots_json(ordered, manifest))
    else:
        for line in plan_report.slots_text(ordered, manifest, here.say):
            here.print(line)
    return 0


def apply(
    ctx: typer.Context,
    path: Annotated[str | None, _PATH] = None,
    job: Annotated[str | None, typer.Option("--job", help=mark("Only this job."))] = None,
    format: Annotated[str, _FORMAT] = "text",
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose", "-v", help=mark("Tell everything, as on a terminal, also into a pipe.")
        ),
    ] = False,
    by: Annotated[str | None, _BY] = None,
) -> int:
    return applying.apply(
        session(ctx), path, job=job, wanted=output_format(format), verbose=verbose, by=by
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
) -> int:
    return applying.run_job(session(ctx), job, config, by)


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
