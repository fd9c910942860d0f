"""Can the state be trusted? Every store of a site, its key, and the originals its rows name.

Reads only, and may run while applies do: what is on its way at this instant (a file that is put in
place before its row is written) is not reported. Names no file and no person: hashes' counts only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from mitrarr_runner.clock import epoch
from mitrarr_runner.delivery import site_key
from mitrarr_runner.errors import StateError
from mitrarr_runner.intake.originals import path_of
from mitrarr_runner.site import Site
from mitrarr_runner.store import audit, registry, soundness
from mitrarr_runner.store.database import SCHEMA_VERSION, Database, open_readonly
from mitrarr_runner.store.registry import Place
from mitrarr_runner.store.schema import version_of
from mitrarr_runner.text import Text, plural, text

_ON_ITS_WAY = 3600
"""Seconds for which a file without a row may be work in progress."""


class Soundness(StrEnum):
    """warning: harmless, but somebody may want to know. newer: whole as far as it can be told, but
    this program does not know its form. newer and damaged: `check` ends with exit code 4.
    """

    GOOD = "good"
    WARNING = "warning"
    NEWER = "newer"
    DAMAGED = "damaged"

    @property
    def bad(self) -> bool:
        return self in (Soundness.NEWER, Soundness.DAMAGED)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. subject: the store's path below the root, or a folder's.
    hint: what to do, where the trouble is not just damage.
    """

    name: str
    subject: str
    state: Soundness
    message: Text
    count: int = 0
    hint: Text | None = None


def stores(site: Site, more: Iterable[Path] = ()) -> tuple[Path, ...]:
    """Every store below state/, those that are gone included; `more`: what manifests name."""
    lying = {path for path in site.state.glob("*.db") if not path.name.startswith(".")}
    gone = {path.with_suffix("") for path in site.state.glob("*.db.made")}
    return tuple(sorted({*lying, *gone, *(path for path in more if path.exists())}))


def check(site: Site, paths: Iterable[Path], now: datetime) -> tuple[Check, ...]:
    """Look at everything; trouble is a Check, never an exception."""
    files = _files(site)  # before the rows: what comes in between has a row when we look
    checks: list[Check] = []
    named: dict[str, Place] = {}
    whole = True
    for path in paths:
        found, here = _store(site, path)
        checks += found
        named |= here or {}
        whole = whole and here is not None
    if whole and (checks or files):
        checks += _loose(site, files, named, now)
    return tuple(checks)


def sound(checks: Iterable[Check]) -> bool:
    return not any(check.state.bad for check in checks)


def first_words(found: Sequence[str]) -> str:
    """The first finding of SQLite's own check as one line: it heads several with the name of the
    database, and puts them into one row.
    """
    lines = found[0].splitlines() or [""]
    return next((line for line in lines if not line.startswith("*** in ")), lines[0])


def _store(site: Site, path: Path) -> tuple[list[Check], dict[str, Place] | None]:
    """The checks of one store, and the originals it names; None where it cannot be read."""
    name = path.relative_to(site.root).as_posix() if path.is_relative_to(site.root) else str(path)
    try:
        db = open_readonly(path)
        if db is None:
            return [], {}
        with db:
            checks = [*_file(db, name)]
            if not sound(checks):
                return checks, None
            return [*checks, *_rows(db, site, name)], soundness.originals(db)
    except StateError as error:
        newer = error.code == "store_newer"
        state = Soundness.NEWER if newer else Soundness.DAMAGED
        hint = error.hint if newer else None
        return [Check(error.code, name, state, error.message, hint=hint)], None


def _file(db: Database, name: str) -> Iterator[Check]:
    wrong = soundness.integrity(db)
    if wrong:
        message = text("the file is damaged: {first}", first=first_words(wrong))
        yield Check("integrity", name, Soundness.DAMAGED, message, len(wrong))
        return
    yield Check("integrity", name, Soundness.GOOD, text("the file is whole"))
    version = version_of(db)
    message = text("schema {version}", version=version)
    if version < SCHEMA_VERSION:
        message = text("schema {version}; the next apply brings it up to date", version=version)
    yield Check("schema", name, Soundness.GOOD, message)


def _rows(db: Database, site: Site, name: str) -> Iterator[Check]:
    broken = audit.broken_at(db)
    if broken is None:
        yield Check("audit", name, Soundness.GOOD, text("the audit chain is whole"))
    else:
        message = text("the audit chain is broken at row {row}", row=broken)
        yield Check("audit", name, Soundness.DAMAGED, message, 1)
    yield _counted(
        "deliveries",
        name,
        soundness.deliveries_without_record(db) + soundness.creates_without_delivery(db),
        text("every delivery has its registered file"),
        text("deliveries whose registered file is unknown"),
    )
    yield _counted(
        "slots",
        name,
        soundness.slots_without_run(db),
        text("every claimed slot has its run"),
        text("claimed slots whose run is unknown"),
    )
    yield _counted(
        "originals",
        name,
        soundness.records_without_original(db) + _missing(db, site),
        text("every registered file has its original"),
        text("registered files whose original is missing"),
    )
    yield _key(db, site, name)


def _counted(name: str, subject: str, count: int, good: Text, bad: Text) -> Check:
    if not count:
        return Check(name, subject, Soundness.GOOD, good)
    message = text("{what}: {count}", what=bad, count=count)
    return Check(name, subject, Soundness.DAMAGED, message, count)


def _missing(db: Database, site: Site) -> int:
    """Originals that a row names and no folder holds; one that was moved meanwhile is there."""
    count = 0
    for sha256, place in soundness.originals(db).items():
        if path_of(site, sha256, place).exists():
            continue
        today = registry.place_of(db, sha256)
        if today is None or not path_of(site, sha256, today).exists():
            count += 1
    return count


def _key(db: Database, site: Site, name: str) -> Check:
    try:
        site_key.examine(db, site)
    except StateError as error:
        return Check("site_key", name, Soundness.DAMAGED, error.message, 1)
    return Check("site_key", name, Soundness.GOOD, text("the site key fits the store"))


def _files(site: Site) -> tuple[tuple[Place, Path], ...]:
    return (
        *((Place.STORE, path) for path in site.originals.glob("[0-9a-f][0-9a-f]/*.nst")),
        *((Place.QUARANTINE, path) for path in site.quarantine.glob("*.nst")),
    )


def _loose(
    site: Site, files: Iterable[tuple[Place, Path]], named: dict[str, Place], now: datetime
) -> Iterator[Check]:
    """Files that no row names: left by a run that was killed, or newer than a restored copy."""
    before = epoch(now) - _ON_ITS_WAY
    counts = dict.fromkeys(Place, 0)
    for place, path in files:
        if named.get(path.stem) is not place and _age(path, now) <= before:
            counts[place] += 1
    for place, folder in ((Place.STORE, site.originals), (Place.QUARANTINE, site.quarantine)):
        count = counts[place]
        state = Soundness.WARNING if count else Soundness.GOOD
        message = plural(
            "{count} file that no row names (harmless)",
            "{count} files that no row names (harmless)",
            count,
        )
        if not count:
            message = text("every file has its row")
        yield Check(f"{place.value}_files", folder.name, state, message, count)


def _age(path: Path, now: datetime) -> int:
    """When the file came to its place; one that is gone meanwhile is as young as can be."""
    try:
        return int(path.stat().st_ctime)
    except OSError:
        return epoch(now)
