"""The simulator keeps the vendor's contract (FINDFACE.md section 1), asked by a plain client."""

from __future__ import annotations

import io
import struct
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mitrarr_runner.findface.simulator.process import SimulatorProcess
from mitrarr_runner.images import draw_face, draw_wall

NO_FACE = "All objects on a photo are of low quality or no objects found"


def error_of(answer: Any) -> tuple[int, str, str]:
    body = answer.json()
    assert body.keys() >= {"traceback", "code", "desc", "param"}
    return answer.status, body["code"], body["param"]


# Login


def test_login_gives_a_token_an_expiry_and_the_user(vendor: Any) -> None:
    answer = vendor.http.request(
        "POST",
        "/auth/login/",
        json={"uuid": "x", "mobile": False, "device_info": {}},
        headers={"Authorization": "Basic bWl0cmFycjpkZW1v"},
    )
    body = answer.json()
    assert answer.status == 200
    assert body.keys() == {"token", "token_expiration_datetime", "user"}
    assert datetime.fromisoformat(body["token_expiration_datetime"]) > datetime.now(UTC)


@pytest.mark.parametrize("authorization", ["Basic bWl0cmFycjpiYWQ=", "Basic %%", "Token x", ""])
def test_a_wrong_login_is_unauthorized(vendor: Any, authorization: str) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    answer = vendor.http.request("POST", "/auth/login/", json={"uuid": "x"}, headers=headers)
    assert error_of(answer) == (401, "UNAUTHORIZED", "")


@pytest.mark.parametrize("body", [{}, {"uuid": ""}, {"uuid": "x" * 257}])
def test_login_needs_a_uuid(vendor: Any, body: dict[str, str]) -> None:
    headers = {"Authorization": "Basic bWl0cmFycjpkZW1v"}
    answer = vendor.http.request("POST", "/auth/login/", json=body, headers=headers)
    assert error_of(answer) == (400, "BAD_PARAM", "uuid")


def test_one_session_per_uuid(vendor: Any, simulator: SimulatorProcess) -> None:
    before = simulator.report()["sessions"]
    first, second = vendor.log_in("same"), vendor.log_in("same")
    vendor.log_in("another")
    assert simulator.report()["sessions"] == before + 2
    vendor.token = first
    assert error_of(vendor("GET", "/users/me/")) == (401, "UNAUTHORIZED", "")
    vendor.token = second
    assert vendor("GET", "/users/me/").status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/cards/humans/"),
        ("POST", "/cards/humans/"),
        ("GET", "/cards/humans/count/"),
        ("GET", "/objects/faces/"),
        ("POST", "/objects/faces/"),
        ("GET", "/watch-lists/"),
        ("GET", "/users/me/"),
        ("DELETE", "/cards/humans/1/"),
    ],
)
def test_nothing_without_a_token(vendor: Any, method: str, path: str) -> None:
    assert error_of(vendor.http.request(method, path))[:2] == (401, "UNAUTHORIZED")


def test_there_is_no_purge(vendor: Any) -> None:
    for path in ("/watch-lists/purge_all/", "/watch-lists/2/purge/"):
        assert error_of(vendor("POST", path)) == (404, "NOT_FOUND", "")


# People


def test_a_card_keeps_what_was_sent(vendor: Any) -> None:
    meta = {"token": "[m:X]", "nested": {"é": [1, None]}}
    made = vendor.card("José da Silva [m:X]", watch_lists=[2, 3], meta=meta, comment="c")
    shown = vendor("GET", f"/cards/humans/{made['id']}/").json()
    assert shown == made
    assert isinstance(made["id"], int)
    assert (made["name"], made["watch_lists"], made["meta"]) == (
        "José da Silva [m:X]",
        [2, 3],
        meta,
    )
    assert (made["face_objects"], made["filled"]) == (0, False)


