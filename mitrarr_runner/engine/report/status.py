"""How does the site stand, on one screen? The verdict first, then who is needed, then the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from mitrarr_runner.clock import iso
from mitrarr_runner.engine.report import columns
from mitrarr_runner.engine.report.needs import Need, failing, needs, silent
from mitrarr_runner.engine.report.standing import (
    EVENTS,
    JobStanding,
    Mark,
    SpoolStanding,
    Standing,
    outcome,
)
from mitrarr_runner.manifest.model import Severity
from mitrarr_runner.store.deliveries import State as DeliveryState
from mitrarr_runner.store.registry import State
from mitrarr_runner.text import Catalogue, Text, plural, text

_SCREEN = 80


def status_json(standing: Standing) -> dict[str, Any]:
    """The contract of DESIGN section 6, without its "version"."""
    return {
        "jobs": [_job_json(job) for job in standing.jobs],
        "registry": {
            state.value: standing.registry.get(state, 0)
            for state in (State.REGISTERED, State.NO_FACE, State.QUARANTINED)
        },
        "deliveries": {state.value: standing.deliveries.get(state, 0) for state in DeliveryState},
        "incidents": [
            {
                "handle": one.handle,
                "rule": one.rule,
                "subject": one.subject,
                "severity": one.severity.value,
                "state": one.state.value,
                "since": iso(one.since),
            }
            for one in standing.incidents
        ],
    }


def _job_json(job: JobStanding) -> dict[str, object]:
    """A job that runs although it is paused is running, and paused: true."""
    state = "paused" if job.pause else "idle"
    last = outcome(job.newest)
    return {
        "name": job.name,
        "state": "running" if job.running else state,
        "paused": job.pause is not None,
        "paused_by": job.pause.actor if job.pause else None,
        "paused_until": _iso(job.pause.until if job.pause else None),
        "last_slot": _iso(job.last_slot),
        "last_outcome": last.value if last else None,
        "next_slot": _iso(job.next_slot),
        "consecutive_failures": job.failures,
    }


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else iso(instant)


def status_text(standing: Standing, say: Catalogue, width: int | None = None) -> list[str]:
    """Lines for a person; `width`: see columns.py."""
    found = needs(standing, say)
    lines = [_headline(standing, found, say), *_vitals(standing, say, width)]
    if found:
        lines += ["", say(text("NEEDS YOU")), *needs_text(found, say, width)]
    if standing.jobs:
        lines += ["", *_jobs(standing, say, width)]
    return [*lines, "", *_counts(standing, say, width)]


# -- the first lines


def _headline(standing: Standing, found: list[Need], say: Catalogue) -> str:
    here = f"{standing.host}  {say.moment(standing.at, standing.zone)}"
    told = say(verdict(found))
    if standing.drain is not None:
        told = say("{verdict}, DRAINING", verdict=told)
    return columns.both_ends(told, here, _SCREEN)


def verdict(found: Iterable[Need]) -> Text:
    """One word for the whole site, and the counts behind it."""
    severities = [need.severity for need in found]
    bad = severities.count(Severity.CRITICAL)
    odd = severities.count(Severity.WARNING)
    warnings = plural("{count} warning", "{count} warnings", odd)
    if bad:
        criticals = plural("{count} critical", "{count} critical", bad)
        if odd:
            return text("CRITICAL  {bad}, {odd}", bad=criticals, odd=warnings)
        return text("CRITICAL  {bad}", bad=criticals)
    if odd:
        return text("WARNING  {odd}", odd=warnings)
    if severities:
        waits = plural("{count} thing waits", "{count} things wait", len(severities))
        return text("OK  {waits}, nothing urgent", waits=waits)
    return text("OK")


def _vitals(standing: Standing, say: Catalogue, width: int | None) -> list[str]:
    parts = [_cron(standing, say), _manifest(standing)]
    if standing.disk is not None:
        parts.append(text("disk {percent}%", percent=standing.disk))
    for name in standing.down:
        parts.append(text("{destination} DOES NOT ANSWER", destination=name))
    return columns.wrapped("  ".join(say(part) for part in parts), width)


def _cron(standing: Standing, say: Catalogue) -> Text:
    """Not called and called in vain are two troubles: only the first is cron's."""
    if standing.applied is None:
        return text("apply FAILS") if failing(standing) else text("never applied")
    ago = say.span(max(0.0, (standing.at - standing.applied).total_seconds()))
    if failing(standing):
        return text("apply FAILS (the last good one {span} ago)", span=ago)
    if silent(standing):
        return text("cron SILENT (apply {span} ago)", span=ago)
    return text("cron OK (apply {span} ago)", span=ago)


