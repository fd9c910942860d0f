"""Which words do the text and the Markdown of a plan share? Actions, changes, notes, headings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from heapq import heappop, heappush, merge
from itertools import groupby
from zoneinfo import ZoneInfo

from mitrarr_runner.engine.notes import Note
from mitrarr_runner.engine.preview import AHEAD, Described, Preview, Steps
from mitrarr_runner.manifest.diff import Change, ChangeKind
from mitrarr_runner.plan import Action, PlannedRun, jitter_of, upcoming
from mitrarr_runner.store.drains import Drain
from mitrarr_runner.store.pauses import Pause
from mitrarr_runner.text import Catalogue, Text, plural, text

_SINGULAR = {
    "sources": "source",
    "destinations": "destination",
    "jobs": "job",
    "volumes": "volume",
    "heartbeats": "heartbeat",
    "contacts": "contact",
    "alerts.channels": "channel",
    "alerts.rules": "rule",
}
"""Sections by the name of one thing in them: the manifest's own words, in every language."""

SIGNS = {ChangeKind.ADDED: "+", ChangeKind.REMOVED: "-", ChangeKind.EDITED: "~"}

_SPANS = (
    *("timeout", "settle", "settle_max", "window", "jitter", "max_age", "quiet_period"),
    *("read_timeout", "backoff", "repeat", "older_than"),
)
"""Keys whose numbers are seconds, and are shown as lengths of time."""


def words_of(action: Action) -> Text:
    """The action as people read it."""
    return {
        Action.RUN: text("RUNS"),
        Action.WAIT: text("WAITS"),
        Action.SKIP: text("SKIPPED"),
        Action.MISSED: text("MISSED"),
        Action.PAUSED: text("PAUSED"),
        Action.BLOCKED: text("BLOCKED"),
        Action.QUEUED: text("QUEUED"),
        Action.RECOVER: text("RECOVERS"),
    }[action]


def _counted(action: Action, count: int) -> Text:
    return {
        Action.RUN: plural("{count} runs", "{count} run", count),
        Action.WAIT: plural("{count} waits", "{count} wait", count),
        Action.SKIP: plural("{count} skipped", "{count} skipped", count),
        Action.MISSED: plural("{count} missed", "{count} missed", count),
        Action.PAUSED: text("{count} paused", count=count),
        Action.BLOCKED: plural("{count} blocked", "{count} blocked", count),
        Action.QUEUED: text("{count} queued", count=count),
        Action.RECOVER: plural("{count} recovers", "{count} recover", count),
    }[action]


def summary(found: Sequence[Described], say: Catalogue) -> str:
    """ "4 jobs: 2 run, 1 waits, 1 skipped"; where jobs have several slots, those are counted."""
    entries = [described.entry for described in found]
    ranges = [entry for entry in entries if entry.until is not None]
    jobs = len({entry.job for entry in entries})
    head = say(plural("{count} job", "{count} jobs", jobs))
    if len(entries) - len(ranges) > jobs:
        slots = plural("{count} slot", "{count} slots", len(entries) - len(ranges))
        head += f", {say(slots)}"
    parts = [say(plural("{count} older range", "{count} older ranges", len(ranges)))]
    counts: dict[Action, int] = {}
    for entry in entries:
        if entry.until is None:
            counts[entry.action] = counts.get(entry.action, 0) + 1
    parts = [*(parts if ranges else ()), *(say(_counted(a, n)) for a, n in counts.items())]
    return f"{head}: {', '.join(parts)}"


