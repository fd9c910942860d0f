"""How sure and how fast is delivery, while the server fails and the sender is killed?

Starts the FindFace simulator with faults of three kinds and real sender processes, kills some of
them with -9 at random moments, and goes on until the queue is empty. Prints the account of both
sides, which must agree, and the rate of an undisturbed sender on the same machine for comparison.

    python bench/delivery.py --people 1000 --faults 0.3 --kills 30
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from mitrarr_runner.clock import SystemClock
from mitrarr_runner.delivery.enqueue import enqueue
from mitrarr_runner.delivery.send import send
from mitrarr_runner.findface.multi import FindFaceMulti
from mitrarr_runner.findface.simulator.process import start
from mitrarr_runner.images import draw_face
from mitrarr_runner.logs import EventLog
from mitrarr_runner.manifest.model import Destination, Login, SecretRef
from mitrarr_runner.site import Site
from mitrarr_runner.store import deliveries, registry
from mitrarr_runner.store.database import open_database

QUIET = 0.5


@dataclass(frozen=True)
class Picture:
    data: bytes
    content_type: str = "image/jpeg"


def destination(url: str, parallel: int) -> Destination:
    login = Login("mitrarr", SecretRef(env="UNUSED"))
    return Destination(
        "bench", "findface_multi", url, login, watch_lists=("DETRAN",), parallel=parallel
    )


def sender(root: Path, url: str, parallel: int, picture: bytes) -> None:
    """One tick: send whoever is due, as the step does."""
    site, clock, to = Site(root), SystemClock(), destination(url, parallel)
    client = FindFaceMulti(
        url, "mitrarr", "demo", "bench", clock=clock, timeout_read=5, parallel=parallel
    )
    with open_database(site.state / "mitrarr.db") as db, client:
        send(
            db,
            site,
            to,
            client,
            clock=clock,
            photo=lambda number: Picture(picture),
            progress=lambda done, total: None,
            stopping=lambda: False,
            log=EventLog(site.main_log, clock),
            quiet_period=QUIET,
        )


def prepared(root: Path, people: int, to: Destination) -> None:
    site, clock = Site(root), SystemClock()
    site.make()
    with open_database(site.state / "mitrarr.db") as db:
        with db.transaction():
            for number in range(people):
                entry = registry.Entry(
                    source="DETRAN",
                    person=f"{number:07d}",
                    tcn="",
                    sha256=f"{number:064x}",
                    bytes=1,
                    state=registry.State.REGISTERED,
                )
                registry.add(db, entry, clock.now())
        enqueue(db, site, to, clock=clock)


def counted(root: Path) -> dict[str, int]:
    with open_database(Site(root).state / "mitrarr.db") as db:
        return {state.value: number for state, number in deliveries.counts(db).items()}


def deliver(root: Path, url: str, asked: argparse.Namespace, kills: int, picture: bytes) -> Any:
    """Tick after tick until nobody waits; returns seconds, ticks and kills."""
    context = multiprocessing.get_context("spawn")
    dice, begun, ticks, killed = random.Random(asked.seed), time.monotonic(), 0, 0
    while counted(root)["sent"] < asked.people:
        process = context.Process(target=sender, args=(root, url, asked.parallel, picture))
        process.start()
        if killed < kills:
            process.join(dice.uniform(0.3, 1.5))
        else:
            process.join()
        if process.exitcode is None:
            process.kill()
            process.join()
            killed += 1
        ticks += 1
        time.sleep(QUIET / 5)
    return time.monotonic() - begun, ticks, killed


def told(name: str, people: int, seconds: float, ticks: int, killed: int, report: Any) -> bool:
    faults = {kind: number for kind, number in report["faults"].items() if number}
    print(f"{name}: {people} people in {seconds:.1f} s, {people / seconds:.1f}/s, {ticks} senders")
    print(f"  faults {faults}  kill -9 {killed}")
    lost = people - report["cards"] + report["duplicates"]
    print(
        f"  server: {report['cards']} cards, {report['faces']} faces,"
        f" {report['duplicates'] + report['doubled_faces']} doubled,"
        f" {report['cards_without_face']} without a face, {lost} lost"
    )
    doubled = report["duplicates"] + report["doubled_faces"]
    return lost == doubled == report["cards_without_face"] == 0


def measured(name: str, asked: argparse.Namespace, rate: float, kills: int) -> bool:
    picture = draw_face(1, 240, 320)
    faults = dict.fromkeys(("lost", "reset", "unavailable"), rate / 3) if rate else {}
    with tempfile.TemporaryDirectory() as folder, start(seed=asked.seed, faults=faults) as server:
        root = Path(folder) / "site"
        prepared(root, asked.people, destination(server.url, asked.parallel))
        seconds, ticks, killed = deliver(root, server.url, asked, kills, picture)
        return told(name, asked.people, seconds, ticks, killed, server.report())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=500)
    parser.add_argument("--faults", type=float, default=0.3, help="share of requests, three kinds")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--parallel", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    fair = measured("fair weather", asked, 0.0, 0)
    foul = measured("faults and kills", asked, asked.faults, asked.kills)
    print("the account closes" if fair and foul else "THE ACCOUNT DOES NOT CLOSE")
    return 0 if fair and foul else 1


if __name__ == "__main__":
    raise SystemExit(main())
