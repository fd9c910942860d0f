"""`python -m mitrarr_runner.findface.simulator`: the command line of the simulator."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mitrarr_runner.clock import SystemClock
from mitrarr_runner.findface.simulator.faults import Fault, Faults, Scope
from mitrarr_runner.findface.simulator.people import People
from mitrarr_runner.findface.simulator.server import Watch, application, serve
from mitrarr_runner.findface.simulator.vendor import Account
from mitrarr_runner.findface.simulator.weather import Spans

USERNAME = "mitrarr"
PASSWORD = "demo"  # noqa: S105  (of a simulated server on the loopback)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = _parser()
    asked = parser.parse_args(arguments)
    try:
        faults = Faults(
            asked.seed, dict(asked.fault), most=asked.max_faults, scope=Scope(asked.faults_on)
        )
    except ValueError as error:
        parser.error(str(error))
    lists = [name for name in asked.lists.split(",") if name]
    password = asked.password_file.read_text().strip() if asked.password_file else PASSWORD
    spans = Spans(asked.slow, asked.late, asked.lag, asked.busy, asked.foreign_host)
    people = People(SystemClock(), lists, asked.state)
    app = application(people, Account(asked.username, password), faults, spans)
    serve(app, asked.port, Watch(not asked.detached, asked.parent_pid))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mitrarr_runner.findface.simulator",
        description="A FindFace Multi server on 127.0.0.1, with faults on demand.",
    )
    usual = Spans()
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--lists", default="DETRAN", help="watch lists, separated by commas")
    parser.add_argument("--username", default=USERNAME)
    parser.add_argument("--password-file", type=Path, help=f"default password: {PASSWORD}")
    parser.add_argument("--state", type=Path, help="keep people in this file over restarts")
    parser.add_argument("--parent-pid", type=int, help="end when this process ends")
    parser.add_argument(
        "--detached", action="store_true", help="do not end when standard input closes"
    )
    troubles = parser.add_argument_group("faults")
    troubles.add_argument(
        "--fault",
        action="append",
        type=_rate,
        default=[],
        metavar="NAME=RATE",
        help=f"may be given several times; names: {', '.join(Fault)}",
    )
    troubles.add_argument("--seed", type=int, default=1)
    troubles.add_argument("--max-faults", type=int, help="after so many, none any more")
    troubles.add_argument("--faults-on", choices=list(Scope), default=Scope.ALL)
    troubles.add_argument("--slow", type=float, default=usual.slow, metavar="SECONDS")
    troubles.add_argument("--late", type=float, default=usual.late, metavar="SECONDS")
    troubles.add_argument("--lag", type=float, default=usual.lag, metavar="SECONDS")
    troubles.add_argument("--busy", type=int, default=usual.busy, metavar="SECONDS")
    troubles.add_argument("--foreign-host", default=usual.foreign, metavar="HOST:PORT")
    return parser


def _rate(given: str) -> tuple[Fault, float]:
    name, _, rate = given.partition("=")
    try:
        return Fault(name), float(rate or "1")
    except ValueError:
        raise argparse.ArgumentTypeError(f"{given!r} is not NAME=RATE") from None


if __name__ == "__main__":
    main()
