"""How are problems shown? The text of `mitrarr validate`, and its JSON. Prints nothing."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from mitrarr_runner.engine.validation import Validation
from mitrarr_runner.manifest import compiled
from mitrarr_runner.manifest.model import OnBadManifest
from mitrarr_runner.manifest.problem import Level, Problem
from mitrarr_runner.site import Site
from mitrarr_runner.text import Catalogue, Text, plural, text

WIDTH = 80
_WIDEST = 200
_NUMBER = 6
_INDENT = " " * 7


@dataclass(frozen=True, slots=True)
class LastGood:
    """What apply uses while a manifest is broken."""

    fingerprint: str
    at: datetime
    zone: ZoneInfo


def last_good(validation: Validation) -> LastGood | None:
    """What apply goes on with, looked up in the site's state; None where it would stop."""
    site = Site(validation.root.root)
    manifest = compiled.load_last_good(site, validation.name)
    at = compiled.last_good_at(site, validation.name)
    if manifest is None or at is None or manifest.settings.on_bad_manifest is OnBadManifest.STOP:
        return None
    return LastGood(manifest.fingerprint, at, ZoneInfo(manifest.settings.timezone))


def problems_json(problems: Iterable[Problem]) -> dict[str, object]:
    """DESIGN section 6. Messages are English, as everything in JSON; the codes are stable."""
    return {"version": 1, "problems": [_json(problem) for problem in problems]}


def _json(problem: Problem) -> dict[str, object]:
    return {
        "code": problem.code,
        "severity": problem.level.value,
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "path": problem.path,
        "message": str(problem.message),
        "hint": None if problem.hint is None else str(problem.hint),
    }


def problems_text(
    validation: Validation,
    say: Catalogue,
    last_good: LastGood | None = None,
    width: int | None = None,
) -> str:
    """The whole report, without a line end at its end. width: of the reader's terminal."""
    lines = [say(_head(validation))]
    for problem in validation.problems:
        lines += ["", *_problem(problem, validation, say, width)]
    if validation.errors:
        lines += ["", *_foot(say, last_good, width)]
    return "\n".join(lines)


def _head(validation: Validation) -> Text:
    if not validation.shown:
        return text("no manifest: the built-in defaults hold")
    errors = len(validation.errors)
    warnings = len(validation.problems) - errors
    return text(
        "{manifest}: {files}, {errors}, {warnings}",
        manifest=validation.shown,
        files=plural("1 file read", "{count} files read", len(validation.files)),
        errors=plural("1 error", "{count} errors", errors),
        warnings=plural("1 warning", "{count} warnings", warnings),
    )


def _foot(say: Catalogue, last_good: LastGood | None, width: int | None) -> Iterator[str]:
    if last_good is not None:
        words = text(
            "apply does not use this manifest: it goes on with the last good one ({old}, {at}).",
            old=last_good.fingerprint[:7],
            at=say.moment(last_good.at, last_good.zone, seconds=False),
        )
        yield from textwrap.wrap(say(words), min(WIDTH, width or WIDTH))
    yield say(text("Exit code: {number}", number="2"))


def _problem(
    problem: Problem, validation: Validation, say: Catalogue, width: int | None
) -> Iterator[str]:
    word = text("ERROR") if problem.level is Level.ERROR else text("WARNING")
    place = problem.file
    if problem.line is not None:
        place += f":{problem.line}:{problem.column}"
    yield f"{say(word):<6} {place}  {dotted(problem.path)}".rstrip()
    yield from _excerpt(problem, validation, width)
    for sentence in (problem.message, problem.hint):
        if sentence is not None:
            yield from _wrapped(say(sentence), min(WIDTH, width or WIDTH))


def _wrapped(sentence: str, width: int) -> list[str]:
    return textwrap.wrap(
        sentence,
        width,
        initial_indent=_INDENT,
        subsequent_indent=_INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _excerpt(problem: Problem, validation: Validation, width: int | None) -> Iterator[str]:
    """The line with a caret run below it, and the line above it where that opens the block."""
    if problem.line is None or problem.column is None:
        return
    line = validation.excerpts.get((problem.file, problem.line))
    if line is None:
        return
    room = _WIDEST if width is None else min(_WIDEST, width - len(_numbered(0, "|")) + 1)
    above = validation.excerpts.get((problem.file, problem.line - 1), "")
    if above.strip() and _indentation(above) < _indentation(line):
        yield _numbered(problem.line - 1, _around(above, 0, room)[0])
    shown, start = _around(line, problem.column - 1, room)
    yield _numbered(problem.line, shown.rstrip())
    run = max(1, min(problem.width, len(shown) - start))
    yield f"{'':{_NUMBER}} | {' ' * start}{'^' * run}"


def _around(line: str, start: int, room: int) -> tuple[str, int]:
    """As much of the line as there is room for, with the column `start` in it; and where in it."""
    if len(line) <= room:
        return line, start
    left = min(max(0, start - room // 2), len(line) - room)
    shown = line[left : left + room]
    if left:
        shown = "..." + shown[3:]
    if left + room < len(line):
        shown = shown[:-3] + "..."
    return shown, start - left


def _numbered(number: int, line: str) -> str:
    return f"{number:{_NUMBER}} | {line}".rstrip()


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())


def dotted(pointer: str) -> str:
    """`/jobs/a/steps/0/clean/folders` as people say it: jobs.a.steps[0] (a step is known by its
    number, and the excerpt shows the rest)."""
    shown = ""
    for part in pointer.split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        if part.isdigit():
            shown += f"[{part}]"
            if shown.startswith("jobs."):
                break
        else:
            shown += f".{part}" if shown else part
    return shown
