"""why: why did this slot run, or not?"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from mitrarr_runner.cli.look import place_of
from mitrarr_runner.cli.options import CONFIG
from mitrarr_runner.cli.reading import Reading
from mitrarr_runner.cli.screen import show, width
from mitrarr_runner.cli.session import Session, output_format
from mitrarr_runner.cli.times import after_gap, minute
from mitrarr_runner.cli.verb import Verb, session
from mitrarr_runner.text import Text, mark, text


def why(
    ctx: typer.Context,
    job: Annotated[str, typer.Argument(metavar="JOB", help=mark("The job's name."))],
    time: Annotated[
        str,
        typer.Argument(
            metavar="TIME",
            help=mark("The slot, in the job's zone: 03:10 (today), 2026-11-22T03:10."),
        ),
    ],
    config: Annotated[str | None, CONFIG] = None,
    format: Annotated[
        str, typer.Option("--format", help=mark("text for people, json for programs."))
    ] = "text",
) -> int:
    from mitrarr_runner.engine.report.why import why_json, why_text
    from mitrarr_runner.engine.why import Question
    from mitrarr_runner.engine.why import why as ask

    here = session(ctx)
    wanted = output_format(format)
    found = place_of(here, config, job)
    known = found.manifest.jobs.get(job)
    zone = known.schedule.timezone if known else found.manifest.settings.timezone
    now = here.clock.now()
    moved = after_gap(time, known.schedule, now) if known else None
    asked = moved or minute(time, zone, now)
    with Reading(found) as db:
        question = Question(job, known, asked, found.manifest, found.site, here.clock, db, here.say)
        answer = ask(question)
    if wanted == "json":
        here.json(why_json(question, answer))
    else:
        if moved is not None:
            here.print(_jumped(here, time, zone, moved))
        show(here, why_text(question, answer, width(here)))
    return 0


def _jumped(here: Session, time: str, zone: str, slot: datetime) -> Text:
    return text(
        "{time} does not exist in {zone} on that day: the clock jumps over it; due at {slot}",
        time=time,
        zone=zone,
        slot=here.say.hour(slot, ZoneInfo(zone), slot),
    )


VERBS = (
    Verb(
        "why",
        why,
        mark(
            "Why a slot of a job ran or did not: by which run, how late, what each step said; or"
            " missed, skipped, paused, blocked, and by whom. A time to come: what would decide."
            "\n\n\b\nExamples:\n  mitrarr why adiciona_nists 03:10\n"
            "  mitrarr why adiciona_nists 2026-11-22T03:10"
        ),
    ),
)