def _manifest(standing: Standing) -> Text:
    short = standing.fingerprint[:7]
    if standing.broken and not short:
        return text("manifest HAS ERRORS")
    if standing.broken:
        return text("manifest HAS ERRORS (last good one: {fingerprint})", fingerprint=short)
    if not short:
        return text("no manifest")
    return text("manifest {fingerprint} OK", fingerprint=short)


# -- who is needed


def needs_text(found: list[Need], say: Catalogue, width: int | None) -> list[str]:
    handles = max(len(need.handle) for need in found)
    titles = max(len(say(need.title)) for need in found)
    margin = 1 + handles + 1 + titles + 2
    lines = []
    for need in found:
        start = f" {need.handle.ljust(handles)} {say(need.title).ljust(titles)}  "
        for position, words in enumerate(need.lines):
            begin = start if position == 0 else " " * margin
            lines += columns.wrapped_after(begin, say(words), width)
    return lines


# -- the table of jobs


def _jobs(standing: Standing, say: Catalogue, width: int | None) -> list[str]:
    letters = _letters(say)
    titles = (text("JOB"), text("STATE"), text("LAST RUN"), text("NEXT"))
    rows = [[*(say(title) for title in titles), say(text("LAST {count} ->", count=EVENTS))]]
    for job in standing.jobs:
        rows.append(
            [
                job.name,
                _state(job, say),
                _last_run(job, standing, say),
                _next(job, standing, say),
                "".join(letters[event.mark] for event in job.events).rjust(EVENTS),
            ]
        )
    lines = columns.table(rows, width)
    used = {event.mark for job in standing.jobs for event in job.events}
    if used - {Mark.OK}:
        legend = "  ".join(say(word) for mark, word in _legend().items() if mark in used)
        lines.append("        " + legend)
    return lines


def _legend() -> Mapping[Mark, Text]:
    """The first character of each entry is the letter of the last column, in every language."""
    return {
        Mark.OK: text(". ok"),
        Mark.DEFERRED: text("d deferred"),
        Mark.FAILED: text("F failed"),
        Mark.TIMEOUT: text("T timed out"),
        Mark.LOST: text("L lost"),
        Mark.BLOCKED: text("B blocked"),
        Mark.PAUSED: text("P paused"),
        Mark.SKIPPED: text("~ skipped"),
        Mark.MISSED: text("m missed"),
        Mark.REPLACED: text("r replaced"),
        Mark.STOPPED: text("s stopped"),
    }


def _letters(say: Catalogue) -> Mapping[Mark, str]:
    return {mark: say(words)[:1] for mark, words in _legend().items()}


def _state(job: JobStanding, say: Catalogue) -> str:
    """What goes on now; else how the newest thing that happened ended, and how often in a row.

    A slot that no run has says nothing about the job where it was skipped or paused: what was
    before it counts. A run that was skipped (exit code 75) has happened.
    """
    if job.running is not None:
        return say(text("RUNNING"))
    if job.pause is not None:
        return say(text("PAUSED"))
    passing = (Mark.SKIPPED, Mark.PAUSED)
    told = (event for event in reversed(job.events) if event.run or event.mark not in passing)
    marks = [event.mark for event in told]
    if not marks:
        return say(text("NEW")) if not job.events else "-"
    word = say(_STATES[marks[0]])
    times = next((n for n, mark in enumerate(marks) if mark is not marks[0]), len(marks))
    more = "+" if times == len(marks) and len(job.events) >= EVENTS else ""
    if marks[0] in (Mark.FAILED, Mark.TIMEOUT, Mark.LOST):
        times, more = max(times, job.failures), ""
    return word if times < 2 or marks[0] is Mark.OK else f"{word} x{times}{more}"


