"""How does a reviewed plan lie in a file? JSON, whole, mode 0600; written, recognised, read.

The file holds the manifest's content (references to secrets, never secrets), so that a plan that
has gone stale can still be shown and can say which keys have changed.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from mitrarr_runner import atomic
from mitrarr_runner.clock import epoch, from_epoch, iso
from mitrarr_runner.engine.notes import Note, Noted
from mitrarr_runner.engine.preview import Described, Preview, Steps
from mitrarr_runner.engine.saved_plan import Kept, SavedPlan
from mitrarr_runner.errors import UsageError
from mitrarr_runner.manifest import build
from mitrarr_runner.manifest.diff import Change, ChangeKind
from mitrarr_runner.plan import Action, Plan, PlannedRun
from mitrarr_runner.store.jobs import JobMemory
from mitrarr_runner.store.pauses import Pause, Paused
from mitrarr_runner.text import Text, from_data, text, to_data

KIND = "saved_plan"
VERSION = 1

_UNUSABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


def write(path: Path, shown: Preview, content: Mapping[str, Any] | None, root: Path) -> None:
    """Write a plan to a new file, or over another saved plan; mode 0600. content: the manifest's
    merged data. Raises UsageError where that cannot be."""
    if shown.manifest.path is None or content is None:
        raise UsageError(
            text("there is no manifest whose plan could be saved"),
            code="plan_unsaved",
            hint=text("name one: mitrarr plan PATH --out FILE"),
        )
    if path.exists() and not recognised(path):
        raise UsageError(
            text("{path} exists and is no saved plan", path=str(path)),
            code="plan_unsaved",
            hint=text("choose another name for --out"),
        )
    try:
        atomic.write_file(path, json.dumps(_data(shown, content, root)).encode())
    except OSError as error:
        raise UsageError(
            text("{path} cannot be written: {reason}", path=str(path), reason=error.strerror),
            code="plan_unsaved",
        ) from error


def _data(shown: Preview, content: Mapping[str, Any], root: Path) -> dict[str, Any]:
    manifest = shown.manifest
    return {
        "kind": KIND,  # first, so that `recognised` reads no more than a line's beginning
        "version": VERSION,
        "at": iso(shown.plan.at),
        "host": socket.gethostname(),
        "manifest": {
            "name": manifest.name,
            "path": str(manifest.path),
            "root": str(root),
            "fingerprint": manifest.fingerprint,
            "content": content,
        },
        "runs": [_entry_data(entry) for entry in shown.plan.entries],
        "memories": [_memory_data(memory) for memory in shown.plan.memories],
        "shown": {
            "path": shown.shown,
            "changes": [_noted_data(noted) for noted in shown.changes],
            "steps": [_steps_data(described.steps) for described in shown.now],
            "next_at": None if shown.next_at is None else epoch(shown.next_at),
            "next": [
                {**_entry_data(described.entry), "steps": _steps_data(described.steps)}
                for described in shown.next
            ],
            "soon": [[job, epoch(slot)] for job, slot in shown.soon],
            "pauses": [_pause_data(pause) for pause in shown.pauses],
            "applied": None if shown.applied is None else epoch(shown.applied),
        },
    }


def _entry_data(entry: PlannedRun) -> dict[str, Any]:
    return {
        "job": entry.job,
        "slot": _seconds(entry.slot),
        "due_at": epoch(entry.due_at),
        "action": entry.action.value,
        "code": entry.code,
        "reason": to_data(entry.reason),
        "missed": entry.missed,
        "until": _seconds(entry.until),
        "run": entry.run,
        "request": entry.request,
        "after": list(entry.after),
    }


def _memory_data(memory: JobMemory) -> dict[str, Any]:
    return {
        "job": memory.job,
        "fingerprint": memory.fingerprint,
        "floor": epoch(memory.floor),
        "run_now": memory.run_now,
    }


def _noted_data(noted: Noted) -> dict[str, Any]:
    one = noted.change
    return {
        "change": [one.kind.value, one.section, one.name, one.key, one.old, one.new],
        "notes": [
            {
                "text": to_data(note.text),
                "at": _seconds(note.at),
                "counts": [[epoch(at), value] for at, value in note.counts],
            }
            for note in noted.notes
        ],
    }


def _pause_data(pause: Pause) -> dict[str, Any]:
    return {
        "job": pause.name,
        "actor": pause.actor,
        "reason": pause.reason,
        "at": epoch(pause.at),
        "until": _seconds(pause.until),
    }


def _steps_data(steps: Steps) -> list[list[Any]]:
    return [[kind, to_data(told)] for kind, told in steps]


def _seconds(instant: datetime | None) -> int | None:
    return None if instant is None else epoch(instant)


# -- and back


def recognised(path: Path) -> bool:
    """Whether a file is a saved plan, by how it begins; a manifest cannot begin so."""
    try:
        with path.open("rb") as file:
            return file.read(64).startswith(json.dumps({"kind": KIND})[:-1].encode())
    except OSError:
        return False


def read(path: Path) -> SavedPlan:
    """Raises UsageError for what this version of the program did not write."""
    try:
        data = json.loads(path.read_bytes())
        if data["kind"] != KIND or data["version"] != VERSION:
            raise ValueError("another version")
        return _restored(data)
    except OSError as error:
        why = text("cannot be read: {reason}", reason=error.strerror)
        raise _refused(path, why) from error
    except _UNUSABLE as error:
        raise _refused(path, text("is no saved plan of this version of mitrarr")) from error


def _refused(path: Path, why: Text) -> UsageError:
    return UsageError(
        text("{path} {why}", path=str(path), why=why),
        code="saved_plan",
        hint=text("make a new one: mitrarr plan PATH --out FILE"),
    )


def _restored(data: Mapping[str, Any]) -> SavedPlan:
    about, shown = data["manifest"], data["shown"]
    path, root = Path(about["path"]), Path(about["root"])
    manifest = build.build(about["content"], path=path, root=root, files=())
    if manifest.fingerprint != about["fingerprint"] or manifest.name != about["name"]:
        raise ValueError("its manifest is another one")
    entries = tuple(map(_entry, data["runs"]))
    made = Plan(
        from_epoch(int(_at(data))),
        manifest.name,
        manifest.fingerprint,
        entries,
        tuple(map(_memory, data["memories"])),
    )
    steps = map(_steps, shown["steps"])
    preview = Kept(
        manifest,
        str(shown["path"]),
        str(data["host"]),
        made,
        tuple(map(_noted, shown["changes"])),
        tuple(Described(entry, told) for entry, told in zip(entries, steps, strict=True)),
        _instant(shown["next_at"]),
        tuple(Described(_entry(one), _steps(one["steps"])) for one in shown["next"]),
        tuple((str(job), from_epoch(slot)) for job, slot in shown["soon"]),
        tuple(map(_pause, shown["pauses"])),
        None,
        _instant(shown["applied"]),
    )
    unknown = {entry.job for entry in entries} - set(manifest.jobs)
    if unknown:
        raise ValueError("runs of jobs that the manifest does not have")
    return SavedPlan(path, root, str(data["host"]), preview)


def _at(data: Mapping[str, Any]) -> int:
    return epoch(datetime.fromisoformat(data["at"]))


def _instant(seconds: int | None) -> datetime | None:
    return None if seconds is None else from_epoch(int(seconds))


def _entry(one: Mapping[str, Any]) -> PlannedRun:
    return PlannedRun(
        str(one["job"]),
        _instant(one["slot"]),
        from_epoch(int(one["due_at"])),
        Action(one["action"]),
        str(one["code"]),
        from_data(one["reason"]),
        int(one["missed"]),
        _instant(one["until"]),
        one["run"],
        one["request"],
        tuple(one["after"]),
    )


def _memory(one: Mapping[str, Any]) -> JobMemory:
    return JobMemory(
        str(one["job"]),
        str(one["fingerprint"]),
        from_epoch(int(one["floor"])),
        None,
        bool(one["run_now"]),
    )


def _noted(one: Mapping[str, Any]) -> Noted:
    kind, section, name, key, old, new = one["change"]
    notes = tuple(
        Note(
            from_data(note["text"]),
            _instant(note["at"]),
            tuple((from_epoch(at), int(value)) for at, value in note["counts"]),
        )
        for note in one["notes"]
    )
    return Noted(Change(ChangeKind(kind), section, name, key, old, new), notes)


def _pause(one: Mapping[str, Any]) -> Pause:
    at = from_epoch(int(one["at"]))
    return Pause(
        Paused.JOB,
        str(one["job"]),
        str(one["actor"]),
        str(one["reason"]),
        at,
        _instant(one["until"]),
    )


def _steps(told: list[list[Any]]) -> Steps:
    return tuple((str(kind), from_data(words)) for kind, words in told)
