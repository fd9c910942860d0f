"""What ran, what did not, and what did a run print? Text and JSON of `history` and `logs`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from mitrarr_runner import redact
from mitrarr_runner.clock import iso
from mitrarr_runner.engine.report import columns
from mitrarr_runner.plan import blocked_as_kept
from mitrarr_runner.store.runs import Cause, Outcome, Run
from mitrarr_runner.store.slots import SlotRow, SlotState
from mitrarr_runner.store.stretches import Stretch
from mitrarr_runner.text import Catalogue, Text, from_data, plural, text

_UNTOLD = (Outcome.STOPPED, Outcome.REPLACED, Outcome.TIMEOUT, Outcome.LOST)
"""Ends that come from outside: the run's own output does not say why."""


@dataclass(frozen=True, slots=True)
class History:
    """runs, stretches and slots newest first; lost: runs without an end whose process is gone.

    stretches: of slots that no run has, for people; slots: the same one by one, for programs.
    """

    runs: Sequence[Run]
    stretches: Sequence[Stretch]
    lost: Collection[int]
    at: datetime
    zone: tzinfo
    slots: Sequence[SlotRow] = ()


def history_json(found: History, say: Catalogue) -> dict[str, object]:
    """run: None in `outcome` means that it still goes on."""
    return {
        "runs": [run_json(run, found.lost, say) for run in found.runs],
        "slots": [
            {
                "job": row.job,
                "slot": iso(row.slot),
                "until": None if row.until is None else iso(row.until),
                "state": row.state.value,
                "code": row.code,
            }
            for row in found.slots
        ],
    }


def run_json(run: Run, lost: Collection[int], say: Catalogue) -> dict[str, object]:
    """One run as JSON; lost: ids of runs without an end whose process is gone."""
    outcome = _outcome(run, lost)
    return {
        "run": run.handle,
        "job": run.job,
        "slot": None if run.slot is None else iso(run.slot),
        "cause": run.cause.value,
        "outcome": outcome.value if outcome else None,
        "code": run.code,
        "reason": reason_of(run, say),
        "started_at": iso(run.started_at),
        "finished_at": None if run.finished_at is None else iso(run.finished_at),
        "seconds": run.seconds,
        "steps": [_step_json(step, say) for step in run.result.get("steps", ())],
    }


def _step_json(step: Mapping[str, object], say: Catalogue) -> dict[str, object]:
    return {
        "kind": step["kind"],
        "outcome": step["outcome"],
        "code": step["code"],
        "message": step_message(step, say),
        "seconds": step["seconds"],
        "counts": step["counts"],
    }


def history_text(
    found: History, say: Catalogue, width: int | None = None, limit: int | None = None
) -> list[str]:
    """One line per run and one per stretch of slots that were not run; the newest `limit`."""
    if not found.runs and not found.stretches:
        return [say(text("nothing has run yet"))]
    titles = (
        text("RUN"),
        text("JOB"),
        text("SLOT"),
        text("STARTED"),
        text("TOOK"),
        text("OUTCOME"),
        text("WHAT"),
    )
    rows = [_row(line, found, say) for line in _newest(found)[:limit]]
    return columns.table([[say(title) for title in titles], *rows], width, elastic=1)


def _newest(found: History) -> list[Run | Stretch]:
    """Runs by when they began, stretches by when their newest slot was decided."""
    dated: list[tuple[datetime, int, Run | Stretch]]
    dated = [(run.started_at, run.id, run) for run in found.runs]
    dated += [(one.newest.at, 0, one) for one in found.stretches]
    return [line for *_, line in sorted(dated, key=lambda item: item[:2], reverse=True)]


def _row(line: Run | Stretch, found: History, say: Catalogue) -> list[str]:
    return _run_row(line, found, say) if isinstance(line, Run) else _slots_row(line, found, say)


def _run_row(run: Run, found: History, say: Catalogue) -> list[str]:
    slot = _hour(run.slot, found, say) if run.slot else say(text("by hand"))
    took = "-" if run.seconds is None else say.span(run.seconds)
    outcome = _outcome(run, found.lost)
    return [
        run.handle,
        run.job,
        slot,
        _hour(run.started_at, found, say),
        took,
        say(outcome_word(outcome)),
        _what(run, say),
    ]


def _what(run: Run, say: Catalogue) -> str:
    """Why it ended badly; else what its steps say."""
    reason = reason_of(run, say)
    if reason:
        return reason
    return "; ".join(step_message(step, say) for step in run.result.get("steps", ()))


def reason_of(run: Run, say: Catalogue) -> str:
    kept = run.result.get("reason")
    return say(from_data(kept)) if isinstance(kept, Mapping) else run.reason


def step_message(step: Mapping[str, object], say: Catalogue) -> str:
    kept = step.get("message")
    return say(from_data(kept)) if isinstance(kept, Mapping) else ""


def _outcome(run: Run, lost: Collection[int]) -> Outcome | None:
    return Outcome.LOST if run.outcome is None and run.id in lost else run.outcome


