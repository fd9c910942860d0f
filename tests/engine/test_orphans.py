"""What a killed worker leaves running: found, and ended in time."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import alive, wait_for

from mitrarr_runner import locks, processes
from mitrarr_runner.clock import SystemClock
from mitrarr_runner.engine import orphans
from mitrarr_runner.engine import worker as engine_worker
from mitrarr_runner.engine.apply import Silent, Supervisor
from mitrarr_runner.engine.state import gather
from mitrarr_runner.engine.tick import tick
from mitrarr_runner.plan import plan
from mitrarr_runner.store.runs import Outcome

Job = Callable[..., dict[str, Any]]

STRAYING = "setsid sleep 300 & echo $! > strayed; echo $$ > leader; sleep 300"
"""A command whose grandchild leaves its session."""


@pytest.fixture
def mess(site: Any) -> Iterator[None]:
    """Ends what a failing test would leave behind."""
    yield
    for pid in processes.marked({"MITRARR_ROOT": str(site.root)}):
        processes.send(pid, signal.SIGKILL)


def pids(site: Any, *names: str) -> list[int]:
    return [int((site.root / name).read_text()) for name in names]


def worker(site: Any, job: str) -> int:
    found = wait_for(lambda: [r for r in site.history(job) if not r.finished])
    return int(found[0].process.pid)


def lock_of(site: Any, job: str) -> Path:
    return Path(site.site.locks / f"prod.{job}.lock")


@pytest.mark.usefixtures("mess")
def test_a_supervisor_ends_what_a_killed_worker_left_and_nothing_else(site: Any, job: Job) -> None:
    other = "setsid sleep 300 & echo $! > other; while [ ! -e enough ]; do sleep 0.05; done"
    site.write(jobs={"a": job("sh", "-c", STRAYING), "b": job("sh", "-c", other)})
    site.due()
    before = f"sleep 300 & echo $! > before; exec {' '.join(site.command('apply'))}"
    apply = subprocess.Popen(["sh", "-c", before], cwd=site.root, env=site.environment())
    try:
        wait_for(lambda: (site.root / "leader").exists() and (site.root / "other").exists())
        wait_for(lambda: all((site.root / n).read_text() for n in ("leader", "other", "strayed")))
        os.kill(worker(site, "a"), 9)
        wait_for(lambda: site.history("a")[0].finished)
        wait_for(lambda: not any(map(alive, pids(site, "leader", "strayed"))))
        assert all(map(alive, pids(site, "other", "before"))), "another job's, and the caller's own"
        assert locks.is_free(lock_of(site, "a"))
    finally:
        (site.root / "enough").touch()
        assert apply.wait(timeout=30) == 1
        os.kill(*pids(site, "before"), 9)
    assert not alive(*pids(site, "other"))
    assert [run.outcome for run in site.history("a")] == [Outcome.LOST]
    assert [run.outcome for run in site.history("b")] == [Outcome.OK]


def killed_both(site: Any, *words: str) -> None:
    """An apply and its worker are killed; what the worker started goes on."""
    supervisor = site.start(*(words or ("apply",)))
    wait_for(lambda: (site.root / "leader").exists() and (site.root / "leader").read_text())
    at_work = worker(site, "a")
    supervisor.kill()
    supervisor.wait()
    os.kill(at_work, 9)
    wait_for(lambda: not alive(at_work))


@pytest.mark.usefixtures("mess")
def test_a_timeout_holds_after_supervisor_and_worker_were_killed(site: Any, job: Job) -> None:
    site.write(jobs={"a": job("sh", "-c", STRAYING, timeout="3s")})
    site.due()
    killed_both(site)
    assert site.run("apply").code == 0, "until its time is over it works on, and its job with it"
    assert all(map(alive, pids(site, "leader", "strayed")))
    assert [run.finished for run in site.history()] == [False]
    wait_for(lambda: site.run("apply").code == 1)
    assert not any(map(alive, pids(site, "leader", "strayed")))
    assert [run.outcome for run in site.history()][-1] is Outcome.LOST
    assert "orphans_ended job=a run=r1 count=3" in site.site.main_log.read_text()


@pytest.mark.usefixtures("mess")
def test_a_deaf_orphan_is_killed_after_a_grace(site: Any, job: Job) -> None:
    script = "trap '' TERM; echo $$ > leader; while :; do sleep 0.1; done"
    site.write(jobs={"a": job("sh", "-c", script, timeout="1s")})
    site.due()
    killed_both(site)
    wait_for(lambda: site.run("apply", timeout=60).code == 1, seconds=60)
    assert not alive(*pids(site, "leader"))


@pytest.mark.usefixtures("mess")
def test_stop_reaches_what_a_killed_worker_left(site: Any, job: Job) -> None:
    site.write(jobs={"a": job("sh", "-c", STRAYING)})
    site.due()
    killed_both(site)
    answer = site.run("stop", "a")
    assert answer.code == 0
    assert "r1" in answer.out
    wait_for(lambda: not any(map(alive, pids(site, "leader", "strayed"))))
    assert locks.is_free(lock_of(site, "a"))


@pytest.mark.usefixtures("mess")
def test_the_next_slot_replaces_what_a_killed_worker_left(site: Any, job: Job) -> None:
    script = f"[ -e once ] || {{ touch once; {STRAYING}; }}; echo $MITRARR_RUN > ran"
    site.write(jobs={"a": job("sh", "-c", script, overlap="replace")})
    site.due()
    killed_both(site)
    with site.store() as db, db.transaction():  # another slot is due
        db.execute("UPDATE slots SET slot = slot - 3600")
        db.execute("UPDATE runs SET slot = slot - 3600, started_at = started_at - 3600")
        db.execute("UPDATE jobs SET last_slot = NULL")
    site.run("apply", timeout=60)
    assert not any(map(alive, pids(site, "leader", "strayed")))
    assert (site.root / "ran").read_text().split() == ["2"]


CLOSED = (
    "import os, subprocess; child = subprocess.Popen(['sleep', '300'], start_new_session=True);"
    " open('strayed', 'w').write(str(child.pid)); open('leader', 'w').write(str(os.getpid()));"
    " child.wait()"
)
"""Python closes what it inherited for its children: they do not hold the lock."""


@pytest.mark.usefixtures("mess")
@pytest.mark.parametrize("way", ["time", "stop", "killed"])
def test_children_that_inherited_nothing_are_ended_too(site: Any, job: Job, way: str) -> None:
    timeout = "1s" if way == "time" else "1h"
    command = job(sys.executable, "-c", CLOSED, timeout=timeout, schedule="0 0 1 1 *")
    site.write(jobs={"a": command})
    site.due()
    killed_both(site, "run", "a")
    if way == "stop":
        answer = site.run("stop", "a")
        assert "what was left of it is ended" in answer.out
    if way == "killed":  # the lock is free: another run must not start beside what is left
        os.kill(*pids(site, "leader"), 9)
    wait_for(lambda: site.run("apply").code == 1)
    assert not any(map(alive, pids(site, "leader", "strayed")))


@pytest.mark.usefixtures("mess")
def test_a_job_that_is_gone_has_the_usual_time(
    site: Any, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.write(jobs={"a": job("sh", "-c", STRAYING), "b": job("true")})
    site.due("a")
    killed_both(site)
    site.write(jobs={"b": job("true")})
    applied(site)
    assert all(map(alive, pids(site, "leader", "strayed")))
    monkeypatch.setattr(orphans, "USUAL_TIMEOUT", 0)
    assert applied(site)
    assert not any(map(alive, pids(site, "leader", "strayed")))


@pytest.mark.usefixtures("mess")
def test_a_job_that_is_gone_can_be_stopped(site: Any, job: Job) -> None:
    site.write(jobs={"a": job("sh", "-c", STRAYING), "b": job("true")})
    site.due("a")
    supervisor = site.start("apply")
    wait_for(lambda: (site.root / "leader").exists() and (site.root / "leader").read_text())
    site.write(jobs={"b": job("true")})
    assert re.search(r"^a +RUNNING ", site.run("status").out, re.MULTILINE)
    assert site.run("stop", "a").out.startswith("r1 was asked to end")
    supervisor.wait(timeout=20)
    assert [run.outcome for run in site.history("a")] == [Outcome.STOPPED]
    answer = site.run("stop", "a")
    assert (answer.code, "there is no job" in answer.err) == (2, True)


@pytest.mark.usefixtures("mess")
def test_a_stopped_worker_without_a_supervisor_mutes_no_job(
    site: Any, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.write(jobs={"a": job("sh", "-c", STRAYING, timeout="1s", schedule="0 0 1 1 *")})
    site.due()
    supervisor = site.start("run", "a")
    wait_for(lambda: (site.root / "leader").exists() and (site.root / "leader").read_text())
    at_work = worker(site, "a")
    os.kill(at_work, signal.SIGSTOP)
    supervisor.kill()
    supervisor.wait()
    monkeypatch.setattr(orphans, "_NOBODY", 1.0)
    wait_for(lambda: applied(site))
    assert [run.outcome for run in site.history()] == [Outcome.LOST]
    assert not any(map(alive, [at_work, *pids(site, "leader", "strayed")]))


@pytest.mark.usefixtures("mess")
def test_a_shorter_timeout_ends_no_run_that_began_under_a_longer_one(
    site: Any, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.write(jobs={"a": job("sh", "-c", STRAYING, schedule="0 0 1 1 *")})
    site.due()
    supervisor = site.start("run", "a")
    wait_for(lambda: (site.root / "leader").exists() and (site.root / "leader").read_text())
    site.write(jobs={"a": job("true", timeout="1s", schedule="0 0 1 1 *")})
    monkeypatch.setattr(orphans, "_NOBODY", 0.0)
    time.sleep(1.5)
    assert not applied(site)
    assert all(map(alive, pids(site, "leader", "strayed")))
    assert site.run("stop", "a").code == 0
    assert supervisor.wait(timeout=20) == 1


@pytest.mark.usefixtures("mess")
def test_what_no_signal_reaches_crashes_nobody(
    site: Any, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child that sudo made another user's."""
    site.write(jobs={"a": job("sh", "-c", STRAYING, timeout="1s")})
    site.due()
    plain = os.kill

    def kill(pid: int, number: int) -> None:
        if alive(pid) and b"sleep" in Path(f"/proc/{pid}/cmdline").read_bytes():
            raise PermissionError(1, "Operation not permitted")
        plain(pid, number)

    monkeypatch.setattr(processes, "GRACE", 0.2)
    monkeypatch.setattr(processes, "UNKILLABLE", 0.2)
    monkeypatch.setattr(os, "kill", kill)
    applied(site)
    monkeypatch.undo()
    assert [run.outcome for run in site.history()] == [Outcome.TIMEOUT]


