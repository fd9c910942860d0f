"""What do the systemd units of a manifest say? Pure: an entry in, the text of a timer and a
service out.

The timer starts a oneshot service each minute, and that starts `apply` as a transient unit of its
own (systemd-run) which may last as long as it likes: a oneshot service that is still active is not
started again, and one long job would stop every tick. The transient unit carries the hardening,
as far as the manifest's paths and steps allow it.
"""

from __future__ import annotations

import pwd
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mitrarr_runner import resources
from mitrarr_runner.engine import footprint
from mitrarr_runner.engine.cron import comments
from mitrarr_runner.engine.cron.entries import Entry, owner
from mitrarr_runner.footing import user_name
from mitrarr_runner.site import Site
from mitrarr_runner.templates import render_file
from mitrarr_runner.text import Catalogue, Text, text

_WHEN = {1: "*-*-* *:*:00", 30: "*-*-* *:00/30:00"}
_HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
_TEMPORARY = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - looked for, not used

_ANYWHERE = (
    "UMask=0077",
    "KillMode=process",
    "OOMPolicy=continue",
    "NoNewPrivileges=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
)
_OF_THE_HOST = (
    "ProtectSystem=strict",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectControlGroups=yes",
)


class Manager(StrEnum):
    """Whose systemd: the host's (as the site's owner), or one user's own."""

    SYSTEM = "system"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Runner:
    """Who runs apply, and from where. home: of that user, where its ssh keys are. installed: the
    folders that the program itself is read from."""

    manager: Manager
    program: Path
    user: str
    home: Path
    installed: tuple[Path, ...] = ()


def runner(site: Site, program: Path, manager: Manager) -> Runner:
    """Units of the host run as the site's owner."""
    uid = owner(site)
    try:
        home = Path(pwd.getpwuid(uid).pw_dir)
    except KeyError:
        home = Path("/")
    # a venv's Python is a link to one that may lie in somebody's home, an editable package too
    installed = (Path(sys.base_prefix).resolve(), resources.folder("templates").resolve())
    return Runner(manager, program, user_name(uid).removeprefix("#"), home, installed)


def unit_name(entry: Entry) -> str:
    return f"mitrarr-{entry.name}"


def file_names(entry: Entry) -> tuple[str, str]:
    return f"{unit_name(entry)}.service", f"{unit_name(entry)}.timer"


def units(entry: Entry, runner: Runner, say: Catalogue | None = None) -> dict[str, str]:
    """File names and their texts; without `say` no comments but the owner's line."""
    values = {"name": entry.name, "path": str(entry.path)}
    service, timer = file_names(entry)
    return {
        service: _unit("tick.service.j2", {**values, "start": _start(entry, runner)}, _why(), say),
        timer: _unit("tick.timer.j2", {**values, "when": _WHEN[entry.every]}, (), say),
    }


def _unit(
    template: str, values: Mapping[str, str], why: tuple[Text, ...], say: Catalogue | None
) -> str:
    plain = comments.bare(render_file(template, values))
    if say is None:
        return plain
    made = text("Made by: mitrarr cron install --systemd")
    taken = text("Taken out by: mitrarr cron remove --systemd")
    return comments.commented(plain, (made, taken, *why), say)


def _why() -> tuple[Text, ...]:
    return (
        text(
            "A oneshot unit that is still active is not started again, so that one long job would"
            " stop every tick. Therefore this unit only starts the tick's own, transient unit, and"
            " is done at once."
        ),
        text(
            "KillMode=process: workers outlive an apply that is killed; OOMPolicy=continue: a job"
            " that eats all memory ends alone. A command may write only to the site, the spools"
            " and its own `cwd`."
        ),
    )


def owner_line(entry: Entry) -> str:
    """The first line of its unit files, by which a second install knows its own."""
    return f"# mitrarr:{entry.name} {entry.path}"


def properties(entry: Entry, runner: Runner) -> Iterator[str]:
    """Of the transient unit, as NAME=VALUE. A user's own manager has no say over mounts."""
    if runner.manager is Manager.SYSTEM:
        yield f"User={runner.user}"
    yield from _ANYWHERE
    if runner.manager is Manager.SYSTEM:
        yield from _OF_THE_HOST
        written = footprint.written(entry.manifest)
        yield "ReadWritePaths=" + " ".join(_path(f"-{folder}") for folder in written)
        seen = (*written, entry.path, runner.program, *runner.installed)
        homes = (*seen, runner.home) if footprint.runs_commands(entry.manifest) else seen
        yield f"ProtectHome={'read-only' if _any_below(homes, _HOMES) else 'yes'}"
        if not _any_below(seen, _TEMPORARY):
            yield "PrivateTmp=yes"
    for _, secret in footprint.secrets(entry.manifest):
        if secret.credential is not None:  # without a path, a missing one stops nothing
            yield f"LoadCredential={secret.credential}:{secret.credential}"


def _any_below(paths: Iterable[Path], folders: tuple[Path, ...]) -> bool:
    return any(path.is_relative_to(folder) for path in paths for folder in folders)


def _path(value: str) -> str:
    """A word of a list of paths (systemd.syntax(7))."""
    plain = not any(character in value for character in " \t\"'\\")
    return value if plain else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _start(entry: Entry, runner: Runner) -> str:
    """The service's ExecStart: the unit's name carries the second, which only a shell can tell."""
    words = ["exec systemd-run", "--quiet", "--collect", "--no-block"]
    if runner.manager is Manager.USER:
        words.append("--user")
    words.append(f'--unit="{unit_name(entry)}-$(date +%s)"')
    words += [shlex.quote(f"--property={value}") for value in properties(entry, runner)]
    words += [shlex.quote(f"--setenv={value}") for value in entry.environment]
    # systemd fills in variables in the transient unit's own command line, too
    words += [shlex.quote(word.replace("$", "$$")) for word in entry.argv(runner.program)]
    return '/bin/sh -c "' + " \\\n    ".join(_escaped(word) for word in words) + '"'


def _escaped(word: str) -> str:
    """Inside a double-quoted word of a unit file (systemd.service(5), COMMAND LINES)."""
    for character in ("\\", '"'):
        word = word.replace(character, "\\" + character)
    return word.replace("%", "%%").replace("$", "$$")
