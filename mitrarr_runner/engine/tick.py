"""One whole apply: load, plan and work, judge, notify, leave the answer for wake.py.

What must hold whatever happens: alerts are judged even after a failed job, a broken manifest runs
its last good version and is an incident, and the heartbeat tells the truth: it is touched once a
run is claimed (a long apply is alive) and at the end, never by an apply that the store keeps from
its work.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from mitrarr_runner.alerts import notify
from mitrarr_runner.alerts.notify import WatchResult
from mitrarr_runner.clock import Clock, from_epoch
from mitrarr_runner.engine import outcry, retention, wakeup
from mitrarr_runner.engine.apply import Applied, Listener, Supervisor
from mitrarr_runner.engine.orders import NOBODY, Caller
from mitrarr_runner.logs import EventLog
from mitrarr_runner.manifest import build, compiled, files
from mitrarr_runner.manifest.loaded import Loaded
from mitrarr_runner.manifest.model import Manifest, OnBadManifest, RuleWhen
from mitrarr_runner.plan import Plan, StateView
from mitrarr_runner.site import Site
from mitrarr_runner.store import facts, incidents, readings
from mitrarr_runner.store.database import Database, open_database, open_readonly

_LEFT = timedelta(days=2)
"""A manifest that no apply was called with for that long, on a host that was up, is not applied any
more; one that is applied once a day is."""


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
    log = EventLog(site.main_log, clock)
    beating = _Beating(listener, site, manifest.name)
    with outcry.heard(manifest, site, clock):
        applied = Supervisor(manifest, site, clock, beating, caller).apply(only, reviewed)
        with open_database(site.root / manifest.settings.store) as db:
            _good_verdict(db, manifest.name, loaded, clock.now())
            retired = _retired(db, manifest, site, clock)
            watched = notify.watch(db, manifest, site, clock, log, retired=retired)
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

    name: of the broken manifest; count: how many errors it has. Where nothing was ever applied
    under that name nothing is recorded: a mistyped path must neither found a new site wherever it
    was typed, nor open an incident that nobody could end. Exit 2 and its words reach cron's mail.
    """
    if last_good is None and not site.state.is_dir():
        return Tick(None, WatchResult())
    site.make()
    log = EventLog(site.main_log, clock)
    log.event("manifest_broken", manifest=name, errors=count, last_good=last_good is not None)
    judged = last_good or Manifest(name, None, site.root, "")
    path = site.root / judged.settings.store
    if last_good is None and not _was_applied(site, name, path):
        beat(site, name)
        return Tick(None, WatchResult())
    applied = None
    beating = _Beating(listener, site, name)
    with outcry.heard(judged, site, clock):
        with open_database(path) as db:  # now: a long job may end after the manifest is mended
            _manifest_verdict(db, name, "broken", clock.now(), count)
        if last_good is not None and (reviewed or _goes_on(last_good)):
            applied = Supervisor(last_good, site, clock, beating, caller).apply(only, reviewed)
        with open_database(path) as db:
            with db.transaction():
                wakeup.forget(site)
            rules = tuple(RuleWhen) if last_good is not None else (RuleWhen.MANIFEST_BROKEN,)
            watched = notify.watch(db, replace(judged, name=name), site, clock, log, only=rules)
    beat(site, name)
    return Tick(applied, watched)


def _was_applied(site: Site, name: str, store: Path) -> bool:
    """Whether some apply took a manifest of that name, even one that does not hold any more."""
    if compiled.last_good_fingerprint(site, name) is not None:
        return True
    db = open_readonly(store)
    if db is None:
        return False
    with db:
        return facts.has_jobs(db, name)


def _goes_on(last_good: Manifest) -> bool:
    return last_good.settings.on_bad_manifest is OnBadManifest.LAST_GOOD


def _good_verdict(db: Database, name: str, loaded: Loaded | None, now: datetime) -> None:
    """The manifest is good, if it still is what was read: jobs may have taken hours since, and
    whoever has found the newer version broken knows better. Looked at inside the transaction, so
    that no such verdict comes in between.
    """
    with db.transaction():
        if loaded is None or not loaded.stamps or files.unchanged(loaded.stamps):
            _put_verdict(db, name, "ok", now)


def _manifest_verdict(db: Database, name: str, state: str, now: datetime, errors: int = 0) -> None:
    with db.transaction():
        _put_verdict(db, name, state, now, errors)


def _put_verdict(db: Database, name: str, state: str, now: datetime, errors: int = 0) -> None:
    readings.set_verdict(
        db, name, "manifest", name, state, f"manifest_{state}", {"errors": errors}, now
    )


def _retired(db: Database, manifest: Manifest, site: Site, clock: Clock) -> tuple[str, ...]:
    """The other names of manifests under which incidents are open in this store, and nothing is
    applied any more: nobody else would ever close those."""
    return tuple(
        name
        for name in incidents.manifests(db)
        if name != manifest.name and (_had_path(manifest, site, name) or _left(site, name, clock))
    )


def _had_path(manifest: Manifest, site: Site, name: str) -> bool:
    """Whether this manifest went by that name before: its file had it, or was called by its stem
    while it could not be read."""
    if manifest.path is None:
        return False
    last_good = compiled.load_last_good(site, name)
    if last_good is not None:
        return last_good.path == manifest.path
    return build.default_name(manifest.path) == name


def _left(site: Site, name: str, clock: Clock) -> bool:
    """Whether no apply was called with it for long, although the host was up."""
    try:
        beaten = from_epoch(int((site.heartbeat / name).stat().st_mtime))
    except OSError:  # nothing is known
        return False
    called = outcry.failing(site, name, beaten) or beaten
    return min(clock.now() - called, timedelta(seconds=clock.boottime())) >= _LEFT


@dataclass(frozen=True, slots=True)
class _Beating:
    """Beats with every run that was claimed: the store was just written, and the run may be long.

    That the store can be opened would say too little: a full disk's often can.
    """

    listener: Listener
    site: Site
    name: str

    def planned(self, plan: Plan, view: StateView) -> None:
        self.listener.planned(plan, view)

    def event(self, event: Mapping[str, object]) -> None:
        if event["event"] == "started":
            beat(self.site, self.name)
        self.listener.event(event)


def beat(site: Site, name: str) -> None:
    """Touch the heartbeat that the guardian reads."""
    path = site.heartbeat / name
    with contextlib.suppress(OSError):
        if not path.exists():
            path.touch(mode=0o600)
        os.utime(path)
