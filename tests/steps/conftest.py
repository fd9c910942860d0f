"""A running step without an engine: a site, a store, a clock, and the context made of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mitrarr_runner.clock import FixedClock
from mitrarr_runner.logs import EventLog
from mitrarr_runner.manifest.model import Job, Manifest, Schedule
from mitrarr_runner.site import Site
from mitrarr_runner.steps.contract import Context, RunInfo, View
from mitrarr_runner.store.database import Database, open_database

START = datetime(2026, 11, 22, 6, 20, 7, tzinfo=UTC)  # Sunday 03:20:07 in São Paulo
ZONE = "America/Sao_Paulo"
JOB = Job("adiciona_nists", Schedule("*/10 * * * *", ZONE), ())


class Bench:
    """Runs steps of one manifest at an instant of the test's choice."""

    def __init__(self, root: Path) -> None:
        self.site = Site(root)
        self.site.make()
        self.clock = FixedClock(START)
        self.manifest = Manifest("prod", None, root, "41be09d00000", jobs={JOB.name: JOB})
        self.runs = 0

    def wait(self, **span: float) -> None:
        self.clock.instant += timedelta(**span)

    def store(self, name: str = "state/mitrarr.db") -> Database:
        return open_database(self.site.root / name)

    def context(self, counts: Mapping[str, int] | None = None) -> Context:
        self.runs += 1
        return Context(
            manifest=self.manifest,
            site=self.site,
            clock=self.clock,
            run=RunInfo(self.runs, JOB, None, 0, 1, ""),
            log=EventLog(self.site.main_log, self.clock),
            progress=lambda done, total: None,
            stopping=lambda: False,
            open_store=lambda: self.store(self.manifest.settings.store),
            lock=-1,
            output=-1,
            counts=counts or {},
        )

    def view(self, store: Database | None) -> View:
        return View(self.manifest, self.site, self.clock.now(), JOB, store)

    def run(self, kind: Any, options: Mapping[str, object], **counts: int) -> Any:
        return kind.run(kind.parse(options), self.context(counts))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)
