"""Which manifests does the clock have to apply, how often, and by which command?

One entry for the manifest of the call, and one for each guardian that watches it and lies beside
it. The command names program, manifest and, where the manifest does not say it itself, the root:
under cron neither the working folder nor the environment is the operator's.
"""

from __future__ import annotations

import os
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from mitrarr_runner.engine.places import Call, Place
from mitrarr_runner.errors import FailedError, UsageError
from mitrarr_runner.manifest.load import load
from mitrarr_runner.manifest.loaded import absolute
from mitrarr_runner.manifest.model import Manifest
from mitrarr_runner.site import Site
from mitrarr_runner.text import text

PROGRAM = "mitrarr"
_MANIFESTS = (".json", ".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Entry:
    """One manifest that is applied by the clock.

    path: absolute. every: minutes between two applies, 1 or 30. root: to be handed on as
    MITRARR_ROOT; None where the manifest names its root itself.
    """

    name: str
    path: Path
    every: int
    root: Path | None
    manifest: Manifest

    def argv(self, program: Path) -> tuple[str, ...]:
        return (str(program), "apply", str(self.path))

    @property
    def environment(self) -> tuple[str, ...]:
        return () if self.root is None else (f"MITRARR_ROOT={self.root}",)


def entries(found: Place, call: Call) -> tuple[Entry, ...]:
    """The manifest of the call first, then its guardians by name.

    Raises UsageError where there is no manifest, or a path that no crontab can hold.
    """
    path = found.manifest.path
    if path is None:
        raise UsageError(
            text("there is no manifest that could be applied"),
            code="no_manifest",
            hint=text("name one: --config PATH, or make a site: mitrarr init DIR"),
        )
    pinned = None if found.root_from == "settings" else found.site.root
    first = _entry(found.manifest, path, pinned)
    if found.manifest.settings.watches:
        return (first,)
    return (first, *guardians(found.manifest, path, call))


def guardians(watched: Manifest, path: Path, call: Call) -> tuple[Entry, ...]:
    """The good manifests beside `path` that watch its store."""
    store = watched.root / watched.settings.store
    try:
        others = sorted(path.parent.iterdir())
    except OSError:
        others = []
    found = []
    for beside in others:
        if beside == path or not _may_be_manifest(beside):
            continue
        loaded = load(str(beside), environment=call.environment, cwd=call.cwd)
        manifest = loaded.manifest
        watches = manifest.settings.watches if manifest is not None else None
        if manifest is not None and watches and manifest.root / watches == store:
            pinned = None if loaded.root.why == "settings" else manifest.root
            found.append(_entry(manifest, beside, pinned))
    return tuple(sorted(found, key=lambda entry: entry.name))


def _may_be_manifest(path: Path) -> bool:
    try:
        if path.is_dir():
            return any(one.suffix in _MANIFESTS for one in path.iterdir())
    except OSError:  # somebody else's folder
        return False
    return path.suffix in _MANIFESTS


def _entry(manifest: Manifest, path: Path, root: Path | None) -> Entry:
    for named in (path, *([root] if root is not None else [])):
        if not str(named).isprintable():
            raise UsageError(
                text("no crontab and no unit can hold this path: {path}", path=repr(str(named))),
                code="path",
                hint=text("take the line ends and control characters out of its name"),
            )
    return Entry(manifest.name, path, 30 if manifest.settings.watches else 1, root, manifest)


def removable(found: Place, call: Call) -> tuple[Entry, ...]:
    """The same for those who remove: of a broken or missing manifest, too."""
    if not found.shown or found.manifest.path is not None:
        return entries(found, call)
    path = absolute(found.shown, call.cwd)
    first = Entry(found.name, path, 1, None, found.manifest)
    return (first, *guardians(found.manifest, path, call))


def program(python: str) -> Path:
    """This installation's console script, absolute; links are kept (a venv's python is one).

    Raises FailedError where the package was never installed.
    """
    beside = Path(os.path.abspath(python)).parent / PROGRAM  # noqa: PTH100 - resolve() would leave
    user = Path(sysconfig.get_path("scripts", "posix_user")) / PROGRAM  # `pip install --user`
    for candidate in (beside, user):
        if os.access(candidate, os.X_OK):
            return candidate
    raise FailedError(
        text("there is no program {path}", path=str(beside)),
        code="no_program",
        hint=text("install mitrarr with pip in the Python that is to run it"),
    )


def owner(site: Site) -> int:
    """The user whose site it is: of state/ where it exists, else of the root."""
    for place in (site.state, site.root):
        try:
            return place.stat().st_uid
        except (FileNotFoundError, NotADirectoryError):
            continue
    return os.geteuid()
