"""What do the facts say about everything the manifest declares? Pure: facts -> conditions.

Each function answers for every subject of its kind, good, bad or unknown: an open incident whose
subject gets no condition at all is about something that is no longer declared. Foreign text is
masked here, because a condition's detail goes into notices as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from mitrarr_runner.alerts.model import Condition, Reading
from mitrarr_runner.manifest.model import Manifest, RuleWhen
from mitrarr_runner.redact import safe
from mitrarr_runner.store.drains import Drain
from mitrarr_runner.store.facts import NotRun, Pile, Streak
from mitrarr_runner.store.pauses import Pause
from mitrarr_runner.store.readings import StoredVerdict


@dataclass(frozen=True, slots=True)
class Facts:
    """What the store knew at one instant. Keys are names of jobs, sources and destinations;
    pauses are those in force; verdicts are keyed (kind, subject).
    """

    failing: Mapping[str, Streak] = field(default_factory=dict)
    lost: Mapping[str, Streak] = field(default_factory=dict)
    not_run: Mapping[str, NotRun] = field(default_factory=dict)
    paused_jobs: Mapping[str, Pause] = field(default_factory=dict)
    paused_destinations: Mapping[str, Pause] = field(default_factory=dict)
    drain: Drain | None = None
    verdicts: Mapping[tuple[str, str], StoredVerdict] = field(default_factory=dict)
    quarantined: Mapping[str, Pile] = field(default_factory=dict)
    parked: Mapping[str, Pile] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything a condition is made from. channels: every channel that is in use."""

    manifest: Manifest
    facts: Facts
    now: datetime
    channels: tuple[str, ...] = ()


def none(scene: Scene) -> Iterator[Condition]:
    """Alerts raised by hand are not judged."""
    return iter(())


def job_failed(scene: Scene) -> Iterator[Condition]:
    return _streaks(scene, RuleWhen.JOB_FAILED, scene.facts.failing)


def job_lost(scene: Scene) -> Iterator[Condition]:
    return _streaks(scene, RuleWhen.JOB_LOST, scene.facts.lost)


def _streaks(scene: Scene, when: RuleWhen, streaks: Mapping[str, Streak]) -> Iterator[Condition]:
    for job in scene.manifest.jobs:
        streak = streaks.get(job)
        if job in scene.facts.paused_jobs:
            yield _unknown(when, job, (job,))
        elif streak is None:
            yield _good(when, job, (job,))
        else:
            detail = {"times": streak.times, "run": streak.handle, "code": streak.code}
            yield Condition(when, job, Reading.BAD, streak.since, streak.times, detail, jobs=(job,))


def job_blocked(scene: Scene) -> Iterator[Condition]:
    return _not_run(scene, RuleWhen.JOB_BLOCKED, ("blocked",))


def job_missed(scene: Scene) -> Iterator[Condition]:
    return _not_run(scene, RuleWhen.JOB_MISSED, ("missed", "missed_range"))


def _not_run(scene: Scene, when: RuleWhen, states: Collection[str]) -> Iterator[Condition]:
    zone = ZoneInfo(scene.manifest.settings.timezone)
    for job in scene.manifest.jobs:
        found = scene.facts.not_run.get(job)
        if job in scene.facts.paused_jobs:
            yield _unknown(when, job, (job,))
        elif found is None or found.state not in states:
            yield _good(when, job, (job,))
        else:
            slot = found.slot.astimezone(zone).isoformat(timespec="minutes")
            detail = {"slot": slot, "code": found.code, "reason": safe(found.reason)}
            yield Condition(when, job, Reading.BAD, found.at, 1, detail, jobs=(job,))


def job_paused(scene: Scene) -> Iterator[Condition]:
    """Jobs, destinations as `destination:NAME`, a drain as `manifest:NAME`; a pause of an unknown
    job reminds as well.
    """
    when = RuleWhen.JOB_PAUSED
    every = tuple(scene.manifest.jobs)
    yield _paused(when, f"manifest:{scene.manifest.name}", scene.facts.drain, every)
    for job in dict.fromkeys((*scene.manifest.jobs, *scene.facts.paused_jobs)):
        yield _paused(when, job, scene.facts.paused_jobs.get(job), (job,))
    names = (*scene.manifest.destinations, *scene.facts.paused_destinations)
    for name in dict.fromkeys(names):
        jobs = _jobs_with(scene.manifest, "send_to_findface", "destination", name)
        pause = scene.facts.paused_destinations.get(name)
        yield _paused(when, f"destination:{name}", pause, jobs)


def _paused(
    when: RuleWhen, subject: str, pause: Pause | Drain | None, jobs: tuple[str, ...]
) -> Condition:
    if pause is None:
        return _good(when, subject, jobs)
    detail = {"actor": safe(pause.actor, 64), "reason": safe(pause.reason, 120)}
    return Condition(when, subject, Reading.BAD, pause.at, 1, detail, jobs)


