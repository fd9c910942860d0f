"""What needs a person? Open incidents first, then what no rule watches, then what merely waits.

Pure. Each need says what it is, since when, and the command to type next; a verb that does not
exist is never recommended.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from mitrarr_runner.alerts import words
from mitrarr_runner.alerts.model import Notice, NoticeKind
from mitrarr_runner.delivery import reasons
from mitrarr_runner.engine.report.standing import SILENT, JobStanding, Mark, Standing
from mitrarr_runner.manifest.model import RuleWhen, Severity
from mitrarr_runner.store.deliveries import State as DeliveryState
from mitrarr_runner.store.incidents import Incident, IncidentState
from mitrarr_runner.store.pauses import Pause
from mitrarr_runner.store.registry import State
from mitrarr_runner.text import Catalogue, Text, plural, text

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


def silent(standing: Standing) -> bool:
    """Whether nobody calls apply any more."""
    if standing.applied is None:
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
    lines = [words.sentence(notice), since(standing, one.since, say), *words.advice(notice)]
    if one.ack_at is not None:
        taken = text('taken over by {actor}: "{reason}"', actor=one.ack_by, reason=one.ack_reason)
        lines.insert(2, taken)
    return Need(one.handle, one.severity, words.severity(one.severity), tuple(lines))


# -- what no incident tells of


def _unwatched(standing: Standing, say: Catalogue) -> Iterator[Need]:
    known = {(one.rule, one.subject) for one in firing(standing)}
    if standing.broken and (RuleWhen.MANIFEST_BROKEN, standing.manifest) not in known:
        yield _wrong(
            Severity.WARNING,
            text("the manifest has errors; this is the last good one"),
            _look("mitrarr validate"),
        )
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


def _job(
    job: JobStanding, known: set[tuple[str, str]], standing: Standing, say: Catalogue
) -> Iterator[Need]:
    """A failure that no rule has made an incident of yet is told all the same."""
    rules = (RuleWhen.JOB_FAILED, RuleWhen.JOB_LOST, RuleWhen.JOB_BLOCKED, RuleWhen.JOB_MISSED)
    if any((rule, job.name) in known for rule in rules) or job.pause is not None:
        return
    last = job.last_run
    if job.failures and last is not None:
        what = plural(
            "{job} failed ({run})",
            "{job} failed {count} times in a row (last: {run})",
            job.failures,
            job=job.name,
            run=last.handle,
        )
        when = since(standing, last.started_at, say)
        yield _wrong(Severity.WARNING, what, when, _look(f"mitrarr logs {job.name}"))
    elif job.newest is not None and job.newest.mark is Mark.BLOCKED:
        what = text("{job} does not run: a job that it needs failed", job=job.name)
        yield _wrong(Severity.WARNING, what, _look(f"mitrarr history {job.name}"))


def _wrong(severity: Severity, *lines: Text) -> Need:
    return Need("-", severity, words.severity(severity), lines)


# -- what merely waits


def _waiting(standing: Standing, say: Catalogue) -> Iterator[Need]:
    known = {(one.rule, one.subject) for one in firing(standing)}
    for job in standing.jobs:
        if job.pause is not None and (RuleWhen.JOB_PAUSED, job.name) not in known:
            yield _paused(job.pause, f"mitrarr resume {job.name}", standing, say)
    for pause in standing.paused_destinations:
        if (RuleWhen.JOB_PAUSED, f"destination:{pause.name}") not in known:
            yield _paused(pause, f"mitrarr resume --destination {pause.name}", standing, say)
    if standing.draining:
        yield _note(text("DRAINING"), text("nothing new is started"))
    yield from _quarantined(standing, known, say)
    yield from _parked(standing, known, say)


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


def _quarantined(standing: Standing, known: set[tuple[str, str]], say: Catalogue) -> Iterator[Need]:
    """File by file, but for the sources whose incident tells of them already."""
    rows = [row for row in standing.quarantined if (RuleWhen.QUARANTINE, row.source) not in known]
    for row in rows:
        reason = (
            row.findings[0].message if row.findings else text("refused ({code})", code=row.code)
        )
        yield Need(
            row.handle,
            Severity.INFO,
            text("QUARANTINE"),
            (
                text("{source}: {reason}", source=row.source, reason=reason),
                _look(f"mitrarr registry show {row.handle}"),
            ),
        )
    yield from _more(
        standing.registry.get(State.QUARANTINED, 0) - len(standing.quarantined),
        text("QUARANTINE"),
        "mitrarr registry list --state quarantined",
        rows,
    )


def _parked(standing: Standing, known: set[tuple[str, str]], say: Catalogue) -> Iterator[Need]:
    people = [one for one in standing.parked if (RuleWhen.PARKED, one.destination) not in known]
    for one in people:
        yield Need(
            one.handle,
            Severity.INFO,
            text("PARKED"),
            (
                text(
                    "{destination}: {reason}",
                    destination=one.destination,
                    reason=reasons.parked_text(one.reason),
                ),
                _look(f"mitrarr deliveries show {one.handle}"),
            ),
        )
    yield from _more(
        standing.deliveries.get(DeliveryState.PARKED, 0) - len(standing.parked),
        text("PARKED"),
        "mitrarr deliveries list --state parked",
        people,
    )


def _more(count: int, title: Text, command: str, told: Sequence[object]) -> Iterator[Need]:
    if count > 0 and told:
        yield _note(title, plural("and {count} more", "and {count} more", count), _look(command))


def _note(title: Text, *lines: Text) -> Need:
    return Need("-", Severity.INFO, title, lines)


def _look(command: str) -> Text:
    return text("look: {command}", command=command)
