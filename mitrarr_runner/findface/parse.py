"""What did the server say? From its JSON to our values, tolerantly.

An id may come as a number or as digits in a string, an optional field may be missing or null; what
cannot be read at all is a ValueError, without the content in its text. Nothing here decides what a
failure means.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from mitrarr_runner.findface.api import RemoteCard, RemoteFace
from mitrarr_runner.findface.generations import Generation

UNMATCHED = -1


def number(value: object) -> int:
    """An id or a count: 7, "7" or 7.0."""
    if isinstance(value, bool) or not isinstance(value, int | str | float):
        raise ValueError("a number was expected")
    if isinstance(value, str):
        digits = value.strip()
        if not (digits.isascii() and digits.removeprefix("-").isdigit()):
            raise ValueError("a number was expected")
        return int(digits)
    if isinstance(value, float) and not value.is_integer():
        raise ValueError("a whole number was expected")
    return int(value)


def card(body: object, names: Generation) -> RemoteCard:
    found = _object(body)
    lists = found.get(names.card_lists)
    meta = found.get("meta")
    name = found.get("name")
    return RemoteCard(
        id=number(found.get("id")),
        name=name if isinstance(name, str) else "",
        watch_lists=tuple(number(one) for one in lists) if isinstance(lists, list) else (),
        meta=meta if isinstance(meta, dict) else {},
    )


def face(body: object, names: Generation, card_id: int | None = None) -> RemoteFace:
    """`card_id` stands in where the answer leaves the card out."""
    found = _object(body)
    owner = found.get(names.face_card)
    shown = found.get("source_photo_name")
    return RemoteFace(
        id=str(number(found.get("id"))),
        card=number(card_id if owner is None else owner),
        source_photo_name=shown if isinstance(shown, str) else "",
    )


def watch_lists(results: list[Any]) -> dict[str, int]:
    """Active lists by name, without "Unmatched" (-1), which cannot hold cards."""
    found = {}
    for one in results:
        row = _object(one)
        name, key = row.get("name"), number(row.get("id"))
        if isinstance(name, str) and key != UNMATCHED and row.get("active") is not False:
            found[name] = key
    return found


def count(body: object) -> int:
    """{"count": 7}, or a bare 7."""
    return number(body.get("count") if isinstance(body, dict) else body)


def token(body: object) -> str:
    found = _object(body).get("token")
    if not isinstance(found, str) or not found.isascii() or not found.isprintable() or not found:
        raise ValueError("a token was expected")
    return found


def permissions(body: object) -> tuple[str, ...]:
    """The account's rights, sorted; empty where the server does not list them."""
    found = _object(body).get("permissions")
    return tuple(sorted(one for one in found if isinstance(one, str))) if found else ()


def results(body: object) -> tuple[list[Any], str]:
    """One page: its rows and the address of the next ("" at the end)."""
    if isinstance(body, list):
        return body, ""
    found = _object(body)
    rows, following = found.get("results"), found.get("next_page")
    if not isinstance(rows, list) or not isinstance(following, str | None):
        raise ValueError("a page was expected")
    return rows, following or ""


def next_query(address: str, path: str) -> str:
    """The query of the next page's address.

    Its host is never looked at, and its path must be the one that was asked: the server may stand
    behind a proxy that adds a prefix it does not know of.
    """
    parts = urlsplit(address)
    if not parts.query or (parts.path and not parts.path.rstrip("/").endswith(path.rstrip("/"))):
        raise ValueError("the next page lies elsewhere")
    return parts.query


def _object(body: object) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise ValueError("an object was expected")
    return body
