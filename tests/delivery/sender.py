"""One real sender process, for the tests that kill it; `die` names where it kills itself.

Not a test. Started with one argument of JSON; prints the account as JSON when it lives to its end.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mitrarr_runner.clock import SystemClock
from mitrarr_runner.delivery.send import send
from mitrarr_runner.findface.multi import FindFaceMulti
from mitrarr_runner.logs import EventLog
from mitrarr_runner.manifest.model import Destination, Login, SecretRef
from mitrarr_runner.site import Site
from mitrarr_runner.store.database import open_database


@dataclass(frozen=True)
class Picture:
    data: bytes
    content_type: str = "image/jpeg"


def here(stage: str) -> None:
    """The point of no return, if this is the one that was asked for."""
    if asked["die"] == stage:
        os.kill(os.getpid(), signal.SIGKILL)


class Dying(FindFaceMulti):
    """The real client, with the stages around its requests."""

    def create_card(self, *given: Any) -> Any:
        here("card begun")
        made = super().create_card(*given)
        here("card made")
        return made

    def attach_face(self, *given: Any) -> Any:
        here("face begun")
        made = super().attach_face(*given)
        here("face made")
        return made


def photo(number: int) -> Picture:
    here("nothing begun")
    return Picture(Path(asked["photo"]).read_bytes())


def main() -> None:
    site, clock = Site(Path(asked["root"])), SystemClock()
    destination = Destination(
        name="findface",
        kind="findface_multi",
        url=asked["url"],
        login=Login("mitrarr", SecretRef(env="UNUSED")),
        watch_lists=("DETRAN",),
        parallel=asked["parallel"],
    )
    client = Dying(
        asked["url"],
        "mitrarr",
        "demo",
        "site",
        clock=clock,
        timeout_read=asked["read_timeout"],
        parallel=asked["parallel"],
    )
    print("ready", flush=True)
    with open_database(site.state / "mitrarr.db") as db, client:
        result = send(
            db,
            site,
            destination,
            client,
            clock=clock,
            photo=photo,
            progress=lambda done, total: None,
            stopping=lambda: False,
            log=EventLog(site.main_log, clock),
            quiet_period=asked["quiet"],
        )
    print(json.dumps(asdict(result)))


if __name__ == "__main__":
    asked: dict[str, Any] = json.loads(sys.argv[1])
    main()
