"""registry, deliveries: what is known of files and people by handle, and what may be done to it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, TypeVar
from zoneinfo import ZoneInfo

import typer

from mitrarr_runner.cli import by_hand
from mitrarr_runner.cli.place import Place, place_with
from mitrarr_runner.cli.screen import show, width
from mitrarr_runner.cli.session import Session, output_format
from mitrarr_runner.cli.verb import Verb, session
from mitrarr_runner.engine.places import did_you_mean
from mitrarr_runner.errors import UsageError
from mitrarr_runner.manifest.model import Manifest
from mitrarr_runner.redact import safe
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.deliveries import State as PersonState
from mitrarr_runner.store.registry import Record
from mitrarr_runner.store.registry import State as FileState
from mitrarr_runner.text import mark, plural, text

_CONFIG = typer.Option(
    "--config", help=mark("Manifest file or folder; default: $MITRARR_CONFIG, then ./configs/prod.")
)
_FORMAT = typer.Option("--format", help=mark("text for people, json for programs."))
_BY = typer.Option("--by", help=mark("Who asks; default: MITRARR_OPERATOR, SUDO_USER, login."))
_LIMIT = typer.Option("--limit", min=1, help=mark("How many, at most."))

_Choice = TypeVar("_Choice", bound=StrEnum)


# -- registry


def registry_list(
    ctx: typer.Context,
    state: Annotated[
        str | None, typer.Option("--state", help=mark("registered, no_face or quarantined."))
    ] = None,
    source: Annotated[str | None, typer.Option("--source", help=mark("Only this source."))] = None,
    limit: Annotated[int, _LIMIT] = 20,
    config: Annotated[str | None, _CONFIG] = None,
    format: Annotated[str, _FORMAT] = "text",
) -> int:
    from mitrarr_runner.engine.report.registry import Listing, list_json, list_text
    from mitrarr_runner.store import registry

    here = session(ctx)
    wanted = output_format(format)
    only = _choice(state, FileState, "--state")
    found = place_with(here, config, _with_work)
    records: list[Record] = []
    counts = dict.fromkeys(FileState, 0)
    with _Reading(found) as db:
        if db is not None:
            records = registry.listing(db, state=only, source=source, limit=limit)
            counts = dict(registry.counts(db, source))
    if source is not None and not sum(counts.values()):
        _check_known(source, found.manifest.sources, "source")
    listing = Listing(records, counts, here.clock.now(), _zone(found))
    if wanted == "json":
        here.json(list_json(listing))
    else:
        show(here, list_text(listing, here.say, width(here)))
    return 0


def registry_show(
    ctx: typer.Context,
    handle: Annotated[str, typer.Argument(metavar="HANDLE", help=mark("For example Q311."))],
    id: Annotated[
        bool,
        typer.Option("--id", help=mark("Show the person's id too; the audit notes who asked.")),
    ] = False,
    by: Annotated[str | None, _BY] = None,
    config: Annotated[str | None, _CONFIG] = None,
    format: Annotated[str, _FORMAT] = "text",
) -> int:
    from mitrarr_runner.delivery import desk
    from mitrarr_runner.engine.report.registry import Detail, show_json, show_text

    here = session(ctx)
    wanted = output_format(format)
    found = place_with(here, config, _with_work)
    with _Reading(found) as db:
        record = _record(db, handle)
        assert db is not None  # noqa: S101 - a record was found in it
        sent = desk.of_registry(db, record.id)
    person = _revealed(here, found, record, by) if id else None
    detail = Detail(record, sent, here.clock.now(), _zone(found), person)
    if wanted == "json":
        here.json(show_json(detail, here.say))
    else:
        show(here, show_text(detail, here.say, width(here)))
    return 0


def _revealed(here: Session, found: Place, record: Record, by: str | None) -> str:
    """The id of a person; looking it up leaves a line in the audit chain first."""
    from mitrarr_runner.store import audit

    with found.open_store() as db, db.transaction():
        audit.write(
            db,
            actor=here.actor(by),
            action="registry_show_id",
            subject=record.handle,
            now=here.clock.now(),
        )
    return record.person


def registry_requeue(
    ctx: typer.Context,
    handle: Annotated[str, typer.Argument(metavar="HANDLE", help=mark("For example Q311."))],
    by: Annotated[str | None, _BY] = None,
    config: Annotated[str | None, _CONFIG] = None,
    format: Annotated[str, _FORMAT] = "text",
) -> int:
    from mitrarr_runner.intake.register import requeue
    from mitrarr_runner.store import audit

    here = session(ctx)
    wanted = output_format(format)
    found = place_with(here, config, _with_work)
    with _Reading(found) as reading:
        record = _record(reading, handle)
    source = by_hand.source_of(found.manifest, record.source)
    actor = here.actor(by)
    with found.open_store() as db:
        done = requeue(db, found.site, source, record.handle, clock=here.clock, actor=actor)
        with db.transaction():
            audit.write(
                db,
                actor=actor,
                action="registry_requeue",
                subject=record.handle,
                now=here.clock.now(),
                detail={"outcome": done.outcome.value, "handle": done.handle},
            )
    return by_hand.tell(here, found, source, done, wanted)


def _record(db: Database | None, handle: str) -> Record:
    from mitrarr_runner.store import registry

    record = None if db is None else registry.show(db, handle.strip())
    if record is None:
        raise UsageError(
            text("there is no file {handle}", handle=safe(handle, 12)),
            code="unknown_handle",
            hint=text("list them: mitrarr registry list"),
        )
    return record


# -- deliveries


def deliveries_list(
    ctx: typer.Context,
    state: Annotated[
        str | None, typer.Option("--state", help=mark("pending, sending, sent or parked."))
    ] = None,
    destination: Annotated[
        str | None, typer.Option("--destination", help=mark("Only this destination."))
    ] = None,
    limit: Annotated[int, _LIMIT] = 20,
    config: Annotated[str | None, _CONFIG] = None,
    format: Annotated[str, _FORMAT] = "text",
) -> int:
    from mitrarr_runner.delivery import desk
    from mitrarr_runner.engine.report.deliveries import Listing, list_json, list_text

    here = session(ctx)
    wanted = output_format(format)
    only = _choice(state, PersonState, "--state")
    found = place_with(here, config, _with_work)
    listing = Listing((), dict.fromkeys(PersonState, 0), here.clock.now(), _zone(found))
    with _Reading(found) as db:
        if db is not None:
            people = desk.listing(db, destination or "", only, limit)
            counts = desk.counts(db, destination or "")
            listing = Listing(people, counts, listing.at, listing.zone)
    if destination is not None and not sum(listing.counts.values()):
        _check_known(destination, found.manifest.destinations, "destination")
    if wanted == "json":
        here.json(list_json(listing, here.say))
    else:
        show(here, list_text(listing, here.say, width(here)))
    return 0


def deliveries_show(
    ctx: typer.Context,
    handle: Annotated[str, typer.Argument(metavar="HANDLE", help=mark("For example D902."))],
    config: Annotated[str | None, _CONFIG] = None,
    format: Annotated[str, _FORMAT] = "text",
) -> int:
    from mitrarr_runner.delivery import desk
    from mitrarr_runner.engine.report.deliveries import show_json, show_text

    here = session(ctx)
    wanted = output_format(format)
    found = place_with(here, config, _with_work)
    with _Reading(found) as db:
        if db is None:
            raise _unknown_delivery(handle)
        one = desk.show(db, handle)
    if wanted == "json":
        here.json(show_json(one, here.say))
    else:
        show(here, show_text(one, here.clock.now(), _zone(found), here.say, width(here)))
    return 0


def _unknown_delivery(handle: str) -> UsageError:
    return UsageError(
        text("{handle} is no delivery", handle=safe(handle, 20)),
        code="unknown_delivery",
        hint=text("handles look like D902; see: mitrarr deliveries list"),
    )


def deliveries_retry(
    ctx: typer.Context,
    handle: Annotated[
        str | None,
        typer.Argument(metavar="HANDLE", show_default=False, help=mark("For example D902.")),
    ] = None,
    every: Annotated[
        bool,
        typer.Option("--all", help=mark("Everybody who is parked, but for those held by hand.")),
    ] = False,
    destination: Annotated[
        str | None, typer.Option("--destination", help=mark("With --all: only there."))
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help=mark("Why: the audit keeps it."))] = "",
    by: Annotated[str | None, _BY] = None,
    config: Annotated[str | None, _CONFIG] = None,
    format: Annotated[str, _FORMAT] = "text",
) -> int:
    here = session(ctx)
    wanted = output_format(format)
    if (handle is None) is not every:
        raise UsageError(
            text("name one delivery, or --all"),
            code="usage",
            hint=text("for example: mitrarr deliveries retry D902"),
        )
    found = place_with(here, config, _with_work)
    if destination is not None:
        _check_known(destination, found.manifest.destinations, "destination")
    with _Reading(found) as reading:
        handles, held = _to_retry(reading, handle, destination or "")
    retried = _retry(here, found, handles, here.actor(by), reason)
    if wanted == "json":
        here.json({"retried": retried, "held": held})
        return 0
    if handle is not None and not retried:
        here.print(text("{handle} is not parked; nothing was changed", handle=handles[0]))
        return 0
    here.print(
        plural(
            "{count} person will be tried again at the next send",
            "{count} people will be tried again at the next send",
            len(retried),
        )
    )
    if held:
        here.print(
            plural(
                "  {count} held by hand stays; name it to release it",
                "  {count} held by hand stay; name them to release them",
                held,
            )
        )
    if retried:
        here.print(text("  send now: mitrarr send-to-findface --batch-size 50"))
    return 0


def _to_retry(db: Database | None, handle: str | None, destination: str) -> tuple[list[str], int]:
    """The handles to be tried again, and how many stay because a person holds them back."""
    from mitrarr_runner.delivery import desk
    from mitrarr_runner.delivery.reasons import BY_HAND

    if handle is not None:
        if db is None:
            raise _unknown_delivery(handle)
        return [desk.show(db, handle).handle], 0
    if db is None:
        return [], 0
    parked = desk.listing(db, destination, PersonState.PARKED, _EVERYBODY)
    chosen = [one.handle for one in parked if one.reason != BY_HAND]
    return chosen, len(parked) - len(chosen)


_EVERYBODY = 1 << 31
_SLICE = 200


def _retry(here: Session, found: Place, handles: list[str], actor: str, reason: str) -> list[str]:
    """In short transactions; each leaves its line in the audit chain."""
    from mitrarr_runner.delivery import desk
    from mitrarr_runner.store import audit

    retried: list[str] = []
    if not handles:
        return retried
    with found.open_store() as db:
        for start in range(0, len(handles), _SLICE):
            with db.transaction():
                slice_ = handles[start : start + _SLICE]
                done = [one for one in slice_ if desk.retry(db, one, here.clock)]
                for one in done:
                    audit.write(
                        db,
                        actor=actor,
                        action="delivery_retry",
                        subject=one,
                        now=here.clock.now(),
                        detail={"reason": safe(reason)},
                    )
            retried += done
    return retried


def deliveries_park(
    ctx: typer.Context,
    handle: Annotated[str, typer.Argument(metavar="HANDLE", help=mark("For example D902."))],
    reason: Annotated[str, typer.Option("--reason", help=mark("Why: the audit keeps it."))],
    by: Annotated[str | None, _BY] = None,
    config: Annotated[str | None, _CONFIG] = None,
    format: Annotated[str, _FORMAT] = "text",
) -> int:
    from mitrarr_runner.delivery import desk
    from mitrarr_runner.store import audit

    here = session(ctx)
    wanted = output_format(format)
    if not reason.strip():
        raise UsageError(text("--reason is empty"), code="usage")
    found = place_with(here, config, _with_work)
    with _Reading(found) as reading:
        if reading is None:
            raise _unknown_delivery(handle)
        name = desk.show(reading, handle).handle
    with found.open_store() as db, db.transaction():
        parked = desk.park(db, name, here.clock)
        if parked:
            audit.write(
                db,
                actor=here.actor(by),
                action="delivery_park",
                subject=name,
                now=here.clock.now(),
                detail={"reason": safe(reason)},
            )
    if wanted == "json":
        here.json({"handle": name, "parked": parked})
    elif parked:
        here.print(text("{handle} is held back", handle=name))
        here.print(text("  release: mitrarr deliveries retry {handle}", handle=name))
    else:
        here.print(text("{handle} is sent or parked already; nothing was changed", handle=name))
    return 0


# -- what both need


class _Reading:
    """The store for reading, closed at the end; None where nothing was ever stored."""

    def __init__(self, found: Place) -> None:
        self._db = found.open_readonly()

    def __enter__(self) -> Database | None:
        return self._db

    def __exit__(self, *_: object) -> None:
        if self._db is not None:
            self._db.close()


def _zone(found: Place) -> ZoneInfo:
    return ZoneInfo(found.manifest.settings.timezone)


def _with_work(manifest: Manifest) -> bool:
    return bool(manifest.sources or manifest.destinations)


def _choice(value: str | None, choices: type[_Choice], option: str) -> _Choice | None:
    if value is None:
        return None
    known = [one.value for one in choices]
    if value not in known:
        raise UsageError(
            text('{option}: there is no "{value}"', option=option, value=safe(value, 40)),
            code="usage",
            hint=did_you_mean(value, known) or text("one of: {known}", known=", ".join(known)),
        )
    return choices(value)


def _check_known(name: str, known: Iterable[str], kind: str) -> None:
    names = list(known)
    if name in names:
        return
    message = text("there is no source {name}", name=safe(name, 64))
    if kind == "destination":
        message = text("there is no destination {name}", name=safe(name, 64))
    hint = did_you_mean(name, names) or text("the manifest has: {names}", names=", ".join(names))
    raise UsageError(message, code=f"unknown_{kind}", hint=hint)


VERBS = (
    Verb(
        "list",
        registry_list,
        mark(
            "The newest files by handle: registered, without a face, quarantined."
            "\n\n\b\nExamples:\n  mitrarr registry list\n"
            "  mitrarr registry list --state quarantined --source DETRAN"
        ),
        "registry",
    ),
    Verb(
        "show",
        registry_show,
        mark(
            "One file: its state, what the checks found and where, and what to do next. The"
            " person's id is shown only with --id.\n\n\b\nExample:\n  mitrarr registry show Q311"
        ),
        "registry",
    ),
    Verb(
        "requeue",
        registry_requeue,
        mark(
            "Judge a quarantined file again, by today's rules of its source. Exit 1 when it is"
            " refused again.\n\n\b\nExample:\n  mitrarr registry requeue Q311"
        ),
        "registry",
    ),
    Verb(
        "list",
        deliveries_list,
        mark(
            "People on their way to a destination, by handle."
            "\n\n\b\nExample:\n  mitrarr deliveries list --state parked"
        ),
        "deliveries",
    ),
    Verb(
        "show",
        deliveries_show,
        mark(
            "One person at a destination: how far the card and the face are, and what to do next."
            "\n\n\b\nExample:\n  mitrarr deliveries show D902"
        ),
        "deliveries",
    ),
    Verb(
        "retry",
        deliveries_retry,
        mark(
            "Let parked people be tried again at the next send."
            "\n\n\b\nExamples:\n  mitrarr deliveries retry D902\n"
            '  mitrarr deliveries retry --all --reason "new extractor"'
        ),
        "deliveries",
    ),
    Verb(
        "park",
        deliveries_park,
        mark(
            "Hold somebody back who is not sent yet, until a retry names the handle."
            '\n\n\b\nExample:\n  mitrarr deliveries park D902 --reason "court order"'
        ),
        "deliveries",
    ),
    *by_hand.VERBS,
)
