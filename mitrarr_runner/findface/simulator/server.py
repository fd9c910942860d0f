"""How does the simulator run? One application, one event loop, one socket on 127.0.0.1.

It prints one line of JSON when it answers, and ends by itself when its standard input closes, when
the process it was told to watch ends, or on a signal.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
from dataclasses import dataclass
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response

from mitrarr_runner.findface.simulator import control, errors
from mitrarr_runner.findface.simulator.errors import VendorError
from mitrarr_runner.findface.simulator.faults import Faults
from mitrarr_runner.findface.simulator.people import People
from mitrarr_runner.findface.simulator.vendor import Account, Vendor
from mitrarr_runner.findface.simulator.weather import Spans, Weather
from mitrarr_runner.findface.simulator.wire import OpenProtocol

HOST = "127.0.0.1"
GRACE = 1  # seconds that requests under way get at the end


@dataclass(frozen=True, slots=True)
class Watch:
    """Whose end is ours: the standard input, a process."""

    standard_input: bool = True
    process: int | None = None


def application(people: People, account: Account, faults: Faults, spans: Spans) -> Weather:
    """The vendor's API and our control, inside the weather."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.add_exception_handler(VendorError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(404, _no_route)
    app.add_exception_handler(405, _no_route)
    app.include_router(Vendor(people, account).router())
    weather = Weather(app, people, faults, spans)
    app.include_router(control.router(people, faults, lambda: weather.requests))
    return weather


def serve(app: Weather, port: int, watch: Watch) -> None:
    """Listen on 127.0.0.1 and answer until told to end; port 0 takes a free one."""
    config = uvicorn.Config(
        app,
        http=OpenProtocol,
        ws="none",
        lifespan="off",
        log_level="error",
        access_log=False,
        timeout_graceful_shutdown=GRACE,
    )
    asyncio.run(_Server(config, watch).serve(sockets=[_listen(port)]))


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, watch: Watch) -> None:
        super().__init__(config)
        self._watch = watch

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._watch_others()
        port = sockets[0].getsockname()[1] if sockets else 0
        print(json.dumps({"url": f"http://{HOST}:{port}", "pid": os.getpid()}), flush=True)

    def _watch_others(self) -> None:
        loop = asyncio.get_running_loop()
        if self._watch.standard_input:
            threading.Thread(target=self._drain_standard_input, daemon=True).start()
        if self._watch.process is not None:
            try:
                handle = os.pidfd_open(self._watch.process)
            except ProcessLookupError:
                self.should_exit = True
            else:
                loop.add_reader(handle, self._end)

    def _drain_standard_input(self) -> None:
        while os.read(0, 4096):
            pass
        self.should_exit = True

    def _end(self) -> None:
        self.should_exit = True


def _listen(port: int) -> socket.socket:
    # With the protocol left at 0 asyncio does not set TCP_NODELAY: 44 ms a request instead of 1.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, port))
    listener.listen(128)
    return listener


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, VendorError)  # noqa: S101  (registered for this class)
    return error.answer()


async def _invalid(request: Request, error: Exception) -> Response:
    """The first thing that is wrong, as the vendor names it."""
    assert isinstance(error, RequestValidationError)  # noqa: S101  (see above)
    first: dict[str, Any] = error.errors()[0]
    where = [str(part) for part in first["loc"][1:]]
    return errors.bad_param(where[0] if where else "", str(first["msg"])).answer()


async def _no_route(request: Request, error: Exception) -> Response:
    if getattr(error, "status_code", 404) == 405:
        return VendorError(405, "METHOD_NOT_ALLOWED", "Method not allowed.").answer()
    return errors.not_found().answer()
