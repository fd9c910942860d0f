"""check-volume and emit-alert: one verdict, one alert, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mitrarr_runner.cli.options import CONFIG
from mitrarr_runner.cli.place import place
from mitrarr_runner.cli.session import Session, output_format
from mitrarr_runner.cli.verb import Verb, session
from mitrarr_runner.engine.places import did_you_mean
from mitrarr_runner.errors import MitrarrError, UsageError
from mitrarr_runner.manifest.model import Severity
from mitrarr_runner.text import mark, text

_FORMAT = typer.Option("--format", help=mark("text for people, json for programs."))


def check_volume(
    ctx: typer.Context,
    history: Annotated[
        str, typer.Option("--history", help=mark("JSON file with earlier counts, oldest first."))
    ],
    label: Annotated[str, typer.Option("--label", help=mark("Which list of the file."))],
    current: Annotated[
        int, typer.Option("--current", help=mark("The count to judge; it is not stored."))
    ],
    config: Annotated[str | None, CONFIG] = None,
    format: Annotated[str, _FORMAT] = "text",
) -> int:
    from mitrarr_runner import volumes
    from mitrarr_runner.steps.check_volume import rule_of

    here = session(ctx)
    wanted = output_format(format)
    if current < 0:
        raise UsageError(text("--current must not be negative"), code="usage")
    found = place(here, config)
    readings = volumes.read_history(_bytes(history), label) or ()
    now = here.clock.now()
    rule = rule_of(found.manifest, label)
    verdict = volumes.judge(readings, current, now, rule)
    low = verdict.state == "low"
    if wanted == "json":
        here.json(
            {
                "label": label,
                "state": str(verdict.state),
                "code": str(verdict.code),
                "current": current,
                "expected_low": verdict.expected_low,
                "expected_high": verdict.expected_high,
                "median": verdict.median,
                "comparable": verdict.comparable,
                "message": str(verdict.message),
            }
        )
    else:
        here.print(text("{label}: {message}", label=label, message=verdict.message))
        if low:
            here.print(
                text(
                    "  -> if nobody knows yet: mitrarr emit-alert --type volume --job {label} ...",
                    label=label,
                )
            )
    return 1 if low else 0


def _bytes(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise UsageError(
            text("{path} cannot be read: {reason}", path=name, reason=error.strerror or ""),
            code="history_unreadable",
            hint=text("give the JSON file of earlier counts with --history"),
        ) from error


def emit_alert(
    ctx: typer.Context,
    type: Annotated[str, typer.Option("--type", help=mark("A short word, e.g. manual."))],
    severity: Annotated[str, typer.Option("--severity", help=mark("info, warning or critical."))],
    message: Annotated[str, typer.Option("--message", help=mark("One sentence."))],
    job: Annotated[str | None, typer.Option("--job", help=mark("The job it is about."))] = None,
    to: Annotated[
        list[str] | None, typer.Option("--to", help=mark("Channels; default: the manual rule's."))
    ] = None,
    by: Annotated[str | None, typer.Option("--by", help=mark("Who says so."))] = None,
    config: Annotated[str | None, CONFIG] = None,
) -> int:
    from mitrarr_runner.alerts import notify
    from mitrarr_runner.store.database import Database

    here = session(ctx)
    if severity not in tuple(Severity):
        raise UsageError(
            text('unknown severity "{value}"', value=severity),
            code="usage",
            hint=did_you_mean(severity, list(Severity))
            or text("severities: {known}", known=", ".join(Severity)),
        )
    if not message.strip():
        raise UsageError(text("--message is empty"), code="usage")
    found = place(here, config)
    found.site.make()
    db: Database | None = None
    try:
        db = found.open_store()
    except MitrarrError as error:  # the alert must out, store or no store
        here.warn(text("the store does not open: {reason}", reason=error.message))
    handle = notify.emit(
        db,
        found.manifest,
        found.site,
        here.clock,
        type=type,
        job=job,
        severity=Severity(severity),
        message=message,
        actor=here.actor(by),
        to=tuple(to or ()),
    )
    if db is not None:
        db.close()
    _tell(here, handle, str(found.site.root / found.manifest.settings.alerts_log))
    return 0


def _tell(here: Session, handle: str, path: str) -> None:
    here.print(text("{handle} written to {path}", handle=handle, path=path))


VERBS = (
    Verb(
        "check-volume",
        check_volume,
        mark(
            "Judge one count against earlier ones; exit 1 when it is low."
            "\n\nExample: mitrarr check-volume --history volumes.json --label adiciona_nists"
            " --current 120"
        ),
    ),
    Verb(
        "emit-alert",
        emit_alert,
        mark(
            "Raise one alert by hand; works with a broken manifest too."
            "\n\nExample: mitrarr emit-alert --type manual --job job_a --severity warning"
            ' --message "Verificar volume"'
        ),
    ),
)
