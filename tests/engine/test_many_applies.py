"""Twenty applies at once on a backlog of a hundred slots: every slot exactly once."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from mitrarr_runner.clock import SystemClock
from mitrarr_runner.engine.apply import Silent
from mitrarr_runner.engine.tick import tick
from mitrarr_runner.store.slots import SlotState

Job = Callable[..., dict[str, Any]]


def apply(site: Any) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        tick(site.manifest, site.site, SystemClock(), Silent(), root_from="settings")
    finally:
        os._exit(0)


@pytest.mark.slow
def test_a_hundred_slots_and_twenty_applies(site: Any, job: Job) -> None:
    schedule = {"cron": "* * * * *", "catch_up": "all", "max": 100}
    made = {**job("sh", "-c", 'echo "$MITRARR_SLOT" >> ran'), "schedule": schedule}
    site.write(jobs={"a": made}, settings={"max_parallel_jobs": 20})
    site.due(minutes=150)
    for pid in [apply(site) for _ in range(20)]:
        os.waitpid(pid, 0)
    for _ in range(5):  # what the twenty left to each other
        os.waitpid(apply(site), 0)
    ran = Counter((site.root / "ran").read_text().split())
    with site.store() as db:
        rows = db.rows("SELECT state FROM slots")
    states = Counter(SlotState(row["state"]) for row in rows)
    assert max(ran.values()) == 1
    assert len(ran) == states[SlotState.CLAIMED] >= 100
    assert states[SlotState.MISSED] >= 49
    assert states[SlotState.SKIPPED] == 0
