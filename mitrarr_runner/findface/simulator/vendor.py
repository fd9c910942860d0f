"""The vendor's API, on the register of people: one route per documented endpoint we call.

Routes check, change the register and answer in the vendor's words. Troubles are not made here; a
route only obeys the two wishes that `weather` leaves in the request's state (`hide_for` seconds, a
`foreign` host for the next page). There is no purge.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Form, Header, Request, UploadFile
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from mitrarr_runner.clock import iso
from mitrarr_runner.findface.simulator import photos, search
from mitrarr_runner.findface.simulator.errors import (
    bad_param,
    invalid_pk,
    not_found,
    unauthorized,
)
from mitrarr_runner.findface.simulator.people import Card, Face, People

SESSION = timedelta(days=30)
PERMISSIONS = ("ffsecurity.add_humancard", "ffsecurity.view_humancard", "ffsecurity.add_faceobject")

_Row = TypeVar("_Row", Card, Face)


@dataclass(frozen=True, slots=True)
class Account:
    username: str
    password: str


class LoginBody(BaseModel):
    uuid: str = Field(min_length=1, max_length=256)
    mobile: bool = False
    device_info: dict[str, Any] = Field(default_factory=dict)


class CardBody(BaseModel):
    name: str = Field(min_length=1, max_length=256)
    watch_lists: list[int] = Field(min_length=1)
    comment: str = Field(default="", max_length=2048)
    active: bool = True
    meta: dict[str, Any] = Field(default_factory=dict)


class Vendor:
    """The routes of one simulated server; `router()` hangs them into an application."""

    def __init__(self, people: People, account: Account) -> None:
        self._people = people
        self._account = account

    def router(self) -> APIRouter:
        """/auth/login/ by Basic; everything else behind Token."""
        door = APIRouter()
        door.add_api_route("/auth/login/", self.log_in, methods=["POST"])
        inside = APIRouter(dependencies=[Depends(self.admit)])
        routes: list[tuple[str, str, Callable[..., Any]]] = [
            ("GET", "/users/me/", self.me),
            ("GET", "/watch-lists/", self.lists),
            ("GET", "/cards/humans/", self.cards),
            ("POST", "/cards/humans/", self.create_card),
            ("GET", "/cards/humans/count/", self.count),
            ("GET", "/cards/humans/{key}/", self.card),
            ("DELETE", "/cards/humans/{key}/", self.delete_card),
            ("GET", "/objects/faces/", self.faces),
            ("POST", "/objects/faces/", self.create_face),
            ("GET", "/objects/faces/{key}/", self.face),
            ("DELETE", "/objects/faces/{key}/", self.delete_face),
        ]
        for method, path, handler in routes:
            inside.add_api_route(path, handler, methods=[method], response_model=None)
        door.include_router(inside)
        return door

    # Sessions

    async def log_in(
        self, body: LoginBody, authorization: Annotated[str, Header()] = ""
    ) -> dict[str, Any]:
        if not self._is_account(authorization):
            raise unauthorized()
        expires = self._people.now() + SESSION
        return {
            "token": self._people.log_in(body.uuid),
            "token_expiration_datetime": iso(expires),
            "user": self._user(),
        }

    async def admit(self, authorization: Annotated[str, Header()] = "") -> None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "token" or not self._people.knows(token):
            raise unauthorized()

    def _is_account(self, authorization: str) -> bool:
        scheme, _, value = authorization.partition(" ")
        try:
            given = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            return False
        expected = f"{self._account.username}:{self._account.password}".encode()
        return scheme.lower() == "basic" and secrets.compare_digest(given, expected)

    def _user(self) -> dict[str, Any]:
        return {"id": 1, "name": self._account.username, "permissions": list(PERMISSIONS)}

    async def me(self) -> dict[str, Any]:
        rights = {str(key): ["view", "edit"] for key in self._people.lists if key > 0}
        return {**self._user(), "watch_list_permissions": rights}

    async def lists(self) -> dict[str, Any]:
        rows = [
            {"id": one.id, "name": one.name, "active": one.active}
            for one in self._people.lists.values()
        ]
        return {"next_page": None, "prev_page": None, "results": rows}

    # People

    async def create_card(self, request: Request, body: CardBody) -> JSONResponse:
        for key in body.watch_lists:
            if key not in self._people.lists:
                raise invalid_pk("watch_lists", key)
            if key < 0:
                raise bad_param("watch_lists", "This watch list cannot hold cards.")
        card = self._people.add_card(
            body.name,
            body.watch_lists,
            body.meta,
            body.comment,
            active=body.active,
            hidden_for=getattr(request.state, "hide_for", 0.0),
        )
        return JSONResponse(self._shown(card), status_code=201)

    async def cards(self, request: Request) -> dict[str, Any]:
        asked = dict(request.query_params)
        return self._page(request, search.cards(self._people, asked), self._shown)

    async def count(self, request: Request) -> dict[str, int]:
        return {"count": len(list(search.cards(self._people, dict(request.query_params))))}

    async def card(self, key: int) -> dict[str, Any]:
        return self._shown(self._card(key))

    async def delete_card(self, key: int) -> Response:
        self._people.remove_card(self._card(key).id)
        return Response(status_code=204)

    def _card(self, key: int) -> Card:
        if key not in self._people.cards:
            raise not_found()
        return self._people.cards[key]

    def _shown(self, card: Card) -> dict[str, Any]:
        faces = len(self._people.faces_of(card.id))
        return {
            "id": card.id,
            "name": card.name,
            "comment": card.comment,
            "active": card.active,
            "watch_lists": card.watch_lists,
            "meta": card.meta,
            "face_objects": faces,
            "filled": faces > 0,
            "created_date": card.created,
        }

    # Faces

    async def create_face(
        self,
        card: Annotated[int, Form()],
        source_photo: UploadFile | None = None,
        mf_selector: Annotated[str, Form()] = "reject",
    ) -> JSONResponse:
        if card not in self._people.cards:
            raise invalid_pk("card", card)
        if mf_selector not in ("reject", "biggest"):
            raise bad_param("mf_selector", "Not a valid choice.")
        if source_photo is None:
            raise bad_param("source_photo", "source_photo must be provided")
        try:
            width, height = photos.look(await source_photo.read())
        except photos.PhotoRefusedError as error:
            raise bad_param("source_photo", str(error)) from None
        made = self._people.add_face(card, source_photo.filename or "", width, height)
        return JSONResponse(_face(made), status_code=201)

    async def faces(self, request: Request) -> dict[str, Any]:
        asked = dict(request.query_params)
        found: Iterable[Face] = self._people.faces.values()
        if "card" in asked:
            found = [face for face in found if str(face.card) in asked["card"].split(",")]
        return self._page(request, found, _face)

    async def face(self, key: str) -> dict[str, Any]:
        return _face(self._face(key))

    async def delete_face(self, key: str) -> Response:
        self._people.remove_face(self._face(key).id)
        return Response(status_code=204)

    def _face(self, key: str) -> Face:
        if key not in self._people.faces:
            raise not_found()
        return self._people.faces[key]

    # Pages

    def _page(
        self, request: Request, rows: Iterable[_Row], show: Callable[[_Row], dict[str, Any]]
    ) -> dict[str, Any]:
        page = search.page(rows, dict(request.query_params))
        following = None
        if page.following:
            address = request.url.include_query_params(page=page.following)
            foreign = getattr(request.state, "foreign", "")
            following = str(address.replace(netloc=foreign) if foreign else address)
        return {
            "next_page": following,
            "prev_page": None,
            "results": [show(row) for row in page.rows],
        }


def _face(face: Face) -> dict[str, Any]:
    return {
        "id": face.id,
        "card": face.card,
        "source_photo_name": face.source_photo_name,
        "source_photo": f"/uploads/{face.id}/source",
        "thumbnail": f"/uploads/{face.id}/thumbnail",
        "frame_coords_left": 0,
        "frame_coords_top": 0,
        "frame_coords_right": face.width,
        "frame_coords_bottom": face.height,
        "active": True,
        "created_date": face.created,
    }
