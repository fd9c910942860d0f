"""Which people does a lookup find, in which order, on which page?

The filters really filter, `name_contains` with the vendor's wildcards, and the pages are opaque: a
page names the last row seen, not a number of rows, so new people do not shift it. Pure: registers
and parameters in, rows out.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from mitrarr_runner.findface.simulator.errors import bad_param
from mitrarr_runner.findface.simulator.people import Card, People

USUAL_LIMIT = 20
LARGEST_LIMIT = 1000
_ORDERINGS = ("id", "name", "created_date")

_Row = TypeVar("_Row")
_Key = Callable[[Any], tuple[Any, int]]


@dataclass(frozen=True, slots=True)
class Page(Generic[_Row]):
    rows: list[_Row]
    following: str  # "" at the end


def cards(people: People, asked: Mapping[str, str]) -> Iterable[Card]:
    """The visible people that pass every filter asked for."""
    found: Iterable[Card] = people.visible()
    if "name_contains" in asked:
        pattern = like(asked["name_contains"])
        found = [card for card in found if pattern.search(card.name)]
    if "id_in" in asked:
        ids = _ids(asked, "id_in")
        found = [card for card in found if card.id in ids]
    if "watch_lists" in asked:
        lists = _ids(asked, "watch_lists")
        found = [card for card in found if lists.intersection(card.watch_lists)]
    if "created_date_gte" in asked:
        since = _instant(asked, "created_date_gte")
        found = [card for card in found if datetime.fromisoformat(card.created) >= since]
    if "has_face_objects" in asked:
        wanted = _truth(asked, "has_face_objects")
        found = [card for card in found if bool(people.faces_of(card.id)) is wanted]
    return found


def like(text: str) -> re.Pattern[str]:
    """SQL's LIKE inside a longer text, without case: % is any run, _ any one character."""
    parts = {"%": ".*", "_": "."}
    return re.compile("".join(parts.get(one, re.escape(one)) for one in text), re.I | re.S)


def page(rows: Iterable[_Row], asked: Mapping[str, str]) -> Page[_Row]:
    """One page of rows (cards or faces), after `page` and at most `limit` of them."""
    key, falling = _order(asked.get("ordering", "id"))
    ordered = sorted(rows, key=key, reverse=falling)
    if "page" in asked:
        last = _last_seen(asked["page"])
        ordered = [row for row in ordered if (key(row) < last if falling else key(row) > last)]
    limit = _limit(asked)
    shown = ordered[:limit]
    following = _token(key(shown[-1])) if len(ordered) > limit else ""
    return Page(shown, following)


def _order(ordering: str) -> tuple[_Key, bool]:
    name = ordering.removeprefix("-")
    if name not in _ORDERINGS:
        raise bad_param("ordering", "Unknown ordering")
    attribute = "created" if name == "created_date" else name
    return (lambda row: (_sortable(getattr(row, attribute, "")), int(row.id))), name != ordering


def _sortable(value: object) -> Any:
    """Ids of faces are digits in a string, and are ordered as numbers."""
    return int(value) if isinstance(value, str) and value.isdigit() else value


def _limit(asked: Mapping[str, str]) -> int:
    value = asked.get("limit", str(USUAL_LIMIT))
    if not (value.isascii() and value.isdigit()) or not 1 <= int(value) <= LARGEST_LIMIT:
        raise bad_param("limit", f"A number from 1 to {LARGEST_LIMIT} was expected")
    return int(value)


def _token(last: tuple[Any, int]) -> str:
    return base64.urlsafe_b64encode(json.dumps(last).encode()).decode().rstrip("=")


def _last_seen(token: str) -> tuple[Any, int]:
    try:
        value, key = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return value, int(key)
    except (ValueError, TypeError):
        raise bad_param("page", "Invalid page") from None


def _ids(asked: Mapping[str, str], name: str) -> set[int]:
    try:
        return {int(one) for one in asked[name].split(",")}
    except ValueError:
        raise bad_param(name, "Numbers were expected") from None


def _instant(asked: Mapping[str, str], name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(asked[name])
    except ValueError:
        raise bad_param(name, "An instant was expected") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _truth(asked: Mapping[str, str], name: str) -> bool:
    value = asked[name].lower()
    if value not in ("true", "false", "1", "0"):
        raise bad_param(name, "true or false was expected")
    return value in ("true", "1")
