"""status, history, logs: looking in. Nothing here changes anything."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from mitrarr_runner.cli.options import CONFIG
from mitrarr_runner.cli.place import Place, job_place, place, place_with
from mitrarr_runner.cli.reading import run_named
from mitrarr_runner.cli.screen import show, width
from mitrarr_runner.cli.session import Session, output_format
from mitrarr_runner.cli.verb import Verb, session
from mitrarr_runner.engine.report.history import History, RunLog
from mitrarr_runner.errors import UsageError
from mitrarr_runner.manifest.model import Manifest
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.runs import Run
from mitrarr_runner.text import mark, text

_FORMAT = typer.Option("--format", help=mark("text for people, json for programs."))


def status(
    ctx: typer.Context,
    path: Annotated[
        str | None,
        typer.Argument(
            metavar="PATH", show_default=False, help=mark("Manifest file or folder, as --config.")
        ),
    ] = None,
    config: Annotated[str | None, CONFIG] = None,
    format: Annotated[str, _FORMAT] = "text",
) -> int:
    from mitrarr_runner.engine.report.standing import standing
    from mitrarr_runner.engine.report.status import status_json, status_text

    here = session(ctx)
    wanted = output_format(format)
    found = place_with(here, path or config, _main)
    db = found.open_readonly()
    try:
        now = standing(db, found.manifest, found.site, here.clock, broken=found.broken)
    finally:
        if db is not None:
            db.close()
    if wanted == "json":
        here.json(status_json(now))
    else:
        show(here, status_text(now, here.say, width(here)))
    return 0


def _main(manifest: Manifest) -> bool:
    """Of several manifests of a site, the one that does the work (not the guardian)."""
    return bool(manifest.sources or manifest.destinations)


def history(
    ctx: typer.Context,
    job: Annotated[
        str | None,
        typer.Argument(metavar="JOB", show_default=False, help=mark("Only this job.")),
    ] = None,
    limit: Annotated[
        int,
        typer.Option(
            "--limit", min=1, help=mark("How many lines (with --format json: how many runs).")
        ),
    ] = 20,
    config: Annotated[str | None, CONFIG] = None,
    format: Annotated[str, _FORMAT] = "text",
) -> int:
    from mitrarr_runner.engine.report.history import history_json, history_text

    here = session(ctx)
    wanted = output_format(format)
    found = place_of(here, config, job) if job else place_with(here, config, _main)
    db = found.open_readonly()
    try:
        past = _history(db, found, here, job, limit, wanted)
    finally:
        if db is not None:
            db.close()
    if wanted == "json":
        here.json(history_json(past, here.say))
    else:
        show(here, history_text(past, here.say, width(here), limit))
    return 0


def _history(
    db: Database | None, found: Place, here: Session, job: str | None, limit: int, wanted: str
) -> History:
    from mitrarr_runner.engine.report import past

    zone, now = ZoneInfo(found.manifest.settings.timezone), here.clock.now()
    if db is None:
        return History((), (), (), now, zone)
    read = past.for_programs if wanted == "json" else past.for_people
    name = found.manifest.name
    return read(db, name, job, limit, History((), (), _lost(db, found, here), now, zone))


def _lost(db: Database, found: Place, here: Session) -> frozenset[int]:
    """Runs without an end that nobody works on any more."""
    from mitrarr_runner.engine.state import is_lost
    from mitrarr_runner.store import runs

    name = found.manifest.name
    return frozenset(
        run.id for run in runs.unfinished(db, name) if is_lost(run, name, found.site, here.clock)
    )


def logs(
    ctx: typer.Context,
    job: Annotated[str, typer.Argument(metavar="JOB", help=mark("The job's name."))],
    run: Annotated[
        str | None, typer.Option("--run", help=mark("Another run than the newest, e.g. r12."))
    ] = None,
    lines: Annotated[
        int | None, typer.Option("--lines", min=1, help=mark("Only the last lines."))
    ] = None,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow", "-f", help=mark("Go on with the running (or next) run until it ends.")
        ),
    ] = False,
    config: Annotated[str | None, CONFIG] = None,
    format: Annotated[str, _FORMAT] = "text",
) -> int:
    from mitrarr_runner.engine.report.history import log_json, log_text

    here = session(ctx)
    wanted = output_format(format)
    if follow and wanted == "json":
        raise UsageError(text("--follow is for people: there is no JSON of it"), code="usage")
    found = place_of(here, config, job)
    if follow:
        from mitrarr_runner.cli.follow import Following

        return Following(here, found, job).to_the_end(run, lines)
    db = found.open_readonly()
    try:
        log = _log(db, found, here, job, run, lines)
    finally:
        if db is not None:
            db.close()
    if wanted == "json":
        here.json(log_json(job, log))
    else:
        show(here, log_text(job, log, here.say))
    return 0


def _log(
    db: Database | None, found: Place, here: Session, job: str, wanted: str | None, last: int | None
) -> RunLog | None:
    from mitrarr_runner.store import runs

    run: Run | None = None
    if db is not None and wanted is None:
        newest = runs.history(db, found.manifest.name, job=job, limit=1)
        run = newest[0] if newest else None
    elif wanted is not None:
        run = run_named(db, job, wanted)
    if db is None or run is None:
        return None
    return RunLog(
        run,
        run.id in _lost(db, found, here),
        _output(found, run, last),
        here.clock.now(),
        ZoneInfo(found.manifest.settings.timezone),
    )


def _output(found: Place, run: Run, last: int | None) -> list[str] | None:
    """What the run printed; bytes that are not UTF-8 are replaced."""
    path = found.site.run_logs / run.job / f"{run.id}.log"
    try:
        content = path.read_bytes()
    except OSError:
        return None
    lines = content.decode("utf-8", "replace").split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.rstrip("\r") for line in (lines if last is None else lines[-last:])]


def place_of(here: Session, config: str | None, job: str) -> Place:
    """The place of a job of a manifest, or of one that was: its past can still be looked at."""
    from mitrarr_runner.store import jobs, runs

    usual = place(here, config)
    if job not in usual.manifest.jobs:
        db = usual.open_readonly()
        if db is not None:
            with db:
                name = usual.manifest.name
                if job in jobs.remembered(db, name) or runs.history(db, name, job=job, limit=1):
                    return usual
    return job_place(here, config, job)


VERBS = (
    Verb(
        "status",
        status,
        mark(
            "How it stands, on one screen: the verdict first, then what needs you, with the"
            " command to type; then jobs, intake and queue. Changes nothing; exit 0 whatever it"
            " finds.\n\n\b\nExamples:\n  mitrarr status\n  mitrarr status --format json"
        ),
    ),
    Verb(
        "history",
        history,
        mark(
            "What ran, what was not run and why; the newest first."
            "\n\n\b\nExamples:\n  mitrarr history\n  mitrarr history adiciona_nists --limit 50"
        ),
    ),
    Verb(
        "logs",
        logs,
        mark(
            "What the newest run of a job printed, or another run's output."
            "\n\n\b\nExamples:\n  mitrarr logs adiciona_nists\n"
            "  mitrarr logs adiciona_nists --follow\n"
            "  mitrarr logs adiciona_nists --run r12 --lines 20"
        ),
    ),
)
