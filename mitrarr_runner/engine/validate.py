"""Is this manifest good, in every way that can be known without running it?

The one way from a path to a Manifest: `mitrarr validate` reports what it finds, and apply, plan and
every other verb load through it, so that what validates is what runs. Adds to `manifest.load` what
only floors above can judge: lines of cron, options of steps, holiday calendars. Touches neither
host, secrets nor spool.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias
from zoneinfo import ZoneInfo

from mitrarr_runner.clock import Clock, SystemClock
from mitrarr_runner.engine.excerpts import excerpts
from mitrarr_runner.errors import UsageError
from mitrarr_runner.manifest import build, compiled, load, reach
from mitrarr_runner.manifest import document as documents
from mitrarr_runner.manifest.load import Loaded
from mitrarr_runner.manifest.merge import Merged
from mitrarr_runner.manifest.model import Manifest
from mitrarr_runner.manifest.problem import Level, Problem
from mitrarr_runner.site import FoundRoot
from mitrarr_runner.text import Text

Finding: TypeAlias = tuple[Level, str, Text, Text | None]


@dataclass(frozen=True, slots=True)
class Validation:
    """manifest is None where a problem is an error. shown: the path as given, "" for the built-in
    defaults; files: the names of the files read; excerpts: source lines by (file, line).

    name and root are those of the manifest; of a broken one those it had when it was last good, so
    that its site and its last good version are found whatever is wrong with it.
    """

    shown: str
    name: str
    manifest: Manifest | None
    problems: tuple[Problem, ...]
    files: tuple[str, ...]
    root: FoundRoot
    loaded: Loaded
    excerpts: Mapping[tuple[str, int], str] = field(default_factory=dict)

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.level is Level.ERROR)


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
        return _validation(loaded, loaded.manifest.name if loaded.manifest else "default")
    before = compiled.remembered(shown, environment=environment, cwd=cwd)
    if before is None:
        return _validation(loaded, build.default_name(load.absolute(shown, cwd)))
    root = loaded.root if loaded.root.why == "settings" else before.root
    return _validation(replace(loaded, root=root), before.name)


def obtain(
    shown: str | None,
    *,
    environment: Mapping[str, str],
    cwd: Path,
    clock: Clock | None = None,
) -> Validation:
    """The same, from the compiled manifest while no file has changed: quick, and then without the
    warnings. What is read anew is kept for the next time, where the site has a state."""
    if shown is not None:
        recalled = compiled.recall(shown, environment=environment, cwd=cwd)
        if recalled is not None and recalled.manifest is not None:
            return _validation(recalled, recalled.manifest.name)
    found = validate(shown, environment=environment, cwd=cwd, clock=clock)
    with contextlib.suppress(OSError):  # a full disk, somebody else's state: it is only a cache
        compiled.save(found.loaded)
    return found


def _validation(loaded: Loaded, name: str) -> Validation:
    return Validation(
        loaded.shown,
        name,
        loaded.manifest,
        loaded.problems,
        tuple(shown for _, shown in loaded.files),
        loaded.root,
        loaded,
        excerpts(loaded) if loaded.problems else {},
    )


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

    try:
        cron = schedule.parse(line)
    except schedule.CronError as error:
        yield Level.ERROR, error.code, error.message, error.hint
        return
    try:
        named = ZoneInfo(zone)
    except (ValueError, OSError, LookupError):
        return  # reported as an unknown zone
    for warning in schedule.warnings(cron, named, clock.now()):
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


def check_options(merged: Merged, manifest: Manifest | None) -> Iterator[Problem]:
    """Options that a step's own `parse` refuses, though the schema took them."""
    from mitrarr_runner.steps import KINDS

    for name, job in manifest.jobs.items() if manifest is not None else ():
        for index, step in enumerate(job.steps):
            try:
                KINDS[step.kind].parse(step.options)
            except UsageError as error:
                path = ("jobs", name, "steps", index, step.kind)
                yield merged.marks.error(error.code, path, error.message, error.hint)
