"""A simulator per test module, fair weather at the start of each test, and a canned server."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

import pytest

from mitrarr_runner.clock import SystemClock
from mitrarr_runner.findface.multi import FindFaceMulti
from mitrarr_runner.findface.simulator.process import SimulatorProcess, start
from mitrarr_runner.http import HttpClient, Response


@pytest.fixture(scope="module")
def running() -> Iterator[SimulatorProcess]:
    short = {"slow": 0.8, "late": 0.8, "lag": 0.8, "busy": 7}
    with start(lists=("DETRAN", "Civil Ação"), spans=short) as simulator:
        yield simulator


@pytest.fixture
def simulator(running: SimulatorProcess) -> SimulatorProcess:
    running.set_faults({})
    return running


@pytest.fixture
def findface(simulator: SimulatorProcess) -> Iterator[FindFaceMulti]:
    """Logged in, in fair weather."""
    with connect(simulator.url) as client:
        client.watch_lists()
        yield client


def connect(url: str, **options: Any) -> FindFaceMulti:
    options = {"password": "demo", "uuid": "site-1", "timeout_read": 5, **options}
    return FindFaceMulti(url, "mitrarr", clock=SystemClock(), **options)


@pytest.fixture
def connecting() -> Callable[..., FindFaceMulti]:
    return connect


@pytest.fixture(scope="module")
def tokens() -> Iterator[str]:
    """Lookup tokens that no other test uses."""
    return (f"[m:AAAAAAAAAAAAAAAA{number:04d}]" for number in count())


@dataclass
class Vendor:
    """The plain client of the simulator's tests, with a token of its own."""

    http: HttpClient
    token: str = ""
    uuid: str = "tester"

    def log_in(self, uuid: str = "tester") -> str:
        answer = self.http.request(
            "POST",
            "/auth/login/",
            json={"uuid": uuid, "mobile": False, "device_info": {}},
            headers={"Authorization": "Basic bWl0cmFycjpkZW1v"},
        )
        assert answer.status == 200, answer.body
        token: str = answer.json()["token"]
        return token

    def __call__(self, method: str, path: str, **content: Any) -> Response:
        if not self.token:
            self.token = self.log_in()
        headers = {"Authorization": f"Token {self.token}"}
        return self.http.request(method, path, headers=headers, **content)

    def card(self, name: str, **more: object) -> dict[str, Any]:
        answer = self("POST", "/cards/humans/", json={"name": name, "watch_lists": [1], **more})
        assert answer.status == 201, answer.body
        made: dict[str, Any] = answer.json()
        return made

    def face(self, card: object, photo: bytes, name: str = "a.jpg") -> Response:
        files = {"source_photo": (name, photo, "application/octet-stream")}
        return self("POST", "/objects/faces/", data={"card": str(card)}, files=files)


@pytest.fixture
def vendor(simulator: SimulatorProcess) -> Iterator[Vendor]:
    with HttpClient(simulator.url) as http:
        yield Vendor(http)


@dataclass
class Canned:
    """What the far side says, path by path: (status, headers, body), the last one for ever."""

    url: str
    answers: dict[str, list[tuple[int, dict[str, str], bytes]]] = field(default_factory=dict)
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def say(
        self, path: str, status: int, body: object = "", headers: dict[str, str] | None = None
    ) -> None:
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.answers.setdefault(path, []).append((status, headers or {}, content))

    def asked(self, path: str) -> int:
        return sum(one[1].partition("?")[0] == path for one in self.seen)


@pytest.fixture
def canned() -> Iterator[Canned]:
    """A server that says what it is told to; it lets everybody log in unless told otherwise."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            state.seen.append((self.command, self.path, dict(self.headers)))
            known = state.answers.get(self.path.partition("?")[0])
            if known is None:
                known = [(200, {}, b'{"token": "t"}')]
            status, headers, body = known.pop(0) if len(known) > 1 else known[0]
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer

        def log_message(self, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state = Canned(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()
