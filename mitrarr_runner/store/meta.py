"""Small facts of a whole site by key: drained manifests, counters, the last apply."""

from __future__ import annotations

from mitrarr_runner.store.database import Database


def get(db: Database, key: str) -> str | None:
    row = db.row("SELECT value FROM meta WHERE key = :key", key=key)
    return None if row is None else str(row["value"])


def put(db: Database, key: str, value: str) -> None:
    """Needs a transaction."""
    db.execute(
        "INSERT INTO meta (key, value) VALUES (:key, :value)"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        key=key,
        value=value,
    )


def remove(db: Database, key: str) -> bool:
    """Whether there was something to remove. Needs a transaction."""
    return bool(db.execute("DELETE FROM meta WHERE key = :key", key=key))
