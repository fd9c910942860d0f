"""A site with registered people, a simulator per module, and a real sender process to kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import mitrarr_runner
from mitrarr_runner.clock import FixedClock, SystemClock
from mitrarr_runner.delivery.account import SendResult
from mitrarr_runner.delivery.enqueue import Enqueued, enqueue
from mitrarr_runner.delivery.send import send
from mitrarr_runner.findface.multi import FindFaceMulti
from mitrarr_runner.findface.simulator.process import SimulatorProcess, start
from mitrarr_runner.images import draw_face
from mitrarr_runner.logs import EventLog
from mitrarr_runner.manifest.model import Destination, Login, SecretRef
from mitrarr_runner.site import Site
from mitrarr_runner.store import deliveries, registry
from mitrarr_runner.store.database import Database, open_database
from mitrarr_runner.store.deliveries import Delivery

SENDER = Path(__file__).with_name("sender.py")
START = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Picture:
    data: bytes
    content_type: str = "image/jpeg"


@dataclass
class World:
    """One site, its store and one destination; `clock` stands still until a test moves it."""

    site: Site
    db: Database
    destination: Destination
    picture: Picture
    clock: FixedClock = field(default_factory=lambda: FixedClock(START, ticks=1000.0))

    @property
    def log(self) -> EventLog:
        return EventLog(self.site.main_log, self.clock)

    @property
    def logged(self) -> str:
        return self.site.main_log.read_text() if self.site.main_log.exists() else ""

    def register(self, person: str, *, source: str = "DETRAN", state: str = "registered") -> int:
        """Another revision of a person, with bytes of its own."""
        revision = registry.next_revision(self.db, source, person)
        entry = registry.Entry(
            source=source,
            person=person,
            tcn="",
            sha256=f"{source}/{person}/{revision}",
            bytes=1,
            state=registry.State(state),
            revision=revision,
        )
        with self.db.transaction():
            return registry.add(self.db, entry, self.clock.now()).id

    def crowd(self, people: int) -> None:
        for number in range(people):
            self.register(f"2025{number:04d}")
        self.enqueue()

    def enqueue(self) -> Enqueued:
        return enqueue(self.db, self.site, self.destination, clock=self.clock)

    def client(self, **options: Any) -> FindFaceMulti:
        options = {"timeout_read": 5, "parallel": self.destination.parallel, **options}
        url = self.destination.url
        return FindFaceMulti(url, "mitrarr", "demo", "site", clock=SystemClock(), **options)

    def send(self, client: Any = None, **options: Any) -> SendResult:
        options = {
            "clock": self.clock,
            "photo": lambda number: self.picture,
            "progress": lambda done, total: None,
            "stopping": lambda: False,
            "log": self.log,
            **options,
        }
        with client or self.client() as talking:
            return send(self.db, self.site, self.destination, talking, **options)

    def wait(self, seconds: float) -> None:
        self.clock.ticks += seconds
        self.clock.instant = datetime.fromtimestamp(self.clock.instant.timestamp() + seconds, UTC)

    def delivery(self, number: int = 1) -> Delivery:
        found = deliveries.get(self.db, number)
        assert found is not None
        return found

    def counts(self) -> dict[str, int]:
        return {state.value: n for state, n in deliveries.counts(self.db).items() if n}

    def change(self, **fields: Any) -> None:
        self.destination = replace(self.destination, **fields)


@pytest.fixture
def world(tmp_path: Path, picture: Picture) -> Iterator[World]:
    """Nobody answers at its destination; tests that need a server point it to one."""
    site = Site(tmp_path / "site")
    site.make()
    destination = Destination(
        name="findface",
        kind="findface_multi",
        url="http://127.0.0.1:9",
        login=Login("mitrarr", SecretRef(env="FINDFACE_PASSWORD")),
        watch_lists=("DETRAN",),
    )
    with open_database(site.state / "mitrarr.db") as db:
        yield World(site, db, destination, picture)


@pytest.fixture(scope="session")
def picture() -> Picture:
    return Picture(draw_face(1, 120, 160))


@pytest.fixture(scope="module")
def running() -> Iterator[SimulatorProcess]:
    with start(spans={"late": 0.2, "lag": 0.2, "busy": 7}) as simulator:
        yield simulator


@pytest.fixture
def online(world: World, running: SimulatorProcess) -> World:
    """A world whose destination is a simulator in fair weather (its people are of the module:
    count differences, or look for one's own tokens)."""
    running.set_faults({})
    world.change(url=running.url)
    return world


Spawn = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def spawn(tmp_path: Path, picture: Picture) -> Iterator[Spawn]:
    """Start tests/delivery/sender.py on a world; ended with the test, whatever happens."""
    started: list[subprocess.Popen[str]] = []
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(picture.data)

    def spawn(world: World, **options: object) -> subprocess.Popen[str]:
        asked: Mapping[str, object] = {
            "root": str(world.site.root),
            "url": world.destination.url,
            "photo": str(photo),
            "parallel": world.destination.parallel,
            "quiet": 1.0,
            "read_timeout": 5.0,
            "die": "",
            **options,
        }
        process = subprocess.Popen(
            [sys.executable, str(SENDER), json.dumps(asked)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(mitrarr_runner.__file__).parent.parent)},
        )
        started.append(process)
        return process

    yield spawn
    for process in started:
        process.kill()
        process.communicate()


def account_closes(result: SendResult) -> bool:
    parts = result.sent + result.adopted + result.parked + result.pending + result.in_doubt
    return result.people == parts


@pytest.fixture
def closes() -> Callable[[SendResult], bool]:
    return account_closes