_STATES: Mapping[Mark, Text] = {
    Mark.OK: text("OK"),
    Mark.DEFERRED: text("DEFERRED"),
    Mark.FAILED: text("FAILED"),
    Mark.TIMEOUT: text("TIMED OUT"),
    Mark.LOST: text("LOST"),
    Mark.BLOCKED: text("BLOCKED"),
    Mark.SKIPPED: text("SKIPPED"),
    Mark.MISSED: text("MISSED"),
    Mark.REPLACED: text("REPLACED"),
    Mark.STOPPED: text("STOPPED"),
}


def _last_run(job: JobStanding, standing: Standing, say: Catalogue) -> str:
    if job.running is not None:
        begun = job.running.started_at
        return say(
            text(
                "{hour}  for {span}, {run}",
                hour=say.hour(begun, standing.zone, standing.at),
                span=say.span(max(0.0, (standing.at - begun).total_seconds())),
                run=job.running.handle,
            )
        )
    last = job.last_run
    if last is None:
        return "-"
    hour = say.hour(last.started_at, standing.zone, standing.at)
    return hour if last.seconds is None else f"{hour}  {say.span(last.seconds)}"


def _next(job: JobStanding, standing: Standing, say: Catalogue) -> str:
    if job.next_due is None:
        return "-"
    return say.hour(job.next_due, standing.zone, standing.at)


# -- what is in the house


def _counts(standing: Standing, say: Catalogue, width: int | None) -> list[str]:
    queue = [
        text("waiting {n}", n=standing.deliveries.get(DeliveryState.PENDING, 0)),
        text("in doubt {n}", n=standing.deliveries.get(DeliveryState.SENDING, 0)),
        text("parked {n}", n=standing.deliveries.get(DeliveryState.PARKED, 0)),
        text("quarantined {n}", n=standing.registry.get(State.QUARANTINED, 0)),
    ]
    names = max((len(place.source) for place in standing.spools), default=0)
    sections = [
        (text("INTAKE"), [_spool(place, names, say) for place in standing.spools]),
        (text("QUEUE"), ["   ".join(say(part) for part in queue)]),
        (text("TODAY"), list(_today(standing, say))),
    ]
    margin = max(len(say(title)) for title, _ in sections) + 2
    lines = []
    for title, contents in sections:
        for position, content in enumerate(contents):
            begin = (say(title) if position == 0 else "").ljust(margin)
            lines += columns.wrapped_after(begin, content, width)
    return lines


def _today(standing: Standing, say: Catalogue) -> Iterator[str]:
    """What came in and what went out; with one label, beside its range, else each in its words."""
    registered = text("registered {n}", n=standing.registered_today)
    if len(standing.volumes) == 1:
        registered = text("{count} ({range})", count=registered, range=_range(standing, say))
    sent = text("sent {n}", n=standing.sent_today)
    yield "   ".join(say(part) for part in (registered, sent))
    if len(standing.volumes) > 1:
        for one in standing.volumes:
            yield f"{one.label}   {say(one.message)}"


def _range(standing: Standing, say: Catalogue) -> Text:
    """What is usual by that time of this weekday."""
    (one,) = standing.volumes
    hour = say.hour(one.at, standing.zone, standing.at)
    if one.high is None:
        return text("at least {low} until {hour}", low=one.low, hour=hour)
    return text("usual until {hour}: {low}-{high}", hour=hour, low=one.low, high=one.high)


def _spool(place: SpoolStanding, names: int, say: Catalogue) -> str:
    look = place.look
    if look is None:
        return place.source.ljust(names) + "   " + say(text("CANNOT BE READ"))
    parts = [
        text("ready {n}", n=len(look.ready)),
        text("arriving {n}", n=look.arriving),
        text("unmatched {n}", n=look.unmatched),
    ]
    if look.refused:
        parts.append(text("not plain files {n}", n=look.refused))
    if look.oldest is not None:
        parts.append(text("oldest {span}", span=say.span(look.oldest)))
    return "   ".join([place.source.ljust(names), *(say(part) for part in parts)])
