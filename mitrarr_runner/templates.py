"""How is a template of a manifest or of `templates/` filled in? The one door to Jinja2.

The immutable sandbox with StrictUndefined: a template can neither reach into Python nor swallow a
misspelt name. Nothing is escaped for HTML: outputs are file names' ids, card names and plain text.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from mitrarr_runner import resources
from mitrarr_runner.errors import UsageError
from mitrarr_runner.text import text

if TYPE_CHECKING:
    from jinja2.sandbox import ImmutableSandboxedEnvironment


@lru_cache(maxsize=1)
def _environment() -> ImmutableSandboxedEnvironment:
    from jinja2 import FileSystemLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(resources.folder("templates")),
        undefined=StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, values: Mapping[str, object]) -> str:
    """Fill in a template given as a string; raises UsageError (code "template")."""
    return _rendered(template, None, values)


def render_file(name: str, values: Mapping[str, object]) -> str:
    """Fill in a file of the shipped `templates/` folder."""
    return _rendered(None, name, values)


def _rendered(template: str | None, name: str | None, values: Mapping[str, object]) -> str:
    from jinja2 import TemplateError

    environment = _environment()
    try:
        if name is not None:
            return environment.get_template(name).render(values)
        return environment.from_string(template or "").render(values)
    except TemplateError as error:
        raise UsageError(
            text("template: {reason}", reason=error.message or type(error).__name__),
            code="template",
            hint=text("names a template may use here: {names}", names=", ".join(sorted(values))),
        ) from error


def names_in(template: str) -> frozenset[str]:
    """The names a template needs from outside; raises UsageError where it does not parse.

    `validate` compares them with what will be there, so that a misspelt name is found in review.
    """
    from jinja2 import TemplateSyntaxError, meta

    try:
        return frozenset(meta.find_undeclared_variables(_environment().parse(template)))
    except TemplateSyntaxError as error:
        raise UsageError(
            text("template: {reason}", reason=error.message or "syntax"), code="template"
        ) from error
