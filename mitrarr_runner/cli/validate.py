"""validate: every problem of a manifest at once."""

from __future__ import annotations

from typing import Annotated

import typer

from mitrarr_runner.cli.place import place
from mitrarr_runner.cli.screen import width
from mitrarr_runner.cli.session import output_format
from mitrarr_runner.cli.verb import Verb, session
from mitrarr_runner.text import mark

_PATH = typer.Argument(
    metavar="[PATH]",
    show_default=False,
    help=mark("Manifest file or folder; default: $MITRARR_CONFIG, then ./configs/prod."),
)
_FORMAT = typer.Option("--format", help=mark("text for people, json for programs."))


def validate(
    ctx: typer.Context,
    path: Annotated[str | None, _PATH] = None,
    format: Annotated[str, _FORMAT] = "text",
) -> int:
    from mitrarr_runner.engine import validate as checking
    from mitrarr_runner.engine.problems_report import last_good, problems_json, problems_text
    from mitrarr_runner.manifest.loaded import find_manifest

    here = session(ctx)
    wanted = output_format(format)
    shown = find_manifest(path, here.environment, here.cwd) or place(here, None).shown or None
    checked = checking.validate(shown, environment=here.environment, cwd=here.cwd, clock=here.clock)
    errors = bool(checked.errors)
    if wanted == "json":
        here.json(problems_json(checked.problems))
    else:
        old = last_good(checked) if errors else None
        here.print(problems_text(checked, here.say, old, width(here)))
    return 2 if errors else 0


VERBS = (
    Verb(
        "validate",
        validate,
        mark(
            "Show every problem of a manifest, with its place and a hint. Exit 0 good, 2 problems."
            "\n\nExample: mitrarr validate configs/prod"
        ),
    ),
)
