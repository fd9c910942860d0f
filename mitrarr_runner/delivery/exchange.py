"""One request or look-up, from a value to a value: the part of delivery that runs in threads.

Turns the four exceptions of a destination into the events of the state machine. It sees neither
the store nor the clock, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from mitrarr_runner.delivery.machine import (
    Absent,
    Blind,
    Event,
    Found,
    InDoubt,
    Made,
    Moment,
    Rejected,
    Undone,
)
from mitrarr_runner.delivery.token import META_KEY, file_name, is_ours
from mitrarr_runner.findface.api import (
    Destination,
    NotSent,
    Refused,
    RemoteCard,
    Unavailable,
    Unknown,
    carries,
)


class Photo(Protocol):
    """A picture that is fit to be sent."""

    @property
    def data(self) -> bytes: ...

    @property
    def content_type(self) -> str: ...


class Task(StrEnum):
    CREATE_CARD = "create_card"
    ATTACH_FACE = "attach_face"
    FIND_CARD = "find_card"
    FIND_FACE = "find_face"


@dataclass(frozen=True, slots=True)
class Order:
    """One request for one person; `begun` was read before it is made."""

    task: Task
    begun: Moment
    token: str
    name: str = field(default="", repr=False)
    comment: str = field(default="", repr=False)
    lists: tuple[int, ...] = ()
    card: int = 0
    photo: Photo | None = field(default=None, repr=False)


def exchange(client: Destination, order: Order) -> Event:
    """Make the request; every way a destination may fail becomes an event."""
    looking = order.task in (Task.FIND_CARD, Task.FIND_FACE)
    try:
        if order.task is Task.FIND_CARD:
            return _found_card(client.find_cards(order.token), order)
        if order.task is Task.FIND_FACE:
            return _found_face(client, order)
        return Made(_make(client, order))
    except Refused as refused:
        detail = " ".join(filter(None, (refused.code, refused.param, refused.detail)))
        return Rejected(refused.reason.value, detail)
    except Unknown as unknown:
        return InDoubt(unknown.reason)
    except (NotSent, Unavailable) as trouble:
        if looking:
            return Blind(trouble.reason, trouble.retry_after)
        return Undone(trouble.reason, trouble.retry_after)


def _make(client: Destination, order: Order) -> str:
    if order.task is Task.CREATE_CARD:
        meta: Mapping[str, object] = {META_KEY: order.token}
        made = client.create_card(order.name, list(order.lists), meta, order.comment)
        return str(made.id)
    assert order.photo is not None  # noqa: S101 - the sender prepares it before it begins
    content_type = order.photo.content_type
    name = file_name(order.token, content_type)
    return client.attach_face(order.card, order.photo.data, name, content_type).id


def _found_card(cards: list[RemoteCard], order: Order) -> Event:
    """The oldest of those that carry the token, character by character."""
    ours = sorted((card for card in cards if carries(card, order.token)), key=lambda card: card.id)
    return Found(str(ours[0].id), len(ours)) if ours else Absent(order.begun)


def _found_face(client: Destination, order: Order) -> Event:
    faces = [
        face for face in client.faces_of(order.card) if is_ours(face.source_photo_name, order.token)
    ]
    return Found(faces[0].id, len(faces)) if faces else Absent(order.begun)
