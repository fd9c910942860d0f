"""FindFace Multi (1.2 to 2.4.1), spoken to over HTTP.

Logs in when first needed, keeps the token in memory, and turns every call into a value or one of
the exceptions of `api`. A refused token is renewed once and the call repeated once; nothing else is
ever repeated here: whether to try again is the delivery state machine's business. It never deletes
and never purges.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from mitrarr_runner.clock import Clock
from mitrarr_runner.findface import parse, verdicts
from mitrarr_runner.findface.api import (
    Probe,
    RemoteCard,
    RemoteFace,
    Trouble,
    Unavailable,
    Unknown,
    carries,
)
from mitrarr_runner.findface.generations import MULTI, Generation
from mitrarr_runner.http import (
    HttpClient,
    NotSentError,
    Response,
    UnknownOutcomeError,
    Upload,
)

PAGE = "100"
MOST_PAGES = 10_000

_Value = TypeVar("_Value")


class FindFaceMulti:
    """One server and one account; may be shared by up to `parallel` threads.

    `uuid` (1..256 characters) names this site's session and must stay the same for ever: every new
    one leaves a session behind on the server.
    """

    def __init__(
        self,
        url: str,
        username: str,
        password: str,
        uuid: str,
        *,
        clock: Clock,
        ca_file: Path | None = None,
        timeout_connect: float = 10,
        timeout_read: float = 60,
        parallel: int = 4,
        names: Generation = MULTI,
    ) -> None:
        self._basic = _basic(username, password)
        self._uuid = uuid
        self._clock = clock
        self._names = names
        self._http = HttpClient(
            url,
            timeout_connect=timeout_connect,
            timeout_read=timeout_read,
            ca_file=ca_file,
            headers={"Accept": "application/json", "Accept-Language": "en"},
            parallel=parallel,
        )
        self._logging_in = threading.Lock()
        self._token = ""
        self._locked_out: Unavailable | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object, /) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    # Looking: anything that goes wrong is Unavailable, since nothing was changed.

    def probe(self) -> Probe:
        answer = self._get(self._names.me)
        rights = self._understood(answer, parse.permissions)
        said = verdicts.date(answer.headers.get("date", ""))
        offset = (said - self._clock.now()).total_seconds() if said is not None else None
        return Probe(self.watch_lists(), rights, self.count_cards(), offset)

    def watch_lists(self) -> dict[str, int]:
        return self._parsed(lambda: parse.watch_lists(list(self._rows(self._names.lists, {}))))

    def count_cards(self) -> int:
        return self._understood(self._get(self._names.cards_count), parse.count)

    def find_cards(self, token_text: str) -> list[RemoteCard]:
        asked = {"name_contains": token_text, "limit": PAGE}
        rows = self._rows(self._names.cards, asked)
        cards = self._parsed(lambda: [parse.card(row, self._names) for row in rows])
        found = [card for card in cards if carries(card, token_text)]
        return sorted(found, key=lambda card: card.id)

    def faces_of(self, card_id: int) -> list[RemoteFace]:
        asked = {self._names.face_card: str(card_id), "limit": PAGE}
        rows = self._rows(self._names.faces, asked)
        faces = self._parsed(lambda: [parse.face(row, self._names, card_id) for row in rows])
        return sorted((one for one in faces if one.card == card_id), key=lambda one: int(one.id))

    # Making: not idempotent on the server.

    def create_card(
        self, name: str, watch_lists: list[int], meta: Mapping[str, object], comment: str = ""
    ) -> RemoteCard:
        body = {"name": name, self._names.card_lists: watch_lists, "meta": dict(meta)}
        if comment:
            body["comment"] = comment
        answer = self._post(self._names.cards, json=body)
        return self._made(answer, lambda made: parse.card(made, self._names))

    def attach_face(
        self, card_id: int, photo: bytes, file_name: str, content_type: str
    ) -> RemoteFace:
        answer = self._post(
            self._names.faces,
            data={self._names.face_card: str(card_id), "mf_selector": "reject"},
            files={self._names.photo: (file_name, photo, content_type)},
        )
        return self._made(answer, lambda made: parse.face(made, self._names, card_id))

    # Reading answers

    def _made(self, answer: Response, read: Callable[[Any], _Value]) -> _Value:
        """201 is documented, 200 is accepted. An unreadable success is not a failure: unknown."""
        if answer.status not in (200, 201):
            raise verdicts.of_create(answer, self._clock.now())
        try:
            return read(answer.json())
        except ValueError:
            raise Unknown("bad_answer", status=answer.status) from None

    def _understood(self, answer: Response, read: Callable[[Any], _Value]) -> _Value:
        return self._parsed(lambda: read(answer.json()))

    def _parsed(self, read: Callable[[], _Value]) -> _Value:
        try:
            return read()
        except ValueError:
            raise Unavailable(Trouble.BAD_ANSWER) from None

    def _rows(self, path: str, asked: Mapping[str, str]) -> Iterator[Any]:
        """Every row of a list, page by page; only the query of `next_page` is followed."""
        answer = self._get(path, asked)
        for _ in range(MOST_PAGES):
            rows, following = parse.results(answer.json())
            yield from rows
            if not following:
                return
            answer = self._get(f"{path}?{parse.next_query(following, path)}")
        raise ValueError("the pages do not end")

    # Sending

    def _get(self, path: str, params: Mapping[str, str] | None = None) -> Response:
        try:
            answer = self._with_token("GET", path, params=params)
        except (NotSentError, UnknownOutcomeError) as error:
            raise verdicts.no_lookup(error) from None
        if answer.status != 200:
            raise verdicts.of_lookup(answer, self._clock.now())
        return answer

    def _post(
        self,
        path: str,
        *,
        json: object = None,
        data: Mapping[str, str] | None = None,
        files: Mapping[str, Upload] | None = None,
    ) -> Response:
        try:
            return self._with_token("POST", path, json=json, data=data, files=files)
        except NotSentError as error:
            raise verdicts.not_connected(error) from None
        except UnknownOutcomeError as error:
            raise Unknown(error.reason) from None

    def _with_token(self, method: str, path: str, **content: Any) -> Response:
        """The request, and once more with a new token when the first was refused as stale.

        A 401 is given before the server does anything, so a create may be repeated after it too.
        """
        token = self._current_token("")
        answer = self._send(method, path, token, content)
        if answer.status != 401 or verdicts.code_of(answer) == "LICENSE_ERROR":
            return answer
        return self._send(method, path, self._current_token(token), content)

    def _send(self, method: str, path: str, token: str, content: Mapping[str, Any]) -> Response:
        return self._http.request(
            method, path, headers={"Authorization": f"Token {token}"}, **content
        )

    # Login

    def _current_token(self, stale: str) -> str:
        """A token other than `stale`; threads that meet here log in once between them."""
        with self._logging_in:
            if self._token == stale:
                self._token = self._log_in()
            return self._token

    def _log_in(self) -> str:
        if self._locked_out is not None:  # asking again would lock the account
            raise Unavailable(self._locked_out.reason, status=self._locked_out.status)
        try:
            answer = self._http.request(
                "POST",
                self._names.login,
                json={"uuid": self._uuid, "mobile": False, "device_info": {}},
                headers={"Authorization": self._basic},
            )
        except (NotSentError, UnknownOutcomeError) as error:
            raise verdicts.no_lookup(error) from None
        if answer.status not in (200, 201):
            raise self._login_refused(answer)
        return self._understood(answer, parse.token)

    def _login_refused(self, answer: Response) -> Unavailable:
        trouble = verdicts.of_lookup(answer, self._clock.now())
        if trouble.reason is Trouble.LOGIN:
            self._locked_out = trouble
        return trouble


def _basic(username: str, password: str) -> str:
    """RFC 7617, in UTF-8."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
