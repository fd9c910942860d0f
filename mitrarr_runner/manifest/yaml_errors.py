"""What does libyaml mean by that? Its complaints in plain words, with what to do next."""

from __future__ import annotations

from mitrarr_runner.manifest.document import Builder
from mitrarr_runner.manifest.problem import Problem
from mitrarr_runner.redact import safe
from mitrarr_runner.text import Text, text


def told(builder: Builder, complaint: str | None, line: int, column: int) -> Problem:
    """The syntax problem for one of libyaml's messages."""
    message, hint = _words(complaint or "")
    return builder.problem("yaml_syntax", message, line, column, hint=hint)


def _words(complaint: str) -> tuple[Text, Text | None]:
    for part, message, hint in _table():
        if part in complaint:
            return message, hint
    return text("this is not YAML: {reason}", reason=safe(complaint or "?")), None


def _table() -> tuple[tuple[str, Text, Text | None], ...]:
    quotes = text("Text that holds ': ', '#', or begins with one of % @ ` * & ! needs quotes.")
    indent = text("Keys that belong together begin in the same column.")
    return (
        (
            "mapping values are not allowed",
            text('a ": " that cannot stand here'),
            text("Either the line above is indented differently, or the text needs quotes."),
        ),
        ("could not find expected ':'", text('a key without ":"'), indent),
        ("cannot start any token", text("a value cannot begin with this character"), quotes),
        ("did not find expected key", text("a key was expected here"), indent),
        (
            "did not find expected ',' or ']'",
            text('a list in brackets is not closed: "," or "]" is missing'),
            text("Look at the brackets of this line and of the lines above."),
        ),
        (
            "did not find expected ',' or '}'",
            text('a mapping in braces is not closed: "," or "}" is missing'),
            text("Look at the braces of this line and of the lines above."),
        ),
        (
            "did not find expected '-'",
            text('"- " was expected here, as in the lines above'),
            indent,
        ),
        (
            "found unexpected end of stream",
            text("the file ends inside quotes"),
            text("A quotation mark is missing: here or above."),
        ),
        (
            "found unexpected document indicator",
            text("the file ends inside quotes"),
            text("A quotation mark is missing: here or above."),
        ),
        (
            "unknown escape character",
            text("a backslash that means nothing in double quotes"),
            text("Use single quotes, or write the backslash twice."),
        ),
        ("escape", text("a backslash that means nothing in double quotes"), None),
        ("block sequence entries are not allowed", text('"- " cannot stand here'), indent),
        (
            "did not find expected <document start>",
            text("the mapping has ended, and something else begins"),
            indent,
        ),
        ("block collections", text("the lines are indented too deep or not closed"), indent),
        (
            "did not find expected alphabetic or numeric",
            text("anchors and aliases (& and *) are not supported"),
            quotes,
        ),
    )
