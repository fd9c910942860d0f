"""Start a simulator from Python, ask what happened on it, stop it: for tests and the demo.

The child ends with its starter: its standard input is a pipe from us, and it watches our process.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Self

from mitrarr_runner.http import HttpClient

START_SECONDS = 30.0
STOP_SECONDS = 5.0


class SimulatorError(RuntimeError):
    """It did not start; the text is what it wrote."""


class SimulatorProcess:
    """A running simulator; as a context manager it is stopped at the end."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self._process = process
        self.url = url
        self.pid = process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object, /) -> None:
        self.stop()

    def report(self) -> dict[str, Any]:
        """Counts: {"cards", "faces", "duplicates", "doubled_faces", "cards_without_face",
        "sessions", "logins", "requests", "faults": {name: count}}."""
        answer: dict[str, Any] = self._control("GET", "/_simulator/report", None)
        return answer

    def set_faults(
        self,
        rates: Mapping[str, float],
        *,
        most: int | None = None,
        each: Mapping[str, int] | None = None,
    ) -> None:
        """New rates instead of the old; {} makes fair weather."""
        body = {"rates": dict(rates), "most": most, "each": dict(each or {})}
        self._control("POST", "/_simulator/faults", body)

    def stop(self) -> None:
        """Close its standard input, and insist when that is not enough. May be called twice."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        for insist in (self._process.terminate, self._process.kill):
            try:
                self._process.wait(STOP_SECONDS)
                break
            except subprocess.TimeoutExpired:
                insist()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def kill(self) -> None:
        """As if the server's machine lost its power."""
        self._process.kill()
        self.stop()

    def _control(self, method: str, path: str, body: object) -> Any:
        with HttpClient(self.url, timeout_read=10) as client:
            answer = client.request(method, path, json=body)
        if answer.status != 200:
            raise SimulatorError(f"{path} answered {answer.status}")
        return answer.json()


def start(
    *,
    port: int = 0,
    seed: int = 1,
    faults: Mapping[str, float] | None = None,
    max_faults: int | None = None,
    faults_on: str = "all",
    lists: Sequence[str] = ("DETRAN",),
    username: str | None = None,
    password_file: Path | None = None,
    state: Path | None = None,
    spans: Mapping[str, object] | None = None,
) -> SimulatorProcess:
    """Start one and wait until it answers.

    `faults`: rates by name (see faults.Fault). `spans`: seconds for slow, late, lag and busy, and
    foreign_host. `state`: the file in which people outlive the process.
    """
    options: dict[str, object] = {
        "port": port,
        "seed": seed,
        "max-faults": max_faults,
        "faults-on": faults_on,
        "lists": ",".join(lists),
        "username": username,
        "password-file": password_file,
        "state": state,
        "parent-pid": os.getpid(),
        **{name.replace("_", "-"): value for name, value in (spans or {}).items()},
    }
    given = [f"--{name}={value}" for name, value in options.items() if value is not None]
    given += [f"--fault={name}={rate}" for name, rate in (faults or {}).items()]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "mitrarr_runner.findface.simulator", *given],
        env={**os.environ, "PYTHONPATH": _this_package()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C at the terminal is for the starter alone
    )
    return SimulatorProcess(process, _url(process))


def _this_package() -> str:
    """The same code as ours for the child, whatever the working folder and wherever we lie."""
    own = str(Path(__file__).resolve().parents[3])
    return os.pathsep.join(filter(None, (own, os.environ.get("PYTHONPATH"))))


def _url(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None  # noqa: S101  (a pipe was asked for)
    line = _first_line(process.stdout)
    try:
        url = json.loads(line)["url"]
    except (ValueError, KeyError):
        process.kill()
        process.communicate()
        raise SimulatorError("the simulator did not start") from None
    return str(url)


def _first_line(stream: IO[bytes]) -> bytes:
    ready, _, _ = select.select([stream], [], [], START_SECONDS)
    return stream.readline() if ready else b""
