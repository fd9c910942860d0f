"""What goes into a plan and what comes out of it, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from mitrarr_runner.store.drains import Drain
from mitrarr_runner.store.jobs import JobMemory
from mitrarr_runner.store.pauses import Pause
from mitrarr_runner.store.requests import Request
from mitrarr_runner.store.runs import Run
from mitrarr_runner.store.slots import SlotRow
from mitrarr_runner.text import Text


class Action(StrEnum):
    """run and recover start a worker; wait starts one after `after`; the others only leave a row
    (queued, skip, missed, paused, blocked) or nothing (wait without `after`)."""

    RUN = "run"
    WAIT = "wait"
    SKIP = "skip"
    MISSED = "missed"
    PAUSED = "paused"
    BLOCKED = "blocked"
    QUEUED = "queued"
    RECOVER = "recover"


@dataclass(frozen=True, slots=True)
class StateView:
    """What the store says of one manifest's jobs at one instant.

    running: unfinished runs that are alive; lost: unfinished ones whose process is gone; last: the
    newest run of each job. slots: by job, the rows later than its last slot (a range: that ends
    later), and queued ones; where no last slot is known, those that reach into the window and the
    newest before it.
    """

    memories: Mapping[str, JobMemory] = field(default_factory=dict)
    slots: Mapping[str, Mapping[datetime, SlotRow]] = field(default_factory=dict)
    last: Mapping[str, Run] = field(default_factory=dict)
    running: Mapping[str, Run] = field(default_factory=dict)
    lost: Mapping[str, Run] = field(default_factory=dict)
    pauses: Mapping[str, Pause] = field(default_factory=dict)
    requests: tuple[Request, ...] = ()
    drain: Drain | None = None

    def draining(self, now: datetime) -> bool:
        return self.drain is not None and self.drain.holds(now)


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One line of a plan. due_at = slot + jitter; missed = slots that this run stands for.

    until: end of a range of slots that were missed, or passed in a pause; run: the lost run that
    is recovered; request: who asked; after: jobs of this plan that end first.
    """

    job: str
    slot: datetime | None
    due_at: datetime
    action: Action
    code: str
    reason: Text
    missed: int = 0
    until: datetime | None = None
    run: int | None = None
    request: int | None = None
    after: tuple[str, ...] = ()

    @property
    def starts(self) -> bool:
        """Whether apply starts a worker for it."""
        return self.action in (Action.RUN, Action.RECOVER) or bool(self.after)


@dataclass(frozen=True, slots=True)
class Plan:
    """memories: new jobs, changed schedules and clocks gone wrong, to be remembered first."""

    at: datetime
    manifest: str
    fingerprint: str
    entries: tuple[PlannedRun, ...]
    memories: tuple[JobMemory, ...]

    @property
    def starting(self) -> tuple[PlannedRun, ...]:
        return tuple(entry for entry in self.entries if entry.starts)
