"""Which verbs are there? One table, in the order people see; texts in the reader's language.

A call imports the family of its own verb and no other: all of them together cost more than most
verbs do (bench/plan.py). Help pages, and words that are no verb, take them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Annotated, Any

import typer

from mitrarr_runner.cli.usage import Page, Pages
from mitrarr_runner.cli.verb import Verb
from mitrarr_runner.text import Catalogue, mark

FAMILIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "validate": ("validate",),
        "plan": ("plan",),
        "work": ("apply", "run-schedule", "run"),
        "look": ("status", "history", "logs"),
        "why": ("why",),
        "operate": ("pause", "resume", "stop"),
        "drain": ("drain",),
        "alerts": ("alerts",),
        "registry": ("registry",),
        "deliveries": ("deliveries",),
        "register": ("register-nist",),
        "send": ("send-to-findface",),
        "clean": ("clean",),
        "watch": ("check-volume", "emit-alert"),
        "nist": ("nist",),
        "cron": ("cron",),
        "doctor": ("doctor",),
        "state": ("state",),
        "state_export": ("state",),
        "sites": ("init", "demo", "serve", "schema"),
    }
)
"""Modules of this folder, and the first words of a call that they answer to."""


def verbs(first: str | None = None) -> tuple[Verb, ...]:
    """The verbs of the families that answer to a call's first word; all where none does."""
    wanted = [name for name, words in FAMILIES.items() if first in words] or list(FAMILIES)
    families = (import_module(f"mitrarr_runner.cli.{name}") for name in wanted)
    return tuple(verb for family in families for verb in family.VERBS)


GROUPS = {
    "alerts": mark("Open incidents: see them, take one over."),
    "registry": mark("Files that were registered or refused, by handle."),
    "deliveries": mark("People on their way to a destination, by handle."),
    "state": mark("The state itself: keep it elsewhere, put it back, look whether it is sound."),
    "nist": mark("Look into one ANSI/NIST file."),
    "cron": mark("Who calls apply each minute: crontab lines or systemd units."),
}

_HELP = mark(
    "Manifests say what must happen; plan shows what would happen and why; apply, called by"
    " system cron, does exactly that once, and leaves proof."
)
_LANGUAGE = mark("--lang en or --lang pt_BR, anywhere in a call: the language of what it prints.")


def build(say: Catalogue, first: str | None = None) -> Any:
    """The command, ready to be called with argv. first: the call's first word, where it has one."""
    words = f"{say(_HELP)}\n\n{say(_LANGUAGE)}"
    app = _typer(words)
    groups = {name: _typer(say(about)) for name, about in GROUPS.items()}
    for name, group in groups.items():
        app.add_typer(group, name=name)
    for verb in verbs(first):
        home = groups[verb.group] if verb.group else app
        home.command(verb.name, cls=Page, help=say(verb.help))(verb.function)
    app.callback(cls=Pages, help=words)(version)
    command = typer.main.get_command(app)
    _translate(command, say)
    return command


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        typer.echo(f"mitrarr {metadata.version('mitrarr')}")
        raise typer.Exit


def version(
    _: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=_show_version,
            help=mark("Show the program's version."),
        ),
    ] = False,
) -> None:
    """The options before any verb."""


def _typer(words: str) -> typer.Typer:
    return typer.Typer(
        cls=Pages,
        help=words,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=False,
        invoke_without_command=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    )


def _translate(command: Any, say: Catalogue) -> None:
    for parameter in command.params:
        if getattr(parameter, "help", None):
            parameter.help = say(parameter.help)
    for below in getattr(command, "commands", {}).values():
        _translate(below, say)
