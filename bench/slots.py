"""What does a slot cost? Our enumeration beside croniter's own iteration and cronsim, in one run.

    python bench/slots.py

Prints, for each line of cron: CPU microseconds per slot of ours, and how many times that the other
two need on the same machine in the same minute (ratios travel, microseconds do not). Then the time
of 100,000 slots, and the CPU of a whole `mitrarr plan --from --until` that lists as many (limit 1 s
on an idle machine). The zone has changes of its clock, and the span crosses them.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

from croniter import croniter
from cronsim import CronSim

from mitrarr_runner.schedule import latest_slot, next_slot, parse, slots

ZONE = ZoneInfo("America/New_York")
START = datetime(2026, 1, 1, 5, tzinfo=UTC)
FAR = START + timedelta(days=366 * 40)
LINES = ("* * * * *", "*/10 * * * *", "0 * * * *", "30 2 * * *", "0 0 1 * *")
ROUNDS = 3


def whole_plan(slots: int) -> float:
    """CPU seconds of one `mitrarr plan --from --until` that lists so many slots."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "prod.json"
        steps = [{"command": {"argv": ["true"]}}]
        manifest = {
            "version": 1,
            "settings": {"timezone": str(ZONE), "root": "."},
            "jobs": {"a": {"schedule": "* * * * *", "steps": steps}},
        }
        path.write_text(json.dumps(manifest))
        until = START + timedelta(minutes=slots)
        words = ["--from", START.isoformat(), "--until", until.isoformat(), "--format", "json"]
        argv = [sys.executable, "-m", "mitrarr_runner.wake", "plan", str(path), *words]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(argv, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert len(json.loads(done.stdout)["slots"]) == slots
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def ours(line: str) -> Iterator[datetime]:
    return slots(parse(line), ZONE, START, FAR)


def theirs_croniter(line: str) -> Iterator[datetime]:
    iterator = croniter(line, START.astimezone(ZONE))
    while True:
        yield iterator.get_next(datetime)


def theirs_cronsim(line: str) -> Iterator[datetime]:
    return CronSim(line, START.astimezone(ZONE))


def per_slot(make: Callable[[str], Iterator[datetime]], line: str, count: int) -> float:
    """CPU microseconds per slot, the best of a few rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.process_time()
        found = sum(1 for _ in islice(make(line), count))
        best = min(best, (time.process_time() - begun) / found)
    return best * 1e6


def once(call: Callable[[], object], times: int) -> float:
    begun = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - begun) / times * 1e6


def main() -> None:
    print(f"{'line':<14}{'us/slot':>9}{'croniter':>10}{'cronsim':>10}")
    for line in LINES:
        own = per_slot(ours, line, 10_000)
        other = per_slot(theirs_croniter, line, 1000), per_slot(theirs_cronsim, line, 1000)
        print(f"{line:<14}{own:>9.2f}" + "".join(f"{cost / own:>9.0f}x" for cost in other))
    cron = parse("* * * * *")
    decade = START + timedelta(days=3650)
    following = once(lambda: next_slot(cron, ZONE, START), 500)
    latest = once(lambda: latest_slot(cron, ZONE, START, decade), 200)
    print(f"next_slot {following:.0f} us, latest_slot of ten years {latest:.0f} us")
    line = "*/10 * * * *"
    own = per_slot(ours, line, 100_000)
    other = per_slot(theirs_croniter, line, 5000), per_slot(theirs_cronsim, line, 5000)
    print(
        f"100,000 slots of {line}: {own * 100:.0f} ms; "
        f"croniter {other[0] / own:.0f}x, cronsim {other[1] / own:.0f}x"
    )
    whole = min(whole_plan(100_000) for _ in range(3))
    print(f"100,000 slots of plan --from --until, JSON: {whole:.2f} s of CPU (limit 1 s)")


if __name__ == "__main__":
    main()
