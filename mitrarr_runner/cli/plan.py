"""plan: what would happen, upon which state, in which form; kept in a file, shown from one."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from mitrarr_runner.cli.options import MANIFEST_OR_PLAN
from mitrarr_runner.cli.place import Place, place, strict
from mitrarr_runner.cli.screen import width
from mitrarr_runner.cli.session import Session, output_format
from mitrarr_runner.cli.times import instant
from mitrarr_runner.cli.verb import Verb, session
from mitrarr_runner.errors import UsageError
from mitrarr_runner.text import Text, mark, text

if TYPE_CHECKING:
    from mitrarr_runner.engine.preview import Preview
    from mitrarr_runner.manifest.model import Job

FORMATS = ("text", "json", "md")
SOMETHING_TO_DO = 10

_AT = typer.Option("--at", help=mark("Plan as of this time instead of now (changes nothing)."))
_FROM = typer.Option("--from", help=mark("List every slot from this time on."))
_UNTIL = typer.Option("--until", help=mark("... and before this time."))
_AGAINST = typer.Option(
    "--against", help=mark("Plan PATH upon the state of this manifest, and say what moves.")
)
_STATE = typer.Option(
    "--state",
    help=mark(
        "Plan upon a file made by: state export --review FILE. With --against: the file's state,"
        " and what changes against that manifest."
    ),
)
_OUT = typer.Option("--out", help=mark("Keep the plan in this file, for: apply FILE."))
_FORMAT = typer.Option(
    "--format", help=mark("text for people, json for programs, md for a merge request.")
)
_DETAILED = typer.Option("--detailed-exitcode", help=mark("Exit 10 when there is something to do."))


@dataclass(frozen=True, slots=True)
class _Asked:
    """The options of one call, as typed."""

    path: str | None
    at: str | None
    start: str | None
    end: str | None
    against: str | None
    state: str | None
    out: str | None


def plan(
    ctx: typer.Context,
    path: Annotated[str | None, MANIFEST_OR_PLAN] = None,
    at: Annotated[str | None, _AT] = None,
    start: Annotated[str | None, _FROM] = None,
    end: Annotated[str | None, _UNTIL] = None,
    against: Annotated[str | None, _AGAINST] = None,
    state: Annotated[str | None, _STATE] = None,
    out: Annotated[str | None, _OUT] = None,
    format: Annotated[str, _FORMAT] = "text",
    detailed_exitcode: Annotated[bool, _DETAILED] = False,
) -> int:
    from mitrarr_runner.engine import saved_file
    from mitrarr_runner.manifest import garbage

    here = session(ctx)
    wanted = output_format(format, FORMATS)
    asked = _Asked(path, at, start, end, against, state, out)
    _check(asked, detailed=detailed_exitcode)
    with garbage.left_alone():  # a plan of thousands of jobs is made once and thrown away whole
        if path is not None and saved_file.recognised(here.cwd / path):
            shown = _saved(here, asked)
        elif start is not None or end is not None:
            return _slots(here, asked, wanted)
        else:
            shown = _planned(here, asked)
        _print(here, shown, wanted)
    return SOMETHING_TO_DO if detailed_exitcode and shown.plan.starting else 0


def _check(asked: _Asked, *, detailed: bool) -> None:
    """Refuse options that contradict each other."""
    if (asked.start is None) != (asked.end is None):
        raise UsageError(
            text("--from and --until go together"),
            code="usage",
            hint=text("for example: --from 2026-11-23T00:00 --until 2026-11-24T00:00"),
        )
    others = {
        "--at": asked.at,
        "--against": asked.against,
        "--state": asked.state,
        "--out": asked.out,
    }
    given = [name for name, value in others.items() if value is not None]
    given += ["--detailed-exitcode"] if detailed else []
    if asked.start is not None and given:
        raise _apart("--from", given[0], text("slots depend on the manifest alone"))
    if asked.out is not None and (asked.against or asked.state):
        other = "--against" if asked.against else "--state"
        reason = text("what is kept is to be applied here, upon the manifest's own state")
        raise _apart("--out", other, reason)


def _apart(one: str, other: str, reason: Text) -> UsageError:
    return UsageError(
        text("{one} and {other} do not go together", one=one, other=other),
        code="usage",
        hint=reason,
    )


def _planned(here: Session, asked: _Asked) -> Preview:
    from mitrarr_runner.engine import planning, saved_file

    found = strict(here, asked.path)
    if asked.state is not None:
        from mitrarr_runner.engine import review_state

        state = review_state.read(here.cwd / asked.state)
        old = _usable(here, asked.against) if asked.against is not None else None
        return planning.away(found, state, old, _now(here, asked, found, state.at))
    now = _now(here, asked, found, here.clock.now().replace(microsecond=0))
    if asked.against is not None:
        return planning.against(found, _usable(here, asked.against), here.clock, now)
    shown = planning.of_site(found, here.clock, now)
    if asked.out is not None:
        content = found.validation.loaded.data
        saved_file.write(here.cwd / asked.out, shown, content, found.site.root)
        here.warn(text("kept: to do exactly this, mitrarr apply {file}", file=asked.out))
    return shown


def _usable(here: Session, path: str) -> Place:
    """A manifest that is applied somewhere: its last good version while it is broken."""
    found = place(here, path)
    return found if found.usable is not None else strict(here, path)


def _now(here: Session, asked: _Asked, found: Place, otherwise: datetime) -> datetime:
    if asked.at is None:
        return otherwise
    return instant(asked.at, found.manifest.settings.timezone).astimezone(UTC)


def _saved(here: Session, asked: _Asked) -> Preview:
    """A saved plan as it was; on standard error, whether it may still be done."""
    from mitrarr_runner.engine import saved_file

    if asked.at or asked.start or asked.against or asked.state or asked.out:
        raise UsageError(
            text("a saved plan is shown as it is: only --format goes with it"),
            code="usage",
            hint=text("plan anew: mitrarr plan [PATH]"),
        )
    saved = saved_file.read(here.cwd / str(asked.path))
    here.warn(_standing(here, asked, saved.path))
    return saved.preview


def _standing(here: Session, asked: _Asked, manifest: Path) -> Text:
    from mitrarr_runner.cli.saved import judged

    try:
        judged(here, str(asked.path))
    except UsageError as error:
        return error.message
    return text("still good: mitrarr apply {file}", file=str(asked.path))


def _print(here: Session, shown: Preview, wanted: str) -> None:
    from mitrarr_runner.engine import plan_json, plan_markdown, plan_report

    if wanted == "json":
        here.json(plan_json.plan_json(shown))
        return
    if wanted == "md":
        lines = plan_markdown.plan_markdown(shown, here.say)
    else:
        lines = plan_report.plan_text(shown, here.say, width(here))
    for line in lines:
        here.print(line)


def _slots(here: Session, asked: _Asked, wanted: str) -> int:
    from mitrarr_runner.engine import plan_json, plan_markdown, plan_report

    found = strict(here, asked.path)
    zone = found.manifest.settings.timezone
    first, last = (instant(value or "", zone).astimezone(UTC) for value in (asked.start, asked.end))
    if last < first:
        raise UsageError(text("--until is before --from"), code="usage")
    slots = _between(found, first, last)
    if wanted == "json":
        here.write_json(plan_json.slots_lines(slots, found.manifest))
        return 0
    slot = next(slots, None)
    if slot is None:
        here.print(here.say(_no_slot(here, first, last, ZoneInfo(zone))))
        return 0
    slots = chain([slot], slots)
    render = plan_markdown.slots_markdown if wanted == "md" else plan_report.slots_text
    for line in render(slots, found.manifest, here.say):
        here.print(line)
    return 0


def _no_slot(here: Session, first: datetime, last: datetime, zone: ZoneInfo) -> Text:
    seconds = bool(first.second or last.second)
    start, end = (here.say.moment(at, zone, seconds=seconds) for at in (first, last))
    return text("no slot from {start} to {end}", start=start, end=end)


def _between(found: Place, first: datetime, last: datetime) -> Iterator[tuple[str, datetime]]:
    """(job, slot) by time and then by name, one at a time, however many there are."""
    streams = (_named(job, first, last) for job in found.manifest.jobs.values())
    return ((name, slot) for slot, name in heapq.merge(*streams))


def _named(job: Job, first: datetime, last: datetime) -> Iterator[tuple[datetime, str]]:
    from mitrarr_runner.plan import slots_between

    return ((slot, job.name) for slot in slots_between(job, first, last))


VERBS = (
    Verb(
        "plan",
        plan,
        mark(
            "Show what apply would do now and why, and the next instant with work."
            " Changes nothing.\n\nExample: mitrarr plan --from 2026-11-23 --until 2026-11-24"
        ),
    ),
)
