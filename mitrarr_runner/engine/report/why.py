"""Text and JSON of `why`."""

from __future__ import annotations

from typing import Any

from mitrarr_runner.clock import iso
from mitrarr_runner.engine.report import columns
from mitrarr_runner.engine.report.history import run_json
from mitrarr_runner.engine.why import Answer, Question
from mitrarr_runner.text import offset, text


def why_json(question: Question, found: Answer) -> dict[str, Any]:
    """slot and local: null where the job has no slot at or before the asked time."""
    slot, local = None, None
    if found.slot is not None:
        at = found.slot.astimezone(question.zone)
        slot, local = iso(found.slot), at.strftime("%Y-%m-%dT%H:%M:%S") + offset(at)
    lost = {found.run.id} if found.run is not None and found.lost else frozenset[int]()
    return {
        "job": question.name,
        "slot": slot,
        "local": local,
        "state": found.state,
        "code": found.code,
        "message": "; ".join(question.say(line) for line in found.lines),
        "run": None if found.run is None else run_json(found.run, lost, question.say),
    }


def why_text(question: Question, found: Answer, width: int | None) -> list[str]:
    """The slot with its offset, then one sentence below the other."""
    say = question.say
    lines = []
    if found.slot is not None:
        moment = say.moment(found.slot, question.zone, seconds=False)
        lines.append(say(text("{job}  slot {moment}", job=question.name, moment=moment)))
    for told in found.lines:
        lines += columns.wrapped("  " + say(told), width, indent=4)
    return lines
