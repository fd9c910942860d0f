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
    """While it holds, apply starts no run; what runs goes on to its end. until None: until
    somebody ends it."""

    actor: str
    reason: str
    at: datetime
    until: datetime | None = None

    def holds(self, now: datetime) -> bool:
        return self.until is None or now < self.until


def put(db: Database, manifest: str, drain: Drain) -> bool:
    """Drain it; False when it is drained already (the first one stays). Needs a transaction."""
    if of(db, manifest, drain.at) is not None:
        return False
    until = None if drain.until is None else epoch(drain.until)
    kept = {"actor": drain.actor, "reason": drain.reason, "at": epoch(drain.at), "until": until}
    meta.put(db, _key(manifest), json.dumps(kept))
    return True


def remove(db: Database, manifest: str, now: datetime) -> Drain | None:
    """End it and return it; None when none held. Needs a transaction."""
    found = of(db, manifest, now)
    if found is not None:
        meta.remove(db, _key(manifest))
    return found


def of(db: Database, manifest: str, now: datetime) -> Drain | None:
    """The drain that holds now; None where there is none, or its end has passed."""
    kept = meta.get(db, _key(manifest))
    if kept is None:
        return None
    found = json.loads(kept)
    until = found.get("until")
    drain = Drain(
        str(found["actor"]),
        str(found["reason"]),
        from_epoch(int(found["at"])),
        None if until is None else from_epoch(int(until)),
    )
    return drain if drain.holds(now) else None


def _key(manifest: str) -> str:
    return f"drain:{manifest}"
