"""The ground floor: texts, clocks, files, locks, processes, logs, templates, roots."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitrarr_runner import atomic, locks, logs, processes, redact, templates
from mitrarr_runner.clock import FixedClock, SystemClock, epoch, from_epoch, iso
from mitrarr_runner.errors import UsageError
from mitrarr_runner.site import MARKER, find_root
from mitrarr_runner.text import (
    Catalogue,
    from_data,
    language_of,
    plural,
    text,
    to_data,
)

EN, PT = Catalogue("en"), Catalogue("pt_BR")
NOW = datetime(2026, 11, 23, 12, 26, 31, tzinfo=UTC)
ZONE = ZoneInfo("America/Sao_Paulo")


# -- texts


def test_numbers_sizes_spans_and_moments_in_both_languages() -> None:
    assert (EN.number(18204), PT.number(18204)) == ("18,204", "18.204")
    assert (EN.size(1_250_000), PT.size(1_250_000)) == ("1.2 MB", "1,2 MB")
    assert [EN.span(s) for s in (0, 39, 2040, 11_700, 208_800, -5)] == [
        "0s",
        "39s",
        "34m00s",
        "3h15m",
        "2d10h",
        "-5s",
    ]
    assert EN.moment(NOW, ZONE) == "Mon 2026-11-23 09:26:31 -03:00"
    assert PT.moment(NOW, ZONE) == "seg 23/11/2026 09:26:31 -03:00"


def test_the_shortest_reading_of_an_hour_beside_today() -> None:
    assert EN.hour(NOW, ZONE, NOW) == "09:26"
    assert PT.hour(NOW.replace(day=20), ZONE, NOW) == "sex 09:26"
    assert EN.hour(NOW.replace(month=6), ZONE, NOW) == "Tue 06-23 09:26"


def test_a_text_survives_the_store() -> None:
    inner = plural("one file", "{count} files", 3000)
    told = text("{what} of {name}", what=inner, name="x")
    again = from_data(json.loads(json.dumps(to_data(told))))
    assert again == told
    assert EN(again) == "3,000 files of x"


def test_values_are_never_templates() -> None:
    assert EN(text("{a}", a="{b} %s {0}")) == "{b} %s {0}"
    assert EN(text("a { that stands alone")) == "a { that stands alone"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "en"),
        ({"LANG": "pt_BR.UTF-8"}, "pt_BR"),
        ({"LANG": "pt_BR", "MITRARR_LANG": "en"}, "en"),
        ({"LC_ALL": "C", "LANG": "pt_BR"}, "en"),
        ({"LANG": "de_DE"}, "en"),
    ],
)
def test_the_language_a_terminal_asks_for(environment: dict[str, str], expected: str) -> None:
    assert language_of(environment) == expected


# -- clocks


def test_instants() -> None:
    assert from_epoch(epoch(NOW)) == NOW
    assert iso(NOW.astimezone(ZONE)) == "2026-11-23T12:26:31Z"
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    assert len(clock.boot_id()) == 36
    assert clock.boottime() > 0


# -- what may be written down


@pytest.mark.parametrize(
    "number", ["12345678909", "123.456.789-09", "123456789", "11987654321", "2025-0000-12345"]
)
def test_long_numbers_are_masked(number: str) -> None:
    assert number not in redact.safe(f"a {number} b")
    assert redact.safe(f"a {number} b").startswith(f"a {number[:2]}")


@pytest.mark.parametrize("harmless", ["2026-11-23T09:26:31-03:00", "48,112 bytes", "r8841", "8080"])
def test_dates_and_counts_stay(harmless: str) -> None:
    assert redact.safe(harmless) == harmless


@given(st.text())
def test_nothing_forges_a_line(words: str) -> None:
    safe = redact.safe(words)
    assert len(safe.splitlines()) <= 1
    assert "\x1b" not in safe
    assert len(safe) <= 300


def test_an_event_is_one_line_whatever_its_fields(tmp_path: Path) -> None:
    log = logs.EventLog(tmp_path / "mitrarr.log", FixedClock(NOW))
    log.event("odd", name='a "b"\n2026-11-23T00:00:00Z host forged=1', number=12, none=None)
    lines = (tmp_path / "mitrarr.log").read_text().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("2026-11-23T12:26:31Z ")
    assert lines[0].endswith("number=12")
    assert (tmp_path / "mitrarr.log").stat().st_mode & 0o777 == 0o600


def test_a_log_that_cannot_be_written_fails_nothing(tmp_path: Path) -> None:
    logs.EventLog(tmp_path / "no" / "folder.log", FixedClock(NOW)).event("x")


# -- files


def test_a_file_appears_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    atomic.write_file(path, b"old")

    def full(_descriptor: int, _data: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        atomic.write_file(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"], "no temporary file is left"


def test_short_writes_are_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: whole(fd, bytes(data)[:3]))
    atomic.write_file(tmp_path / "a", b"0123456789")
    monkeypatch.undo()
    assert (tmp_path / "a").read_bytes() == b"0123456789"


# -- locks


def test_a_lock_excludes_and_is_never_deleted(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    held = locks.acquire(path)
    assert held is not None
    assert locks.acquire(path) is None
    assert not locks.is_free(path)
    held.release()
    assert locks.is_free(path)
    assert path.exists()


def test_a_child_that_inherited_it_keeps_the_lock_when_its_parent_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    source = f"""
import subprocess, sys, time
from pathlib import Path
from mitrarr_runner import locks
held = locks.acquire(Path({str(path)!r}))
child = subprocess.Popen(["sleep", "30"], pass_fds=(held.descriptor,))
print(child.pid, flush=True)
time.sleep(30)
"""
    parent = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert not locks.is_free(path)
    os.kill(child, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while not locks.is_free(path) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert locks.is_free(path)


# -- processes


def test_a_process_is_its_pid_and_its_start() -> None:
    assert processes.started(os.getpid()) == processes.started(os.getpid()) != ""
    assert processes.started(1) != processes.started(os.getpid())
    assert processes.started(2**22 + 1) == ""


def test_a_zombie_is_not_alive() -> None:
    child = subprocess.Popen(["true"])
    deadline = time.monotonic() + 5
    while processes.started(child.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert processes.started(child.pid) == ""
    child.wait()


def test_descendants_of_descendants_are_found() -> None:
    shell = subprocess.Popen(["sh", "-c", "sleep 30 & sleep 30; true"])
    try:
        deadline = time.monotonic() + 5
        while len(found := processes.descendants(shell.pid)) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(found) == 2
    finally:
        for pid in [*processes.descendants(shell.pid), shell.pid]:
            processes.send(pid, signal.SIGKILL)
        shell.wait()


# -- templates


def test_a_template_may_use_what_it_is_given_and_nothing_else() -> None:
    assert templates.render("{{ a }}-{{ b }}", {"a": 1, "b": "x"}) == "1-x"
    for bad in (
        "{{ c }}",
        "{{ a.__class__ }}",
        "{{ a",
        "{% for %}",
        "{{ ().__class__.__bases__ }}",
    ):
        with pytest.raises(UsageError) as caught:
            templates.render(bad, {"a": 1})
        assert caught.value.code == "template"


def test_the_names_a_template_wants() -> None:
    assert templates.names_in("{{ tcn }}{% if x %}{{ y }}{% endif %}") == {"tcn", "x", "y"}


# -- roots


def test_which_root_wins(tmp_path: Path) -> None:
    cwd, git = tmp_path / "cwd" / "deep", tmp_path / "git"
    manifest = git / "configs" / "prod"
    cwd.mkdir(parents=True)
    manifest.mkdir(parents=True)

    def found(settings: Path | None = None, env: str | None = None) -> tuple[Path, str]:
        environment = {"MITRARR_ROOT": env} if env else {}
        root = find_root(settings, manifest, environment, cwd)
        return root.root, root.why

    assert found() == (git, "configs_parent")
    (tmp_path / "git" / MARKER).touch()
    assert found() == (git, "marker_manifest")
    (tmp_path / "cwd" / MARKER).touch()
    assert found() == (tmp_path / "cwd", "marker_cwd")
    assert found(env=str(tmp_path)) == (tmp_path, "environment")
    assert found(settings=git / "x", env=str(tmp_path)) == (git / "x", "settings")
    assert find_root(None, None, {}, tmp_path).why == "cwd"
