"""state backup, restore, check: the state of a site kept elsewhere, put back, looked at."""

from __future__ import annotations

import contextlib
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from mitrarr_runner.cli.options import BY, CONFIG
from mitrarr_runner.cli.place import Place, place
from mitrarr_runner.cli.session import Session, output_format
from mitrarr_runner.cli.verb import Verb, session
from mitrarr_runner.errors import StateError, UsageError
from mitrarr_runner.text import mark, plural, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mitrarr_runner.engine.state_check import Check

DAMAGED = StateError.exit_code

_FORMAT = typer.Option("--format", help=mark("text for people, json for programs."))
_FILE = typer.Argument(metavar="FILE", help=mark("The copy: one tar file."))


def backup(
    ctx: typer.Context,
    file: Annotated[str, _FILE],
    by: Annotated[str | None, BY] = None,
    config: Annotated[str | None, CONFIG] = None,
    format: Annotated[str, _FORMAT] = "text",
) -> int:
    from mitrarr_runner.engine import state_check, state_files

    here = session(ctx)
    wanted = output_format(format)
    found = place(here, config)
    target = here.cwd / file
    stores = state_check.stores(found.site, [found.path])
    copy = state_files.backup(found.site, stores, target, here.clock.now())
    _note(here, found, "backup", here.actor(by))
    size = target.stat().st_size
    if wanted == "json":
        here.json({"file": str(target), "bytes": size, "copy": state_files.as_json(copy)})
        return 0
    here.print(
        plural(
            "{count} file of the state kept in {path}, {size}",
            "{count} files of the state kept in {path}, {size}",
            len(copy.files),
            path=str(target),
            size=here.say.size(size),
        )
    )
    here.print(text("  it holds ids of people and the site key: guard it like the site itself"))
    here.print(
        text(
            "  store and key stay together: with another key everybody would be sent a second time"
        )
    )
    here.print(
        text(
            "  not in it: {folders}; copy these folders too, after this",
            folders=f"{found.site.originals.name}/, {found.site.quarantine.name}/",
        )
    )
    return 0


def restore(
    ctx: typer.Context,
    file: Annotated[str, _FILE],
    yes: Annotated[
        bool, typer.Option("--yes", help=mark("Do not ask; needed when nobody can be asked."))
    ] = False,
    by: Annotated[str | None, BY] = None,
    config: Annotated[str | None, CONFIG] = None,
    format: Annotated[str, _FORMAT] = "text",
) -> int:
    from mitrarr_runner.engine import state_check, state_restore

    here = session(ctx)
    wanted = output_format(format)
    found = place(here, config)
    if not yes:
        state_restore.look(here.cwd / file)
        if not _agreed(here, found):
            here.print(text("nothing was changed"))
            return 1
    now = here.clock.now()
    done = state_restore.restore(found.site, here.cwd / file, now)
    _note(here, found, "restore", here.actor(by))
    checks = state_check.check(found.site, state_check.stores(found.site), now)
    if wanted == "json":
        aside = None if done.aside is None else str(done.aside)
        here.json({"made": done.copy.made, "aside": aside, "checks": _as_json(checks)})
        return 0 if state_check.sound(checks) else DAMAGED
    here.print(
        text(
            "the state of {made} ({host}) is back in {folder}",
            made=_moment(here, found, done.copy.made),
            host=done.copy.host,
            folder=str(found.site.state),
        )
    )
    if done.aside is not None:
        here.print(text("  the state that was is kept in {folder}", folder=str(done.aside)))
    code = _tell(here, checks, only_bad=True)
    here.print(text("  -> look before cron goes on: mitrarr plan; mitrarr status"))
    return code


def _moment(here: Session, found: Place, made: str) -> str:
    """When a copy was made, as its site's clock showed it."""
    try:
        instant = datetime.fromisoformat(made)
        return here.say.moment(instant, ZoneInfo(found.manifest.settings.timezone))
    except (ValueError, OverflowError):  # another program's words: as they are
        return made


