"""How much was done since an instant? Read-only counts for people who look in, over an index."""

from __future__ import annotations

from datetime import datetime

from mitrarr_runner.clock import epoch
from mitrarr_runner.store.database import Database


def registered_since(db: Database, since: datetime) -> int:
    """Files that were taken in at or after `since`, those without a face included."""
    row = db.row(
        "SELECT COUNT(*) AS files FROM registry WHERE changed_at >= :since"
        " AND state IN ('registered', 'no_face')",
        since=epoch(since),
    )
    return int(row["files"]) if row else 0


def sent_since(db: Database, since: datetime) -> int:
    """People whose card and face are both sent, the second of them at or after `since`."""
    row = db.row(
        "SELECT COUNT(*) AS people FROM deliveries WHERE changed_at >= :since"
        " AND NOT EXISTS (SELECT 1 FROM creates WHERE creates.delivery = deliveries.id"
        " AND creates.state <> 'sent')",
        since=epoch(since),
    )
    return int(row["people"]) if row else 0
