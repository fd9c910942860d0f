"""What is a step? The shape every module of steps/ has, and the values it is given and gives.

A step kind is one module with `KIND`, a frozen `Options` dataclass with `parse(mapping)`,
`describe` (what would happen, without side effects: for `plan`) and `run`. The table is
`steps/__init__.py`; nothing is discovered by magic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from mitrarr_runner.clock import Clock
from mitrarr_runner.logs import EventLog
from mitrarr_runner.manifest.model import Job, Manifest
from mitrarr_runner.site import Site
from mitrarr_runner.store.database import Database
from mitrarr_runner.text import Text


class StepOutcome(StrEnum):
    """deferred: a destination does not answer; the work is kept, later steps go on."""

    OK = "ok"
    FAILED = "failed"
    DEFERRED = "deferred"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class StepResult:
    """message: one sentence for people; counts: English keys, reach JSON and later steps.

    again: whether the job's retry policy may try a failed step again; goes_on: whether the later
    steps of the job are run although this one failed (a full disk stops intake, not delivery).
    """

    outcome: StepOutcome
    code: str
    message: Text
    counts: Mapping[str, int] = field(default_factory=dict)
    again: bool = True
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class RunInfo:
    """The run a step belongs to; slot is None for a run by hand."""

    id: int
    job: Job
    slot: datetime | None
    missed: int
    attempt: int
    actor: str


class Progress(Protocol):
    """Tells how far long work is; total None = not known."""

    def __call__(self, done: int, total: int | None) -> None: ...


@dataclass(frozen=True, slots=True)
class Context:
    """Everything a running step may use.

    open_store gives a new connection (a step closes what it opens); stopping answers whether the
    run was asked to end after the current batch; lock is the job's lock descriptor, for children.
    """

    manifest: Manifest
    site: Site
    clock: Clock
    run: RunInfo
    log: EventLog
    progress: Progress
    stopping: Callable[[], bool]
    open_store: Callable[[], Database]
    lock: int
    output: int
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class View:
    """Everything `describe` may look at: values and a store to read, nothing to change. slot and
    missed: of the run that is planned; a run by hand has no slot."""

    manifest: Manifest
    site: Site
    now: datetime
    job: Job
    store: Database | None
    slot: datetime | None = None
    missed: int = 0


class StepKind(Protocol):
    """The shape of a module in steps/ (checked by mypy where the table is built)."""

    KIND: str
    IDEMPOTENT: bool

    def parse(self, options: Mapping[str, object]) -> Any: ...

    def describe(self, options: Any, view: View) -> Text: ...

    def run(self, options: Any, context: Context) -> StepResult: ...
