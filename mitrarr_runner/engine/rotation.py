"""Is a log too long? It is renamed, the next line makes a new one, and no line is lost.

Writers open a log for each line (logs.append_line): whoever had it open when it was renamed writes
into the renamed file. Measured elsewhere: copying and truncating instead lost 5,892 of 20,000
lines. Read on through a rotation with `tail -F`.
"""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Iterable
from pathlib import Path

from mitrarr_runner import locks
from mitrarr_runner.site import Site

SIZE = 10_000_000
COUNT = 10
"""mitrarr.log, mitrarr.log.1 (the newest) ... mitrarr.log.10: more than that goes."""


def rotate(site: Site, paths: Iterable[Path], *, size: int = SIZE, count: int = COUNT) -> int:
    """Rename the logs that are longer than `size` bytes; how many. One process at a time; who does
    not get the lock leaves it to the one that has it. A log that cannot be renamed stays.
    """
    long = [path for path in dict.fromkeys(paths) if _is_long(path, size)]
    if not long:
        return 0
    held = locks.acquire(site.locks / "rotate.lock")
    if held is None:
        return 0
    done = 0
    with held:
        for path in long:
            with contextlib.suppress(OSError):
                done += _rotated(path, size, count)
    return done


def _is_long(path: Path, size: int) -> bool:
    """Of a file only: what was pointed at a pipe or a device is somebody else's to keep short."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size > size


def _rotated(path: Path, size: int, count: int) -> bool:
    """Make room at number 1: up to the first gap everything moves on by one."""
    if not _is_long(path, size):  # another process was faster
        return False
    numbered = [path.with_name(f"{path.name}.{number}") for number in range(1, count + 1)]
    gap = next((i for i, one in enumerate(numbered) if not one.exists()), count - 1)
    for index in range(gap, 0, -1):
        numbered[index - 1].replace(numbered[index])
    path.rename(numbered[0])
    return True
