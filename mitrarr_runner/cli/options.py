"""Options that several verbs share, each declared once."""

from __future__ import annotations

import typer

from mitrarr_runner.text import mark

CONFIG = typer.Option(
    "--config", help=mark("Manifest file or folder; default: $MITRARR_CONFIG, then ./configs/prod.")
)
BY = typer.Option(
    "--by",
    help=mark("Who asks; default: MITRARR_OPERATOR, SUDO_USER, the SSH key, the login."),
)
REASON = typer.Option("--reason", help=mark("Why: the next shift will read it."))
UNTIL = typer.Option("--until", help=mark("When it ends by itself, e.g. 2026-11-23T18:00."))
MANIFEST_OR_PLAN = typer.Argument(
    metavar="[PATH]",
    show_default=False,
    help=mark(
        "Manifest file or folder, or a saved plan; default: $MITRARR_CONFIG, then ./configs/prod."
    ),
)
