"""What does due work cost? CPU of an apply with one due job that runs `true`, and with a hundred.

    python bench/due.py [--runs N] [--imports]

Prints the CPU of one due job over `python -c pass` (limit 20), what each import of it costs
(--imports), and the CPU per job of one apply with 100 due jobs (limit 20 ms each on an idle
machine). User + system time of the apply and of all its children, as the kernel counts it.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from commands import MITRARR, PASS, run, site


def due(folder: Path) -> None:
    """Everything due again, as if the last run were five minutes old."""
    import sqlite3

    with sqlite3.connect(folder / "state" / "mitrarr.db") as db:
        db.execute("DELETE FROM slots")
        db.execute("DELETE FROM runs")
        db.execute("UPDATE jobs SET last_slot = NULL, floor = ?", [int(time.time()) - 61])
    for path in (folder / "state" / "wake").glob("*"):
        path.unlink()


def measure(folder: Path, jobs: int, runs: int) -> tuple[float, float]:
    """Medians of an apply with so many due jobs, and of `python -c pass`, taken turn by turn: a
    busy neighbour slows both down."""
    path = site(folder, ["* * * * *"] * jobs)
    run((MITRARR, "apply", str(path)))
    values, base = [], []
    for _ in range(runs):
        due(folder)
        base.append(run(PASS).cpu)
        values.append(run((MITRARR, "apply", str(path))).cpu)
    return statistics.median(values), statistics.median(base)


def imports(folder: Path) -> None:
    """The dearest imports of a due apply, in milliseconds of their own."""
    path = folder / "configs" / "prod.json"
    due(folder)
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "mitrarr_runner.wake", "apply", str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    totals: dict[str, int] = {}
    for line in done.stderr.splitlines():
        if not line.startswith("import time:") or "self" in line:
            continue
        own, _, name = line.removeprefix("import time:").split("|")
        package = name.strip().split(".")[0]
        totals[package] = totals.get(package, 0) + int(own)
    for package, microseconds in sorted(totals.items(), key=lambda item: -item[1])[:25]:
        print(f"  {package:<24} {microseconds / 1000:6.1f} ms")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--imports", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        one, base = measure(Path(name, "one"), 1, asked.runs)
        hundred, _ = measure(Path(name, "hundred"), 100, 3)
        if asked.imports:
            imports(Path(name, "one"))
    each = (hundred - one) / 99 * 1000
    print(f"python -c pass       {base * 1000:7.1f} ms")
    print(f"apply, 1 due job     {one * 1000:7.1f} ms  {one / base:5.1f} x  (limit 20)")
    print(f"apply, 100 due jobs  {hundred * 1000:7.1f} ms  {each:5.1f} ms each  (limit 20 ms)")
    return 1 if one / base > 20 or each > 20 else 0


if __name__ == "__main__":
    raise SystemExit(main())
