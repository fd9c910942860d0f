"""Upon what is a plan made? Upon the site's own state, upon another manifest's (a merge request
beside production), or upon a state that was exported elsewhere. Reads only.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import closing, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mitrarr_runner.clock import Clock
from mitrarr_runner.engine.notes import Noted
from mitrarr_runner.engine.places import Place
from mitrarr_runner.engine.preview import Base, Frame, Preview, describing, preview
from mitrarr_runner.engine.state import gather
from mitrarr_runner.manifest import build
from mitrarr_runner.manifest.diff import changes
from mitrarr_runner.manifest.model import Manifest
from mitrarr_runner.plan import StateView
from mitrarr_runner.site import Site
from mitrarr_runner.store import readings
from mitrarr_runner.store.database import Database

if TYPE_CHECKING:
    from mitrarr_runner.engine.review_state import ReviewState
    from mitrarr_runner.volumes import Reading

KEPT = timedelta(days=180)
"""How far back readings are looked at: 90 days that are judged, and what they are compared with."""


def of_site(found: Place, clock: Clock, now: datetime) -> Preview:
    """The plan of a site's own manifest; its changes are those since the last apply."""
    changed: tuple[Noted, ...] = ()
    with closing_store(found) as store:
        view = _view(store, found.manifest, found.site, clock, now)
        if found.last_good is not None:
            changed = _noted(found.last_good, found.manifest, store, now)
        frame = Frame(
            found.shown, socket.gethostname(), changed, None, _applied(found.site, found.name)
        )
        describe = describing(found.manifest, found.site, store, now)
        return preview(found.manifest, view, now, describe, frame)


def against(proposed: Place, base: Place, clock: Clock, now: datetime) -> Preview:
    """The plan of a proposed manifest upon the state of the site where another one is applied."""
    manifest = moved(proposed, base.manifest.name, base)
    with closing_store(base) as store:
        view = _view(store, manifest, base.site, clock, now)
        frame = Frame(
            proposed.shown,
            socket.gethostname(),
            _noted(base.manifest, manifest, store, now),
            Base(base.shown, base.manifest.fingerprint),
            _applied(base.site, base.name),
        )
        describe = describing(manifest, base.site, store, now)
        return preview(manifest, view, now, describe, frame)


def away(proposed: Place, state: ReviewState, old: Place | None, now: datetime) -> Preview:
    """The plan of a manifest upon a state that was exported on another host. old: what the changes
    are shown against; the exported manifest where it is None."""
    from mitrarr_runner.engine import review
    from mitrarr_runner.engine.review_state import describing_away

    manifest = moved(proposed, state.name, old)
    before = old.manifest if old is not None else _exported(state, manifest)
    changed: tuple[Noted, ...] = ()
    if before is not None:
        judged = review.Review(before, manifest, now, state.readings, review.spool_unseen)
        changed = review.noted(changes(before, manifest), judged)
    frame = Frame(
        proposed.shown,
        socket.gethostname(),
        changed,
        Base("", state.fingerprint, state.host, state.at),
    )
    return preview(manifest, state.view, now, describing_away(manifest, state, now), frame)


def closing_store(found: Place) -> closing[Database] | nullcontext[None]:
    """The store for reading, closed at the end; None where nothing was ever stored."""
    store = found.open_readonly()
    return nullcontext() if store is None else closing(store)


def moved(proposed: Place, name: str, base: Place | None) -> Manifest:
    """The proposed manifest as it will be once it lies where the other one lies: under its name,
    its relative paths below its root. Two checkouts that say the same root have the same one."""
    data, manifest = proposed.validation.loaded.data, proposed.manifest
    if data is not None and manifest.path is not None and base is not None:
        where = base.manifest.path or manifest.path
        root = _root(data, where, manifest.path.is_dir(), base.site.root)
        if root != manifest.root:
            manifest = build.build(data, path=manifest.path, root=root, files=manifest.files)
    return replace(manifest, name=name)


def _exported(state: ReviewState, manifest: Manifest) -> Manifest | None:
    """The manifest of the state as if it lay where this one lies."""
    if manifest.path is None:
        return state.manifest(manifest.root)
    path = manifest.path
    return state.manifest(_root(state.content or {}, path, path.is_dir(), manifest.root))


def _root(data: Mapping[str, Any], path: Path, is_folder: bool, otherwise: Path) -> Path:
    """What the root of this content would be, lay it in `path`; otherwise: where it names none."""
    return build.settings_root(data, path, is_folder) or otherwise


def _view(
    store: Database | None, manifest: Manifest, site: Site, clock: Clock, now: datetime
) -> StateView:
    return StateView() if store is None else gather(store, manifest, site, clock, now)


def _noted(
    old: Manifest, new: Manifest, store: Database | None, now: datetime
) -> tuple[Noted, ...]:
    found = changes(old, new)
    if not found:
        return ()
    from mitrarr_runner.engine import review  # volumes and steps: not for a plan without changes

    read = partial(_readings, store, new.name, now)
    spool = partial(review.spool_state, now=now)
    return review.noted(found, review.Review(old, new, now, read, spool))


def _readings(store: Database | None, manifest: str, now: datetime, label: str) -> list[Reading]:
    from mitrarr_runner.volumes import Reading

    if store is None:
        return []
    kept = readings.readings(store, manifest, label, now - KEPT)
    return [Reading(one.at, one.value) for one in kept]


def _applied(site: Site, name: str) -> datetime | None:
    """When apply was last called, from the file it touches."""
    try:
        return datetime.fromtimestamp((site.heartbeat / name).stat().st_mtime, UTC)
    except OSError:
        return None
