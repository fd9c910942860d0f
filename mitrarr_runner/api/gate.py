"""Who may call? Decided before any handler runs, from the request's head alone.

The server listens on 127.0.0.1, and that is not enough: a browser on this machine reaches it too.
So the Host header must name this machine (DNS rebinding), a page of another origin is refused
(cross-site requests), and without `api: {loopback: operator}` in the manifest nobody may call.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mitrarr_runner.manifest.model import Api
from mitrarr_runner.text import Text, text

_HOST = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE | re.ASCII)
_ORIGIN = re.compile(
    r"http://(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE | re.ASCII
)


@dataclass(frozen=True, slots=True)
class Refusal:
    status: int
    code: str
    message: Text
    hint: Text


def refusal(headers: Mapping[str, str], api: Api) -> Refusal | None:
    """Why a request is turned away; None = it may pass. Header names in lower case."""
    if not _HOST.fullmatch(headers.get("host", "")):
        return Refusal(
            421,
            "host",
            text("this server answers for this machine only"),
            text("call http://localhost:PORT or http://127.0.0.1:PORT"),
        )
    origin = headers.get("origin")
    foreign = origin is not None and not _ORIGIN.fullmatch(origin)
    if foreign or headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        return Refusal(
            403,
            "origin",
            text("a page of another site may not call this server"),
            text("call it from a program on this machine, or by hand with curl"),
        )
    if api.loopback != "operator":
        return Refusal(
            401,
            "token",
            text("this manifest does not allow calls without a token"),
            text("to allow calls from this machine, the manifest says api.loopback: operator"),
        )
    return None
