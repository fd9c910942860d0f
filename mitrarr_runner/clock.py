"""What time is it? The only module that asks the system; everybody else is handed a Clock.

Instants are aware datetimes in UTC. Durations inside one process are monotonic; ages that must
outlive a process are CLOCK_BOOTTIME seconds with the boot id beside them, because the wall clock
may jump and CLOCK_BOOTTIME starts anew at each boot.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """The three readings the program needs."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump, comparable within this process only."""
        ...

    def boottime(self) -> float:
        """Seconds since boot, sleep included, comparable across processes of one boot."""
        ...

    def boot_id(self) -> str:
        """The kernel's name of this boot."""
        ...


class SystemClock:
    """The real thing."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def boottime(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def boot_id(self) -> str:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@dataclass(slots=True)
class FixedClock:
    """A clock that stands still until it is moved: `plan --at`, and tests."""

    instant: datetime
    ticks: float = 0.0
    boot: str = "fixed-boot"

    def now(self) -> datetime:
        return self.instant

    def monotonic(self) -> float:
        return self.ticks

    def boottime(self) -> float:
        return self.ticks

    def boot_id(self) -> str:
        return self.boot


def epoch(instant: datetime) -> int:
    """Whole seconds since 1970, as the store keeps instants (rounded down)."""
    return int(instant.timestamp() // 1)


def from_epoch(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def iso(instant: datetime) -> str:
    """The form of every instant in JSON: YYYY-MM-DDTHH:MM:SSZ."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
