"""What may a reviewer's machine know of production? An export for `plan --state`, and back.

`mitrarr state export --review FILE` writes what a plan depends on: memories of jobs, open slots,
how last runs ended, pauses, readings of volumes, the applied manifest. No row of a person, no name
of an operator and no reason they typed: of registry and deliveries counts only.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from mitrarr_runner.clock import Clock, iso
from mitrarr_runner.engine.preview import Describe, Steps
from mitrarr_runner.engine.state import gather
from mitrarr_runner.errors import UsageError
from mitrarr_runner.manifest import build
from mitrarr_runner.manifest.model import Job, Manifest, Step
from mitrarr_runner.plan import PlannedRun, StateView
from mitrarr_runner.site import Site
from mitrarr_runner.steps import KINDS, check_volume, command, emit_alert, heartbeat
from mitrarr_runner.steps.contract import View
from mitrarr_runner.store import deliveries, readings, registry
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.drains import Drain
from mitrarr_runner.store.jobs import JobMemory
from mitrarr_runner.store.pauses import Pause, Paused
from mitrarr_runner.store.requests import Asked, Request
from mitrarr_runner.store.runs import Cause, Outcome, ProcessId, Run
from mitrarr_runner.store.slots import SlotRow, SlotState
from mitrarr_runner.text import Text, text
from mitrarr_runner.volumes import Log, Per, Reading, judge_in

KIND = "review_state"
VERSION = 1
KEPT = timedelta(days=180)

_NOBODY = ProcessId(0, "", "", "")
_ANYWHERE = (heartbeat.KIND, emit_alert.KIND)
"""Steps that are described from the manifest alone."""


@dataclass(frozen=True, slots=True)
class ReviewState:
    """An exported state. content: the applied manifest's merged data; queued: people on their way,
    by destination."""

    name: str
    fingerprint: str
    host: str
    at: datetime
    content: Mapping[str, Any] | None
    view: StateView
    volumes: Mapping[str, Sequence[Reading]] = field(default_factory=dict)
    queued: Mapping[str, int] = field(default_factory=dict)

    def readings(self, label: str) -> Sequence[Reading]:
        return self.volumes.get(label, ())

    def manifest(self, root: Path) -> Manifest | None:
        """The manifest that was applied, as if it lay below `root`; None where this version of the
        program cannot build it."""
        if self.content is None:
            return None
        try:
            return build.build(self.content, path=Path(self.name), root=root, files=())
        except (ValueError, KeyError, TypeError, AttributeError):
            return None


# -- out


def exported(
    db: Database,
    manifest: Manifest,
    content: Mapping[str, Any] | None,
    site: Site,
    clock: Clock,
) -> dict[str, Any]:
    """The export as JSON values. content: the manifest's merged data."""
    now = clock.now()
    view = gather(db, manifest, site, clock, now)
    return {
        "kind": KIND,
        "version": VERSION,
        "at": iso(now),
        "host": socket.gethostname(),
        "manifest": {
            "name": manifest.name,
            "fingerprint": manifest.fingerprint,
            "content": content,
        },
        **_view_data(view),
        "volumes": _volumes_data(db, manifest.name, now),
        "counts": {
            "registry": {state.value: n for state, n in registry.counts(db).items()},
            "deliveries": {
                name: {state.value: n for state, n in deliveries.counts(db, name).items()}
                for name in manifest.destinations
            },
        },
    }


def _view_data(view: StateView) -> dict[str, Any]:
    rows = [row for by_slot in view.slots.values() for row in by_slot.values()]
    return {
        "jobs": [
            {
                "job": memory.job,
                "fingerprint": memory.fingerprint,
                "floor": iso(memory.floor),
                "last_slot": _maybe(memory.last_slot),
                "run_now": memory.run_now,
            }
            for memory in view.memories.values()
        ],
        "slots": [
            {
                "job": row.job,
                "slot": iso(row.slot),
                "state": row.state.value,
                "code": row.code,
                "until": _maybe(row.until),
            }
            for row in rows
        ],
        "runs": {
            "last": [_run_data(run) for run in view.last.values()],
            "running": [_run_data(run) for run in view.running.values()],
            "lost": [_run_data(run) for run in view.lost.values()],
        },
        "pauses": [
            {"job": pause.name, "at": iso(pause.at), "until": _maybe(pause.until)}
            for pause in view.pauses.values()
        ],
        "requests": [{"id": one.id, "job": one.job, "at": iso(one.at)} for one in view.requests],
        "drain": _drain_out(view.drain),
    }


def _run_data(run: Run) -> dict[str, Any]:
    return {
        "run": run.id,
        "job": run.job,
        "slot": _maybe(run.slot),
        "cause": run.cause.value,
        "outcome": None if run.outcome is None else run.outcome.value,
        "code": run.code,
        "started_at": iso(run.started_at),
        "finished_at": _maybe(run.finished_at),
        "seconds": run.seconds,
    }


def _volumes_data(db: Database, manifest: str, now: datetime) -> dict[str, list[list[object]]]:
    return {
        label: [[iso(one.at), one.value] for one in readings.readings(db, manifest, label, since)]
        for since in (now - KEPT,)
        for label in readings.labels(db, manifest)
    }


def _maybe(instant: datetime | None) -> str | None:
    return None if instant is None else iso(instant)


# -- and back


