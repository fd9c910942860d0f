"""Does the account close? files = in FindFace + parked + repeated + quarantined (+ what waits)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mitrarr_runner.delivery import desk
from mitrarr_runner.delivery.reasons import parked_text
from mitrarr_runner.store import registry, runs
from mitrarr_runner.store.database import open_database
from mitrarr_runner.store.deliveries import State as Sent
from mitrarr_runner.store.registry import State
from mitrarr_runner.text import Text, text


@dataclass(frozen=True, slots=True)
class Account:
    """Counted from the store and from the simulated server.

    quarantined and parked: (handle, what was wrong). faceless: people on the server whose photo
    it refused; lost, reset: faults the server made.
    """

    files: int
    registered: int
    no_face: int
    repeated: int
    sent: int
    waiting: int
    quarantined: tuple[tuple[str, Text], ...]
    parked: tuple[tuple[str, Text], ...]
    remote_people: int
    remote_faces: int
    faceless: int
    doubled: int
    lost: int
    reset: int

    @property
    def closes(self) -> bool:
        """Every file is in exactly one of the parts, and every registered person as well."""
        whole = self.registered + self.no_face + self.repeated + len(self.quarantined)
        people = self.sent + len(self.parked) + self.waiting
        return self.files == whole and self.registered == people

    @property
    def remote_closes(self) -> bool:
        """Whoever is on the server without a face is one of ours who is parked."""
        whole = self.remote_people == self.sent + self.faceless
        return whole and self.faceless <= len(self.parked)


def count(folder: Path, files: int, report: Mapping[str, Any]) -> Account:
    """Count everything anew. repeated comes from the first run: later looks know all files."""
    with open_database(folder / "state" / "mitrarr.db") as db:
        states = registry.counts(db)
        people = desk.counts(db)
        refused = registry.listing(db, state=State.QUARANTINED, source=None, limit=50)
        parked = desk.listing(db, "", Sent.PARKED, 50)
        first = runs.history(db, "demo", job="adiciona_nists", limit=100)[-1]
    counts = first.result["steps"][0]["counts"]
    faults = report["faults"]
    return Account(
        files=files,
        registered=states.get(State.REGISTERED, 0),
        no_face=states.get(State.NO_FACE, 0),
        repeated=counts.get("repeated", 0),
        sent=people.get(Sent.SENT, 0),
        waiting=people.get(Sent.PENDING, 0) + people.get(Sent.SENDING, 0),
        quarantined=tuple((row.handle, _why(row)) for row in refused),
        parked=tuple((shown.handle, parked_text(shown.reason)) for shown in parked),
        remote_people=report["cards"],
        remote_faces=report["faces"],
        faceless=report["cards_without_face"],
        doubled=report["duplicates"] + report["doubled_faces"],
        lost=faults.get("lost", 0),
        reset=faults.get("reset", 0),
    )


def _why(row: registry.Record) -> Text:
    return row.findings[0].message if row.findings else text("{code}", code=row.code)
