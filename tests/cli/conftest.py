"""The program called inside this process, with a site, files and a FindFace simulator."""

from __future__ import annotations

import fcntl
import io
import json
import os
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mitrarr_runner import images
from mitrarr_runner.cli.door import run
from mitrarr_runner.findface.simulator.process import SimulatorProcess, start
from mitrarr_runner.nist import writer

DAY = "20260102"


@dataclass(frozen=True)
class Told:
    """What one call printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        found = json.loads(self.out)
        assert next(iter(found)) == "version"
        assert found["version"] == 1
        return found


@pytest.fixture
def mitrarr(
    site: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Told]:
    """`mitrarr("status", stdin="...")`, in the site's folder, in English."""
    for name in list(os.environ):
        if name.startswith(("MITRARR_", "LC_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("MITRARR_OPERATOR", "operador.a")
    monkeypatch.setenv("MITRARR_CONFIG", str(site.manifest_path))
    monkeypatch.chdir(site.root)

    def call(*words: str, stdin: bytes = b"") -> Told:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8"))
        code = run(["mitrarr", *words])
        printed = capsys.readouterr()
        return Told(code, printed.out, printed.err)

    return call


@pytest.fixture(scope="session")
def portrait() -> bytes:
    return images.draw_face(7, 120, 160)


@pytest.fixture
def nist(site: Any, portrait: bytes) -> Callable[..., Path]:
    """`nist("a.nst", tcn="1", face=True, cut=0)` writes a file into the site's folder."""

    def make(name: str, *, tcn: str = "T1", face: bytes | None = portrait, cut: int = 0) -> Path:
        records = [writer.RecordDraft(2, 0, {18: f"NAME OF {tcn}"})]
        if face is not None:
            records.append(writer.face(1, face, date=DAY))
        data = writer.write(records, date=DAY, tcn=tcn)
        path: Path = site.root / name
        path.write_bytes(data[: len(data) - cut])
        return path

    return make


@pytest.fixture(scope="session")
def running() -> Iterator[SimulatorProcess]:
    with start(lists=("DETRAN",), spans={"slow": 0.3}) as simulator:
        yield simulator


@pytest.fixture
def simulator(running: SimulatorProcess) -> SimulatorProcess:
    running.set_faults({})
    return running


@pytest.fixture
def findface(site: Any) -> Callable[..., dict[str, Any]]:
    """`findface(url)`: the block of a destination."""

    def block(url: str, **more: Any) -> dict[str, Any]:
        secret = site.root / "password"
        secret.write_text("demo", encoding="utf-8")
        secret.chmod(0o600)
        return {
            "kind": "findface_multi",
            "url": url,
            "login": {"username": "mitrarr", "password": {"file": str(secret)}},
            "watch_lists": ["DETRAN"],
            "quiet_period": "1s",
            "read_timeout": "5s",
            **more,
        }

    return block


@dataclass(frozen=True)
class Seen:
    """What a terminal got: the bytes, and the lines that a person sees at the end."""

    code: int
    raw: str

    @property
    def lines(self) -> list[str]:
        return [_overwritten(line) for line in self.raw.replace("\r\n", "\n").split("\n")]


def _overwritten(line: str) -> str:
    """A line after its carriage returns."""
    cells: list[str] = []
    for piece in line.split("\r"):
        cells[: len(piece)] = piece
    return "".join(cells).rstrip()


@pytest.fixture
def terminal(site: Any) -> Callable[..., Seen]:
    """`terminal("apply", columns=80)`: the program as a process of its own on a pseudo-terminal."""

    def call(*words: str, columns: int = 80, then: Callable[[Any], None] | None = None) -> Seen:
        master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        with subprocess.Popen(
            site.command(*words),
            cwd=site.root,
            env=site.environment(TERM="xterm"),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        ) as process:
            os.close(slave)
            if then is not None:
                then(process)
            raw = b""
            while select.select([master], [], [], 60)[0]:
                try:
                    piece = os.read(master, 65536)
                except OSError:  # nobody holds the other end any more
                    break
                raw += piece
            os.close(master)
            return Seen(process.wait(60), raw.decode("utf-8"))

    return call


@pytest.fixture
def background(site: Any) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """`background("apply")` in the background; what still runs at the end of the test is ended."""
    started: list[subprocess.Popen[bytes]] = []

    def call(*words: str) -> subprocess.Popen[bytes]:
        started.append(site.start(*words))
        return started[-1]

    yield call
    for process in started:
        if process.poll() is None:
            process.terminate()
        process.wait(30)
