"""Which characters came from a word processor, a web page or a Windows editor?

BOM and CRLF are fine. Other encodings, curly quotes, tabs in the indentation, no-break spaces and
control characters get a problem of their own: libyaml's words for them help nobody, and some of
them it takes silently for text.
"""

from __future__ import annotations

import re

from mitrarr_runner.manifest.document import Builder, Refused
from mitrarr_runner.manifest.problem import Problem
from mitrarr_runner.text import text

MISREAD = frozenset({"curly_quotes", "no_break_space"})
"""Problems after which the data say something else than their author meant."""

_BREAK = re.compile(r"\r\n|\r|\n")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_CURLY = "\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u201b\u00ab\u00bb"
_SPACES = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b"
_SPACES += "\u202f\u205f\u2060\u3000"
_ODD_SPACE = re.compile(f"[{_SPACES}]")


def decode(builder: Builder, raw: bytes) -> str:
    """UTF-8, with or without a BOM; raises Refused for anything else, with the place."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in raw[:4]:
        raise Refused(
            builder.problem(
                "encoding_utf16",
                text("the file is UTF-16, not UTF-8"),
                1,
                1,
                hint=text('Save it again as "UTF-8".'),
            )
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # error.start counts without a BOM that utf-8-sig has taken away
        body = raw.removeprefix(b"\xef\xbb\xbf")
        line, column = position(body[: error.start].decode("utf-8", "replace"))
        shown = bytes(body[error.start : error.start + 1]).decode("cp1252", "replace")
        raise Refused(
            builder.problem(
                "encoding",
                text("the file is not UTF-8 from here on"),
                line,
                column,
                hint=text(
                    'It looks like Windows-1252 ("{character}"). Save it again as "UTF-8".',
                    character=shown,
                ),
            )
        ) from None


def position(before: str) -> tuple[int, int]:
    """Line and column of the character that follows `before`, as editors count."""
    breaks = list(_BREAK.finditer(before))
    return len(breaks) + 1, len(before) - (breaks[-1].end() if breaks else 0) + 1


def odd_characters(builder: Builder, content: str) -> None:
    """Refuse characters that nobody can see and YAML does not allow, or takes for line ends."""
    found = _CONTROL.search(content)
    if found:
        line, column = position(content[: found.start()])
        raise Refused(
            builder.problem(
                "control_character",
                text("an invisible character (U+{number})", number=f"{ord(found[0]):04X}"),
                line,
                column,
                hint=text("Delete it; it came with copying."),
            )
        )


def curly(builder: Builder, value: str, line: int, column: int, width: int) -> None:
    """Report unquoted text that begins with a curly quote or holds a space that is none."""
    if value[0] in _CURLY:
        builder.report(curly_problem(builder, line, column, width))
        return
    found = _ODD_SPACE.search(value)
    if found:
        at = column + found.start() if len(value) == width else column
        builder.report(space_problem(builder, line, at))


def curly_problem(builder: Builder, line: int, column: int, width: int = 1) -> Problem:
    return builder.problem(
        "curly_quotes",
        text("typographic quotation marks are not quotes here"),
        line,
        column,
        width=width,
        hint=text("Replace them by \" or '."),
    )


def space_problem(builder: Builder, line: int, column: int) -> Problem:
    return builder.problem(
        "no_break_space",
        text("a no-break space, which looks like a space and is none"),
        line,
        column,
        hint=text("Replace it by a space; put the text in quotes if it is meant."),
    )


def look_around(builder: Builder, content: str, line: int) -> None:
    """A syntax error in `line`: is one of the known characters to blame? Then say that instead."""
    lines = _BREAK.split(content)
    for number in (line, line - 1):
        shown = lines[number - 1] if 0 < number <= len(lines) else ""
        indentation = shown[: len(shown) - len(shown.lstrip(" \t" + _SPACES))]
        if "\t" in indentation:
            raise Refused(
                builder.problem(
                    "tab",
                    text("a tab in the indentation"),
                    number,
                    indentation.index("\t") + 1,
                    hint=text("YAML is indented by spaces only; set the editor to insert spaces."),
                )
            )
        for column, character in enumerate(shown.partition("#")[0], 1):
            if character in _CURLY:
                raise Refused(curly_problem(builder, number, column))
            if character in _SPACES:
                raise Refused(space_problem(builder, number, column))
