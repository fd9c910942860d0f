"""How is one spool file read? Once, whole, through a descriptor that cannot be led astray.

O_NOFOLLOW | O_NONBLOCK, a regular file with one name, unchanged from the look to the last byte.
What does not hold is left in the spool, with the outcome that says why. A cut file is left until
`settle_max`, for it may only be slow; `settle: 0s` trusts what it sees, and does not wait.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from mitrarr_runner.intake import originals, spool, verdict
from mitrarr_runner.intake.ledger import Outcome
from mitrarr_runner.intake.originals import Draft
from mitrarr_runner.intake.spool import SpoolFile
from mitrarr_runner.intake.verdict import FromFile, Verdict
from mitrarr_runner.manifest.model import Source
from mitrarr_runner.site import Site

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NOT_OPENED: Mapping[int, Outcome] = MappingProxyType(
    {
        errno.ENOENT: Outcome.GONE,
        errno.ELOOP: Outcome.REFUSED,
        errno.ENXIO: Outcome.REFUSED,
    }
)


@dataclass(frozen=True, slots=True)
class Taken:
    """A file that was read and judged; its draft is to be put in place, or closed."""

    draft: Draft
    verdict: Verdict
    file: SpoolFile | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """A file that stays where it is. truncated: it was read, and ends too early."""

    outcome: Outcome
    truncated: bool = False


def take(
    site: Site, source: Source, folder: int, file: SpoolFile, who: FromFile, today: date
) -> Taken | Left:
    """Read and judge. FailedError where the store cannot be written; nothing else is raised."""
    try:
        descriptor = os.open(file.name, _FLAGS, dir_fd=folder)
    except OSError as error:
        return Left(_NOT_OPENED.get(error.errno or 0, Outcome.FAILED))
    try:
        draft = _copied(site, descriptor, file)
    except OSError:  # of the spool's disk; those of the store are FailedError
        return Left(Outcome.FAILED)
    finally:
        os.close(descriptor)
    if isinstance(draft, Left):
        return draft
    judged = verdict.judge(draft.data, source, who, today)
    if judged.incomplete and source.settle > 0 and file.quiet < source.settle_max:
        draft.close()
        return Left(Outcome.RETRIED, truncated=True)
    return Taken(draft, judged, file)


def _copied(site: Site, descriptor: int, file: SpoolFile) -> Draft | Left:
    found = os.fstat(descriptor)
    if not spool.plain(found):
        return Left(Outcome.REFUSED)
    if not file.same_as(found):
        return Left(Outcome.RETRIED)
    draft = originals.copy(site, limited(descriptor, file.size + 1))
    if draft.size != file.size or not file.same_as(os.fstat(descriptor)):
        draft.close()
        return Left(Outcome.RETRIED)
    return draft


def limited(descriptor: int, limit: int) -> originals.Read:
    """A reader that stops after `limit` bytes: a file that grows as fast as we read must end."""
    left = limit

    def read(count: int) -> bytes:
        nonlocal left
        chunk = os.read(descriptor, min(count, left))
        left -= len(chunk)
        return chunk

    return read
