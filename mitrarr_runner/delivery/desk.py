"""What may a person ask of the queue, and do to it? Look, count, try again, hold back.

No id or name of a person is shown: a delivery is a handle (`D902`), and the registry's handle leads
to its file. Who did it is recorded by the caller.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mitrarr_runner.clock import Clock, from_epoch
from mitrarr_runner.delivery.machine import moment, parked, released, remaining
from mitrarr_runner.delivery.reasons import BY_HAND
from mitrarr_runner.errors import UsageError
from mitrarr_runner.manifest.model import Destination
from mitrarr_runner.store import deliveries
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.deliveries import Create, Delivery, State
from mitrarr_runner.text import text

_HANDLE = re.compile(r"[Dd]?([1-9][0-9]{0,17})")


@dataclass(frozen=True, slots=True)
class Shown:
    """A person at a destination, without saying who. registry: the handle of the file behind.

    reason: why it is parked, or what the last trouble was; not_before: not tried again earlier.
    """

    handle: str
    destination: str
    source: str
    state: State
    reason: str
    registry: str
    at: datetime
    changed_at: datetime
    not_before: datetime | None
    parts: tuple[Create, ...]


def counts(db: Database, destination: str = "") -> Mapping[State, int]:
    """People by state, every state there; destination "" = all. sent = card and face sent."""
    return deliveries.counts(db, destination)


def listing(
    db: Database, destination: str = "", state: State | None = None, limit: int = 100
) -> Sequence[Shown]:
    """The last changed first."""
    return [_shown(db, one) for one in deliveries.listing(db, destination, state, limit)]


def show(db: Database, handle: str) -> Shown:
    """One person; raises UsageError (code "unknown_delivery")."""
    return _shown(db, _found(db, handle))


def of_registry(db: Database, registry: int) -> Sequence[Shown]:
    """Where the person of a registry row is sent to."""
    return [_shown(db, one) for one in deliveries.of_registry(db, registry)]


def retry(db: Database, handle: str, clock: Clock) -> bool:
    """Let a parked person be tried again at the next send; False when it was not parked.

    One that waits for its turn (not_before) is due at once. Needs a transaction.
    """
    delivery, at = _found(db, handle), moment(clock)
    changed = False
    for part in (delivery.card, delivery.face):
        if part.state is State.PARKED:
            changed = deliveries.save(db, part, released(part, at)) or changed
    deliveries.hurry(db, delivery.id)
    return changed


def park(db: Database, handle: str, clock: Clock, reason: str = BY_HAND) -> bool:
    """Hold somebody back; False when there is nothing left to hold back. Needs a transaction.

    Raises UsageError (code "in_doubt") while a request may be under way: parking it would forget
    that it must be looked up.
    """
    delivery, at = _found(db, handle), moment(clock)
    if State.SENDING in (delivery.card.state, delivery.face.state):
        raise UsageError(
            text("{handle} is in doubt: the server may have it already", handle=delivery.handle),
            code="in_doubt",
            hint=text("send first (mitrarr send-to-findface looks it up), then park it"),
        )
    waiting = [part for part in (delivery.card, delivery.face) if part.state is State.PENDING]
    if not waiting or State.PARKED in (delivery.card.state, delivery.face.state):
        return False
    return deliveries.save(db, waiting[-1], parked(waiting[-1], reason, at))


def wake_at(db: Database, destinations: Iterable[Destination], clock: Clock) -> datetime | None:
    """The earliest instant at which something in the queue becomes due by itself: an in-doubt row
    that may be looked up for good, or the end of a wait the server asked for. None = nothing.

    In the past when it is due already.
    """
    at = moment(clock)
    instants = []
    for one in destinations:
        for row in deliveries.in_doubt(db, one.name):
            wait = timedelta(seconds=remaining(row, at, one.quiet_period))
            instants.append(clock.now() + wait)
        for row in deliveries.held_back(db, one.name):
            instants.append(from_epoch(row.not_before))
    return min(instants, default=None)


def _found(db: Database, handle: str) -> Delivery:
    matched = _HANDLE.fullmatch(handle.strip())
    delivery = deliveries.get(db, int(matched[1])) if matched else None
    if delivery is None:
        shown = handle if matched else text("what was given")
        raise UsageError(
            text("{handle} is no delivery", handle=shown),
            code="unknown_delivery",
            hint=text("handles look like D902; see: mitrarr deliveries list"),
        )
    return delivery


def _shown(db: Database, one: Delivery) -> Shown:
    state = deliveries.state_of(one)
    told = next((part for part in (one.face, one.card) if part.state is state), one.card)
    waits = max(one.card.not_before, one.face.not_before)
    return Shown(
        handle=one.handle,
        destination=one.destination,
        source=one.source,
        state=state,
        reason=told.reason,
        registry=deliveries.handle_of(db, one.registry),
        at=from_epoch(one.at),
        changed_at=from_epoch(one.changed_at),
        not_before=from_epoch(waits) if waits else None,
        parts=(one.card, one.face),
    )
