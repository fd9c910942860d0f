"""One whole apply: load, plan and work, judge, notify, leave the answer for wake.py.

What must hold whatever happens: alerts are judged even after a failed job, the heartbeat is
touched, a broken manifest runs its last good version and is an incident.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, replace
from datetime import datetime

from mitrarr_runner.alerts import notify
from mitrarr_runner.alerts.notify import WatchResult
from mitrarr_runner.clock import Clock
from mitrarr_runner.engine import outcry, retention, wakeup
from mitrarr_runner.engine.apply import Applied, Listener, Supervisor
from mitrarr_runner.engine.orders import NOBODY, Caller
from mitrarr_runner.logs import EventLog
from mitrarr_runner.manifest import compiled
from mitrarr_runner.manifest.loaded import Loaded
from mitrarr_runner.manifest.model import Manifest, OnBadManifest, RuleWhen
from mitrarr_runner.plan import Plan
from mitrarr_runner.site import Site
from mitrarr_runner.store import readings
from mitrarr_runner.store.database import Database, open_database


@dataclass(frozen=True, slots=True)
class Tick:
    """What one call of apply came to. applied None: there was nothing that could be applied."""

    applied: Applied | None
    watched: WatchResult


def tick(
    manifest: Manifest,
    site: Site,
    clock: Clock,
    listener: Listener,
    *,
    root_from: str,
    loaded: Loaded | None = None,
    caller: Caller = NOBODY,
    only: str | None = None,
    reviewed: Plan | None = None,
) -> Tick:
    """Apply a readable manifest. loaded: what it came from, to be kept as the last good one."""
    site.make()
    if loaded is not None:
        with contextlib.suppress(OSError):  # a full disk must not stop the work
            compiled.adopt(loaded, clock.now())
    beat(site, manifest.name)
    log = EventLog(site.main_log, clock)
    with outcry.heard(manifest, site, clock):
        applied = Supervisor(manifest, site, clock, listener, caller).apply(only, reviewed)
        with open_database(site.root / manifest.settings.store) as db:
            _manifest_verdict(db, manifest.name, "ok", clock.now())
            watched = notify.watch(db, manifest, site, clock, log)
            retention.prune_daily(db, site, manifest, clock.now())
            if only is None and reviewed is None:
                with contextlib.suppress(OSError):
                    stamps = loaded.stamps if loaded is not None else ()
                    wakeup.write(db, manifest, site, clock.now(), root_from, stamps)
            else:  # what else is due was not looked at
                with db.transaction():
                    wakeup.forget(site)
    beat(site, manifest.name)
    return Tick(applied, watched)


def tick_broken(
    name: str,
    last_good: Manifest | None,
    site: Site,
    clock: Clock,
    listener: Listener,
    *,
    count: int,
    caller: Caller = NOBODY,
    only: str | None = None,
    reviewed: Plan | None = None,
) -> Tick:
    """Apply under a manifest that cannot be used: its last good version, or nothing where that one
    says `on_bad_manifest: stop` or there is none. What is asked for by hand (`reviewed`) runs even
    so.

    name: of the broken manifest; count: how many errors it has. A mistyped path must not found a
    new site wherever it was typed: without a state nothing is recorded.
    """
    if last_good is None and not site.state.is_dir():
        return Tick(None, WatchResult())
    site.make()
    beat(site, name)
    log = EventLog(site.main_log, clock)
    log.event("manifest_broken", manifest=name, errors=count, last_good=last_good is not None)
    applied = None
    if last_good is not None and (reviewed or _goes_on(last_good)):
        with outcry.heard(last_good, site, clock):
            applied = Supervisor(last_good, site, clock, listener, caller).apply(only, reviewed)
    judged = last_good or Manifest(name, None, site.root, "")
    path = site.root / judged.settings.store
    with outcry.heard(judged, site, clock), open_database(path) as db:
        _manifest_verdict(db, name, "broken", clock.now(), count)
        with db.transaction():
            wakeup.forget(site)
        rules = tuple(RuleWhen) if last_good is not None else (RuleWhen.MANIFEST_BROKEN,)
        watched = notify.watch(db, replace(judged, name=name), site, clock, log, only=rules)
    return Tick(applied, watched)


def _goes_on(last_good: Manifest) -> bool:
    return last_good.settings.on_bad_manifest is OnBadManifest.LAST_GOOD


def _manifest_verdict(db: Database, name: str, state: str, now: datetime, errors: int = 0) -> None:
    with db.transaction():
        readings.set_verdict(
            db, name, "manifest", name, state, f"manifest_{state}", {"errors": errors}, now
        )


def beat(site: Site, name: str) -> None:
    """Touch the heartbeat that the guardian reads."""
    path = site.heartbeat / name
    with contextlib.suppress(OSError):
        if not path.exists():
            path.touch(mode=0o600)
        os.utime(path)
