"""deliveries list, show, retry, park: people on their way to a destination, by handle."""

from __future__ import annotations

from typing import Annotated

import typer

from mitrarr_runner.cli.options import BY, CONFIG
from mitrarr_runner.cli.place import Place, place_with
from mitrarr_runner.cli.reading import Reading, check_known, choice, with_work, zone
from mitrarr_runner.cli.screen import show, width
from mitrarr_runner.cli.session import Session, output_format
from mitrarr_runner.cli.verb import Verb, session
from mitrarr_runner.errors import UsageError
from mitrarr_runner.redact import safe
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.deliveries import State as PersonState
from mitrarr_runner.text import mark, plural, text

_FORMAT = typer.Option("--format", help=mark("text for people, json for programs."))
_LIMIT = typer.Option("--limit", min=1, help=mark("How many, at most."))

_EVERYBODY = 1 << 31
_SLICE = 200  # people per transaction: short enough for the other writers to wait for


def deliveries_list(
    ctx: typer.Context,
    state: Annotated[
        str | None, typer.Option("--state", help=mark("pending, sending, sent or parked."))
    ] = None,
    destination: Annotated[
        str | None, typer.Option("--destination", help=mark("Only this destination."))
    ] = None,
    limit: Annotated[int, _LIMIT] = 20,
    config: Annotated[str | None, CONFIG] = None,
    format: Annotated[str, _FORMAT] = "text",
) -> int:
    from mitrarr_runner.delivery import desk
    from mitrarr_runner.engine.report.deliveries import Listing, list_json, list_text

    here = session(ctx)
    wanted = output_format(format)
    only = choice(state, PersonState, "--state")
    found = place_with(here, config, with_work)
    listing = Listing((), dict.fromkeys(PersonState, 0), here.clock.now(), zone(found))
    with Reading(found) as db:
        if db is not None:
            people = desk.listing(db, destination or "", only, limit)
            counts = desk.counts(db, destination or "")
            listing = Listing(people, counts, listing.at, listing.zone)
    if destination is not None and not sum(listing.counts.values()):
        check_known(destination, found.manifest.destinations, "destination")
    if wanted == "json":
        here.json(list_json(listing, here.say))
    else:
        show(here, list_text(listing, here.say, width(here)))
    return 0


def deliveries_show(
    ctx: typer.Context,
    handle: Annotated[str, typer.Argument(metavar="HANDLE", help=mark("For example D902."))],
    config: Annotated[str | None, CONFIG] = None,
    format: Annotated[str, _FORMAT] = "text",
) -> int:
    from mitrarr_runner.delivery import desk
    from mitrarr_runner.engine.report.deliveries import show_json, show_text

    here = session(ctx)
    wanted = output_format(format)
    found = place_with(here, config, with_work)
    with Reading(found) as db:
        if db is None:
            raise _unknown_delivery(handle)
        one = desk.show(db, handle)
    if wanted == "json":
        here.json(show_json(one, here.say))
    else:
        show(here, show_text(one, here.clock.now(), zone(found), here.say, width(here)))
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
    by: Annotated[str | None, BY] = None,
    config: Annotated[str | None, CONFIG] = None,
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
    found = place_with(here, config, with_work)
    if destination is not None:
        check_known(destination, found.manifest.destinations, "destination")
    with Reading(found) as reading:
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
    by: Annotated[str | None, BY] = None,
    config: Annotated[str | None, CONFIG] = None,
    format: Annotated[str, _FORMAT] = "text",
) -> int:
    from mitrarr_runner.delivery import desk
    from mitrarr_runner.store import audit

    here = session(ctx)
    wanted = output_format(format)
    if not reason.strip():
        raise UsageError(text("--reason is empty"), code="usage")
    found = place_with(here, config, with_work)
    with Reading(found) as reading:
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


VERBS = (
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
)
