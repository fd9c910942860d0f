"""What does a program read of a plan? The contract's JSON (DESIGN section 6), and no key beside it.

`next` is null where no job has a slot to come; `upcoming` is ordered by time, then by name. Built
for many thousands of slots: instants are formatted without strftime.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from mitrarr_runner.engine.preview import Described, Preview
from mitrarr_runner.manifest.diff import Change
from mitrarr_runner.manifest.model import Manifest


def plan_json(shown: Preview) -> dict[str, Any]:
    manifest = shown.manifest
    zones = _zones(manifest)
    following: dict[str, Any] | None = None
    if shown.next_at is not None:
        zone = ZoneInfo(manifest.settings.timezone)
        following = {
            "at": _iso(shown.next_at),
            "local": _local(shown.next_at, zone),
            "runs": [_run(described, zones) for described in shown.next],
        }
    return {
        "at": _iso(shown.plan.at),
        "manifest": manifest.fingerprint,
        "changes": [_change(noted.change) for noted in shown.changes],
        "runs": [_run(described, zones) for described in shown.now],
        "next": following,
        "upcoming": [_slot(job, slot, zones) for job, slot in shown.soon],
    }


def slots_json(slots: Iterable[tuple[str, datetime]], manifest: Manifest) -> dict[str, Any]:
    zones = _zones(manifest)
    return {"slots": [_slot(job, slot, zones) for job, slot in slots]}


def _zones(manifest: Manifest) -> dict[str, ZoneInfo]:
    return {name: ZoneInfo(job.schedule.timezone) for name, job in manifest.jobs.items()}


def _iso(instant: datetime) -> str:
    """As `clock.iso`, at a third of its cost."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _local(instant: datetime, zone: ZoneInfo) -> str:
    """An instant in a job's zone with its offset: 2026-11-23T09:30:00-03:00."""
    return instant.astimezone(zone).isoformat(timespec="seconds")


def _slot(job: str, slot: datetime, zones: dict[str, ZoneInfo]) -> dict[str, str]:
    return {"job": job, "slot": _iso(slot), "local": _local(slot, zones[job])}


def _change(change: Change) -> dict[str, object]:
    return {"kind": change.kind.value, "path": change.path, "old": change.old, "new": change.new}


def _run(described: Described, zones: dict[str, ZoneInfo]) -> dict[str, object]:
    entry = described.entry
    slot = entry.slot
    return {
        "job": entry.job,
        "slot": None if slot is None else _iso(slot),
        "local": None if slot is None else _local(slot, zones[entry.job]),
        "due_at": _iso(entry.due_at),
        "action": entry.action.value,
        "code": entry.code,
        "reason": str(entry.reason),
        "steps": [{"kind": kind, "describe": str(told)} for kind, told in described.steps],
    }
