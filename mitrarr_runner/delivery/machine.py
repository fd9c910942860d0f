"""What happens to one create next? The state machine of FINDFACE section 3, as pure functions.

    pending --begin--> sending --made--> sent
                       sending --undone--> pending          (the server did nothing)
                       sending --rejected--> parked         (it looked, and said no)
                       sending --in doubt--> sending        (the third outcome; a crash too)
                       sending --found--> sent              (looked up by our token)
                       sending --absent--> sending, until the quiet period is over; then pending
    pending, parked --by hand or a new revision--> parked, pending

The server has no idempotency key, so nothing is ever sent from `sending`: only a look-up that was
begun after the quiet period, and found nothing, leads back. Values in, values out; the sender does
the requests and the store keeps the rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from mitrarr_runner.clock import Clock, epoch
from mitrarr_runner.store.deliveries import Create, State

LONGEST_PAUSE = 6 * 3600
_FREE_ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class Moment:
    """One reading of a clock: whole seconds since 1970, seconds since boot, and which boot."""

    now: int
    boot_seconds: float
    boot_id: str


def moment(clock: Clock) -> Moment:
    return Moment(epoch(clock.now()), clock.boottime(), clock.boot_id())


class Move(StrEnum):
    """What the sender has to do with a create."""

    SEND = "send"
    LOOK_UP = "look_up"
    WAIT = "wait"
    REST = "rest"


@dataclass(frozen=True, slots=True)
class Made:
    """The server made it and said so."""

    remote_id: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The server, or our own check of the photo, refuses the content; detail: fit for a log."""

    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Undone:
    """The server certainly did nothing; retry_after: seconds it asked us to wait."""

    trouble: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class InDoubt:
    """A connection stood and no whole answer came: perhaps done, perhaps not."""

    trouble: str


@dataclass(frozen=True, slots=True)
class Found:
    """A look-up found it; copies > 1 means that somebody made it twice."""

    remote_id: str
    copies: int = 1


@dataclass(frozen=True, slots=True)
class Absent:
    """A look-up that was begun at `begun` found nothing."""

    begun: Moment


@dataclass(frozen=True, slots=True)
class Blind:
    """The look-up itself failed: nothing was learnt."""

    trouble: str
    retry_after: float | None = None


Event = Made | Rejected | Undone | InDoubt | Found | Absent | Blind


class IllegalEvent(ValueError):
    """An event that cannot happen in this state: a bug in the sender."""


def move(create: Create, at: Moment) -> Move:
    """What this create needs now."""
    if create.state is State.SENDING:
        return Move.LOOK_UP
    if create.state is State.PENDING:
        return Move.SEND if create.not_before <= at.now else Move.WAIT
    return Move.REST


def next_part(card: Create, face: Create) -> Create | None:
    """The create of a person that is to be worked on: the card, then its face.

    None when nothing is left to do, or when a person or a new revision must act first.
    """
    if State.PARKED in (card.state, face.state):
        return None
    for create in (card, face):
        if create.state is not State.SENT:
            return create
    return None


def begin(create: Create, at: Moment) -> Create:
    """The row that must be committed before the request leaves."""
    if create.state is not State.PENDING:
        raise IllegalEvent(f"begin in {create.state}")
    return replace(
        create,
        state=State.SENDING,
        attempt=create.attempt + 1,
        at=at.now,
        boot_seconds=at.boot_seconds,
        boot_id=at.boot_id,
        not_before=0,
        reason="",
    )


def after(create: Create, event: Event, at: Moment, quiet_period: float) -> Create:
    """The row after what a request or a look-up brought. `quiet_period` in seconds."""
    if create.state is not State.SENDING:
        raise IllegalEvent(f"{type(event).__name__} in {create.state}")
    match event:
        case Made(remote_id) | Found(remote_id):
            return replace(create, state=State.SENT, at=at.now, remote_id=remote_id, reason="")
        case Rejected(reason):
            return replace(create, state=State.PARKED, at=at.now, reason=reason)
        case Undone(trouble, wait):
            until = at.now + math.ceil(wait) if wait else 0
            return _back(create, at, until, trouble)
        case InDoubt(trouble):
            return replace(create, reason=trouble)
        case Blind():
            return create
        case Absent(begun):
            return _absent(create, begun, at, quiet_period)


def remaining(create: Create, at: Moment, quiet_period: float) -> float:
    """Seconds until a look-up may believe that it is absent; 0 when it may now.

    Of another boot, nobody knows: the whole quiet period, counted from the day it is seen.
    """
    if create.boot_id != at.boot_id:
        return quiet_period
    return max(0.0, quiet_period - max(0.0, at.boot_seconds - create.boot_seconds))


def parked(create: Create, reason: str, at: Moment) -> Create:
    """Held back before anything was sent: our own check of the photo, or a person's word."""
    if create.state is not State.PENDING:
        raise IllegalEvent(f"park in {create.state}")
    return replace(create, state=State.PARKED, at=at.now, not_before=0, reason=reason)


def released(create: Create, at: Moment) -> Create:
    """A parked create may be tried again, at once."""
    if create.state is not State.PARKED:
        raise IllegalEvent(f"release in {create.state}")
    return _back(create, at, 0, "")


def _absent(create: Create, begun: Moment, at: Moment, quiet_period: float) -> Create:
    if create.boot_id != begun.boot_id:
        return replace(create, boot_seconds=begun.boot_seconds, boot_id=begun.boot_id)
    if remaining(create, begun, quiet_period) > 0:
        return create
    return _back(create, at, at.now + _pause(create.attempt, quiet_period), create.reason)


def _pause(attempt: int, quiet_period: float) -> int:
    """Seconds; a request that breaks the server each time comes back ever more rarely."""
    if attempt <= _FREE_ATTEMPTS:
        return 0
    times = 1 << min(attempt - _FREE_ATTEMPTS - 1, 20)
    return math.ceil(min(quiet_period * times, LONGEST_PAUSE))


def _back(create: Create, at: Moment, not_before: int, reason: str) -> Create:
    return replace(create, state=State.PENDING, at=at.now, not_before=not_before, reason=reason)
