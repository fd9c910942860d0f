"""How do unit files get to systemd, and away again? Written, loaded, enabled; idempotent.

A unit of the same name that is another manifest's is never touched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from mitrarr_runner import atomic
from mitrarr_runner.engine.cron import comments
from mitrarr_runner.engine.cron.entries import Entry
from mitrarr_runner.engine.cron.units import Manager, owner_line, unit_name
from mitrarr_runner.errors import FailedError, UsageError
from mitrarr_runner.redact import safe
from mitrarr_runner.text import text

SYSTEM = Path("/etc/systemd/system")
_SECONDS = 60


def folder(manager: Manager, environment: Mapping[str, str]) -> Path:
    """Where an administrator's units lie (systemd.unit(5))."""
    if manager is Manager.SYSTEM:
        return SYSTEM
    home = Path(environment.get("HOME") or Path.home())
    return Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "systemd" / "user"


def current(place: Path, name: str) -> str | None:
    """The text of an installed unit file; None where there is none."""
    try:
        return os.fsdecode((place / name).read_bytes())
    except FileNotFoundError:
        return None


def changed(place: Path, entry: Entry, wanted: Mapping[str, str]) -> dict[str, str]:
    """The files that are missing or differ in more than comments; raises UsageError where one is
    another manifest's."""
    for name in wanted:
        _refuse_foreign(place, name, entry)
    return {name: content for name, content in wanted.items() if _differs(place, name, content)}


def _differs(place: Path, name: str, content: str) -> bool:
    there = current(place, name)
    return there is None or comments.bare(there) != comments.bare(content)


def _refuse_foreign(place: Path, name: str, entry: Entry) -> None:
    there = current(place, name)
    if there is not None and there.partition("\n")[0] != owner_line(entry):
        raise UsageError(
            text("{file} belongs to another manifest", file=str(place / name)),
            code="unit_taken",
            hint=text("remove it there, or give this manifest another `name:`"),
        )


def install(
    place: Path,
    entry: Entry,
    wanted: Mapping[str, str],
    manager: Manager,
    environment: Mapping[str, str],
) -> bool:
    """Whether a file had to be written; the timer is on afterwards in any case.

    Raises UsageError (unit_taken), FailedError (no_systemctl, systemctl, unit_unwritable).
    """
    missing = changed(place, entry, wanted)
    try:
        place.mkdir(mode=0o755, parents=True, exist_ok=True)
        for name, content in missing.items():
            atomic.write_file(place / name, os.fsencode(content), mode=0o644)
    except OSError as error:
        raise _unwritable(place, error) from error
    if missing:
        _systemctl(manager, environment, "daemon-reload")
    _systemctl(manager, environment, "enable", "--now", f"{unit_name(entry)}.timer")
    return bool(missing)


def remove(
    place: Path, entry: Entry, names: tuple[str, ...], manager: Manager, env: Mapping[str, str]
) -> bool:
    """Whether there was something; a tick that is running goes on. Raises as `install`."""
    there = [name for name in names if current(place, name) is not None]
    for name in there:
        _refuse_foreign(place, name, entry)
    if not there:
        return False
    _systemctl(manager, env, "disable", "--now", f"{unit_name(entry)}.timer")
    try:
        for name in there:
            (place / name).unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(place, error) from error
    _systemctl(manager, env, "daemon-reload")
    return True


def _unwritable(place: Path, error: OSError) -> FailedError:
    return FailedError(
        text(
            "{folder} cannot be written ({reason})",
            folder=str(place),
            reason=os.strerror(error.errno or 0),
        ),
        code="unit_unwritable",
    )


def _systemctl(manager: Manager, environment: Mapping[str, str], *words: str) -> None:
    program = shutil.which("systemctl", path=environment.get("PATH", os.defpath))
    if program is None:
        raise FailedError(
            text("this machine has no program systemctl"),
            code="no_systemctl",
            hint=text("without systemd, use the crontab: mitrarr cron install"),
        )
    scope = ["--user"] if manager is Manager.USER else []
    done = subprocess.run(
        [program, *scope, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=dict(environment),
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        said = safe(done.stderr.decode("utf-8", "replace").strip()) or str(done.returncode)
        raise FailedError(
            text("systemctl {what}: {said}", what=words[0], said=said),
            code="systemctl",
            hint=text("is systemd running here (ps -p 1)? else use the crontab form"),
        )
