"""apply, as system cron calls it each minute and as a person watches it.

No Typer in here: the door comes straight to `apply` when the words are the plain ones of a crontab
line, because importing a command line costs more than most due work (bench/due.py).
"""

from __future__ import annotations

from mitrarr_runner.cli.place import Place, job_place, place, unknown_job
from mitrarr_runner.cli.progress import Line
from mitrarr_runner.cli.session import Session
from mitrarr_runner.engine.apply import Listener, Silent, by_hand
from mitrarr_runner.engine.apply_report import Screen, applied_json, summary
from mitrarr_runner.engine.tick import Tick, tick, tick_broken
from mitrarr_runner.text import text


def apply(
    here: Session,
    path: str | None,
    *,
    job: str | None = None,
    wanted: str = "text",
    verbose: bool = False,
    by: str | None = None,
) -> int:
    """One apply; wanted: text or json; verbose: tell everything even into a pipe."""
    found = place(here, path)
    usable = found.usable
    if job is not None and usable is not None and job not in usable.jobs:
        raise unknown_job(job, usable)
    watching = wanted == "text" and (verbose or here.on_terminal)
    actor = here.actor(by) if watching or by else ""
    screen: Listener = Silent()
    if watching and usable is not None:
        screen = _screen(here, found)
    if found.errors:
        done = tick_broken(
            found.name,
            usable,
            found.site,
            here.clock,
            screen,
            count=len(found.errors),
            actor=actor,
        )
        _tell_broken(here, found)
    else:
        done = tick(
            found.manifest,
            found.site,
            here.clock,
            screen,
            root_from=found.root_from,
            loaded=found.validation.loaded,
            actor=actor,
            only=job,
        )
    return _ended(here, found, done, wanted, watching)


def _screen(here: Session, found: Place) -> Screen:

    usable = found.usable
    assert usable is not None  # noqa: S101 - the caller has looked
    line = Line(here.out, here.say, here.clock) if here.on_terminal else None
    return Screen(usable, found.shown, here.say, here.print, line)


def _tell_broken(here: Session, found: Place) -> None:
    """apply says it in a few lines; validate has the whole of it."""
    for problem in found.errors[:3]:
        where = f"{problem.file}:{problem.line or 1}:{problem.column or 1}"
        here.warn(text("error: {message}", message=f"{where}  {here.say(problem.message)}"))
    if found.usable is not None:
        old = found.usable.fingerprint
        here.warn(text("  -> the last good manifest ({old}) is in use", old=old))
    here.warn(text("  -> see every problem: mitrarr validate {path}", path=found.shown))


def _ended(here: Session, found: Place, done: Tick, wanted: str, watching: bool) -> int:
    applied = done.applied
    news = (*done.watched.opened, *done.watched.worsened, *done.watched.closed)
    if wanted == "json":
        told = applied_json(applied) if applied is not None else {"runs": []}
        here.json({**told, "news": [str(line) for line in news]})
    else:
        if watching and applied is not None:
            for line in summary(applied, here.say):
                here.print(line)
        for text_line in news:
            here.print(text_line)
    if applied is not None and applied.interrupted:
        return 130
    if found.errors:
        return 2
    return 1 if applied is not None and applied.failed else 0


def run_job(here: Session, job: str, config: str | None, by: str | None) -> int:
    """One job now, in the foreground."""
    found = job_place(here, config, job)
    done = tick(
        found.manifest,
        found.site,
        here.clock,
        _screen(here, found),
        root_from=found.root_from,
        loaded=found.validation.loaded,
        actor=here.actor(by),
        reviewed=by_hand(found.manifest, job, here.clock.now()),
    )
    return _ended(here, found, done, "text", True)
