"""The endpoints. A pause by curl is the same pause as by hand: the functions are engine/control's.

    GET  /health                 {"version", "status": "ok"}
    GET  /jobs                   {"version", "jobs": [...]} as in `mitrarr status --format json`
    GET  /jobs/{job}             one of them
    POST /jobs/{job}/pause       body (optional): {"reason", "until", "by"}
    POST /jobs/{job}/resume      body (optional): {"catch_up", "by"}

Errors are {"version", "code", "message", "hint"} with 404 for an unknown job.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import Body, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from mitrarr_runner.api.gate import refusal
from mitrarr_runner.api.sites import Desk, UnknownJob
from mitrarr_runner.errors import MitrarrError, StateError
from mitrarr_runner.text import Catalogue, Text

MAX_BODY = 10_000


class PauseBody(BaseModel):
    """What a caller may say about a pause."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(default="", max_length=500)
    until: datetime | None = None
    by: str = Field(default="", max_length=100)


class ResumeBody(BaseModel):
    """What a caller may say about a resume."""

    model_config = ConfigDict(extra="forbid")

    catch_up: bool = False
    by: str = Field(default="", max_length=100)


def make(desk: Desk) -> FastAPI:
    """The application over one site."""
    app = FastAPI(title="mitrarr", version="1", docs_url=None, redoc_url=None)

    @app.middleware("http")
    async def gate(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        refused = refusal(headers, desk.api())
        if refused is not None:
            return _error(desk.say, refused.status, refused.code, refused.message, refused.hint)
        if int(headers.get("content-length") or 0) > MAX_BODY:
            return JSONResponse({"version": 1, "code": "too_large"}, 413)
        return await call(request)

    @app.exception_handler(UnknownJob)
    def unknown(_: Request, error: UnknownJob) -> Response:
        return _error(desk.say, 404, "unknown_job", error.message, error.hint)

    @app.exception_handler(MitrarrError)
    def told(_: Request, error: MitrarrError) -> Response:
        status = 503 if isinstance(error, StateError) else 400
        return _error(desk.say, status, error.code, error.message, error.hint)

    @app.exception_handler(RequestValidationError)
    def bad(_: Request, error: RequestValidationError) -> Response:
        places = [".".join(str(part) for part in item["loc"]) for item in error.errors()]
        return JSONResponse({"version": 1, "code": "bad_request", "fields": places}, 422)

    @app.get("/health")
    def health() -> Any:
        return {"version": 1, "status": "ok"}

    @app.get("/jobs")
    def jobs() -> Any:
        return {"version": 1, "jobs": desk.jobs()}

    @app.get("/jobs/{job}")
    def one(job: str) -> Any:
        return {"version": 1, **desk.job(job)}

    @app.post("/jobs/{job}/pause")
    def pause(job: str, body: Annotated[PauseBody | None, Body()] = None) -> Any:
        said = body or PauseBody()
        return {"version": 1, **desk.pause(job, said.by, said.reason, said.until)}

    @app.post("/jobs/{job}/resume")
    def resume(job: str, body: Annotated[ResumeBody | None, Body()] = None) -> Any:
        said = body or ResumeBody()
        return {"version": 1, **desk.resume(job, said.by, said.catch_up)}

    return app


def _error(
    say: Catalogue, status: int, code: str, message: Text, hint: Text | None
) -> JSONResponse:
    content: Mapping[str, object] = {
        "version": 1,
        "code": code,
        "message": say(message),
        "hint": None if hint is None else say(hint),
    }
    return JSONResponse(content, status)
