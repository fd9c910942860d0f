"""Is this still the same schedule, and by how much does a job start late on purpose?

Both answers are hashes that stay the same in every process, on every host, after every reboot.
"""

from __future__ import annotations

import hashlib


def fingerprint(expression: str, zone_name: str) -> str:
    """16 hex digits for the cron text and the zone's name, and nothing else.

    Blanks between the fields do not count. A new tzdata does not change it: slots are then
    evaluated anew, but the job does not start over.
    """
    line = " ".join(expression.split())
    return hashlib.sha256(f"{line}\n{zone_name}".encode()).hexdigest()[:16]


def jitter(name: str, spread_seconds: int) -> int:
    """Whole seconds in [0, spread_seconds], always the same ones for the same job name.

    Random jitter moves at each start and makes the order of jobs a lottery; a hash spreads jobs
    just as evenly and can be read in the plan.
    """
    if spread_seconds < 0:
        raise ValueError(f"a spread is not negative: {spread_seconds}")
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return number % (spread_seconds + 1)
