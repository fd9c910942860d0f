"""By what do we find a person again on a server that has no idempotency key?

By a token that only this site can make: an HMAC of source and id under the site's key. It says
nothing about the person to anybody without the key, is put at the end of the card's name (and into
`meta`) by the program, and is compared exactly on our side. **Its format can never change**: the
cards that carry it cannot be made again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

from mitrarr_runner.templates import render

LONGEST_NAME = 256
"""Characters of a card's name (FINDFACE section 1)."""

LONGEST_COMMENT = 2048

META_KEY = "mitrarr"

_CHARACTERS = 20
_OPENING = re.compile(re.escape("[m:"), re.IGNORECASE)
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]+")


def token(site_key: bytes, source: str, person: str) -> str:
    """`[m:` + 20 characters of RFC 4648 base32 (100 bits of HMAC-SHA256) + `]`.

    The message is source, a zero byte, id, in UTF-8 (a source's name holds no zero byte).
    """
    message = b"\x00".join(part.encode("utf-8", "surrogatepass") for part in (source, person))
    digest = hmac.new(site_key, message, hashlib.sha256).digest()
    return f"[m:{base64.b32encode(digest).decode('ascii')[:_CHARACTERS]}]"


def card_name(template: str, source: str, person: str, token_text: str) -> str:
    """The name a card gets: the template filled in, cut, and the token at its end.

    What looks like a token in an id or a template is made harmless, so that no file can pass for
    another person; control characters and runs of spaces become one space. Raises UsageError
    (code "template") where the template cannot be filled in.
    """
    shown = _cleaned(template, source, person)
    room = LONGEST_NAME - len(token_text) - 1
    return f"{shown[:room].rstrip()} {token_text}".lstrip()


def card_comment(template: str | None, source: str, person: str) -> str:
    """The comment a card gets, "" where the manifest has none; cleaned and cut like the name."""
    if template is None:
        return ""
    return _cleaned(template, source, person)[:LONGEST_COMMENT]


def _cleaned(template: str, source: str, person: str) -> str:
    shown = render(template, {"source": source, "id": person})
    shown = _OPENING.sub("(m:", shown.encode("utf-8", "replace").decode("utf-8"))
    return _UNPRINTABLE.sub(" ", shown).strip()


def file_name(token_text: str, content_type: str) -> str:
    """The photo's name on the server: the same at each attempt, and no id of a person in it."""
    extension = {"image/png": "png", "image/webp": "webp"}.get(content_type, "jpg")
    return f"{file_stem(token_text)}.{extension}"


def file_stem(token_text: str) -> str:
    return "m-" + token_text.removeprefix("[m:").removesuffix("]")


def is_ours(source_photo_name: str, token_text: str) -> bool:
    """Whether a face on the server was uploaded under this name (folders and an added suffix
    before the extension are tolerated: some file stores put them there)."""
    return source_photo_name.rsplit("/", 1)[-1].startswith(file_stem(token_text))
