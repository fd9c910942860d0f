"""The tutorial's commands, word for word, as a shell runs them, in the tutorial's own layout.

Manifests lie in one folder, the site in another; cron and hand must reach one store. Only the
invented paths are replaced by existing ones.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from mitrarr_runner import images
from mitrarr_runner.findface.simulator import process
from mitrarr_runner.findface.simulator.process import SimulatorProcess
from mitrarr_runner.nist.writer import RecordDraft, face, write

SOURCE = Path(__file__).resolve().parents[2] / "shared" / "TUTORIAL.pt-BR.md"

COMMANDS = (
    "python -m infra.cli.main --help",
    "python -m infra.cli.main register-nist --id 2025001 --source DETRAN --file /dados/arquivo.nst",
    "python -m infra.cli.main send-to-findface --batch-size 50",
    "python -m infra.cli.main run-schedule --config /opt/findface/configs/prod_schedule.json",
    "curl -X POST http://localhost:8000/jobs/job_a/pause",
    "python -m infra.cli.main check-volume --history /opt/findface/configs/volumes.json"
    " --label adiciona_nists --current 120",
    "python -m infra.cli.main emit-alert --type manual --job job_a --severity warning"
    ' --message "Verificar volume"',
    "scheduler-cli pause job_a",
    "scheduler-cli resume job_a",
)
GUARDIAN = "python -m infra.cli.main run-schedule --config /opt/findface/configs/guardian.json"


@dataclass
class Ground:
    """The tutorial's server: /opt/findface and /dados, below a temporary folder."""

    root: Path
    simulator: SimulatorProcess
    port: int

    @property
    def site(self) -> Path:
        return self.root / "opt" / "findface" / "mitrarr_clean"

    @property
    def configs(self) -> Path:
        return self.root / "opt" / "findface" / "configs"

    def placed(self, command: str) -> str:
        return (
            command.replace("/opt/", f"{self.root}/opt/")
            .replace("/dados/", f"{self.root}/dados/")
            .replace("localhost:8000", f"localhost:{self.port}")
        )

    def environment(self) -> dict[str, str]:
        """After `source .venv/bin/activate`: its bin first on the PATH, and nothing of ours."""
        path = f"{self.site / '.venv' / 'bin'}:/usr/local/bin:/usr/bin:/bin"
        return {"PATH": path, "HOME": str(self.root), "LANG": "C.UTF-8"}

    def shell(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", self.placed(command)],
            cwd=self.site,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def cron(self, command: str) -> subprocess.CompletedProcess[str]:
        """A crontab line in the form docs/ gives, as cron runs it: absolute, bare, elsewhere."""
        line = self.placed(command.replace("python", sys.executable, 1))
        return subprocess.run(
            ["env", "-i", "PATH=/usr/bin:/bin", f"HOME={self.root}", "sh", "-c", line],
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with process.start(lists=("DETRAN",)) as simulator:
        ground = Ground(tmp_path, simulator, port)
        (ground.site / ".venv" / "bin").mkdir(parents=True)
        beside = Path(sys.executable).parent
        for name in ("python", "mitrarr", "scheduler-cli"):
            target = Path(sys.executable) if name == "python" else beside / name
            script = f'#!/bin/sh\nexec "{target}" "$@"\n'
            (ground.site / ".venv" / "bin" / name).write_text(script)
            (ground.site / ".venv" / "bin" / name).chmod(0o755)
        ground.configs.mkdir()
        _fill(ground)
        yield ground


def _fill(ground: Ground) -> None:
    (ground.root / "dados").mkdir()
    photo = face(1, images.draw_face(1), date=date(2026, 11, 20))
    data = write([RecordDraft(2, 0, {18: "ANA DE TAL"}), photo], date=date(2026, 11, 20), tcn="T1")
    (ground.root / "dados" / "arquivo.nst").write_bytes(data)
    (ground.configs / "senha").write_text("demo")
    settings = {"timezone": "America/Sao_Paulo", "root": "../mitrarr_clean"}
    job = {
        "schedule": {"cron": "0 0 1 1 *", "first": "now"},
        "steps": [{"send_to_findface": {"destination": "findface"}}],
    }
    prod: dict[str, Any] = {
        "version": 1,
        "settings": settings,
        "api": {"loopback": "operator"},
        "sources": {"DETRAN": {"spool": str(ground.root / "dados" / "spool")}},
        "destinations": {
            "findface": {
                "kind": "findface_multi",
                "url": ground.simulator.url,
                "login": {
                    "username": "mitrarr",
                    "password": {"file": str(ground.configs / "senha")},
                },
                "watch_lists": ["DETRAN"],
            }
        },
        "jobs": {"job_a": job},
    }
    guardian: dict[str, Any] = {
        "version": 1,
        "settings": {**settings, "store": "state/guardian.db", "watches": "state/mitrarr.db"},
        "jobs": {
            "guardian": {"schedule": "* * * * *", "steps": [{"heartbeat": {"name": "scheduler"}}]}
        },
        "heartbeats": {"scheduler": {"manifest": "prod_schedule", "max_age": "25m"}},
    }
    (ground.configs / "prod_schedule.json").write_text(json.dumps(prod))
    (ground.configs / "guardian.json").write_text(json.dumps(guardian))
    volumes = {"adiciona_nists": [110, 130, 125, 118, 122]}
    (ground.configs / "volumes.json").write_text(json.dumps(volumes))


def test_the_commands_here_are_the_tutorials() -> None:
    if not SOURCE.exists():
        pytest.skip("../shared is not here")
    text = SOURCE.read_text(encoding="utf-8")
    for command in (*COMMANDS, f"*/30 * * * * {GUARDIAN}"):
        assert command in text, command


def test_every_command_word_for_word(ground: Ground) -> None:
    """In the tutorial's own order; the server of section 2 runs beside it, as a service would."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    server = subprocess.Popen(
        ["bash", "-c", f"exec mitrarr serve --port {ground.port}"],
        cwd=ground.site,
        env=ground.environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        assert str(ground.port) in server.stdout.readline()
        answers = {command: ground.shell(command) for command in COMMANDS}
    finally:
        server.terminate()
        server.wait(timeout=15)
        server.stdout.close()
    for command, answer in answers.items():
        assert answer.returncode == 0, (command, answer.stdout, answer.stderr)
    _judge(ground, [answers[command] for command in COMMANDS])


def _judge(ground: Ground, answers: list[subprocess.CompletedProcess[str]]) -> None:
    help_, register, send, schedule, curl, volume, alert, pause, resume = (
        answer.stdout for answer in answers
    )
    for verb in ("register-nist", "send-to-findface", "run-schedule", "check-volume", "emit-alert"):
        assert verb in help_
    assert "R1" in register
    assert "1" in send
    assert schedule == "", "cron mails what a schedule prints"
    assert json.loads(curl)["paused"] is True
    assert "adiciona_nists" in volume
    assert "A1" in alert
    assert "already" in pause, "the pause by curl and the pause by hand are one"
    assert "is resumed" in resume
    line = (ground.site / "logs" / "alerts.log").read_text(encoding="utf-8")
    assert "manual" in line
    assert "job_a" in line
    assert "Verificar volume" in line
    report = ground.simulator.report()
    assert (report["cards"], report["faces"], report["duplicates"]) == (1, 1, 0)
    stores = sorted(path.name for path in ground.root.rglob("mitrarr.db"))
    assert stores == ["mitrarr.db"], "one store, whoever calls from wherever"


def test_a_nist_registered_by_hand_is_sent_by_the_scheduler(ground: Ground) -> None:
    assert ground.shell(COMMANDS[1]).returncode == 0
    assert ground.simulator.report()["cards"] == 0
    answer = ground.cron(COMMANDS[3])
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")
    report = ground.simulator.report()
    assert (report["cards"], report["faces"]) == (1, 1)
    again = ground.cron(COMMANDS[3])
    assert again.returncode == 0
    assert ground.simulator.report()["cards"] == 1


def test_the_guardian_under_cron_is_silent_until_the_scheduler_stops(ground: Ground) -> None:
    assert ground.cron(COMMANDS[3]).returncode == 0
    first = ground.cron(GUARDIAN)
    assert (first.returncode, first.stdout, first.stderr) == (0, "", "")
    beat = ground.site / "state" / "heartbeat" / "prod_schedule"
    old = time.time() - 3600
    os.utime(beat, (old, old))
    run = ground.shell(
        "python -m infra.cli.main run guardian --config /opt/findface/configs/guardian.json"
    )
    assert run.returncode == 0
    assert "scheduler" in (ground.site / "logs" / "alerts.log").read_text(encoding="utf-8")


def test_a_low_volume_is_exit_1_and_an_unknown_label_needs_one(ground: Ground) -> None:
    command = COMMANDS[5]
    assert ground.shell(command.replace("120", "10")).returncode == 1
    assert ground.shell(command.replace("adiciona_nists", "outra")).returncode == 0
    zero = command.replace("adiciona_nists", "outra").replace("120", "0")
    assert ground.shell(zero).returncode == 1
