"""The step kinds: one explicit table. A new kind is a module here, a schema, examples and docs.

A kind's module is imported when it is first asked for: an apply with one due `command` must not
pay for the ANSI/NIST reader and the FindFace client (bench/due.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, cast

from mitrarr_runner.manifest.model import Job

if TYPE_CHECKING:
    from mitrarr_runner.steps import (
        check_volume,
        clean,
        command,
        emit_alert,
        heartbeat,
        register_nist,
        send_to_findface,
    )
    from mitrarr_runner.steps.contract import StepKind

    # The checker holds every module to the Protocol here.
    CHECKED: tuple[StepKind, ...] = (
        register_nist,
        send_to_findface,
        check_volume,
        heartbeat,
        emit_alert,
        command,
        clean,
    )

_NAMES = (
    "register_nist",
    "send_to_findface",
    "check_volume",
    "heartbeat",
    "emit_alert",
    "command",
    "clean",
)


class _Kinds(Mapping[str, "StepKind"]):
    """Names to modules, imported on the way."""

    def __getitem__(self, name: str) -> StepKind:
        if name not in _NAMES:
            raise KeyError(name)
        return cast("StepKind", import_module(f"mitrarr_runner.steps.{name}"))

    def __iter__(self) -> Iterator[str]:
        return iter(_NAMES)

    def __len__(self) -> int:
        return len(_NAMES)


KINDS: Mapping[str, StepKind] = _Kinds()


def idempotent(job: Job) -> bool:
    """Whether a lost run of this job may simply be run again: it says so, or all its steps are."""
    return job.idempotent or all(KINDS[step.kind].IDEMPOTENT for step in job.steps)
