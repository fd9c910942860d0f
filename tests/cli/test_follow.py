"""logs --follow: a run as it prints, to its end; real processes, real files."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_for

from mitrarr_runner.engine.follow import Tail
from mitrarr_runner.store.runs import Outcome

Job = Callable[..., dict[str, Any]]
STAIRS = "echo one; while ! test -e two; do sleep 0.05; done; echo two; printf three"


# -- the file


def test_whole_lines_as_they_come(tmp_path: Path) -> None:
    path = tmp_path / "1.log"
    tail = Tail(path)
    assert tail.lines() == [], "it is not there yet"
    with path.open("wb", buffering=0) as file:
        file.write(b"one\ntw")
        assert tail.lines() == ["one"]
        file.write(b"o\n\xc3")
        assert tail.lines() == ["two"]
        file.write(b"\xa9\xff")
        assert tail.last() == ["é�"]
    assert tail.last() == []
    tail.close()


def test_a_renamed_file_is_read_to_its_end_and_then_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "1.log"
    path.write_text("one\n")
    tail = Tail(path)
    assert tail.lines() == ["one"]
    with path.open("a") as old:
        path.rename(tmp_path / "1.log.1")
        old.write("two\n")
    path.write_text("three\n")
    assert tail.lines() == ["two", "three"]
    path.unlink()
    assert tail.lines() == [], "gone, and nothing is lost by it"
    tail.close()


def test_a_file_cut_short_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "1.log"
    path.write_text("a long line\n")
    tail = Tail(path)
    tail.lines()
    path.write_text("short\n")
    assert tail.lines() == ["short"]
    tail.close()


# -- the verb


@pytest.fixture
def follow(site: Any) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """`logs ... --follow` as a process, its standard output in a pipe."""
    started: list[subprocess.Popen[str]] = []

    def call(*words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            site.command("logs", *words, "--follow"),
            cwd=site.root,
            env=site.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        started.append(process)
        return process

    yield call
    for process in started:
        process.kill()
        process.communicate()


def lines_until(process: subprocess.Popen[str], wanted: str) -> list[str]:
    """What it prints up to the line that is wanted."""
    assert process.stdout is not None
    found: list[str] = []
    while wanted not in found:
        line = process.stdout.readline()
        if not line:
            raise AssertionError((wanted, found, process.communicate()[1]))
        found.append(line.rstrip("\n"))
    return found


def test_the_running_run_to_its_end(site: Any, job: Job, follow: Any, background: Any) -> None:
    site.write(jobs={"a": job("sh", "-c", STAIRS)})
    site.due()
    apply = background("apply")
    wait_for(lambda: site.history() and list((site.root / "logs" / "runs" / "a").glob("*.log")))
    process = follow("a")
    head = lines_until(process, "one")
    assert head[0].startswith("r1  a  slot ")
    assert process.poll() is None
    (site.root / "two").touch()
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert out.splitlines()[:2] == ["two", "three-- ok: sh: exit code 0"]
    assert out.splitlines()[-1].startswith("r1 has ended: ok, after ")
    assert apply.wait(20) == 0


def test_a_run_that_fails_is_no_failure_of_the_reader(
    site: Any, job: Job, follow: Any, background: Any
) -> None:
    site.write(jobs={"a": job("sh", "-c", STAIRS + "; exit 3")})
    site.due()
    apply = background("apply")
    wait_for(lambda: site.history())
    process = follow("a")
    lines_until(process, "one")
    (site.root / "two").touch()
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "r1 has ended: failed" in out
    assert apply.wait(20) == 1


@pytest.mark.parametrize("applied", [False, True])
def test_it_waits_for_the_next_run_and_says_so(
    site: Any, job: Job, follow: Any, applied: bool
) -> None:
    site.write(jobs={"a": job("sh", "-c", "echo hello")})
    if applied:
        site.due()
        assert site.run("apply").code == 0
    process = follow("a")
    assert process.stdout is not None
    first = process.stdout.readline()
    assert first.startswith("a is not running; waiting for its next run (slot ")
    assert site.run("run", "a").code == 0
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    newest = site.history()[-1].handle
    assert out.startswith(f"{newest}  a  by hand")
    assert "hello" in out.splitlines()
    assert out.splitlines()[-1].startswith(f"{newest} has ended: ok")


def test_an_ended_run_by_its_handle(site: Any, job: Job, follow: Any) -> None:
    site.write(jobs={"a": job("sh", "-c", "for n in 1 2 3 4; do echo line $n; done")})
    site.due()
    site.run("apply")
    out, _ = follow("a", "--run", "r1", "--lines", "2").communicate(timeout=20)
    assert out.splitlines()[1:3] == ["line 4", "-- ok: sh: exit code 0"]
    unknown = follow("a", "--run", "r9")
    assert "a has no run r9" in unknown.communicate(timeout=20)[1]
    assert unknown.returncode == 2


@pytest.mark.parametrize("running", [True, False])
def test_ctrl_c_ends_the_look_and_not_the_run(
    site: Any, job: Job, follow: Any, running: bool, background: Any
) -> None:
    site.write(jobs={"a": job("sh", "-c", STAIRS)})
    apply = None
    if running:
        site.due()
        apply = background("apply")
        wait_for(lambda: site.history())
    process = follow("a")
    if running:
        lines_until(process, "one")
    else:
        assert process.stdout is not None
        process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in out + err
    if apply is not None:
        (site.root / "two").touch()
        assert apply.wait(20) == 0
        assert [run.outcome for run in site.history()] == [Outcome.OK]


def test_output_cannot_drive_the_readers_terminal(site: Any, job: Job, follow: Any) -> None:
    site.write(jobs={"a": job("printf", "\\033[2Jx\\ty\\n")})
    site.due()
    site.run("apply")
    out, _ = follow("a", "--run", "r1").communicate(timeout=20)
    assert "\x1b" not in out
    assert "\\x1b[2Jx\ty" in out.splitlines()


def test_there_is_no_json_of_it(site: Any, job: Job) -> None:
    site.write(jobs={"a": job("true")})
    assert site.run("logs", "a", "--follow", "--format", "json").code == 2
