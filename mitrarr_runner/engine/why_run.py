"""What is there to say of the run that had a slot? Pure: a run in, sentences out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from mitrarr_runner.engine.report.history import asked_by, outcome_word, reason_of, step_message
from mitrarr_runner.plan import LATE
from mitrarr_runner.store.runs import Cause, Outcome, Run
from mitrarr_runner.text import Catalogue, Text, plural, text


@dataclass(frozen=True, slots=True)
class Scene:
    """asked: the instant that was asked about; hours are told beside it."""

    zone: ZoneInfo
    asked: datetime
    now: datetime
    say: Catalogue

    def hour(self, at: datetime) -> str:
        return self.say.hour(at, self.zone, self.asked)

    def span(self, start: datetime, end: datetime) -> str:
        return self.say.span(max(0.0, (end - start).total_seconds()))


def told(run: Run, repeated: Run | None, scene: Scene, *, lost: bool) -> Iterator[Text]:
    """repeated: the earlier run of the same slot; lost: its process is gone, without an end."""
    yield _headline(run, scene, lost=lost)
    reason = reason_of(run, scene.say)
    if reason and run.outcome is not Outcome.OK:
        yield text("because: {reason}", reason=reason)
    yield _start(run, scene)
    if repeated is not None:
        yield text(
            "it repeats {run}, which was lost ({cause})",
            run=repeated.handle,
            cause=run.cause.value,
        )
    if run.missed:
        yield plural(
            "it also stands for {count} slot that was missed before it",
            "it also stands for {count} slots that were missed before it",
            run.missed,
        )
    yield from _caller(run)
    yield text("manifest {fingerprint}, host {host}", **_made_by(run))
    yield from _steps(run, scene)


def _headline(run: Run, scene: Scene, *, lost: bool) -> Text:
    values = {"run": run.handle, "outcome": outcome_word(run.outcome)}
    if lost:
        return text("{run} had it and was lost: its process is gone", run=run.handle)
    if run.outcome is None:
        span = scene.span(run.started_at, scene.now)
        return text("{run} has it and goes on, for {span}", run=run.handle, span=span)
    if run.seconds is None:
        return text("{run} had it: {outcome}", **values)
    return text("{run} had it: {outcome}, after {span}", **values, span=scene.say.span(run.seconds))


def _start(run: Run, scene: Scene) -> Text:
    cause = {
        Cause.SCHEDULE: text("by the schedule"),
        Cause.RECOVERY: text("as a recovery"),
        Cause.HAND: text("by hand"),
    }[run.cause]
    late = run.started_at - (run.slot or run.started_at)
    if late < LATE:
        return text("started {cause} at {at}, on time", cause=cause, at=scene.hour(run.started_at))
    return text(
        "started {cause} at {at}, {span} after its slot",
        cause=cause,
        at=scene.hour(run.started_at),
        span=scene.say.span(late.total_seconds()),
    )


def _caller(run: Run) -> Iterator[Text]:
    """Who asked for a run by hand; of a run by the schedule, who called apply (nobody: cron)."""
    asked = asked_by(run)
    if asked is not None:
        yield asked
    elif run.actor:
        yield text("apply was called by {actor}", actor=run.actor)


def _made_by(run: Run) -> dict[str, object]:
    return {"fingerprint": run.fingerprint[:12], "host": run.process.host}


def _steps(run: Run, scene: Scene) -> Iterator[Text]:
    for number, step in enumerate(run.result.get("steps", ()), 1):
        yield text(
            "step {number} {kind}: {message}",
            number=step.get("position", number),
            kind=step["kind"],
            message=step_message(step, scene.say) or step["outcome"],
        )
