"""Who is to be sent where, and how far is each of the two creates?

The tables `deliveries` (one row per person and destination) and `creates` (card and face of each,
with the state machine's state). A person is known here by row number and lookup token; the one
place where the id comes along is `person_of`, which reads it for the card's name.

Every function that writes expects an open transaction. A create changes only by `save`, which is
guarded by the old state and attempt: of two writers that read the same row, one wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from mitrarr_runner.store.database import Database, Row


class Part(StrEnum):
    """The two things a server makes for a person, in this order."""

    CARD = "card"
    FACE = "face"


class State(StrEnum):
    """Of one create (FINDFACE section 3), and, by `state_of`, of a whole person.

    sending: a request may be under way, or have been: in doubt until it is looked up.
    """

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class Create:
    """One row of `creates`. boot_seconds and boot_id: when the last attempt began, by the clock
    that a jump of the wall clock cannot touch; not_before: whole seconds since 1970, 0 = at once.
    """

    delivery: int
    part: Part
    state: State = State.PENDING
    attempt: int = 0
    at: int = 0
    boot_seconds: float = 0.0
    boot_id: str = ""
    not_before: int = 0
    remote_id: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One person at one destination; registry: the row whose photo is (to be) sent."""

    id: int
    destination: str
    registry: int
    source: str
    token: str
    at: int
    changed_at: int
    card: Create
    face: Create

    @property
    def handle(self) -> str:
        return f"D{self.id}"


def with_create(delivery: Delivery, create: Create) -> Delivery:
    """The same person with one of the two rows replaced."""
    if create.part is Part.CARD:
        return replace(delivery, card=create)
    return replace(delivery, face=create)


def state_of(delivery: Delivery) -> State:
    """A person's state, from the two rows; the same answer as the store's own (_PERSON)."""
    states = (delivery.card.state, delivery.face.state)
    for state in (State.PARKED, State.SENDING):
        if state in states:
            return state
    return State.SENT if states == (State.SENT, State.SENT) else State.PENDING


@dataclass(frozen=True, slots=True)
class Person:
    """Personal: for the card's name, never for a log."""

    source: str
    id: str = field(repr=False)


# A person's state from the two creates c (card) and f (face).
_PERSON = (
    "CASE WHEN c.state = 'parked' OR f.state = 'parked' THEN 'parked'"
    " WHEN c.state = 'sending' OR f.state = 'sending' THEN 'sending'"
    " WHEN c.state = 'sent' AND f.state = 'sent' THEN 'sent' ELSE 'pending' END"
)
_PARTS = (
    " FROM deliveries d"
    " JOIN creates c ON c.delivery = d.id AND c.part = 'card'"
    " JOIN creates f ON f.delivery = d.id AND f.part = 'face'"
)
_COLUMNS = "state", "attempt", "at", "boot_seconds", "boot_id", "not_before", "remote_id", "reason"
_WHOLE = (
    "SELECT d.id, d.destination, d.registry, d.source, d.token, d.at, d.changed_at, "
    + ", ".join(f"{one}.{name} AS {one}_{name}" for one in "cf" for name in _COLUMNS)
    + _PARTS
)


def add(
    db: Database, destination: str, registry: int, source: str, token: str, now: int
) -> int | None:
    """A new person with two pending creates; None when the token is known at this destination."""
    added = db.execute(
        "INSERT INTO deliveries (destination, registry, source, token, at, changed_at)"
        " VALUES (:destination, :registry, :source, :token, :now, :now)"
        " ON CONFLICT (destination, token) DO NOTHING",
        destination=destination,
        registry=registry,
        source=source,
        token=token,
        now=now,
    )
    if not added:
        return None
    row = db.row(
        "SELECT id FROM deliveries WHERE destination = :destination AND token = :token",
        destination=destination,
        token=token,
    )
    assert row is not None  # noqa: S101 - inserted in this transaction
    db.many(
        "INSERT INTO creates (delivery, part, state, at)"
        " VALUES (:delivery, :part, 'pending', :now)",
        [{"delivery": row["id"], "part": part.value, "now": now} for part in Part],
    )
    return int(row["id"])


def by_token(db: Database, destination: str, token: str) -> Delivery | None:
    row = db.row(
        _WHOLE + " WHERE d.destination = :destination AND d.token = :token",
        destination=destination,
        token=token,
    )
    return _delivery(row) if row else None


def get(db: Database, delivery: int) -> Delivery | None:
    row = db.row(_WHOLE + " WHERE d.id = :delivery", delivery=delivery)
    return _delivery(row) if row else None


def use_photo_of(db: Database, delivery: int, registry: int, now: int) -> None:
    """Point to another revision of the same person."""
    db.execute(
        "UPDATE deliveries SET registry = :registry, changed_at = :now WHERE id = :delivery",
        delivery=delivery,
        registry=registry,
        now=now,
    )


def save(db: Database, old: Create, new: Create) -> bool:
    """Write `new` over `old`; False, and nothing written, when the row is not `old` any more."""
    changed = db.execute(
        "UPDATE creates SET state = :state, attempt = :attempt, at = :at,"
        " boot_seconds = :boot_seconds, boot_id = :boot_id, not_before = :not_before,"
        " remote_id = :remote_id, reason = :reason"
        " WHERE delivery = :delivery AND part = :part"
        " AND state = :old_state AND attempt = :old_attempt",
        delivery=old.delivery,
        part=old.part.value,
        old_state=old.state.value,
        old_attempt=old.attempt,
        state=new.state.value,
        attempt=new.attempt,
        at=new.at,
        boot_seconds=new.boot_seconds,
        boot_id=new.boot_id,
        not_before=new.not_before,
        remote_id=new.remote_id,
        reason=new.reason,
    )
    if changed:
        db.execute(
            "UPDATE deliveries SET changed_at = :now WHERE id = :delivery",
            delivery=old.delivery,
            now=new.at,
        )
    return bool(changed)


