"""Which files were taken in and which refused, and why? Text and JSON of `registry`.

The id of a person is shown only where it is asked for by name (`registry show --id`): a screen is
seen over shoulders and copied into tickets, and a handle does for everything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from mitrarr_runner.clock import iso
from mitrarr_runner.delivery.desk import Shown
from mitrarr_runner.engine.report import columns
from mitrarr_runner.engine.report.deliveries import state_word as delivery_state
from mitrarr_runner.store.registry import Noted, Record, State
from mitrarr_runner.text import Catalogue, Text, text


@dataclass(frozen=True, slots=True)
class Listing:
    """records: newest first. counts: of everything there is, whatever was asked for."""

    records: Sequence[Record]
    counts: Mapping[State, int]
    at: datetime
    zone: tzinfo


@dataclass(frozen=True, slots=True)
class Detail:
    """sent: where its person is sent to. person: the id, where it was asked for."""

    record: Record
    sent: Sequence[Shown]
    at: datetime
    zone: tzinfo
    person: str | None = None


def list_json(found: Listing) -> dict[str, object]:
    return {
        "records": [_record_json(record) for record in found.records],
        "counts": {state.value: count for state, count in found.counts.items()},
    }


def show_json(found: Detail, say: Catalogue) -> dict[str, object]:
    """ "id" is there only where it was asked for."""
    record = found.record
    person = {} if found.person is None else {"id": found.person}
    return {
        **_record_json(record),
        **person,
        "sha256": record.sha256,
        "actor": record.actor,
        "findings": [finding_json(finding, say) for finding in record.findings],
        "deliveries": [
            {"handle": one.handle, "destination": one.destination, "state": one.state.value}
            for one in found.sent
        ],
    }


def _record_json(record: Record) -> dict[str, object]:
    return {
        "handle": record.handle,
        "state": record.state.value,
        "code": record.code,
        "source": record.source,
        "revision": record.revision,
        "bytes": record.bytes,
        "run": None if record.run is None else f"r{record.run}",
        "at": iso(record.at),
        "changed_at": iso(record.changed_at),
    }


def finding_json(finding: Noted, say: Catalogue) -> dict[str, object]:
    return {
        "code": finding.code,
        "severity": finding.severity,
        "offset": finding.offset,
        "record": finding.record,
        "field": finding.field,
        "message": say(finding.message),
    }


def list_text(found: Listing, say: Catalogue, width: int | None = None) -> list[str]:
    total = sum(found.counts.values())
    if not total:
        return [say(text("no file was registered yet"))]
    titles = (
        text("HANDLE"),
        text("STATE"),
        text("SOURCE"),
        text("SIZE"),
        text("WHEN"),
        text("WHY"),
    )
    rows = [[say(title) for title in titles]]
    rows += [_row(record, found, say) for record in found.records]
    account = "   ".join(
        f"{say(state_word(state))} {say.number(found.counts.get(state, 0))}"
        for state in State
        if state is not State.SUPERSEDED or found.counts.get(state)
    )
    shown = text("{shown} shown; in all:  {account}", shown=len(found.records), account=account)
    return [*columns.table(rows, width, elastic=2), "", say(shown)]


def _row(record: Record, found: Listing, say: Catalogue) -> list[str]:
    return [
        record.handle,
        say(state_word(record.state)),
        record.source,
        say.size(record.bytes),
        say.hour(record.changed_at, found.zone, found.at),
        say(why(record)) if record.state is State.QUARANTINED else "",
    ]


def state_word(state: State) -> Text:
    return {
        State.REGISTERED: text("registered"),
        State.NO_FACE: text("no face"),
        State.QUARANTINED: text("quarantined"),
        State.SUPERSEDED: text("superseded"),
    }[state]


def why(record: Record) -> Text:
    """The finding that decided."""
    for finding in record.findings:
        if finding.code == record.code:
            return finding.message
    return text("refused ({code})", code=record.code or "?")


def show_text(found: Detail, say: Catalogue, width: int | None = None) -> list[str]:
    record = found.record
    pairs = [
        (text("state"), say(state_word(record.state))),
        (text("source"), record.source),
        *([(text("id"), found.person)] if found.person is not None else []),
        (text("revision"), str(record.revision)),
        (text("size"), f"{say.size(record.bytes)}, sha256 {record.sha256[:12]}"),
        (text("came"), _moment(record.at, record, found, say)),
    ]
    if record.changed_at != record.at:
        pairs.append((text("changed"), say.moment(record.changed_at, found.zone)))
    lines = [
        record.handle,
        *columns.labelled([(say(label), value) for label, value in pairs], width),
    ]
    if record.findings:
        lines += ["", say(text("FINDINGS"))]
        for finding in record.findings:
            lines += finding_lines(finding, say, width)
    lines += ["", say(text("WHAT TO DO"))]
    for advice in _advice(found):
        lines += columns.wrapped_after("  ", say(advice), width)
    return lines


def _moment(at: datetime, record: Record, found: Detail, say: Catalogue) -> str:
    moment = say.moment(at, found.zone)
    if record.run is not None:
        return say(text("{moment}, run {run}", moment=moment, run=f"r{record.run}"))
    if record.actor:
        return say(text("{moment}, by {actor}", moment=moment, actor=record.actor))
    return moment


def finding_lines(finding: Noted, say: Catalogue, width: int | None) -> list[str]:
    """What is wrong, and where: the place is what a sender's programmer asks for first."""
    word = text("error") if finding.severity == "error" else text("warning")
    lines = columns.wrapped_after(f"  {say(word)}  ", say(finding.message), width)
    places = []
    if finding.record is not None:
        places.append(say(text("record {n}", n=finding.record)))
    if finding.field is not None:
        places.append(say(text("field {tag}", tag=finding.field)))
    if finding.offset is not None:
        places.append(say(text("byte {offset}", offset=str(finding.offset))))
    places.append(finding.code)
    return [*lines, "      " + ", ".join(places)]


def _advice(found: Detail) -> list[Text]:
    record = found.record
    if record.state is State.QUARANTINED:
        return [
            text("ask the sender for the file again; the refused one is kept"),
            text(
                "or correct the source's rules, and have it judged again:"
                " mitrarr registry requeue {handle}",
                handle=record.handle,
            ),
        ]
    if record.state is State.NO_FACE:
        return [text("nothing: the file is sound and holds no face, so nothing is sent")]
    if record.state is State.SUPERSEDED:
        return [text("nothing: the same bytes are registered under another handle")]
    if not found.sent:
        return [text("nothing: it is sent at the next send_to_findface")]
    return [
        text(
            "{destination}: {state}; look: mitrarr deliveries show {handle}",
            destination=one.destination,
            state=delivery_state(one.state),
            handle=one.handle,
        )
        for one in found.sent
    ]
