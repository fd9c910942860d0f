"""Did the request reach the server? The one door to HTTP, for FindFace and for webhooks.

A request ends in exactly one of three ways: a Response (whatever its status), `NotSentError` (no
connection stood, so nothing can have happened at the other side) or `UnknownOutcomeError` (the
connection stood and no whole answer came back: the server may have done the work).

It never retries, never follows a redirect, never reads proxy variables, `.netrc` or certificate
variables, never keeps a cookie and never switches verification off. The texts of its exceptions
hold codes only: no URL, no query, no body.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import httpx2

USER_AGENT = "mitrarr"
LARGEST_ANSWER = 32 * 1024 * 1024
IDLE_SECONDS = 5.0

_VERIFY_CODES = {
    10: "expired",
    18: "untrusted",
    19: "untrusted",
    20: "untrusted",
    62: "other_host",
    64: "other_host",
}
"""OpenSSL's codes (x509_vfy.h): expired; self-signed, here or above; no issuer; host; address."""

Upload = tuple[str, bytes, str]
"""File name, content, content type."""


class TransportError(Exception):
    """No answer; `reason` is a short code ("refused", "dns", "read_timeout" ...)."""

    def __init__(self, reason: str, *, tls: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.tls = tls


class NotSentError(TransportError):
    """No connection stood: the server has not seen the request.

    reason: "refused", "dns", "timeout", "unreachable", "reset" (in the handshake), "tls",
    "ca_file" (missing or not PEM), "busy" (no connection became free), "url", or "content" (text
    that UTF-8 cannot hold: the one reason that trying again will not mend).
    `tls` is set when a certificate or the TLS handshake was the cause, which waiting will not mend.
    """


class UnknownOutcomeError(TransportError):
    """The connection stood and no whole answer came: timeout, reset, cut or malformed answer."""


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; ValueError when it is not (nesting that is too deep included)."""
        try:
            return json.loads(self.body)
        except RecursionError:
            raise ValueError("nested too deep") from None


class HttpClient:
    """Requests to one server, over at most `parallel` connections; may be shared by threads.

    `ca_file` holds the site's own authority in PEM, and then it alone is trusted; without it, the
    system's authorities are. Timeouts are seconds; the read timeout is the longest silence.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout_connect: float = 10,
        timeout_read: float = 60,
        ca_file: Path | None = None,
        headers: Mapping[str, str] | None = None,
        parallel: int = 4,
    ) -> None:
        self._base_url = base_url
        self._timeouts = (timeout_connect, timeout_read)
        self._ca_file = ca_file
        self._headers = {"User-Agent": USER_AGENT, **(headers or {})}
        self._parallel = parallel
        self._opening = threading.Lock()
        self._client: httpx2.Client | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        with self._opening:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: object = None,
        files: Mapping[str, Upload] | None = None,
        data: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """One request, tried once. `path` starts with "/" and is joined to the base URL's path;
        it may carry a query. Raises NotSentError or UnknownOutcomeError."""
        if not path.startswith("/") or path.startswith("//"):
            raise ValueError("a path on this server was expected")
        import httpx2

        try:
            client = self._open()
            with client.stream(
                method, path, params=params, json=json, files=files, data=data, headers=headers
            ) as answer:
                return Response(answer.status_code, dict(answer.headers), _read(answer))
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise _not_sent(error) from None
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol):
            raise NotSentError("url") from None
        except UnicodeError as error:  # its text would show what could not be encoded
            content = getattr(error, "encoding", "") == "utf-8"
            raise NotSentError("content" if content else "url") from None
        except httpx2.RequestError as error:
            raise UnknownOutcomeError(_broken(error)) from None

    def _open(self) -> httpx2.Client:
        with self._opening:
            if self._client is None:
                self._client = self._build()
            return self._client

    def _build(self) -> httpx2.Client:
        import logging

        import httpx2

        # The library logs each URL, and a webhook's URL may hold its secret.
        logging.getLogger("httpx2").setLevel(logging.WARNING)
        connect, read = self._timeouts
        return httpx2.Client(
            base_url=self._base_url,
            headers=self._headers,
            cookies=_no_cookies(),
            verify=_trust(self._base_url, self._ca_file),
            trust_env=False,
            follow_redirects=False,
            timeout=httpx2.Timeout(read, connect=connect),
            limits=httpx2.Limits(
                max_connections=self._parallel,
                max_keepalive_connections=self._parallel,
                keepalive_expiry=IDLE_SECONDS,
            ),
        )


