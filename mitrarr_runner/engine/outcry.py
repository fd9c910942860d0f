"""The store is in trouble in the middle of an apply: who hears of it?

Rules and incidents live in the store, so this one trouble is told without it: a line in alerts.log
when it begins, changes, and each hour while it lasts, and one when it is over. Everything else
(exit code 4, the words on standard error that cron mails, the guardian) comes from the error.
"""

from __future__ import annotations

import contextlib
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


@contextmanager
def heard(manifest: Manifest, site: Site, clock: Clock) -> Iterator[None]:
    """Whatever is raised goes on its way; a StateError is told on its way."""
    marker = site.state / f".trouble-{manifest.name}"
    try:
        yield
    except StateError as error:
        EventLog(site.main_log, clock).event("store_trouble", code=error.code)
        if not _told_lately(marker, error.code, clock):
            _tell(manifest, site, clock, Severity.CRITICAL, str(error))
        raise
    if marker.exists():
        _tell(manifest, site, clock, Severity.INFO, "the store works again")
        with contextlib.suppress(OSError):
            marker.unlink()


def _told_lately(marker: Path, code: str, clock: Clock) -> bool:
    """Notes that it is told now. On a full disk that may fail, and then it is told each time."""
    word = f"{code} {epoch(clock.now())}"
    with contextlib.suppress(OSError, ValueError):
        before, at = marker.read_text("ascii").split()
        if before == code and 0 <= epoch(clock.now()) - int(at) < _REPEAT:
            return True
    with contextlib.suppress(OSError):
        marker.write_text(word, "ascii")
    return False


def _tell(manifest: Manifest, site: Site, clock: Clock, severity: Severity, message: str) -> None:
    with contextlib.suppress(StateError):  # alerts.log cannot be written either
        notify.emit(
            None, manifest, site, clock, type="store", job=None, severity=severity, message=message
        )
