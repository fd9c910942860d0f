"""Which incidents are open, and who took them over? Text and JSON of `alerts list`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from mitrarr_runner.alerts import words
from mitrarr_runner.alerts.model import Notice, NoticeKind
from mitrarr_runner.clock import iso
from mitrarr_runner.engine.report import columns
from mitrarr_runner.store.incidents import Incident, IncidentState
from mitrarr_runner.text import Catalogue, Text, text


def alerts_json(found: Sequence[Incident], say: Catalogue) -> dict[str, Any]:
    """The keys of status' incidents, and whose it is, the sentence, and who took it over."""
    return {
        "incidents": [
            {
                "handle": one.handle,
                "manifest": one.manifest,
                "rule": one.rule,
                "subject": one.subject,
                "severity": one.severity.value,
                "state": one.state.value,
                "since": iso(one.since),
                "message": say(words.sentence(_notice(one))),
                "acknowledged_by": one.ack_by or None,
                "acknowledged_at": None if one.ack_at is None else iso(one.ack_at),
                "acknowledged_reason": one.ack_reason or None,
            }
            for one in found
        ]
    }


def alerts_text(
    found: Sequence[Incident],
    at: datetime,
    zone: ZoneInfo,
    say: Catalogue,
    width: int | None,
    manifest: str,
) -> list[str]:
    """One incident: a line with handle, severity, age and state, and below it the sentence.

    manifest: the one that is looked at; what belongs to another one of the same store says so.
    """
    if not found:
        return [say(text("no incident is open"))]
    lines = []
    for one in found:
        span = say.span(max(0.0, (at - one.since).total_seconds()))
        since = say(text("since {hour} ({span})", hour=say.hour(one.since, zone, at), span=span))
        severity = say(words.severity(one.severity))
        first = f"{one.handle:<6} {severity}  {say(_state(one))}  {since}"
        lines.append(first + _whose(one, manifest, say))
        lines += columns.wrapped_after(" " * 7, say(words.sentence(_notice(one))), width)
        if one.ack_at is not None:
            taken = text(
                'taken over by {actor}: "{reason}"', actor=one.ack_by, reason=one.ack_reason
            )
            lines += columns.wrapped_after(" " * 7, say(taken), width)
    return lines


def _whose(one: Incident, manifest: str, say: Catalogue) -> str:
    if one.manifest in ("", manifest):
        return ""
    return "  " + say(text("of the manifest {name}", name=one.manifest))


def _state(one: Incident) -> Text:
    if one.ack_at is not None:
        return text("acknowledged")
    if one.state is IncidentState.PENDING:
        return text("not told to anybody yet")
    return text("open")


def _notice(one: Incident) -> Notice:
    return Notice(
        one.handle,
        NoticeKind.OPENED,
        one.rule,
        one.subject,
        one.severity,
        one.since,
        one.since,
        one.detail,
    )
