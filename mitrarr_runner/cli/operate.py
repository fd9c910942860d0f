"""pause, resume, stop: what an operator does to jobs and destinations."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from mitrarr_runner.cli.options import BY, CONFIG, REASON, UNTIL
from mitrarr_runner.cli.place import Place, destination_place, job_place
from mitrarr_runner.cli.session import Session
from mitrarr_runner.cli.times import end_of
from mitrarr_runner.cli.verb import Verb, session
from mitrarr_runner.engine import control
from mitrarr_runner.errors import UsageError
from mitrarr_runner.store.pauses import Pause, Paused
from mitrarr_runner.text import Text, mark, plural, text

_JOB = typer.Argument(metavar="[JOB]", show_default=False, help=mark("The job's name."))
_DESTINATION = typer.Option("--destination", help=mark("A destination instead of a job."))


def pause(
    ctx: typer.Context,
    job: Annotated[str | None, _JOB] = None,
    destination: Annotated[str | None, _DESTINATION] = None,
    until: Annotated[str | None, UNTIL] = None,
    reason: Annotated[str, REASON] = "",
    by: Annotated[str | None, BY] = None,
    config: Annotated[str | None, CONFIG] = None,
) -> int:
    here = session(ctx)
    kind, name, found = _target(here, job, destination, config)
    end = end_of(until, found.manifest.settings.timezone, here.clock.now())
    found.site.make()
    with found.open_store() as db:
        answer = control.pause(
            db,
            found.site,
            here.clock,
            found.manifest.name,
            kind,
            name,
            actor=here.actor(by),
            reason=reason,
            until=end,
        )
    zone = ZoneInfo(found.manifest.settings.timezone)
    here.print(_paused(answer, here, zone))
    if answer.running is not None:
        here.print(
            text("  {run} goes on; nothing new is started after it", run=answer.running.handle)
        )
    if answer.pause.until is None:
        here.print(text("  no end was given: somebody has to resume it"))
    option = "--destination " if kind is Paused.DESTINATION else ""
    here.print(text("  resume: mitrarr resume {name}", name=option + name))
    return 0


def _paused(answer: control.PauseAnswer, here: Session, zone: ZoneInfo) -> Text:
    pause = answer.pause
    if answer.already:
        since = here.say.moment(pause.at, zone, seconds=False)
        return text(
            "{name} was paused already, by {actor}, since {since}; that pause stays",
            name=pause.name,
            actor=pause.actor,
            since=since,
        )
    if pause.until is None:
        return text("{name} is paused, by {actor}", name=pause.name, actor=pause.actor)
    until = here.say.moment(pause.until, zone, seconds=False)
    return text(
        "{name} is paused until {until}, by {actor}",
        name=pause.name,
        until=until,
        actor=pause.actor,
    )


def resume(
    ctx: typer.Context,
    job: Annotated[str | None, _JOB] = None,
    destination: Annotated[str | None, _DESTINATION] = None,
    catch_up: Annotated[
        bool,
        typer.Option("--catch-up", help=mark("Also run what was due meanwhile (its catch_up).")),
    ] = False,
    reason: Annotated[str, REASON] = "",
    by: Annotated[str | None, BY] = None,
    config: Annotated[str | None, CONFIG] = None,
) -> int:
    here = session(ctx)
    kind, name, found = _target(here, job, destination, config)
    found.site.make()
    with found.open_store() as db:
        answer = control.resume(
            db,
            found.site,
            here.clock,
            found.manifest.name,
            kind,
            name,
            actor=here.actor(by),
            reason=reason,
            job=found.manifest.jobs.get(name) if kind is Paused.JOB else None,
            catch_up=catch_up,
        )
    if answer.pause is None:
        here.print(text("{name} was not paused", name=name))
        return 0
    here.print(text("{name} is resumed", name=name))
    _tell_waiting(here, found, kind, name, answer.pause, answer.not_run, catch_up)
    return 0


def _tell_waiting(
    here: Session,
    found: Place,
    kind: Paused,
    name: str,
    pause: Pause,
    not_run: int,
    catch_up: bool,
) -> None:
    from mitrarr_runner.plan import upcoming

    now: datetime = here.clock.now()
    here.print(
        text("  it was paused for {span}", span=here.say.span((now - pause.at).total_seconds()))
    )
    if kind is not Paused.JOB:
        return
    if not_run and not catch_up:
        here.print(
            plural(
                "  {count} slot passed meanwhile and is not run (with --catch-up it would be)",
                "  {count} slots passed meanwhile and are not run (with --catch-up they would be)",
                not_run,
            )
        )
    job = found.manifest.jobs.get(name)
    following = upcoming(job, now, 1) if job is not None else ()
    if job is not None and following:
        zone = ZoneInfo(job.schedule.timezone)
        hour = here.say.hour(following[0], zone, now)
        here.print(text("  next slot: {hour}", hour=hour))


def stop(
    ctx: typer.Context,
    job: Annotated[str, typer.Argument(help=mark("The job whose run is to end."))],
    reason: Annotated[str, REASON] = "",
    by: Annotated[str | None, BY] = None,
    config: Annotated[str | None, CONFIG] = None,
) -> int:
    here = session(ctx)
    found = job_place(here, config, job)
    with found.open_store() as db:
        run = control.stop(
            db,
            found.site,
            here.clock,
            found.manifest.name,
            job,
            actor=here.actor(by),
            reason=reason,
        )
    if run is None:
        here.print(text("{job} is not running", job=job))
    else:
        here.print(text("{run} was asked to end after its batch", run=run.handle))
    return 0


def _target(
    here: Session, job: str | None, destination: str | None, config: str | None
) -> tuple[Paused, str, Place]:
    if destination is not None and job is None:
        return Paused.DESTINATION, destination, destination_place(here, config, destination)
    if job is None or destination is not None:
        raise UsageError(
            text("name one job, or one --destination"),
            code="usage",
            hint=text("for example: mitrarr pause adiciona_nists --reason ..."),
        )
    return Paused.JOB, job, job_place(here, config, job)


VERBS = (
    Verb(
        "pause",
        pause,
        mark(
            "Start no more runs of a job (or sends to a destination); what runs goes on."
            '\n\nExample: mitrarr pause adiciona_nists --until 2026-11-23T18:00 --reason "SMTP"'
        ),
    ),
    Verb(
        "resume",
        resume,
        mark("End a pause; nothing is replayed.\n\nExample: mitrarr resume adiciona_nists"),
    ),
    Verb(
        "stop",
        stop,
        mark(
            "Ask a job's run to end after its current batch; a command is ended at once."
            '\n\nExample: mitrarr stop adiciona_nists --reason "wrong folder"'
        ),
    ),
)
