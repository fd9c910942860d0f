"""What comes of a path: which manifest it means, and what loading it has given.

Apart from `load`, because most calls take the compiled manifest and need nothing of what reads and
checks (bench/due.py).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mitrarr_runner.manifest.files import Stamp
from mitrarr_runner.manifest.model import Manifest
from mitrarr_runner.manifest.problem import Problem
from mitrarr_runner.site import FoundRoot


@dataclass(frozen=True, slots=True)
class Loaded:
    """manifest is None where a problem is an error. shown: the path as it was given; data: the
    merged data of a good manifest, for `compiled`."""

    shown: str
    manifest: Manifest | None
    root: FoundRoot
    problems: tuple[Problem, ...] = ()
    files: tuple[tuple[Path, str], ...] = ()
    stamps: tuple[Stamp, ...] = ()
    data: Mapping[str, Any] | None = None


def find_manifest(given: str | None, environment: Mapping[str, str], cwd: Path) -> str | None:
    """The path as people know it: the argument, MITRARR_CONFIG, ./configs/prod where there is one;
    None means the built-in defaults."""
    chosen = given or environment.get("MITRARR_CONFIG")
    if chosen:
        return chosen
    return "configs/prod" if os.path.lexists(cwd / "configs/prod") else None


def absolute(shown: str, cwd: Path) -> Path:
    """The absolute path of a path as it was given (the same one `wake.py` comes to)."""
    return Path(os.path.normpath(cwd / shown))
