"""apply, as system cron calls it each minute and as a person watches it.

No Typer in here: the door comes straight to `apply` when the words are the plain ones of a crontab
line, because importing a command line costs more than most due work (bench/due.py).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mitrarr_runner.cli.place import Place, job_place, place, unknown_job
from mitrarr_runner.cli.session import Session
from mitrarr_runner.engine.apply import Applied, Listener, Silent, by_hand
from mitrarr_runner.engine.orders import NOBODY, Caller
from mitrarr_runner.engine.tick import Tick, tick, tick_broken
from mitrarr_runner.errors import BusyError, UsageError
from mitrarr_runner.manifest.model import OnBadManifest
from mitrarr_runner.text import Catalogue, text

if TYPE_CHECKING:
    from mitrarr_runner.engine.apply_report import Screen
    from mitrarr_runner.plan import Plan


def apply(
    here: Session,
    path: str | None,
    *,
    job: str | None = None,
    wanted: str = "text",
    verbose: bool = False,
    by: str | None = None,
    fail_if_busy: bool = False,
) -> int:
    """One apply; wanted: text or json; verbose: tell everything even into a pipe. fail_if_busy:
    exit 3 where something due was left, because its job or every place was busy.
    """
    found, reviewed = _reviewed(here, path, job)
    usable = found.usable
    if job is not None and usable is not None and job not in usable.jobs:
        raise unknown_job(job, usable)
    watching = wanted == "text" and (verbose or here.on_terminal)
    caller = Caller(here.actor(by)) if watching or by else NOBODY
    if not watching:
        here = _for_the_mail(here, found)
    screen = _screen(here, found) if watching and usable is not None else None
    listener: Listener = screen or Silent()
    if found.errors:
        done = tick_broken(
            found.name,
            usable,
            found.site,
            here.clock,
            listener,
            count=len(found.errors),
            caller=caller,
            only=job,
        )
        _tell_broken(here, found)
    else:
        done = tick(
            found.manifest,
            found.site,
            here.clock,
            listener,
            root_from=found.root_from,
            loaded=found.validation.loaded,
            caller=caller,
            only=job,
            reviewed=reviewed,
        )
    code = _ended(here, found, done, wanted, screen)
    if code == 0 and fail_if_busy and done.applied is not None and _busy(done.applied):
        return BusyError.exit_code
    return code


def _for_the_mail(here: Session, found: Place) -> Session:
    """What cron mails is written in the manifest's language: cron has no locale to follow."""
    language = found.manifest.settings.language
    if language is None or here.environment.get("MITRARR_LANG"):
        return here
    return replace(here, say=Catalogue(language))


def _reviewed(here: Session, path: str | None, job: str | None) -> tuple[Place, Plan | None]:
    """The place of a path; of a saved plan, its manifest's place and what may be done of it."""
    if path is None or not _is_saved_plan(here.cwd / path):
        return place(here, path), None
    from mitrarr_runner.cli.saved import judged

    if job is not None:
        raise UsageError(text("a saved plan is done whole: without --job"), code="usage")
    return judged(here, path)


def _is_saved_plan(path: Path) -> bool:
    """As `saved_file.recognised`, without its imports: most applies are cron's."""
    try:
        with path.open("rb") as file:
            return file.read(21) == b'{"kind": "saved_plan"'
    except OSError:
        return False


def _busy(applied: Applied) -> bool:
    """Whether something due was left because its job, what it needs or every place was busy."""
    waiting = ("overlap", "queue_full", "queued", "backlog", "need_running", "need_waits")
    left = any(one.run is None and one.outcome is None for one in applied.ended)
    held = any(entry.code in waiting for entry in applied.plan.entries)
    return held or left or bool(applied.left)


def _screen(here: Session, found: Place) -> Screen:
    from mitrarr_runner.cli.progress import Line
    from mitrarr_runner.cli.screen import width
    from mitrarr_runner.engine.apply_report import Screen
    from mitrarr_runner.engine.report.standing import before

    assert found.usable is not None  # noqa: S101 - the caller has looked
    line = Line(here.out, here.say, here.clock) if here.on_terminal else None
    since = before(found.site, found.name, here.clock)
    return Screen(found.usable, found.shown, here.say, here.print, line, since, width(here))


