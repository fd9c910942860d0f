"""The server's end of each connection, and how to hang up on it.

uvicorn keeps the transport to itself; a subclass of its protocol leaves it in every request's
state, so that a connection can be reset truly (RST, nothing flushed) and not merely closed.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class OpenProtocol(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, with `state["transport"]` in each request."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


async def reset(scope: Scope) -> None:
    """Reset the request's connection: with SO_LINGER 0 the kernel sends RST on close."""
    transport: asyncio.Transport = scope["state"]["transport"]
    end = transport.get_extra_info("socket")
    if end is not None and not transport.is_closing():
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    await asyncio.sleep(0)  # lets uvicorn see that the client is gone


async def close(scope: Scope) -> None:
    """Flush what was written and close (FIN), although the answer is not whole."""
    scope["state"]["transport"].close()
    await asyncio.sleep(0)


async def whole_body(receive: Receive) -> bytes:
    """The request's body, read to its end."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return bytes(body)


def replay(body: bytes) -> Receive:
    """A `receive` that gives the body in one piece."""
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return pending.pop() if pending else {"type": "http.disconnect"}

    return receive
