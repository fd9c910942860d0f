"""The places of engine/places, for a Session of the command line."""

from __future__ import annotations

from collections.abc import Callable

from mitrarr_runner.cli.session import Session
from mitrarr_runner.engine import places
from mitrarr_runner.engine.places import Call, Place, unknown_job
from mitrarr_runner.manifest.model import Manifest
from mitrarr_runner.store.pauses import Paused
from mitrarr_runner.text import text

__all__ = [
    "Place",
    "destination_place",
    "job_place",
    "place",
    "place_with",
    "resume_place",
    "stop_place",
    "strict",
    "unknown_job",
]


def _call(session: Session) -> Call:
    return Call(session.environment, session.cwd)


def place(session: Session, given: str | None) -> Place:
    return places.place(_call(session), given)


def strict(session: Session, given: str | None) -> Place:
    return places.strict(_call(session), given)


def job_place(session: Session, given: str | None, job: str) -> Place:
    found = places.job_place(_call(session), given, job)
    _warn_job(session, found, job)
    return found


def stop_place(session: Session, given: str | None, job: str) -> Place:
    """Where something runs; it may be a job that its manifest has no more."""
    found = places.stop_place(_call(session), given, job)
    if found.broken:
        _warn_job(session, found, job)
    return found


def resume_place(session: Session, given: str | None, kind: Paused, name: str) -> Place:
    """Where something is paused; a warning where it may be nothing, as when it was paused."""
    found = places.resume_place(_call(session), given, kind, name)
    if found.broken:
        (_warn_job if kind is Paused.JOB else _warn_destination)(session, found, name)
    return found


def _warn_job(session: Session, found: Place, job: str) -> None:
    if found.usable is None:
        session.warn(text("warning: the manifest cannot be read; {job} is taken as it is", job=job))
    elif job not in found.usable.jobs:
        session.warn(
            text(
                "warning: the manifest has errors and its last good version has no {job};"
                " it is taken as it is",
                job=job,
            )
        )


def place_with(session: Session, given: str | None, wanted: Callable[[Manifest], bool]) -> Place:
    return places.place_with(_call(session), given, wanted)


def destination_place(session: Session, given: str | None, destination: str) -> Place:
    found = places.destination_place(_call(session), given, destination)
    _warn_destination(session, found, destination)
    return found


def _warn_destination(session: Session, found: Place, destination: str) -> None:
    if found.usable is None or destination not in found.usable.destinations:
        session.warn(
            text(
                "warning: the manifest has errors; the destination {name} is taken as it is",
                name=destination,
            )
        )
