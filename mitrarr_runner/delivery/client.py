"""How is a destination of the manifest reached? From its block to a client that can log in.

The password is read here, at the moment it is used, from where the manifest says; it never stands
in an argument, a log or an error.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from mitrarr_runner.clock import Clock
from mitrarr_runner.delivery.site_key import session_uuid, site_key
from mitrarr_runner.errors import UsageError
from mitrarr_runner.findface.api import Destination as Client
from mitrarr_runner.findface.multi import FindFaceMulti
from mitrarr_runner.logs import EventLog
from mitrarr_runner.manifest.model import Destination, SecretRef
from mitrarr_runner.site import Site
from mitrarr_runner.store.database import Database
from mitrarr_runner.text import Text, text


def client_for(
    db: Database,
    site: Site,
    destination: Destination,
    *,
    clock: Clock,
    log: EventLog,
    environment: Mapping[str, str] = os.environ,
) -> Client:
    """A client for one destination; nothing is sent before it is first used.

    Raises UsageError ("secret_missing") and StateError (see site_key).
    """
    return FindFaceMulti(
        destination.url,
        destination.login.username,
        secret(destination.login.password, log=log, environment=environment),
        session_uuid(site_key(db, site)),
        clock=clock,
        ca_file=destination.ca_file,
        timeout_read=destination.read_timeout,
        parallel=destination.parallel,
    )


def secret(
    reference: SecretRef, *, log: EventLog, environment: Mapping[str, str] = os.environ
) -> str:
    """The secret behind a reference, without the line end that editors leave.

    A file that everybody on the host can read is used, and logged as a warning. Raises UsageError.
    """
    if reference.env is not None:
        value = environment.get(reference.env)
        if value is None:
            name = reference.env
            raise _missing(text("the environment has no variable {name}", name=name))
        return value
    path = _path(reference, environment)
    try:
        mode = path.stat().st_mode
        value = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise _missing(text("there is no file {path}", path=str(path))) from None
    except (OSError, UnicodeDecodeError):
        raise _missing(text("{path} cannot be read", path=str(path))) from None
    if mode & stat.S_IROTH:
        log.event("secret_world_readable", path=path)
    value = value.rstrip("\r\n")
    if not value:
        raise _missing(text("{path} is empty", path=str(path)))
    return value


def _path(reference: SecretRef, environment: Mapping[str, str]) -> Path:
    if reference.file is not None:
        return reference.file
    folder = environment.get("CREDENTIALS_DIRECTORY")
    if folder is None:
        raise _missing(text("there is no $CREDENTIALS_DIRECTORY (systemd sets it)"))
    return Path(folder) / str(reference.credential)


def _missing(what: Text) -> UsageError:
    return UsageError(
        text("the password cannot be had: {what}", what=what),
        code="secret_missing",
        hint=text("put it there (mode 0600, the user mitrarr runs as), or correct the manifest"),
    )
