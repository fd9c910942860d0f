"""How does an event reach logs/mitrarr.log? One line, one O_APPEND write, nothing forged.

    2026-11-23T11:10:04Z srv-ingest01 run_finished job=adiciona_nists run=r8841 outcome=ok

English keys and codes for machines and greps; what people read is elsewhere. Values are masked
and escaped (redact.py). A log that cannot be written never fails the work it reports on.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
from pathlib import Path

from mitrarr_runner import atomic, redact
from mitrarr_runner.clock import Clock, iso

_PLAIN = re.compile(r"[^\s\"=]+")


class EventLog:
    """Appends events to one file; safe to use from several processes at once."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    def event(self, name: str, /, **fields: object) -> None:
        """Write one line; field order is kept, None is left out."""
        words = [iso(self._clock.now()), socket.gethostname(), name]
        words += [f"{key}={_shown(value)}" for key, value in fields.items() if value is not None]
        with contextlib.suppress(OSError):
            append_line(self._path, " ".join(words))


def append_line(path: Path, line: str) -> None:
    """Append one line in one write, making the file with mode 0600; raises OSError."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    try:
        atomic.write_all(descriptor, (line + "\n").encode("utf-8", "backslashreplace"))
    finally:
        os.close(descriptor)


def _shown(value: object) -> str:
    safe = redact.safe(str(value))
    if _PLAIN.fullmatch(safe):
        return safe
    return '"' + safe.replace("\\", "\\\\").replace('"', '\\"') + '"'
