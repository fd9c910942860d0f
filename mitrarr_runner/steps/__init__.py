"""The step kinds: one explicit table. A new kind is a module here, a schema, examples and docs."""

from __future__ import annotations

from collections.abc import Mapping

from mitrarr_runner.manifest.model import Job
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

KINDS: Mapping[str, StepKind] = {
    kind.KIND: kind
    for kind in (
        register_nist,
        send_to_findface,
        check_volume,
        heartbeat,
        emit_alert,
        command,
        clean,
    )
}


def idempotent(job: Job) -> bool:
    """Whether a lost run of this job may simply be run again: it says so, or all its steps are."""
    return job.idempotent or all(KINDS[step.kind].IDEMPOTENT for step in job.steps)
