"""A site with a store and a spool, files to put into it, and a clock that is moved by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mitrarr_runner import images
from mitrarr_runner.clock import FixedClock
from mitrarr_runner.intake.register import IntakeResult, register_spool
from mitrarr_runner.logs import EventLog
from mitrarr_runner.manifest.model import Source
from mitrarr_runner.nist import writer
from mitrarr_runner.site import Site
from mitrarr_runner.store.database import Database, open_database

DAY = "20260102"


@pytest.fixture(scope="session")
def portrait() -> bytes:
    return images.draw_face(7, 60, 80)


@pytest.fixture
def nist(portrait: bytes) -> Callable[..., bytes]:
    """A transaction: `nist(tcn="1", marker=..., face=False)`; other markers are other bytes."""

    def make(tcn: str = "T1", *, marker: str = "a", face: bool = True, **more: Any) -> bytes:
        records = [writer.RecordDraft(2, 0, {18: marker})]
        if face:
            records.append(writer.face(1, portrait, date=DAY))
        return writer.write(records, date=DAY, tcn=tcn, **more)

    return make


@dataclass
class Shop:
    """One site, one source, one spool; `run` is one intake an hour from now, so files are old."""

    site: Site
    spool: Path
    source: Source
    db: Database
    clock: FixedClock
    pauses: list[float] = field(default_factory=list)

    def put(self, name: str, data: bytes) -> Path:
        path = self.spool / name
        path.write_bytes(data)
        return path

    def change(self, **changes: Any) -> None:
        self.source = replace(self.source, **changes)

    def run(self, **changes: Any) -> IntakeResult:
        options: dict[str, Any] = {
            "clock": self.clock,
            "run": 8841,
            "actor": "cron",
            "progress": lambda done, total: None,
            "stopping": lambda: False,
            "log": EventLog(self.site.main_log, self.clock),
            "pause": self.pauses.append,
            **changes,
        }
        return register_spool(self.db, self.site, self.source, **options)

    def stored(self) -> list[str]:
        """Names of all originals, quarantine included, temporaries too."""
        folders = (self.site.originals, self.site.quarantine)
        return sorted(
            path.name for folder in folders for path in folder.rglob("*") if path.is_file()
        )

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.db.rows(sql)]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    site = Site(tmp_path / "site")
    site.make()
    spool = tmp_path / "spool"
    spool.mkdir()
    source = Source(name="DETRAN", spool=spool)
    clock = FixedClock(datetime.now(UTC) + timedelta(hours=2))
    with open_database(site.state / "mitrarr.db") as db:
        yield Shop(site, spool, source, db, clock)
