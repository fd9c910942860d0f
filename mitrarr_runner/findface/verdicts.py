"""What does an answer that is not a success mean?

From status, `code` and `param` to one of the four exceptions of `api`; the server's sentence is
looked at only after these three have said that the photo was refused, to tell why. Whatever is not
the vendor's own JSON comes from something in front of the server (a proxy, a portal) and blames no
person. Pure: nothing here sends anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

from mitrarr_runner import redact
from mitrarr_runner.findface.api import (
    DestinationError,
    NotSent,
    ParkReason,
    Refused,
    Trouble,
    Unavailable,
    Unknown,
)
from mitrarr_runner.http import NotSentError, Response, UnknownOutcomeError

LONGEST_WAIT = 86_400.0

# Sentences seen from live servers and from their framework, in the order they are tried.
_PHOTO = (
    (re.compile(r"\bno (objects?|faces?)\b|found (0|no)\b", re.I), ParkReason.SERVER_NO_FACE),
    (
        re.compile(r"expected one|found \d|several|multiple|more than one", re.I),
        ParkReason.SEVERAL_FACES,
    ),
    (re.compile(r"quality|too small|minimum|at least", re.I), ParkReason.LOW_QUALITY),
    (re.compile(r"too (large|big)|exceed|size|dimension|maximum", re.I), ParkReason.TOO_LARGE),
    (re.compile(r"valid image|not an image|decode|corrupt|format", re.I), ParkReason.NOT_AN_IMAGE),
)
# The parameters whose sentences cannot speak of the person.
_TELLING = frozenset({"source_photo", "mf_selector", "card", "watch_lists"})


def vendor_error(answer: Response) -> Mapping[str, object] | None:
    """The vendor's error object, or None when something else answered."""
    try:
        body = answer.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def code_of(answer: Response) -> str:
    error = vendor_error(answer)
    return _field(error, "code").upper() if error is not None else ""


def not_connected(error: NotSentError) -> NotSent | Refused:
    if error.reason == "content":  # a name with half a surrogate pair will not get better
        return Refused(ParkReason.BAD_REQUEST)
    return NotSent(error.reason, tls=error.tls)


def no_lookup(error: NotSentError | UnknownOutcomeError) -> Unavailable:
    """A read or a login that got no answer: whatever happened, nothing was changed."""
    if error.tls:
        return Unavailable(Trouble.TLS, detail=error.reason)
    if isinstance(error, NotSentError):
        return Unavailable(Trouble.CONNECTION, detail=error.reason)
    return Unavailable(Trouble.NO_ANSWER, detail=error.reason)


def of_create(answer: Response, now: datetime) -> DestinationError:
    """The meaning of a create's answer other than 200 and 201."""
    status, code = answer.status, code_of(answer)
    if status == 429 or status == 425:
        return NotSent("too_many_requests", status=status, retry_after=retry_after(answer, now))
    if status >= 500 or status < 300 or status in (408, 409):
        return Unknown("server_error" if status >= 500 else "bad_answer", status=status)
    if status == 413:
        return Refused(ParkReason.TOO_LARGE, status=status, code=code)
    if status == 415:
        return Refused(ParkReason.NOT_AN_IMAGE, status=status, code=code)
    if code == "LICENSE_ERROR" or status in (401, 402, 404, 405) or status < 400:
        return of_lookup(answer, now)
    error = vendor_error(answer)
    if error is None:
        return Unavailable(Trouble.WRONG_API, status=status)
    return _of_content(error, status)


def _of_content(error: Mapping[str, object], status: int) -> DestinationError:
    code, param, desc = (_field(error, name) for name in ("code", "param", "desc"))
    detail = redact.safe(desc, 120) if param in _TELLING else ""
    if status == 403:
        reason = ParkReason.RIGHTS
    elif param == "watch_lists":  # would park everybody for one wrong line of the manifest
        return Unavailable(Trouble.WATCH_LISTS, status=status, detail=detail)
    elif param == "source_photo":
        reason = photo_reason(desc)
    else:
        reason = ParkReason.BAD_REQUEST
    return Refused(
        reason,
        status=status,
        code=redact.safe(code, 60),
        param=redact.safe(param, 60),
        detail=detail,
    )


def photo_reason(desc: str) -> ParkReason:
    """Why a photo was refused, by the sentence that came with BAD_PARAM on `source_photo`."""
    for pattern, reason in _PHOTO:
        if pattern.search(desc):
            return reason
    return ParkReason.BAD_REQUEST


def of_lookup(answer: Response, now: datetime) -> Unavailable:
    """The meaning of a read's or a login's answer other than 200."""
    status, code = answer.status, code_of(answer)
    if code == "LICENSE_ERROR" or status == 402:
        return Unavailable(Trouble.LICENCE, status=status)
    if status == 401:
        return Unavailable(Trouble.LOGIN, status=status)
    if status == 429:
        wait = retry_after(answer, now)
        return Unavailable(Trouble.TOO_MANY_REQUESTS, status=status, retry_after=wait)
    if status >= 500:
        wait = retry_after(answer, now)
        return Unavailable(Trouble.SERVER_ERROR, status=status, retry_after=wait)
    if status == 403 and vendor_error(answer) is not None:
        return Unavailable(Trouble.RIGHTS, status=status)
    return Unavailable(Trouble.WRONG_API, status=status)


def retry_after(answer: Response, now: datetime) -> float | None:
    """The Retry-After header in seconds (RFC 9110 section 10.2.3: a number or a date)."""
    value = answer.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), LONGEST_WAIT)
    moment = date(value)
    if moment is None:
        return None
    return min(max((moment - now).total_seconds(), 0.0), LONGEST_WAIT)


def date(value: str) -> datetime | None:
    """An HTTP date as an aware instant, or None."""
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo is not None else None


def _field(error: Mapping[str, object], name: str) -> str:
    value = error.get(name)
    return value if isinstance(value, str) else ""
