"""How is a plan shown? The same Preview as text for 80 columns and as the contract's JSON."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from mitrarr_runner.clock import iso
from mitrarr_runner.engine.preview import DESCRIBED, Described, Preview
from mitrarr_runner.manifest.diff import Change
from mitrarr_runner.manifest.model import Manifest
from mitrarr_runner.plan import Action, PlannedRun
from mitrarr_runner.text import Catalogue, Text, offset, plural, text


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


def local(instant: datetime, zone: ZoneInfo) -> str:
    """An instant in a job's zone with its offset, for JSON: 2026-11-23T09:30:00-03:00."""
    shown = instant.astimezone(zone)
    return shown.strftime("%Y-%m-%dT%H:%M:%S") + offset(shown)


def plan_json(shown: Preview) -> dict[str, Any]:
    manifest = shown.manifest
    following: dict[str, Any] | None = None
    if shown.next_at is not None:
        zone = ZoneInfo(manifest.settings.timezone)
        following = {
            "at": iso(shown.next_at),
            "local": local(shown.next_at, zone),
            "runs": [_run_json(d, manifest) for d in shown.next],
        }
    return {
        "at": iso(shown.plan.at),
        "manifest": manifest.fingerprint,
        "changes": [_change_json(change) for change in shown.changes],
        "runs": [_run_json(described, manifest) for described in shown.now],
        "next": following,
        "upcoming": [
            {"job": job, "slot": iso(slot), "local": local(slot, _zone(manifest, job))}
            for job, slot in shown.soon
        ],
    }


def _zone(manifest: Manifest, job: str) -> ZoneInfo:
    return ZoneInfo(manifest.jobs[job].schedule.timezone)


def _change_json(change: Change) -> dict[str, object]:
    return {"kind": change.kind.value, "path": change.path, "old": change.old, "new": change.new}


def _run_json(described: Described, manifest: Manifest) -> dict[str, object]:
    entry = described.entry
    return {
        "job": entry.job,
        "slot": None if entry.slot is None else iso(entry.slot),
        "local": None if entry.slot is None else local(entry.slot, _zone(manifest, entry.job)),
        "due_at": iso(entry.due_at),
        "action": entry.action.value,
        "code": entry.code,
        "reason": str(entry.reason),
        "steps": [{"kind": kind, "describe": str(told)} for kind, told in described.steps],
    }


def slots_json(slots: Sequence[tuple[str, datetime]], manifest: Manifest) -> dict[str, Any]:
    return {
        "slots": [
            {"job": job, "slot": iso(slot), "local": local(slot, _zone(manifest, job))}
            for job, slot in slots
        ]
    }


def slots_text(
    slots: Sequence[tuple[str, datetime]], manifest: Manifest, say: Catalogue
) -> Iterator[str]:
    for job, slot in slots:
        yield f"{say.moment(slot, _zone(manifest, job), seconds=False)}  {job}"


def plan_text(shown: Preview, path: str, say: Catalogue) -> Iterator[str]:
    """The plan, line by line."""
    manifest, now = shown.manifest, shown.plan.at
    zone = ZoneInfo(manifest.settings.timezone)
    yield say("PLAN  {path} ({fingerprint})", path=path, fingerprint=manifest.fingerprint)
    moment = f"{say.moment(now, zone)} {manifest.settings.timezone}"
    yield say("{host}, {moment}. Nothing was run.", host=socket.gethostname(), moment=moment)
    if shown.changes:
        yield ""
        yield say("CHANGES IN THE MANIFEST")
        yield from _changes_text(shown.changes)
    yield ""
    yield from _instant(say("NOW"), shown.now, manifest, say)
    if shown.next_at is not None:
        yield ""
        title = say(
            "AT {hour} (in {span})",
            hour=say.hour(shown.next_at, zone, now),
            span=say.span((shown.next_at - now).total_seconds()),
        )
        yield from _instant(title, shown.next, manifest, say)
    yield from _paused_text(shown, zone, say)
    yield from _later(shown, zone, say)
    if any(described.steps for described in (*shown.now, *shown.next)):
        yield ""
        yield say("The counts are of this instant; apply counts again.")


def _changes_text(found: Sequence[Change]) -> Iterator[str]:
    signs = {"added": "+", "removed": "-", "edited": "~"}
    for change in found:
        section, _, rest = change.path.partition(".")
        line = f"  {signs[change.kind]} {section:<12} {rest}"
        if change.kind == "edited":
            line += f": {_value(change.old)} -> {_value(change.new)}"
        yield line


def _value(value: object) -> str:
    shown = json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def _instant(
    title: str, found: Sequence[Described], manifest: Manifest, say: Catalogue
) -> Iterator[str]:
    if not found:
        yield f"{title}   {say('nothing to do')}"
        return
    jobs = len({described.entry.job for described in found})
    counted = say(plural("{count} job", "{count} jobs", jobs))
    yield f"{title}   {counted}: {_summary([d.entry for d in found], say)}"
    width = max(len(described.entry.job) for described in found[:DESCRIBED])
    for described in found[:DESCRIBED]:
        yield from _entry(described, manifest, width, say)
    if len(found) > DESCRIBED:
        more = len(found) - DESCRIBED
        yield say(plural("  and {count} more", "  and {count} more", more))


def _summary(entries: Sequence[PlannedRun], say: Catalogue) -> str:
    counts: dict[Action, int] = {}
    for entry in entries:
        counts[entry.action] = counts.get(entry.action, 0) + 1
    return ", ".join(f"{count} {say(words_of(action))}" for action, count in counts.items())


def _entry(described: Described, manifest: Manifest, width: int, say: Catalogue) -> Iterator[str]:
    entry = described.entry
    zone = _zone(manifest, entry.job)
    at = "" if entry.slot is None else entry.slot.astimezone(zone).strftime("%H:%M  ")
    yield f"  {say(words_of(entry.action)):<9} {entry.job:<{width}}  {at}{say(entry.reason)}"
    for number, (kind, told) in enumerate(described.steps, 1):
        yield f"             {number} {kind:<17} {say(told)}"


def _paused_text(shown: Preview, zone: ZoneInfo, say: Catalogue) -> Iterator[str]:
    now = shown.plan.at
    held = [pause for pause in shown.view.pauses.values() if pause.holds(now)]
    if held:
        yield ""
    for pause in held:
        until = (
            say("until {moment}", moment=say.moment(pause.until, zone, seconds=False))
            if pause.until
            else say("without an end")
        )
        since = say.span((now - pause.at).total_seconds())
        told = say("for {span} by {actor}, {until}", span=since, actor=pause.actor, until=until)
        yield f"{say('PAUSED')}   {pause.name}  {told}"
        if pause.reason:
            yield " " * 11 + say('reason: "{reason}"', reason=pause.reason)


def _later(shown: Preview, zone: ZoneInfo, say: Catalogue) -> Iterator[str]:
    later = [
        f"{say.hour(slot, zone, shown.plan.at)} {job}"
        for job, slot in shown.soon
        if shown.next_at is None or slot > shown.next_at
    ]
    if later:
        yield ""
        yield f"{say('LATER')}    " + "   ".join(later[:3])
