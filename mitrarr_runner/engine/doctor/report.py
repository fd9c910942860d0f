"""How do findings look? One line each with its level in words, and what to do below it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mitrarr_runner import redact
from mitrarr_runner.engine.doctor.finding import Finding, Level
from mitrarr_runner.engine.report.columns import wrapped_after
from mitrarr_runner.text import Catalogue, Text, plural, text


def finding_lines(finding: Finding, say: Catalogue, width: int | None) -> Iterator[str]:
    """One line, or more on a narrow terminal, and the hint where something is to be done."""
    start = f"{say(_level(finding.level)):<8}  {say(finding.subject)}: "
    yield from _lines(start, say(finding.message), width, 10)
    if finding.hint is not None:
        yield from _lines(" " * 10 + "-> ", say(finding.hint), width, 13)


def _lines(start: str, words: str, width: int | None, margin: int) -> list[str]:
    """Later lines begin under `margin`, not under the first word: subjects are long."""
    first = redact.one_line(start[margin:] + words)
    return wrapped_after(start[:margin], first, width)


def _level(level: Level) -> Text:
    return {
        Level.OK: text("OK"),
        Level.WARNING: text("WARNING"),
        Level.PROBLEM: text("PROBLEM"),
    }[level]


def verdict(findings: Sequence[Finding]) -> Text:
    """The last line."""
    problems = sum(one.level is Level.PROBLEM for one in findings)
    warnings = sum(one.level is Level.WARNING for one in findings)
    if not problems and not warnings:
        return text("fit: nothing to do")
    return text(
        "{problems}, {warnings}, {fine} OK",
        problems=plural("{count} problem", "{count} problems", problems),
        warnings=plural("{count} warning", "{count} warnings", warnings),
        fine=len(findings) - problems - warnings,
    )


def findings_json(findings: Iterable[Finding]) -> Mapping[str, Any]:
    return {
        "checks": [
            {
                "code": one.code,
                "level": one.level.value,
                "subject": str(one.subject),
                "message": str(one.message),
                "hint": None if one.hint is None else str(one.hint),
            }
            for one in findings
        ]
    }


def fit(findings: Iterable[Finding]) -> bool:
    """Warnings alone do not make a host unfit."""
    return all(one.level is not Level.PROBLEM for one in findings)