def test_the_same_card_twice_makes_two(vendor: Any, simulator: SimulatorProcess) -> None:
    before = simulator.report()
    one, two = vendor.card("Twin [m:TWIN]"), vendor.card("Twin [m:TWIN]")
    after = simulator.report()
    assert one["id"] != two["id"]
    assert after["cards"] - before["cards"] == 2
    assert after["duplicates"] - before["duplicates"] == 1
    assert vendor("GET", "/cards/humans/count/").json() == {"count": after["cards"]}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"watch_lists": [1]}, "name"),
        ({"name": "", "watch_lists": [1]}, "name"),
        ({"name": "x" * 257, "watch_lists": [1]}, "name"),
        ({"name": "x"}, "watch_lists"),
        ({"name": "x", "watch_lists": []}, "watch_lists"),
        ({"name": "x", "watch_lists": [99]}, "watch_lists"),
        ({"name": "x", "watch_lists": [-1]}, "watch_lists"),
        ({"name": "x", "watch_lists": [1], "comment": "x" * 2049}, "comment"),
        ({"name": "x", "watch_lists": [1], "meta": 7}, "meta"),
    ],
)
def test_a_bad_card_is_refused(
    vendor: Any, simulator: SimulatorProcess, body: dict[str, object], param: str
) -> None:
    before = simulator.report()["cards"]
    answer = vendor("POST", "/cards/humans/", json=body)
    assert error_of(answer) == (400, "BAD_PARAM", param)
    assert simulator.report()["cards"] == before


def test_watch_lists_hold_unmatched_default_and_the_configured(vendor: Any) -> None:
    rows = vendor("GET", "/watch-lists/").json()["results"]
    assert {row["id"]: row["name"] for row in rows} == {
        -1: "Unmatched",
        1: "Default",
        2: "DETRAN",
        3: "Civil Ação",
    }
    assert all(row["active"] for row in rows)


def test_rights_are_told(vendor: Any) -> None:
    me = vendor("GET", "/users/me/").json()
    assert me["permissions"]
    assert me["watch_list_permissions"].keys() == {"1", "2", "3"}


# Looking people up


def names(vendor: Any, **asked: str) -> list[str]:
    answer = vendor("GET", "/cards/humans/", params=asked)
    assert answer.status == 200, answer.body
    return [row["name"] for row in answer.json()["results"]]


def test_name_contains_ignores_case_and_takes_wildcards(vendor: Any) -> None:
    for name in ("wild Ana1 X", "wild aNa2 X", "wild An% X"):
        vendor.card(name)
    assert names(vendor, name_contains="WILD ANA") == ["wild Ana1 X", "wild aNa2 X"]
    assert names(vendor, name_contains="wild an_1") == ["wild Ana1 X"]
    assert names(vendor, name_contains="wild an% x") == ["wild Ana1 X", "wild aNa2 X", "wild An% X"]
    assert names(vendor, name_contains="wild [ana]") == []


def test_filters_filter(vendor: Any) -> None:
    before = datetime.now(UTC)
    one = vendor.card("filter one", watch_lists=[2])
    two = vendor.card("filter two", watch_lists=[3])
    assert vendor.face(two["id"], draw_face(2)).status == 201

    def found(**asked: str) -> list[str]:
        return names(vendor, name_contains="filter", **asked)

    assert found() == ["filter one", "filter two"]
    assert found(id_in=f"{one['id']},999999") == ["filter one"]
    assert found(watch_lists="3,99") == ["filter two"]
    assert found(has_face_objects="true") == ["filter two"]
    assert found(has_face_objects="false") == ["filter one"]
    assert found(created_date_gte=before.isoformat()) == ["filter one", "filter two"]
    assert found(created_date_gte=(before + timedelta(hours=1)).isoformat()) == []
    assert found(ordering="-id") == ["filter two", "filter one"]
    assert found(ordering="-name", limit="1") == ["filter two"]
    counted = vendor("GET", "/cards/humans/count/", params={"watch_lists": "3"}).json()["count"]
    assert counted == len(names(vendor, watch_lists="3", limit="1000"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "x"),
        ("limit", "1001"),
        ("page", "not-a-page"),
        ("ordering", "shoe_size"),
        ("id_in", "a"),
        ("created_date_gte", "soon"),
        ("has_face_objects", "maybe"),
    ],
)
def test_a_bad_filter_is_refused(vendor: Any, name: str, value: str) -> None:
    answer = vendor("GET", "/cards/humans/", params={name: value})
    assert error_of(answer) == (400, "BAD_PARAM", name)


@pytest.mark.parametrize("ordering", ["id", "-id", "name", "-name", "created_date"])
def test_pages_give_each_once_while_people_come_and_go(
    vendor: Any, simulator: SimulatorProcess, ordering: str
) -> None:
    mark = f"paged {ordering} "
    made = [vendor.card(mark + name)["id"] for name in "gcaebdf"]
    seen: list[int] = []
    path: str | None = f"/cards/humans/?name_contains={mark}&limit=2&ordering={ordering}"
    while path:
        page = vendor("GET", path).json()
        seen += [row["id"] for row in page["results"]]
        if len(seen) == 2:  # gone, already shown: nobody may be skipped for it
            assert vendor("DELETE", f"/cards/humans/{seen[0]}/").status == 204
        following = page["next_page"]
        assert following is None or following.startswith(simulator.url)
        path = following.removeprefix(simulator.url) if following else None
    assert sorted(seen) == sorted(made)


