"""alerts.log under many writers: whole lines, none lost."""

from __future__ import annotations

import os
import stat
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from mitrarr_runner.alerts.channels import log
from mitrarr_runner.alerts.channels.contract import ChannelError, Target
from mitrarr_runner.alerts.model import Notice, NoticeKind
from mitrarr_runner.manifest.model import Severity
from mitrarr_runner.text import Catalogue

NOW = datetime(2026, 11, 23, 14, 10, 4, tzinfo=UTC)
WRITERS, LINES = 20, 200


def target(root: Path) -> Target:
    zone, say = ZoneInfo("America/Sao_Paulo"), Catalogue("en")
    return Target("log", "log", {}, root, root / "logs" / "alerts.log", zone, say, "host")


def notice(writer: int, number: int) -> Notice:
    detail = {"message": f"{writer}-{number} " + "é" * (writer * 17 % 400), "actor": ""}
    return Notice(f"A{number}", NoticeKind.MANUAL, "manual", "x", Severity.INFO, NOW, NOW, detail)


def test_twenty_processes_write_whole_lines(tmp_path: Path) -> None:
    log.send(notice(99, 0), target(tmp_path))  # the template is compiled once, before the forks
    pids = []
    for writer in range(WRITERS):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                for number in range(LINES):
                    log.send(notice(writer, number), target(tmp_path))
                code = 0
            finally:
                os._exit(code)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * WRITERS
    lines = (tmp_path / "logs" / "alerts.log").read_text(encoding="utf-8").splitlines()[1:]
    assert len(lines) == WRITERS * LINES
    counted = Counter()
    for line in lines:
        prefix, message = line.split(' "', 1)
        writer, number = message.split(" ", 1)[0].split("-")
        assert prefix == f"2026-11-23T11:10:04-03:00 A{number} INFO emitted manual x"
        assert message == f"{writer}-{number} " + "é" * (int(writer) * 17 % 400) + '"'
        counted[int(writer)] += 1
    assert counted == dict.fromkeys(range(WRITERS), LINES)


def test_the_file_is_the_owners_alone(tmp_path: Path) -> None:
    log.send(notice(1, 1), target(tmp_path))
    mode = (tmp_path / "logs" / "alerts.log").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_a_full_disk_is_a_channel_error_that_passes(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "alerts.log").symlink_to("/dev/full")
    with pytest.raises(ChannelError) as caught:
        log.send(notice(1, 1), target(tmp_path))
    assert not caught.value.permanent
    assert caught.value.code == "log_unwritable"
