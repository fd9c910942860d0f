"""What do the verbs about stored records share? The store for reading, and words to be known."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import TypeVar
from zoneinfo import ZoneInfo

from mitrarr_runner.cli.place import Place
from mitrarr_runner.engine.places import did_you_mean
from mitrarr_runner.errors import UsageError
from mitrarr_runner.manifest.model import Manifest
from mitrarr_runner.redact import safe
from mitrarr_runner.store import runs
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.runs import Run
from mitrarr_runner.text import text

_RUN = re.compile(r"[rR]?([1-9][0-9]{0,17})")
_Choice = TypeVar("_Choice", bound=StrEnum)


class Reading:
    """The store for reading, closed at the end; None where nothing was ever stored."""

    def __init__(self, found: Place) -> None:
        self._db = found.open_readonly()

    def __enter__(self) -> Database | None:
        return self._db

    def __exit__(self, *_: object) -> None:
        if self._db is not None:
            self._db.close()


def zone(found: Place) -> ZoneInfo:
    return ZoneInfo(found.manifest.settings.timezone)


def with_work(manifest: Manifest) -> bool:
    return bool(manifest.sources or manifest.destinations)


def choice(value: str | None, choices: type[_Choice], option: str) -> _Choice | None:
    if value is None:
        return None
    known = [one.value for one in choices]
    if value not in known:
        raise UsageError(
            text('{option}: there is no "{value}"', option=option, value=safe(value, 40)),
            code="usage",
            hint=did_you_mean(value, known) or text("one of: {known}", known=", ".join(known)),
        )
    return choices(value)


def check_known(name: str, known: Iterable[str], kind: str) -> None:
    names = list(known)
    if name in names:
        return
    message = text("there is no source {name}", name=safe(name, 64))
    if kind == "destination":
        message = text("there is no destination {name}", name=safe(name, 64))
    hint = did_you_mean(name, names) or text("the manifest has: {names}", names=", ".join(names))
    raise UsageError(message, code=f"unknown_{kind}", hint=hint)


def run_named(db: Database | None, job: str, wanted: str) -> Run:
    """A run of a job by its handle (r12); raises UsageError (unknown_run)."""
    matched = _RUN.fullmatch(wanted.strip())
    run = runs.get(db, int(matched[1])) if db is not None and matched else None
    if run is None or run.job != job:
        raise UsageError(
            text("{job} has no run {run}", job=job, run=safe(wanted, 30)),
            code="unknown_run",
            hint=text("see its runs: mitrarr history {job}", job=job),
        )
    return run
