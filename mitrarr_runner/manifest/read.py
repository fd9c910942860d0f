"""What does the text of a file say? Strict YAML and JSON in, a Document out.

The one door to PyYAML. Only the C loader's *events* are used, never `compose`: nesting of 40 kB of
`[` crashes the process there. Plain scalars mean what YAML 1.2's core schema says, so `no`, `on`
and `12:30` are texts and `010` is ten. Aliases, anchors, tags and directives are refused: what is
read is what stands there. Whatever is wrong becomes a Problem with line and column; nothing but
MemoryError is raised.
"""

from __future__ import annotations

import re
from typing import Any

from mitrarr_runner.manifest.document import Builder, Data, Document, Refused
from mitrarr_runner.manifest.problem import Problem
from mitrarr_runner.manifest.read_json import read_json
from mitrarr_runner.manifest.spelling import MISREAD, curly, decode, look_around, odd_characters
from mitrarr_runner.manifest.yaml_errors import told
from mitrarr_runner.text import text

BYTES = 10_000_000

_INT = re.compile(r"[-+]?[0-9]+", re.ASCII)
_OTHER_INT = re.compile(r"0o([0-7]+)|0x([0-9a-fA-F]+)", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", re.ASCII)
_WORDS: dict[str, Data] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_DIGITS = 30
"""No number of a manifest has more digits; Python refuses to read those above 4,300."""


def read(file: str, raw: bytes) -> Document:
    """Read the bytes of `file` (the name people know it by); JSON where the name ends in .json."""
    builder = Builder(file)
    try:
        if len(raw) > BYTES:
            message = text("larger than {size} MB", size=str(BYTES // 1_000_000))
            raise Refused(builder.problem("too_large", message, 1, 1))
        content = decode(builder, raw)
        if file.lower().endswith(".json"):
            read_json(builder, content)
        else:
            _read_yaml(builder, content)
        wrong_root = builder.root is not None and not isinstance(builder.root, dict)
        if wrong_root and not builder.problems:
            raise Refused(_not_a_mapping(builder))
    except Refused as refused:
        return Document(file, problems=(*builder.problems, refused.problem), complete=False)
    places = builder.root_places if isinstance(builder.root_places, dict) else {}
    if any(problem.code in MISREAD for problem in builder.problems):
        return Document(file, problems=tuple(builder.problems), complete=False)
    root = builder.root if isinstance(builder.root, dict) else {}
    return Document(file, root, places, tuple(builder.problems))


def _not_a_mapping(builder: Builder) -> Problem:
    return builder.problem(
        "not_a_mapping",
        text("a manifest is a mapping of keys (settings, jobs ...) to what they say"),
        1,
        1,
        hint=text("Begin with a line such as: version: 1"),
    )


def _read_yaml(builder: Builder, content: str) -> None:
    import yaml

    odd_characters(builder, content)
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(content)
    try:
        _walk(builder, loader, yaml)
    except yaml.YAMLError as error:
        complaint, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
        if mark is None or "unexpected end of stream" in str(complaint):
            mark = getattr(error, "context_mark", None) or mark  # where the quotes were opened
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        look_around(builder, content, line)
        raise Refused(told(builder, complaint, line, column)) from None
    finally:
        loader.dispose()


def _walk(builder: Builder, loader: Any, yaml: Any) -> None:
    scalar, opened = yaml.ScalarEvent, yaml.MappingStartEvent
    sequence, ends = yaml.SequenceStartEvent, (yaml.MappingEndEvent, yaml.SequenceEndEvent)
    next_event, documents = loader.get_event, 0
    while True:
        event = next_event()
        kind = type(event)
        if kind is scalar:
            if event.anchor is not None or event.tag is not None:
                raise _unwanted(builder, event)
            _scalar(builder, event)
        elif kind in ends:
            builder.close()
        elif kind is opened or kind is sequence:
            start = event.start_mark
            if event.anchor is not None or event.tag is not None or builder.wants_key:
                raise _unwanted(builder, event)
            open_it = builder.open_mapping if kind is opened else builder.open_list
            open_it(start.line + 1, start.column + 1)
        elif kind is yaml.DocumentStartEvent:
            documents += 1
            _one_document(builder, event, documents)
        elif kind is yaml.StreamEndEvent:
            return
        elif kind is yaml.AliasEvent:
            raise _unwanted(builder, event)


def _scalar(builder: Builder, event: Any) -> None:
    start, end, value = event.start_mark, event.end_mark, event.value
    line, column = start.line + 1, start.column + 1
    width = end.column - start.column if end.line == start.line else 1
    plain = not event.style
    if plain and value and not value.isascii():
        curly(builder, value, line, column, width)
    if builder.wants_key:
        if plain and value in ("", "~"):
            raise Refused(_bad_key(builder, line, column))
        builder.key(value, line, column, width)
    else:
        builder.value(
            _plain(builder, value, line, column, width) if plain else value, line, column, width
        )


def _plain(builder: Builder, value: str, line: int, column: int, width: int) -> Data:
    """The core schema of YAML 1.2 (section 10.3.2)."""
    if value in _WORDS:
        return _WORDS[value]
    if value[0] not in "-+.0123456789":
        return value
    other = _OTHER_INT.fullmatch(value)
    whole = _INT.fullmatch(value)
    if (other or whole) and len(value) <= _DIGITS:
        if other:
            return int(other[1], 8) if other[1] else int(other[2], 16)
        return int(value)
    if _FLOAT.fullmatch(value) and not whole:
        number = float(value)
        if number - number == 0:  # neither infinite nor not a number
            return number
    elif not (other or whole or _NOT_FINITE.fullmatch(value)):
        return value
    builder.report(
        builder.problem(
            "number",
            text("not a number this program can use"),
            line,
            column,
            width=width,
            hint=text("Put it in quotes if it is meant as text."),
        )
    )
    return 0


def _one_document(builder: Builder, event: Any, documents: int) -> None:
    line, column = event.start_mark.line + 1, event.start_mark.column + 1
    if documents > 1:
        raise Refused(
            builder.problem(
                "several_documents",
                text('a second document begins here ("---")'),
                line,
                column,
                width=3,
                hint=text("One manifest per file; a folder of files is merged into one."),
            )
        )
    if event.tags or event.version not in (None, (1, 2)):
        message = text('lines that begin with "%" are not supported')
        raise Refused(builder.problem("yaml_directive", message, line, column))


def _bad_key(builder: Builder, line: int, column: int) -> Problem:
    return builder.problem(
        "bad_key",
        text("a key must be a word"),
        line,
        column,
        hint=text('Write "key: value"; text that holds ": ", braces or brackets needs quotes.'),
    )


def _unwanted(builder: Builder, event: Any) -> Refused:
    """Aliases, anchors, tags, and mappings or lists in the place of a key."""
    mark = event.start_mark
    line, column = mark.line + 1, mark.column + 1
    if getattr(event, "tag", None) is not None:
        code, message = "yaml_tag", text("tags (words that begin with !) are not supported")
        hint = text("Put the value in quotes if the ! is meant as text.")
    elif getattr(event, "anchor", None) is not None:
        code, message = "yaml_alias", text("anchors and aliases (& and *) are not supported")
        hint = text("Write the value out; put it in quotes if the & or * is meant as text.")
    else:
        return Refused(_bad_key(builder, line, column))
    return Refused(builder.problem(code, message, line, column, hint=hint))