@pytest.mark.usefixtures("mess")
def test_what_cannot_be_seen_and_holds_the_lock_is_told(
    site: Any, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user's process holds it: the run is told as lost once its time is over, and its job
    is left to the next apply, not called running for ever."""
    site.write(jobs={"a": job("sh", "-c", STRAYING, timeout="2s", schedule="0 0 1 1 *")})
    site.due()
    killed_both(site, "run", "a")
    monkeypatch.setattr(locks, "inheritors", lambda path: [])
    monkeypatch.setattr(processes, "marked", lambda environment: [])
    assert not applied(site), "its time is not over"
    wait_for(lambda: applied(site))
    assert [run.outcome for run in site.history()] == [Outcome.LOST]
    assert "opened job_lost a" in (site.site.logs / "alerts.log").read_text()
    assert not locks.is_free(lock_of(site, "a"))
    monkeypatch.undo()


def test_a_lost_run_by_hand_is_recovered_once(site: Any) -> None:
    site.write(jobs={"a": {"schedule": "0 0 1 1 *", "steps": [{"clean": {}}]}})
    site.due()
    assert site.run("run", "a").code == 0
    with site.store() as db, db.transaction():
        db.execute("UPDATE runs SET state = 'started', outcome = NULL, finished_at = NULL")
    clock = SystemClock()
    with site.store() as db:
        view = gather(db, site.manifest, site.site, clock, clock.now())
    made = plan(site.manifest, view, clock.now())
    for _ in range(2):  # two applies that planned at the same instant
        Supervisor(site.manifest, site.site, clock, Silent()).apply(reviewed=made)
    assert [run.outcome for run in site.history()] == [Outcome.LOST, Outcome.OK]


def applied(site: Any) -> bool:
    """One apply; whether every run has ended then."""
    tick(site.manifest, site.site, SystemClock(), Silent(), root_from="settings")
    return all(run.finished for run in site.history())


@pytest.mark.usefixtures("mess")
def test_stop_wakes_a_stopped_worker(site: Any, job: Job) -> None:
    site.write(jobs={"a": job("sh", "-c", STRAYING)})
    site.due()
    supervisor = site.start("apply")
    wait_for(lambda: (site.root / "leader").exists() and (site.root / "leader").read_text())
    os.kill(worker(site, "a"), signal.SIGSTOP)
    assert site.run("stop", "a").code == 0
    supervisor.wait(timeout=20)
    assert [run.outcome for run in site.history("a")] == [Outcome.STOPPED]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_worker_ended_as_soon_as_it_has_claimed(
    site: Any, job: Job, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Before it could tell the supervisor which run it is: asked to end, it ends its run; killed,
    its run is lost and not left to another apply."""
    site.write(jobs={"a": job("true")})
    site.due()
    plain = engine_worker._one

    def one(*words: Any) -> Any:
        os.kill(os.getpid(), number)
        return plain(*words)

    monkeypatch.setattr(engine_worker, "_one", one)
    done = tick(site.manifest, site.site, SystemClock(), Silent(), root_from="settings")
    wanted = Outcome.STOPPED if number == signal.SIGTERM else Outcome.LOST
    assert [run.outcome for run in site.history()] == [wanted]
    assert done.applied is not None
    assert [one.outcome for one in done.applied.ended] == [wanted]


def test_who_holds_a_lock_by_inheritance(tmp_path: Path) -> None:
    """A worker's own copy is closed at exec, and whoever only tries the lock holds none."""
    path = tmp_path / "a.lock"
    held = locks.acquire(path)
    assert held is not None
    assert locks.inheritors(path) == []
    words = "import sys; print('up', flush=True); sys.stdin.read()"
    child = subprocess.Popen(
        [sys.executable, "-c", words],
        pass_fds=[held.descriptor],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdout.readline()
    try:
        assert locks.inheritors(path) == [child.pid]
        held.release()
        assert locks.inheritors(path) == [child.pid]
        other = os.open(path, os.O_RDWR)
        os.set_inheritable(other, True)
        try:
            assert locks.inheritors(path) == [child.pid], "an open file is no lock"
        finally:
            os.close(other)
    finally:
        child.stdin.close()
        child.wait(timeout=10)
        child.stdout.close()
    assert locks.inheritors(path) == []
    assert locks.inheritors(tmp_path / "none.lock") == []
