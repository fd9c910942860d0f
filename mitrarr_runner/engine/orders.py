"""What passes between supervisor and worker: the order to run one slot, and events on the way back.

Events are JSON lines on a pipe; the store is the record, the pipe only tells a waiting person.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from mitrarr_runner.clock import Clock
from mitrarr_runner.errors import StateError
from mitrarr_runner.manifest.model import Job, Manifest
from mitrarr_runner.site import Site
from mitrarr_runner.store.runs import Cause
from mitrarr_runner.text import from_data, to_data


@dataclass(frozen=True, slots=True)
class Caller:
    """Who called apply or run, and why they asked for a run; empty under cron."""

    actor: str = ""
    reason: str = ""


NOBODY = Caller()


@dataclass(frozen=True, slots=True)
class Order:
    """One run to be made. planned: when its plan was made; recovers: the lost run this one repeats;
    request: the row that asked."""

    manifest: Manifest
    site: Site
    clock: Clock
    job: Job
    slot: datetime | None
    cause: Cause
    missed: int
    caller: Caller
    planned: datetime
    recovers: int | None = None
    request: int | None = None

    @property
    def foreground(self) -> bool:
        """Whether somebody started it with `mitrarr run` and waits for its end."""
        return self.cause is Cause.HAND and self.request is None


class Left(StrEnum):
    """Why a worker ended without a run. taken: another apply has the slot, or a row says what
    became of it; held: a pause, a drain or a lost run's newer word; needs: a needed job is at work,
    or has failed since the plan; busy: the job's lock did not come free in time. But for the first,
    the next apply plans the slot again.
    """

    TAKEN = "taken"
    HELD = "held"
    NEEDS = "needs"
    BUSY = "busy"


class Reporter:
    """The worker's end of the pipe. A supervisor that is gone is no reason to stop working."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def tell(self, event: str, **fields: object) -> None:
        line = json.dumps({"event": event, **fields}) + "\n"
        try:
            os.write(self._descriptor, line.encode())
        except OSError:
            return


def store_trouble(error: StateError) -> dict[str, object]:
    """The fields of the event "store_trouble", by which a worker hands the error on."""
    hint = None if error.hint is None else to_data(error.hint)
    return {"code": error.code, "message": to_data(error.message), "hint": hint}


def as_error(event: Mapping[str, Any]) -> StateError:
    """The inverse of `store_trouble`."""
    hint = None if event["hint"] is None else from_data(event["hint"])
    return StateError(from_data(event["message"]), code=event["code"], hint=hint)


class Lines:
    """The supervisor's end: whole lines out of whatever pieces the pipe gives."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[Mapping[str, object]]:
        *whole, self._rest = (self._rest + piece).split(b"\n")
        return [json.loads(line) for line in whole if line]