def outcome_word(outcome: Outcome | None) -> Text:
    """None: it goes on."""
    if outcome is None:
        return text("running")
    return {
        Outcome.OK: text("ok"),
        Outcome.FAILED: text("failed"),
        Outcome.TIMEOUT: text("timed out"),
        Outcome.LOST: text("lost"),
        Outcome.BLOCKED: text("blocked"),
        Outcome.SKIPPED: text("skipped"),
        Outcome.REPLACED: text("replaced"),
        Outcome.DEFERRED: text("deferred"),
        Outcome.STOPPED: text("stopped"),
    }[outcome]


def _slots_row(line: Stretch, found: History, say: Catalogue) -> list[str]:
    newest = line.newest
    slot = _hour(newest.until or newest.slot, found, say)
    return [
        "-",
        newest.job,
        slot,
        "-",
        "-",
        say(_state_word(newest.state)),
        _why(line, _hour(line.oldest, found, say), say),
    ]


def _why(line: Stretch, oldest: str, say: Catalogue) -> str:
    reason = say(slot_reason(line.newest))
    if line.newest.until is not None:
        return say(text("every slot since {oldest}: {reason}", oldest=oldest, reason=reason))
    if line.count == 1:
        return reason
    return say(
        plural(
            "{count} slot since {oldest}: {reason}",
            "{count} slots since {oldest}: {reason}",
            line.count,
            oldest=oldest,
            reason=reason,
        )
    )


def _state_word(state: SlotState) -> Text:
    return {
        SlotState.CLAIMED: text("running"),
        SlotState.QUEUED: text("queued"),
        SlotState.MISSED: text("missed"),
        SlotState.MISSED_RANGE: text("missed"),
        SlotState.SKIPPED: text("skipped"),
        SlotState.PAUSED: text("paused"),
        SlotState.BLOCKED: text("blocked"),
    }[state]


def slot_reason(row: SlotRow) -> Text:
    """The store keeps the English sentence; a known code is told in the reader's language."""
    if row.code.startswith("need:"):
        return blocked_as_kept(row.code.removeprefix("need:"), row.reason)
    if row.code.startswith("catch_up_"):
        policy = row.code.removeprefix("catch_up_")
        return text("missed, and not repeated (catch_up: {policy})", policy=policy)
    known = {
        "overlap": text("the run before it was still going"),
        "queue_full": text("the run before it was still going, and one slot waited already"),
        "queued": text("waits for the run before it"),
        "paused": text("the job was paused"),
        "too_many": text("missed, and too many slots at once to catch up"),
        "older_than_window": text("missed, and older than the window in which slots are caught up"),
    }
    return known.get(row.code) or Text("{reason}", {"reason": row.reason or row.code})


def _hour(instant: datetime, found: History, say: Catalogue) -> str:
    return say.hour(instant, found.zone, found.at)


# -- logs


@dataclass(frozen=True, slots=True)
class RunLog:
    """lines: what the run printed, decoded; None where the file is not there (any more)."""

    run: Run
    lost: bool
    lines: Sequence[str] | None
    at: datetime
    zone: tzinfo


def log_json(job: str, found: RunLog | None) -> dict[str, object]:
    if found is None:
        return {"job": job, "run": None, "outcome": None, "lines": []}
    outcome = _outcome(found.run, {found.run.id} if found.lost else ())
    return {
        "job": job,
        "run": found.run.handle,
        "outcome": outcome.value if outcome else None,
        "lines": list(found.lines or ()),
    }


def log_text(job: str, found: RunLog | None, say: Catalogue) -> list[str]:
    """A header, then the lines as they are: nothing is cut, control characters are escaped."""
    if found is None:
        return [say(text("{job} has not run yet", job=job))]
    head = log_head(found, say)
    if found.lines is None:
        return [*head, say(text("its output is not kept any more"))]
    if not found.lines:
        return [*head, say(text("it printed nothing"))]
    return [*head, *(printable(line) for line in found.lines)]


def log_head(found: RunLog, say: Catalogue) -> list[str]:
    """Which run it is; who asked for it, and why it ended, where its output does not say so."""
    lines = [_which(found, say)]
    asked, reason = asked_by(found.run), reason_of(found.run, say)
    if asked is not None:
        lines.append(f"  {say(asked)}")
    if reason and found.run.outcome in _UNTOLD:
        lines.append(f"  {reason}")
    return lines


def asked_by(run: Run) -> Text | None:
    """Who asked for a run by hand, and why; None where the schedule did."""
    if run.cause is not Cause.HAND or not run.actor:
        return None
    if run.asked_reason:
        return text('asked for by {actor}: "{why}"', actor=run.actor, why=run.asked_reason)
    return text("asked for by {actor}", actor=run.actor)


def _which(found: RunLog, say: Catalogue) -> str:
    run = found.run
    slot = text("by hand")
    if run.slot is not None:
        slot = text("slot {hour}", hour=say.hour(run.slot, found.zone, found.at))
    outcome = outcome_word(_outcome(run, {run.id} if found.lost else ()))
    return say(
        text(
            "{run}  {job}  {slot}  started {moment}  {outcome}",
            run=run.handle,
            job=run.job,
            slot=slot,
            moment=say.moment(run.started_at, found.zone),
            outcome=outcome,
        )
    )


def printable(line: str) -> str:
    """What a command printed must not drive the reader's terminal; tabs are harmless."""
    return "\t".join(redact.one_line(part) for part in line.split("\t"))
