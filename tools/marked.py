"""Which texts for people does the source hold? An AST scan for the calls that mark them.

`text("...")`, `plural("one", "many", n)` and `mark("...")` of mitrarr_runner/text.py, and a
Catalogue called with a literal: `say("...")`, `here.say("...")`, `self._say("...")`. Nothing is
imported or run. What cannot be extracted, or would fail when it is rendered, is a finding.
"""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_HOME = "mitrarr_runner.text"
_MARKERS = ("text", "plural", "mark", "Text")
_CATALOGUES = ("say", "_say")


@dataclass(frozen=True, slots=True)
class Marked:
    """One text at one place; plural is None where it does not change with a count."""

    one: str
    plural: str | None
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to mend in the source or in a translation."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True, slots=True)
class Scan:
    """Marked texts in the order of files and lines, and what was found beside them."""

    texts: tuple[Marked, ...]
    findings: tuple[Finding, ...]


def scan_folder(root: Path, package: str) -> Scan:
    """Every module below root/package; file names are given relative to root."""
    found = [
        scan(path.read_text("utf-8"), path.relative_to(root).as_posix())
        for path in sorted((root / package).rglob("*.py"))
        if path.relative_to(root).as_posix() != f"{package}/text.py"  # it defines the markers
    ]
    return Scan(
        tuple(text for one in found for text in one.texts),
        tuple(finding for one in found for finding in one.findings),
    )


def scan(source: str, file: str) -> Scan:
    tree = ast.parse(source, file)
    names = _imported(tree)
    texts: list[Marked] = []
    findings: list[Finding] = []
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
        kind = _kind(call, names)
        if kind is None:
            continue
        texts += _texts(call, kind, file)
        findings += [Finding(f"{file}:{call.lineno}", what) for what in _wrong(call, kind)]
    return Scan(tuple(texts), tuple(findings))


def holes(template: str) -> tuple[str, ...] | None:
    """The names of a template's holes, sorted; None where it is not a format string."""
    try:
        parsed = list(string.Formatter().parse(template))
    except ValueError:
        return None
    return tuple(sorted({name for _, name, _, _ in parsed if name is not None}))


def _imported(tree: ast.Module) -> dict[str, str]:
    """The module's own name of each marker -> the marker."""
    return {
        name.asname or name.name: name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == _HOME
        for name in node.names
        if name.name in _MARKERS
    }


def _kind(call: ast.Call, names: dict[str, str]) -> str | None:
    function = call.func
    if isinstance(function, ast.Name) and function.id in names:
        return names[function.id]
    own = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return "say" if own in _CATALOGUES and call.args else None


def _literal(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _templates(call: ast.Call, kind: str) -> list[str]:
    wanted = 2 if kind == "plural" else 1
    found = [_literal(node) for node in call.args[:wanted]]
    return [template for template in found if template is not None]


def _texts(call: ast.Call, kind: str, file: str) -> Iterator[Marked]:
    found = _templates(call, kind)
    if kind == "plural" and len(found) == 2:
        yield Marked(found[0], found[1], file, call.lineno)
    elif kind in ("text", "mark", "say") and found and found[0]:
        yield Marked(found[0], None, file, call.lineno)


def _wrong(call: ast.Call, kind: str) -> Iterator[str]:
    found = _templates(call, kind)
    if kind == "Text":
        if found and any(character.isalpha() for character in _outside(found[0])):
            yield "Text() with words: use text(), which is extracted"
    elif kind == "say":
        if not found and _builds_a_string(call.args[0]):
            yield "say() takes a Text or one plain literal"
    elif len(found) < (2 if kind == "plural" else 1):
        yield f"{kind}() needs plain literals: nothing else can be extracted"
    if kind in ("text", "plural", "say"):
        yield from _values(call, found, kind)


def _values(call: ast.Call, templates: list[str], kind: str) -> Iterator[str]:
    """A hole without a value fails at the reader's door; a value without a hole is a slip."""
    if not templates or any(keyword.arg is None for keyword in call.keywords):
        return
    given = {str(keyword.arg) for keyword in call.keywords}
    wanted = {name for template in templates for name in holes(template) or ()}
    if kind == "plural":
        given.add("count")
        wanted.add("count")
    for name in sorted(wanted - given):
        yield f"the hole {{{name}}} is given no value"
    for name in sorted(given - wanted):
        yield f"the value {name} has no hole"


def _outside(template: str) -> str:
    """The words of a template without its holes."""
    try:
        return "".join(literal for literal, *_ in string.Formatter().parse(template))
    except ValueError:
        return template


def _builds_a_string(node: ast.expr) -> bool:
    """An f-string, a sum, a choice or a format() of literals where one literal belongs."""
    if isinstance(node, ast.IfExp):
        return any(_literal(part) or _builds_a_string(part) for part in (node.body, node.orelse))
    if isinstance(node, ast.BinOp):
        return any(_literal(part) or _builds_a_string(part) for part in (node.left, node.right))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr == "format" and _literal(node.func.value) is not None
    return isinstance(node, ast.JoinedStr)
