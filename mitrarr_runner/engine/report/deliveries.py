"""Who is on the way to a destination, and how far? Text and JSON of `deliveries`.

A person is a handle here; the registry's handle leads to the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from mitrarr_runner.clock import from_epoch, iso
from mitrarr_runner.delivery import reasons
from mitrarr_runner.delivery.desk import Shown
from mitrarr_runner.engine.report import columns
from mitrarr_runner.store.deliveries import Create, Part, State
from mitrarr_runner.text import Catalogue, Text, plural, text


@dataclass(frozen=True, slots=True)
class Listing:
    """people: the last changed first. counts: of everybody, whatever was asked for."""

    people: Sequence[Shown]
    counts: Mapping[State, int]
    at: datetime
    zone: tzinfo


def list_json(found: Listing, say: Catalogue) -> dict[str, object]:
    return {
        "deliveries": [_json(one, say) for one in found.people],
        "counts": {state.value: found.counts.get(state, 0) for state in State},
    }


def show_json(one: Shown, say: Catalogue) -> dict[str, object]:
    """parts: the card and the face, each with its own state."""
    parts = [
        {
            "part": part.part.value,
            "state": part.state.value,
            "attempts": part.attempt,
            "code": part.reason,
            "remote_id": part.remote_id or None,
            "at": iso(from_epoch(part.at)),
        }
        for part in one.parts
    ]
    return {**_json(one, say), "parts": parts}


def _json(one: Shown, say: Catalogue) -> dict[str, object]:
    return {
        "handle": one.handle,
        "destination": one.destination,
        "source": one.source,
        "state": one.state.value,
        "code": one.reason,
        "reason": say(reason_of(one)) if one.reason else "",
        "registry": one.registry,
        "at": iso(one.at),
        "changed_at": iso(one.changed_at),
        "not_before": None if one.not_before is None else iso(one.not_before),
    }


def list_text(found: Listing, say: Catalogue, width: int | None = None) -> list[str]:
    total = sum(found.counts.values())
    if not total:
        return [say(text("nobody was put into a queue yet"))]
    titles = (
        text("HANDLE"),
        text("STATE"),
        text("DESTINATION"),
        text("FILE"),
        text("WHEN"),
        text("WHY"),
    )
    rows = [[say(title) for title in titles]]
    for one in found.people:
        rows.append(
            [
                one.handle,
                say(state_word(one.state)),
                one.destination,
                one.registry,
                say.hour(one.changed_at, found.zone, found.at),
                say(reason_of(one)) if one.reason else "",
            ]
        )
    account = "   ".join(
        f"{say(state_word(state))} {say.number(found.counts.get(state, 0))}" for state in State
    )
    shown = text("{shown} shown; in all:  {account}", shown=len(found.people), account=account)
    return [*columns.table(rows, width, elastic=2), "", say(shown)]


def state_word(state: State) -> Text:
    return {
        State.PENDING: text("waiting"),
        State.SENDING: text("in doubt"),
        State.SENT: text("sent"),
        State.PARKED: text("parked"),
    }[state]


def reason_of(one: Shown) -> Text:
    """Why it is parked, or what the last trouble was."""
    if one.state is State.PARKED:
        return reasons.parked_text(one.reason)
    return reasons.trouble_text(one.reason)


def show_text(
    one: Shown, at: datetime, zone: tzinfo, say: Catalogue, width: int | None = None
) -> list[str]:
    state = say(state_word(one.state))
    if one.reason:
        state = f"{state}: {say(reason_of(one))}"
    pairs = [
        (text("state"), state),
        (text("destination"), one.destination),
        (text("source"), one.source),
        (text("file"), f"{one.registry or '-'}"),
        (text("queued"), say.moment(one.at, zone)),
        (text("changed"), say.moment(one.changed_at, zone)),
    ]
    if one.not_before is not None and one.not_before > at:
        pairs.append((text("not before"), say.moment(one.not_before, zone)))
    pairs += [(_part_word(part.part), _part(part, say)) for part in one.parts]
    lines = [one.handle, *columns.labelled([(say(label), value) for label, value in pairs], width)]
    lines += ["", say(text("WHAT TO DO"))]
    for advice in _advice(one):
        lines += columns.wrapped_after("  ", say(advice), width)
    return lines


def _part_word(part: Part) -> Text:
    return text("card") if part is Part.CARD else text("face")


def _part(part: Create, say: Catalogue) -> str:
    words = [say(state_word(part.state))]
    if part.remote_id:
        words.append(say(text("there as {id}", id=part.remote_id)))
    if part.attempt:
        words.append(say(plural("{count} attempt", "{count} attempts", part.attempt)))
    return ", ".join(words)


def _advice(one: Shown) -> list[Text]:
    if one.state is State.PARKED:
        return [
            text("look at the file: mitrarr registry show {handle}", handle=one.registry),
            text("try again as it is: mitrarr deliveries retry {handle}", handle=one.handle),
            text("a new file of the same person is sent by itself, unless it was held by hand"),
        ]
    if one.state is State.SENDING:
        return [text("nothing: the server may have it already; the next send looks it up first")]
    if one.state is State.PENDING:
        return [
            text("nothing: it is sent at the next send_to_findface"),
            text("or send now: mitrarr send-to-findface --batch-size 50"),
        ]
    return [text("nothing: card and face are there")]
