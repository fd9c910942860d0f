"""The slots of a job by its manifest alone: those to come, those between two instants."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo

from mitrarr_runner import schedule
from mitrarr_runner.manifest.model import Job

_AT_ONCE = timedelta(0)

SECOND = timedelta(seconds=1)
"""Slots are whole seconds: one before a slot is after every slot before it."""

_RARELY = timedelta(days=366 * 8)
"""Between two slots at most: from one leap day to the next over a century that has none."""


@lru_cache(maxsize=20_000)
def parsed(expression: str) -> schedule.Cron:
    return schedule.parse(expression)


@lru_cache(maxsize=1000)
def zone_of(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(maxsize=20_000)
def any_in(expression: str, zone: str, after: datetime, until: datetime) -> bool:
    """Whether (after, until] holds a slot: the same for all jobs that share line and last slot."""
    slots = schedule.slots(parsed(expression), zone_of(zone), after, until)
    return next(slots, None) is not None


def upcoming(job: Job, now: datetime, count: int) -> tuple[datetime, ...]:
    """The next `count` slots of a job after `now`, whatever its state."""
    if job.schedule.cron is None:
        return ()
    cron, zone = parsed(job.schedule.cron), zone_of(job.schedule.timezone)
    horizon = min(_RARELY * count, datetime.max.replace(tzinfo=UTC) - now)
    return tuple(islice(schedule.slots(cron, zone, now, now + horizon), count))


def slots_between(job: Job, start: datetime, end: datetime) -> Iterator[datetime]:
    """Every slot of a job, `start` inclusive, `end` exclusive."""
    if job.schedule.cron is None:
        return iter(())
    cron, zone = parsed(job.schedule.cron), zone_of(job.schedule.timezone)
    return schedule.slots(cron, zone, start - SECOND, end - SECOND)


def jitter_of(job: Job) -> timedelta:
    if not job.schedule.jitter:
        return _AT_ONCE
    return timedelta(seconds=schedule.jitter(job.name, job.schedule.jitter))
