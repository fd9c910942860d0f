"""cron show, install, remove: who calls apply each minute, as a crontab block or systemd units."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mitrarr_runner.cli.options import CONFIG
from mitrarr_runner.cli.place import Place, place, strict
from mitrarr_runner.cli.session import Session
from mitrarr_runner.cli.verb import Verb, session
from mitrarr_runner.engine.places import Call
from mitrarr_runner.errors import UsageError
from mitrarr_runner.text import Text, mark, plural, text

if TYPE_CHECKING:
    from mitrarr_runner.engine.cron.entries import Entry
    from mitrarr_runner.engine.cron.install import Change
    from mitrarr_runner.engine.cron.units import Manager, Runner

_SYSTEMD = typer.Option("--systemd", help=mark("A systemd timer instead of crontab lines."))
_USER = typer.Option(
    "--user", help=mark("With --systemd: units of your own instead of the host's (no root).")
)
_DRY = typer.Option("--dry-run", help=mark("Show what would differ; change nothing."))


def show(
    ctx: typer.Context,
    config: Annotated[str | None, CONFIG] = None,
    systemd: Annotated[bool, _SYSTEMD] = False,
    user: Annotated[bool, _USER] = False,
) -> None:
    from mitrarr_runner.engine.cron import install as work
    from mitrarr_runner.engine.cron import unit_files

    here = session(ctx)
    manager = _manager(systemd, user)
    found, entries = _wanted(here, config)
    if manager is None:
        shown = work.crontab_text(entries, _program(), here.say)
    else:
        folder = unit_files.folder(manager, here.environment)
        shown = work.units_text(entries, _runner(found, manager), folder, here.say)
    for line in shown.rstrip("\n").split("\n"):
        here.print(line)


def install(
    ctx: typer.Context,
    config: Annotated[str | None, CONFIG] = None,
    systemd: Annotated[bool, _SYSTEMD] = False,
    user: Annotated[bool, _USER] = False,
    dry_run: Annotated[bool, _DRY] = False,
) -> None:
    from mitrarr_runner.engine.cron import install as work
    from mitrarr_runner.engine.cron import unit_files

    here = session(ctx)
    manager = _manager(systemd, user)
    found, entries = _wanted(here, config)
    if manager is None:
        work.refuse_other_user(*_users(found), _again("install", entries[0].path))
        change, after = work.crontab_with(entries, _program(), here.environment, here.say)
        if change and not dry_run:
            work.write_crontab(after, here.environment)
    else:
        runner = _runner(found, manager)
        folder = unit_files.folder(manager, here.environment)
        if dry_run:
            change = work.units_change(entries, runner, folder, here.say)
        else:
            _permit(manager, "install", entries[0].path)
            change = work.install_units(entries, runner, folder, here.environment, here.say)
    _tell(here, change, _installed(entries, manager), dry_run)
    if not dry_run:
        here.print(text("  see whether it works, in two minutes: mitrarr doctor"))


def remove(
    ctx: typer.Context,
    config: Annotated[str | None, CONFIG] = None,
    systemd: Annotated[bool, _SYSTEMD] = False,
    user: Annotated[bool, _USER] = False,
    dry_run: Annotated[bool, _DRY] = False,
) -> None:
    from mitrarr_runner.engine.cron import install as work
    from mitrarr_runner.engine.cron import unit_files
    from mitrarr_runner.engine.cron.entries import removable

    here = session(ctx)
    manager = _manager(systemd, user)
    entries = removable(place(here, config), _call(here))
    if manager is None:
        paths = [entry.path for entry in entries]
        change, after = work.crontab_without(paths, here.environment)
        if change and not dry_run:
            work.write_crontab(after, here.environment)
    else:
        folder = unit_files.folder(manager, here.environment)
        if dry_run:
            change = work.removal_change(entries, folder)
        else:
            _permit(manager, "remove", entries[0].path)
            change = work.remove_units(entries, folder, manager, here.environment)
    _tell(here, change, _removed(entries, manager), dry_run)


def _wanted(here: Session, config: str | None) -> tuple[Place, tuple[Entry, ...]]:
    from mitrarr_runner.engine.cron.entries import entries

    found = strict(here, config)
    return found, entries(found, _call(here))


def _call(here: Session) -> Call:
    return Call(here.environment, here.cwd)


def _manager(systemd: bool, user: bool) -> Manager | None:
    """None = the crontab."""
    from mitrarr_runner.engine.cron.units import Manager

    if not systemd:
        if user:
            raise UsageError(
                text("--user goes with --systemd"),
                code="usage",
                hint=text("a crontab is always the user's own"),
            )
        return None
    return Manager.USER if user else Manager.SYSTEM


def _program() -> Path:
    from mitrarr_runner.engine.cron.entries import program

    return program(sys.executable)


def _users(found: Place) -> tuple[str, str]:
    """The site's owner, and who we are."""
    from mitrarr_runner.engine.cron.entries import owner
    from mitrarr_runner.footing import user_name

    return user_name(owner(found.site)), user_name(os.geteuid())


def _runner(found: Place, manager: Manager) -> Runner:
    from mitrarr_runner.engine.cron.units import runner

    return runner(found.site, _program(), manager)


def _again(verb: str, path: Path, *more: str) -> tuple[str, ...]:
    return (str(_program()), "cron", verb, "--config", str(path), *more)


def _permit(manager: Manager, verb: str, path: Path) -> None:
    from mitrarr_runner.engine.cron.install import refuse_not_root
    from mitrarr_runner.engine.cron.units import Manager

    if manager is Manager.SYSTEM:
        refuse_not_root(_again(verb, path, "--systemd"))


def _names(entries: tuple[Entry, ...]) -> str:
    return ", ".join(entry.name for entry in entries)


def _installed(entries: tuple[Entry, ...], manager: Manager | None) -> Text:
    names = _names(entries)
    if manager is None:
        return plural(
            "crontab: {count} line that calls apply, for {names}",
            "crontab: {count} lines that call apply, for {names}",
            len(entries),
            names=names,
        )
    return plural(
        "systemd: {count} timer that calls apply, for {names}",
        "systemd: {count} timers that call apply, for {names}",
        len(entries),
        names=names,
    )


def _removed(entries: tuple[Entry, ...], manager: Manager | None) -> Text:
    if manager is None:
        return text("crontab: nothing calls apply any more for {names}", names=_names(entries))
    return text("systemd: nothing calls apply any more for {names}", names=_names(entries))


def _tell(here: Session, change: Change, done: Text, dry_run: bool) -> None:
    if dry_run:
        for line in change.difference:
            here.print(line)
    if not change:
        here.print(text("{what} (it was so already; nothing changed)", what=done))
    elif dry_run:
        here.print(text("nothing was changed: this is what would differ (--dry-run)"))
    else:
        here.print(done)


VERBS = (
    Verb(
        "show",
        show,
        mark(
            "Print the crontab lines, or the systemd units, that would be installed."
            "\n\nExample: mitrarr cron show --systemd"
        ),
        group="cron",
    ),
    Verb(
        "install",
        install,
        mark("Have apply called each minute: a block in your crontab, or a systemd timer."),
        group="cron",
    ),
    Verb(
        "remove",
        remove,
        mark("Take that block, or that timer, out again, and nothing else."),
        group="cron",
    ),
)
