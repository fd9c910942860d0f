"""The simulator as a process: it starts, resets truly, remembers, and never stays behind."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mitrarr_runner.findface.simulator.faults import Fault, Faults, Kind, Scope
from mitrarr_runner.findface.simulator.process import SimulatorError, start
from mitrarr_runner.http import HttpClient, NotSentError

ROOT = Path(__file__).resolve().parents[2]


def launch(*options: str, stdin: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "mitrarr_runner.findface.simulator", *options],
        cwd=ROOT,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def ready(process: subprocess.Popen[bytes]) -> dict[str, object]:
    assert process.stdout is not None
    line: dict[str, object] = json.loads(process.stdout.readline())
    return line


def finished(process: subprocess.Popen[bytes]) -> int:
    process.communicate(timeout=10)
    return process.returncode


def ended(pid: int) -> bool:
    """Wait until a process that need not be ours is gone."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], 10)[0])
    finally:
        os.close(handle)


def test_it_prints_one_line_when_it_answers_and_ends_with_its_input() -> None:
    process = launch("--port", "0")
    line = ready(process)
    assert line["pid"] == process.pid
    with HttpClient(str(line["url"])) as http:
        assert http.request("GET", "/_simulator/report").json()["cards"] == 0
    assert process.stdin is not None
    process.stdin.close()
    process.stdin = None
    output, errors = process.communicate(timeout=10)
    assert (process.returncode, output, errors) == (0, b"", b"")


def test_it_ends_with_the_process_it_watches() -> None:
    watched = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = launch("--detached", f"--parent-pid={watched.pid}", stdin=subprocess.DEVNULL)
    ready(process)
    assert process.poll() is None
    watched.communicate(b"\n")
    assert finished(process) == 0


def test_it_does_not_outlive_a_starter_that_is_killed() -> None:
    code = (
        "from mitrarr_runner.findface.simulator.process import start\n"
        "import sys; print(start().pid, flush=True); sys.stdin.read()"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    starter.kill()
    starter.communicate()
    assert ended(pid)


def test_a_signal_ends_it() -> None:
    process = launch()
    ready(process)
    process.send_signal(signal.SIGTERM)
    assert finished(process) in (0, -signal.SIGTERM)


def test_stop_is_patient_and_may_be_said_twice() -> None:
    with start() as simulator:
        simulator.stop()
    assert ended(simulator.pid)


@pytest.mark.parametrize(
    "options",
    [
        ["--fault", "rain=0.1"],
        ["--fault", "lost=often"],
        ["--fault", "lost=0.6", "--fault", "reset=0.6"],
        ["--fault", "lost=-1"],
    ],
)
def test_a_wrong_option_is_said_in_one_line(options: list[str]) -> None:
    process = launch(*options)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 2
    assert b"Traceback" not in errors


def test_one_that_does_not_start_is_an_error() -> None:
    with pytest.raises(SimulatorError):
        start(faults={"rain": 1.0})


def test_a_port_in_use_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SimulatorError):
        start(port=taken.getsockname()[1])


def test_people_outlive_the_process_and_sessions_do_not(tmp_path: Path) -> None:
    state, secret = tmp_path / "people", tmp_path / "password"
    secret.write_text("s3cret\n")
    options = {"state": state, "username": "ana", "password_file": secret, "lists": ("A", "B")}
    basic = {"Authorization": "Basic YW5hOnMzY3JldA=="}
    with start(**options) as first:  # type: ignore[arg-type]
        with HttpClient(first.url) as http:
            token = http.request("POST", "/auth/login/", json={"uuid": "u"}, headers=basic).json()
            headers = {"Authorization": f"Token {token['token']}"}
            body = {"name": "Zoë [m:Z]", "watch_lists": [3], "meta": {"a": 1}}
            for _ in range(2):
                card = http.request("POST", "/cards/humans/", json=body, headers=headers).json()
            gone = http.request("DELETE", "/cards/humans/1/", headers=headers)
            assert gone.status == 204
        first.kill()  # as a power cut would
    assert state.stat().st_mode & 0o777 == 0o600
    port = int(first.url.rpartition(":")[2])
    with start(port=port, **options) as second, HttpClient(second.url) as http:  # type: ignore[arg-type]
        assert second.url == first.url
        assert http.request("GET", "/users/me/", headers=headers).status == 401
        token = http.request("POST", "/auth/login/", json={"uuid": "u"}, headers=basic).json()
        headers = {"Authorization": f"Token {token['token']}"}
        assert http.request("GET", "/cards/humans/2/", headers=headers).json() == card
        assert second.report()["cards"] == 1
        third = http.request("POST", "/cards/humans/", json=body, headers=headers).json()
        assert third["id"] == 3


def test_a_reset_is_a_reset_on_the_wire() -> None:
    with start(faults={"reset": 1.0}) as simulator:
        port = int(simulator.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"GET /users/me/ HTTP/1.1\r\nHost: x\r\n\r\n")
            with pytest.raises(ConnectionResetError):
                connection.recv(1)


def test_it_listens_on_the_loopback_only() -> None:
    with start() as simulator:
        port = simulator.url.rpartition(":")[2]
        with HttpClient(f"http://127.0.0.2:{port}") as http, pytest.raises(NotSentError) as caught:
            http.request("GET", "/_simulator/report")
    assert caught.value.reason == "refused"


def test_control_refuses_what_it_does_not_know() -> None:
    with start() as simulator:
        with pytest.raises(SimulatorError):
            simulator.set_faults({"rain": 0.5})
        with pytest.raises(SimulatorError):
            simulator.set_faults({"lost": 2.0})


# The draw


def drawn(faults: Faults, kind: Kind, times: int) -> list[Fault | None]:
    return [faults.draw(kind) for _ in range(times)]


def test_the_same_seed_draws_the_same_faults() -> None:
    rates = {"lost": 0.1, "reset": 0.1, "unavailable": 0.1}
    one, two = (drawn(Faults(7, rates), Kind.CARD, 500) for _ in range(2))
    assert one == two
    assert one != drawn(Faults(8, rates), Kind.CARD, 500)
    assert 35 < one.count(Fault.LOST) < 70
    assert 300 < one.count(None) < 400


def test_faults_end_after_the_most() -> None:
    faults = Faults(1, {"reset": 1.0}, most=3)
    assert drawn(faults, Kind.LOOK, 5) == [Fault.RESET] * 3 + [None] * 2
    faults.set({"reset": 1.0})
    assert drawn(faults, Kind.LOOK, 2) == [Fault.RESET] * 2


def test_a_fault_that_did_not_happen_is_given_back() -> None:
    """Two requests at a time under `most=1`: the second is spared, whatever comes of the first."""
    faults = Faults(1, {"lost": 1.0}, most=1)
    assert drawn(faults, Kind.CARD, 2) == [Fault.LOST, None]
    faults.give_back(Fault.LOST)
    assert faults.happened[Fault.LOST] == 0
    assert drawn(faults, Kind.CARD, 2) == [Fault.LOST, None]
    assert faults.happened[Fault.LOST] == 1


def test_faults_fall_where_they_make_sense() -> None:
    faults = Faults(1, {"lost": 1.0})
    assert drawn(faults, Kind.LOOK, 1) == [None]
    assert drawn(faults, Kind.LOGIN, 1) == [None]
    assert drawn(faults, Kind.FACE, 1) == [Fault.LOST]
    creates = Faults(1, {"reset": 1.0}, scope=Scope.CREATES)
    assert drawn(creates, Kind.LOGIN, 1) == [None]
    assert drawn(creates, Kind.CARD, 1) == [Fault.RESET]
