"""Where does everything of one installation lie? The root folder, and the names below it.

`find_root` decides which folder is the root and says why (DESIGN section 4); hand-typed verbs and
cron must come to the same answer. `wake.py` repeats the order without imports; a test holds the
two together.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mitrarr_runner import footing

MARKER = ".mitrarr-site"


@dataclass(frozen=True, slots=True)
class Site:
    """The paths below one root. Folders are made with mode 0700 by `make`."""

    root: Path

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def compiled(self) -> Path:
        return self.state / "compiled"

    @property
    def wake(self) -> Path:
        return self.state / "wake"

    @property
    def heartbeat(self) -> Path:
        return self.state / "heartbeat"

    @property
    def locks(self) -> Path:
        return self.state / "locks"

    def lock_of(self, manifest: str, job: str) -> Path:
        """Held as long as anything of the job lives."""
        return self.locks / f"{manifest}.{job}.lock"

    @property
    def originals(self) -> Path:
        """Content-addressed originals: originals/ab/abcdef...nst."""
        return self.root / "store"

    @property
    def quarantine(self) -> Path:
        return self.root / "quarantine"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def run_logs(self) -> Path:
        return self.logs / "runs"

    @property
    def main_log(self) -> Path:
        return self.logs / "mitrarr.log"

    def make(self) -> None:
        """Make the folders that are missing; what exists keeps its mode.

        Raises StateError where state/ is not ours to work in, or to make (footing.py).
        """
        footing.check(self.state, making=True)
        try:
            for folder in (
                self.compiled,
                self.wake,
                self.heartbeat,
                self.locks,
                self.originals,
                self.quarantine,
                self.run_logs,
            ):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except PermissionError as error:
            tops = (self.state, self.originals, self.quarantine, self.logs)
            raise footing.unwritable(self.root, tops, error) from error


@dataclass(frozen=True, slots=True)
class FoundRoot:
    """why: settings | environment | marker_cwd | marker_manifest | configs_parent | cwd."""

    root: Path
    why: str


def find_root(
    settings_root: Path | None,
    manifest: Path | None,
    environment: Mapping[str, str],
    cwd: Path,
) -> FoundRoot:
    """settings_root is absolute already; manifest is the file or folder, absolute."""
    if settings_root is not None:
        return FoundRoot(settings_root, "settings")
    if environment.get("MITRARR_ROOT"):
        return FoundRoot(Path(environment["MITRARR_ROOT"]).absolute(), "environment")
    for start, why in ((cwd, "marker_cwd"), (manifest, "marker_manifest")):
        marked = _marked(start) if start else None
        if marked:
            return FoundRoot(marked, why)
    if manifest is not None:
        for folder in manifest.parents:
            if folder.name == "configs":
                return FoundRoot(folder.parent, "configs_parent")
    return FoundRoot(cwd, "cwd")


def _marked(start: Path) -> Path | None:
    for folder in (start, *start.parents):
        if os.path.lexists(folder / MARKER):
            return folder
    return None
