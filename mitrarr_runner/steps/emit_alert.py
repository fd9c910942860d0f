"""Raise one alert each time the step runs: the verb `emit-alert`, as a step.

The message stands in the manifest; ids of people do not belong there, and long numbers are masked.
A channel that does not answer does not fail the step: the notice waits in the outbox.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mitrarr_runner.alerts import notify
from mitrarr_runner.manifest.model import Severity
from mitrarr_runner.redact import whole
from mitrarr_runner.steps.contract import Context, StepOutcome, StepResult, View
from mitrarr_runner.text import Text, text

KIND = "emit_alert"
IDEMPOTENT = True  # said twice is better than not said


@dataclass(frozen=True, slots=True)
class Options:
    """to empty: the channels of the rule for `manual`, else all."""

    type: str
    severity: Severity
    message: str
    to: tuple[str, ...] = ()


def parse(options: Mapping[str, object]) -> Options:
    to = options.get("to", ())
    assert isinstance(to, (list, tuple))  # noqa: S101 - the schema has seen to it
    return Options(
        str(options["type"]),
        Severity(str(options["severity"])),
        str(options["message"]),
        tuple(str(name) for name in to),
    )


def describe(options: Options, view: View) -> Text:
    return text(
        '{severity}: "{message}"',
        severity=options.severity.value,
        message=whole(options.message),
    )


def run(options: Options, context: Context) -> StepResult:
    with context.open_store() as db:
        handle = notify.emit(
            db,
            context.manifest,
            context.site,
            context.clock,
            type=options.type,
            job=context.run.job.name,
            severity=options.severity,
            message=options.message,
            to=options.to,
        )
    return StepResult(StepOutcome.OK, "ok", text("alert {handle} raised", handle=handle))