def volume_low(scene: Scene) -> Iterator[Condition]:
    used = (
        str(step.options.get("label"))
        for job in scene.manifest.jobs.values()
        for step in job.steps
        if step.kind == "check_volume"
    )
    for label in dict.fromkeys((*scene.manifest.volumes, *used)):
        jobs = _jobs_with(scene.manifest, "check_volume", "label", label)
        yield _judged(scene, RuleWhen.VOLUME_LOW, "volume", label, jobs, "low", "high")


def heartbeat_late(scene: Scene) -> Iterator[Condition]:
    for name, heartbeat in scene.manifest.heartbeats.items():
        jobs = (heartbeat.job,) if heartbeat.job else ()
        yield _judged(scene, RuleWhen.HEARTBEAT_LATE, "heartbeat", name, jobs, "late")


def destination_down(scene: Scene) -> Iterator[Condition]:
    for name in scene.manifest.destinations:
        jobs = _jobs_with(scene.manifest, "send_to_findface", "destination", name)
        if name in scene.facts.paused_destinations:
            yield _unknown(RuleWhen.DESTINATION_DOWN, name, jobs)
        else:
            yield _judged(scene, RuleWhen.DESTINATION_DOWN, "destination", name, jobs, "down")


def manifest_broken(scene: Scene) -> Iterator[Condition]:
    name = scene.manifest.name
    yield _judged(scene, RuleWhen.MANIFEST_BROKEN, "manifest", name, (), "broken")


def channel_failed(scene: Scene) -> Iterator[Condition]:
    for name in scene.channels:
        yield _judged(scene, RuleWhen.CHANNEL_FAILED, "channel", name, (), "failed")


def _judged(
    scene: Scene, when: RuleWhen, kind: str, subject: str, jobs: tuple[str, ...], *bad: str
) -> Condition:
    """From the latest verdict of a check; any state but ok and those of `bad` is unknown."""
    verdict = scene.facts.verdicts.get((kind, subject))
    held = scene.manifest.jobs if scene.facts.drain is not None else scene.facts.paused_jobs
    suspended = bool(jobs) and all(job in held for job in jobs)
    if verdict is None or suspended or verdict.state not in ("ok", *bad):
        return _unknown(when, subject, jobs)
    detail = {"code": verdict.code} | _masked(verdict.detail)
    if verdict.state == "ok":
        return Condition(when, subject, Reading.GOOD, detail=detail, jobs=jobs)
    return Condition(when, subject, Reading.BAD, verdict.since, 1, detail, jobs)


def quarantine(scene: Scene) -> Iterator[Condition]:
    for source in scene.manifest.sources:
        jobs = _jobs_with(scene.manifest, "register_nist", "source", source)
        yield _pile(RuleWhen.QUARANTINE, source, scene.facts.quarantined.get(source), jobs)


def parked(scene: Scene) -> Iterator[Condition]:
    for name in scene.manifest.destinations:
        jobs = _jobs_with(scene.manifest, "send_to_findface", "destination", name)
        yield _pile(RuleWhen.PARKED, name, scene.facts.parked.get(name), jobs)


def _pile(when: RuleWhen, subject: str, pile: Pile | None, jobs: tuple[str, ...]) -> Condition:
    if pile is None:
        return _good(when, subject, jobs)
    detail = {"count": pile.count, "newest": pile.newest}
    return Condition(when, subject, Reading.BAD, pile.since, pile.count, detail, jobs)


def checked(scene: Scene, when: RuleWhen) -> Mapping[str, Any]:
    """What the facts rule out, for a notice: other jobs, pauses, destinations.

    `unread` counts destinations nobody has asked yet; they are not called well.
    """
    facts, jobs = scene.facts, scene.manifest.jobs
    states = {
        name: verdict.state if verdict else "unread"
        for name in scene.manifest.destinations
        for verdict in (facts.verdicts.get(("destination", name)),)
    }
    answer: dict[str, Any] = {
        "jobs": len(jobs),
        "failing": sorted(job for job in jobs if job in facts.failing or job in facts.lost),
        "paused": sorted(facts.paused_jobs),
    }
    if when is not RuleWhen.DESTINATION_DOWN and states:
        answer["down"] = sorted(name for name, state in states.items() if state == "down")
        answer["unread"] = sorted(n for n, state in states.items() if state not in ("ok", "down"))
    return answer


def _jobs_with(manifest: Manifest, kind: str, option: str, value: str) -> tuple[str, ...]:
    """The jobs that have a step of this kind with this option; a lone destination needs no name."""
    return tuple(
        name
        for name, job in manifest.jobs.items()
        if any(step.kind == kind and step.options.get(option, value) == value for step in job.steps)
    )


def _good(when: RuleWhen, subject: str, jobs: tuple[str, ...]) -> Condition:
    return Condition(when, subject, Reading.GOOD, jobs=jobs)


def _unknown(when: RuleWhen, subject: str, jobs: tuple[str, ...]) -> Condition:
    return Condition(when, subject, Reading.UNKNOWN, jobs=jobs)


def _masked(detail: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: safe(value, 120) if isinstance(value, str) else value for key, value in detail.items()
    }
