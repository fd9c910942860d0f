"""The site: which root and why, the manifest, whose state it is, its disk and its store."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mitrarr_runner import footing
from mitrarr_runner.engine.doctor.finding import (
    Finding,
    Ground,
    ok,
    problem,
    raised,
    warning,
)
from mitrarr_runner.engine.state_check import first_words
from mitrarr_runner.engine.validate import validate
from mitrarr_runner.errors import StateError
from mitrarr_runner.intake.originals import RESERVE, free_bytes
from mitrarr_runner.manifest.model import Manifest
from mitrarr_runner.store import health, trouble
from mitrarr_runner.store.schema import version_of
from mitrarr_runner.text import Text, plural, text

_OPEN = stat.S_IRWXG | stat.S_IRWXO


def root(ground: Ground) -> Iterator[Finding]:
    subject = text("root")
    why = ground.found.validation.root.why
    message = text("{root}: {why}", root=str(ground.site.root), why=_why(why))
    if not ground.site.root.is_dir():
        yield problem("root_missing", subject, message, text("there is no such folder: make it"))
    elif why == "cwd":
        hint = text("settings.root in the manifest says it for good, wherever one stands")
        yield warning("root_guessed", subject, message, hint)
    else:
        yield ok("root", subject, message)


def _why(why: str) -> Text:
    known = {
        "settings": text("the manifest says so (settings.root)"),
        "environment": text("$MITRARR_ROOT says so"),
        "marker_cwd": text("the working folder lies in it (.mitrarr-site)"),
        "marker_manifest": text("the manifest lies in it (.mitrarr-site)"),
        "configs_parent": text("it holds the manifest's configs/"),
        "cwd": text("the working folder, for nothing says otherwise"),
    }
    return known.get(why, text("{why}", why=why))


def manifest(ground: Ground) -> Iterator[Finding]:
    """Read anew: a compiled manifest has lost its warnings."""
    shown = ground.found.shown
    subject = text("manifest")
    if not shown:
        message = text("none: the built-in defaults are used")
        yield warning("no_manifest", subject, message, text("make one: mitrarr init DIR"))
        return
    checked = validate(
        shown, environment=ground.environment, cwd=ground.call.cwd, clock=ground.clock
    )
    errors, others = len(checked.errors), len(checked.problems) - len(checked.errors)
    see = text("see every problem: mitrarr validate {path}", path=shown)
    if errors:
        message = plural("{path}: {count} error", "{path}: {count} errors", errors, path=shown)
        yield problem("manifest_broken", subject, message, see)
    elif others:
        message = plural("{path}: {count} warning", "{path}: {count} warnings", others, path=shown)
        yield warning("manifest_warnings", subject, message, see)
    else:
        yield ok("manifest", subject, _size(shown, ground.manifest))


def _size(shown: str, found: Manifest) -> Text:
    return text(
        "{path}: {jobs}, {sources}, {destinations}",
        path=shown,
        jobs=plural("{count} job", "{count} jobs", len(found.jobs)),
        sources=plural("{count} source", "{count} sources", len(found.sources)),
        destinations=plural("{count} destination", "{count} destinations", len(found.destinations)),
    )


def owner(ground: Ground) -> Iterator[Finding]:
    """Whose state/ is, and that nobody else can look into it."""
    subject = text("owner")
    folder = ground.site.state
    try:
        found = folder.stat()
    except FileNotFoundError:
        yield from _to_be_made(ground, subject)
        return
    try:
        footing.check(folder)
    except StateError as error:
        if error.code == "other_owner":
            yield raised(error, subject)
            return
    name = footing.user_name(found.st_uid)
    wide = [path for path in (folder, ground.found.path) if _mode(path) & _OPEN]
    if wide:
        message = text("others can read {paths}", paths=", ".join(str(path) for path in wide))
        hint = text("chmod go= {paths}", paths=" ".join(str(path) for path in wide))
        yield warning("state_open", subject, message, hint)
    else:
        yield ok("owner", subject, text("{user} alone may enter state/", user=name))


def _to_be_made(ground: Ground, subject: Text) -> Iterator[Finding]:
    if os.access(ground.site.root, os.W_OK | os.X_OK):
        yield ok("owner", subject, text("state/ will be made by the first apply"))
    else:
        message = text("state/ cannot be made in {root}", root=str(ground.site.root))
        name = footing.user_name(os.geteuid())
        hint = text("give the folder to the user that is to run apply (now: {user})", user=name)
        yield problem("root_unwritable", subject, message, hint)


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def disk_kind(ground: Ground) -> Iterator[Finding]:
    """Locks and SQLite's WAL need a disk of this host, and some room on it."""
    subject = text("disk of state/")
    kind = footing.network_disk(ground.found.path.parent)
    if kind is not None:
        message = text("a network disk ({kind}): locks do not hold there", kind=kind)
        hint = text("keep the site on a disk of this host (settings.root); spools may stay there")
        yield problem("network_disk", subject, message, hint)
        return
    if trouble.is_full(_folder(ground)):
        message = text("full: the store cannot be written, and apply cannot work")
        hint = text("free some space (df -h {path}; df -i counts names)", path=str(_folder(ground)))
        yield problem("disk_full", subject, message, hint)
        return
    try:
        works = _wal(ground)
    except OSError as error:
        reason = text("cannot be written ({reason})", reason=os.strerror(error.errno or 0))
        yield problem("disk_unwritable", subject, reason, text("look at its owner, rights, mount"))
        return
    if works:
        yield ok("disk_kind", subject, text("of this host; SQLite's WAL works there"))
    else:
        message = text("SQLite's WAL does not work there")
        yield problem(
            "wal", subject, message, text("keep the site on an ordinary disk (ext4, xfs)")
        )


