"""The three verbs of `cron`, for both forms: what would be there, put it there, take it away.

A `Change` says what was, or would be, different; nothing is printed here. `say`: comments are in
the language of the call.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mitrarr_runner.engine.cron import crontab, unit_files, units, user_crontab
from mitrarr_runner.engine.cron.entries import Entry
from mitrarr_runner.engine.cron.units import Manager, Runner
from mitrarr_runner.errors import UsageError
from mitrarr_runner.text import Catalogue, text


@dataclass(frozen=True, slots=True)
class Change:
    """difference: a unified diff of everything that differs, empty where nothing does."""

    difference: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.difference)


# The crontab of the user that calls


def crontab_text(entries: Sequence[Entry], program: Path, say: Catalogue) -> str:
    return "".join(crontab.block(entry, program, say) for entry in entries)


def crontab_with(
    entries: Sequence[Entry], program: Path, environment: Mapping[str, str], say: Catalogue
) -> tuple[Change, str]:
    """What `write_crontab` would have to write. Raises FailedError, UsageError."""
    before = after = user_crontab.read(environment)
    for entry in entries:
        after = crontab.put(after, entry.path, crontab.block(entry, program, say))
    return Change(tuple(crontab.difference(before, after))), after


def crontab_without(paths: Sequence[Path], environment: Mapping[str, str]) -> tuple[Change, str]:
    before = after = user_crontab.read(environment)
    for path in paths:
        after = crontab.take(after, path)
    return Change(tuple(crontab.difference(before, after))), after


def write_crontab(after: str, environment: Mapping[str, str]) -> None:
    user_crontab.write(after, environment)


def refuse_other_user(owner: str, me: str, words: Sequence[str]) -> None:
    """A crontab belongs to a user, and apply runs as that user: it must be the site's owner.

    words: the same call again, with whole paths. Raises UsageError (other_owner).
    """
    if owner != me:
        raise UsageError(
            text("the site belongs to user {owner}, and you are {me}", owner=owner, me=me),
            code="other_owner",
            hint=text(
                "type it as that user: {line}", line=shlex.join(["sudo", "-u", owner, *words])
            ),
        )


# systemd


def refuse_not_root(words: Sequence[str]) -> None:
    """The host's units are root's to write; raises UsageError (not_root)."""
    if os.geteuid() != 0:
        raise UsageError(
            text("units of the whole host are root's to install and to remove"),
            code="not_root",
            hint=text(
                "type: {line}; or add --user for units of your own",
                line=shlex.join(["sudo", *words]),
            ),
        )


def units_text(entries: Sequence[Entry], runner: Runner, place: Path, say: Catalogue) -> str:
    """Every unit file with its place above it."""
    parts = []
    for entry in entries:
        for name, content in units.units(entry, runner, say).items():
            parts.append(f"# {place / name}\n{content}")
    return "\n".join(parts)


def units_change(entries: Sequence[Entry], runner: Runner, place: Path, say: Catalogue) -> Change:
    """What `install_units` would write; raises UsageError (unit_taken)."""
    lines: list[str] = []
    for entry in entries:
        wanted = units.units(entry, runner, say)
        for name, content in unit_files.changed(place, entry, wanted).items():
            before = unit_files.current(place, name) or ""
            lines += _of_file(place / name, before, content)
    return Change(tuple(lines))


def install_units(
    entries: Sequence[Entry],
    runner: Runner,
    place: Path,
    environment: Mapping[str, str],
    say: Catalogue,
) -> Change:
    """Write, load and enable; enabling is done again where nothing was written."""
    change = units_change(entries, runner, place, say)
    for entry in entries:
        wanted = units.units(entry, runner, say)
        unit_files.install(place, entry, wanted, runner.manager, environment)
    return change


def removal_change(entries: Sequence[Entry], place: Path) -> Change:
    lines: list[str] = []
    for entry in entries:
        for name in units.file_names(entry):
            before = unit_files.current(place, name)
            if before is not None:
                lines += _of_file(place / name, before, "")
    return Change(tuple(lines))


def remove_units(
    entries: Sequence[Entry], place: Path, manager: Manager, environment: Mapping[str, str]
) -> Change:
    change = removal_change(entries, place)
    for entry in entries:
        unit_files.remove(place, entry, units.file_names(entry), manager, environment)
    return change


def _of_file(path: Path, before: str, after: str) -> list[str]:
    from difflib import unified_diff

    names = (str(path) if before else "/dev/null", str(path) if after else "/dev/null")
    lines = unified_diff(before.splitlines(), after.splitlines(), *names, lineterm="")
    return list(lines)
