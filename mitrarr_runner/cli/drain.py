"""drain: finish what runs and start nothing new, until somebody says otherwise."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from mitrarr_runner.cli.options import BY, CONFIG, REASON, UNTIL
from mitrarr_runner.cli.place import Place, place_with
from mitrarr_runner.cli.progress import Line
from mitrarr_runner.cli.reading import with_work, zone
from mitrarr_runner.cli.session import Session
from mitrarr_runner.cli.times import end_of
from mitrarr_runner.cli.verb import Verb, session
from mitrarr_runner.engine import control
from mitrarr_runner.errors import BusyError, UsageError
from mitrarr_runner.store import drains
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.runs import Run
from mitrarr_runner.text import Text, mark, plural, text

_LOOK = 0.25
"""Seconds between two looks at what still runs."""

_NAMED = 5
"""Runs and jobs that are told one by one."""


def drain(
    ctx: typer.Context,
    seconds: Annotated[
        float | None,
        typer.Argument(
            metavar="[SECONDS]",
            show_default=False,
            min=0,
            help=mark("With --wait: at most that long, else exit 3. Default: until nothing runs."),
        ),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help=mark("Wait until no run is in progress."))
    ] = False,
    off: Annotated[bool, typer.Option("--off", help=mark("Start runs again."))] = False,
    until: Annotated[str | None, UNTIL] = None,
    reason: Annotated[str, REASON] = "",
    by: Annotated[str | None, BY] = None,
    config: Annotated[str | None, CONFIG] = None,
) -> int:
    here = session(ctx)
    if off and (wait or until is not None):
        other = "--wait" if wait else "--until"
        raise UsageError(text("--off and {other} do not go together", other=other), code="usage")
    if seconds is not None and not wait:
        raise UsageError(
            text("SECONDS goes with --wait"),
            code="usage",
            hint=text("for example: mitrarr drain --wait 600"),
        )
    found = _place(here, config)
    if off:
        return _off(here, found, by, reason)
    end = end_of(until, found.manifest.settings.timezone, here.clock.now())
    with found.open_store() as db:
        answer = control.drain(
            db,
            found.site,
            here.clock,
            found.manifest.name,
            actor=here.actor(by),
            reason=reason,
            until=end,
        )
    _tell(here, found, answer, waiting=wait)
    if wait:
        with found.open_store() as db:
            _wait(db, here, found, seconds)
    return 0


def _place(here: Session, config: str | None) -> Place:
    found = place_with(here, config, with_work)
    if found.usable is None:
        here.warn(text("warning: the manifest cannot be read; {name} is taken", name=found.name))
    elif found.manifest.path is None:
        raise UsageError(
            text("there is no manifest here"),
            code="no_manifest",
            hint=text("name it: {command}", command="mitrarr drain --config PATH"),
        )
    return found


def _tell(here: Session, found: Place, answer: control.DrainAnswer, *, waiting: bool) -> None:
    drain, who = answer.drain, {"name": found.manifest.name, "actor": answer.drain.actor}
    told = text("{name} is draining, by {actor}: nothing new is started", **who)
    if answer.already:
        told = text(
            "{name} was draining already, by {actor}, since {since}; that stays",
            **who,
            since=here.say.moment(drain.at, zone(found), seconds=False),
        )
    elif drain.until is not None:
        told = text(
            "{name} is draining until {until}, by {actor}: nothing new is started",
            **who,
            until=here.say.moment(drain.until, zone(found), seconds=False),
        )
    here.print(told)
    for run in answer.running[:_NAMED]:
        here.print(text("  {run} of {job} goes on to its end", run=run.handle, job=run.job))
    more = len(answer.running) - _NAMED
    if more > 0:
        here.print(plural("  and {count} more", "  and {count} more", more))
    if not answer.running and not waiting:
        here.print(text("  nothing is running"))
    here.print(text("  slots that pass meanwhile wait; afterwards each job's catch_up decides"))
    here.print(text("  end it: {command}", command="mitrarr drain --off"))


def _off(here: Session, found: Place, by: str | None, reason: str) -> int:
    with found.open_store() as db:
        answer = control.undrain(
            db, found.site, here.clock, found.manifest, actor=here.actor(by), reason=reason
        )
    name = found.manifest.name
    if answer.drain is None:
        here.print(text("{name} was not draining", name=name))
        return 0
    lasted = (here.clock.now() - answer.drain.at).total_seconds()
    here.print(text("{name} starts runs again", name=name))
    here.print(text("  it was draining for {span}", span=here.say.span(max(0.0, lasted))))
    for job, count in list(answer.waiting.items())[:_NAMED]:
        here.print(_passed(found, job, count))
    more = len(answer.waiting) - _NAMED
    if more > 0:
        here.print(plural("  and {count} more job", "  and {count} more jobs", more))
    return 0


def _passed(found: Place, job: str, count: int) -> Text:
    policy = found.manifest.jobs[job].schedule.catch_up.value
    return plural(
        "  {job}: {count} slot passed meanwhile; the next apply decides (catch_up: {policy})",
        "  {job}: {count} slots passed meanwhile; the next apply decides (catch_up: {policy})",
        count,
        job=job,
        policy=policy,
    )


def _wait(db: Database, here: Session, found: Place, seconds: float | None) -> None:
    """Until nothing runs; BusyError when it still does after `seconds`, or when somebody ends the
    drain meanwhile.
    """
    began = here.clock.monotonic()
    line = Line(here.out, here.say, here.clock) if here.on_terminal else None
    told = ""
    try:
        while running := _running(db, here, found):
            waited = here.clock.monotonic() - began
            if seconds is not None and waited >= seconds:
                raise _busy(here, running, waited)
            words = here.say(_waiting(running))
            if line is not None:
                line.tell(f"{words}  {here.say.span(waited)}")
            elif words != told:
                here.print(words)
                here.out.flush()
                told = words
            time.sleep(_LOOK)
    finally:
        if line is not None:
            line.clear()
    here.print(text("  nothing is running any more"))


def _running(db: Database, here: Session, found: Place) -> tuple[Run, ...]:
    name = found.manifest.name
    if drains.of(db, name, here.clock.now()) is None:
        raise BusyError(text("somebody has ended the drain of {name}", name=name), code="busy")
    return control.all_alive(db, found.site, here.clock, name)


def _waiting(running: tuple[Run, ...]) -> Text:
    shown = ", ".join(f"{run.job} ({run.handle})" for run in running[:_NAMED])
    more = len(running) - _NAMED
    if more > 0:
        return text("  waiting for {runs} and {count} more", runs=shown, count=more)
    return text("  waiting for {runs}", runs=shown)


def _busy(here: Session, running: tuple[Run, ...], waited: float) -> BusyError:
    return BusyError(
        plural(
            "{count} run still goes on after {span}: {first}",
            "{count} runs still go on after {span}: {first} ...",
            len(running),
            span=here.say.span(waited),
            first=f"{running[0].job} ({running[0].handle})",
        ),
        code="busy",
        hint=text(
            "the drain stays; wait again: {wait}, or end it: {stop}",
            wait="mitrarr drain --wait",
            stop=f"mitrarr stop {running[0].job}",
        ),
    )


VERBS = (
    Verb(
        "drain",
        drain,
        mark(
            "Finish what runs and start nothing new, before an upgrade or a reboot. Slots that"
            " pass meanwhile are not lost: when it ends, each job's catch_up decides."
            "\n\n\b\nExamples:\n"
            '  mitrarr drain --wait 600 --reason "reboot at 18:00"\n  mitrarr drain --off'
        ),
    ),
)
