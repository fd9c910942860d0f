"""Does something that should beat still beat? The smallest step kind; read this one first.

A heartbeat is the last good run of a job, or the last `apply` of a manifest. The step compares its
age with `max_age`, keeps the verdict, and never fails: a late heartbeat is an incident of the rule
`heartbeat_late`, not a failed job. With `settings.watches` (the guardian) it reads the watched
store, read-only; a store that cannot be read is late, because that is what the guardian is for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mitrarr_runner.clock import from_epoch
from mitrarr_runner.manifest.model import Heartbeat
from mitrarr_runner.steps.contract import Context, StepOutcome, StepResult, View
from mitrarr_runner.store import facts, readings, runs
from mitrarr_runner.store.database import Database, open_readonly
from mitrarr_runner.text import Catalogue, Text, text, to_data

KIND = "heartbeat"
IDEMPOTENT = True


@dataclass(frozen=True, slots=True)
class Options:
    name: str


@dataclass(frozen=True, slots=True)
class Heard:
    """state: ok | late | unknown, as the verdict keeps it."""

    state: str
    code: str
    message: Text


def parse(options: Mapping[str, object]) -> Options:
    return Options(str(options["name"]))


def describe(options: Options, view: View) -> Text:
    heartbeat = view.manifest.heartbeats[options.name]
    limit = Catalogue("en").span(heartbeat.max_age)
    return text("{what}: at most {limit} old", what=_what(heartbeat), limit=limit)


def run(options: Options, context: Context) -> StepResult:
    heartbeat = context.manifest.heartbeats[options.name]
    heard = listen(heartbeat, context)
    detail, now = {"message": to_data(heard.message)}, context.clock.now()
    with context.open_store() as db, db.transaction():
        readings.set_verdict(
            db, context.manifest.name, KIND, heartbeat.name, heard.state, heard.code, detail, now
        )
    return StepResult(StepOutcome.OK, heard.code, heard.message)


def listen(heartbeat: Heartbeat, context: Context) -> Heard:
    """Find the last beat and judge its age; whatever the store's trouble, an answer."""
    if heartbeat.manifest is not None:
        return _judged(heartbeat, _touched(heartbeat.manifest, context), context.clock.now())
    try:
        with _store(context) as db:
            return _heard_job(heartbeat, db, context)
    except facts.UNREADABLE:
        return Heard("late", "store_unreadable", text("the watched store cannot be read"))


def _store(context: Context) -> Database:
    """The watched store, or our own. Raises one of facts.UNREADABLE."""
    watched = context.manifest.settings.watches
    if watched is None:
        return context.open_store()
    db = open_readonly(context.site.root / watched)
    if db is None:
        raise facts.missing(watched)
    return db


def _heard_job(heartbeat: Heartbeat, db: Database, context: Context) -> Heard:
    """A job that is paused is not late; one that was never good is as old as it is known."""
    job, now = heartbeat.job or "", context.clock.now()
    owner = None if context.manifest.settings.watches else context.manifest.name
    if facts.paused(db, owner, job, now):
        return Heard("unknown", "paused", text("{job} is paused", job=job))
    last = runs.last_ok(db, owner, job)
    beat = last.finished_at if last else facts.first_seen(db, owner, job)
    return _judged(heartbeat, beat, now)


def _touched(manifest: str, context: Context) -> datetime | None:
    """When `apply` last touched the manifest's file in state/heartbeat."""
    try:
        return from_epoch(int((context.site.heartbeat / manifest).stat().st_mtime))
    except OSError:
        return None


def _judged(heartbeat: Heartbeat, beat: datetime | None, now: datetime) -> Heard:
    what = _what(heartbeat)
    if beat is None:
        state = "unknown" if heartbeat.job else "late"
        return Heard(state, "never", text("{what}: never yet", what=what))
    age = (now - beat).total_seconds()
    span = Catalogue("en").span
    if age < -heartbeat.max_age:
        return Heard("unknown", "clock", text("{what}: in the future", what=what))
    if age > heartbeat.max_age:
        limit = span(heartbeat.max_age)
        message = text("{what}: {age} ago, limit {limit}", what=what, age=span(age), limit=limit)
        return Heard("late", "late", message)
    return Heard("ok", "ok", text("{what}: {age} ago", what=what, age=span(max(0.0, age))))


def _what(heartbeat: Heartbeat) -> Text:
    if heartbeat.manifest is not None:
        return text("last apply of {manifest}", manifest=heartbeat.manifest)
    return text("last good run of {job}", job=heartbeat.job)
