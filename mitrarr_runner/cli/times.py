"""Which instant does a person mean? Times as they are typed, in the manifest's zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from mitrarr_runner.errors import UsageError
from mitrarr_runner.manifest.model import Schedule
from mitrarr_runner.schedule import moved, parse
from mitrarr_runner.text import text


def instant(value: str, zone_name: str) -> datetime:
    """An instant as typed: ISO 8601, naive ones in the manifest's zone.

    Raises UsageError when it cannot be read, does not exist or is ambiguous in that zone.
    """
    try:
        found = datetime.fromisoformat(value)
    except ValueError as error:
        raise UsageError(
            text('"{value}" is not a time', value=value),
            code="time",
            hint=text("for example: 2026-11-23T09:30 or 2026-11-23T09:30-03:00"),
        ) from error
    if found.tzinfo is not None:
        return found
    return _in_zone(found, value, ZoneInfo(zone_name))


def _in_zone(naive: datetime, value: str, zone: ZoneInfo) -> datetime:
    early, late = (naive.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if early.utcoffset() == late.utcoffset():
        return early
    exists = early.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == naive
    message = text('"{value}" happens twice in {zone}', value=value, zone=str(zone))
    if not exists:
        message = text('"{value}" does not exist in {zone}', value=value, zone=str(zone))
    offsets = (early.isoformat(), late.isoformat())
    raise UsageError(
        message,
        code="time_ambiguous",
        hint=text("write it with its offset: {one} or {other}", one=offsets[0], other=offsets[1]),
    )


def end_of(until: str | None, zone_name: str, now: datetime) -> datetime | None:
    """The instant of --until; None where none was typed. Raises as `instant` does, and where it
    is over already."""
    if until is None:
        return None
    end = instant(until, zone_name)
    if end <= now:
        raise UsageError(
            text("--until lies in the past"),
            code="usage",
            hint=text("leave it out to go on until somebody ends it"),
        )
    return end


def minute(value: str, zone_name: str, now: datetime) -> datetime:
    """The minute that is meant, in UTC; "HH:MM" is one of today. Raises as `instant` does."""
    found = instant(_dated(value, zone_name, now), zone_name)
    return found.astimezone(UTC).replace(second=0, microsecond=0)


def after_gap(value: str, schedule: Schedule, now: datetime) -> datetime | None:
    """The slot that stands for a local time which the clock jumped over, where the line names that
    time; None for any other. value: as `minute` takes it."""
    try:
        found = datetime.fromisoformat(_dated(value, schedule.timezone, now))
    except ValueError:  # `minute` says so
        return None
    if found.tzinfo is not None or schedule.cron is None:
        return None
    local = found.replace(second=0, microsecond=0)
    return moved(parse(schedule.cron), ZoneInfo(schedule.timezone), local)


def _dated(value: str, zone_name: str, now: datetime) -> str:
    if not re.fullmatch(r"[0-2]?[0-9]:[0-5][0-9]", value):
        return value
    return f"{now.astimezone(ZoneInfo(zone_name)).date().isoformat()}T{value.zfill(5)}"
