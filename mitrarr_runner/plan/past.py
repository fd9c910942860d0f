"""Which slots of the past are still to be decided on? Each since the last one that was handled is
due, or stands in a line for what is older, or has a row already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeAlias

from mitrarr_runner import schedule
from mitrarr_runner.manifest.model import Job
from mitrarr_runner.plan.coming import SECOND, any_in, jitter_of, parsed, zone_of
from mitrarr_runner.plan.values import Action, PlannedRun, StateView
from mitrarr_runner.store.jobs import JobMemory
from mitrarr_runner.store.pauses import Pause
from mitrarr_runner.text import text

HARD_CAP = 1000
"""Slots of one job that one plan looks at singly; what is older becomes a missed_range: one for
what is inside the window, one for what is older than that."""


def due_slots(
    job: Job, memory: JobMemory, view: StateView, now: datetime
) -> tuple[list[datetime], list[PlannedRun]]:
    """Unclaimed slots in (lower, now], oldest first, and the lines for what is older than those:
    every slot since the last one that was handled stands in one of the two.
    """
    if job.schedule.cron is None:
        return [], []
    cron, zone = parsed(job.schedule.cron), zone_of(job.schedule.timezone)
    dealt = _dealt(job, view, now)
    last = memory.last_slot if memory.last_slot and memory.last_slot <= now else None
    now = now - jitter_of(job)
    window = now - timedelta(seconds=job.schedule.window)
    handled = max(memory.floor, last or _newest(dealt, window) or memory.floor)
    lower = max(handled, window)
    found: list[datetime] = []
    if lower < now and any_in(job.schedule.cron, job.schedule.timezone, lower, now):
        found += _free(schedule.slots(cron, zone, lower, now), dealt)
    older: list[PlannedRun] = []
    if handled < window:
        older += _ranges(job, handled, window, dealt, view, "older_than_window")
    cut = found[:-HARD_CAP]
    if cut:
        older += _ranges(job, cut[0] - SECOND, cut[-1], dealt, view, "too_many")
    return found[-HARD_CAP:], older


Dealt: TypeAlias = Mapping[datetime, datetime]
"""First and last slot of what a row stands for; the same instant but for a range."""


def _dealt(job: Job, view: StateView, now: datetime) -> Dealt:
    """What has a row. A range that ends ahead was read off a clock that stood there, and is
    forgotten by the next apply: it stands for nothing.
    """
    rows = view.slots.get(job.name, {}).values()
    ends = ((row.slot, row.until or row.slot, row.until) for row in rows)
    return {first: last for first, last, until in ends if until is None or until <= now}


def _newest(dealt: Dealt, until: datetime) -> datetime | None:
    """Up to where everything was dealt with, where the last slot is not known (any more)."""
    return max((last for last in dealt.values() if last <= until), default=None)


def _free(slots: Iterator[datetime], dealt: Dealt) -> Iterator[datetime]:
    """The slots that no row stands for."""
    ranges = [(first, last) for first, last in dealt.items() if first < last]
    for slot in slots:
        if slot not in dealt and not any(first <= slot <= last for first, last in ranges):
            yield slot


def _ranges(
    job: Job, after: datetime, until: datetime, dealt: Dealt, view: StateView, code: str
) -> Iterator[PlannedRun]:
    """Lines for every slot in (after, until] without a row; what fell into a pause is told by
    itself.
    """
    pause = view.pauses.get(job.name)
    for begin, end in _between(after, until, dealt):
        for start, stop, held in _by_pause(begin, end, pause):
            ends = _first_and_last(job, start, stop)
            if ends is None:
                continue
            if held:
                yield replace(as_paused(job, ends[0], pause), until=ends[1])
            else:
                yield _range(job, *ends, code)


def _between(after: datetime, until: datetime, dealt: Dealt) -> Iterator[tuple[datetime, datetime]]:
    """(after, until] without the slots that have rows."""
    for first, last in sorted(dealt.items()):
        if first > until:
            break
        if after < first - SECOND:
            yield after, first - SECOND
        after = max(after, last)
    if after < until:
        yield after, until


def _by_pause(
    after: datetime, until: datetime, pause: Pause | None
) -> Iterator[tuple[datetime, datetime, bool]]:
    """(after, until] in pieces: before a pause, in it (True), after it."""
    begin = end = until
    if pause is not None:
        begin = min(max(pause.at - SECOND, after), until)
    if pause is not None and pause.until is not None:
        end = min(max(pause.until - SECOND, begin), until)
    for piece in ((after, begin, False), (begin, end, True), (end, until, False)):
        if piece[0] < piece[1]:
            yield piece


def _first_and_last(job: Job, after: datetime, until: datetime) -> tuple[datetime, datetime] | None:
    """The slots of a job at both ends of (after, until]; None where it holds none."""
    cron, zone = parsed(job.schedule.cron or ""), zone_of(job.schedule.timezone)
    first = next(schedule.slots(cron, zone, after, until), None)
    if first is None:
        return None
    return first, schedule.latest_slot(cron, zone, after, until) or first


def _range(job: Job, first: datetime, last: datetime, code: str) -> PlannedRun:
    reason = text("missed, and older than the window in which slots are caught up")
    if code == "too_many":
        reason = text("missed, and more than {cap} slots at once", cap=HARD_CAP)
    return PlannedRun(job.name, first, first, Action.MISSED, code, reason, until=last)


def during(pause: Pause, slot: datetime, now: datetime) -> bool:
    """While a pause holds, nothing due is run; after its end, only its own slots stay unrun."""
    if pause.holds(now):
        return True
    return pause.at <= slot and (pause.until is None or slot < pause.until)


def as_paused(job: Job, slot: datetime, pause: Pause | None) -> PlannedRun:
    """The line of a slot that a pause kept from running."""
    actor = pause.actor if pause else ""
    reason = text("paused by {actor}", actor=actor) if actor else text("paused")
    return PlannedRun(job.name, slot, slot + jitter_of(job), Action.PAUSED, "paused", reason)
