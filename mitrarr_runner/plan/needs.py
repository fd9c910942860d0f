"""Which runs wait for what they need, and which are blocked by it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mitrarr_runner.manifest.model import Job
from mitrarr_runner.plan.values import Action, PlannedRun, StateView
from mitrarr_runner.store.runs import SATISFYING, Outcome
from mitrarr_runner.text import Text, text


def with_needs(
    job: Job, entry: PlannedRun, decided: Mapping[str, Sequence[PlannedRun]], view: StateView
) -> PlannedRun:
    """A run waits for the needed jobs that are due too, as long as those have to wait themselves; a
    need that failed blocks it.
    """
    if entry.action not in (Action.RUN, Action.RECOVER) or entry.code == "asked":
        return entry
    after: list[str] = []
    for need in job.needs:
        entries = decided.get(need, ())
        starts = any(other.starts for other in entries)
        waits = any(other.action is Action.WAIT and not other.starts for other in entries)
        if need in view.running and (waits or not starts):
            reason = text("waits for {need}, which is still running", need=need)
            return _changed(entry, Action.WAIT, "need_running", reason)
        if waits:
            reason = text("waits for {need}, which has to wait as well", need=need)
            return _changed(entry, Action.WAIT, "need_waits", reason)
        if starts:
            after.append(need)
        elif (ended := _ended_badly(need, entries, view)) is not None:
            if entry.action is Action.RECOVER:  # it leaves no row, and is no news each minute
                reason = text("is run again once {need} has ended well", need=need)
                return _changed(entry, Action.WAIT, "need_failed", reason)
            return _changed(entry, Action.BLOCKED, f"need:{need}", blocked(need, ended))
    if not after:
        return entry
    reason = text("needs {needs}; runs next", needs=", ".join(after))
    return _changed(entry, Action.WAIT, "needs", reason, tuple(after))


def _ended_badly(need: str, entries: Sequence[PlannedRun], view: StateView) -> Outcome | None:
    """How what is needed ended, where that keeps others from running."""
    if any(other.action is Action.BLOCKED for other in entries):
        return Outcome.BLOCKED
    if need in view.lost:
        return Outcome.LOST
    last = view.last.get(need)
    outcome = last.outcome if last is not None else None
    return None if outcome in SATISFYING else outcome


def blocked(need: str, ended: Outcome) -> Text:
    """Why a job is blocked, by how what it needs ended; BLOCKED: that was not run at all."""
    if ended is Outcome.BLOCKED:
        return text("blocked by {need}, which was blocked itself", need=need)
    if ended is Outcome.STOPPED:
        return text("blocked by {need}, whose last run was stopped", need=need)
    if ended is Outcome.LOST:
        return text("blocked by {need}, whose last run was lost", need=need)
    return text("blocked by {need}, whose last run failed", need=need)


def blocked_as_kept(need: str, reason: str) -> Text:
    """The sentence that a slot's row keeps in English, for readers of any language."""
    for ended in (Outcome.BLOCKED, Outcome.STOPPED, Outcome.LOST):
        if str(blocked(need, ended)) == reason:
            return blocked(need, ended)
    return blocked(need, Outcome.FAILED)


def _changed(
    entry: PlannedRun, action: Action, code: str, reason: Text, after: tuple[str, ...] = ()
) -> PlannedRun:
    return PlannedRun(
        entry.job,
        entry.slot,
        entry.due_at,
        action,
        code,
        reason,
        entry.missed,
        run=entry.run,
        after=after,
    )
