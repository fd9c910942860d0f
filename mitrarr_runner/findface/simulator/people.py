"""What does the server know? People, their faces, watch lists and sessions, in memory.

With a journal file (JSON lines, appended at each change) a second server process finds the same
people again; sessions do not survive, as after a real restart. No HTTP here.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from mitrarr_runner.atomic import write_all
from mitrarr_runner.clock import Clock

FIRST_FACE = 4_100_000_000_000_000_000  # ids of faces do not fit what a float can hold
_TOKEN = re.compile(r"\[m:[^\]]+\]")


@dataclass(slots=True)
class Card:
    """A person; `hidden_until` is a monotonic reading before which no lookup finds it."""

    id: int
    name: str
    watch_lists: list[int]
    meta: dict[str, Any]
    comment: str
    active: bool
    created: str
    hidden_until: float = field(default=0.0, compare=False)


@dataclass(slots=True)
class Face:
    id: str
    card: int
    source_photo_name: str
    width: int
    height: int
    created: str


@dataclass(frozen=True, slots=True)
class WatchList:
    id: int
    name: str
    active: bool = True


class People:
    """The register. Single-threaded: the server calls it from its one event loop."""

    def __init__(self, clock: Clock, lists: Sequence[str], journal: Path | None = None) -> None:
        self._clock = clock
        self.cards: dict[int, Card] = {}
        self.faces: dict[str, Face] = {}
        self.lists = _lists(lists)
        self._sessions: dict[str, str] = {}  # token by the client's uuid
        self._logins = 0
        self._next_card = 1
        self._next_face = FIRST_FACE
        self._journal: int | None = None
        if journal is not None:
            self._open(journal)

    # Sessions: one per uuid, so a client that changes its uuid leaves sessions behind.

    def log_in(self, uuid: str) -> str:
        self._logins += 1
        self._sessions[uuid] = secrets.token_hex(32)
        return self._sessions[uuid]

    def knows(self, token: str) -> bool:
        return token in self._sessions.values()

    def log_out(self, token: str) -> None:
        self._sessions = {uuid: one for uuid, one in self._sessions.items() if one != token}

    # Changes

    def add_card(
        self,
        name: str,
        watch_lists: list[int],
        meta: dict[str, Any],
        comment: str,
        *,
        active: bool,
        hidden_for: float = 0.0,
    ) -> Card:
        hidden = self._clock.monotonic() + hidden_for if hidden_for else 0.0
        card = Card(self._next_card, name, watch_lists, meta, comment, active, self._now(), hidden)
        self._keep(card)
        self._write("card", asdict(card))
        return card

    def add_face(self, card: int, file_name: str, width: int, height: int) -> Face:
        face = Face(str(self._next_face), card, file_name, width, height, self._now())
        self._keep(face)
        self._write("face", asdict(face))
        return face

    def remove_card(self, key: int) -> None:
        for face in self.faces_of(key):
            self.remove_face(face.id)
        del self.cards[key]
        self._write("no_card", {"id": key})

    def remove_face(self, key: str) -> None:
        del self.faces[key]
        self._write("no_face", {"id": key})

    # Looking

    def visible(self) -> Iterator[Card]:
        now = self._clock.monotonic()
        return (card for card in self.cards.values() if card.hidden_until <= now)

    def faces_of(self, card: int) -> list[Face]:
        return [face for face in self.faces.values() if face.card == card]

    def now(self) -> datetime:
        return self._clock.now()

    def report(self) -> dict[str, int]:
        """Totals; a duplicate is each card beyond the first with the same lookup token, a doubled
        face each one beyond the first of the same file name in one card."""
        tokens = [found[-1] for c in self.cards.values() if (found := _TOKEN.findall(c.name))]
        photos = {(face.card, face.source_photo_name) for face in self.faces.values()}
        with_face = {face.card for face in self.faces.values()}
        return {
            "cards": len(self.cards),
            "faces": len(self.faces),
            "duplicates": len(tokens) - len(set(tokens)),
            "doubled_faces": len(self.faces) - len(photos),
            "cards_without_face": len(self.cards.keys() - with_face),
            "sessions": len(self._sessions),
            "logins": self._logins,
        }

    # The journal

    def _open(self, journal: Path) -> None:
        if journal.exists():
            for line in journal.read_text().splitlines():
                self._replay(json.loads(line))
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._journal = os.open(journal, flags, 0o600)

    def _replay(self, entry: Mapping[str, Any]) -> None:
        what, values = entry["what"], entry["values"]
        if what == "card":
            self._keep(Card(**{**values, "hidden_until": 0.0}))
        elif what == "face":
            self._keep(Face(**values))
        elif what == "no_card":
            del self.cards[values["id"]]
        elif what == "no_face":
            del self.faces[values["id"]]

    def _keep(self, one: Card | Face) -> None:
        if isinstance(one, Card):
            self.cards[one.id] = one
            self._next_card = one.id + 1
        else:
            self.faces[one.id] = one
            self._next_face = int(one.id) + 1

    def _write(self, what: str, values: dict[str, Any]) -> None:
        if self._journal is not None:
            line = json.dumps({"what": what, "values": values}) + "\n"
            write_all(self._journal, line.encode())

    def _now(self) -> str:
        return self._clock.now().isoformat(timespec="microseconds").replace("+00:00", "Z")


def _lists(names: Sequence[str]) -> dict[int, WatchList]:
    """-1 "Unmatched", 1 "Default", and the site's own from 2 on."""
    own = (WatchList(2 + index, name) for index, name in enumerate(names))
    return {one.id: one for one in (WatchList(-1, "Unmatched"), WatchList(1, "Default"), *own)}
