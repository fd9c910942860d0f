"""What does an apply cost when nothing is due? CPU as a ratio over `python -c pass`, in one run.

    python bench/noop.py [--runs N]

Prints the ratios of `mitrarr apply` at 10, 1,000 and 10,000 jobs (limits 2.0, 2.0, 2.5), of a
console script that does nothing, and exits 1 when a limit is broken. Each command is run in turn
(A B C A B C ...), user + system time of the finished child as the kernel counts it, medians.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

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


def cpu(argv: list[str], cwd: Path, environment: dict[str, str]) -> float:
    """Seconds of CPU of one run of a command."""
    pid = os.fork()
    if pid == 0:
        os.chdir(cwd)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.execve(argv[0], argv, environment)  # noqa: S606
    _, status, usage = os.wait4(pid, 0)
    assert status == 0, (argv, status)
    return usage.ru_utime + usage.ru_stime


def site(folder: Path, jobs: int) -> Path:
    """A site with that many jobs, none of which is ever due in this century's Januaries."""
    steps = [{"command": {"argv": ["true"]}}]
    manifest = {
        "version": 1,
        "name": "prod",
        "settings": {"timezone": "America/Sao_Paulo", "root": ".."},
        "jobs": {
            f"job_{n}": {"schedule": f"{n % 60} {n % 24} 29 2 *", "steps": steps}
            for n in range(jobs)
        },
    }
    path = folder / "configs" / "prod.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(manifest))
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=25)
    runs = parser.parse_args().runs
    mitrarr = str(Path(sys.executable).with_name("mitrarr"))
    environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        script = top / "empty"
        script.write_text(SCRIPT.format(python=sys.executable))
        script.chmod(0o755)
        commands = {"python -c pass": [sys.executable, "-c", "pass"], "empty script": [str(script)]}
        for jobs in JOBS:
            path = site(top / str(jobs), jobs)
            commands[f"apply, {jobs} jobs"] = [mitrarr, "apply", str(path)]
            cpu(commands[f"apply, {jobs} jobs"], top, environment)  # the full way, once
        times: dict[str, list[float]] = {label: [] for label in commands}
        for _ in range(runs):
            for label, argv in commands.items():
                times[label].append(cpu(argv, top, environment))
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
