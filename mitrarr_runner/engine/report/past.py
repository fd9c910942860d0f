"""Which part of the past does `history` read? As much as is shown, however much is kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice

from mitrarr_runner.engine.report.history import History
from mitrarr_runner.store import jobs, runs, stretches
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.runs import Run
from mitrarr_runner.store.slots import SlotRow
from mitrarr_runner.store.stretches import Stretch

SLOTS = 10_000
"""Slots of one JSON answer. A stretch that does not fit as a whole is left out with all that is
older; only a first one that is longer by itself is cut."""


def for_people(db: Database, manifest: str, job: str | None, limit: int, base: History) -> History:
    """At least the `limit` newest lines. base: all but what is read here."""
    ran = runs.history(db, manifest, job=job, limit=limit)
    found = islice(_stretches(db, manifest, job, ran, limit), limit)
    return replace(base, runs=ran, stretches=tuple(found))


def for_programs(
    db: Database, manifest: str, job: str | None, limit: int, base: History
) -> History:
    """The `limit` newest runs, and the stretches that are not older than the oldest of them."""
    ran = runs.history(db, manifest, job=job, limit=limit)
    found = _rows(db, manifest, _stretches(db, manifest, job, ran, limit))
    newest = sorted(found, key=lambda row: row.slot, reverse=True)
    return replace(base, runs=ran, slots=newest)


def _stretches(
    db: Database, manifest: str, job: str | None, ran: tuple[Run, ...], limit: int
) -> Iterator[Stretch]:
    """Of all time where there are fewer runs than were asked for."""
    since = ran[-1].started_at if len(ran) == limit else None
    names = [job] if job else jobs.remembered(db, manifest)
    return stretches.newest_first(db, manifest, names, since)


def _rows(db: Database, manifest: str, found: Iterable[Stretch]) -> Iterator[SlotRow]:
    left = SLOTS
    for one in found:
        if one.count > left < SLOTS:
            return
        yield from stretches.rows(db, manifest, one, left)
        left -= one.count
