"""A disk that is full in the middle of every kind of write: what was there is whole, exit code and
words say it, what can go on goes on, and with some room everything is made up for.

Each folder of a site may lie on a disk of its own; the tests put one at a time on 1 MB of memory.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_for

from mitrarr_runner import atomic
from mitrarr_runner.clock import SystemClock
from mitrarr_runner.engine.state_check import check, sound, stores
from mitrarr_runner.intake.register import register_spool
from mitrarr_runner.logs import EventLog
from mitrarr_runner.manifest import compiled
from mitrarr_runner.nist import writer
from mitrarr_runner.store import incidents, registry
from mitrarr_runner.store.runs import Outcome

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Disk:
    """A small disk of its own."""

    top: Path

    @contextmanager
    def full(self) -> Iterator[None]:
        """Not one byte fits on it, nor one name more."""
        self.fill()
        try:
            yield
        finally:
            self.empty()

    def fill(self) -> None:
        filler = self.top / "filler"
        filler.mkdir(exist_ok=True)
        with (filler / "bytes").open("ab", buffering=0) as file:
            for size in (65536, 4096, 512):
                with suppress(OSError):
                    while file.write(b"x" * size):
                        pass
        with suppress(OSError):
            for number in range(1000):
                (filler / str(number)).touch()

    def empty(self) -> None:
        shutil.rmtree(self.top / "filler", ignore_errors=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[..., Disk]]:
    """`disk(folder)`: put a disk of 1 MB at a folder; what lies there is moved onto it."""
    made: list[Path] = []

    def mount(folder: Path, size: str = "1m") -> Disk:
        if os.geteuid() != 0:
            pytest.skip("only root may mount")
        folder.mkdir(parents=True, exist_ok=True)
        words = [
            "mount",
            "-t",
            "tmpfs",
            "-o",
            f"size={size},nr_inodes=300,mode=700",
            "none",
            str(folder),
        ]
        kept = Path(tempfile.mkdtemp(dir=tmp_path)) / "kept"
        shutil.copytree(folder, kept)
        done = subprocess.run(words, capture_output=True, encoding="utf-8", check=False)
        if done.returncode:
            pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
        made.append(folder)
        shutil.copytree(kept, folder, dirs_exist_ok=True)
        return Disk(folder)

    yield mount
    for folder in reversed(made):
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def applied(site: Any, job: Any) -> Any:
    """A site of one job that was applied once and is due again."""
    site.write(sources={"DETRAN": {}}, jobs={"job_a": job("true")})
    assert site.run("apply").code == 0
    again(site)
    return site


def again(site: Any, *jobs: str) -> None:
    """Make the jobs due, as of three minutes ago."""
    with site.store() as db, db.transaction():
        db.execute("DELETE FROM jobs")
    site.due(*jobs)
    for wake in site.site.wake.glob("*.json"):
        wake.unlink()


def assert_sound(site: Any) -> None:
    checks = check(site.site, stores(site.site), SystemClock().now())
    assert sound(checks), [str(one.message) for one in checks]


def nothing_half_written(site: Any) -> None:
    assert list(site.root.rglob(".*.tmp")) == []


# The store, whatever verb writes into it

WRITING = (
    ("apply",),
    ("run", "job_a"),
    ("pause", "job_a"),
    ("clean",),
    ("register-nist", "--source", "DETRAN", "--id", "1", "--file", "a.nst"),
)


def test_the_store(applied: Any, disk: Callable[..., Disk]) -> None:
    (applied.root / "a.nst").write_bytes(b"x" * 100)
    state = disk(applied.site.state)
    with state.full():
        for words in WRITING:
            done = applied.run(*words)
            assert done.code == 4, (words, done)
            assert "error: the disk of the store is full: " in done.err
            assert "free some space" in done.err
        assert applied.run("status").code == 0, "looking needs no room"
    assert_sound(applied)
    assert applied.history() == []
    assert applied.run("apply").code == 0
    assert [run.outcome for run in applied.history()] == [Outcome.OK]
    nothing_half_written(applied)


def test_a_full_store_is_cried_out_once_an_hour(applied: Any, disk: Callable[..., Disk]) -> None:
    state = disk(applied.site.state)
    log = applied.site.logs / "alerts.log"
    marker = applied.site.state / ".trouble-prod"
    with state.full():
        for _ in range(3):
            assert applied.run("apply").code == 4
        (line,) = log.read_text().splitlines()
        assert "CRITICAL" in line
        assert "the disk of the store is full" in line
        os.utime(marker, (time.time() - 3601, time.time() - 3601))
        applied.run("apply")
        assert len(log.read_text().splitlines()) == 2
    for _ in range(2):
        assert applied.run("apply").code == 0
    assert len(log.read_text().splitlines()) == 3
    assert "the store works again" in log.read_text().splitlines()[-1]


def test_status_says_that_apply_cannot_work(applied: Any, disk: Callable[..., Disk]) -> None:
    """Of the store's own disk, although the root's has room; and cron is not to blame."""
    state = disk(applied.site.state)
    applied.due(minutes=45)
    beat = applied.site.heartbeat / "prod"
    old = int(time.time()) - 2700
    os.utime(beat, (old, old))
    with state.full():
        told = applied.run("status").out
        assert told.startswith("CRITICAL"), "seen before any apply fails of it"
        assert applied.run("apply").code == 4
        assert int(beat.stat().st_mtime) == old, "an apply that cannot work does not beat"
        told = applied.run("status").out
        assert told.startswith("CRITICAL  1 critical")
        assert "disk 100%" in told
        assert "CRITICAL  the disk of the store is full: " in told
        assert "free some space" in told
        assert "apply FAILS (the last good one 45m" in told
        assert "cron" not in told
    told = applied.run("status").out
    assert told.startswith("CRITICAL  1 critical"), "whether there is room enough apply will tell"
    assert "apply is called, but could not work with the store" in told
    assert applied.run("apply").code == 0
    told = applied.run("status").out
    assert told.startswith("OK")
    assert "cron OK (apply " in told


def test_a_store_that_fails_and_then_no_apply_any_more(
    applied: Any, disk: Callable[..., Disk]
) -> None:
    beat, marker = applied.site.heartbeat / "prod", applied.site.state / ".trouble-prod"
    with disk(applied.site.state).full():
        assert applied.run("apply").code == 4
        now = time.time()
        os.utime(beat, (now - 7300, now - 7300))
        os.utime(marker, (now - 7200, now - 7200))
        told = applied.run("status").out
    assert told.startswith("CRITICAL  2 critical")
    assert "cron SILENT" in told
    assert "the disk of the store is full" in told


def test_a_quiet_apply_after_the_trouble_is_a_good_one(
    applied: Any, disk: Callable[..., Disk]
) -> None:
    """`mitrarr run` failed; since then cron's applies had nothing to do, and said so."""
    with disk(applied.site.state).full():
        assert applied.run("run", "job_a").code == 4
    (applied.site.heartbeat / "prod").touch()
    ahead = time.time() + 2
    os.utime(applied.site.heartbeat / "prod", (ahead, ahead))
    assert "cron OK" in applied.run("status").out