def read(path: Path) -> ReviewState:
    """Read an export; raises UsageError for anything else."""
    try:
        data = json.loads(path.read_bytes())
        if data["kind"] != KIND or data["version"] != VERSION:
            raise ValueError("not an export of this version")
        return _restored(data)
    except OSError as error:
        raise _refused(path, text("cannot be read: {reason}", reason=error.strerror)) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _refused(path, text("is no exported state of this version")) from error


def _refused(path: Path, why: Text) -> UsageError:
    return UsageError(
        text("{path} {why}", path=str(path), why=why),
        code="review_state",
        hint=text("make one where the manifest is applied: mitrarr state export --review FILE"),
    )


def _restored(data: Mapping[str, Any]) -> ReviewState:
    about = data["manifest"]
    return ReviewState(
        str(about["name"]),
        str(about["fingerprint"]),
        str(data["host"]),
        _instant(data["at"]),
        about["content"] if isinstance(about.get("content"), dict) else None,
        _view(data),
        {
            str(label): tuple(Reading(_instant(at), int(value)) for at, value in kept)
            for label, kept in data["volumes"].items()
        },
        {
            str(name): int(found.get("pending", 0)) + int(found.get("sending", 0))
            for name, found in data["counts"]["deliveries"].items()
        },
    )


def _view(data: Mapping[str, Any]) -> StateView:
    found: dict[str, dict[datetime, SlotRow]] = {}
    for one in data["slots"]:
        row = _slot(one)
        found.setdefault(row.job, {})[row.slot] = row
    runs = {
        key: {run.job: run for run in map(_run, data["runs"][key])}
        for key in ("last", "running", "lost")
    }
    pauses = {
        str(one["job"]): Pause(
            Paused.JOB, str(one["job"]), "", "", _instant(one["at"]), _optional(one["until"])
        )
        for one in data["pauses"]
    }
    return StateView(
        memories={str(one["job"]): _memory(one) for one in data["jobs"]},
        slots=found,
        pauses=pauses,
        requests=tuple(
            Request(int(one["id"]), str(one["job"]), Asked.RUN, "", _instant(one["at"]))
            for one in data["requests"]
        ),
        drain=_drain_in(data["drain"]),
        last=runs["last"],
        running=runs["running"],
        lost=runs["lost"],
    )


def _memory(one: Mapping[str, Any]) -> JobMemory:
    return JobMemory(
        str(one["job"]),
        str(one["fingerprint"]),
        _instant(one["floor"]),
        _optional(one["last_slot"]),
        bool(one["run_now"]),
    )


def _drain_out(drain: Drain | None) -> dict[str, object] | None:
    if drain is None:
        return None
    return {"at": iso(drain.at), "until": None if drain.until is None else iso(drain.until)}


def _drain_in(one: Mapping[str, Any] | None) -> Drain | None:
    """By whom and why is not exported."""
    return None if one is None else Drain("", "", _instant(one["at"]), _optional(one.get("until")))


def _slot(one: Mapping[str, Any]) -> SlotRow:
    slot, state = _instant(one["slot"]), SlotState(one["state"])
    until = _optional(one["until"])
    return SlotRow(str(one["job"]), slot, state, str(one["code"]), "", None, until, slot)


def _run(one: Mapping[str, Any]) -> Run:
    outcome = one["outcome"]
    return Run(
        int(one["run"]),
        str(one["job"]),
        _optional(one["slot"]),
        Cause(one["cause"]),
        0,
        outcome is not None,
        None if outcome is None else Outcome(outcome),
        str(one["code"]),
        "",
        _NOBODY,
        "",
        "",
        _instant(one["started_at"]),
        _optional(one["finished_at"]),
        one["seconds"],
        {},
    )


def _instant(value: str) -> datetime:
    found = datetime.fromisoformat(value)
    if found.tzinfo is None:
        raise ValueError("an instant without a zone")
    return found


def _optional(value: str | None) -> datetime | None:
    return None if value is None else _instant(value)


# -- steps, as far as they can be known


def describing_away(manifest: Manifest, state: ReviewState, now: datetime) -> Describe:
    """What steps would do, as far as it can be known on another host than the state's."""
    return partial(_described_away, manifest, state, now)


def _described_away(
    manifest: Manifest, state: ReviewState, now: datetime, job: Job, entry: PlannedRun
) -> Steps:
    view = View(manifest, Site(manifest.root), now, job, None, entry.slot, entry.missed)
    return tuple((step.kind, _told(step, state, view)) for step in job.steps)


def _told(step: Step, state: ReviewState, view: View) -> Text:
    if step.kind == "register_nist":
        return text(
            "{source}: what its spool holds can be known on {host} only",
            source=str(step.options["source"]),
            host=state.host,
        )
    if step.kind == "send_to_findface":
        name = str(step.options["destination"])
        return text(
            "{destination}: {count} in the queue when the state was exported",
            destination=name,
            count=state.queued.get(name, 0),
        )
    if step.kind == check_volume.KIND:
        label = str(step.options["label"])
        rule = check_volume.rule_of(view.manifest, label)
        if rule.per is Per.RUN:
            return text("judges {label}", label=label)
        verdict = judge_in(Log(state.readings(label), rule.zone), 0, view.now, rule)
        return check_volume.told(verdict, rule, view.now)
    if step.kind == command.KIND:
        return command.typed(command.parse(step.options), view)
    if step.kind in _ANYWHERE:
        kind = KINDS[step.kind]
        return kind.describe(kind.parse(step.options), view)
    return text("what it would find can be known on {host} only", host=state.host)
