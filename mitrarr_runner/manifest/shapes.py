"""How is each shape of value said in words? Types and the schema's `format` names.

A `format` of ours names the shape a `pattern` stands for; validators do not know these names and
leave them alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from mitrarr_runner.redact import safe
from mitrarr_runner.text import Text, text


def shape(name: str) -> tuple[Text, Text | None]:
    """What is wrong with a value that is not of this shape, and an example of one that is."""
    return _shapes().get(name, (text("this text is not allowed here"), None))


def _shapes() -> dict[str, tuple[Text, Text | None]]:
    small = text("It is made of a-z, 0-9, _ and -, at most 64 of them.")
    wide = text("It is made of letters without accents, digits, _, - and ., at most 64 of them.")
    return {
        "name": (text("not a usable name"), small),
        "label": (text("not a usable name"), wide),
        "span": (
            text("not a length of time"),
            text("For example 30s, 5m, 24h or 1d; a number alone is seconds."),
        ),
        "size": (text("not a size"), text("For example 512MB or 2GB; a number is bytes.")),
        "share": (text("not a share"), text("For example 50% or 0.5.")),
        "day": (text("not a date"), text("For example 2027-01-25.")),
        "calendar": (
            text("not the name of a calendar"),
            text("A country, or a country and its part: BR, BR-SP."),
        ),
        "address": (
            text("not an address that can be used here"),
            text("For example https://server.example.gov.br, without user, password, ? and #."),
        ),
        "variable": (
            text("not the name of an environment variable"),
            text("It is made of letters, digits and _, for example FINDFACE_PASSWORD."),
        ),
        "mail": (text("not a mail address"), text("For example plantao@example.gov.br.")),
        "host": (text("not the name of a host"), text("For example mail.example.gov.br.")),
        "transaction": (
            text("not a type of transaction"),
            text("1 to 16 letters or digits, as in field 1.004."),
        ),
        "code": (
            text("not the code of a finding"),
            text("Codes are written small, with _; `mitrarr nist validate` shows them."),
        ),
    }


def types(names: Sequence[str]) -> Text:
    """`["string", "object"]` as "text or a mapping"."""
    words = [_type(name) for name in names]
    if len(words) == 1:
        return words[0]
    return text("{first} or {second}", first=words[0], second=words[1])


def found(value: object) -> Text:
    """What kind of value this is."""
    if isinstance(value, bool):
        return text("{value} (true or false)", value=str(value).lower())
    if isinstance(value, dict):
        return _type("object")
    if isinstance(value, list):
        return _type("array")
    return _type("string" if isinstance(value, str) else "number")


def _type(name: str) -> Text:
    match name:
        case "object":
            return text("a mapping")
        case "array":
            return text("a list")
        case "string":
            return text("text")
        case "boolean":
            return text("true or false")
        case "integer":
            return text("a whole number")
        case _:
            return text("a number")


def type_hint(wanted: Sequence[str], value: object, format_name: str) -> Text | None:
    """How to write what was probably meant."""
    if isinstance(value, str) and set(wanted) & {"integer", "number"}:
        return text("Write the number without quotes.")
    if isinstance(value, str) and "boolean" in wanted:
        return text("Write true or false, small and without quotes.")
    if "array" in wanted and not isinstance(value, (dict, list)):
        return text("Write a list, even for one: [{value}]", value=safe(str(value), 40))
    if "string" in wanted and isinstance(value, (bool, int, float)):
        return shape(format_name)[1] or text("Put it in quotes to make it text.")
    return shape(format_name)[1]
