"""Answers that the simulator does not give: redirects, portals, other versions, other ids."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from mitrarr_runner.findface import parse, verdicts
from mitrarr_runner.findface.api import (
    DestinationError,
    NotSent,
    ParkReason,
    Refused,
    Trouble,
    Unavailable,
    Unknown,
)
from mitrarr_runner.findface.generations import MULTI
from mitrarr_runner.findface.multi import FindFaceMulti
from mitrarr_runner.http import Response

CARDS, FACES = "/cards/humans/", "/objects/faces/"
NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
HTML = "<html>"

Connect = Callable[..., FindFaceMulti]


def vendor(code: str, param: str = "", desc: str = "") -> dict[str, str]:
    return {"traceback": "", "code": code, "desc": desc, "param": param}


# Creates


@pytest.mark.parametrize(
    ("status", "body", "kind", "reason"),
    [
        (200, HTML, Unknown, "bad_answer"),
        (201, HTML, Unknown, "bad_answer"),
        (201, {"name": "no id"}, Unknown, "bad_answer"),
        (201, [], Unknown, "bad_answer"),
        (202, {"id": 1}, Unknown, "bad_answer"),
        (204, "", Unknown, "bad_answer"),
        (301, "", Unavailable, Trouble.WRONG_API),
        (307, "", Unavailable, Trouble.WRONG_API),
        (400, HTML, Unavailable, Trouble.WRONG_API),
        (400, vendor("BAD_PARAM", "name"), Refused, ParkReason.BAD_REQUEST),
        (400, {"name": ["too long"]}, Refused, ParkReason.BAD_REQUEST),
        (400, vendor("BAD_PARAM", "watch_lists"), Unavailable, Trouble.WATCH_LISTS),
        (400, vendor("LICENSE_ERROR"), Unavailable, Trouble.LICENCE),
        (401, vendor("UNAUTHORIZED"), Unavailable, Trouble.LOGIN),
        (401, vendor("LICENSE_ERROR"), Unavailable, Trouble.LICENCE),
        (402, "", Unavailable, Trouble.LICENCE),
        (403, vendor("PERMISSION_DENIED"), Refused, ParkReason.RIGHTS),
        (403, HTML, Unavailable, Trouble.WRONG_API),
        (404, vendor("NOT_FOUND"), Unavailable, Trouble.WRONG_API),
        (405, "", Unavailable, Trouble.WRONG_API),
        (408, "", Unknown, "bad_answer"),
        (409, vendor("CONFLICT"), Unknown, "bad_answer"),
        (413, HTML, Refused, ParkReason.TOO_LARGE),
        (415, vendor("UNSUPPORTED"), Refused, ParkReason.NOT_AN_IMAGE),
        (425, "", NotSent, "too_many_requests"),
        (429, HTML, NotSent, "too_many_requests"),
        (500, vendor("INTERNAL_ERROR"), Unknown, "server_error"),
        (502, HTML, Unknown, "server_error"),
        (503, vendor("LICENSE_ERROR"), Unknown, "server_error"),
        (504, HTML, Unknown, "server_error"),
    ],
)
def test_what_a_creates_answer_means(
    canned: Any,
    connecting: Connect,
    status: int,
    body: object,
    kind: type[DestinationError],
    reason: str,
) -> None:
    canned.say(CARDS, status, body, {"Location": "http://192.0.2.1/"})
    with connecting(canned.url) as client, pytest.raises(kind) as caught:
        client.create_card("x", [2], {})
    assert caught.value.reason == reason
    assert caught.value.status == status
    assert canned.asked(CARDS) == (2 if (status, reason) == (401, Trouble.LOGIN) else 1)


@pytest.mark.parametrize(
    ("desc", "reason"),
    [
        (
            "All objects on a photo are of low quality or no objects found",
            ParkReason.SERVER_NO_FACE,
        ),
        ("Expected one object, found 3", ParkReason.SEVERAL_FACES),
        ("Expected one object, found 12", ParkReason.SEVERAL_FACES),
        ("Expected one object, found 0", ParkReason.SERVER_NO_FACE),
        ("Face quality is below the threshold", ParkReason.LOW_QUALITY),
        ("Face is too small", ParkReason.LOW_QUALITY),
        ("File is too large", ParkReason.TOO_LARGE),
        ("Image dimensions exceed 6000", ParkReason.TOO_LARGE),
        ("Upload a valid image. The file was corrupted.", ParkReason.NOT_AN_IMAGE),
        ("Cannot decode the file", ParkReason.NOT_AN_IMAGE),
        ("source_photo must be provided", ParkReason.BAD_REQUEST),
        ("", ParkReason.BAD_REQUEST),
    ],
)
def test_why_a_photo_was_refused(
    canned: Any, connecting: Connect, desc: str, reason: ParkReason
) -> None:
    canned.say(FACES, 400, vendor("BAD_PARAM", "source_photo", desc))
    with connecting(canned.url) as client, pytest.raises(Refused) as caught:
        client.attach_face(1, b"x", "a.jpg", "image/jpeg")
    error = caught.value
    assert (error.reason, error.code, error.param) == (reason, "BAD_PARAM", "source_photo")
    assert error.detail == desc


def test_a_sentence_decides_nothing_about_other_parameters(
    canned: Any, connecting: Connect
) -> None:
    canned.say(FACES, 400, vendor("BAD_PARAM", "card", "no objects found, low quality"))
    with connecting(canned.url) as client, pytest.raises(Refused) as caught:
        client.attach_face(1, b"x", "a.jpg", "image/jpeg")
    assert caught.value.reason is ParkReason.BAD_REQUEST


def test_what_the_server_writes_is_made_fit_for_a_log(canned: Any, connecting: Connect) -> None:
    desc = "card 123.456.789-01\nforged line \x1b[31m" + "x" * 500
    canned.say(FACES, 400, vendor("BAD\nPARAM", "source_photo", desc))
    with connecting(canned.url) as client, pytest.raises(Refused) as caught:
        client.attach_face(1, b"x", "a.jpg", "image/jpeg")
    shown = f"{caught.value.detail}|{caught.value.code}"
    assert "123.456" not in shown
    assert shown.isprintable()
    assert len(caught.value.detail) <= 120


# Ids and optional fields


@pytest.mark.parametrize(
    ("body", "key", "lists"),
    [
        ({"id": 7, "name": "n", "watch_lists": [1, "2"], "meta": {}}, 7, (1, 2)),
        ({"id": "7", "name": None, "watch_lists": None, "meta": None}, 7, ()),
        ({"id": 7.0}, 7, ()),
        ({"id": 2**70, "meta": [], "watch_lists": {}}, 2**70, ()),
    ],
)
def test_cards_are_read_tolerantly(
    canned: Any, connecting: Connect, body: object, key: int, lists: tuple[int, ...]
) -> None:
    canned.say(CARDS, 200, body)
    with connecting(canned.url) as client:
        card = client.create_card("n", [1], {})
    assert (card.id, card.watch_lists, card.meta) == (key, lists, {})


@pytest.mark.parametrize("value", [None, "", "x", "1.5", 1.5, True, [1], "٣"])
def test_an_id_that_is_none_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse.number(value)


@pytest.mark.parametrize(
    ("body", "key", "owner"),
    [
        ({"id": "4173669353687265180", "card": 5}, "4173669353687265180", 5),
        ({"id": 4173669353687265180, "card": "5"}, "4173669353687265180", 5),
        ({"id": "9"}, "9", 3),
    ],
)
def test_faces_are_read_tolerantly(body: object, key: str, owner: int) -> None:
    face = parse.face(body, MULTI, 3)
    assert (face.id, face.card, face.source_photo_name) == (key, owner, "")


# Login


@pytest.mark.parametrize(
    ("status", "body", "reason", "again"),
    [
        (401, vendor("UNAUTHORIZED"), Trouble.LOGIN, False),
        (401, HTML, Trouble.LOGIN, False),
        (401, vendor("LICENSE_ERROR"), Trouble.LICENCE, True),
        (403, vendor("PERMISSION_DENIED"), Trouble.RIGHTS, True),
        (403, HTML, Trouble.WRONG_API, True),
        (404, HTML, Trouble.WRONG_API, True),
        (302, "", Trouble.WRONG_API, True),
        (429, "", Trouble.TOO_MANY_REQUESTS, True),
        (500, HTML, Trouble.SERVER_ERROR, True),
        (200, HTML, Trouble.BAD_ANSWER, True),
        (200, {"token": ""}, Trouble.BAD_ANSWER, True),
        (200, {"token": "a\r\nX-Evil: 1"}, Trouble.BAD_ANSWER, True),
        (200, [], Trouble.BAD_ANSWER, True),
    ],
)
def test_what_a_logins_answer_means(
    canned: Any, connecting: Connect, status: int, body: object, reason: Trouble, again: bool
) -> None:
    canned.say("/auth/login/", status, body)
    with connecting(canned.url) as client:
        for _ in range(2):
            with pytest.raises(Unavailable) as caught:
                client.create_card("x", [2], {})
            assert caught.value.reason is reason
    assert canned.asked("/auth/login/") == (2 if again else 1)
    assert canned.asked(CARDS) == 0


def test_what_is_sent_with_a_request(canned: Any, connecting: Connect) -> None:
    canned.say("/api/auth/login/", 200, {"token": "t0ken"})
    canned.say("/api/cards/humans/count/", 200, {"count": "12"})
    with connecting(canned.url + "/api", password="sênha:1") as client:
        assert client.count_cards() == 12
    (_, _, login), (_, _, count) = canned.seen
    assert login["Authorization"] == "Basic bWl0cmFycjpzw6puaGE6MQ=="
    assert count["Authorization"] == "Token t0ken"
    assert count["Accept-Language"] == "en"


# Look-ups


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, HTML, Trouble.BAD_ANSWER),
        (200, {"rows": []}, Trouble.BAD_ANSWER),
        (200, {"results": [{"name": "no id"}]}, Trouble.BAD_ANSWER),
        (200, {"results": [7]}, Trouble.BAD_ANSWER),
        (200, {"results": [], "next_page": 7}, Trouble.BAD_ANSWER),
        (200, {"results": [], "next_page": "/watch-lists/purge_all/?a=1"}, Trouble.BAD_ANSWER),
        (200, {"results": [], "next_page": "http://[bad?page=1"}, Trouble.BAD_ANSWER),
        (302, "", Trouble.WRONG_API),
        (400, vendor("BAD_PARAM", "limit"), Trouble.WRONG_API),
        (403, vendor("PERMISSION_DENIED"), Trouble.RIGHTS),
        (404, "", Trouble.WRONG_API),
        (503, HTML, Trouble.SERVER_ERROR),
    ],
)
def test_what_a_look_ups_answer_means(
    canned: Any, connecting: Connect, status: int, body: object, reason: Trouble
) -> None:
    canned.say(CARDS, status, body)
    with connecting(canned.url) as client, pytest.raises(Unavailable) as caught:
        client.find_cards("[m:X]")
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    "address",
    [
        "http://192.0.2.1/cards/humans/?page=two",
        "https://user:pw@192.0.2.1:1/other/prefix/cards/humans/?page=two",
        "/cards/humans/?page=two",
        "?page=two",
    ],
)
def test_of_the_next_page_only_the_query_is_taken(
    canned: Any, connecting: Connect, address: str
) -> None:
    canned.say(CARDS, 200, {"results": [{"id": 1, "name": "[m:X]"}], "next_page": address})
    canned.say(CARDS, 200, {"results": [{"id": 2, "name": "[m:X]"}], "next_page": None})
    with connecting(canned.url) as client:
        assert [card.id for card in client.find_cards("[m:X]")] == [1, 2]
    assert canned.seen[-1][1] == "/cards/humans/?page=two"


def test_pages_that_do_not_end_are_left(
    canned: Any, connecting: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mitrarr_runner.findface.multi.MOST_PAGES", 5)
    canned.say(CARDS, 200, {"results": [], "next_page": "?page=again"})
    with connecting(canned.url) as client, pytest.raises(Unavailable) as caught:
        client.find_cards("[m:X]")
    assert caught.value.reason is Trouble.BAD_ANSWER
    assert canned.asked(CARDS) <= 6


def test_inactive_lists_and_unmatched_are_left_out(canned: Any, connecting: Connect) -> None:
    rows = [
        {"id": -1, "name": "Unmatched", "active": True},
        {"id": 1, "name": "Default"},
        {"id": 4, "name": "Old", "active": False},
    ]
    canned.say("/watch-lists/", 200, {"results": rows})
    with connecting(canned.url) as client:
        assert client.watch_lists() == {"Default": 1}


def test_faces_of_other_cards_are_left_out(canned: Any, connecting: Connect) -> None:
    rows = [{"id": "10", "card": 1}, {"id": "9", "card": 1}, {"id": "8", "card": 2}]
    canned.say(FACES, 200, {"results": rows})
    with connecting(canned.url) as client:
        assert [face.id for face in client.faces_of(1)] == ["9", "10"]


# Retry-After


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("99999999999", 86_400.0),
        ("Sun, 22 Nov 2026 03:01:30 GMT", 90.0),
        ("Sun, 22 Nov 2026 02:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1e3", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert verdicts.retry_after(Response(429, {"retry-after": value}, b""), NOW) == seconds
