"""What if a person brings a file, or wants a refused one judged again?

A file given by hand is trusted to be whole (no settling, no retry) and is kept where it lies; a
damaged one goes to quarantine at once. The same checks, the same ledger as for a spool. The name
of the file, which may be a CPF, is in no error.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO

from mitrarr_runner.clock import Clock
from mitrarr_runner.errors import FailedError, UsageError
from mitrarr_runner.intake import group, identity, ledger, originals, verdict
from mitrarr_runner.intake.group import Ground, Stage
from mitrarr_runner.intake.ledger import Entered, Outcome
from mitrarr_runner.intake.originals import Draft, FreeBytes
from mitrarr_runner.intake.taking import Taken, limited
from mitrarr_runner.intake.verdict import FromFile, Named
from mitrarr_runner.manifest.model import Source
from mitrarr_runner.site import Site
from mitrarr_runner.store import registry
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.registry import Noted, Place, Record, State
from mitrarr_runner.text import text

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Registered:
    """What became of one file. handle: of its row, or of the row that already knew it."""

    handle: str
    state: State
    outcome: Outcome
    findings: tuple[Noted, ...]


def register_file(
    db: Database,
    site: Site,
    source: Source,
    *,
    person: str,
    file: Path | BinaryIO,
    clock: Clock,
    actor: str,
    run: int | None = None,
    free: FreeBytes = originals.free_bytes,
    stage: Stage = group.no_stage,
) -> Registered:
    """One file, now; `file` is a path, or an open stream (standard input).

    UsageError: no_id, bad_id, file_missing, file_unreadable, not_a_file. FailedError:
    file_changed, input_too_large (a stream over the source's cap), disk_reserve,
    store_unwritable. A file that is not sound is no error here: state and outcome say so.
    """
    who = Named(_given_id(person))
    ground = Ground(db, site, source, clock, run, actor, stage)
    group.sweep(ground)
    if isinstance(file, Path):
        draft = _copied(site, file, free)
    else:
        draft = _drained(site, file, source.max_bytes, free)
    stage("copied")
    return _told(group.commit(ground, [_judged(ground, draft, who)])[0])


def requeue(
    db: Database,
    site: Site,
    source: Source,
    handle: str,
    *,
    clock: Clock,
    actor: str,
    person: str | None = None,
    run: int | None = None,
    free: FreeBytes = originals.free_bytes,
    stage: Stage = group.no_stage,
) -> Registered:
    """Judge a quarantined file by the rules of `source` as they are today.

    source: that of the row. person: an id given by hand; else the template's, or, where that
    needs the file's name (which is kept nowhere), the id read when the file came. UsageError:
    unknown_handle, not_quarantined, no_id, bad_id. FailedError: original_missing,
    original_damaged.
    """
    row = _quarantined(db, handle)
    who = _whose(row, source, person)
    ground = Ground(db, site, source, clock, run, actor, stage)
    group.sweep(ground)
    originals.check_reserve(site, row.bytes, free)
    place = registry.place_of(db, row.sha256) or Place.QUARANTINE
    with originals.opened(site, row.sha256, place) as stream:
        draft = originals.copy(site, stream.read)
    if draft.sha256 != row.sha256:
        draft.close()
        raise originals.damaged(row.sha256)
    stage("copied")
    enter = partial(_enter_anew, db, row, clock.now())
    return _told(group.commit(ground, [_judged(ground, draft, who)], enter=enter)[0])


def _enter_anew(db: Database, row: Record, now: datetime, entry: registry.Entry) -> Entered:
    try:
        return ledger.judged_anew(db, row, entry, now)
    except LookupError:
        raise _not_quarantined(row) from None


def _quarantined(db: Database, handle: str) -> Record:
    row = registry.show(db, handle)
    if row is None:
        raise UsageError(
            text("there is no file {handle}", handle=handle[:12]),
            code="unknown_handle",
            hint=text("list them: mitrarr registry list"),
        )
    if row.state is not State.QUARANTINED:
        raise _not_quarantined(row)
    return row


def _not_quarantined(row: Record) -> UsageError:
    return UsageError(
        text("{handle} is not in quarantine", handle=row.handle),
        code="not_quarantined",
        hint=text("see what became of it: mitrarr registry show {handle}", handle=row.handle),
    )


def _whose(row: Record, source: Source, person: str | None) -> Named | FromFile:
    if person is not None:
        return Named(_given_id(person))
    rule = identity.rule(source.id)
    if rule.from_name and row.person:
        return Named(row.person)
    return FromFile(rule, stem="")


def _given_id(person: str) -> str:
    try:
        return identity.checked(person)
    except identity.NoIdError as error:
        raise UsageError(
            text(
                "the id is empty, longer than {limit} characters, or not printable",
                limit=identity.ID_LENGTH,
            ),
            code=error.code,
            hint=text("give the person's id with --id"),
        ) from None


def _judged(ground: Ground, draft: Draft, who: Named | FromFile) -> Taken:
    today = ground.clock.now().date()
    return Taken(draft, verdict.judge(draft.data, ground.source, who, today))


def _told(entered: Entered) -> Registered:
    record = entered.record
    return Registered(record.handle, record.state, entered.outcome, record.findings)


def _copied(site: Site, path: Path, free: FreeBytes) -> Draft:
    with _opened(path) as descriptor:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise UsageError(
                text("the file given is not a regular file"),
                code="not_a_file",
                hint=text("give one ANSI/NIST file; `--file -` reads standard input"),
            )
        originals.check_reserve(site, before.st_size, free)
        try:
            draft = originals.copy(site, limited(descriptor, before.st_size + 1))
        except OSError as error:
            raise _unreadable(error) from None
        if draft.size != before.st_size or _times(os.fstat(descriptor)) != _times(before):
            draft.close()
            raise FailedError(
                text("the file changed while it was read; nothing was registered"),
                code="file_changed",
                hint=text("wait until it is complete, and type it again"),
            )
    return draft


def _times(found: os.stat_result) -> tuple[int, int]:
    return found.st_mtime_ns, found.st_ctime_ns


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        descriptor = os.open(path, _FLAGS)
    except FileNotFoundError:
        raise UsageError(
            text("the file given does not exist"),
            code="file_missing",
            hint=text("look at the path: spelling, folder, quotes around blanks"),
        ) from None
    except OSError as error:
        raise _unreadable(error) from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _unreadable(error: OSError) -> UsageError:
    return UsageError(
        text("the file given cannot be read ({reason})", reason=os.strerror(error.errno or 0)),
        code="file_unreadable",
        hint=text("look at its owner and rights"),
    )


def _drained(site: Site, stream: BinaryIO, limit: int, free: FreeBytes) -> Draft:
    """A stream to its end. It has no size to ask for, so the cap holds while it is read."""
    originals.check_reserve(site, limit, free)
    left = limit + 1

    def read(count: int) -> bytes:
        nonlocal left
        chunk = stream.read(min(count, left))
        left -= len(chunk)
        return chunk

    try:
        draft = originals.copy(site, read)
    except OSError as error:
        raise _unreadable(error) from None
    if draft.size > limit:
        draft.close()
        raise FailedError(
            text("standard input gave more than {limit} bytes; nothing was kept", limit=limit),
            code="input_too_large",
            hint=text("raise `max_bytes` of the source if such a file is right"),
        )
    return draft
