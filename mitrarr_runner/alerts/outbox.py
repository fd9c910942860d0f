"""How does a decision become rows? An incident's change and its notices, in one transaction.

Nothing is sent here: what is committed here leaves through `dispatch.py`, however often the
program is killed in between.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from mitrarr_runner.alerts.dispatch import Post
from mitrarr_runner.alerts.model import Change, ChangeKind, Notice, NoticeKind
from mitrarr_runner.clock import epoch
from mitrarr_runner.manifest.model import Manifest, RuleWhen
from mitrarr_runner.store import incidents
from mitrarr_runner.store.database import Database

_ENDS = (ChangeKind.RECOVERED, ChangeKind.WITHDRAWN, ChangeKind.DROPPED)
_SILENT = (ChangeKind.PENDING, ChangeKind.NOTED, ChangeKind.DROPPED)


def record(
    db: Database,
    manifest: Manifest,
    outgoing: Post,
    change: Change,
    checked: Mapping[str, Any],
    now: datetime,
) -> Notice | None:
    """Write one change and the notices it asks for; the notice, or None for a silent change.

    Needs a transaction.
    """
    number = change.incident
    if number is None:
        number = incidents.add(
            db,
            manifest.name,
            rule=change.when.value,
            subject=change.subject,
            severity=change.severity,
            detail=change.detail,
            since=change.since,
        )
    channels = _channels(db, outgoing, change, number)
    if change.kind in _ENDS:
        incidents.close(db, number, now)
    elif change.kind is ChangeKind.NOTED:
        incidents.note(db, number, change.detail)
    elif change.kind is not ChangeKind.PENDING:
        incidents.tell(db, number, change.severity, change.detail, now)
    if change.kind in _SILENT:
        return None
    kind = NoticeKind(change.kind.value)
    notice = make(change, kind, number, manifest, checked, now)
    put(db, notice, number, channels, outgoing)
    return notice


def make(
    change: Change,
    kind: NoticeKind,
    number: int,
    manifest: Manifest | None,
    checked: Mapping[str, Any],
    now: datetime,
) -> Notice:
    return Notice(
        f"A{number}",
        kind,
        change.when.value,
        change.subject,
        change.severity,
        change.since,
        now,
        change.detail,
        checked,
        manifest=manifest.name if manifest else "-",
        fingerprint=manifest.fingerprint if manifest else "",
        host=socket.gethostname(),
    )


def put(db: Database, notice: Notice, number: int, channels: Iterable[str], outgoing: Post) -> None:
    """One row per channel, each with its stable id. Needs a transaction."""
    for channel in channels:
        stable = f"{notice.manifest}.A{number}.{notice.kind}.{epoch(notice.at)}.{channel}"
        own = replace(notice, stable_id=stable)
        incidents.add_notice(
            db,
            outgoing.manifest,
            incident=number,
            channel=channel,
            kind=notice.kind.value,
            severity=notice.severity,
            stable_id=stable,
            payload=own.payload(),
            now=notice.at,
        )


def _channels(db: Database, outgoing: Post, change: Change, number: int) -> tuple[str, ...]:
    """An end goes to whoever was told of the incident. A channel is not told of its own failure;
    where it was alerts.log that failed, all the others are.
    """
    if change.kind in _ENDS:
        return incidents.told(db, number)
    names = outgoing.always_logged(change.to)
    if change.when is not RuleWhen.CHANNEL_FAILED:
        return names
    others = outgoing.always_logged([name for name in change.to if name != change.subject])
    return tuple(name for name in others if name != change.subject) or tuple(
        name for name in outgoing.targets if name != change.subject
    )
