"""Who drains a manifest (start nothing new), since when, and why? One small fact per manifest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from mitrarr_runner.clock import epoch, from_epoch
from mitrarr_runner.store import meta
from mitrarr_runner.store.database import Database


@dataclass(frozen=True, slots=True)
class Drain:
    """While it stands, apply starts no run; what runs goes on to its end."""

    actor: str
    reason: str
    at: datetime


def put(db: Database, manifest: str, drain: Drain) -> bool:
    """Drain it; False when it is drained already (the first one stays). Needs a transaction."""
    if meta.get(db, _key(manifest)) is not None:
        return False
    kept = {"actor": drain.actor, "reason": drain.reason, "at": epoch(drain.at)}
    meta.put(db, _key(manifest), json.dumps(kept))
    return True


def remove(db: Database, manifest: str) -> Drain | None:
    """End it and return it; None when there was none. Needs a transaction."""
    found = of(db, manifest)
    if found is not None:
        meta.remove(db, _key(manifest))
    return found


def of(db: Database, manifest: str) -> Drain | None:
    kept = meta.get(db, _key(manifest))
    if kept is None:
        return None
    found = json.loads(kept)
    return Drain(str(found["actor"]), str(found["reason"]), from_epoch(int(found["at"])))


def _key(manifest: str) -> str:
    return f"drain:{manifest}"