def certificate_end(
    base_url: str, *, ca_file: Path | None = None, timeout: float = 10
) -> datetime | None:
    """When the certificate of a server ends, checked as a request would check it; None over plain
    HTTP. Nothing is sent over the connection.

    Raises NotSentError; its reason is finer here where the certificate is to blame: "expired",
    "untrusted" (no authority we know signed it), "other_host", else "tls".
    """
    address = urlsplit(base_url)
    if address.scheme.lower() != "https":
        return None
    context = _trust(base_url, ca_file)
    if isinstance(context, bool):
        import httpx2

        context = httpx2.create_ssl_context(trust_env=False)
    try:
        where = (address.hostname or "", address.port or 443)
        with (
            socket.create_connection(where, timeout) as plain,
            context.wrap_socket(plain, server_hostname=where[0]) as secure,
        ):
            end = (secure.getpeercert() or {}).get("notAfter")
    except ssl.SSLCertVerificationError as error:
        raise NotSentError(_VERIFY_CODES.get(error.verify_code, "tls"), tls=True) from None
    except TimeoutError:
        raise NotSentError("timeout") from None
    except OSError as error:
        raise _no_connection(error) from None
    except ValueError:  # a port that is none, a host that no certificate can name
        raise NotSentError("url") from None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(end)), UTC)


def _trust(base_url: str, ca_file: Path | None) -> ssl.SSLContext | bool:
    """Whom to trust; over plain HTTP nobody, which saves reading the system's authorities."""
    if base_url.lower().startswith("http://"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except (OSError, ValueError):  # missing, unreadable, not PEM
        raise NotSentError("ca_file", tls=True) from None


def _no_cookies() -> Any:
    """A jar that takes nothing: a session cookie beside a token makes some servers ask for CSRF."""
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


def _read(answer: httpx2.Response) -> bytes:
    body = bytearray()
    for chunk in answer.iter_bytes():
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise UnknownOutcomeError("answer_too_large")
    return bytes(body)


def _not_sent(error: Exception) -> NotSentError:
    """Told by the system's own error, which the library wraps twice."""
    import httpx2

    if isinstance(error, httpx2.PoolTimeout):
        return NotSentError("busy")
    if isinstance(error, httpx2.ConnectTimeout):
        return NotSentError("timeout")
    return _no_connection(_system_error(error))


def _no_connection(cause: OSError | None) -> NotSentError:
    if isinstance(cause, ssl.SSLError):
        return NotSentError("tls", tls=True)
    if isinstance(cause, socket.gaierror):
        return NotSentError("dns")
    if isinstance(cause, ConnectionRefusedError):
        return NotSentError("refused")
    if isinstance(cause, ConnectionError):  # reset or cut during the TLS handshake
        return NotSentError("reset")
    return NotSentError("unreachable")


def _system_error(error: BaseException | None) -> OSError | None:
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error


def _broken(error: Exception) -> str:
    import httpx2

    names: dict[type[Exception], str] = {
        httpx2.ReadTimeout: "read_timeout",
        httpx2.WriteTimeout: "write_timeout",
        httpx2.RemoteProtocolError: "cut",
        httpx2.NetworkError: "reset",
        httpx2.DecodingError: "decoding",
    }
    return next((name for kind, name in names.items() if isinstance(error, kind)), "protocol")
