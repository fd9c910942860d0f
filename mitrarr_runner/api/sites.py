"""What the endpoints stand on: one site, its manifests read anew for each call, its store.

A manifest in git may change at any time; a server that kept an old one would pause jobs that are
gone. Loading goes through the compiled cache, so that a call costs milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from mitrarr_runner.clock import Clock, iso
from mitrarr_runner.engine import control, places
from mitrarr_runner.engine.places import Call, Place
from mitrarr_runner.engine.report.standing import standing
from mitrarr_runner.engine.report.status import status_json
from mitrarr_runner.errors import UsageError
from mitrarr_runner.manifest.model import Api
from mitrarr_runner.store.pauses import Paused
from mitrarr_runner.text import Catalogue

LOOPBACK = "api:loopback"
"""Who did it, where the caller does not say: somebody on this machine."""


class UnknownJob(Exception):
    """No manifest of the site has the job (404)."""

    def __init__(self, error: UsageError) -> None:
        super().__init__(str(error))
        self.message = error.message
        self.hint = error.hint


@dataclass(frozen=True, slots=True)
class Desk:
    """config: the manifest given to `serve`, or None."""

    call: Call
    config: str | None
    clock: Clock
    say: Catalogue

    def api(self) -> Api:
        return places.place(self.call, self.config).manifest.api

    def _place(self, job: str) -> Place:
        try:
            return places.job_place(self.call, self.config, job)
        except UsageError as error:
            raise UnknownJob(error) from error

    def jobs(self) -> list[Mapping[str, Any]]:
        return self._states(places.place(self.call, self.config))

    def job(self, job: str) -> Mapping[str, Any]:
        found = self._place(job)
        known = (state for state in self._states(found) if state["name"] == job)
        state = next(known, None)
        if state is None:  # taken while the manifest cannot be read, and nothing is known of it
            raise UnknownJob(places.unknown_job(job, found.manifest))
        return state

    def _states(self, found: Place) -> list[Mapping[str, Any]]:
        db = found.open_readonly()
        try:
            stands = standing(db, found.manifest, found.site, self.clock, broken=found.broken)
        finally:
            if db is not None:
                db.close()
        return list(status_json(stands)["jobs"])

    def pause(self, job: str, by: str, reason: str, until: datetime | None) -> Mapping[str, Any]:
        found = self._place(job)
        if until is not None and until.tzinfo is None:
            until = until.replace(tzinfo=ZoneInfo(found.manifest.settings.timezone))
        with found.open_store() as db:
            answer = control.pause(
                db,
                found.site,
                self.clock,
                found.manifest.name,
                Paused.JOB,
                job,
                actor=by or LOOPBACK,
                reason=reason,
                until=until,
            )
        pause = answer.pause
        return {
            "job": job,
            "paused": True,
            "already": answer.already,
            "paused_by": pause.actor,
            "paused_at": iso(pause.at),
            "paused_until": None if pause.until is None else iso(pause.until),
            "running": None if answer.running is None else answer.running.handle,
        }

    def resume(self, job: str, by: str, catch_up: bool) -> Mapping[str, Any]:
        found = self._place(job)
        with found.open_store() as db:
            answer = control.resume(
                db,
                found.site,
                self.clock,
                found.manifest.name,
                Paused.JOB,
                job,
                actor=by or LOOPBACK,
                job=found.manifest.jobs.get(job),
                catch_up=catch_up,
            )
        return {
            "job": job,
            "paused": False,
            "was_paused": answer.pause is not None,
            "not_run": answer.not_run,
        }
