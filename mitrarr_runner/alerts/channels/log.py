"""The channel that needs nobody else: one line per change in logs/alerts.log.

2026-11-23T11:10:04-03:00 A147 WARNING opened volume_low adiciona_nists 38<900
"""

from __future__ import annotations

from pathlib import Path

from mitrarr_runner import logs
from mitrarr_runner.alerts import render
from mitrarr_runner.alerts.channels.contract import ChannelError, Target
from mitrarr_runner.alerts.model import Notice
from mitrarr_runner.text import text

KIND = "log"


def path_of(target: Target) -> Path:
    """The channel's own file, or the manifest's alerts.log."""
    own = target.options.get("path")
    return target.alerts_log if own is None else target.root / str(own)


def send(notice: Notice, target: Target) -> None:
    path = path_of(target)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        logs.append_line(path, render.line(notice, target.say, target.zone))
    except OSError as error:
        reason = text("cannot write {file}: {why}", file=path.name, why=error.strerror or "")
        raise ChannelError("log_unwritable", reason, permanent=False) from error
