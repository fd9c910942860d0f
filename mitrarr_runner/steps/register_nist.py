"""Take in what a source's spool holds: check, store, register; damaged files go to quarantine.

A quarantined file does not fail the step: it is an incident of its own. A spool that is missing or
not mounted, and a disk that runs full, do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mitrarr_runner.errors import MitrarrError, UsageError
from mitrarr_runner.intake import spool
from mitrarr_runner.intake.register import IntakeResult, register_spool
from mitrarr_runner.manifest.model import Manifest, Source
from mitrarr_runner.steps.contract import Context, StepOutcome, StepResult, View
from mitrarr_runner.store import sightings
from mitrarr_runner.text import Text, plural, text

KIND = "register_nist"
IDEMPOTENT = True

_DISK = ("disk_reserve", "store_unwritable")
"""Nothing more is taken in; what was taken in before is delivered all the same (SEMANTICS 5)."""


@dataclass(frozen=True, slots=True)
class Options:
    """source: its name in the manifest."""

    source: str


def parse(options: Mapping[str, object]) -> Options:
    return Options(source=str(options["source"]))


def describe(options: Options, view: View) -> Text:
    """What the spool holds at this instant; a spool that cannot be read says so."""
    source = _source(view.manifest, options.source)
    seen = sightings.seen_files(view.store, source.name) if view.store else {}
    try:
        found = spool.look(source, seen, view.now)
    except MitrarrError as error:
        return error.message
    return text("{source}: {state}", source=source.name, state=_joined(_looked(found)))


def run(options: Options, context: Context) -> StepResult:
    """Raises what `register_spool` raises: no spool, no writable store."""
    source = _source(context.manifest, options.source)
    started = context.clock.monotonic()
    with context.open_store() as db:
        result = register_spool(
            db,
            context.site,
            source,
            clock=context.clock,
            run=context.run.id,
            actor=context.run.actor,
            progress=context.progress,
            stopping=context.stopping,
            log=context.log,
        )
    message = _told(result, int(context.clock.monotonic() - started))
    if result.stopped is not None:
        why = text("{account}; {reason}", account=message, reason=result.stopped.message)
        return StepResult(
            StepOutcome.FAILED,
            result.stopped.code,
            why,
            _counts(result),
            goes_on=result.stopped.code in _DISK,
        )
    return StepResult(StepOutcome.OK, "ok", message, _counts(result))


def _source(manifest: Manifest, name: str) -> Source:
    source = manifest.sources.get(name)
    if source is None:
        names = ", ".join(sorted(manifest.sources))
        raise UsageError(
            text("there is no source {source}", source=name),
            code="unknown_source",
            hint=text("sources of the manifest: {names}", names=names),
        )
    return source


def _looked(found: spool.SpoolLook) -> list[Text]:
    if not found.ready and not found.arriving and not found.unmatched and not found.refused:
        return [text("nothing new")]
    size = _size(found.ready_bytes)
    parts = [
        plural("{count} ready ({size})", "{count} ready ({size})", len(found.ready), size=size)
    ]
    if not found.ready:
        parts = [text("0 ready")]
    if found.arriving:
        parts.append(text("{count} still arriving", count=found.arriving))
    if found.unmatched:
        parts.append(text("{count} match no pattern", count=found.unmatched))
    if found.refused:
        parts.append(
            plural(
                "{count} refused (links or pipes)",
                "{count} refused (links or pipes)",
                found.refused,
            )
        )
    return parts


def _told(result: IntakeResult, seconds: int) -> Text:
    rest = _rest(result)
    if result.files == 0:
        return _joined([text("no new files"), *rest])
    return plural(
        "{count} file in {seconds}s: {parts}",
        "{count} files in {seconds}s: {parts}",
        result.files,
        seconds=seconds,
        parts=_joined([*_parts(result), *rest]),
    )


def _parts(result: IntakeResult) -> list[Text]:
    """One for each outcome that occurred: together they are all files of the run."""
    told = (
        plural("{count} registered", "{count} registered", result.registered),
        plural("{count} new revision", "{count} new revisions", result.revised),
        text("{count} without a face", count=result.no_face),
        plural("{count} repeated", "{count} repeated", result.repeated),
        text("{count} in quarantine", count=result.quarantined),
        plural("{count} left for the next look", "{count} left for the next look", result.retried),
        plural(
            "{count} refused (links or pipes)", "{count} refused (links or pipes)", result.refused
        ),
        plural(
            "{count} gone before they were read", "{count} gone before they were read", result.gone
        ),
        plural("{count} not readable", "{count} not readable", result.failed),
    )
    return [part for part in told if part.values["count"]]


def _rest(result: IntakeResult) -> list[Text]:
    told = (
        text("{count} still arriving", count=result.arriving),
        text("{count} waiting for the next run", count=result.waiting),
        text("{count} match no pattern", count=result.unmatched),
        plural(
            "{count} not moved out of the spool",
            "{count} not moved out of the spool",
            result.unmoved,
        ),
    )
    return [part for part in told if part.values["count"]]


def _joined(parts: Sequence[Text]) -> Text:
    joined = parts[0]
    for part in parts[1:]:
        joined = text("{before}, {after}", before=joined, after=part)
    return joined


def _size(count: int) -> Text:
    """Whole numbers only: "13 MB", "4,120 kB", so that no decimal sign has to be chosen here."""
    if count < 10_000:
        return text("{number} bytes", number=count)
    if count < 10_000_000:
        return text("{number} kB", number=round(count / 1000))
    return text("{number} MB", number=round(count / 1_000_000))


def _counts(result: IntakeResult) -> dict[str, int]:
    return {
        "files": result.files,
        "registered": result.registered,
        "no_face": result.no_face,
        "repeated": result.repeated,
        "revised": result.revised,
        "quarantined": result.quarantined,
        "retried": result.retried,
        "refused": result.refused,
        "gone": result.gone,
        "failed": result.failed,
        "arriving": result.arriving,
        "waiting": result.waiting,
        "unmatched": result.unmatched,
        "unmoved": result.unmoved,
    }
