"""What does a program read of a plan? The contract's JSON (DESIGN section 6), and no key beside it.

`next` is null where no job has a slot to come; `upcoming` is ordered by time, then by name. Built
for a hundred thousand slots: instants come from tables, and the lines of slots are put together by
hand (bench/slots.py, bench/plan.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from mitrarr_runner import clock
from mitrarr_runner.engine.instant_texts import InstantTexts
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
            "at": clock.iso(shown.next_at),
            "local": shown.next_at.astimezone(zone).isoformat(),
            "runs": [_run(described, instants) for described in shown.next],
        }
    return {
        "at": clock.iso(shown.plan.at),
        "manifest": manifest.fingerprint,
        "changes": [_change(noted.change) for noted in shown.changes],
        "runs": [_run(described, instants) for described in shown.now],
        "next": following,
        "upcoming": JsonLines(instants.line(job, slot) for job, slot in shown.soon),
    }


def slots_lines(slots: Iterable[tuple[str, datetime]], manifest: Manifest) -> Iterator[str]:
    """{"version", "slots": [{"job", "slot", "local"}]}, a slot a line, as it is written."""
    instants = _Instants(manifest)
    yield '{\n  "version": 1,\n  "slots": ['
    before = "\n    "
    for job, slot in slots:
        yield before + instants.line(job, slot)
        before = ",\n    "
    yield "\n  ]\n}\n" if before.startswith(",") else "]\n}\n"


class _Instants:
    """Instants of jobs as texts: a table for each zone."""

    def __init__(self, manifest: Manifest) -> None:
        zones: dict[str, InstantTexts] = {}
        self._of_job: dict[str, InstantTexts] = {}
        for job in manifest.jobs.values():
            name = job.schedule.timezone
            if name not in zones:
                zones[name] = InstantTexts(ZoneInfo(name))
            self._of_job[job.name] = zones[name]

    def of(self, job: str, slot: datetime) -> tuple[str, str]:
        """(in UTC, in the job's zone)"""
        return self._of_job[job].of(slot)

    def line(self, job: str, slot: datetime) -> str:
        """Names of jobs and instants need no escaping."""
        utc, local = self._of_job[job].of(slot)
        return f'{{"job": "{job}", "slot": "{utc}", "local": "{local}"}}'


def _change(change: Change) -> dict[str, object]:
    return {"kind": change.kind.value, "path": change.path, "old": change.old, "new": change.new}


def _run(described: Described, instants: _Instants) -> dict[str, object]:
    entry = described.entry
    slot, local = (None, None) if entry.slot is None else instants.of(entry.job, entry.slot)
    return {
        "job": entry.job,
        "slot": slot,
        "local": local,
        "due_at": clock.iso(entry.due_at),
        "action": entry.action.value,
        "code": entry.code,
        "reason": str(entry.reason),
        "steps": [{"kind": kind, "describe": str(told)} for kind, told in described.steps],
    }
