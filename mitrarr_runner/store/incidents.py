"""Which problems are open, and which notices about them still have to leave the house?

An incident is one problem of one thing, (manifest, rule, subject), with the handle `A<id>`; at
most one row of it is open, held by a unique index. A notice is one message to one channel: a row
of the outbox, committed together with the change it tells of and sent afterwards, so that a crash
can repeat a message (under the same stable id) but never lose one. Nothing here decides: the judge
does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from mitrarr_runner.clock import epoch, from_epoch
from mitrarr_runner.manifest.model import Severity
from mitrarr_runner.store.database import Database, Row


class IncidentState(StrEnum):
    """pending: seen, but not for as long as its rule wants; nobody was told."""

    PENDING = "pending"
    FIRING = "firing"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Incident:
    """since: when the problem began; fired_at: when somebody was first told; ack_at: when somebody
    took it over (no more repeats until it worsens); manifest: whose it is.
    """

    id: int
    rule: str
    subject: str
    severity: Severity
    state: IncidentState
    detail: Mapping[str, Any]
    since: datetime
    fired_at: datetime | None = None
    last_notice_at: datetime | None = None
    ack_by: str = ""
    ack_reason: str = ""
    ack_at: datetime | None = None
    manifest: str = ""

    @property
    def handle(self) -> str:
        return f"A{self.id}"


@dataclass(frozen=True, slots=True)
class StoredNotice:
    """One row of the outbox; payload is what `alerts/model.py` made of the notice."""

    id: int
    incident: int | None
    channel: str
    severity: Severity
    payload: Mapping[str, Any]
    at: datetime
    attempts: int
    not_before: datetime


def open_incidents(db: Database, manifest: str | None) -> tuple[Incident, ...]:
    """Every incident that is pending or firing, oldest first; None = of whatever manifest."""
    rows = db.rows(
        "SELECT * FROM incidents WHERE (:manifest IS NULL OR manifest = :manifest)"
        " AND state <> 'closed' ORDER BY id",
        manifest=manifest,
    )
    return tuple(_incident(row) for row in rows)


def manifests(db: Database) -> tuple[str, ...]:
    """The names of the manifests that have an open incident."""
    rows = db.rows(
        "SELECT DISTINCT manifest FROM incidents WHERE state <> 'closed' ORDER BY manifest"
    )
    return tuple(row["manifest"] for row in rows)


def get(db: Database, manifest: str | None, number: int) -> Incident | None:
    """The incident with the handle `A<number>`, closed ones included; None = of whatever manifest
    (handles are unique in a store).
    """
    row = db.row(
        "SELECT * FROM incidents WHERE (:manifest IS NULL OR manifest = :manifest) AND id = :id",
        manifest=manifest,
        id=number,
    )
    return None if row is None else _incident(row)


def add(
    db: Database,
    manifest: str,
    *,
    rule: str,
    subject: str,
    severity: Severity,
    detail: Mapping[str, object],
    since: datetime,
) -> int:
    """Insert a pending incident and return its number. Needs a transaction."""
    return db.insert(
        "INSERT INTO incidents (manifest, rule, subject, severity, state, detail, since)"
        " VALUES (:manifest, :rule, :subject, :severity, 'pending', :detail, :since)",
        manifest=manifest,
        rule=rule,
        subject=subject,
        severity=severity.value,
        detail=json.dumps(detail),
        since=epoch(since),
    )


def tell(
    db: Database, number: int, severity: Severity, detail: Mapping[str, object], now: datetime
) -> None:
    """The incident fires, repeats or worsens: somebody is told now. Needs a transaction.

    A rise in severity takes back an acknowledgement.
    """
    db.execute(
        "UPDATE incidents SET state = 'firing', fired_at = COALESCE(fired_at, :now),"
        " last_notice_at = :now, detail = :detail,"
        " ack_at = CASE WHEN severity = :severity THEN ack_at ELSE NULL END,"
        " ack_by = CASE WHEN severity = :severity THEN ack_by ELSE '' END,"
        " ack_reason = CASE WHEN severity = :severity THEN ack_reason ELSE '' END,"
        " severity = :severity WHERE id = :id AND state <> 'closed'",
        id=number,
        severity=severity.value,
        detail=json.dumps(detail),
        now=epoch(now),
    )


def note(db: Database, number: int, detail: Mapping[str, object]) -> None:
    """Keep what is known now, telling nobody. Needs a transaction."""
    db.execute(
        "UPDATE incidents SET detail = :detail WHERE id = :id AND state <> 'closed'",
        id=number,
        detail=json.dumps(detail),
    )


def close(db: Database, number: int, now: datetime) -> None:
    """End an incident; a new problem of the same thing gets a new handle. Needs a transaction."""
    db.execute(
        "UPDATE incidents SET state = 'closed', closed_at = :now"
        " WHERE id = :id AND state <> 'closed'",
        id=number,
        now=epoch(now),
    )


def acknowledge(db: Database, number: int, actor: str, reason: str, now: datetime) -> bool:
    """Somebody takes a firing incident over; False when it is not firing. Needs a transaction."""
    return bool(
        db.execute(
            "UPDATE incidents SET ack_by = :actor, ack_reason = :reason, ack_at = :now"
            " WHERE id = :id AND state = 'firing'",
            id=number,
            actor=actor,
            reason=reason,
            now=epoch(now),
        )
    )


def told(db: Database, number: int) -> tuple[str, ...]:
    """The channels that were, or will be, told of an incident; not those that refused it."""
    rows = db.rows(
        "SELECT channel, MIN(id) AS first FROM notices WHERE incident = :incident"
        " AND given_up_at IS NULL GROUP BY channel ORDER BY first",
        incident=number,
    )
    return tuple(row["channel"] for row in rows)


def add_notice(
    db: Database,
    manifest: str,
    *,
    incident: int | None,
    channel: str,
    kind: str,
    severity: Severity,
    stable_id: str,
    payload: Mapping[str, object],
    now: datetime,
) -> None:
    """Put one message into the outbox; the same stable id twice is one message.

    Needs a transaction.
    """
    db.execute(
        "INSERT INTO notices"
        " (manifest, incident, channel, kind, severity, stable_id, payload, at)"
        " VALUES (:manifest, :incident, :channel, :kind, :severity, :stable_id, :payload, :now)"
        " ON CONFLICT (stable_id) DO NOTHING",
        manifest=manifest,
        incident=incident,
        channel=channel,
        kind=kind,
        severity=severity.value,
        stable_id=stable_id,
        payload=json.dumps(payload),
        now=epoch(now),
    )


def unsent(db: Database, manifest: str) -> tuple[StoredNotice, ...]:
    """What still has to leave, oldest first, due or not."""
    rows = db.rows(
        "SELECT * FROM notices WHERE manifest = :manifest AND sent_at IS NULL"
        " AND given_up_at IS NULL ORDER BY id",
        manifest=manifest,
    )
    return tuple(
        StoredNotice(
            row["id"],
            row["incident"],
            row["channel"],
            Severity(row["severity"]),
            json.loads(row["payload"]),
            from_epoch(row["at"]),
            row["attempts"],
            from_epoch(row["not_before"]),
        )
        for row in rows
    )


def sent(db: Database, notices: Sequence[int], now: datetime) -> None:
    """These have left. Needs a transaction."""
    db.many(
        "UPDATE notices SET sent_at = :now, attempts = attempts + 1, error = '' WHERE id = :id",
        [{"id": number, "now": epoch(now)} for number in notices],
    )


def put_off(db: Database, notice: int, error: str, not_before: datetime) -> None:
    """It did not leave; try again, but not before that instant. Needs a transaction."""
    db.execute(
        "UPDATE notices SET attempts = attempts + 1, error = :error, not_before = :not_before"
        " WHERE id = :id",
        id=notice,
        error=error,
        not_before=epoch(not_before),
    )


def give_up(db: Database, notices: Sequence[int], error: str, now: datetime) -> None:
    """The channel will never take these. Needs a transaction."""
    db.many(
        "UPDATE notices SET attempts = attempts + 1, error = :error, given_up_at = :now"
        " WHERE id = :id",
        [{"id": number, "error": error, "now": epoch(now)} for number in notices],
    )


def _incident(row: Row) -> Incident:
    return Incident(
        id=row["id"],
        rule=row["rule"],
        subject=row["subject"],
        severity=Severity(row["severity"]),
        state=IncidentState(row["state"]),
        detail=json.loads(row["detail"]),
        since=from_epoch(row["since"]),
        fired_at=_moment(row["fired_at"]),
        last_notice_at=_moment(row["last_notice_at"]),
        ack_by=row["ack_by"],
        ack_reason=row["ack_reason"],
        ack_at=_moment(row["ack_at"]),
        manifest=row["manifest"],
    )


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else from_epoch(seconds)
