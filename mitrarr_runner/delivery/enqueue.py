"""Who has to be sent? From registered people to rows of the delivery queue.

One row per destination and person, known by the token. It asks nobody outside and sends nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mitrarr_runner.clock import Clock
from mitrarr_runner.delivery.machine import Moment, moment, released
from mitrarr_runner.delivery.reasons import BY_HAND
from mitrarr_runner.delivery.site_key import site_key
from mitrarr_runner.delivery.token import token
from mitrarr_runner.manifest.model import Destination
from mitrarr_runner.site import Site
from mitrarr_runner.store import candidates, deliveries
from mitrarr_runner.store.candidates import Candidate
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.deliveries import Delivery, State

_SLICE = 500
"""People per transaction: short enough for the other writers to wait for."""


@dataclass(frozen=True, slots=True)
class Enqueued:
    """new: people who were not known here; renewed: parked ones whom a new revision released."""

    new: int = 0
    renewed: int = 0


def enqueue(db: Database, site: Site, destination: Destination, *, clock: Clock) -> Enqueued:
    """Bring the queue up to the registry: registered people of the destination's sources.

    A person who waits, or is parked over the content, gets the newest revision's photo; one who is
    sent stays sent, one whose face is in doubt waits for the answer, and one whom somebody parked
    by hand stays parked.
    """
    key = site_key(db, site)
    found = [
        candidate
        for source in sources_of(destination)
        for candidate in candidates.candidates(db, destination.name, source)
    ]
    new = renewed = 0
    for start in range(0, len(found), _SLICE):
        at = moment(clock)
        with db.transaction():
            for candidate in found[start : start + _SLICE]:
                token_text = token(key, candidate.source, candidate.person)
                if _add(db, destination.name, candidate, token_text, at):
                    new += 1
                elif _renew(db, destination.name, candidate, token_text, at):
                    renewed += 1
    return Enqueued(new, renewed)


def sources_of(destination: Destination) -> Sequence[str]:
    """The sources to ask the store for, one by one; "" stands for all of them."""
    return destination.sources or ("",)


def count_new(db: Database, destination: Destination) -> int:
    """How many people `enqueue` would put into the queue; only reads."""
    return sum(
        candidates.count_new(db, destination.name, source) for source in sources_of(destination)
    )


def _add(db: Database, destination: str, one: Candidate, token_text: str, at: Moment) -> bool:
    if one.known:
        return False
    added = deliveries.add(db, destination, one.registry, one.source, token_text, at.now)
    return added is not None


def _renew(db: Database, destination: str, one: Candidate, token_text: str, at: Moment) -> bool:
    """Use the newer photo; True when that released a parked person."""
    known = deliveries.by_token(db, destination, token_text)
    if known is None or known.face.state in (State.SENT, State.SENDING):
        return False
    deliveries.use_photo_of(db, known.id, one.registry, at.now)
    return _release(db, known, at)


def _release(db: Database, known: Delivery, at: Moment) -> bool:
    parked = [part for part in (known.card, known.face) if part.state is State.PARKED]
    if any(part.reason == BY_HAND for part in parked):
        return False
    saved = [deliveries.save(db, part, released(part, at)) for part in parked]
    return any(saved)
