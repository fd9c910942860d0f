"""What is wrong with a manifest? All problems at once, each with its place and what to do.

The one door to jsonschema (Draft 2020-12, an empty registry: nothing is ever fetched). After the
schema come the questions it cannot ask: do the names that are referred to exist (`references`),
and what is allowed but probably not meant (`advice`). Touches neither host, secrets nor spool.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from mitrarr_runner.manifest import advice, references, schemas
from mitrarr_runner.manifest.explain import explain
from mitrarr_runner.manifest.merge import Merged
from mitrarr_runner.manifest.nearest import Nearest
from mitrarr_runner.manifest.problem import Level, Problem
from mitrarr_runner.text import text


def check(merged: Merged) -> tuple[Problem, ...]:
    """Every problem, those of reading and merging included, in the order of files and lines."""
    nearest = Nearest()
    problems = [*merged.problems, *explain(_errors(merged.data), merged.marks, nearest)]
    if merged.complete:  # a file that was not read to its end would bring up unknown names
        problems += _missing_settings(merged)
        problems += references.check(merged, nearest)
    problems += advice.advise(merged)
    return ordered(problems)


def ordered(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """By file, line and column; the first of those of one place that say the same."""
    once = {(p.code, p.file, p.line, p.column, p.path): p for p in reversed(list(problems))}
    places = sorted(once.values(), key=lambda p: (p.file, p.line or 0, p.column or 0, p.code))
    return tuple(places)


def fatal(problems: Iterable[Problem]) -> bool:
    """Whether anything is worse than a warning."""
    return any(problem.level is Level.ERROR for problem in problems)


def _missing_settings(merged: Merged) -> Iterator[Problem]:
    if "settings" not in merged.data:
        yield merged.marks.error(
            "missing_key",
            ("settings", "timezone"),
            text("settings.timezone is missing: without a zone no schedule means anything"),
            text("Write, for example: settings: {zone}", zone="{timezone: America/Sao_Paulo}"),
        )


def _errors(data: dict[str, Any]) -> Iterator[Any]:
    from jsonschema import Draft202012Validator, ValidationError
    from jsonschema.validators import extend
    from referencing import Registry

    def whole(_: Any, pattern: str, value: Any, schema: Any) -> Iterator[ValidationError]:
        # Python's $ also matches before a line end at the end of the text
        if isinstance(value, str) and not (
            re.search(pattern, value) and not (pattern.endswith("$") and value.endswith("\n"))
        ):
            yield ValidationError("pattern")

    validator: Any = extend(  # type: ignore[no-untyped-call]
        Draft202012Validator, {"pattern": whole}
    )
    plain = schemas.plain(schemas.manifest_schema())
    yield from validator(plain, registry=Registry()).iter_errors(data)