def test_doctor_says_that_the_disk_is_full(applied: Any, disk: Callable[..., Disk]) -> None:
    state = disk(applied.site.state)
    with state.full():
        applied.run("apply")
        told = applied.run("doctor").out
        assert "disk of state/: full: the store cannot be written" in told
        assert "-> free some space" in told
        assert "WAL" not in told
        assert "ext4" not in told
        assert "apply is called, but cannot work with the store" in told
        assert "journalctl" not in told
    shutil.rmtree(applied.site.state / "locks")
    (applied.site.state / "mitrarr.db").unlink()
    (applied.site.state / "mitrarr.db.made").unlink()
    with state.full():  # nothing was ever stored, and nothing can be tried
        told = applied.run("doctor").out
    assert "disk of state/: full" in told


def test_a_damaged_store_is_cried_out_once_an_hour(applied: Any) -> None:
    store = applied.site.state / "mitrarr.db"
    whole = store.read_bytes()
    store.write_bytes(b"\xff" * len(whole))
    log = applied.site.logs / "alerts.log"
    beat = applied.site.heartbeat / "prod"
    os.utime(beat, (1, 1))
    for _ in range(3):
        done = applied.run("apply")
        assert done.code == 4
        assert "the store is damaged" in done.err
    assert beat.stat().st_mtime == 1
    assert len(log.read_text().splitlines()) == 1
    store.write_bytes(whole)
    assert applied.run("apply").code == 0
    assert "the store works again" in log.read_text().splitlines()[-1]


