"""What does the registry make of a judged file? Registered, known, a new revision, or refused.

Identity is (source, id), revision is the hash: the same bytes under the same id are known; other
bytes are a new revision; the same bytes under another id are a second record on the same blob. A
refused file has one row, however often it comes (under a second id, a second one); once its bytes
pass, that row is the record, and keeps its Q handle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from mitrarr_runner.intake.verdict import Verdict
from mitrarr_runner.store import registry
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.registry import Entry, Noted, Record, State
from mitrarr_runner.text import text


class Outcome(StrEnum):
    """What happened to one file that was looked at; each file has exactly one.

    revised: a new revision of a known person. retried: left for the next look (it changed while it
    was read, or is cut and may still grow). refused: no plain file with one name. gone: taken away
    before it was read. failed: it could not be read.
    """

    REGISTERED = "registered"
    NO_FACE = "no_face"
    REPEATED = "repeated"
    REVISED = "revised"
    QUARANTINED = "quarantined"
    RETRIED = "retried"
    REFUSED = "refused"
    GONE = "gone"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Entered:
    outcome: Outcome
    record: Record


def entry(
    verdict: Verdict, *, source: str, sha256: str, size: int, run: int | None, actor: str
) -> Entry:
    """The row a judged file would get, revision still open."""
    return Entry(
        source=source,
        person=verdict.person,
        tcn=verdict.tcn,
        sha256=sha256,
        bytes=size,
        state=verdict.state,
        code=verdict.code,
        findings=verdict.findings,
        run=run,
        actor=actor,
    )


def enter(db: Database, wanted: Entry, now: datetime) -> Entered:
    """Write what is new; expects an open transaction."""
    known = _known(db, wanted)
    if wanted.state is State.QUARANTINED:
        if known is not None:
            return Entered(Outcome.REPEATED, known)
        return Entered(Outcome.QUARANTINED, registry.add(db, wanted, now))
    if known is not None and known.state in (State.REGISTERED, State.NO_FACE):
        return Entered(Outcome.REPEATED, known)
    return taken_in(db, wanted, now, known)


def _known(db: Database, wanted: Entry) -> Record | None:
    """The row of these bytes: under this id, or refused when no id could be read from them."""
    same = registry.find(db, wanted.source, wanted.person, wanted.sha256)
    if same is not None:
        return same
    waiting = registry.refused(db, wanted.source, wanted.sha256)
    meant = (row for row in waiting if not (row.person and wanted.person))
    return next(meant, None)


def judged_anew(db: Database, row: Record, wanted: Entry, now: datetime) -> Entered:
    """A quarantined row under today's rules; expects an open transaction."""
    if wanted.state is State.QUARANTINED:
        kept = replace(wanted, person=row.person)
        return Entered(Outcome.QUARANTINED, registry.settle(db, row, kept, now))
    same = registry.find(db, wanted.source, wanted.person, wanted.sha256)
    if same is not None and same.id != row.id:
        registry.supersede(db, row, now)
        return Entered(Outcome.REPEATED, same)
    return taken_in(db, wanted, now, row)


def taken_in(db: Database, wanted: Entry, now: datetime, row: Record | None) -> Entered:
    """A sound file that is not registered yet: into `row`, or into a new one."""
    revision = registry.next_revision(db, wanted.source, wanted.person)
    other = registry.other_with_tcn(db, wanted)
    findings = wanted.findings if other is None else (*wanted.findings, _tcn_repeated(other))
    ready = replace(wanted, revision=revision, findings=findings)
    if row is None:
        record = registry.add(db, ready, now)
    else:
        record = registry.settle(db, row, ready, now)
    if record.state is State.NO_FACE:
        return Entered(Outcome.NO_FACE, record)
    return Entered(Outcome.REGISTERED if revision == 1 else Outcome.REVISED, record)


def _tcn_repeated(handle: str) -> Noted:
    message = text("its transaction number (TCN) is that of {handle}, another id", handle=handle)
    return Noted("tcn_repeated", "warning", message, record=1, field="1.009")
