"""What is wrong now, and who is told? The one way from the facts to the people.

`watch` reads the facts, lets the judge decide, commits incidents and notices together, and sends.
`emit` raises one alert by hand, `acknowledge` takes an incident over. None of them ever fails the
work it reports on because a channel does not answer; and an alert by hand reaches alerts.log even
where there is neither a store nor a readable manifest.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import TypeVar

from mitrarr_runner.alerts import conditions, outbox, words
from mitrarr_runner.alerts.channels import CHANNELS
from mitrarr_runner.alerts.channels.contract import ChannelError, ChannelKind
from mitrarr_runner.alerts.conditions import Facts, Scene
from mitrarr_runner.alerts.dispatch import LAST_RESORT, Post, dispatch, due_at, heads, post
from mitrarr_runner.alerts.judge import judge
from mitrarr_runner.alerts.model import Change, ChangeKind, Notice, NoticeKind
from mitrarr_runner.alerts.rules import RULES, Patience, rules_for
from mitrarr_runner.clock import Clock
from mitrarr_runner.errors import StateError, UsageError
from mitrarr_runner.logs import EventLog
from mitrarr_runner.manifest.model import Manifest, Rule, RuleWhen, Severity
from mitrarr_runner.redact import safe
from mitrarr_runner.site import Site
from mitrarr_runner.store import audit, drains, facts, incidents, pauses, readings
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.incidents import Incident, IncidentState
from mitrarr_runner.store.pauses import Paused
from mitrarr_runner.text import Text, text

EVERYTHING = tuple(RuleWhen)

_JUST_JUDGED = timedelta(minutes=1)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class WatchResult:
    """One line for people per incident that opened, worsened or closed; what `apply` prints
    under cron. Reminders are not news.
    """

    opened: tuple[Text, ...] = ()
    worsened: tuple[Text, ...] = ()
    closed: tuple[Text, ...] = ()


def watch(
    db: Database,
    manifest: Manifest,
    site: Site,
    clock: Clock,
    log: EventLog,
    *,
    only: Collection[RuleWhen] = EVERYTHING,
    retired: Collection[str] = (),
    kinds: Mapping[str, ChannelKind] = CHANNELS,
) -> WatchResult:
    """Judge everything the manifest declares, record, send; raises only when the store fails.

    only: the kinds of rules to look at. With a manifest that could not be read, give one of that
    name without jobs and `only={RuleWhen.MANIFEST_BROKEN}`: everything else stays as it is.
    retired: other names whose incidents in this store are withdrawn, because nobody applies a
    manifest of that name any more.
    """
    outgoing = post(manifest, site, clock, log, kinds)
    judged = [when for when in only if when is not RuleWhen.CHANNEL_FAILED]
    notices = _look(db, manifest, outgoing, judged, retired)
    dispatch(db, outgoing)
    if RuleWhen.CHANNEL_FAILED in only:  # last, because sending has just shown how they stand
        later = _look(db, manifest, outgoing, [RuleWhen.CHANNEL_FAILED])
        if later:
            dispatch(db, outgoing)
        notices += later
    return WatchResult(
        _printed(notices, NoticeKind.OPENED),
        _printed(notices, NoticeKind.WORSENED),
        _printed(notices, NoticeKind.RECOVERED, NoticeKind.WITHDRAWN),
    )


def emit(
    db: Database | None,
    manifest: Manifest | None,
    site: Site,
    clock: Clock,
    *,
    type: str,
    job: str | None,
    severity: Severity,
    message: str,
    actor: str = "",
    to: Sequence[str] = (),
    kinds: Mapping[str, ChannelKind] = CHANNELS,
) -> str:
    """Raise one alert by hand and return its handle; an event, it does not stay open.

    Without a store, or with one that fails, the line goes to alerts.log directly, handle `A-`.
    UsageError `channel_unknown` for a channel that a readable manifest does not have; StateError
    `alert_not_written` when even alerts.log cannot be written.
    """
    outgoing = post(manifest, site, clock, EventLog(site.main_log, clock), kinds)
    names = _receivers(manifest, to)
    now = clock.now()
    notice = Notice(
        "A-",
        NoticeKind.MANUAL,
        re.sub(r"[^A-Za-z0-9_.-]", "_", type)[:64] or RuleWhen.MANUAL.value,
        _word(job),
        severity,
        now,
        now,
        {"message": safe(message, 1000), "actor": safe(actor, 64)},
        manifest=outgoing.manifest,
        fingerprint=manifest.fingerprint if manifest else "",
        host=socket.gethostname(),
    )
    if db is None:
        return _directly(notice, outgoing)
    try:
        handle = _recorded_by_hand(db, notice, outgoing, names)
        dispatch(db, outgoing)
    except facts.UNREADABLE:
        return _directly(notice, outgoing)
    return handle


def acknowledge(
    db: Database,
    manifest: Manifest | None,
    site: Site,
    clock: Clock,
    *,
    handle: str,
    actor: str,
    reason: str,
) -> Incident:
    """Take a firing incident over: no more reminders until it worsens. Returns it as it now is.

    Of whatever manifest of the store: a handle is unique there, and the manifest of an incident may
    be gone. Its line goes to the alerts.log of the one that is given.
    UsageError `incident_unknown` where no firing incident has that handle.
    """
    outgoing = post(manifest, site, clock, EventLog(site.main_log, clock))
    number = int(handle[1:]) if re.fullmatch(r"A[0-9]{1,15}", handle) else 0
    now = clock.now()
    detail = {"actor": safe(actor, 64), "reason": safe(reason, 200)}
    with db.transaction():
        done = incidents.acknowledge(db, number, detail["actor"], detail["reason"], now)
        found = incidents.get(db, None, number)
        if not done or found is None:
            raise UsageError(
                text("no open incident has the handle {handle}", handle=safe(handle, 20)),
                code="incident_unknown",
                hint=text("see the open ones: {command}", command="mitrarr alerts list"),
            )
        change = Change(
            ChangeKind.NOTED,
            RuleWhen(found.rule),
            found.subject,
            found.severity,
            found.since,
            detail,
            number,
        )
        kind = NoticeKind.ACKNOWLEDGED
        notice = outbox.make(change, kind, number, manifest, {}, now)
        outbox.put(db, notice, number, (LAST_RESORT,), outgoing)
        audit.write(db, actor=actor, action="ack", subject=found.handle, now=now, detail=detail)
    dispatch(db, outgoing)
    return found


def next_due(db: Database, manifest: Manifest, now: datetime) -> datetime | None:
    """The earliest instant at which waiting alone brings news: a retry, a reminder, the end of a
    rule's patience. For `wake`, right after `watch`; None when there is nothing to wait for.

    What was due already and brought no news is not waited for: it is suspended or not known.
    """
    declared = (*manifest.alerts.channels, LAST_RESORT)
    waiting = heads(incidents.unsent(db, manifest.name)).values()
    moments = [due_at(head, declared, now) for head in waiting]
    for incident in incidents.open_incidents(db, manifest.name):
        for rule in rules_for(manifest, RuleWhen(incident.rule)):
            moment = _next_of(incident, rule)
            if moment is not None and moment > now - _JUST_JUDGED:
                moments.append(moment)
    return min(moments, default=None)


def _next_of(incident: Incident, rule: Rule) -> datetime | None:
    if incident.state is IncidentState.PENDING:
        counts = RULES[RuleWhen(incident.rule)].patience is Patience.TIMES
        return None if counts else incident.since + timedelta(seconds=rule.after)
    if not rule.repeat or incident.last_notice_at is None or incident.ack_at is not None:
        return None
    return incident.last_notice_at + timedelta(seconds=rule.repeat)


def _gather(db: Database, manifest: Manifest, now: datetime) -> Facts:
    """Read everything the conditions are made from."""
    name = manifest.name
    return Facts(
        failing=_each(manifest.jobs, lambda job: facts.failing(db, name, job)),
        lost=_each(manifest.jobs, lambda job: facts.lost(db, name, job)),
        not_run=_each(manifest.jobs, lambda job: facts.not_run(db, name, job)),
        paused_jobs=_holding(pauses.of(db, name, Paused.JOB), now),
        paused_destinations=_holding(pauses.of(db, name, Paused.DESTINATION), now),
        drain=drains.of(db, name, now),
        verdicts={(one.kind, one.subject): one for one in readings.verdicts(db, name)},
        quarantined=facts.quarantined(db),
        parked=facts.parked(db),
    )


def _look(
    db: Database,
    manifest: Manifest,
    outgoing: Post,
    only: Sequence[RuleWhen],
    retired: Collection[str] = (),
) -> tuple[Notice, ...]:
    """Read, judge and record in one transaction: two applies cannot open one problem twice, nor
    can the older view close what the newer one has opened.
    """
    now = outgoing.clock.now()
    with db.transaction():
        scene = Scene(manifest, _gather(db, manifest, now), now, tuple(outgoing.targets))
        changes = judge(
            [rule for when in only for rule in rules_for(manifest, when)],
            [condition for when in only for condition in RULES[when].read(scene)],
            [one for one in incidents.open_incidents(db, manifest.name) if one.rule in only],
            now,
        )
        changes += tuple(_withdrawals(db, retired, now))
        notices = tuple(
            outbox.record(db, manifest, outgoing, one, conditions.checked(scene, one.when), now)
            for one in changes
        )
    told = tuple(notice for notice in notices if notice is not None)
    for notice in told:
        outgoing.log.event(
            f"incident_{notice.kind}",
            handle=notice.handle,
            rule=notice.rule,
            subject=notice.subject,
            severity=notice.severity.value,
        )
    return told


def _withdrawals(db: Database, retired: Collection[str], now: datetime) -> Iterator[Change]:
    """One by one: two manifests may have an incident of the same rule and subject."""
    if not retired:
        return
    for one in incidents.open_incidents(db, None):
        if one.manifest in retired:
            for change in judge((), (), (one,), now):
                yield replace(change, detail={"retired": one.manifest})


def _printed(notices: Iterable[Notice], *kinds: NoticeKind) -> tuple[Text, ...]:
    return tuple(words.headline(notice) for notice in notices if notice.kind in kinds)


def _receivers(manifest: Manifest | None, to: Sequence[str]) -> tuple[str, ...]:
    """The channels asked for, else those of the rule for `manual`, else all."""
    if manifest is None:
        return ()
    known = tuple(manifest.alerts.channels)
    for name in to:
        if name not in known:
            near = get_close_matches(name, known, 1)
            raise UsageError(
                text("there is no alert channel {name}", name=safe(name, 64)),
                code="channel_unknown",
                hint=text("did you mean {name}?", name=near[0])
                if near
                else text("channels of this manifest: {names}", names=", ".join(known) or "-"),
            )
    ruled = [name for rule in rules_for(manifest, RuleWhen.MANUAL) for name in rule.to]
    return tuple(to) or tuple(ruled) or known


def _recorded_by_hand(db: Database, notice: Notice, outgoing: Post, names: Sequence[str]) -> str:
    with db.transaction():
        number = incidents.add(
            db,
            outgoing.manifest,
            rule=RuleWhen.MANUAL.value,  # whatever its type: it must not meet an open incident
            subject=notice.subject,
            severity=notice.severity,
            detail={"type": notice.rule, **notice.detail},
            since=notice.since,
        )
        incidents.tell(db, number, notice.severity, notice.detail, notice.at)
        incidents.close(db, number, notice.at)
        own = replace(notice, handle=f"A{number}")
        outbox.put(db, own, number, outgoing.always_logged(names), outgoing)
    outgoing.log.event("alert_emitted", handle=own.handle, rule=own.rule, subject=own.subject)
    return own.handle


def _directly(notice: Notice, outgoing: Post) -> str:
    target = outgoing.targets[LAST_RESORT]
    try:
        outgoing.kinds[target.kind].send(notice, target)
    except ChannelError as error:
        raise StateError(
            text("the alert could not be written: {reason}", reason=error.reason),
            code="alert_not_written",
            hint=text("make room, or check the owner of {folder}", folder="logs/"),
        ) from error
    return notice.handle


def _word(name: str | None) -> str:
    """A subject is one word of the line."""
    return re.sub(r"\s+", "_", safe(name, 64)) if name else "-"


def _each(names: Iterable[str], read: Callable[[str], _T | None]) -> dict[str, _T]:
    found = {name: read(name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _holding(paused: Mapping[str, pauses.Pause], now: datetime) -> Mapping[str, pauses.Pause]:
    return {name: pause for name, pause in paused.items() if pause.holds(now)}
