"""Did as much come in as usual? Records what this run took in and judges it by its label's rule.

A low volume never fails the job: the verdict is kept, and the rule `volume_low` makes an incident
of it. What is compared with what is decided in `volumes`, not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from mitrarr_runner import volumes
from mitrarr_runner.clock import epoch, from_epoch
from mitrarr_runner.manifest.model import Manifest
from mitrarr_runner.steps.contract import Context, StepOutcome, StepResult, View
from mitrarr_runner.store import facts, readings
from mitrarr_runner.store.database import Database
from mitrarr_runner.text import Text, text, to_data
from mitrarr_runner.volumes import Per, Reading, State, Verdict, VolumeRule

KIND = "check_volume"
IDEMPOTENT = True

_MEMORY = timedelta(days=90)
"""How far back readings are looked at: eight comparable weekdays, and holidays in between."""

_SOUND = ("registered", "no_face", "revised")
"""The counts of `register_nist` that are files taken in: the refused and the repeated are not."""

_DAYS = (
    text("Monday"),
    text("Tuesday"),
    text("Wednesday"),
    text("Thursday"),
    text("Friday"),
    text("Saturday"),
    text("Sunday"),
)


@dataclass(frozen=True, slots=True)
class Options:
    label: str


def parse(options: Mapping[str, object]) -> Options:
    return Options(str(options["label"]))


def describe(options: Options, view: View) -> Text:
    """How it stands before this run; the run's own count comes on top."""
    rule = rule_of(view.manifest, options.label)
    if view.store is None or rule.per is Per.RUN:
        return text("judges {label}", label=options.label)
    known = _known(view.store, view.manifest.name, options.label, rule, view.now)
    return told(volumes.judge_in(known, 0, view.now, rule), rule, view.now)


def run(options: Options, context: Context) -> StepResult:
    name, now = context.manifest.name, context.clock.now()
    rule = rule_of(context.manifest, options.label)
    with context.open_store() as db:
        value = _taken_in(db, context)
        with db.transaction():
            readings.add_reading(db, name, options.label, context.run.id, now, value)
            known = _known(db, name, options.label, rule, now)  # ours once, however often taken
            verdict = volumes.judge_in(known, value, from_epoch(epoch(now)), rule)
            message = told(verdict, rule, now)
            detail = _detail(verdict, message)
            readings.set_verdict(
                db, name, "volume", options.label, verdict.state, verdict.code, detail, now
            )
    return StepResult(StepOutcome.OK, verdict.state.value, message)


def rule_of(manifest: Manifest, label: str) -> VolumeRule:
    """The manifest's rule of a label in the terms of `volumes`; the default where it has none."""
    zone = ZoneInfo(manifest.settings.timezone)
    declared = manifest.volumes.get(label)
    if declared is None:
        return volumes.default_rule(zone)
    days = declared.holidays
    return VolumeRule(
        Per(declared.per.value),
        declared.minimum,
        declared.drop,
        zone,
        volumes.Against(declared.against),
        volumes.Direction(declared.direction),
        volumes.HolidayRule(days.calendar, days.optional, days.extra) if days else None,
    )


def told(verdict: Verdict, rule: VolumeRule, now: datetime) -> Text:
    """ "today until 03:20: 228; Sunday range 140-270: normal"."""
    scope = _scope(rule, now)
    if verdict.state is State.UNKNOWN:
        return text(
            "{scope}: {value}; nothing to compare with yet", scope=scope, value=verdict.current
        )
    words = {State.OK: text("normal"), State.LOW: text("LOW"), State.HIGH: text("HIGH")}
    values = {"scope": scope, "value": verdict.current, "low": verdict.expected_low}
    judged = words[verdict.state]
    if verdict.expected_high is None:
        return text("{scope}: {value}; at least {low}: {judged}", **values, judged=judged)
    return text(
        "{scope}: {value}; {day} range {low}-{high}: {judged}",
        **values,
        day=_DAYS[now.astimezone(rule.zone).weekday()],
        high=verdict.expected_high,
        judged=judged,
    )


def _scope(rule: VolumeRule, now: datetime) -> Text:
    hour = now.astimezone(rule.zone).strftime("%H:%M")
    if rule.per is Per.DAY:
        return text("today until {hour}", hour=hour)
    if rule.per is Per.HOUR:
        return text("last hour until {hour}", hour=hour)
    return text("this run")


def _taken_in(db: Database, context: Context) -> int:
    """Sound files that this run entered, whatever attempt did it (the registry's rows name it)."""
    counted = sum(context.counts.get(key, 0) for key in _SOUND)
    return max(facts.registered_by(db, context.run.id), counted)


def _known(db: Database, manifest: str, label: str, rule: VolumeRule, now: datetime) -> volumes.Log:
    stored = readings.readings(db, manifest, label, now - _MEMORY)
    return volumes.Log([Reading(one.at, one.value) for one in stored], rule.zone)


def _detail(verdict: Verdict, message: Text) -> Mapping[str, object]:
    return {
        "value": verdict.current,
        "low": verdict.expected_low,
        "high": verdict.expected_high,
        "median": verdict.median,
        "comparable": verdict.comparable,
        "message": to_data(message),
    }
