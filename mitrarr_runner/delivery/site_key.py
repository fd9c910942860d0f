"""Which key makes this site's tokens? 32 random bytes, made once, never changed.

They lie in `state/site.key` (0600) and not in the store: copies of the store travel (backups,
support, reports), and who holds key and store together can try out ids until a token fits. The
price is that they must be kept together by those who may: with another key every person would look
new and be sent a second time. So the store keeps a check value of the key, and a key that is lost
or foreign is refused before anything is sent.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path

from mitrarr_runner import atomic
from mitrarr_runner.errors import StateError
from mitrarr_runner.site import Site
from mitrarr_runner.store import meta
from mitrarr_runner.store.database import Database
from mitrarr_runner.text import Text, text

_BYTES = 32
_CHECK = "site_key_check"


def path_of(site: Site) -> Path:
    return site.state / "site.key"


def site_key(db: Database, site: Site) -> bytes:
    """The key, made at the first call. Must not be called inside a transaction.

    Raises StateError: "site_key_missing", "site_key_foreign", "site_key_unreadable".
    """
    with db.transaction():  # one maker at a time
        check = meta.get(db, _CHECK)
        key = _read(path_of(site))
        if key is None:
            if check is not None:
                raise _lost(site, text("{path} is missing", path=str(path_of(site))), "missing")
            key = _make(path_of(site))
        if check is None:
            meta.put(db, _CHECK, _check(key))
        elif not hmac.compare_digest(check, _check(key)):
            message = text("{path} is not this store's key", path=str(path_of(site)))
            raise _lost(site, message, "foreign")
    return key


def examine(db: Database, site: Site) -> None:
    """Raise what `site_key` would raise; makes and writes nothing."""
    check = meta.get(db, _CHECK)
    key = _read(path_of(site))
    if check is None:
        return
    if key is None:
        raise _lost(site, text("{path} is missing", path=str(path_of(site))), "missing")
    if not hmac.compare_digest(check, _check(key)):
        message = text("{path} is not this store's key", path=str(path_of(site)))
        raise _lost(site, message, "foreign")


def session_uuid(key: bytes) -> str:
    """This site's stable name at the destination: every new one leaves a session behind there."""
    from uuid import UUID

    return str(UUID(bytes=_derived(key, b"findface session")[:16], version=4))


def _make(path: Path) -> bytes:
    key = os.urandom(_BYTES)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    atomic.write_file(path, key, mode=0o600)
    return key


def _read(path: Path) -> bytes | None:
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(
            text("{path} cannot be read", path=str(path)),
            code="site_key_unreadable",
            hint=text("it belongs to the user mitrarr runs as, mode 0600"),
        ) from error
    return key


def _check(key: bytes) -> str:
    return _derived(key, b"site key check").hex()[:16]


def _derived(key: bytes, purpose: bytes) -> bytes:
    return hmac.new(key, purpose, hashlib.sha256).digest()


def _lost(site: Site, message: Text, code: str) -> StateError:
    return StateError(
        message,
        code=f"site_key_{code}",
        hint=text(
            "put back the site.key of the same backup as the store; nobody is sent until then,"
            " because with another key everybody would be sent twice"
        ),
    )
