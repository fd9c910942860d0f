"""The host itself: Python, clock, zones, language, and what lies where `python -m` looks first."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from mitrarr_runner.clock import from_epoch
from mitrarr_runner.engine.doctor.finding import Finding, Ground, ok, problem, warning
from mitrarr_runner.site import Site
from mitrarr_runner.text import LANGUAGES, text

OLDEST_PYTHON = (3, 11)
FIRST_YEAR, LAST_YEAR = 2026, 2099
"""Outside of these years a clock has not been set."""

_AHEAD = timedelta(minutes=1)


def python(ground: Ground) -> Iterator[Finding]:
    subject = text("python")
    version = sys.version_info[:3]
    shown = ".".join(map(str, version))
    if version >= OLDEST_PYTHON:
        yield ok("python", subject, text("{version}, {path}", version=shown, path=sys.executable))
    else:
        message = text("{version} is too old", version=shown)
        yield problem("python", subject, message, text("install Python 3.11 or newer"))


def clock(ground: Ground) -> Iterator[Finding]:
    """A year that can be, and no apply in the future: the clock has then been set back."""
    subject = text("clock")
    now = ground.clock.now()
    hint = text("set it, and keep it set: timedatectl, or a time service (chrony)")
    if not FIRST_YEAR <= now.year <= LAST_YEAR:
        yield problem("clock", subject, text("the year is {year}", year=str(now.year)), hint)
        return
    last = last_apply(ground.site, ground.manifest.name)
    if last is not None and last > now + _AHEAD:
        ahead = int((last - now).total_seconds())
        message = text("the last apply lies {seconds} s in the future", seconds=ahead)
        yield warning("clock_back", subject, message, hint)
        return
    yield ok("clock", subject, text("{time} UTC", time=now.strftime("%Y-%m-%d %H:%M:%S")))


def last_apply(site: Site, manifest: str) -> datetime | None:
    """Every apply that could do its work touches its heartbeat, the quick way out included."""
    try:
        return from_epoch(int((site.heartbeat / manifest).stat().st_mtime))
    except OSError:
        return None


def zones(ground: Ground) -> Iterator[Finding]:
    manifest = ground.manifest
    named = {manifest.settings.timezone}
    named |= {job.schedule.timezone for job in manifest.jobs.values()}
    subject = text("time zones")
    missing = [name for name in sorted(named) if not _has_zone(name)]
    if missing:
        message = text("unknown here: {names}", names=", ".join(missing))
        hint = text("install the zone files (Debian: apt install tzdata), or correct the name")
        yield problem("timezone", subject, message, hint)
    else:
        yield ok("timezone", subject, text("{names}", names=", ".join(sorted(named))))


def _has_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return False
    return True


def language(ground: Ground) -> Iterator[Finding]:
    """Of apply and alerts; a terminal has its own."""
    subject = text("language")
    chosen = ground.manifest.settings.language
    if chosen is not None and chosen not in LANGUAGES:
        message = text("{language} is not known: alerts will be in English", language=chosen)
        hint = text("known: {names}", names=", ".join(LANGUAGES))
        yield warning("language", subject, message, hint)
    elif chosen is None:
        message = text("settings.language is not set: alerts will be in English")
        yield ok("language", subject, message)
    else:
        yield ok("language", subject, text("{language}", language=chosen))


def old_infra(ground: Ground) -> Iterator[Finding]:
    """`python -m infra.cli.main` takes a folder `infra` of the working folder before ours."""
    subject = text("old infra/")
    for folder in dict.fromkeys((ground.call.cwd, ground.site.root)):
        path = folder / "infra"
        if path.exists() and not _is_ours(path):
            message = text("{path} hides ours from python -m infra.cli.main", path=str(path))
            hint = text("move it away, or type mitrarr instead")
            yield warning("old_infra", subject, message, hint)


def _is_ours(path: Path) -> bool:
    """A door to this very program: it holds nothing but that import."""
    main = path / "cli" / "main.py"
    try:
        return "from mitrarr_runner.wake import main" in main.read_text("utf-8", "replace")
    except OSError:
        return False


def api(ground: Ground) -> Iterator[Finding]:
    subject = text("API")
    if ground.manifest.api.loopback == "operator":
        message = text("calls from this machine need no token (api.loopback: operator)")
    else:
        message = text("every call is refused: the manifest has no api.loopback")
    yield ok("api", subject, message)