def test_delete_and_delete_again(vendor: Any) -> None:
    card = vendor.card("to be deleted")["id"]
    face = vendor.face(card, draw_face(3)).json()["id"]
    assert vendor("DELETE", f"/objects/faces/{face}/").status == 204
    assert error_of(vendor("DELETE", f"/objects/faces/{face}/"))[:2] == (404, "NOT_FOUND")
    second = vendor.face(card, draw_face(3)).json()["id"]
    assert vendor("DELETE", f"/cards/humans/{card}/").status == 204
    assert error_of(vendor("DELETE", f"/cards/humans/{card}/"))[:2] == (404, "NOT_FOUND")
    assert error_of(vendor("GET", f"/objects/faces/{second}/"))[:2] == (404, "NOT_FOUND")


# Faces


def pillow(kind: str) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.open(io.BytesIO(draw_face(5))).save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_with_a_face_is_taken(vendor: Any, kind: str) -> None:
    card = vendor.card("photographed")["id"]
    answer = vendor.face(card, pillow(kind), "olá [m:X].jpg")
    made = answer.json()
    assert answer.status == 201
    assert isinstance(made["id"], str)
    assert made["id"].isdigit()
    assert (made["card"], made["source_photo_name"]) == (card, "olá [m:X].jpg")
    assert vendor("GET", f"/objects/faces/?card={card}").json()["results"] == [made]
    shown = vendor("GET", f"/cards/humans/{card}/").json()
    assert (shown["face_objects"], shown["filled"]) == (1, True)


def bomb() -> bytes:
    """A PNG whose header declares 60,000 by 60,000 pixels."""
    photo = bytearray(draw_face(1, 60, 60, "png"))
    photo[16:24] = struct.pack(">II", 60_000, 60_000)
    photo[29:33] = struct.pack(">I", zlib.crc32(photo[12:29]))
    return bytes(photo)


def padded(size: int) -> bytes:
    return draw_face(1) + b"\0" * size


@pytest.mark.parametrize(
    ("photo", "desc"),
    [
        (draw_wall(1), NO_FACE),
        (draw_wall(2, kind="png"), NO_FACE),
        (draw_face(1, 49, 300), NO_FACE),
        (b"just some text, called .jpg", "Upload a valid image."),
        (b"", "Upload a valid image."),
        (draw_face(1)[:4000], "Upload a valid image."),
        (draw_face(1, kind="jp2"), "Upload a valid image."),
        (draw_face(1, 6001, 60), "Image size exceeds 10000000 bytes or 6000 pixels."),
        (bomb(), "Upload a valid image."),
        (padded(10_000_001), "Image size exceeds 10000000 bytes or 6000 pixels."),
    ],
    ids=["wall", "png", "small", "text", "empty", "truncated", "jp2", "wide", "bomb", "heavy"],
)
def test_other_content_is_refused_whatever_its_name(vendor: Any, photo: bytes, desc: str) -> None:
    card = vendor.card("refused photo")["id"]
    answer = vendor.face(card, photo, "face.jpg")
    assert error_of(answer) == (400, "BAD_PARAM", "source_photo")
    assert answer.json()["desc"] == desc
    assert vendor("GET", f"/objects/faces/?card={card}").json()["results"] == []


def test_a_face_needs_its_parts(vendor: Any) -> None:
    card = vendor.card("parts")["id"]
    photo = {"source_photo": ("a.jpg", draw_face(1), "image/jpeg")}

    def refused(**content: Any) -> tuple[int, str, str]:
        return error_of(vendor("POST", "/objects/faces/", **content))

    assert refused(files=photo, data={"card": "999999"}) == (400, "BAD_PARAM", "card")
    assert refused(files=photo) == (400, "BAD_PARAM", "card")
    assert refused(data={"card": str(card)}) == (400, "BAD_PARAM", "source_photo")
    bad = {"card": str(card), "mf_selector": "all"}
    assert refused(files=photo, data=bad) == (400, "BAD_PARAM", "mf_selector")


def test_an_unknown_path_and_method_answer_in_the_vendors_words(vendor: Any) -> None:
    assert error_of(vendor("GET", "/cards/humans")) == (404, "NOT_FOUND", "")
    assert error_of(vendor("POST", "/watch-lists/")) == (405, "METHOD_NOT_ALLOWED", "")
