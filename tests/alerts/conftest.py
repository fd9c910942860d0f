"""A site in a folder, a clock that is moved by hand, and a manifest made of values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mitrarr_runner.clock import FixedClock
from mitrarr_runner.logs import EventLog
from mitrarr_runner.manifest.model import (
    Alerts,
    Channel,
    Destination,
    Heartbeat,
    Job,
    Login,
    Manifest,
    Per,
    Rule,
    Schedule,
    SecretRef,
    Settings,
    Source,
    Step,
    Volume,
)
from mitrarr_runner.site import Site
from mitrarr_runner.store import runs
from mitrarr_runner.store.database import Database, open_database
from mitrarr_runner.store.runs import Cause, Outcome, ProcessId

START = datetime(2026, 11, 23, 14, 10, 4, tzinfo=UTC)  # 11:10:04 in São Paulo
ZONE = "America/Sao_Paulo"

MakeManifest = Callable[..., Manifest]
EndRun = Callable[..., int]


class House:
    """One site with its store, and what tests do to it."""

    def __init__(self, root: Path) -> None:
        self.site = Site(root)
        self.site.make()
        self.clock = FixedClock(START)
        self.log = EventLog(self.site.main_log, self.clock)
        self.db: Database = open_database(root / "state" / "mitrarr.db")

    def wait(self, **span: float) -> None:
        self.clock.instant += timedelta(**span)

    def lines(self) -> list[str]:
        path = self.site.logs / "alerts.log"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def words(self) -> list[str]:
        """The lines without their times."""
        return [line.split(" ", 1)[1] for line in self.lines()]

    def ran(self, job: str, outcome: Outcome, code: str = "") -> int:
        """A run of a job that ends now."""
        now = self.clock.now()
        process = ProcessId(1, "1", "boot", "host")
        with self.db.transaction():
            run = runs.start(
                self.db,
                "prod",
                job,
                slot=None,
                cause=Cause.SCHEDULE,
                missed=0,
                process=process,
                fingerprint="f",
                actor="",
                now=now,
            )
            runs.finish(
                self.db, run, outcome, code=code or outcome.value, reason="", seconds=1.0, now=now
            )
        return run


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.db.close()


def job(name: str, *steps: Step) -> Job:
    return Job(name, Schedule("*/10 * * * *", ZONE), steps)


@pytest.fixture
def manifest(tmp_path: Path) -> MakeManifest:
    """Two jobs, a source, a destination, a volume and a heartbeat; rules and channels to taste."""

    def make(
        *rules: Rule,
        channels: tuple[Channel, ...] = (),
        language: str | None = None,
        jobs: tuple[str, ...] = ("adiciona_nists", "rsync_espelho"),
    ) -> Manifest:
        intake = (
            Step("register_nist", {"source": "DETRAN"}),
            Step("send_to_findface", {"destination": "findface"}),
            Step("check_volume", {"label": "adiciona_nists"}),
        )
        login = Login("mitrarr", SecretRef(env="P"))
        return Manifest(
            name="prod",
            path=None,
            root=tmp_path,
            fingerprint="41be09d00000",
            settings=Settings(timezone=ZONE, language=language),
            sources={"DETRAN": Source("DETRAN")},
            destinations={
                "findface": Destination("findface", "findface_multi", "https://x.test", login)
            },
            jobs={name: job(name, *(intake if name == "adiciona_nists" else ())) for name in jobs},
            volumes={"adiciona_nists": Volume("adiciona_nists", Per.DAY, minimum=20)},
            heartbeats={"scheduler": Heartbeat("scheduler", 1500, job="adiciona_nists")},
            alerts=Alerts({channel.name: channel for channel in channels}, rules),
        )

    return make
