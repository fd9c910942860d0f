"""The store is in trouble in the middle of an apply: who hears of it?

Rules and incidents live in the store, so this one trouble is told without it: a line in alerts.log
when it begins and each hour while it lasts, and one when it is over. Everything else
(exit code 4, the words on standard error that cron mails, the guardian) comes from the error.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mitrarr_runner.alerts import notify
from mitrarr_runner.clock import Clock, epoch
from mitrarr_runner.errors import StateError
from mitrarr_runner.logs import EventLog
from mitrarr_runner.manifest.model import Manifest, Severity
from mitrarr_runner.site import Site

_REPEAT = 3600
_CALM = 0


@contextmanager
def heard(manifest: Manifest, site: Site, clock: Clock) -> Iterator[None]:
    """Whatever is raised goes on its way; a StateError is told on its way."""
    marker = site.state / f".trouble-{manifest.name}"
    try:
        yield
    except StateError as error:
        EventLog(site.main_log, clock).event("store_trouble", code=error.code)
        now = epoch(clock.now())
        if not 0 <= now - _told_at(marker) < _REPEAT:
            _tell(manifest, site, clock, Severity.CRITICAL, str(error))
            _note(marker, now)
        raise
    told = _told_at(marker)
    if told > _CALM:
        _tell(manifest, site, clock, Severity.INFO, "the store works again")
    if told != _CALM:
        _note(marker, _CALM)


def _told_at(marker: Path) -> int:
    """When the trouble was last told; -1 where there is no marker yet."""
    try:
        return int(marker.stat().st_mtime)
    except OSError:
        return -1


def _note(marker: Path, at: int) -> None:
    """The time of an empty file that is there already: a full disk takes nothing else."""
    with contextlib.suppress(OSError):
        if not marker.exists():
            marker.touch(mode=0o600)
        os.utime(marker, (at, at))


def _tell(manifest: Manifest, site: Site, clock: Clock, severity: Severity, message: str) -> None:
    with contextlib.suppress(StateError):  # alerts.log cannot be written either
        notify.emit(
            None, manifest, site, clock, type="store", job=None, severity=severity, message=message
        )
