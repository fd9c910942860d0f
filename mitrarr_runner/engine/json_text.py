"""How is JSON written that a person may read, too? Indented; long lists an element a line."""

from __future__ import annotations

import codecs
import json

_ESCAPED = "mitrarr.json"
_LONG = 200
"""Elements of a list from which on it is written one a line."""


class JsonLines(list[str]):
    """A list whose elements are JSON texts already: where there are very many, encoding each by
    itself is what takes the time."""


def written(value: object, margin: str = "") -> str:
    """JSON text without a newline at its end; `margin`: what every line but the first begins with.

    Elements of a long list stand on one line each: the indenting encoder of the standard library
    takes ten times as long.
    """
    inner = margin + "  "
    if isinstance(value, dict) and value:
        items = (f"{inner}{json.dumps(key)}: {written(item, inner)}" for key, item in value.items())
        return "{\n" + ",\n".join(items) + f"\n{margin}}}"
    if isinstance(value, JsonLines):
        return _lines(value, margin)
    if isinstance(value, list) and len(value) > _LONG:
        encode = json.JSONEncoder(ensure_ascii=False).encode
        return _lines(list(map(encode, value)), margin)
    return json.dumps(value, ensure_ascii=False, indent=2).replace("\n", "\n" + margin)


def fitting(words: str, encoding: str) -> str:
    """The same JSON for a stream of this encoding: characters that it lacks as \\uXXXX, which is
    JSON as well (RFC 8259, 7: two of them beyond U+FFFF)."""
    codecs.register_error(_ESCAPED, _escape)
    return words.encode(encoding, _ESCAPED).decode(encoding)


def _escape(error: UnicodeError) -> tuple[str, int]:
    """What lacks stands inside of a string: all else in JSON is ASCII."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def _lines(elements: list[str], margin: str) -> str:
    if not elements:
        return "[]"
    inner = margin + "  "
    return f"[\n{inner}" + f",\n{inner}".join(elements) + f"\n{margin}]"
