"""pause, resume, stop: what an operator does to jobs and destinations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from mitrarr_runner.cli.options import BY, CONFIG, REASON, UNTIL
from mitrarr_runner.cli.place import Place, destination_place, job_place, resume_place, stop_place
from mitrarr_runner.cli.session import Session
from mitrarr_runner.cli.times import end_of
from mitrarr_runner.cli.verb import Verb, session
from mitrarr_runner.engine import control
from mitrarr_runner.engine.places import declared
from mitrarr_runner.errors import UsageError
from mitrarr_runner.manifest.model import Job
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.pauses import Paused
from mitrarr_runner.text import Text, mark, plural, text

if TYPE_CHECKING:
    from mitrarr_runner.plan import PlannedRun

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
    kind, name = _target(job, destination)
    of_kind = job_place if kind is Paused.JOB else destination_place
    found = of_kind(here, config, name)
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
    kind, name = _target(job, destination)
    found = resume_place(here, config, kind, name)
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
        waiting: tuple[Text, ...] = ()
        if answer.pause is not None and kind is Paused.JOB:
            waiting = _of_slots(db, found, here, name, answer.not_run, catch_up)
    if answer.pause is None:
        here.print(text("{name} was not paused", name=name))
        return 0
    here.print(text("{name} is resumed", name=name))
    now, until = here.clock.now(), answer.pause.until
    span = ((now if until is None else min(now, until)) - answer.pause.at).total_seconds()
    here.print(text("  it was paused for {span}", span=here.say.span(max(0.0, span))))
    for line in waiting:
        here.print(line)
    _tell_next(here, found, kind, name)
    return 0


def _of_slots(
    db: Database,
    found: Place,
    here: Session,
    name: str,
    not_run: int,
    catch_up: bool,
) -> tuple[Text, ...]:
    """What becomes of the slots that passed meanwhile: with catch_up, what the plan says, so that
    no run is promised that the job's own catch_up will not make.
    """
    from mitrarr_runner.engine.state import gather
    from mitrarr_runner.plan import plan

    if not not_run:
        return ()
    if not catch_up:
        return (
            plural(
                "  {count} slot passed meanwhile and is not run (with --catch-up it would be)",
                "  {count} slots passed meanwhile and are not run (with --catch-up they would be)",
                not_run,
            ),
        )
    now = here.clock.now()
    made = plan(found.manifest, gather(db, found.manifest, found.site, here.clock, now), now)
    entries = [one for one in made.entries if one.job == name and one.slot is not None]
    return _caught_up(found.manifest.jobs.get(name), entries, not_run)


def _caught_up(job: Job | None, entries: Sequence[PlannedRun], passed: int) -> tuple[Text, ...]:
    runs = sum(entry.starts for entry in entries)
    lines = []
    if passed and runs == passed:
        lines.append(
            plural(
                "  {count} slot passed meanwhile; the next apply runs it",
                "  {count} slots passed meanwhile; the next apply runs them",
                passed,
            )
        )
    elif passed and job is not None:
        lines.append(
            plural(
                "  {count} slot passed meanwhile; the next apply runs {runs} (catch_up: {policy})",
                "  {count} slots passed meanwhile; the next apply runs {runs} of them"
                " (catch_up: {policy})",
                passed,
                runs=runs,
                policy=job.schedule.catch_up.value,
            )
        )
    return tuple(lines)


def _tell_next(here: Session, found: Place, kind: Paused, name: str) -> None:
    from mitrarr_runner.plan import upcoming

    if name not in declared(found.manifest, kind) and not found.broken:
        here.print(text("  the manifest does not have {name}: nothing is run", name=name))
    if kind is not Paused.JOB:
        return
    now = here.clock.now()
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
    found = stop_place(here, config, job)
    with found.open_store() as db:
        answer = control.stop(
            db,
            found.site,
            here.clock,
            found.manifest.name,
            job,
            actor=here.actor(by),
            reason=reason,
        )
    if answer is None:
        here.print(text("{job} is not running", job=job))
    elif answer.left:
        handle = answer.run.handle
        here.print(text("{run} had lost its worker; what was left of it is ended", run=handle))
    else:
        here.print(text("{run} was asked to end after its batch", run=answer.run.handle))
    return 0


def _target(job: str | None, destination: str | None) -> tuple[Paused, str]:
    if destination is not None and job is None:
        return Paused.DESTINATION, destination
    if job is None or destination is not None:
        raise UsageError(
            text("name one job, or one --destination"),
            code="usage",
            hint=text("for example: mitrarr pause adiciona_nists --reason ..."),
        )
    return Paused.JOB, job


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