# -- lines of an instant


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an instant: an entry that starts, or slots of one job with one fate."""

    action: Action
    job: str
    hours: str
    reason: Text
    steps: Steps


def lines(found: Sequence[Described], zone: ZoneInfo, now: datetime, say: Catalogue) -> list[Line]:
    """Slots that share job and fate stand in one line."""

    def fate(described: Described) -> object:
        entry = described.entry
        alone = entry.starts or entry.until is not None
        return (entry.job, entry.action, entry.code, entry.slot if alone else None)

    made = []
    for _, same in groupby(found, key=fate):
        several = list(same)
        first = several[0].entry
        hours = _hours([described.entry for described in several], zone, now, say)
        made.append(Line(first.action, first.job, hours, first.reason, several[0].steps))
    return made


def _hours(entries: Sequence[PlannedRun], zone: ZoneInfo, now: datetime, say: Catalogue) -> str:
    if entries[0].slot is not None and entries[0].until is not None:
        ends = (entries[0].slot, entries[0].until)
        return " - ".join(say.hour(end, zone, now) for end in ends)
    shown = [say.hour(entry.slot, zone, now) for entry in entries if entry.slot is not None]
    if len(shown) > 4:
        shown = [*shown[:3], "...", shown[-1]]
    return " ".join(shown)


# -- changes


def section_of(change: Change) -> str:
    return _SINGULAR.get(change.section, change.section)


def edited(change: Change, say: Catalogue) -> str:
    """ "minimum: 20 -> 50"; empty for what is wholly new or gone."""
    if change.kind is not ChangeKind.EDITED:
        return ""
    values = f"{_value(change.key, change.old, say)} -> {_value(change.key, change.new, say)}"
    return f"{change.key}: {values}" if change.key else values


def _value(key: str, value: object, say: Catalogue) -> str:
    name = key.rpartition(".")[2]
    if isinstance(value, int) and not isinstance(value, bool) and name in _SPANS:
        return say.span(value)
    if name == "drop" and isinstance(value, float):
        return f"{value:.0%}"
    if name == "steps" and isinstance(value, list):
        return " ".join(str(step["kind"]) for step in value)
    if isinstance(value, str):
        shown = value
    else:
        shown = "-" if value is None else json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def note(one: Note, zone: ZoneInfo, now: datetime, say: Catalogue) -> str:
    """The sentence, without the counts behind it."""
    if one.at is None:
        return say(one.text)
    values = {**one.text.values, "at": say.hour(one.at, zone, now)}
    return say(replace(one.text, values=values))


def counts(one: Note, zone: ZoneInfo, say: Catalogue) -> list[str]:
    """ "Tue 10-06 (44)" for each count of a replay."""
    return [f"{say.day(at, zone)} ({say.number(value)})" for at, value in one.counts]


# -- headings


def title(shown: Preview, say: Catalogue) -> str:
    path = shown.shown or say(text("no manifest"))
    return f"{path} ({shown.plan.fingerprint[:7]})"


def over(shown: Preview, zone: ZoneInfo, say: Catalogue) -> str:
    """What state the plan is made upon, where it is not its own; else empty."""
    base = shown.base
    if base is None:
        return ""
    if base.at is not None:
        moment = say.moment(base.at, zone)
        return say("over the state of {host}, {moment}", host=base.host, moment=moment)
    other = f"{base.shown} ({base.fingerprint[:7]})"
    return say("over the state of {other}", other=other)


def nothing(shown: Preview, zone: ZoneInfo, say: Catalogue) -> str:
    """Why there is nothing to do now, as far as it is known."""
    if shown.applied is None or shown.applied > shown.plan.at:
        return say("nothing to do")
    hour = say.hour(shown.applied, zone, shown.plan.at)
    return say("nothing to do (apply was last called at {hour})", hour=hour)


def pause(one: Pause, zone: ZoneInfo, now: datetime, say: Catalogue) -> str:
    until = say("without an end")
    if one.until:
        until = say("until {moment}", moment=say.moment(one.until, zone, seconds=False))
    since = say.span((now - one.at).total_seconds())
    if not one.actor:
        return say("for {span}, {until}", span=since, until=until)
    return say("for {span} by {actor}, {until}", span=since, actor=one.actor, until=until)


def drain(one: Drain, zone: ZoneInfo, now: datetime, say: Catalogue) -> str:
    """By whom is not known of a state that was exported for a review."""
    since = say.hour(one.at, zone, now)
    told = say("since {since}: nothing new is started", since=since)
    if one.actor:
        told = say("since {since} by {actor}: nothing new is started", since=since, actor=one.actor)
    if one.until is not None:
        until = say.hour(one.until, zone, now)
        told = say("{told} until {until}", told=told, until=until)
    if one.reason:
        told = say('{told} ("{reason}")', told=told, reason=one.reason)
    return told


def later(shown: Preview, zone: ZoneInfo, say: Catalogue) -> Iterator[tuple[str, str]]:
    """(hour, job) of what is due after the next instant with work, jitter included."""
    for due, job in _by_due(shown):
        if shown.next_at is None or due > shown.next_at:
            yield say.hour(due, zone, shown.plan.at), job


def _by_due(shown: Preview) -> Iterator[tuple[datetime, str]]:
    """The coming slots in the order in which they are due.

    Few are read of what may be 50,000, so nothing is sorted as a whole: slots come in order, and
    what is due before the next of them can be overtaken by none. What falls into a pause that holds
    is left out.
    """
    waits: dict[str, timedelta] = {}
    waiting: list[tuple[datetime, str]] = []
    for slot, name in _unpaused(shown):
        while waiting and waiting[0][0] < slot:
            yield heappop(waiting)
        job = shown.manifest.jobs.get(name)
        if job is None or not job.schedule.jitter:
            heappush(waiting, (slot, name))
            continue
        if name not in waits:
            waits[name] = jitter_of(job)
        heappush(waiting, (slot + waits[name], name))
    while waiting:
        yield heappop(waiting)


def _unpaused(shown: Preview) -> Iterator[tuple[datetime, str]]:
    """The coming slots by time; of a paused job those after its pause, if that has an end; in a
    drain without an end, none."""
    if shown.drain is not None and shown.drain.until is None:
        return iter(())
    paused = {one.name for one in shown.pauses}
    soon = ((slot, name) for name, slot in shown.soon if name not in paused)
    after: list[tuple[datetime, str]] = []
    for one in shown.pauses:
        job = shown.manifest.jobs.get(one.name)
        if job is not None and one.until is not None:
            start = max(one.until - timedelta(seconds=1), shown.plan.at - jitter_of(job))
            after += ((slot, job.name) for slot in upcoming(job, start, AHEAD))
    return merge(soon, sorted(after))
