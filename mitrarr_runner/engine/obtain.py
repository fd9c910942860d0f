"""From a path to a Manifest, as every verb that works with one gets it: compiled, else validated.

What reads and checks is imported only where the compiled manifest does not hold any more: most
calls need nothing of it (bench/due.py).
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from mitrarr_runner.clock import Clock
from mitrarr_runner.engine.validation import Validation, of_loaded
from mitrarr_runner.manifest import compiled


def obtain(
    shown: str | None,
    *,
    environment: Mapping[str, str],
    cwd: Path,
    clock: Clock | None = None,
) -> Validation:
    """As `validate`, from the compiled manifest while no file has changed: quick, and then without
    the warnings. What is read anew is kept for the next time, where the site has a state."""
    if shown is not None:
        recalled = compiled.recall(shown, environment=environment, cwd=cwd)
        if recalled is not None and recalled.manifest is not None:
            return of_loaded(recalled, recalled.manifest.name)
    from mitrarr_runner.engine.validate import validate

    found = validate(shown, environment=environment, cwd=cwd, clock=clock)
    with contextlib.suppress(OSError):  # a full disk, somebody else's state: it is only a cache
        compiled.save(found.loaded)
    return found
