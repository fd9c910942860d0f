"""Listen on 127.0.0.1 and serve until told to stop (the door to uvicorn)."""

from __future__ import annotations

import errno
import socket

from mitrarr_runner.api.app import make
from mitrarr_runner.api.sites import Desk
from mitrarr_runner.errors import UsageError
from mitrarr_runner.text import text


def listen(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1; port 0 takes a free one. Raises UsageError where taken.

    The protocol is named on purpose: with 0, asyncio leaves Nagle's algorithm on (measured: 44 ms
    per request instead of 1).
    """
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind(("127.0.0.1", port))
        server.listen(64)
    except OSError as error:
        server.close()
        if error.errno == errno.EADDRINUSE:
            message = text("port {port} is in use on this machine", port=str(port))
        else:
            message = text("port {port}: {reason}", port=str(port), reason=error.strerror or "")
        raise UsageError(
            message,
            code="port",
            hint=text("is another mitrarr serve running? else choose one: --port 8001"),
        ) from error
    return server


def serve(desk: Desk, server: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM; requests in progress are finished."""
    import uvicorn

    config = uvicorn.Config(
        make(desk), log_config=None, access_log=False, server_header=False, lifespan="off"
    )
    uvicorn.Server(config).run(sockets=[server])
