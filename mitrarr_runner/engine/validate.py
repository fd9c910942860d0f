"""Is this manifest good, in every way that can be known without running it?

`mitrarr validate` reports what it finds, and apply, plan and every other verb load through it (see
`obtain`), so that what validates is what runs. Adds to `manifest.load` what
only floors above can judge: lines of cron, options of steps, holiday calendars. Touches neither
host, secrets nor spool.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias
from zoneinfo import ZoneInfo

from mitrarr_runner.clock import Clock, SystemClock
from mitrarr_runner.engine.validation import Validation, of_loaded
from mitrarr_runner.errors import UsageError
from mitrarr_runner.manifest import build, compiled, load, reach
from mitrarr_runner.manifest import document as documents
from mitrarr_runner.manifest.loaded import absolute
from mitrarr_runner.manifest.merge import Merged
from mitrarr_runner.manifest.model import Manifest
from mitrarr_runner.manifest.problem import Level, Problem
from mitrarr_runner.text import Text

Finding: TypeAlias = tuple[Level, str, Text, Text | None]


def validate(
    shown: str | None,
    *,
    environment: Mapping[str, str],
    cwd: Path,
    clock: Clock | None = None,
) -> Validation:
    """Read and check everything, warnings included. clock: some warnings look a year ahead."""
    checks = (partial(check_cron, clock or SystemClock()), check_calendars, check_options)
    loaded = load.load(shown, environment=environment, cwd=cwd, extra_checks=checks)
    if loaded.manifest is not None or shown is None:
        return of_loaded(loaded, loaded.manifest.name if loaded.manifest else "default")
    before = compiled.remembered(shown, environment=environment, cwd=cwd)
    if before is None:
        return of_loaded(loaded, build.default_name(absolute(shown, cwd)))
    root = loaded.root if loaded.root.why == "settings" else before.root
    return of_loaded(replace(loaded, root=root), before.name)


def check_cron(clock: Clock, merged: Merged, _: Manifest | None) -> Iterator[Problem]:
    """Lines of cron that are refused, and those that are probably not what was meant."""
    usual = reach.mapping(merged.data, "settings").get("timezone")
    known: dict[tuple[str, str], tuple[Finding, ...]] = {}
    for name, job in reach.mappings(merged.data, "jobs"):
        content = job.get("schedule")
        line = content.get("cron") if isinstance(content, dict) else content
        zone = content.get("timezone", usual) if isinstance(content, dict) else usual
        if not isinstance(line, str):
            continue
        where = (line, zone if isinstance(zone, str) else "")
        if where not in known:
            known[where] = tuple(_cron_findings(*where, clock))
        path: documents.Path = ("jobs", name, "schedule")
        path = (*path, "cron") if isinstance(content, dict) else path
        for level, code, message, hint in known[where]:
            tell = merged.marks.error if level is Level.ERROR else merged.marks.warning
            yield tell(code, path, message, hint)


def _cron_findings(line: str, zone: str, clock: Clock) -> Iterator[Finding]:
    from mitrarr_runner import schedule
    from mitrarr_runner.schedule import advice

    try:
        cron = schedule.parse(line)
    except schedule.CronError as error:
        yield Level.ERROR, error.code, error.message, error.hint
        return
    try:
        named = ZoneInfo(zone)
    except (ValueError, OSError, LookupError):
        return  # reported as an unknown zone
    for warning in advice.warnings(cron, named, clock.now()):
        yield Level.WARNING, warning.code, warning.message, warning.hint


def check_calendars(merged: Merged, _: Manifest | None) -> Iterator[Problem]:
    """Holiday calendars that the package `holidays` does not have."""
    from mitrarr_runner.volumes import calendar

    for label, volume in reach.mappings(merged.data, "volumes"):
        content = volume.get("holidays")
        code = content.get("calendar") if isinstance(content, dict) else content
        path: documents.Path = ("volumes", label, "holidays")
        path = (*path, "calendar") if isinstance(content, dict) else path
        if isinstance(code, str):
            try:
                calendar(code)
            except UsageError as error:
                yield merged.marks.error(error.code, path, error.message, error.hint)


def check_options(merged: Merged, _: Manifest | None) -> Iterator[Problem]:
    """Options that a step's own `parse` refuses, though the schema took them; whatever else is
    wrong with the manifest."""
    from mitrarr_runner.steps import KINDS

    ready = build.options(Path("/"))
    for path, kind, options in reach.steps(merged.data):
        if kind not in KINDS:
            continue
        try:
            KINDS[kind].parse(ready[kind](options))
        except UsageError as error:
            yield merged.marks.error(error.code, path, error.message, error.hint)
        except (ValueError, KeyError, TypeError, AttributeError, AssertionError):
            continue  # not what the schema wants: reported by it
