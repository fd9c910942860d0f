"""What was wrong with the words of a call, in the reader's language?

Typer speaks English only: its complaints and the frame of its help pages are said here again. It is
recognised by what its errors carry (a parameter, an option's name), never by their sentences, but
for the unknown command, the word too many and the value too many, which carry nothing else.
"""

from __future__ import annotations

import re
from typing import Any

from typer.core import TyperCommand, TyperGroup

from mitrarr_runner.cli.session import Session
from mitrarr_runner.engine.places import did_you_mean
from mitrarr_runner.text import Text, text

_EXTRA = re.compile(r"unexpected extra arguments?(?:\(s\))? \(([^)]*)\)")
_VALUE = re.compile(r"does not take a value")
_NUMBER = re.compile(r"-\d")
_COMMAND = re.compile(r"No such command '([^']*)'")


def complaint(error: Any) -> tuple[Text, Text | None]:
    """The complaint, and a hint where a close name is known."""
    option = getattr(error, "option_name", None)
    parameter = getattr(error, "param", None)
    unknown = _COMMAND.search(error.format_message())
    if unknown is not None:
        known = _verbs(error)
        return text('there is no verb "{name}"', name=unknown[1]), (
            did_you_mean(unknown[1], known) or _few(known)
        )
    if option is not None and getattr(error, "possibilities", ...) is not ...:
        options = error.possibilities or ()
        counted = _counted(error) if _NUMBER.match(option) else None
        if counted is not None:
            return text("{name} cannot be negative", name=_name(counted)), None
        return text("there is no option {name}", name=option), did_you_mean(option, options)
    if option is not None and _VALUE.search(error.format_message()):
        return text("{name} takes no value", name=option), None
    if option is not None:
        return text("{name} wants a value", name=option), None
    if error.format_message() == "Missing command.":
        return text("which verb?"), _few(_verbs(error))
    extra = _EXTRA.search(error.format_message())
    if extra is not None:
        return text("one word too many: {words}", words=extra[1]), None
    if parameter is not None:
        name = _name(parameter)
        if type(error).__name__ == "MissingParameter":
            return text("{name} is missing", name=name), None
        return text("{name}: this value cannot be used", name=name), None
    return text("{words}", words=error.format_message()), None


def _verbs(error: Any) -> list[str]:
    """The verbs of the group that was named."""
    return sorted(getattr(getattr(error.ctx, "command", None), "commands", ()))


def _few(known: list[str]) -> Text | None:
    """The verbs of a small group; all of them are a page (--help)."""
    return text("verbs here: {names}", names=", ".join(known)) if len(known) <= 10 else None


def _counted(error: Any) -> Any:
    """The argument of the verb that takes a number from 0 on, if it has one: `-3` was meant for it
    and taken for an option."""
    parameters = getattr(getattr(error.ctx, "command", None), "params", ())
    arguments = [one for one in parameters if one.param_type_name == "argument"]
    return next((one for one in arguments if getattr(one, "min", None) == 0), None)


def _name(parameter: Any) -> str:
    """--batch-size, or an argument's word as the help page has it."""
    longest: str = max(parameter.opts, key=len)
    shown = longest if longest.startswith("-") else parameter.metavar or parameter.name.upper()
    return str(shown).strip("[]")


def _framed(page: str, ctx: Any) -> str:
    """A help page with its frame in the reader's language."""
    session = ctx.find_root().obj
    if not isinstance(session, Session):
        return page
    frame = (
        ("Usage:", text("Usage:")),
        ("Options:", text("Options:")),
        ("Arguments:", text("Arguments:")),
        ("Commands:", text("Verbs:")),
        ("Show this message and exit.", text("Show this page.")),
        ("[required]", text("[required]")),
        ("[default:", text("[default:")),
        ("[OPTIONS]", text("[OPTIONS]")),
        ("COMMAND [ARGS]...", text("VERB [WORDS]...")),
    )
    for english, words in frame:
        page = page.replace(english, session.say(words))
    return page


class Page(TyperCommand):
    """A verb whose help page is framed in the reader's language."""

    def get_help(self, ctx: Any) -> str:
        return _framed(super().get_help(ctx), ctx)


class Pages(TyperGroup):
    """The same for a group of verbs."""

    def get_help(self, ctx: Any) -> str:
        return _framed(super().get_help(ctx), ctx)
