"""What may a destination do with a person, and in which ways may it fail?

The Protocol every generation of FindFace is spoken to through, the values that travel over it, and
the four exceptions the delivery state machine switches on. Two of them promise that the server did
nothing (`NotSent`, `Unavailable`), one that it will not (`Refused`), and one promises nothing
(`Unknown`). Nothing here opens a connection, retries, or decides what to do next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, Self


class ParkReason(StrEnum):
    """Why a server will not take this person: it waits for someone, or for new content."""

    SERVER_NO_FACE = "server_no_face"
    LOW_QUALITY = "low_quality"
    SEVERAL_FACES = "several_faces"
    TOO_LARGE = "too_large"
    NOT_AN_IMAGE = "not_an_image"
    RIGHTS = "rights"
    BAD_REQUEST = "bad_request"


class Trouble(StrEnum):
    """Why a destination cannot be used at the moment; no person is to blame."""

    CONNECTION = "connection"  # refused, unknown host, reset, connect timeout
    TLS = "tls"  # certificate or handshake: a configuration incident
    NO_ANSWER = "no_answer"  # a lookup or login whose answer did not come whole
    SERVER_ERROR = "server_error"  # 5xx; after a restart it may take 45 minutes
    TOO_MANY_REQUESTS = "too_many_requests"
    LOGIN = "login"  # user name or password refused
    RIGHTS = "rights"  # the account may not look or log in
    LICENCE = "licence"
    WATCH_LISTS = "watch_lists"  # a list the server does not know, or that cannot hold cards
    WRONG_API = "wrong_api"  # the address answers, but not as this generation does
    BAD_ANSWER = "bad_answer"  # the right address, an answer that cannot be read


class DestinationError(Exception):
    """Base of the four; `reason` is a code, and the text holds codes only."""

    def __init__(self, reason: str, *, status: int | None = None) -> None:
        super().__init__(reason if status is None else f"{reason} ({status})")
        self.reason = reason
        self.status = status


class NotSent(DestinationError):
    """The server did nothing with it: back to pending, later.

    `tls`: the cause is a certificate, so it is a configuration incident too. `retry_after`: seconds
    the server asked for (429), else None.
    """

    def __init__(
        self,
        reason: str,
        *,
        status: int | None = None,
        tls: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(reason, status=status)
        self.tls = tls
        self.retry_after = retry_after


class Refused(DestinationError):
    """The server looked at it and said no: park it.

    `code` and `param` are the server's (made fit for a log); `detail` its sentence, kept only where
    it speaks of the photo or the lists and not of the person.
    """

    reason: ParkReason

    def __init__(
        self,
        reason: ParkReason,
        *,
        status: int | None = None,
        code: str = "",
        param: str = "",
        detail: str = "",
    ) -> None:
        super().__init__(reason, status=status)
        self.reason = reason
        self.code = code
        self.param = param
        self.detail = detail


class Unknown(DestinationError):
    """Perhaps done, perhaps not: it stays `sending` until it has been looked up."""


class Unavailable(DestinationError):
    """The destination is down, out of licence or misconfigured, and this call did nothing there.

    Nobody is parked; the step is deferred, with one incident.
    """

    reason: Trouble

    def __init__(
        self,
        reason: Trouble,
        *,
        status: int | None = None,
        detail: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(reason, status=status)
        self.reason = reason
        self.detail = detail
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class RemoteCard:
    """A person as the server keeps it. Name and meta stay out of `repr`: they are personal."""

    id: int
    name: str = field(repr=False)
    watch_lists: tuple[int, ...]
    meta: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True, slots=True)
class RemoteFace:
    """A face of a card; the id is a string of digits (A), longer than 64 bits in some versions."""

    id: str
    card: int
    source_photo_name: str


@dataclass(frozen=True, slots=True)
class Probe:
    """What a first look found: `clock_offset` is server minus us in seconds, None if not said."""

    watch_lists: Mapping[str, int]
    permissions: tuple[str, ...]
    cards: int
    clock_offset: float | None


class Destination(Protocol):
    """One server. Everything may raise Unavailable; only the two creates raise the other three."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: object, error: object, trace: object, /) -> None: ...

    def probe(self) -> Probe:
        """Log in, read rights, lists and count; changes nothing."""
        ...

    def watch_lists(self) -> dict[str, int]:
        """Ids of the active lists that can hold cards, by name."""
        ...

    def count_cards(self) -> int:
        """How many people the server holds (the licence counts photos)."""
        ...

    def find_cards(self, token_text: str) -> list[RemoteCard]:
        """The cards that carry our lookup token, compared exactly; the oldest first."""
        ...

    def create_card(
        self, name: str, watch_lists: list[int], meta: Mapping[str, object], comment: str = ""
    ) -> RemoteCard:
        """A new person; twice makes two."""
        ...

    def faces_of(self, card_id: int) -> list[RemoteFace]:
        """The faces of one card, the oldest first."""
        ...

    def attach_face(
        self, card_id: int, photo: bytes, file_name: str, content_type: str
    ) -> RemoteFace:
        """A new face in a card; twice makes two."""
        ...


def carries(card: RemoteCard, token_text: str) -> bool:
    """Is the token at the end of the card's name, or a value of its meta, character by character?

    The server's own filter ignores case and takes % and _ for wildcards.
    """
    return card.name.endswith(token_text) or token_text in card.meta.values()
