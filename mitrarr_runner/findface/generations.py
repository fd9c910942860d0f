"""How does each generation of FindFace name its endpoints and fields?

One row per generation, so that the older dossier API can be a second adapter over the same client
code. Never in any row: `/watch-lists/{id}/purge/` and `/watch-lists/purge_all/`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Generation:
    """Paths (all end with a slash, as the vendor's do) and the names of fields that differ."""

    login: str
    me: str
    cards: str
    cards_count: str
    faces: str
    lists: str
    card_lists: str  # the lists in a card
    face_card: str  # the card in a face
    photo: str  # the uploaded picture


MULTI = Generation(
    login="/auth/login/",
    me="/users/me/",
    cards="/cards/humans/",
    cards_count="/cards/humans/count/",
    faces="/objects/faces/",
    lists="/watch-lists/",
    card_lists="watch_lists",
    face_card="card",
    photo="source_photo",
)
