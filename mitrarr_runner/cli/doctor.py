"""doctor: is this host fit, and what is to be done?"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mitrarr_runner.cli.options import CONFIG
from mitrarr_runner.cli.place import destination_place, place
from mitrarr_runner.cli.screen import width
from mitrarr_runner.cli.session import Session, output_format
from mitrarr_runner.cli.verb import Verb, session
from mitrarr_runner.engine.places import Call
from mitrarr_runner.errors import MitrarrError
from mitrarr_runner.text import mark

if TYPE_CHECKING:
    from mitrarr_runner.engine.doctor.finding import Ground

_DESTINATION = typer.Argument(
    metavar="[DESTINATION]", show_default=False, help=mark("Examine this destination only.")
)
_FORMAT = typer.Option("--format", help=mark("text for people, json for programs."))


def doctor(
    ctx: typer.Context,
    destination: Annotated[str | None, _DESTINATION] = None,
    config: Annotated[str | None, CONFIG] = None,
    format: Annotated[str, _FORMAT] = "text",
) -> int:
    from mitrarr_runner.engine.doctor import report
    from mitrarr_runner.engine.doctor.examine import examine

    here = session(ctx)
    wanted = output_format(format)
    findings = []
    for finding in examine(_ground(here, destination, config)):
        findings.append(finding)
        if wanted == "text":
            for line in report.finding_lines(finding, here.say, width(here)):
                here.print(line)
            here.out.flush()  # a destination may take its time
    if wanted == "json":
        here.json(report.findings_json(findings))
    else:
        here.print()
        here.print(report.verdict(findings))
    return 0 if report.fit(findings) else 1


def _ground(here: Session, destination: str | None, config: str | None) -> Ground:
    from mitrarr_runner.engine.cron.entries import program
    from mitrarr_runner.engine.doctor.finding import Ground

    if destination is None:
        found = place(here, config)
    else:
        found = destination_place(here, config, destination)
    try:
        installed = program(sys.executable)
    except MitrarrError:
        installed = None
    return Ground(found, Call(here.environment, here.cwd), here.clock, installed, destination)


VERBS = (
    Verb(
        "doctor",
        doctor,
        mark(
            "Is this host fit? Looks at everything and mends nothing; exit 1 where there is a"
            " problem.\n\nExample: mitrarr doctor findface"
        ),
    ),
)
