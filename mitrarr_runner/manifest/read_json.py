"""What does a JSON text say, and where? A scan of tokens that feeds the Builder.

RFC 8259 and nothing more: no comments, no trailing commas, no NaN. Strings and numbers are turned
into values by the standard library; this module only finds where they stand.
"""

from __future__ import annotations

import json
import re
from enum import Enum, auto
from typing import NoReturn

from mitrarr_runner.manifest.document import Builder, Data, Refused
from mitrarr_runner.manifest.problem import Problem
from mitrarr_runner.manifest.spelling import curly_problem
from mitrarr_runner.text import Text, text

_TOKEN = re.compile(
    r"""[ \t\r\n]*(?:
      (?P<punctuation>[{}\[\],:])
    | (?P<string>"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*")
    | (?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)(?![\w.+-])
    | (?P<word>(?:true|false|null)\b)
    | (?P<end>\Z))""",
    re.VERBOSE | re.ASCII,
)
_SPACE = re.compile(r"[ \t\r\n]*")
_BREAK = re.compile(r"\r\n|\r|\n")
_SURROGATE = re.compile("[\ud800-\udfff]")
_WORDS: dict[str, Data] = {"true": True, "false": False, "null": None}
_DIGITS = 30


class _Expect(Enum):
    """What may come next."""

    VALUE = auto()
    KEY = auto()
    FIRST_OR_END = auto()
    COMMA_OR_END = auto()


def read_json(builder: Builder, content: str) -> None:
    """Feed `builder` with the one value of `content`; raises Refused."""
    _Scan(builder, content).run()


class _Scan:
    """One pass over one text. `_kind`, `_shown`, `_line`, `_column` are the token at hand."""

    def __init__(self, builder: Builder, content: str) -> None:
        self._builder = builder
        self._content = content
        self._breaks = [match.end() for match in _BREAK.finditer(content)]
        self._breaks.append(len(content) + 1)
        self._line, self._line_start, self._column = 1, 0, 1
        self._at = 0
        self._kind = self._shown = ""
        self._closers: list[str] = []

    def run(self) -> None:
        expect = _Expect.VALUE
        while True:
            self._next()
            if expect is _Expect.COMMA_OR_END:
                if not self._closers:
                    break
                expect = self._comma_or_end()
            elif expect is _Expect.VALUE:
                expect = self._opening_or_value()
            elif expect is _Expect.KEY:
                expect = self._key()
            elif self._shown == self._closers[-1]:  # an empty mapping or list
                expect = self._close()
            else:
                expect = self._key() if self._closers[-1] == "}" else self._opening_or_value()
        if self._kind != "end":
            self._fail(text("the JSON value has ended, and something else begins"))

    def _close(self) -> _Expect:
        self._closers.pop()
        self._builder.close()
        return _Expect.COMMA_OR_END

    def _comma_or_end(self) -> _Expect:
        if self._shown == self._closers[-1]:
            return self._close()
        if self._shown != ",":
            self._fail(text('"," or "{closer}" was expected here', closer=self._closers[-1]))
        return _Expect.KEY if self._closers[-1] == "}" else _Expect.VALUE

    def _key(self) -> _Expect:
        if self._kind != "string":
            self._fail(text("a key in double quotes was expected here"))
        self._builder.key(str(self._value()), self._line, self._column, len(self._shown))
        self._next()
        if self._shown != ":":
            self._fail(text('":" was expected here'))
        return _Expect.VALUE

    def _opening_or_value(self) -> _Expect:
        if self._shown == "{":
            self._builder.open_mapping(self._line, self._column)
            self._closers.append("}")
            return _Expect.FIRST_OR_END
        if self._shown == "[":
            self._builder.open_list(self._line, self._column)
            self._closers.append("]")
            return _Expect.FIRST_OR_END
        if self._kind not in ("string", "number", "word"):
            self._fail(text("a value was expected here"))
        self._builder.value(self._value(), self._line, self._column, len(self._shown))
        return _Expect.COMMA_OR_END

    def _next(self) -> None:
        """Step to the next token; raises Refused where there is none."""
        match = _TOKEN.match(self._content, self._at)
        if match is None:
            space = _SPACE.match(self._content, self._at)
            start = space.end() if space else self._at
            self._kind, self._shown = "unknown", self._content[start : start + 1]
        else:
            self._kind, self._at = match.lastgroup or "", match.end()
            self._shown = match[self._kind]
            start = match.start(self._kind)
        while start >= self._breaks[self._line - 1]:
            self._line_start = self._breaks[self._line - 1]
            self._line += 1
        self._column = start - self._line_start + 1
        if match is None:
            self._fail_at_unknown(start)

    def _value(self) -> Data:
        token = self._shown
        if self._kind == "string":
            return self._string(token) if "\\" in token else token[1:-1]
        if self._kind == "word":
            return _WORDS[token]
        if len(token) <= _DIGITS:
            number: int | float = json.loads(token)
            if number - number == 0:
                return number
        message = text("not a number this program can use")
        hint = text("Put it in quotes if it is meant as text.")
        self._builder.report(self._problem("number", message, hint))
        return 0

    def _string(self, token: str) -> str:
        value = str(json.loads(token))
        if _SURROGATE.search(value):
            message = text("half of a character (\\ud800 to \\udfff alone)")
            self._builder.report(self._problem("half_character", message, None))
            return ""
        return value

    def _fail_at_unknown(self, start: int) -> NoReturn:
        rest = self._content[start : start + 40]
        if rest.startswith(("//", "/*", "#")):
            self._fail(
                text("JSON has no comments"),
                text('Use a "description" key, or write the manifest in YAML.'),
            )
        if rest.startswith("'"):
            self._fail(text("single quotes"), text("JSON takes double quotes only."))
        if rest.startswith('"'):
            self._fail(
                text("this text in quotes is broken or not closed"),
                text("Look for a missing quotation mark, a line break or a single backslash."),
            )
        if re.match(r"[-+]?(?:NaN|Infinity)", rest):
            self._fail(text("NaN and Infinity are not JSON"))
        if rest[0] in "\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u201b\u00ab\u00bb":
            raise Refused(curly_problem(self._builder, self._line, self._column))
        self._fail(
            text("this is not JSON"),
            text("Texts stand in double quotes; true, false and null are written small."),
        )

    def _fail(self, message: Text, hint: Text | None = None) -> NoReturn:
        if self._kind == "end":
            message = text("the file ends too early: {message}", message=message)
        elif self._shown in "]}" and hint is None and self._closers:
            hint = text("Perhaps there is a comma too many before it.")
        raise Refused(self._problem("json_syntax", message, hint))

    def _problem(self, code: str, message: Text, hint: Text | None) -> Problem:
        width = max(1, len(self._shown))
        return self._builder.problem(
            code, message, self._line, self._column, width=width, hint=hint
        )
