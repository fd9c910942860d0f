"""What will a change of the manifest do? A sentence or two beside each change, for a reviewer.

A new job: when it starts. A new source: whether its spool is there, and what leaves the building
because of it. A moved threshold: how often it would have warned over the kept history. Reads spools
and readings through what it is handed; changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from mitrarr_runner import templates
from mitrarr_runner.clock import iso
from mitrarr_runner.engine.notes import Note, Noted
from mitrarr_runner.errors import MitrarrError
from mitrarr_runner.intake import spool
from mitrarr_runner.manifest.diff import Change, ChangeKind
from mitrarr_runner.manifest.model import Destination, First, Job, Manifest, Source
from mitrarr_runner.plan import upcoming
from mitrarr_runner.steps.check_volume import rule_of
from mitrarr_runner.text import Text, plural, text
from mitrarr_runner.volumes import Reading, Replay, replay

DATES = 5
"""Warnings of a replay that are shown with their date and count: the newest ones."""

Readings: TypeAlias = Callable[[str], Sequence[Reading]]
"""The kept readings of a label, oldest first."""

SpoolState: TypeAlias = Callable[[Source], Text]


@dataclass(frozen=True, slots=True)
class Review:
    """What changes are judged by: the two manifests, the instant, the kept readings, the host."""

    old: Manifest
    new: Manifest
    now: datetime
    readings: Readings
    spool: SpoolState


def noted(changes: Sequence[Change], review: Review) -> tuple[Noted, ...]:
    """Each change with its notes; a thing with several changes has them at its last one."""
    last = {(one.section, one.name): one for one in changes}
    return tuple(
        Noted(one, tuple(_notes(one, review)) if last[one.section, one.name] is one else ())
        for one in changes
    )


def _notes(change: Change, review: Review) -> Iterator[Note]:
    if change.kind is ChangeKind.REMOVED:
        return
    match change.section:
        case "jobs":
            yield from _of_job(
                review.old.jobs.get(change.name), review.new.jobs[change.name], review
            )
        case "sources":
            yield from _of_source(change, review)
        case "destinations":
            yield from _of_destination(change, review)
        case "volumes":
            yield _of_volume(change, review)


def _of_job(old: Job | None, new: Job, review: Review) -> Iterator[Note]:
    """A new job and a changed line of cron (or zone) start at their next slot."""
    if old is not None and _line(old) == _line(new):
        return
    slot = next(iter(upcoming(new, review.now, 1)), None)
    if slot is None:
        yield Note(text("runs only when asked"))
    elif old is not None:
        told = text("starts anew: first slot {at}; past slots are not run", at=iso(slot))
        yield Note(told, slot)
    elif new.schedule.first is First.NOW:
        yield Note(text("new; runs once at the first apply, then at {at}", at=iso(slot)), slot)
    else:
        yield Note(text("new; first slot {at}; past slots are not run", at=iso(slot)), slot)


def _line(job: Job) -> tuple[str, str]:
    return (" ".join((job.schedule.cron or "").split()), job.schedule.timezone)


def _of_source(change: Change, review: Review) -> Iterator[Note]:
    source = review.new.sources[change.name]
    if change.kind is ChangeKind.ADDED or change.key == "spool":
        yield Note(review.spool(source))
    if change.kind is not ChangeKind.ADDED:
        return
    if source.purpose:
        yield Note(text("purpose: {purpose}", purpose=source.purpose))
    else:
        yield Note(text("no purpose is written down"))
    sent = False
    for destination in review.new.destinations.values():
        if not destination.sources or source.name in destination.sources:
            sent = True
            yield Note(_leaving(destination))
    if not sent:
        yield Note(text("nothing of it leaves the building"))


def _of_destination(change: Change, review: Review) -> Iterator[Note]:
    destination = review.new.destinations[change.name]
    if change.kind is ChangeKind.ADDED or change.key.split(".")[0] in ("card", "url", "sources"):
        yield Note(_leaving(destination))


def _leaving(destination: Destination) -> Text:
    """What a destination is told of a person beside the face: the names in its card's templates."""
    names = templates.names_in(destination.card.name)
    if destination.card.comment:
        names |= templates.names_in(destination.card.comment)
    return text(
        "leaves for {destination}: the face, {names}",
        destination=destination.name,
        names=", ".join(sorted(names)) or "-",
    )


def spool_state(source: Source, now: datetime) -> Text:
    """Whether the spool is there, and how many files lie in it."""
    if source.spool is None:
        return text("its files are brought by hand")
    try:
        found = spool.look(source, {}, now)
    except MitrarrError as error:
        return error.message
    files = len(found.ready) + found.arriving + found.unmatched + found.refused + found.done
    return plural(
        "{path} exists, {count} file",
        "{path} exists, {count} files",
        files,
        path=str(source.spool),
    )


def spool_unseen(source: Source) -> Text:
    """The same where the spool is another host's."""
    return text("its spool cannot be seen from this host")


def _of_volume(change: Change, review: Review) -> Note:
    label = change.name
    readings = review.readings(label)
    after = replay(readings, rule_of(review.new, label), review.now)
    if after.since is None:
        return Note(text("no reading of the last 90 days is kept: nothing to judge again"))
    before = None
    if label in review.old.volumes:
        before = replay(readings, rule_of(review.old, label), review.now)
    shown = tuple((one.at, one.value) for one in after.warnings[-DATES:])
    told = _warnings(after, before, review.now)
    if len(shown) < len(after.warnings):
        told = text("{told}; the newest {count}:", told=told, count=len(shown))
    return Note(told, None, shown)


def _warnings(after: Replay, before: Replay | None, now: datetime) -> Text:
    since = after.since or now
    values: Mapping[str, object] = {"days": max(1, math.ceil((now - since) / timedelta(days=1)))}
    times = len(after.warnings)
    if before is None:
        return plural(
            "in the last {days} days it would have warned {count} time",
            "in the last {days} days it would have warned {count} times",
            times,
            **values,
        )
    return plural(
        "in the last {days} days it would have warned {count} time instead of {old}",
        "in the last {days} days it would have warned {count} times instead of {old}",
        times,
        old=len(before.warnings),
        **values,
    )
