"""How did it end? The last lines of an apply that somebody watches: the account, who is needed,
what comes next. Pure: what was done and how the site stands now in, lines out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mitrarr_runner.engine.apply import Applied
from mitrarr_runner.engine.apply_report import words_of
from mitrarr_runner.engine.report import columns
from mitrarr_runner.engine.report.needs import Need, needs
from mitrarr_runner.engine.report.standing import Standing
from mitrarr_runner.engine.report.status import needs_text
from mitrarr_runner.manifest.model import Severity
from mitrarr_runner.plan import Action
from mitrarr_runner.store.deliveries import State
from mitrarr_runner.store.runs import Outcome
from mitrarr_runner.text import Catalogue, Text, plural, text

_NEXT = 3
"""Jobs of the next slot that are named."""


def ended_text(
    applied: Applied,
    counts: Mapping[str, int],
    standing: Standing,
    say: Catalogue,
    width: int | None,
) -> list[str]:
    """counts: what the steps counted, all jobs together; standing: as it is after the apply."""
    lines: list[str] = []
    if applied.ended or applied.left:
        lines += ["", *_summary(applied, counts, standing, say, width)]
    found = needs(standing, say)
    if found:
        lines += ["", say(_title(found)), *needs_text(found, say, width)]
    following = _next(standing, say)
    if following:
        lines += ["", *columns.wrapped(following, width, indent=2)]
    return lines


def _summary(
    applied: Applied,
    counts: Mapping[str, int],
    standing: Standing,
    say: Catalogue,
    width: int | None,
) -> Iterator[str]:
    """The parts add up to the runs, and a job of several runs is one job."""
    parts = _outcomes(applied, say)
    names, runs = len(_jobs(applied)), sum(parts.values())
    jobs = say(plural("{count} job", "{count} jobs", names))
    shown = ", ".join(f"{count} {word}" for word, count in parts.items())
    done = ", ".join(say(part) for part in _done(counts, standing))
    told = say("SUMMARY  {jobs}, {parts}.", jobs=jobs, parts=shown)
    if runs != names:
        several = text("{n} runs", n=runs)  # never one: there are at least as many as jobs
        told = say("SUMMARY  {jobs}, {runs}: {parts}.", jobs=jobs, runs=several, parts=shown)
    pieces = [told, *([f"{done}."] if done else []), say.span(applied.seconds)]
    yield from columns.wrapped("  ".join(pieces), width, indent=9)
    if applied.left:
        left = plural(
            "{count} job found no free place and is left to the next apply",
            "{count} jobs found no free place and are left to the next apply",
            len({entry.job for entry in applied.left}),
        )
        yield from columns.wrapped(say(left), width, indent=2)


def _jobs(applied: Applied) -> set[str]:
    entries = [*(one.entry for one in applied.ended), *applied.left]
    entries += [one for one in applied.plan.entries if one.action is Action.BLOCKED]
    return {entry.job for entry in entries}


def _outcomes(applied: Applied, say: Catalogue) -> Mapping[str, int]:
    """Every run that was to start, and those whose need failed before, by what became of it."""
    found: list[Outcome | None] = [one.outcome for one in applied.ended]
    found += [Outcome.BLOCKED for one in applied.plan.entries if one.action is Action.BLOCKED]
    counts: dict[str, int] = {}
    for outcome in found:
        word = say(words_of(outcome)) if outcome else say(text("left to another apply"))
        counts[word] = counts.get(word, 0) + 1
    if applied.left:
        counts[say(text("not started"))] = len(applied.left)
    return counts


def _done(counts: Mapping[str, int], standing: Standing) -> Iterator[Text]:
    """Only what this apply was about: a job that sends nothing says nothing of FindFace."""
    if "registered" in counts:
        yield text("{n} registered", n=counts["registered"])
    if counts.get("quarantined"):
        yield text("{n} quarantined", n=counts["quarantined"])
    if "people" in counts:
        arrived = counts.get("sent", 0) + counts.get("adopted", 0)
        yield text("{n} in FindFace", n=arrived)
        waiting = standing.deliveries.get(State.PENDING, 0)
        waiting += standing.deliveries.get(State.SENDING, 0)
        yield text("{n} in the queue", n=waiting)


def _title(found: list[Need]) -> Text:
    if any(need.severity is not Severity.INFO for need in found):
        return text("NEEDS YOU ({count})", count=len(found))
    return text("NEEDS YOU ({count}, nothing urgent)", count=len(found))


def _next(standing: Standing, say: Catalogue) -> str:
    """What is due and was not started, as after an apply of one job; else the next instant at
    which a slot is due, and whose it is.
    """
    if standing.drain is not None:
        return ""
    due = sorted((job.due, job.name) for job in standing.jobs if job.due)
    if due:
        slots = [f"{name} {say.hour(at, standing.zone, standing.at)}" for at, name in due]
        return say("Next slot: {slots} (due now)", slots=_first(slots))
    coming = sorted((job.next_due, job.name) for job in standing.jobs if job.next_due)
    if not coming:
        return ""
    first = coming[0][0]
    return say(
        "Next slot: {jobs} {hour}",
        jobs=_first([name for at, name in coming if at == first]),
        hour=say.hour(first, standing.zone, standing.at),
    )


def _first(names: list[str]) -> str:
    return ", ".join(names[:_NEXT]) + (", ..." if len(names) > _NEXT else "")
