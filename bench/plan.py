"""What does a plan of many jobs cost? Wall clock, CPU and memory of whole commands, in one run.

    python bench/plan.py [--jobs N] [--runs N]

Prints medians of `validate` (always cold), and of `plan` from the compiled manifest as text and as
JSON, for a manifest whose jobs share 120 lines of cron and for one in which each line is another;
beside them `mitrarr --help`, which is what any verb costs. Exits 1 where a limit is broken: 6 s for
validate, 1 s for plan, 300 MB for all. Limits are wall clock on an idle machine; on a busy one read
the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

MEMORY = 300.0


@dataclass(frozen=True)
class Cost:
    """Seconds of wall clock, seconds of CPU, MB of memory at most."""

    wall: float
    cpu: float
    memory: float


def run(argv: list[str], cwd: Path, environment: dict[str, str]) -> Cost:
    begun = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        os.chdir(cwd)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.execve(argv[0], argv, environment)  # noqa: S606
    _, status, usage = os.wait4(pid, 0)
    assert status == 0, (argv, status)
    wall = time.perf_counter() - begun
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def shared(number: int) -> str:
    return f"{number % 60} {number % 24} * * *"


def distinct(number: int) -> str:
    return f"{number % 60} {number // 60 % 24} {1 + number // 1440 % 28} * *"


def site(folder: Path, lines: list[str]) -> Path:
    steps = [{"command": {"argv": ["true"]}}]
    manifest = {
        "version": 1,
        "name": "prod",
        "settings": {"timezone": "America/Sao_Paulo", "root": ".."},
        "jobs": {
            f"job_{number}": {"schedule": line, "steps": steps} for number, line in enumerate(lines)
        },
    }
    path = folder / "configs" / "prod.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(manifest))
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    mitrarr = str(Path(sys.executable).with_name("mitrarr"))
    environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        commands: dict[str, tuple[list[str], float | None]] = {
            "python -c pass": ([sys.executable, "-c", "pass"], None),
            "mitrarr --help": ([mitrarr, "--help"], None),
        }
        for label, line in (("shared", shared), ("distinct", distinct)):
            path = str(site(top / label, [line(number) for number in range(asked.jobs)]))
            run([mitrarr, "apply", path], top, environment)  # makes the state and the cache
            commands[f"validate, {label} lines"] = ([mitrarr, "validate", path], 6.0)
            commands[f"plan, {label} lines"] = ([mitrarr, "plan", path], 1.0)
            words = [mitrarr, "plan", path, "--format", "json"]
            commands[f"plan json, {label} lines"] = (words, 1.0)
        costs: dict[str, list[Cost]] = {label: [] for label in commands}
        for _ in range(asked.runs):
            for label, (argv, _limit) in commands.items():
                costs[label].append(run(argv, top, environment))
    return told(costs, {label: limit for label, (_, limit) in commands.items()})


def told(costs: dict[str, list[Cost]], limits: dict[str, float | None]) -> int:
    broken = False
    base = statistics.median(cost.cpu for cost in costs["mitrarr --help"])
    for label, found in costs.items():
        wall, cpu = (statistics.median(getattr(c, key) for c in found) for key in ("wall", "cpu"))
        memory = max(cost.memory for cost in found)
        limit = limits[label]
        broken |= memory > MEMORY or (limit is not None and wall > limit)
        shown = f"  (limit {limit:.0f} s)" if limit else ""
        print(f"{label:<26}{wall:7.2f} s{cpu:7.2f} s CPU{cpu / base:7.2f} x{memory:6.0f} MB{shown}")
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
