"""Which slots in a row did a job not run, and why? A night without apply is one answer, not 74.

A stretch is consecutive slots of one job that no run has, with one state and one cause, and no run
of that job between them. Its count and its beginning are of the whole of it, whatever part of the
past is asked for. SQLite does the walking, along the key of the slots: an answer takes as long as
what it tells, not as what is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from heapq import heapify, heappop, heappush

from mitrarr_runner.clock import epoch, from_epoch
from mitrarr_runner.store import slots
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.slots import SlotRow

_NEVER = -1


@dataclass(frozen=True, slots=True)
class Stretch:
    """newest: the row of its newest slot; oldest: its first slot; count: of its slots. A range of
    slots is a stretch of its own, and counts as one: how many it had is not kept.
    """

    newest: SlotRow
    oldest: datetime
    count: int


def newest_first(
    db: Database, manifest: str, jobs: Iterable[str], since: datetime | None
) -> Iterator[Stretch]:
    """The stretches of these jobs whose newest slot was decided at `since` or later (None: all), by
    when that was. Each is read when it is asked for.
    """
    floors = {job: _floor(db, manifest, job, since) for job in jobs}
    waiting = [
        _placed(head)
        for job, floor in floors.items()
        if (head := slots.newest_not_run(db, manifest, job, floor)) is not None
    ]
    heapify(waiting)
    while waiting:
        *_, head = heappop(waiting)
        found = _whole(db, manifest, head)
        yield found
        floor = floors[head.job]
        below = slots.newest_not_run(db, manifest, head.job, floor, epoch(found.oldest))
        if below is not None:
            heappush(waiting, _placed(below))


def rows(db: Database, manifest: str, found: Stretch, limit: int) -> tuple[SlotRow, ...]:
    """The newest `limit` slots of a stretch, newest first."""
    newest = found.newest
    return slots.between(db, manifest, newest.job, found.oldest, newest.slot, limit)


def _placed(head: SlotRow) -> tuple[int, int, str, SlotRow]:
    """The newest comes first; no two of one job are ever compared."""
    return -epoch(head.at), -epoch(head.slot), head.job, head


def _floor(db: Database, manifest: str, job: str, since: datetime | None) -> int:
    """The newest slot that was decided before `since`. Slots are decided in their order, so that
    all that was decided later stands above it, a range of slots of long ago as well.
    """
    if since is None:
        return _NEVER
    row = db.row(
        "SELECT slot FROM slots WHERE manifest = :manifest AND job = :job AND at < :since"
        " ORDER BY slot DESC LIMIT 1",
        manifest=manifest,
        job=job,
        since=epoch(since),
    )
    return _NEVER if row is None else int(row["slot"])


def _whole(db: Database, manifest: str, head: SlotRow) -> Stretch:
    if head.until is not None:
        return Stretch(head, head.slot, 1)
    edge = _unlike(db, manifest, head)
    edge = max(edge, _by_hand(db, manifest, head, edge))
    row = db.row(
        "SELECT COUNT(*) AS n, MIN(slot) AS oldest FROM slots WHERE manifest = :manifest"
        " AND job = :job AND slot > :edge AND slot <= :slot",
        manifest=manifest,
        job=head.job,
        edge=edge,
        slot=epoch(head.slot),
    )
    if row is None or not row["n"]:  # taken back by a resume since
        return Stretch(head, head.slot, 1)
    return Stretch(head, from_epoch(row["oldest"]), row["n"])


def _unlike(db: Database, manifest: str, head: SlotRow) -> int:
    """The next older slot of the job that ran, or that did not for another cause."""
    row = db.row(
        "SELECT slot FROM slots WHERE manifest = :manifest AND job = :job AND slot < :slot"
        " AND (state <> :state OR code <> :code OR reason <> :reason OR until IS NOT NULL)"
        " ORDER BY slot DESC LIMIT 1",
        manifest=manifest,
        job=head.job,
        slot=epoch(head.slot),
        state=head.state.value,
        code=head.code,
        reason=head.reason,
    )
    return _NEVER if row is None else int(row["slot"])


def _by_hand(db: Database, manifest: str, head: SlotRow, edge: int) -> int:
    """When a run without a slot last began in the middle of the stretch."""
    row = db.row(
        "SELECT MAX(started_at) AS at FROM runs WHERE manifest = :manifest AND job = :job"
        " AND slot IS NULL AND started_at > :edge AND started_at < :slot",
        manifest=manifest,
        job=head.job,
        edge=edge,
        slot=epoch(head.slot),
    )
    return _NEVER if row is None or row["at"] is None else int(row["at"])