def due(db: Database, destination: str, now: int) -> list[int]:
    """Everybody with something to send or to look up now, those tried least first: one person whose
    request breaks the server each time must not keep the others waiting."""
    rows = db.rows(
        "SELECT d.id" + _PARTS + " WHERE d.destination = :destination"
        " AND d.id IN (SELECT delivery FROM creates WHERE state IN ('pending', 'sending'))"
        " AND c.state <> 'parked' AND f.state <> 'parked'"
        " AND (c.state = 'sending' OR f.state = 'sending'"
        " OR (c.state = 'pending' AND c.not_before <= :now)"
        " OR (c.state = 'sent' AND f.not_before <= :now))"
        " ORDER BY c.attempt + f.attempt, d.id",
        destination=destination,
        now=now,
    )
    return [int(row["id"]) for row in rows]


def hold_back(db: Database, destination: str, until: int) -> None:
    """Nobody pending at this destination is sent before `until` (seconds since 1970)."""
    db.execute(
        "UPDATE creates SET not_before = :until WHERE state = 'pending' AND not_before < :until"
        " AND delivery IN (SELECT id FROM deliveries WHERE destination = :destination)",
        destination=destination,
        until=until,
    )


def hurry(db: Database, delivery: int) -> None:
    """What is pending of one person is due at once."""
    db.execute(
        "UPDATE creates SET not_before = 0 WHERE delivery = :delivery AND state = 'pending'",
        delivery=delivery,
    )


def counts(db: Database, destination: str = "") -> Mapping[State, int]:
    """People by state; destination "" = all destinations together. Every state is there.

    The many who are sent are not visited one by one: they are what the others leave over.
    """
    rows = db.rows(
        f"SELECT {_PERSON} AS person, COUNT(*) AS people{_PARTS}"
        " WHERE (:destination = '' OR d.destination = :destination) AND d.id IN"
        " (SELECT delivery FROM creates WHERE state IN ('pending', 'sending', 'parked'))"
        " GROUP BY 1",
        destination=destination,
    )
    found = {State(row["person"]): int(row["people"]) for row in rows}
    whole = db.row(
        "SELECT COUNT(*) AS people FROM deliveries"
        " WHERE :destination = '' OR destination = :destination",
        destination=destination,
    )
    assert whole is not None  # noqa: S101 - an aggregate always has its row
    found[State.SENT] = int(whole["people"]) - sum(found.values())
    return {state: found.get(state, 0) for state in State}


def listing(db: Database, destination: str, state: State | None, limit: int) -> Sequence[Delivery]:
    """People by state, the last changed first; destination "" and state None = any."""
    rows = db.rows(
        _WHOLE + " WHERE (:destination = '' OR d.destination = :destination)"
        f" AND (:state = '' OR {_PERSON} = :state)"
        " ORDER BY d.changed_at DESC, d.id DESC LIMIT :limit",
        destination=destination,
        state="" if state is None else state.value,
        limit=limit,
    )
    return [_delivery(row) for row in rows]


def of_registry(db: Database, registry: int) -> Sequence[Delivery]:
    """Where the person of a registry row is sent to, whichever revision went."""
    rows = db.rows(
        _WHOLE + " JOIN registry q ON q.id = d.registry JOIN registry r ON r.id = :registry"
        " WHERE q.source = r.source AND q.person = r.person ORDER BY d.id",
        registry=registry,
    )
    return [_delivery(row) for row in rows]


def in_doubt(db: Database, destination: str) -> list[Create]:
    return _creates(db, destination, "k.state = 'sending'")


def held_back(db: Database, destination: str) -> list[Create]:
    return _creates(db, destination, "k.state = 'pending' AND k.not_before > 0")


def person_of(db: Database, registry: int) -> Person | None:
    row = db.row("SELECT source, person FROM registry WHERE id = :registry", registry=registry)
    return Person(row["source"], row["person"]) if row else None


def handle_of(db: Database, registry: int) -> str:
    """The registry's own handle, for cross references; "" when the row is gone."""
    row = db.row("SELECT handle FROM registry WHERE id = :registry", registry=registry)
    return str(row["handle"]) if row else ""


def _creates(db: Database, destination: str, where: str) -> list[Create]:
    rows = db.rows(
        "SELECT k.* FROM creates k JOIN deliveries d ON d.id = k.delivery"
        f" WHERE d.destination = :destination AND {where}",
        destination=destination,
    )
    return [_create(row, int(row["delivery"]), Part(row["part"]), "") for row in rows]


def _delivery(row: Row) -> Delivery:
    return Delivery(
        id=row["id"],
        destination=row["destination"],
        registry=row["registry"],
        source=row["source"],
        token=row["token"],
        at=row["at"],
        changed_at=row["changed_at"],
        card=_create(row, row["id"], Part.CARD, "c_"),
        face=_create(row, row["id"], Part.FACE, "f_"),
    )


def _create(row: Row, delivery: int, part: Part, prefix: str) -> Create:
    return Create(
        delivery=delivery,
        part=part,
        state=State(row[prefix + "state"]),
        attempt=row[prefix + "attempt"],
        at=row[prefix + "at"],
        boot_seconds=row[prefix + "boot_seconds"],
        boot_id=row[prefix + "boot_id"],
        not_before=row[prefix + "not_before"],
        remote_id=row[prefix + "remote_id"],
        reason=row[prefix + "reason"],
    )
