"""The step over real HTTP: what it says before, what it does, what it leaves for the rules."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mitrarr_runner import images
from mitrarr_runner.clock import FixedClock
from mitrarr_runner.delivery.account import SendResult
from mitrarr_runner.findface.simulator.process import SimulatorProcess, start
from mitrarr_runner.intake.register import register_spool
from mitrarr_runner.locks import acquire
from mitrarr_runner.logs import EventLog
from mitrarr_runner.manifest.model import (
    Destination,
    Job,
    Login,
    Manifest,
    Schedule,
    SecretRef,
    Source,
    Step,
)
from mitrarr_runner.nist import writer
from mitrarr_runner.site import Site
from mitrarr_runner.steps import send_to_findface as step
from mitrarr_runner.steps.contract import Context, RunInfo, StepResult, View
from mitrarr_runner.store import deliveries, pauses, readings
from mitrarr_runner.store.database import open_database
from mitrarr_runner.text import Catalogue

DAY = "20260102"
SOURCE = {"source": "DETRAN"}
SENDING: Mapping[str, object] = {"destination": "findface", "batch_size": 2}


@dataclass
class Bench:
    """A site whose people come from real files, and the step over it."""

    site: Site
    manifest: Manifest
    clock: FixedClock
    spool: Path
    progress: list[tuple[int, int | None]] = field(default_factory=list)

    @property
    def destination(self) -> Destination:
        return self.manifest.destinations["findface"]

    def point(self, **fields: Any) -> None:
        changed = {"findface": replace(self.destination, **fields)}
        self.manifest = replace(self.manifest, destinations=changed)

    def drop(self, *tcns: str, face: bytes | None = None) -> None:
        for tcn in tcns:
            portrait = face or images.draw_face(len(tcn), 120, 160)
            records = [writer.RecordDraft(2, 0, {18: tcn}), writer.face(1, portrait, date=DAY)]
            path = self.spool / f"{tcn}.nst"
            path.write_bytes(writer.write(records, date=DAY, tcn=tcn))
            os.utime(path, (time.time() - 3600, time.time() - 3600))

    def register(self) -> None:
        with open_database(self.store) as db:
            register_spool(
                db,
                self.site,
                self.manifest.sources["DETRAN"],
                clock=self.clock,
                run=1,
                actor="test",
                progress=lambda done, total: None,
                stopping=lambda: False,
                pause=lambda seconds: None,
                log=EventLog(self.site.main_log, self.clock),
            )

    @property
    def store(self) -> Path:
        return self.site.state / "mitrarr.db"

    def describe(self) -> str:
        with open_database(self.store) as db:
            job = self.manifest.jobs["job"]
            view = View(self.manifest, self.site, self.clock.now(), job, db)
            return str(step.describe(step.parse(SENDING), view))

    def run(self) -> StepResult:
        job = self.manifest.jobs["job"]
        context = Context(
            manifest=self.manifest,
            site=self.site,
            clock=self.clock,
            run=RunInfo(7, job, None, 0, 1, "cron"),
            log=EventLog(self.site.main_log, self.clock),
            progress=lambda done, total: self.progress.append((done, total)),
            stopping=lambda: False,
            open_store=lambda: open_database(self.store),
            lock=-1,
            output=-1,
            counts={},
        )
        return step.run(step.parse(SENDING), context)

    def verdict(self) -> tuple[str, str] | None:
        with open_database(self.store) as db:
            found = readings.verdicts(db, self.manifest.name)
        return next(((one.state, one.code) for one in found if one.kind == "destination"), None)


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    with start() as simulator:
        yield simulator


@pytest.fixture
def bench(tmp_path: Path, simulator: SimulatorProcess) -> Bench:
    simulator.set_faults({})
    site = Site(tmp_path / "site")
    site.make()
    spool = tmp_path / "spool"
    spool.mkdir()
    password = tmp_path / "password"
    password.write_text("demo\n")
    password.chmod(0o600)
    steps = (Step("register_nist", SOURCE), Step("send_to_findface", SENDING))
    manifest = Manifest(
        name="prod",
        path=None,
        root=site.root,
        fingerprint="0" * 12,
        sources={"DETRAN": Source("DETRAN", spool)},
        destinations={
            "findface": Destination(
                name="findface",
                kind="findface_multi",
                url=simulator.url,
                login=Login("mitrarr", SecretRef(file=password)),
                watch_lists=("DETRAN",),
            )
        },
        jobs={"job": Job("job", Schedule(None, "America/Sao_Paulo"), steps)},
    )
    clock = FixedClock(datetime.now(UTC) + timedelta(hours=1), ticks=1000.0)
    return Bench(site, manifest, clock, spool)


def test_options() -> None:
    assert step.parse({"destination": "x"}) == step.Options("x", 50)
    assert step.parse(SENDING) == step.Options("findface", 2)


def test_from_files_to_people_and_nothing_the_second_time(
    bench: Bench, simulator: SimulatorProcess
) -> None:
    before = simulator.report()
    assert bench.describe() == "findface: nobody waits"
    bench.drop("A1", "A22", "A333")
    assert bench.describe() == "findface: 3 new + 0 in the queue, 2 batches of 2"
    bench.register()
    assert bench.describe() == "findface: 3 new + 0 in the queue, 2 batches of 2"
    result = bench.run()
    assert (result.outcome, result.code) == ("ok", "ok")
    assert str(result.message) == "3 in 0s: 3 sent"
    assert result.counts == {
        "people": 3,
        "sent": 3,
        "adopted": 0,
        "parked": 0,
        "pending": 0,
        "in_doubt": 0,
    }
    assert bench.progress == [(2, 3), (3, 3)]
    assert bench.verdict() == ("ok", "")
    requests = simulator.report()["requests"]
    again = bench.run()
    assert (again.outcome, str(again.message)) == ("ok", "nobody waits")
    assert simulator.report()["requests"] == requests
    assert simulator.report()["cards"] - before["cards"] == 3
    assert bench.describe() == "findface: nobody waits"


def test_describe_writes_nothing(bench: Bench) -> None:
    bench.drop("A1")
    bench.register()
    with open_database(bench.store) as db:
        before = db.rows("SELECT * FROM registry")
    bench.describe()
    with open_database(bench.store) as db:
        assert db.rows("SELECT * FROM deliveries") == []
        assert [tuple(row) for row in db.rows("SELECT * FROM registry")] == [
            tuple(row) for row in before
        ]
    assert not (bench.site.state / "site.key").exists()


def test_a_destination_that_does_not_answer_defers_and_its_recovery_is_seen(bench: Bench) -> None:
    url = bench.destination.url
    bench.drop("A1", "A22")
    bench.register()
    bench.point(url="http://127.0.0.1:9")
    result = bench.run()
    assert (result.outcome, result.code) == ("deferred", "connection")
    assert str(result.message) == "findface: no connection; 2 people wait, nothing is lost"
    assert result.counts["pending"] == 2
    assert bench.verdict() == ("down", "connection")
    assert bench.describe() == "findface: 0 new + 2 in the queue, 1 batch of 2"
    bench.point(url=url)
    assert bench.run().counts["sent"] == 2
    assert bench.verdict() == ("ok", "")


def test_a_destination_that_was_down_is_asked_again_although_nobody_waits(bench: Bench) -> None:
    with open_database(bench.store) as db, db.transaction():
        readings.set_verdict(
            db, "prod", "destination", "findface", "down", "refused", {}, bench.clock.now()
        )
    assert str(bench.run().message) == "nobody waits"
    assert bench.verdict() == ("ok", "")


def test_a_parked_person_does_not_fail_the_step(bench: Bench) -> None:
    bench.drop("A1")
    bench.drop("A22", face=images.draw_wall(1, 200, 200))
    bench.register()
    result = bench.run()
    assert (result.outcome, str(result.message)) == ("ok", "2 in 0s: 1 sent, 1 parked")
    assert bench.verdict() == ("ok", "")


def test_jpeg_2000_faces_are_converted_while_others_are_on_their_way(
    bench: Bench, simulator: SimulatorProcess
) -> None:
    """Decoding forks a child of the sender, which has threads at that moment."""
    before = simulator.report()
    for number in range(6):
        kind = "jp2" if number % 2 else "png"
        bench.drop("A" * (number + 1), face=images.draw_face(number, 120, 160, kind))
    bench.register()
    assert bench.run().counts["sent"] == 6
    assert simulator.report()["faces"] - before["faces"] == 6


def test_a_missing_watch_list_is_named(bench: Bench) -> None:
    bench.point(watch_lists=("Procurados",))
    bench.drop("A1")
    bench.register()
    result = bench.run()
    assert (result.outcome, result.code) == ("deferred", "watch_list_missing")
    assert "(Procurados)" in str(result.message)


def test_a_paused_destination_is_skipped(bench: Bench) -> None:
    bench.drop("A1")
    bench.register()
    pause = pauses.Pause(
        pauses.Paused.DESTINATION,
        "findface",
        "operador.b",
        "SMTP",
        bench.clock.now(),
        bench.clock.now() + timedelta(hours=1),
    )
    with open_database(bench.store) as db, db.transaction():
        pauses.put(db, "prod", pause)
    result = bench.run()
    assert (result.outcome, result.code) == ("skipped", "destination_paused")
    assert str(result.message) == "findface: paused by operador.b"
    bench.clock.instant += timedelta(hours=2)
    assert bench.run().counts["sent"] == 1


def test_another_sender_at_work_defers_and_says_nothing_about_the_destination(
    bench: Bench,
) -> None:
    bench.drop("A1")
    bench.register()
    held = acquire(bench.site.locks / "destination-findface.lock")
    assert held is not None
    with held:
        result = bench.run()
    assert (result.outcome, result.code) == ("deferred", "busy")
    assert bench.verdict() is None


def test_a_lost_original_is_not_the_destinations_fault(bench: Bench) -> None:
    bench.drop("A1", "A22", "A333", "A4444")
    bench.register()
    for original in bench.site.originals.rglob("*.nst"):
        original.unlink()
    result = bench.run()
    assert (result.outcome, result.code) == ("failed", "original_missing")
    with open_database(bench.store) as db:
        assert deliveries.counts(db)[deliveries.State.PARKED] == 3


@pytest.mark.parametrize(
    ("result", "waiting", "told"),
    [
        (
            SendResult(people=240, sent=236, adopted=3, parked=1, seconds=39.0, reached=True),
            0,
            "240 in 39s (6.2/s): 236 sent, 3 already there, 1 parked",
        ),
        (
            SendResult(
                people=240,
                sent=36,
                in_doubt=3,
                pending=201,
                seconds=20.0,
                reached=True,
                deferred=True,
                reason="read_timeout",
            ),
            1201,
            "240 in 20s (2.0/s): 36 sent, 3 in doubt, 201 left in the queue; then findface:"
            " no answer in time; 1,201 people wait, nothing is lost",
        ),
        (SendResult(), 0, "nobody waits"),
        (SendResult(), 1, "1 person waits for later"),
    ],
)
def test_what_people_read(bench: Bench, result: SendResult, waiting: int, told: str) -> None:
    assert Catalogue("en")(step.told(bench.destination, result, waiting)) == told
