"""What does each trouble look like on the wire? The layer between the socket and the vendor's API.

Every request of the vendor's API passes through here: its body is read whole, a trouble may be
drawn, and the trouble decides whether the API is asked, and what of its answer leaves. Requests to
`/_simulator/` pass untouched. A trouble that did not happen is given back, so that it is not
counted: a lost answer is one whose work had been done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from fastapi.responses import HTMLResponse, Response

from mitrarr_runner.findface.simulator import errors, wire
from mitrarr_runner.findface.simulator.faults import Fault, Faults, Kind
from mitrarr_runner.findface.simulator.people import People
from mitrarr_runner.findface.simulator.wire import Application, Message, Receive, Scope, Send

CONTROL = "/_simulator/"
_HTML = "<html><head><title>{0}</title></head><body><h1>{0}</h1><hr>nginx</body></html>"


@dataclass(frozen=True, slots=True)
class Spans:
    """Seconds that troubles last, and the host that a foreign page names."""

    slow: float = 2.0
    late: float = 1.0
    lag: float = 1.0
    busy: int = 1
    foreign: str = "192.0.2.1"  # RFC 5737: documentation, answers nowhere


class _Visit:
    """One request: what it asks, how to have it done, where its answer goes."""

    def __init__(self, app: Application, scope: Scope, body: bytes, send: Send) -> None:
        self._app = app
        self.scope = scope
        self.body = body
        self.send = send

    async def done(self) -> list[Message]:
        """Have the API do it and keep its answer."""
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        await self._app(self.scope, wire.replay(self.body), keep)
        return answer

    async def passed(self) -> None:
        await self._app(self.scope, wire.replay(self.body), self.send)

    async def answered(self, response: Response) -> None:
        await response(self.scope, wire.replay(self.body), self.send)

    async def forwarded(self, answer: list[Message]) -> None:
        for message in answer:
            await self.send(message)


class Weather:
    """An ASGI application around the vendor's API."""

    def __init__(self, app: Application, people: People, faults: Faults, spans: Spans) -> None:
        self._app = app
        self._people = people
        self._faults = faults
        self._spans = spans
        self._later: set[asyncio.Task[list[Message]]] = set()
        self.requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(CONTROL):
            await self._app(scope, receive, send)
            return
        self.requests += 1
        visit = _Visit(self._app, scope, await wire.whole_body(receive), send)
        fault = self._faults.draw(kind_of(scope))
        if fault is None:
            await visit.passed()
        elif fault in _UNDONE:
            await self._undone(fault, visit)
        else:
            await self._troubles()[fault](visit)

    async def _undone(self, fault: Fault, visit: _Visit) -> None:
        """Troubles in which something in front of the API answers, and nothing is done."""
        response = _UNDONE[fault]()
        if fault is Fault.BUSY:
            response.headers["Retry-After"] = str(self._spans.busy)
        await visit.answered(response)

    def _troubles(self) -> dict[Fault, Callable[[_Visit], Awaitable[None]]]:
        return {
            Fault.RESET: self._reset,
            Fault.LOST: self._lost,
            Fault.LATE: self._late,
            Fault.CUT: self._cut,
            Fault.GATEWAY: self._gateway,
            Fault.SLOW: self._slow,
            Fault.LAG: self._lag,
            Fault.EXPIRED: self._expired,
            Fault.FOREIGN_PAGE: self._foreign_page,
        }

    async def _reset(self, visit: _Visit) -> None:
        await wire.reset(visit.scope)

    async def _lost(self, visit: _Visit) -> None:
        answer = await visit.done()
        if not _succeeded(answer):
            self._faults.give_back(Fault.LOST)
            await visit.forwarded(answer)
            return
        await wire.reset(visit.scope)

    async def _late(self, visit: _Visit) -> None:
        task = asyncio.create_task(self._do_later(visit))
        self._later.add(task)
        task.add_done_callback(self._later.discard)
        await wire.reset(visit.scope)

    async def _do_later(self, visit: _Visit) -> list[Message]:
        await asyncio.sleep(self._spans.late)
        return await visit.done()

    async def _cut(self, visit: _Visit) -> None:
        """The head of the answer and half of its body."""
        for message in await visit.done():
            body = message.get("body", b"")
            if message["type"] == "http.response.body":
                message = {**message, "body": body[: len(body) // 2], "more_body": True}
            await visit.send(message)
            if body:
                break
        await wire.close(visit.scope)

    async def _gateway(self, visit: _Visit) -> None:
        done = self._faults.toss()
        if done:
            await visit.done()
        await visit.answered(_page(504 if done else 502, "Bad gateway"))

    async def _slow(self, visit: _Visit) -> None:
        await asyncio.sleep(self._spans.slow)
        await visit.passed()

    async def _lag(self, visit: _Visit) -> None:
        visit.scope["state"]["hide_for"] = self._spans.lag
        answer = await visit.done()
        if not _succeeded(answer):
            self._faults.give_back(Fault.LAG)
        await visit.forwarded(answer)

    async def _expired(self, visit: _Visit) -> None:
        headers = dict(visit.scope["headers"])
        self._people.log_out(headers.get(b"authorization", b"").decode().partition(" ")[2])
        await visit.passed()

    async def _foreign_page(self, visit: _Visit) -> None:
        visit.scope["state"]["foreign"] = self._spans.foreign
        answer = await visit.done()
        host = self._spans.foreign.encode()
        if not any(host in message.get("body", b"") for message in answer):
            self._faults.give_back(Fault.FOREIGN_PAGE)
        await visit.forwarded(answer)


def kind_of(scope: Scope) -> Kind:
    path: str = scope["path"]
    if path.startswith("/auth/"):
        return Kind.LOGIN
    if scope["method"] == "DELETE":
        return Kind.DELETE
    if scope["method"] != "POST":
        return Kind.LOOK
    return Kind.FACE if path.startswith("/objects/faces") else Kind.CARD


def _succeeded(answer: list[Message]) -> bool:
    return any(200 <= int(message.get("status", 0)) < 300 for message in answer)


def _page(status: int, title: str) -> Response:
    return HTMLResponse(_HTML.format(f"{status} {title}"), status)


_UNDONE: Mapping[Fault, Callable[[], Response]] = {
    Fault.UNAVAILABLE: lambda: _page(503, "Service Temporarily Unavailable"),
    Fault.TOO_LARGE: lambda: _page(413, "Request Entity Too Large"),
    Fault.ERROR: lambda: errors.broken().answer(),
    Fault.LICENCE: lambda: errors.licence().answer(),
    Fault.FORBIDDEN: lambda: errors.forbidden().answer(),
    Fault.BUSY: lambda: errors.too_many().answer(),
}
