"""What does a whole command cost? The way in which several benches call it, and their sites."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MITRARR = str(Path(sys.executable).with_name("mitrarr"))
PASS = (sys.executable, "-c", "pass")
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}


@dataclass(frozen=True)
class Cost:
    """Of a finished command and everything below it, as the kernel counts it: seconds of CPU (user
    and system), seconds of wall clock, MB of memory at most."""

    cpu: float
    wall: float
    memory: float


def run(argv: Sequence[str], cwd: Path | None = None) -> Cost:
    """Run it as cron would, its output thrown away; it has to end well."""
    begun = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        os.chdir(cwd or Path.cwd())
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.execve(argv[0], list(argv), _ENVIRONMENT)  # noqa: S606
    _, status, usage = os.wait4(pid, 0)
    assert status == 0, (argv, status)
    wall = time.perf_counter() - begun
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024)


def site(folder: Path, lines: Sequence[str]) -> Path:
    """A manifest with one job, `true`, for each line of cron; its path."""
    steps = [{"command": {"argv": ["true"]}}]
    manifest = {
        "version": 1,
        "name": "prod",
        "settings": {"timezone": "America/Sao_Paulo", "root": ".."},
        "jobs": {f"job_{n}": {"schedule": line, "steps": steps} for n, line in enumerate(lines)},
    }
    path = folder / "configs" / "prod.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(manifest))
    return path
