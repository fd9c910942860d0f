"""The store is in trouble in the middle of an apply: who hears of it, and what is seen of it later?

Rules and incidents live in the store, so this one trouble is told without it: a line in alerts.log
when it begins and each hour while it lasts, and one when it is over. Everything else
(exit code 4, the words on standard error that cron mails, the guardian) comes from the error.

What stays is one empty file, of which even a full disk keeps the two times: the modification is
when the trouble was last told, the access when an apply last met it. Both 0: there is none.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from mitrarr_runner.alerts import notify
from mitrarr_runner.clock import Clock, epoch, from_epoch
from mitrarr_runner.errors import StateError
from mitrarr_runner.logs import EventLog
from mitrarr_runner.manifest.model import Manifest, Severity
from mitrarr_runner.site import Site

_REPEAT = 3600
_CALM = 0


@contextmanager
def heard(manifest: Manifest, site: Site, clock: Clock) -> Iterator[None]:
    """Whatever is raised goes on its way; a StateError is told on its way."""
    marker = _marker(site, manifest.name)
    try:
        yield
    except StateError as error:
        EventLog(site.main_log, clock).event("store_trouble", code=error.code)
        now, told = epoch(clock.now()), _told_at(marker)
        if not 0 <= now - told < _REPEAT:
            _tell(manifest, site, clock, Severity.CRITICAL, str(error))
            told = now
        _note(marker, told, now)
        raise
    told = _told_at(marker)
    if told > _CALM:
        _tell(manifest, site, clock, Severity.INFO, "the store works again")
    if told != _CALM:
        _note(marker, _CALM, _CALM)


def failing(site: Site, manifest: str, applied: datetime | None) -> datetime | None:
    """When an apply last met a store it could not work with; None where none did since `applied`,
    the last good one (one with nothing to do counts, although it does not open the store)."""
    try:
        found = _marker(site, manifest).stat()
    except OSError:
        return None
    if int(found.st_mtime) <= _CALM:
        return None
    met = from_epoch(int(found.st_atime))
    return met if applied is None or met >= applied else None


def _marker(site: Site, manifest: str) -> Path:
    return site.state / f".trouble-{manifest}"


def _told_at(marker: Path) -> int:
    """When the trouble was last told; -1 where there is no marker yet."""
    try:
        return int(marker.stat().st_mtime)
    except OSError:
        return -1


def _note(marker: Path, told: int, met: int) -> None:
    """The times of an empty file that is there already: a full disk takes nothing else."""
    with contextlib.suppress(OSError):
        if not marker.exists():
            marker.touch(mode=0o600)
        os.utime(marker, (met, told))


def _tell(manifest: Manifest, site: Site, clock: Clock, severity: Severity, message: str) -> None:
    with contextlib.suppress(StateError):  # alerts.log cannot be written either
        notify.emit(
            None, manifest, site, clock, type="store", job=None, severity=severity, message=message
        )