def _tell_broken(here: Session, found: Place) -> None:
    """apply says it in a few lines; validate has the whole of it."""
    for problem in found.errors[:3]:
        where = problem.file
        if problem.line is not None:
            where += f":{problem.line}:{problem.column or 1}"
        here.warn(text("error: {message}", message=f"{where}  {here.say(problem.message)}"))
    usable = found.usable
    if usable is not None and usable.settings.on_bad_manifest is OnBadManifest.LAST_GOOD:
        old = usable.fingerprint
        here.warn(text("  -> the last good manifest ({old}) is in use", old=old))
    else:
        here.warn(text("  -> nothing is run until it is mended"))
    here.warn(text("  -> see every problem: mitrarr validate {path}", path=found.shown))


def _ended(here: Session, found: Place, done: Tick, wanted: str, screen: Screen | None) -> int:
    """Tell the end: all of it to a person, else only what is new."""
    applied, watched = done.applied, done.watched
    news = (*watched.opened, *watched.worsened, *watched.closed)
    if wanted == "json":
        _json(here, applied, [str(line) for line in news])
    elif screen is not None and applied is not None:
        for line in watched.closed:  # what opened or worsened stands among what needs somebody
            here.print(line)
        _whole_end(here, found, applied, screen)
    else:
        for line in news:
            here.print(line)
    if applied is not None and applied.signal is not None:
        return 128 + applied.signal
    if found.errors:
        return 2
    return 1 if applied is not None and applied.failed else 0


def _json(here: Session, applied: Applied | None, news: list[str]) -> None:
    from mitrarr_runner.engine.apply_report import applied_json

    told = applied_json(applied) if applied is not None else {"runs": []}
    here.json({**told, "news": news})


def _whole_end(here: Session, found: Place, applied: Applied, screen: Screen) -> None:
    from mitrarr_runner.cli.screen import show, width
    from mitrarr_runner.engine.report.ended import ended_text
    from mitrarr_runner.engine.report.standing import standing

    with found.open_store() as db:
        stands = standing(db, found.manifest, found.site, here.clock, broken=found.broken)
    show(here, ended_text(applied, screen.counts, stands, here.say, width(here)))


def run_job(
    here: Session,
    job: str,
    config: str | None,
    by: str | None,
    *,
    reason: str = "",
    fail_if_busy: bool = False,
) -> int:
    """One job now, in the foreground; with a broken manifest as its last good version has it."""
    found = job_place(here, config, job)
    if found.usable is None or job not in found.usable.jobs:
        raise UsageError(
            text("{job} cannot be run: no good manifest has it", job=job),
            code="manifest",
            hint=text("see every problem: mitrarr validate {path}", path=found.shown),
        )
    if _is_running(here, found, job):
        return BusyError.exit_code if fail_if_busy else 0
    screen = _screen(here, found)
    caller = Caller(here.actor(by), reason)
    plan = by_hand(found.usable, job, here.clock.now())
    if found.errors:
        _tell_broken(here, found)
        done = tick_broken(
            found.name,
            found.usable,
            found.site,
            here.clock,
            screen,
            count=len(found.errors),
            caller=caller,
            reviewed=plan,
        )
    else:
        done = tick(
            found.usable,
            found.site,
            here.clock,
            screen,
            root_from=found.root_from,
            loaded=found.validation.loaded,
            caller=caller,
            reviewed=plan,
        )
    code = _ended(here, found, done, "text", screen)
    return _of_run(code, done.applied, fail_if_busy)


def _of_run(code: int, applied: Applied | None, fail_if_busy: bool) -> int:
    """The run's own exit code, also on a last good manifest: the job that was asked for did run.

    Stopped or replaced is 1 here: whoever typed it waits for the job's work, and it is not done.
    """
    if applied is None or applied.interrupted:
        return code
    if any(one.outcome is None for one in applied.ended) or applied.left:
        return BusyError.exit_code if fail_if_busy else 0
    return 1 if applied.failed or applied.broken_off else 0


def _is_running(here: Session, found: Place, job: str) -> bool:
    """Whether the job runs already; the person is told. One that replaces is started anyway."""
    from mitrarr_runner.engine.control import alive
    from mitrarr_runner.manifest.model import Overlap

    if found.manifest.jobs[job].overlap is Overlap.REPLACE:
        return False
    with found.open_store() as db:
        running = alive(db, found.site, here.clock, found.manifest.name, job)
    if running is None:
        return False
    span = here.say.span(max(0.0, (here.clock.now() - running.started_at).total_seconds()))
    here.print(
        text("{job} is running already: {run}, for {span}", job=job, run=running.handle, span=span)
    )
    here.print(text("  follow it: {command}", command=f"mitrarr logs {job} --follow"))
    return True
