"""Incidents and the outbox, on a real store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mitrarr_runner.manifest.model import Severity
from mitrarr_runner.store import incidents
from mitrarr_runner.store.database import Database, open_database
from mitrarr_runner.store.incidents import IncidentState

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with open_database(tmp_path / "mitrarr.db") as opened:
        yield opened


def add(db: Database, subject: str = "job_a", manifest: str = "prod") -> int:
    return incidents.add(
        db,
        manifest,
        rule="job_failed",
        subject=subject,
        severity=Severity.WARNING,
        detail={"times": 1},
        since=NOW,
    )


def put(db: Database, incident: int, channel: str, stable: str) -> None:
    incidents.add_notice(
        db,
        "prod",
        incident=incident,
        channel=channel,
        kind="opened",
        severity=Severity.WARNING,
        stable_id=stable,
        payload={"handle": f"A{incident}"},
        now=NOW,
    )


def test_an_incident_begins_pending_and_has_a_handle(db: Database) -> None:
    with db.transaction():
        number = add(db)
    (found,) = incidents.open_incidents(db, "prod")
    assert found.handle == f"A{number}"
    assert (found.state, found.fired_at) == (IncidentState.PENDING, None)
    assert (found.rule, found.subject, found.since) == ("job_failed", "job_a", NOW)
    assert found.detail == {"times": 1}
    assert incidents.open_incidents(db, "other") == ()


def test_one_open_incident_per_manifest_rule_and_subject(db: Database) -> None:
    with db.transaction():
        number = add(db)
        add(db, manifest="other")
        add(db, subject="job_b")
    with pytest.raises(sqlite3.IntegrityError), db.transaction():
        add(db)
    with db.transaction():
        incidents.close(db, number, NOW)
        again = add(db)
    assert again != number


def test_firing_keeps_its_first_instant_and_a_rise_takes_back_the_acknowledgement(
    db: Database,
) -> None:
    later = NOW + timedelta(hours=1)
    with db.transaction():
        number = add(db)
        assert not incidents.acknowledge(db, number, "maria", "seen", NOW)  # nobody was told yet
        incidents.tell(db, number, Severity.WARNING, {"times": 2}, NOW)
        assert incidents.acknowledge(db, number, "maria", "seen", NOW)
        incidents.tell(db, number, Severity.WARNING, {"times": 3}, later)
    found = incidents.get(db, "prod", number)
    assert found is not None
    assert (found.fired_at, found.last_notice_at, found.ack_by) == (NOW, later, "maria")
    with db.transaction():
        incidents.tell(db, number, Severity.CRITICAL, {"times": 9}, later)
    found = incidents.get(db, "prod", number)
    assert found is not None
    assert (found.severity, found.ack_by, found.ack_at) == (Severity.CRITICAL, "", None)


def test_a_closed_incident_stays_closed(db: Database) -> None:
    with db.transaction():
        number = add(db)
        incidents.close(db, number, NOW)
        incidents.tell(db, number, Severity.CRITICAL, {}, NOW)
        incidents.note(db, number, {"times": 5})
    found = incidents.get(db, "prod", number)
    assert found is not None
    assert (found.state, found.severity, found.detail) == (
        IncidentState.CLOSED,
        Severity.WARNING,
        {"times": 1},
    )


def test_the_outbox_keeps_order_and_a_stable_id_counts_once(db: Database) -> None:
    with db.transaction():
        number = add(db)
        put(db, number, "log", "a")
        put(db, number, "mail", "b")
        put(db, number, "log", "a")
    waiting = incidents.unsent(db, "prod")
    assert [notice.channel for notice in waiting] == ["log", "mail"]
    with db.transaction():
        incidents.sent(db, [waiting[0].id], NOW)
        incidents.put_off(db, waiting[1].id, "refused", NOW + timedelta(minutes=1))
    (left,) = incidents.unsent(db, "prod")
    assert (left.channel, left.attempts, left.not_before) == (
        "mail",
        1,
        NOW + timedelta(minutes=1),
    )


def test_who_gave_up_was_not_told(db: Database) -> None:
    with db.transaction():
        number = add(db)
        put(db, number, "log", "a")
        put(db, number, "mail", "b")
        mail = incidents.unsent(db, "prod")[1]
        incidents.give_up(db, [mail.id], "no_such_channel", NOW)
    assert incidents.told(db, number) == ("log",)
    assert [notice.channel for notice in incidents.unsent(db, "prod")] == ["log"]
