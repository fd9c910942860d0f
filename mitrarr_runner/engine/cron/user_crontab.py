"""How is a user's crontab read and written? By the program `crontab`, the only way there is.

It is a setuid program and checks what it is given; files below /var/spool/cron are never touched.
Bytes that are no UTF-8 pass through unchanged.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping

from mitrarr_runner.errors import FailedError
from mitrarr_runner.redact import safe
from mitrarr_runner.text import text

_NONE = re.compile(rb"no crontab for|can't open .*: No such file", re.IGNORECASE)
_SECONDS = 30


def read(environment: Mapping[str, str], user: str | None = None) -> str:
    """The crontab of the user that runs this (root may name another); "" where there is none.

    Raises FailedError: no_crontab (the program is missing), crontab_refused.
    """
    words = ["-l"] if user is None else ["-u", user, "-l"]
    done = _crontab(words, environment)
    if done.returncode == 0:
        return os.fsdecode(done.stdout)
    if _NONE.search(done.stderr):
        return ""
    raise _refused(done)


def write(content: str, environment: Mapping[str, str]) -> None:
    """Make `content` the whole crontab, and read it again; raises FailedError as `read`."""
    done = _crontab(["-"], environment, os.fsencode(content))
    if done.returncode != 0:
        raise _refused(done)
    if read(environment) != content:
        raise FailedError(
            text("the crontab was written and now reads differently"),
            code="crontab_differs",
            hint=text("look at it: crontab -l"),
        )


def _crontab(
    words: list[str], environment: Mapping[str, str], given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    program = shutil.which("crontab", path=environment.get("PATH", os.defpath))
    if program is None:
        raise FailedError(
            text("this machine has no program crontab"),
            code="no_crontab",
            hint=text("install cron (Debian: apt install cron), or use --systemd"),
        )
    return subprocess.run(
        [program, *words],
        input=given,
        capture_output=True,
        env={**environment, "LC_ALL": "C"},
        timeout=_SECONDS,
        check=False,
    )


def _refused(done: subprocess.CompletedProcess[bytes]) -> FailedError:
    said = safe(done.stderr.decode("utf-8", "replace").strip()) or str(done.returncode)
    return FailedError(
        text("crontab refuses: {said}", said=said),
        code="crontab_refused",
        hint=text("may this user have a crontab? see /etc/cron.allow and /etc/cron.deny"),
    )
