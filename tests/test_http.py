"""The door to HTTP against raw sockets: which failure is "not sent", which is "unknown"."""

from __future__ import annotations

import logging
import shutil
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from mitrarr_runner import http
from mitrarr_runner.clock import SystemClock
from mitrarr_runner.http import HttpClient, NotSentError, UnknownOutcomeError

SECRET = "kept-out-of-every-text"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

Talk = Callable[[socket.socket], None]


class RawServer:
    """Accepts connections on 127.0.0.1 and lets `talk` deal with each; counts them."""

    def __init__(self, talk: Talk, context: ssl.SSLContext | None = None) -> None:
        self._talk = talk
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.connections = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        try:
            if self._context is None:
                with plain:
                    self._talk(plain)
            else:
                with self._context.wrap_socket(plain, server_side=True) as secure:
                    self._talk(secure)
        except OSError:
            plain.close()

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture
def serve() -> Iterator[Callable[..., RawServer]]:
    servers: list[RawServer] = []

    def start(talk: Talk, context: ssl.SSLContext | None = None) -> RawServer:
        servers.append(RawServer(talk, context))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def request_on(connection: socket.socket) -> bytes:
    """One request with its body (Content-Length), or b"" at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line[15:]) for line in head.split(b"\r\n") if line.lower()[:15] == b"content-length:"),
        0,
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answering(*answers: bytes) -> Talk:
    """Give these answers, one per request, and then close."""

    def talk(connection: socket.socket) -> None:
        for answer in answers:
            if request_on(connection):
                connection.sendall(answer)

    return talk


def client(port: int, scheme: str = "http", **options: object) -> HttpClient:
    options = {"timeout_connect": 2, "timeout_read": 5, **options}
    return HttpClient(f"{scheme}://127.0.0.1:{port}", **options)  # type: ignore[arg-type]


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


# Not sent


def test_a_closed_port_is_not_sent() -> None:
    with client(unused_port()) as http, pytest.raises(NotSentError) as caught:
        http.request("POST", "/")
    assert (caught.value.reason, caught.value.tls) == ("refused", False)


def test_a_closed_port_is_told_even_while_another_error_is_being_handled() -> None:
    with client(unused_port()) as http:
        try:
            raise KeyError("something else")
        except KeyError:
            with pytest.raises(NotSentError) as caught:
                http.request("GET", "/")
    assert caught.value.reason == "refused"


def test_an_unknown_host_is_not_sent() -> None:
    with HttpClient("http://host.invalid") as http, pytest.raises(NotSentError) as caught:
        http.request("POST", "/")
    assert caught.value.reason == "dns"


def test_a_connection_that_never_stands_is_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:  # fill the backlog: further SYNs are dropped
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        with client(port, timeout_connect=0.2) as http, pytest.raises(NotSentError) as caught:
            http.request("POST", "/")
        for one in waiting:
            one.close()
    assert caught.value.reason == "timeout"


def test_waiting_for_a_free_connection_in_vain_is_not_sent(
    serve: Callable[..., RawServer],
) -> None:
    ended, begun = threading.Event(), threading.Event()

    def drip(connection: socket.socket) -> None:
        request_on(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        begun.set()
        while not ended.wait(0.05):
            connection.sendall(b" ")

    server = serve(drip)
    with client(server.port, parallel=1, timeout_read=0.3) as http:

        def occupy() -> None:
            with pytest.raises(UnknownOutcomeError):
                http.request("GET", "/")

        first = threading.Thread(target=occupy)
        first.start()
        assert begun.wait(5)
        with pytest.raises(NotSentError) as caught:
            http.request("POST", "/")
        ended.set()
        first.join()
    assert caught.value.reason == "busy"
    assert server.connections == 1


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://127.0.0.1", "url"),
        ("http://host:port", "url"),
        ("127.0.0.1:8000", "url"),
        ("", "url"),
        ("http://a..b", "url"),
        ("http://", "dns"),
    ],
)
def test_an_address_that_is_none_is_not_sent(url: str, reason: str) -> None:
    with HttpClient(url) as http, pytest.raises(NotSentError) as caught:
        http.request("GET", "/")
    assert caught.value.reason == reason


def test_text_that_cannot_be_encoded_is_not_sent_and_not_shown() -> None:
    with client(unused_port()) as http, pytest.raises(NotSentError) as caught:
        http.request("POST", "/", json={"name": f"{SECRET}\ud800"})
    assert caught.value.reason == "content"
    assert caught.value.__suppress_context__
    assert SECRET not in repr(caught.value)


@pytest.mark.parametrize("path", ["cards/", "//evil.example/", "http://evil.example/"])
def test_a_path_that_could_leave_the_server_is_refused(path: str) -> None:
    with client(unused_port()) as http, pytest.raises(ValueError, match="path"):
        http.request("GET", path)


# Unknown


def reset(connection: socket.socket) -> None:
    request_on(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def silence(connection: socket.socket) -> None:
    request_on(connection)
    connection.recv(1)  # until the client gives up


@pytest.mark.parametrize(
    ("talk", "reason"),
    [
        (reset, "reset"),
        (silence, "read_timeout"),
        (answering(b""), "cut"),
        (answering(b"HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n{"), "cut"),
        (answering(b"HTTP/1.1 201 Created\r\nContent-"), "cut"),
        (answering(b"this is no HTTP\r\n\r\n"), "cut"),
        (
            answering(
                b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope"
            ),
            "decoding",
        ),
    ],
)
def test_once_the_connection_stood_the_outcome_is_unknown(
    serve: Callable[..., RawServer], talk: Talk, reason: str
) -> None:
    server, hasty = serve(talk), {"timeout_read": 0.3} if talk is silence else {}
    with client(server.port, **hasty) as http, pytest.raises(UnknownOutcomeError) as caught:
        http.request("POST", f"/cards?q={SECRET}", json={"name": SECRET})
    assert caught.value.reason == reason
    assert server.connections == 1, "never retried"


def test_a_server_that_does_not_read_is_unknown(serve: Callable[..., RawServer]) -> None:
    done = threading.Event()
    server = serve(lambda connection: void(done.wait(5)))
    hasty = client(server.port, timeout_read=0.3)
    with hasty as http, pytest.raises(UnknownOutcomeError) as caught:
        http.request("POST", "/", files={"photo": ("a.jpg", b"\0" * 30_000_000, "image/jpeg")})
    done.set()
    assert caught.value.reason == "write_timeout"


def void(_: object) -> None:
    return None


def test_an_answer_without_end_is_unknown(
    serve: Callable[..., RawServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "LARGEST_ANSWER", 1000)
    server = serve(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000))
    with client(server.port) as door, pytest.raises(UnknownOutcomeError) as caught:
        door.request("GET", "/")
    assert caught.value.reason == "answer_too_large"


def test_a_kept_connection_that_dies_under_a_request_is_unknown_and_not_retried(
    serve: Callable[..., RawServer],
) -> None:
    seen: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        seen.append(request_on(connection))
        connection.sendall(OK)
        seen.append(request_on(connection))  # and close without an answer

    server = serve(talk)
    with client(server.port) as http:
        assert http.request("GET", "/1").status == 200
        with pytest.raises(UnknownOutcomeError):
            http.request("POST", "/2")
    assert server.connections == 1
    assert [one.split(b" ")[1] for one in seen] == [b"/1", b"/2"]


def test_a_kept_connection_closed_between_requests_is_replaced(
    serve: Callable[..., RawServer],
) -> None:
    closed = threading.Event()

    def talk(connection: socket.socket) -> None:
        request_on(connection)
        connection.sendall(OK)
        connection.shutdown(socket.SHUT_RDWR)
        closed.set()

    server = serve(talk)
    with client(server.port) as http:
        assert http.request("GET", "/").status == 200
        assert closed.wait(5)
        assert http.request("POST", "/").status == 200
    assert server.connections == 2


# What it does not do


def test_a_redirect_is_an_answer_and_is_not_followed(serve: Callable[..., RawServer]) -> None:
    canary = serve(answering(OK))
    place = f"http://127.0.0.1:{canary.port}/".encode()
    server = serve(
        answering(b"HTTP/1.1 307 X\r\nContent-Length: 0\r\nLocation: " + place + b"\r\n\r\n")
    )
    with client(server.port) as http:
        answer = http.request("POST", "/", json={})
    assert (answer.status, answer.headers["location"]) == (307, place.decode())
    assert canary.connections == 0


def test_proxy_variables_are_ignored(
    serve: Callable[..., RawServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    canary, server = serve(answering(OK)), serve(answering(OK))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with client(server.port) as http:
        assert http.request("GET", "/").status == 200
    assert (canary.connections, server.connections) == (0, 1)


def test_cookies_are_not_kept(serve: Callable[..., RawServer]) -> None:
    seen: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        for _ in range(2):
            seen.append(request_on(connection))
            connection.sendall(OK.replace(b"\r\n\r\n", b"\r\nSet-Cookie: sessionid=1\r\n\r\n"))

    with client(serve(talk).port) as http:
        for _ in range(2):
            assert http.request("GET", "/").status == 200
    assert len(seen) == 2
    assert not any(b"cookie" in one.lower() for one in seen)


def test_texts_and_logs_hold_no_query_and_no_body(
    serve: Callable[..., RawServer], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = serve(answering(OK, b""))
    with client(server.port) as http:
        http.request("POST", f"/hook?key={SECRET}", json={"text": SECRET})
        with pytest.raises(UnknownOutcomeError) as caught:
            http.request("POST", f"/hook?key={SECRET}", json={"text": SECRET})
    error = caught.value
    assert SECRET not in f"{error!r} {error} {error.__cause__!r} {caplog.text}"


def test_what_is_sent_arrives(serve: Callable[..., RawServer]) -> None:
    seen: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        seen.append(request_on(connection))
        connection.sendall(OK)

    server = serve(talk)
    with HttpClient(f"http://127.0.0.1:{server.port}/api", headers={"Accept-Language": "en"}) as h:
        answer = h.request(
            "POST", "/cards/?page=a%2Fb", json={"name": "José"}, headers={"X-A": "1"}
        )
    assert answer.json() == {}
    assert seen[0].startswith(b"POST /api/cards/?page=a%2Fb HTTP/1.1\r\n")
    assert b"Accept-Language: en\r\n" in seen[0]
    assert b"User-Agent: mitrarr\r\n" in seen[0]
    assert b"X-A: 1\r\n" in seen[0]
    assert seen[0].endswith('{"name":"José"}'.encode())


@pytest.mark.parametrize("body", [b"<html>", b"", b"\xff\xfe", b"[" * 200_000])
def test_a_body_that_is_no_json_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (any ValueError is the contract)
        http.Response(200, {}, body).json()


# Certificates


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two self-signed ones for 127.0.0.1 ("right", "wrong"), one for another host ("other")."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("certificates")
    for name, host in (("right", "IP:127.0.0.1"), ("wrong", "IP:127.0.0.1"), ("other", "DNS:x")):
        subprocess.run(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
            f"-subj /CN={name} -addext subjectAltName={host} "
            f"-keyout {name}.key -out {name}.pem".split(),
            cwd=folder,
            check=True,
            capture_output=True,
        )
    return {name: folder / f"{name}.pem" for name in ("right", "wrong", "other")}


def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    return context


def test_the_sites_own_authority_is_trusted(
    serve: Callable[..., RawServer], certificates: dict[str, Path]
) -> None:
    server = serve(answering(OK), tls(certificates["right"]))
    with client(server.port, "https", ca_file=certificates["right"]) as http:
        assert http.request("GET", "/").status == 200


@pytest.mark.parametrize(
    ("shown", "trusted"), [("right", "wrong"), ("right", None), ("other", "other")]
)
def test_a_certificate_that_does_not_hold_is_not_sent(
    serve: Callable[..., RawServer],
    certificates: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    shown: str,
    trusted: str | None,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates["right"]))  # must not help
    seen: list[bytes] = []
    server = serve(lambda one: seen.append(request_on(one)), tls(certificates[shown]))
    ca_file = certificates[trusted] if trusted else None
    with (
        client(server.port, "https", ca_file=ca_file) as http,
        pytest.raises(NotSentError) as caught,
    ):
        http.request("POST", "/")
    assert (caught.value.reason, caught.value.tls) == ("tls", True)
    assert seen in ([], [b""])


def test_tls_with_a_server_that_speaks_none_is_not_sent(serve: Callable[..., RawServer]) -> None:
    server = serve(lambda one: one.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    with (
        client(server.port, "https") as http,
        pytest.raises(NotSentError) as caught,
    ):
        http.request("POST", "/")
    assert caught.value.tls


@pytest.mark.parametrize("content", [None, b"", b"not a certificate"])
def test_an_unusable_authority_file_is_not_sent(tmp_path: Path, content: bytes | None) -> None:
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_bytes(content)
    with (
        client(unused_port(), "https", ca_file=ca_file) as http,
        pytest.raises(NotSentError) as caught,
    ):
        http.request("GET", "/")
    assert (caught.value.reason, caught.value.tls) == ("ca_file", True)


# When a certificate ends


@pytest.fixture(scope="module")
def expired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("expired")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for words in (
        "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=old"
        " -keyout old.key -out old.csr",
        "x509 -req -in old.csr -signkey old.key -days -1 -extfile names -out old.pem",
    ):
        subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True)
    return folder / "old.pem"


def test_the_end_of_a_certificate(
    serve: Callable[..., RawServer], certificates: dict[str, Path]
) -> None:
    server = serve(lambda one: request_on(one) and None, tls(certificates["right"]))
    url = f"https://127.0.0.1:{server.port}/api"
    end = http.certificate_end(url, ca_file=certificates["right"])
    assert end is not None
    left = end - SystemClock().now()
    assert timedelta(days=1.9) < left <= timedelta(days=2)
    assert http.certificate_end(f"http://127.0.0.1:{server.port}") is None


@pytest.mark.parametrize(
    ("shown", "trusted", "reason"),
    [
        ("right", "wrong", "untrusted"),
        ("right", None, "untrusted"),
        ("other", "other", "other_host"),
    ],
)
def test_why_a_certificate_does_not_hold(
    serve: Callable[..., RawServer],
    certificates: dict[str, Path],
    shown: str,
    trusted: str | None,
    reason: str,
) -> None:
    server = serve(lambda one: request_on(one) and None, tls(certificates[shown]))
    ca_file = certificates[trusted] if trusted else None
    with pytest.raises(NotSentError) as caught:
        http.certificate_end(f"https://127.0.0.1:{server.port}", ca_file=ca_file)
    assert (caught.value.reason, caught.value.tls) == (reason, True)


def test_an_expired_certificate_says_so(serve: Callable[..., RawServer], expired: Path) -> None:
    server = serve(lambda one: request_on(one) and None, tls(expired))
    with pytest.raises(NotSentError) as caught:
        http.certificate_end(f"https://127.0.0.1:{server.port}", ca_file=expired)
    assert caught.value.reason == "expired"


def test_no_connection_no_certificate(serve: Callable[..., RawServer]) -> None:
    for url, reason in (
        (f"https://127.0.0.1:{unused_port()}", "refused"),
        ("https://127.0.0.1:99999", "url"),
        ("https://nobody.invalid", "dns"),
    ):
        with pytest.raises(NotSentError) as caught:
            http.certificate_end(url)
        assert caught.value.reason == reason
    silent = serve(lambda one: one.settimeout(5) or (one.recv(65536) and one.recv(1)))
    with pytest.raises(NotSentError) as caught:
        http.certificate_end(f"https://127.0.0.1:{silent.port}", timeout=0.2)
    assert caught.value.reason == "timeout"
