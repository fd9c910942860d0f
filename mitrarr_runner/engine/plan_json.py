"""What does a program read of a plan? The contract's JSON (DESIGN section 6), and no key beside it.

`next` is null where no job has a slot to come; `upcoming` is ordered by time, then by name. Built
for many thousands of slots: instants are formatted without strftime.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from mitrarr_runner.engine.preview import Described, Preview
from mitrarr_runner.manifest.diff import Change
from mitrarr_runner.manifest.model import Manifest


def plan_json(shown: Preview) -> dict[str, Any]:
    manifest = shown.manifest
    instants = _Instants(manifest)
    following: dict[str, Any] | None = None
    if shown.next_at is not None:
        zone = ZoneInfo(manifest.settings.timezone)
        following = {
            "at": _iso(shown.next_at),
            "local": _local(shown.next_at, zone),
            "runs": [_run(described, instants) for described in shown.next],
        }
    return {
        "at": _iso(shown.plan.at),
        "manifest": manifest.fingerprint,
        "changes": [_change(noted.change) for noted in shown.changes],
        "runs": [_run(described, instants) for described in shown.now],
        "next": following,
        "upcoming": [instants.slot(job, slot) for job, slot in shown.soon],
    }


def slots_lines(slots: Iterable[tuple[str, datetime]], manifest: Manifest) -> Iterator[str]:
    """{"version", "slots": [{"job", "slot", "local"}]}, a slot a line, as it is written.

    Put together by hand: names of jobs and instants need no escaping, and an encoder called a
    hundred thousand times costs a third of a second (bench/slots.py).
    """
    zones = {name: ZoneInfo(job.schedule.timezone) for name, job in manifest.jobs.items()}
    yield '{\n  "version": 1,\n  "slots": ['
    before = "\n"
    for job, slot in slots:
        local = slot.astimezone(zones[job]).isoformat(timespec="seconds")
        yield f'{before}    {{"job": "{job}", "slot": "{_iso(slot)}", "local": "{local}"}}'
        before = ",\n"
    yield "\n  ]\n}\n" if before != "\n" else "]\n}\n"


class _Instants:
    """Instants as texts, each one made once: thousands of jobs share the same few slots."""

    def __init__(self, manifest: Manifest) -> None:
        self._zones = {name: job.schedule.timezone for name, job in manifest.jobs.items()}
        self._known: dict[tuple[datetime, str], tuple[str, str]] = {}

    def of(self, job: str, slot: datetime) -> tuple[str, str]:
        """(in UTC, in the job's zone)"""
        key = (slot, self._zones[job])
        if key not in self._known:
            self._known[key] = (_iso(slot), _local(slot, ZoneInfo(key[1])))
        return self._known[key]

    def slot(self, job: str, slot: datetime) -> dict[str, str]:
        instant, local = self.of(job, slot)
        return {"job": job, "slot": instant, "local": local}


def _iso(instant: datetime) -> str:
    """As `clock.iso`, at a third of its cost."""
    return instant.astimezone(UTC).isoformat(timespec="seconds")[:19] + "Z"


def _local(instant: datetime, zone: ZoneInfo) -> str:
    """An instant in a job's zone with its offset: 2026-11-23T09:30:00-03:00."""
    return instant.astimezone(zone).isoformat(timespec="seconds")


def _change(change: Change) -> dict[str, object]:
    return {"kind": change.kind.value, "path": change.path, "old": change.old, "new": change.new}


def _run(described: Described, instants: _Instants) -> dict[str, object]:
    entry = described.entry
    slot, local = (None, None) if entry.slot is None else instants.of(entry.job, entry.slot)
    return {
        "job": entry.job,
        "slot": slot,
        "local": local,
        "due_at": _iso(entry.due_at),
        "action": entry.action.value,
        "code": entry.code,
        "reason": str(entry.reason),
        "steps": [{"kind": kind, "describe": str(told)} for kind, told in described.steps],
    }
