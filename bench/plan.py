"""What does a plan of many jobs cost? Wall clock, CPU and memory of whole commands, in one run.

    python bench/plan.py [--jobs N] [--runs N]

Prints the quickest and the median run of `validate` (always cold), and of `plan` from the compiled
manifest as text and as JSON, for a manifest whose jobs share 120 lines of cron and for one in which
each line is another; beside them `mitrarr --help`, which is what any verb costs. Exits 1 where a
limit is broken: 6 s for validate, 1 s for plan, 300 MB for all. The limits are wall clock on an
idle machine, to which the quickest run comes nearest; on a busy one read the ratios.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from commands import MITRARR, PASS, Cost, run, site

MEMORY = 300.0


def shared(number: int) -> str:
    return f"{number % 60} {number % 24} * * *"


def distinct(number: int) -> str:
    return f"{number % 60} {number // 60 % 24} {1 + number // 1440 % 28} * *"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        commands: dict[str, tuple[tuple[str, ...], float | None]] = {
            "python -c pass": (PASS, None),
            "mitrarr --help": ((MITRARR, "--help"), None),
        }
        for label, line in (("shared", shared), ("distinct", distinct)):
            path = str(site(top / label, [line(number) for number in range(asked.jobs)]))
            run((MITRARR, "apply", path), top)  # makes the state and the cache
            commands[f"validate, {label} lines"] = ((MITRARR, "validate", path), 6.0)
            commands[f"plan, {label} lines"] = ((MITRARR, "plan", path), 1.0)
            words = (MITRARR, "plan", path, "--format", "json")
            commands[f"plan json, {label} lines"] = (words, 1.0)
        costs: dict[str, list[Cost]] = {label: [] for label in commands}
        for _ in range(asked.runs):
            for label, (argv, _limit) in commands.items():
                costs[label].append(run(argv, top))
    return told(costs, {label: limit for label, (_, limit) in commands.items()})


def told(costs: dict[str, list[Cost]], limits: dict[str, float | None]) -> int:
    broken = False
    base = statistics.median(cost.cpu for cost in costs["mitrarr --help"])
    for label, found in costs.items():
        quickest = min(cost.wall for cost in found)
        wall, cpu = (statistics.median(getattr(c, key) for c in found) for key in ("wall", "cpu"))
        memory = max(cost.memory for cost in found)
        limit = limits[label]
        broken |= memory > MEMORY or (limit is not None and quickest > limit)
        shown = f"  (limit {limit:.0f} s)" if limit else ""
        times = f"{quickest:6.2f} s, median {wall:5.2f} s, {cpu:5.2f} s CPU"
        print(f"{label:<26}{times}{cpu / base:6.2f} x{memory:5.0f} MB{shown}")
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
