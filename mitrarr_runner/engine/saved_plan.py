"""May what was reviewed still be done? A plan out of a file, judged by how things stand now.

`apply FILE` runs exactly the runs of the file, and only while nothing that was reviewed has moved:
the manifest's content, the slots' rows, pauses, running jobs. Otherwise it is refused with what has
moved.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from mitrarr_runner.engine.preview import Preview
from mitrarr_runner.errors import UsageError
from mitrarr_runner.manifest.diff import changes
from mitrarr_runner.manifest.model import Manifest
from mitrarr_runner.plan import Action, Plan, PlannedRun, StateView
from mitrarr_runner.store.runs import Outcome
from mitrarr_runner.store.slots import SlotState
from mitrarr_runner.text import Text, plural, text

NAMED = 5
"""Things that have moved which a refusal names; the rest is a number."""


@dataclass(frozen=True, slots=True)
class Kept(Preview):
    """A preview out of a file: who reads it needs no advice how to keep it."""


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """path: of the manifest, absolute; root: of the site; preview: what was shown, and its plan."""

    path: Path
    root: Path
    host: str
    preview: Kept

    @property
    def plan(self) -> Plan:
        return self.preview.plan


def to_apply(saved: SavedPlan, now: datetime) -> Plan:
    """Its runs, and of the same jobs the slots that those runs leave behind: nothing of any other
    job is written. now: of the apply, by which a run is late, whenever the plan was made."""
    starting = {entry.job for entry in saved.plan.starting}
    return replace(
        saved.plan,
        at=now,
        entries=tuple(entry for entry in saved.plan.entries if entry.job in starting),
        memories=tuple(memory for memory in saved.plan.memories if memory.job in starting),
    )


def moved(
    saved: SavedPlan, manifest: Manifest, root: Path, view: StateView, now: datetime
) -> tuple[Text, ...]:
    """What has moved since it was made: nothing = it may be done. view: of the manifest, now."""
    found = list(_moved_manifest(saved, manifest, root))
    if view.drain is not None and saved.plan.starting:
        found.append(text("nothing new is started: draining"))
    zone = ZoneInfo(manifest.settings.timezone)
    for entry in saved.plan.starting:
        why = _moved_entry(entry, view, now, zone)
        if why is not None:
            found.append(text("{job}: {why}", job=entry.job, why=why))
    return tuple(found)


def stale(saved: SavedPlan, file: str, found: tuple[Text, ...]) -> UsageError:
    """The refusal, naming the first things that have moved."""
    told = found[0]
    for one in found[1:NAMED]:
        told = text("{before}; {after}", before=told, after=one)
    if len(found) > NAMED:
        more = plural("{count} more", "{count} more", len(found) - NAMED)
        told = text("{before}; {after}", before=told, after=more)
    at = _local(saved.plan.at, ZoneInfo(saved.preview.manifest.settings.timezone))
    return UsageError(
        text("the plan of {at} is stale: {moved}", at=at, moved=told),
        code="plan_stale",
        hint=text(
            "see it: mitrarr plan {file}; make a new one: mitrarr plan {path} --out {file}",
            file=file,
            path=str(saved.path),
        ),
    )


def _local(instant: datetime, zone: ZoneInfo) -> str:
    """As people of the site read the clock, in the form that `why JOB SLOT` takes; a refusal is
    made before it is known in which language it will be read.
    """
    local = instant.astimezone(zone)
    return local.isoformat(timespec="seconds" if local.second else "minutes")


def _moved_manifest(saved: SavedPlan, manifest: Manifest, root: Path) -> Iterator[Text]:
    if saved.host != socket.gethostname():
        yield text("it was made on {host}", host=saved.host)
    if saved.root != root:
        yield text("the site is another one: {root}", root=str(root))
    if saved.plan.manifest != manifest.name:
        yield text("the manifest has another name: {name}", name=manifest.name)
    if saved.plan.fingerprint == manifest.fingerprint:
        return
    keys = [change.path for change in changes(saved.preview.manifest, manifest)]
    shown = ", ".join(keys[:NAMED]) + (", ..." if len(keys) > NAMED else "")
    yield text("the manifest has changed: {keys}", keys=shown or manifest.fingerprint)


def _moved_entry(entry: PlannedRun, view: StateView, now: datetime, zone: ZoneInfo) -> Text | None:
    """Why this run may not be made any more, or not yet."""
    pause = view.pauses.get(entry.job)
    running = view.running.get(entry.job)
    if pause is not None and pause.holds(now):
        return text("paused by {actor}", actor=pause.actor)
    if running is not None and entry.code != "replace":
        return text("{run} is still running", run=running.handle)
    if entry.due_at > now:
        return text("not due before {at}", at=_local(entry.due_at, zone))
    if entry.action is Action.RECOVER:
        return _moved_recovery(entry, view)
    if entry.request is not None:
        asked = {request.id for request in view.requests}
        return None if entry.request in asked else text("what was asked for has been done")
    return _moved_slot(entry, view, now, zone)


def _moved_recovery(entry: PlannedRun, view: StateView) -> Text | None:
    lost = view.lost.get(entry.job)
    if lost is not None and lost.id == entry.run and lost.outcome in (None, Outcome.LOST):
        return None
    return text("r{run} needs no recovery any more", run=entry.run)


def _moved_slot(entry: PlannedRun, view: StateView, now: datetime, zone: ZoneInfo) -> Text | None:
    """A slot is free while it has no row and lies after whatever was handled last."""
    if entry.slot is None:
        return None
    slot = _local(entry.slot, zone)
    row = view.slots.get(entry.job, {}).get(entry.slot)
    if row is not None:
        if row.state is SlotState.QUEUED:
            return None
        return text("slot {slot} has been dealt with: {state}", slot=slot, state=row.state.value)
    memory = view.memories.get(entry.job)
    if memory is None:
        return None
    last = memory.last_slot
    if last is not None and entry.slot <= last <= now:
        return text("slot {slot} has been dealt with", slot=slot)
    if entry.slot <= memory.floor and entry.code != "first_now":
        return text("slot {slot} lies before the job's new start", slot=slot)
    if entry.code == "first_now" and not memory.run_now:
        return text("its first run has been made")
    return None
