"""Who did what? A chain of hashes over the rows: a changed or missing row breaks it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime

from mitrarr_runner.clock import epoch
from mitrarr_runner.store.database import Database

_START = "0" * 64


def write(
    db: Database,
    *,
    actor: str,
    action: str,
    subject: str,
    now: datetime,
    detail: Mapping[str, object] | None = None,
) -> None:
    """Append one row. Needs a transaction. No ids of people: handles and names of jobs only."""
    last = db.row("SELECT hash FROM audit ORDER BY id DESC LIMIT 1")
    previous = last["hash"] if last else _START
    told = json.dumps(detail or {}, sort_keys=True)
    db.insert(
        "INSERT INTO audit (at, actor, action, subject, detail, previous, hash)"
        " VALUES (:at, :actor, :action, :subject, :detail, :previous, :hash)",
        at=epoch(now),
        actor=actor,
        action=action,
        subject=subject,
        detail=told,
        previous=previous,
        hash=_link(previous, epoch(now), actor, action, subject, told),
    )


def broken_at(db: Database) -> int | None:
    """The id of the first row that does not fit its predecessor; None when the chain is whole."""
    previous = _START
    for row in db.rows("SELECT * FROM audit ORDER BY id"):
        expected = _link(
            previous, row["at"], row["actor"], row["action"], row["subject"], row["detail"]
        )
        if row["previous"] != previous or row["hash"] != expected:
            return int(row["id"])
        previous = row["hash"]
    return None


def _link(previous: str, at: int, actor: str, action: str, subject: str, detail: str) -> str:
    line = json.dumps([previous, at, actor, action, subject, detail])
    return hashlib.sha256(line.encode()).hexdigest()