def _agreed(here: Session, found: Place) -> bool:
    if not (here.on_terminal and sys.stdin.isatty()):
        raise UsageError(
            text("nobody can be asked whether the present state may be put aside"),
            code="needs_yes",
            hint=text("if it may: mitrarr state restore FILE --yes"),
        )
    here.print(text("the state in {folder} will be put aside", folder=str(found.site.state)))
    here.print(text("go on? (yes/no) "), end="")
    here.out.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes", "s", "sim")


def check(
    ctx: typer.Context,
    config: Annotated[str | None, CONFIG] = None,
    format: Annotated[str, _FORMAT] = "text",
) -> int:
    from mitrarr_runner import footing
    from mitrarr_runner.engine import state_check

    here = session(ctx)
    wanted = output_format(format)
    found = place(here, config)
    footing.check(found.site.state)
    stores = state_check.stores(found.site, [found.path])
    checks = state_check.check(found.site, stores, here.clock.now())
    if wanted == "json":
        here.json({"checks": _as_json(checks)})
        return 0 if state_check.sound(checks) else DAMAGED
    return _tell(here, checks)


def _as_json(checks: Sequence[Check]) -> list[dict[str, object]]:
    return [
        {
            "name": one.name,
            "subject": one.subject,
            "state": one.state.value,
            "count": one.count,
            "message": str(one.message),
        }
        for one in checks
    ]


def _tell(here: Session, checks: Sequence[Check], *, only_bad: bool = False) -> int:
    """The checks, one a line; the exit code."""
    from mitrarr_runner.engine.state_check import Soundness, sound

    signs = {
        Soundness.GOOD: text("good"),
        Soundness.WARNING: text("note"),
        Soundness.NEWER: text("NEWER"),
        Soundness.DAMAGED: text("DAMAGED"),
    }
    width = max(len(here.say(sign)) for sign in signs.values())
    subject = max((len(one.subject) for one in checks), default=0)
    for one in checks:
        if only_bad and one.state is Soundness.GOOD:
            continue
        shown = here.say(signs[one.state]).ljust(width)
        here.print(f"{shown}  {one.subject.ljust(subject)}  {here.say(one.message)}")
    if not checks:
        here.print(text("nothing was ever stored here"))
    elif sound(checks):
        here.print(text("the state is sound"))
    hint = next((one.hint for one in checks if one.hint is not None), None)
    if hint is not None:
        here.print(f"  -> {here.say(hint)}")
    if any(one.state is Soundness.DAMAGED for one in checks):
        here.print(text("the state is damaged; nothing was changed"))
        here.print(text("  -> put a copy back: mitrarr state restore FILE"))
    return 0 if sound(checks) else DAMAGED


def _note(here: Session, found: Place, action: str, actor: str) -> None:
    """Who made or put back a copy of what holds ids of people; no reason to fail afterwards."""
    from mitrarr_runner.store import audit

    with contextlib.suppress(StateError), found.open_store() as db, db.transaction():
        audit.write(db, actor=actor, action=action, subject="state", now=here.clock.now())


VERBS = (
    Verb(
        "backup",
        backup,
        mark(
            "Keep the state (store, site key, last good manifests) in one file; safe while applies"
            " run.\n\nExample: mitrarr state backup /copias/mitrarr-2026-11-23.tar"
        ),
        group="state",
    ),
    Verb(
        "restore",
        restore,
        mark(
            "Put such a file back; the state that was is kept beside it."
            "\n\nExample: mitrarr state restore /copias/mitrarr-2026-11-23.tar --yes"
        ),
        group="state",
    ),
    Verb(
        "check",
        check,
        mark(
            "Look whether the state can be trusted; exit 4 when it cannot."
            "\n\nExample: mitrarr state check"
        ),
        group="state",
    ),
)
