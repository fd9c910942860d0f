"""What is a verb of the command line? A function, its name, its help; families of verbs are tuples.

The functions' signatures are Typer's: options are declared with `typer.Option(help=mark("..."))`,
English source texts that `app.build` translates. Every function takes `ctx: typer.Context` first
and finds its Session with `session(ctx)`; what it returns is the exit code (None = 0).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import typer

from mitrarr_runner.cli.session import Session


@dataclass(frozen=True, slots=True)
class Verb:
    """group: the word before the verb's own (`registry list`), or empty."""

    name: str
    function: Callable[..., Any]
    help: str
    group: str = ""


def session(ctx: typer.Context) -> Session:
    found = ctx.find_root().obj
    assert isinstance(found, Session)  # noqa: S101 - the door puts it there
    return found
