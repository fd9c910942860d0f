"""How do many files become durable at the price of a few? One group, one commit.

The bytes of the whole group are synced and named first, then one transaction writes all rows;
nobody may touch a spool file before `commit` has returned. A process that dies anywhere in between
leaves at most originals without a row, which the next run meets again under the same hash.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mitrarr_runner.clock import Clock
from mitrarr_runner.intake import ledger, originals, spool
from mitrarr_runner.intake.ledger import Entered
from mitrarr_runner.intake.spool import SpoolFile
from mitrarr_runner.intake.taking import Taken
from mitrarr_runner.manifest.model import Source
from mitrarr_runner.site import Site
from mitrarr_runner.store import registry, sightings
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.registry import Entry, Place, State
from mitrarr_runner.store.sightings import Seen

Stage = Callable[[str], None]
"""Told what was just done (copied, synced, renamed, committed, left): tests kill it there."""


def no_stage(_: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Ground:
    """Where intake works, for whom, and on whose behalf."""

    db: Database
    site: Site
    source: Source
    clock: Clock
    run: int | None = None
    actor: str = ""
    stage: Stage = no_stage


def sweep(ground: Ground) -> None:
    """Remove what a killed process left: temporaries, and second copies of released files."""
    originals.sweep(ground.site)
    known = registry.quarantined_blobs(ground.db)
    for sha256 in originals.quarantined(ground.site) - known:
        if registry.place_of(ground.db, sha256) is Place.STORE:
            originals.remove(ground.site, sha256, Place.QUARANTINE)


def commit(
    ground: Ground,
    items: Sequence[Taken],
    cut: Sequence[SpoolFile] = (),
    enter: Callable[[Entry], Entered] | None = None,
) -> list[Entered]:
    """Make the items durable, in their order; closes their drafts, whatever happens.

    cut: files found truncated, to be remembered as such. enter: how one entry gets into the
    registry, where it is not the usual way.
    """
    try:
        _put_in_place(ground, items)
        return _rows(ground, items, cut, enter)
    finally:
        for item in items:
            item.draft.close()


def _put_in_place(ground: Ground, items: Sequence[Taken]) -> None:
    new = [(item.draft, _place(item)) for item in items if not _in_place(ground, item)]
    originals.sync(draft for draft, _ in new)
    ground.stage("synced")
    originals.place(ground.site, new)
    ground.stage("renamed")


def _place(item: Taken) -> Place:
    return Place.QUARANTINE if item.verdict.state is State.QUARANTINED else Place.STORE


def _in_place(ground: Ground, item: Taken) -> bool:
    """Whether the bytes lie durably where they belong; for a refused file, `store` will do."""
    draft = item.draft
    where = registry.place_of(ground.db, draft.sha256)
    if where is None or (where is Place.QUARANTINE and _place(item) is Place.STORE):
        return False
    return originals.holds(ground.site, draft.sha256, draft.size, where)


def _rows(
    ground: Ground,
    items: Sequence[Taken],
    cut: Sequence[SpoolFile],
    enter: Callable[[Entry], Entered] | None,
) -> list[Entered]:
    db, now = ground.db, ground.clock.now()
    moved, entered = [], []
    with db.transaction():
        for item in items:
            draft = item.draft
            place = registry.put_blob(db, draft.sha256, draft.size, _place(item), now)
            moved += [draft.sha256] if place is Place.STORE else []
            entry = _entry(ground, item)
            entered.append(enter(entry) if enter else ledger.enter(db, entry, now))
        sightings.note_files(
            db,
            ground.source.name,
            [
                *(spool.note(item.file, Seen.DONE, now) for item in items if item.file),
                *(spool.note(file, Seen.TRUNCATED, now) for file in cut),
            ],
        )
    ground.stage("committed")
    for sha256 in moved:
        originals.remove(ground.site, sha256, Place.QUARANTINE)
    return entered


def _entry(ground: Ground, item: Taken) -> Entry:
    return ledger.entry(
        item.verdict,
        source=ground.source.name,
        sha256=item.draft.sha256,
        size=item.draft.size,
        run=ground.run,
        actor=ground.actor,
    )
