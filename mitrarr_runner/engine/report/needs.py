"""What needs a person? Open incidents first, then what no rule watches, then what merely waits.

Pure. Each need says what it is, since when, and the command to type next; a verb that does not
exist is never recommended.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from mitrarr_runner.alerts import words
from mitrarr_runner.alerts.model import Notice, NoticeKind
from mitrarr_runner.delivery import reasons
from mitrarr_runner.engine.report.standing import OVERDUE, SILENT, JobStanding, Mark, Standing
from mitrarr_runner.manifest.model import RuleWhen, Severity
from mitrarr_runner.store import trouble
from mitrarr_runner.store.deliveries import State as DeliveryState
from mitrarr_runner.store.drains import Drain
from mitrarr_runner.store.incidents import Incident, IncidentState
from mitrarr_runner.store.pauses import Pause
from mitrarr_runner.store.registry import State
from mitrarr_runner.store.runs import Outcome, Run
from mitrarr_runner.text import Catalogue, Text, plural, text

_HERE = "mitrarr status"
"""Advice that leads back to what the reader is looking at is left out."""

_APPLY = "mitrarr apply"
_VALIDATE = "mitrarr validate"
_UNDRAIN = "mitrarr drain --off"

_RANK = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}


@dataclass(frozen=True, slots=True)
class Need:
    """severity INFO: it waits, nothing is wrong. lines: the first says what; the rest, what to do.

    title: the word in the severity's column.
    """

    handle: str
    severity: Severity
    title: Text
    lines: tuple[Text, ...]


def needs(standing: Standing, say: Catalogue) -> list[Need]:
    """The worst first; of two alike, incidents first, the oldest first."""
    found = [
        *(_incident(one, standing, say) for one in firing(standing)),
        *_unwatched(standing, say),
        *_waiting(standing, say),
    ]
    return sorted(found, key=lambda need: _RANK[need.severity])


def firing(standing: Standing) -> list[Incident]:
    """The incidents somebody was told of."""
    return [one for one in standing.incidents if one.state is IncidentState.FIRING]


def failing(standing: Standing) -> bool:
    """Whether apply is called, and cannot work with the store. A failing one never leaves early:
    as long as it is called, the last one was a moment ago."""
    return standing.failing is not None and standing.at - standing.failing < OVERDUE


def silent(standing: Standing) -> bool:
    """Whether nobody calls apply any more."""
    if standing.applied is None or failing(standing):
        return False
    return standing.overdue or standing.at - standing.applied >= SILENT


def since(standing: Standing, at: datetime, say: Catalogue) -> Text:
    """ "since Fri 08:00 (2d10h)"."""
    return text(
        "since {hour} ({span})",
        hour=say.hour(at, standing.zone, standing.at),
        span=say.span(max(0.0, (standing.at - at).total_seconds())),
    )


def _incident(one: Incident, standing: Standing, say: Catalogue) -> Need:
    notice = Notice(
        one.handle,
        NoticeKind.OPENED,
        one.rule,
        one.subject,
        one.severity,
        one.since,
        standing.at,
        one.detail,
    )
    advice = [
        _led_here(line, standing)
        for line in words.advice(notice)
        if line.values.get("command") != _HERE
    ]
    lines = [words.sentence(notice), since(standing, one.since, say), *advice]
    if one.ack_at is not None:
        taken = text('taken over by {actor}: "{reason}"', actor=one.ack_by, reason=one.ack_reason)
        lines.insert(2, taken)
    elif one.rule != RuleWhen.JOB_PAUSED:
        command = _here(f"mitrarr alerts ack {one.handle}", standing) + ' --reason "..."'
        lines.append(text("take over: {command}", command=command))
    return Need(one.handle, one.severity, words.severity(one.severity), tuple(lines))


def _here(command: str, standing: Standing) -> str:
    """A command that names no job, so that it comes to this manifest as it is printed."""
    if not standing.config:
        return command
    path = shlex.quote(standing.config)
    if command in (_APPLY, _VALIDATE):
        return f"{command} {path}"
    return f"{command} --config {path}"


def _led_here(line: Text, standing: Standing) -> Text:
    command = line.values.get("command")
    if command not in (_VALIDATE, _UNDRAIN):
        return line
    return replace(line, values={**line.values, "command": _here(str(command), standing)})


# -- what no incident tells of


def _unwatched(standing: Standing, say: Catalogue) -> Iterator[Need]:
    known = {(one.rule, one.subject) for one in firing(standing)}
    if standing.broken and (RuleWhen.MANIFEST_BROKEN, standing.manifest) not in known:
        what = text("the manifest has errors; this is the last good one")
        if not standing.fingerprint:
            what = text("the manifest has errors, and no good one was applied before")
        yield _wrong(Severity.WARNING, what, _look(_here(_VALIDATE, standing)))
    if standing.full is not None:
        full = trouble.full(standing.full)
        advice = () if full.hint is None else (full.hint,)
        yield _wrong(Severity.CRITICAL, full.message, *advice)
    elif failing(standing):
        yield _failing(standing, say)
    if silent(standing):
        yield _wrong(
            Severity.CRITICAL,
            text("apply is not called: is cron alive?"),
            _look("systemctl status cron"),
        )
    for name, code in standing.down.items():
        if (RuleWhen.DESTINATION_DOWN, name) not in known:
            what = text(
                "{destination}: {trouble}", destination=name, trouble=reasons.trouble_text(code)
            )
            yield _wrong(Severity.WARNING, what, reasons.hint_of(code))
    for place in standing.spools:
        if place.trouble is not None:
            hint = () if place.hint is None else (place.hint,)
            yield _wrong(Severity.WARNING, place.trouble, *hint)
    for job in standing.jobs:
        yield from _job(job, known, standing, say)
    told = (RuleWhen.JOB_PAUSED, f"manifest:{standing.manifest}") in known
    if standing.drain is not None and not told:
        yield _drained(standing.drain, standing, say)


def _failing(standing: Standing, say: Catalogue) -> Need:
    """What was wrong, only the apply that met it knows: the next one tells it again."""
    at = standing.failing or standing.at
    span = say.span(max(0.0, (standing.at - at).total_seconds()))
    what = text("apply is called, but could not work with the store ({span} ago)", span=span)
    return _wrong(
        Severity.CRITICAL, what, text("see why: {command}", command=_here(_APPLY, standing))
    )


def _job(
    job: JobStanding, known: set[tuple[str, str]], standing: Standing, say: Catalogue
) -> Iterator[Need]:
    """A failure that no rule has made an incident of yet is told all the same."""
    rules = (RuleWhen.JOB_FAILED, RuleWhen.JOB_LOST, RuleWhen.JOB_BLOCKED, RuleWhen.JOB_MISSED)
    if any((rule, job.name) in known for rule in rules) or job.pause is not None:
        return
    last = _newest_bad(job)
    if job.failures and last is not None:
        what = _bad_end(job, last)
        when = since(standing, last.started_at, say)
        yield _wrong(Severity.WARNING, what, when, _look(f"mitrarr logs {job.name}"))
    elif job.newest is not None and job.newest.mark is Mark.BLOCKED:
        what = text("{job} does not run: a job that it needs failed", job=job.name)
        yield _wrong(Severity.WARNING, what, _look(f"mitrarr history {job.name}"))


def _newest_bad(job: JobStanding) -> Run | None:
    """A run that was skipped after it ends no row of failures, and is none."""
    bad = (Mark.FAILED, Mark.TIMEOUT, Mark.LOST)
    ends = (event.run for event in reversed(job.events) if event.run and event.mark in bad)
    return next(ends, job.last_run)


def _bad_end(job: JobStanding, last: Run) -> Text:
    """A run that was lost did not fail: how it ended is not known."""
    values = {"job": job.name, "run": last.handle}
    if last.outcome in (None, Outcome.LOST):
        return plural(
            "{job}: {run} was lost, its process is gone",
            "{job} failed {count} times in a row (last: {run}, lost)",
            job.failures,
            **values,
        )
    return plural(
        "{job} failed ({run})",
        "{job} failed {count} times in a row (last: {run})",
        job.failures,
        **values,
    )


def _drained(drain: Drain, standing: Standing, say: Catalogue) -> Need:
    """Nothing runs any more: that is never a mere note, however well it was meant."""
    what = text('by {actor}, nothing new is started: "{reason}"', **_because(drain))
    if not drain.reason:
        what = text("by {actor}, nothing new is started", actor=drain.actor)
    lines = [what, since(standing, drain.at, say)]
    if drain.until is not None:
        until = say.hour(drain.until, standing.zone, standing.at)
        lines.append(text("ends by itself at {until}", until=until))
    lines.append(text("start runs again: {command}", command=_here(_UNDRAIN, standing)))
    return Need("-", Severity.WARNING, text("DRAINING"), tuple(lines))


def _because(drain: Drain) -> dict[str, object]:
    return {"actor": drain.actor, "reason": drain.reason}


def _wrong(severity: Severity, *lines: Text) -> Need:
    return Need("-", severity, words.severity(severity), lines)


# -- what merely waits


def _waiting(standing: Standing, say: Catalogue) -> Iterator[Need]:
    known = {(one.rule, one.subject) for one in firing(standing)}
    if standing.applied is None and not standing.broken:
        yield _never(standing)
    for job in standing.jobs:
        if job.pause is not None and (RuleWhen.JOB_PAUSED, job.name) not in known:
            yield _paused(job.pause, f"mitrarr resume {job.name}", standing, say)
    for pause in standing.paused_destinations:
        if (RuleWhen.JOB_PAUSED, f"destination:{pause.name}") not in known:
            yield _paused(pause, f"mitrarr resume --destination {pause.name}", standing, say)
    yield from _strangers(standing, say)
    yield from _quarantined(standing, known)
    yield from _parked(standing, known)


def _strangers(standing: Standing, say: Catalogue) -> Iterator[Need]:
    """Pauses of jobs that the manifest does not have: all that is known of them is the incident
    that nobody was told of yet."""
    shown = {job.name for job in standing.jobs}
    for one in standing.incidents:
        pending = one.state is IncidentState.PENDING and one.rule == RuleWhen.JOB_PAUSED
        if pending and one.subject not in shown and ":" not in one.subject:
            yield _note(text("PAUSED"), *_incident(one, standing, say).lines)


def _never(standing: Standing) -> Need:
    if not standing.fingerprint:
        command = text("make a site: {command}", command="mitrarr init DIR")
        return _note(text("NEW"), text("there is no manifest here"), command)
    return _note(
        text("NEW"),
        text("nothing was applied yet"),
        _look("mitrarr plan"),
        text("do it: {command}", command="mitrarr apply"),
    )


def _paused(pause: Pause, command: str, standing: Standing, say: Catalogue) -> Need:
    what = text('{name} by {actor}: "{reason}"', **_values(pause))
    if not pause.reason:
        what = text("{name} by {actor}", **_values(pause))
    end = text("no end date")
    if pause.until is not None:
        end = text("until {hour}", hour=say.hour(pause.until, standing.zone, standing.at))
    when = text("{since}, {end}", since=since(standing, pause.at, say), end=end)
    return _note(text("PAUSED"), what, when, text("go on: {command}", command=command))


def _values(pause: Pause) -> dict[str, object]:
    return {"name": pause.name, "actor": pause.actor, "reason": pause.reason}


def _quarantined(standing: Standing, known: set[tuple[str, str]]) -> Iterator[Need]:
    """The newest file, but for the sources whose incident tells of theirs already."""
    rows = [row for row in standing.quarantined if (RuleWhen.QUARANTINE, row.source) not in known]
    if not rows:
        return
    first, *others = rows
    told = first.findings[0].message if first.findings else None
    reason = told or text("refused ({code})", code=first.code)
    title = text("QUARANTINE")
    what = text("{source}: {reason}", source=first.source, reason=reason)
    yield Need(
        first.handle,
        Severity.INFO,
        title,
        (what, _look(f"mitrarr registry show {first.handle}")),
    )
    count = standing.registry.get(State.QUARANTINED, 0) - 1 - _told(standing.quarantined, rows)
    yield from _more(
        title,
        [row.handle for row in others],
        count,
        "mitrarr registry list --state quarantined",
    )


def _parked(standing: Standing, known: set[tuple[str, str]]) -> Iterator[Need]:
    people = [one for one in standing.parked if (RuleWhen.PARKED, one.destination) not in known]
    if not people:
        return
    first, *others = people
    title = text("PARKED")
    reason = reasons.parked_text(first.reason)
    what = text("{destination}: {reason}", destination=first.destination, reason=reason)
    yield Need(
        first.handle,
        Severity.INFO,
        title,
        (what, _look(f"mitrarr deliveries show {first.handle}")),
    )
    count = standing.deliveries.get(DeliveryState.PARKED, 0) - 1 - _told(standing.parked, people)
    yield from _more(
        title,
        [one.handle for one in others],
        count,
        "mitrarr deliveries list --state parked",
    )


def _told(every: Sequence[object], shown: Sequence[object]) -> int:
    """How many of those that were read an incident tells of."""
    return len(every) - len(shown)


def _more(title: Text, handles: Sequence[str], count: int, command: str) -> Iterator[Need]:
    if count < 1:
        return
    what = plural("and {count} more", "and {count} more", count)
    if handles:
        named = ", ".join(handles) + (" ..." if count > len(handles) else "")
        what = text("{more}: {handles}", more=what, handles=named)
    yield _note(title, what, _look(command))


def _note(title: Text, *lines: Text) -> Need:
    return Need("-", Severity.INFO, title, lines)


def _look(command: str) -> Text:
    return text("look: {command}", command=command)
