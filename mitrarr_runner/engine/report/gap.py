"""What happened while nobody looked? What apply says first to a person: a reboot, missed slots,
interrupted runs, runs that are late. Pure: plan and state in, rows out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from mitrarr_runner.engine.report import columns
from mitrarr_runner.manifest.model import Job, Manifest
from mitrarr_runner.plan import LATE, ON_TIME, Action, Plan, PlannedRun, StateView, in_its_place
from mitrarr_runner.store.runs import Run
from mitrarr_runner.text import Catalogue, Text, text

_HOURS = 3
"""Slots of one line that are told one by one."""


@dataclass(frozen=True, slots=True)
class Before:
    """applied: when apply was here before this one, None = never; booted: when the host started."""

    applied: datetime | None
    booted: datetime


def told(
    manifest: Manifest,
    plan: Plan,
    view: StateView,
    before: Before,
    zone: tzinfo,
    say: Catalogue,
    width: int | None,
) -> list[str]:
    """Lines; none where the last apply was a moment ago and everything is on time."""
    rows = [
        [job, hours, say(what)]
        for known in manifest.jobs.values()
        for job, hours, what in _of_job(known, plan, view, zone, say)
    ]
    intro = _intro(plan.at, before, zone, say)
    if intro is None:
        return _table(rows, width)
    if not rows:
        return columns.wrapped(say("{intro} Nothing was missed.", intro=say(intro)), width)
    first = say("{intro} Meanwhile:", intro=say(intro))
    return [*columns.wrapped(first, width), *_table(rows, width)]


def delay(entry: PlannedRun, at: datetime) -> timedelta | None:
    """How late a run is started, where that is worth telling."""
    late = at - entry.due_at
    return late if entry.slot is not None and late >= LATE else None


def _intro(at: datetime, before: Before, zone: tzinfo, say: Catalogue) -> Text | None:
    if before.applied is None:
        return None
    last = say.hour(before.applied, zone, at)
    if before.applied < before.booted <= at:
        booted = say.hour(before.booted, zone, at)
        return text("Server restarted at {booted}. Last apply: {last}.", booted=booted, last=last)
    gone = at - before.applied
    if gone < ON_TIME:
        return None
    return text("Last apply: {last} ({span} ago).", last=last, span=say.span(gone.total_seconds()))


def _of_job(
    known: Job, plan: Plan, view: StateView, zone: tzinfo, say: Catalogue
) -> Iterator[tuple[str, str, Text]]:
    job = known.name
    entries = [entry for entry in plan.entries if entry.job == job]
    groups: dict[tuple[Action, str], list[PlannedRun]] = {}
    for entry in entries:
        if not entry.starts:
            groups.setdefault((entry.action, entry.code), []).append(entry)
    for found in groups.values():
        yield job, _hours(found, plan.at, zone, say), found[-1].reason
    lost = view.lost.get(job)
    if lost is not None and (not lost.finished or any(entry.run for entry in entries)):
        stands = in_its_place(known, lost, entries)
        instead = _hour(stands.slot, plan.at, zone, say) if stands is not None else ""
        yield job, _hour(lost.slot, plan.at, zone, say), _interrupted(lost, entries, instead)
    for entry in entries:
        if entry.starts and entry.action is not Action.RECOVER and delay(entry, plan.at):
            yield job, _hour(entry.slot, plan.at, zone, say), text("caught up now")


def _interrupted(run: Run, entries: list[PlannedRun], instead: str) -> Text:
    """instead: the later slot whose run stands for it, empty where there is none."""
    if any(entry.run == run.id and entry.starts for entry in entries):
        return text("{run} was interrupted; runs again now", run=run.handle)
    if instead:
        return text(
            "{run} was interrupted; the run of {slot} stands for it", run=run.handle, slot=instead
        )
    return text("{run} was interrupted: its process is gone", run=run.handle)


def _hours(entries: list[PlannedRun], at: datetime, zone: tzinfo, say: Catalogue) -> str:
    instants = [entry.slot for entry in entries if entry.slot is not None]
    ends = [entry.until for entry in entries if entry.until is not None]
    shown = [say.hour(slot, zone, at) for slot in instants[:_HOURS]]
    last = max([*instants[_HOURS:], *ends], default=None)
    if last is not None:
        shown += ["...", say.hour(last, zone, at)]
    return " ".join(shown)


def _hour(slot: datetime | None, at: datetime, zone: tzinfo, say: Catalogue) -> str:
    return "-" if slot is None else say.hour(slot, zone, at)


def _table(rows: list[list[str]], width: int | None) -> list[str]:
    """Job, slots, what became of them; the last column goes on below itself."""
    if not rows:
        return []
    jobs = max(len(job) for job, _, _ in rows)
    room = columns.room([hour for _, hour, _ in rows], jobs + 4, width)
    lines = []
    for job, hour, what in rows:
        begin = f"  {job.ljust(jobs)}  "
        if width is not None and len(begin) + room > width - 22:
            lines += columns.wrapped(f"{begin}{hour}  {what}", width, indent=4)
        else:
            lines += columns.beside(begin, hour, room, what, width)
    return lines
