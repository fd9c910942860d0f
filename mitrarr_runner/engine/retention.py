"""What of the past may go? Rows, run logs and long logs, as `settings.keep` says, once a day.

Never touched: registered files, deliveries, originals, the audit chain, open incidents, the newest
run of each job, slots inside any job's window, volumes younger than 400 days. A clock that jumps
ahead does not sweep the history away: from one day to the next, "now" moves by two days at most.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from mitrarr_runner.clock import epoch, from_epoch
from mitrarr_runner.engine import rotation
from mitrarr_runner.errors import StateError
from mitrarr_runner.manifest import compiled
from mitrarr_runner.manifest.model import Manifest
from mitrarr_runner.site import Site
from mitrarr_runner.store import meta, retention, runs
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.retention import Cuts

VOLUMES = timedelta(days=800)
"""A reading of the same holiday of the year before, and of the one before that."""

_DAY = timedelta(days=1)
_STEP = timedelta(days=2)
_MARGIN = timedelta(days=7)
"""How much longer than the longest window a slot's row stays, whatever `keep` says."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What went, or would go. rows: by table; logs: run logs; rotated: logs that were renamed."""

    rows: Mapping[str, int] = field(default_factory=dict)
    logs: int = 0
    bytes: int = 0
    rotated: int = 0


def prune_daily(db: Database, site: Site, manifest: Manifest, now: datetime) -> Pruned:
    """What every apply does: rename long logs, and prune if that was not done for a day.

    Never fails the apply: what cannot be removed today is removed another day.
    """
    rotated = rotation.rotate(site, _logs(site, manifest))
    with contextlib.suppress(StateError, OSError):
        last = _last(db, manifest)
        if last is None or not timedelta(0) <= now - last[0] < _DAY:
            done = prune(db, site, manifest, now)
            return Pruned(done.rows, done.logs, done.bytes, rotated)
    return Pruned(rotated=rotated)


def prune(db: Database, site: Site, manifest: Manifest, now: datetime) -> Pruned:
    """Remove what may go, now. Raises StateError where the store cannot be written."""
    today = _today(db, manifest, now)
    with db.transaction():
        meta.put(db, _key(manifest), f"{epoch(now)} {epoch(today)}")
    rows = retention.remove(db, manifest.name, cuts(manifest, today))
    gone = [(path, size) for path, size in _old_logs(db, site, manifest, today) if _removed(path)]
    return Pruned(rows, len(gone), sum(size for _, size in gone))


def look(db: Database, site: Site, manifest: Manifest, now: datetime) -> Pruned:
    """What `prune` would remove now; changes nothing."""
    today = _today(db, manifest, now)
    rows = retention.count(db, manifest.name, cuts(manifest, today))
    old = _old_logs(db, site, manifest, today)
    return Pruned(rows, len(old), sum(size for _, size in old))


def cuts(manifest: Manifest, today: datetime) -> Cuts:
    """The instants before which rows are history."""
    keep = manifest.settings.keep
    window = max((job.schedule.window for job in manifest.jobs.values()), default=0)
    kept = timedelta(seconds=keep.runs)
    return Cuts(
        slots=today - max(kept, timedelta(seconds=window) + _MARGIN),
        runs=today - kept,
        notices=today - timedelta(seconds=keep.notices),
        volumes=today - VOLUMES,
    )


def _key(manifest: Manifest) -> str:
    return f"pruned:{manifest.name}"


def _last(db: Database, manifest: Manifest) -> tuple[datetime, datetime] | None:
    """When pruning was last done, and what it took for now."""
    found = (meta.get(db, _key(manifest)) or "").split()
    if len(found) != 2:
        return None
    at, today = (from_epoch(int(word)) for word in found)
    return at, today


def _today(db: Database, manifest: Manifest, now: datetime) -> datetime:
    last = _last(db, manifest)
    return now if last is None else min(now, last[1] + _STEP)


def _logs(site: Site, manifest: Manifest) -> tuple[Path, ...]:
    return (site.main_log, site.root / manifest.settings.alerts_log)


def _old_logs(
    db: Database, site: Site, manifest: Manifest, today: datetime
) -> list[tuple[Path, int]]:
    """Run logs that are too old, and the oldest ones beyond the size all may have together.

    The newest of each job stays, and so does that of a run in progress.
    """
    keep = manifest.settings.keep
    running = {f"{run.id}.log" for run in runs.unfinished(db, manifest.name)}
    before = today.timestamp() - keep.run_logs
    old: list[tuple[Path, int]] = []
    left: list[tuple[float, int, Path]] = []
    total = 0
    for folder in _folders(site, manifest):
        found = sorted(_listed(folder))
        total += sum(size for _, size, _ in found)
        for at, size, path in found[:-1]:
            if path.name in running:
                continue
            if at < before:
                old.append((path, size))
                total -= size
            else:
                left.append((at, size, path))
    for _, size, path in sorted(left):
        if total <= keep.run_logs_size:
            break
        old.append((path, size))
        total -= size
    return old


def _folders(site: Site, manifest: Manifest) -> list[Path]:
    """Those of our jobs, and of jobs that no manifest of the site has any more."""
    others = {known.name for known in compiled.known_manifests(site)} - {manifest.name}
    loaded = (compiled.load_last_good(site, name) for name in others)
    theirs = {job for other in loaded if other is not None for job in other.jobs}
    theirs -= set(manifest.jobs)
    try:
        return [path for path in sorted(site.run_logs.iterdir()) if path.name not in theirs]
    except OSError:
        return []


def _listed(folder: Path) -> Iterable[tuple[float, int, Path]]:
    for path in folder.glob("*.log"):
        with contextlib.suppress(OSError):
            found = path.lstat()
            yield found.st_mtime, found.st_size, path


def _removed(path: Path) -> bool:
    """A file that somebody else removed meanwhile is what was wanted."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True