def test_emit_alert_needs_no_store(applied: Any, disk: Callable[..., Disk]) -> None:
    words = ("emit-alert", "--type", "manual", "--severity", "warning", "--message", "no room")
    with disk(applied.site.state).full():
        assert applied.run(*words).code == 0
    assert "no room" in (applied.site.logs / "alerts.log").read_text()


# In the middle of a run


@pytest.mark.slow
def test_the_disk_fills_up_while_a_job_runs(site: Any, job: Any, disk: Callable[..., Disk]) -> None:
    """The worker holds on to the end of its run until there is room to write it."""
    site.write(jobs={"job_a": job("sleep", "1")})
    assert site.run("apply").code == 0
    again(site)
    state = disk(site.site.state)
    process = site.start("apply")
    wait_for(lambda: site.history())
    state.fill()
    time.sleep(3)
    assert process.poll() is None
    state.empty()
    assert process.wait() == 0
    assert [run.outcome for run in site.history()] == [Outcome.OK]
    assert_sound(site)


def test_the_disk_stays_full_when_a_job_has_ended(
    site: Any, job: Any, disk: Callable[..., Disk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given up after a while: exit 4; the next apply finds the run lost, and says so."""
    site.write(jobs={"job_a": job("true"), "job_b": job("true", schedule={"cron": "0 3 1 1 *"})})
    assert site.run("apply").code == 0
    again(site, "job_a")
    state = disk(site.site.state)
    filler = str(state.top / "filler")  # a file of that name
    code = PATIENT.format(filler=filler)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=site.root,
        env=site.environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 4, done
    assert "the disk of the store is full" in done.stderr
    assert logged(site, "store_trouble")
    told = site.run("status").out
    assert "the disk of the store is full" in told
    assert "job_a: r1 was lost, its process is gone" in told
    assert "failed" not in told
    (state.top / "filler").unlink()
    told = site.run("status").out
    assert "job_a: r1 was lost, its process is gone" in told
    assert "apply FAILS" in told
    answer = site.run("apply")
    assert answer.code == 1, answer
    (run,) = site.history("job_a")
    assert run.outcome is Outcome.LOST
    assert_sound(site)


PATIENT = """
import sys
from mitrarr_runner.engine import attempts, worker
from pathlib import Path
worker._RECORD_WAIT = 1.0
real = attempts.run
def run(*words):
    end = real(*words)
    with open({filler!r}, "ab", buffering=0) as file:
        for size in (65536, 4096, 512):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                pass
    return end
attempts.run = run
from mitrarr_runner.cli.door import run as door
sys.exit(door(["mitrarr", "apply"]))
"""


@pytest.mark.slow
def test_one_job_cannot_claim_and_the_others_end(
    site: Any, job: Any, disk: Callable[..., Disk]
) -> None:
    """A worker that meets the trouble hands it on; what it did not claim is still due."""
    jobs = {"job_a": job("sleep", "2"), "job_b": job("true", needs=["job_a"])}
    site.write(jobs=jobs)
    assert site.run("apply").code == 0
    again(site)
    state = disk(site.site.state)
    process = subprocess.Popen(
        site.command("apply"),
        cwd=site.root,
        env=site.environment(),
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    wait_for(lambda: site.history("job_a"))
    state.fill()
    time.sleep(3)
    state.empty()  # room for the end of job_a
    _, told = process.communicate()
    assert "Traceback" not in told
    assert [run.outcome for run in site.history("job_a")] == [Outcome.OK]
    assert site.run("apply").code == 0
    assert [run.outcome for run in site.history("job_b")] == [Outcome.OK]
    assert len(site.history("job_a")) <= 2
    assert_sound(site)


def logged(site: Any, event: str) -> bool:
    return event in site.site.main_log.read_text()


# Logs


def test_run_logs(site: Any, job: Any, disk: Callable[..., Disk]) -> None:
    """What a job prints is dropped; the job, its record and the next one are not."""
    site.write(jobs={"job_a": job("sh", "-c", "yes | head -c 3000000; echo end")})
    logs = disk(site.site.logs)
    printed = logs.top / "runs" / "job_a"
    assert site.run("run", "job_a").code == 0, "more than fits"
    with logs.full():
        assert site.run("run", "job_a").code == 0, "no room at all"
    shutil.rmtree(printed)
    with logs.full():
        assert site.run("run", "job_a").code == 0, "not even for the folder"
    assert not printed.exists()
    assert site.run("run", "job_a").code == 0
    assert [run.outcome for run in site.history()] == [Outcome.OK] * 4
    assert (printed / "4.log").stat().st_size > 100_000


def test_alerts_log(site: Any, job: Any, disk: Callable[..., Disk]) -> None:
    """The notice waits in the outbox, the channel is an incident, the jobs go on."""
    rule = {"when": "job_failed", "after": 1, "severity": "critical", "to": ["registro"]}
    site.write(
        jobs={"job_a": job("false")},
        alerts={"channels": {"registro": {"kind": "log"}}, "rules": [rule]},
    )
    assert site.run("apply").code == 0
    again(site)
    logs = disk(site.site.logs)
    with logs.full():
        done = site.run("apply")
        assert done.code == 1
        assert "job_a" in done.out, "cron mails it all the same"
        with site.store() as db:
            waiting = incidents.unsent(db, "prod")
        assert {(one.channel, one.attempts) for one in waiting} >= {("registro", 1)}
        words = ("--type", "m", "--severity", "warning", "--message", "x", "--to", "registro")
        assert site.run("emit-alert", *words).code in (0, 4)
    assert not (logs.top / "alerts.log").exists() or (logs.top / "alerts.log").read_text() == ""
    with site.store() as db, db.transaction():
        db.execute("UPDATE notices SET not_before = 0")
    for wake in site.site.wake.glob("*.json"):
        wake.unlink()
    site.run("apply")
    assert "job_failed job_a" in (logs.top / "alerts.log").read_text()
    with site.store() as db:
        assert incidents.unsent(db, "prod") == ()


# Originals


def spool_of(site: Any, count: int) -> Path:
    spool: Path = site.root / "spool"
    spool.mkdir(exist_ok=True)
    for number in range(count):
        record = writer.RecordDraft(2, 0, {18: "X" * 60_000})
        data = writer.write([record], date="20260102", tcn=f"T{number}")
        (spool / f"{number}.nst").write_bytes(data)
    return spool


def test_originals(site: Any, job: Any, disk: Callable[..., Disk]) -> None:
    """What fitted is registered, the rest waits in the spool; nothing has half a file."""
    spool = spool_of(site, 30)
    source = {"spool": str(spool), "settle": "0s", "after": "delete"}
    site.write(sources={"DETRAN": source}, jobs={"job_a": job("true")})
    assert site.run("apply").code == 0
    disk(site.site.originals)
    first = take_in(site)
    assert first.stopped is not None
    assert (first.stopped.exit_code, first.stopped.code) == (1, "disk_reserve")
    assert 0 < first.files < 30
    assert len(list(spool.iterdir())) == 30 - first.files
    assert_sound(site)
    nothing_half_written(site)
    subprocess.run(["mount", "-o", "remount,size=20m", str(site.site.originals)], check=True)
    second = take_in(site)
    assert second.stopped is None
    assert first.files + second.files == 30
    assert list(spool.iterdir()) == []
    with site.store() as db:
        assert sum(registry.counts(db).values()) == 30
    assert_sound(site)


def take_in(site: Any) -> Any:
    clock = SystemClock()
    with site.store() as db:
        return register_spool(
            db,
            site.site,
            site.manifest.sources["DETRAN"],
            clock=clock,
            run=None,
            actor="",
            progress=lambda done, total: None,
            stopping=lambda: False,
            log=EventLog(site.site.main_log, clock),
            free=lambda folder: 10**12,  # the reserve would stop long before the disk is full
        )


def test_the_reserve_stops_intake_and_nothing_else(
    site: Any, job: Any, disk: Callable[..., Disk]
) -> None:
    """200 MB are left to state, logs, alerts and delivery: intake stops long before the end."""
    spool = spool_of(site, 2)
    steps = [{"register_nist": {"source": "DETRAN"}}]
    rule = {"when": "job_failed", "after": 1, "severity": "critical", "to": ["registro"]}
    site.write(
        sources={"DETRAN": {"spool": str(spool), "settle": "0s"}},
        jobs={"intake": {"schedule": "* * * * *", "steps": steps}, "other": job("true")},
        alerts={"channels": {"registro": {"kind": "log"}}, "rules": [rule]},
    )
    assert site.run("apply").code == 0
    again(site)
    disk(site.site.originals, "100m")
    done = site.run("apply")
    assert done.code == 1
    (run,) = site.history("intake")
    assert (run.outcome, run.code) == (Outcome.FAILED, "disk_reserve")
    assert [run.outcome for run in site.history("other")] == [Outcome.OK]
    assert "disk_reserve" in (site.site.logs / "alerts.log").read_text()
    assert len(list(spool.iterdir())) == 2


# Caches


def test_a_new_manifest(site: Any, job: Any, disk: Callable[..., Disk]) -> None:
    """The new manifest is applied, though it cannot be kept; the last good one stays whole."""
    site.write(jobs={"job_a": job("true")})
    assert site.run("apply").code == 0
    again(site)
    old = site.manifest.fingerprint
    kept = disk(site.site.compiled)
    with kept.full():
        site.write(jobs={"job_a": job("true", description="newer")})
        assert site.run("apply").code == 0
        good = compiled.load_last_good(site.site, "prod")
        assert good is not None
        assert good.fingerprint == old
    assert [run.outcome for run in site.history()] == [Outcome.OK]
    again(site)
    assert site.run("apply").code == 0
    good = compiled.load_last_good(site.site, "prod")
    assert good is not None
    assert good.fingerprint == site.manifest.fingerprint
    nothing_half_written(site)


def test_the_wake_file(applied: Any, disk: Callable[..., Disk]) -> None:
    """An answer that cannot be renewed is taken away: the next apply looks for itself."""
    wake = disk(applied.site.wake)
    name = wake.top / "prod.json"
    name.write_text(json.dumps({"manifest": "an old answer"}))
    with wake.full():
        assert applied.run("apply").code == 0
        assert not name.exists()
    assert applied.run("apply").code == 0
    assert json.loads(name.read_text())["manifest"] == str(applied.manifest_path)


def test_locks(applied: Any, disk: Callable[..., Disk]) -> None:
    """A lock that cannot be made is no lock that is held: exit 4, nothing is claimed."""
    for lock in applied.site.locks.iterdir():
        lock.unlink()
    with disk(applied.site.locks).full():
        done = applied.run("apply")
        assert done.code == 4, done
        assert "the disk is full" in done.err
    assert applied.run("apply").code == 0
    assert [run.outcome for run in applied.history()] == [Outcome.OK]


# Copies of the state


def test_backup(applied: Any, disk: Callable[..., Disk], tmp_path: Path) -> None:
    copies = disk(tmp_path / "copies")
    target = copies.top / "copy.tar"
    assert applied.run("state", "backup", str(target)).code == 0
    before = target.read_bytes()
    with copies.full():
        done = applied.run("state", "backup", str(target))
        assert done.code == 4, done
        assert f"there is no room for the copy in {copies.top}" in done.err
        assert target.read_bytes() == before
    assert [path.name for path in copies.top.iterdir()] == ["copy.tar"]
    assert applied.run("state", "backup", str(target)).code == 0


def test_restore(site: Any, job: Any, disk: Callable[..., Disk], tmp_path: Path) -> None:
    whole = disk(site.root)
    site.write(jobs={"job_a": job("true")})
    assert site.run("apply").code == 0
    copy = tmp_path / "copy.tar"
    assert site.run("state", "backup", str(copy)).code == 0
    with whole.full():
        done = site.run("state", "restore", str(copy), "--yes")
        assert done.code == 4, done
        assert "the disk is full" in done.err
    assert {path.name for path in site.root.iterdir()} == {
        *("configs", "state", "store", "quarantine", "logs")
    }
    assert_sound(site)
    assert site.run("apply").code == 0


# Every atomic write, at every byte: a limit on the size of files needs no root


@pytest.mark.parametrize("limit", [0, 1, 100, 4095])
def test_no_atomic_write_leaves_half_a_file(tmp_path: Path, limit: int) -> None:
    path = tmp_path / "kept.json"
    path.write_bytes(b"old")
    pid = os.fork()
    if not pid:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            atomic.write_file(path, b"n" * 4096)
        except OSError:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["kept.json"]
