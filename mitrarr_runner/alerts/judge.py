"""What becomes of each incident, given what was found? Pure: values in, a list of changes out.

    ok -> pending (until the rule's `after`) -> firing -> ok

Somebody is told when an incident fires, again every `repeat` seconds after the last notice, once
when its severity rises, and once when it is over, if anybody had been told before. Several rules
of one kind may be reached one after the other (2 failures: warning; 10: critical): they share one
incident, whose severity is that of the worst one reached and never falls while it is open.
An unknown reading changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from mitrarr_runner.alerts.model import Change, ChangeKind, Condition, Reading
from mitrarr_runner.alerts.rules import RULES, Patience, concerns
from mitrarr_runner.manifest.model import Rule, RuleWhen, Severity
from mitrarr_runner.store.incidents import Incident, IncidentState

_RANK: Mapping[Severity, int] = {
    Severity.INFO: 0,
    Severity.WARNING: 1,
    Severity.CRITICAL: 2,
}


def judge(
    rules: Iterable[Rule],
    conditions: Iterable[Condition],
    open_incidents: Iterable[Incident],
    now: datetime,
) -> tuple[Change, ...]:
    """At most one change per (rule, subject).

    conditions must answer for every declared subject; an open incident without a condition, or
    whose rules are gone, is withdrawn. Of two conditions about one subject the first counts.
    """
    rules = tuple(rules)
    known = {(incident.rule, incident.subject): incident for incident in open_incidents}
    changes: list[Change] = []
    seen: set[tuple[str, str]] = set()
    for condition in conditions:
        key = (condition.when.value, condition.subject)
        matching = tuple(rule for rule in rules if concerns(rule, condition))
        if key in seen or not matching:
            continue
        seen.add(key)
        changes += _judged(matching, condition, known.get(key), now)
    for key, incident in known.items():
        if key not in seen:
            changes.append(_ended(incident, ChangeKind.WITHDRAWN, {}))
    return tuple(changes)


def _judged(
    rules: tuple[Rule, ...], condition: Condition, incident: Incident | None, now: datetime
) -> Iterator[Change]:
    if condition.reading is Reading.UNKNOWN:
        return
    if condition.reading is Reading.GOOD:
        if incident is not None:
            yield _ended(incident, ChangeKind.RECOVERED, condition.detail)
        return
    reached = tuple(rule for rule in rules if _reached(rule, condition, now))
    kind = _kind(reached, incident, condition, now)
    if kind is not None:
        yield _change(kind, reached or rules, condition, incident, now)


def _kind(
    reached: tuple[Rule, ...], incident: Incident | None, condition: Condition, now: datetime
) -> ChangeKind | None:
    if incident is None:
        return ChangeKind.OPENED if reached else ChangeKind.PENDING
    if reached and incident.state is IncidentState.PENDING:
        return ChangeKind.OPENED
    if reached and _RANK[_worst(reached)] > _RANK[incident.severity]:
        return ChangeKind.WORSENED
    if reached and incident.ack_at is None and _due_again(reached, incident, now):
        return ChangeKind.REPEATED
    if dict(condition.detail) != dict(incident.detail):
        return ChangeKind.NOTED
    return None


def _change(
    kind: ChangeKind,
    rules: tuple[Rule, ...],
    condition: Condition,
    incident: Incident | None,
    now: datetime,
) -> Change:
    severity = _worst(rules)
    if incident is not None and _RANK[incident.severity] > _RANK[severity]:
        severity = incident.severity
    return Change(
        kind,
        condition.when,
        condition.subject,
        severity,
        incident.since if incident is not None else condition.since or now,
        condition.detail,
        None if incident is None else incident.id,
        tuple(dict.fromkeys(channel for rule in rules for channel in rule.to)),
    )


def _ended(incident: Incident, kind: ChangeKind, detail: Mapping[str, object]) -> Change:
    told = incident.state is IncidentState.FIRING
    return Change(
        kind if told else ChangeKind.DROPPED,
        RuleWhen(incident.rule),
        incident.subject,
        incident.severity,
        incident.since,
        detail,
        incident.id,
    )


def _reached(rule: Rule, condition: Condition, now: datetime) -> bool:
    if RULES[condition.when].patience is Patience.TIMES:
        return condition.times >= rule.after
    if rule.after <= 0 or condition.since is None:
        return rule.after <= 0
    return (now - condition.since).total_seconds() >= rule.after


def _due_again(reached: tuple[Rule, ...], incident: Incident, now: datetime) -> bool:
    """The pace of the worst rule reached. A last notice far in the future (the clock went back)
    counts as long ago: no incident is muted by a clock.
    """
    worst = max(reached, key=lambda rule: _RANK[rule.severity])
    if worst.repeat <= 0 or incident.last_notice_at is None:
        return False
    return abs((now - incident.last_notice_at).total_seconds()) >= worst.repeat


def _worst(rules: tuple[Rule, ...]) -> Severity:
    return max((rule.severity for rule in rules), key=lambda severity: _RANK[severity])