def _folder(ground: Ground) -> Path:
    """Where the store lies, or will."""
    folder = ground.found.path.parent
    return folder if folder.is_dir() else ground.site.root


def _wal(ground: Ground) -> bool:
    """Asked of the store itself where there is one, else tried beside it. One that says no was
    perhaps only read as it is, where nothing can be written: the trial tells."""
    with ground.store() as db:
        if db is not None and health.journal_mode(db) == "wal":
            return True
    with tempfile.TemporaryDirectory(prefix=".doctor-", dir=_folder(ground)) as trial:
        return health.try_wal(Path(trial))


def space(ground: Ground) -> Iterator[Finding]:
    subject = text("free space")
    try:
        free = free_bytes(ground.site.root)
    except OSError as error:
        message = text("cannot be read ({reason})", reason=os.strerror(error.errno or 0))
        yield problem("space", subject, message, None)
        return
    message = text(
        "{free} MB; intake keeps {reserve} MB free",
        free=free // 1_000_000,
        reserve=RESERVE // 1_000_000,
    )
    hint = text("free some space, or move the site to a larger disk")
    if free < RESERVE:
        yield problem("space", subject, message, hint)
    elif free < 5 * RESERVE:
        yield warning("space", subject, message, hint)
    else:
        yield ok("space", subject, message)


def store(ground: Ground) -> Iterator[Finding]:
    subject = text("store")
    path = str(ground.found.path)
    try:
        db = ground.found.open_readonly()
        if db is None:
            yield ok("store", subject, text("{path}: nothing was stored yet", path=path))
            return
        with db:
            wrong, version = health.quick_check(db), version_of(db)
    except StateError as error:
        if error.code not in ("other_owner", "network_disk"):  # said by their own checks
            yield raised(error, subject)
        return
    if wrong:
        message = text("{path} is damaged: {first}", path=path, first=first_words(wrong))
        hint = text("mitrarr state check says how much; a copy helps: mitrarr state restore FILE")
        yield problem("store_damaged", subject, message, hint)
    else:
        message = text("{path}: whole, schema {version}", path=path, version=version)
        yield ok("store", subject, message)
