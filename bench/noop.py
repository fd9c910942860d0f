"""What does an apply cost when nothing is due? CPU as a ratio over `python -c pass`, in one run.

    python bench/noop.py [--runs N]

Prints the ratios of `mitrarr apply` at 10, 1,000 and 10,000 jobs (limits 2.0, 2.0, 2.5), of a
console script that does nothing, and exits 1 when a limit is broken. Each command is run in turn
(A B C A B C ...), user + system time of the finished child as the kernel counts it, medians.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from commands import MITRARR, PASS, run, site

JOBS = {10: 2.0, 1000: 2.0, 10_000: 2.5}
SCRIPT = """#!{python}
import re
import sys
def main():
    return 0
if __name__ == '__main__':
    sys.argv[0] = re.sub(r'(-script\\.pyw|\\.exe)?$', '', sys.argv[0])
    sys.exit(main())
"""


def never(number: int) -> str:
    """A line of cron that is due in no usual year."""
    return f"{number % 60} {number % 24} 29 2 *"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=25)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        script = top / "empty"
        script.write_text(SCRIPT.format(python=sys.executable))
        script.chmod(0o755)
        commands: dict[str, tuple[str, ...]] = {
            "python -c pass": PASS,
            "empty script": (str(script),),
        }
        for jobs in JOBS:
            path = site(top / str(jobs), [never(number) for number in range(jobs)])
            commands[f"apply, {jobs} jobs"] = (MITRARR, "apply", str(path))
            run(commands[f"apply, {jobs} jobs"], top)  # the full way, once
        times: dict[str, list[float]] = {label: [] for label in commands}
        for _ in range(runs):
            for label, argv in commands.items():
                times[label].append(run(argv, top).cpu)
    medians = {label: statistics.median(values) for label, values in times.items()}
    base = medians["python -c pass"]
    limits = {f"apply, {jobs} jobs": limit for jobs, limit in JOBS.items()}
    broken = False
    for label, value in medians.items():
        ratio = value / base
        limit = limits.get(label)
        broken |= limit is not None and ratio > limit
        told = f"  (limit {limit})" if limit else ""
        print(f"{label:<18} {value * 1000:6.1f} ms  {ratio:5.2f} x{told}")
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
