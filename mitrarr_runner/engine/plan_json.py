"""What does a program read of a plan? The contract's JSON (DESIGN section 6), and no key beside it.

`next` is null where no job has a slot to come; `upcoming` is ordered by time, then by name. Built
for a hundred thousand slots: instants are formatted without strftime, and the lines of slots are
put together by hand (bench/slots.py, bench/plan.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from mitrarr_runner.engine.json_text import JsonLines
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
        "upcoming": JsonLines(instants.line(job, slot) for job, slot in shown.soon),
    }


def slots_lines(slots: Iterable[tuple[str, datetime]], manifest: Manifest) -> Iterator[str]:
    """{"version", "slots": [{"job", "slot", "local"}]}, a slot a line, as it is written."""
    zones = {name: ZoneInfo(job.schedule.timezone) for name, job in manifest.jobs.items()}
    yield '{\n  "version": 1,\n  "slots": ['
    before = "\n    "
    for job, slot in slots:
        yield before + _line(job, _iso(slot), _local(slot, zones[job]))
        before = ",\n    "
    yield "\n  ]\n}\n" if before.startswith(",") else "]\n}\n"


def _line(job: str, slot: str, local: str) -> str:
    """Names of jobs and instants need no escaping."""
    return f'{{"job": "{job}", "slot": "{slot}", "local": "{local}"}}'


class _Instants:
    """Instants as texts, each one made once: thousands of jobs share the same few slots."""

    def __init__(self, manifest: Manifest) -> None:
        self._zones = {name: job.schedule.timezone for name, job in manifest.jobs.items()}
        self._known: dict[str, dict[datetime, tuple[str, str]]] = {}

    def of(self, job: str, slot: datetime) -> tuple[str, str]:
        """(in UTC, in the job's zone)"""
        name = self._zones[job]
        known = self._known.setdefault(name, {})
        if slot not in known:
            known[slot] = (_iso(slot), _local(slot, ZoneInfo(name)))
        return known[slot]

    def line(self, job: str, slot: datetime) -> str:
        return _line(job, *self.of(job, slot))


def _iso(instant: datetime) -> str:
    """As `clock.iso`, at a quarter of its cost."""
    return instant.astimezone(UTC).isoformat()[:19] + "Z"


def _local(instant: datetime, zone: ZoneInfo) -> str:
    """A slot, whole seconds, in a job's zone with its offset: 2026-11-23T09:30:00-03:00."""
    return instant.astimezone(zone).isoformat()


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
