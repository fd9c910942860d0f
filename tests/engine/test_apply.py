"""apply with real processes: once, in order, in time, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from waiting import alive, wait_for

from mitrarr_runner.clock import iso
from mitrarr_runner.store import slots
from mitrarr_runner.store.runs import Outcome

Job = Callable[..., dict[str, Any]]


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def told_by(site: Any, *words: str) -> subprocess.Popen[bytes]:
    """A call in the background, whose output is kept."""
    return subprocess.Popen(
        site.command(*words), cwd=site.root, env=site.environment(), stdout=subprocess.PIPE
    )


def closing(site: Any, run: Any) -> str:
    """The last line of a run's log."""
    return lines(site.site.run_logs / run.job / f"{run.id}.log")[-1]


def test_a_due_job_runs_once_and_the_second_apply_does_nothing(
    site: Any, job: Job, lately: Callable[..., str]
) -> None:
    script = 'echo "$MITRARR_SLOT" >> ran'
    site.write(jobs={"a": job("sh", "-c", script, schedule=lately(1, 3, 5))})
    site.due(minutes=6)
    first = site.run("apply")
    assert (first.code, first.out, first.err) == (0, "", "")
    assert len(lines(site.root / "ran")) == 1
    assert [run.outcome for run in site.history()] == [Outcome.OK]
    site.run("apply")
    assert len(lines(site.root / "ran")) == 1
    with site.store() as db:
        states = {row.state.value for row in slots.of_job(db, "prod", "a", 10)}
    assert states == {"claimed", "missed"}  # two older slots were missed, and say so


def test_the_logical_slot_and_the_count_of_missed_ones_reach_the_command(
    site: Any, job: Job, lately: Callable[..., str]
) -> None:
    script = 'echo "$MITRARR_SLOT $MITRARR_MISSED $MITRARR_JOB" > ran'
    site.write(jobs={"a": job("sh", "-c", script, schedule=lately(1, 2, 3, 4))})
    site.due(minutes=6)
    site.run("apply")
    slot, missed, name = lines(site.root / "ran")[0].split()
    assert slot.endswith(":00Z")
    assert (int(missed), name) == (3, "a")


def test_a_failed_job_touches_no_other_and_exits_1(site: Any, job: Job) -> None:
    site.write(jobs={"bad": job("false"), "good": job("true")})
    site.due()
    answer = site.run("apply", "--verbose")
    assert answer.code == 1, answer
    outcomes = {run.job: run.outcome for run in site.history()}
    assert outcomes == {"bad": Outcome.FAILED, "good": Outcome.OK}
    assert "FAILED" in answer.out


def test_needs_run_in_order_and_a_failed_need_blocks(site: Any, job: Job) -> None:
    site.write(
        jobs={
            "third": job("sh", "-c", "echo third >> ran", needs=["second"]),
            "second": job("sh", "-c", "echo second >> ran", needs=["first"]),
            "first": job("sh", "-c", "sleep 0.3; echo first >> ran"),
        }
    )
    site.due()
    assert site.run("apply").code == 0
    assert lines(site.root / "ran") == ["first", "second", "third"]
    site.write(
        jobs={
            "third": job("true", needs=["second"]),
            "second": job("true", needs=["first"]),
            "first": job("false"),
        }
    )
    site.due()  # known already: the floor stays
    with site.store() as db, db.transaction():
        db.execute("DELETE FROM slots")
        db.execute("UPDATE jobs SET last_slot = NULL")
    answer = site.run("apply", "--verbose")
    assert answer.code == 1
    assert "blocked by first" in answer.out
    assert "blocked by second" in answer.out
    with site.store() as db:
        assert {"blocked"} == {row.state.value for row in slots.of_job(db, "prod", "third", 1)}


def test_a_timeout_ends_the_whole_tree_setsid_included(site: Any, job: Job) -> None:
    script = (
        "setsid sh -c 'echo $$ > strayed; trap \"\" TERM; sleep 300' & echo $$ > leader; sleep 300"
    )
    site.write(jobs={"a": job("sh", "-c", script, timeout="1s")})
    site.due()
    began = time.monotonic()
    answer = site.run("apply", timeout=60)
    assert answer.code == 1
    assert [run.outcome for run in site.history()] == [Outcome.TIMEOUT]
    assert closing(site, site.history()[0]) == "-- timed out after 1s"
    for name in ("strayed", "leader"):
        assert not alive(int((site.root / name).read_text()))
    assert time.monotonic() - began < 30


def test_a_timeout_holds_after_the_supervisor_was_killed(site: Any, job: Job) -> None:
    script = "setsid sleep 300 & echo $! > strayed; echo $$ > leader; sleep 300"
    site.write(jobs={"a": job("sh", "-c", script, timeout="2s")})
    site.due()
    supervisor = site.start("apply")
    wait_for(lambda: lines(site.root / "leader"))
    supervisor.kill()
    supervisor.wait()
    wait_for(lambda: [run for run in site.history() if run.finished], seconds=30)
    assert [run.outcome for run in site.history()] == [Outcome.TIMEOUT]
    for name in ("strayed", "leader"):
        assert not alive(int((site.root / name).read_text()))


def test_stray_background_processes_do_not_outlive_their_job(site: Any, job: Job) -> None:
    site.write(jobs={"a": job("sh", "-c", "setsid sleep 300 & echo $! > stray")})
    site.due()
    assert site.run("apply").code == 0
    assert not alive(int((site.root / "stray").read_text()))


def test_retry_begins_at_the_step_that_failed(site: Any) -> None:
    steps = [
        {"command": {"argv": ["sh", "-c", "echo one >> ran"]}},
        {"command": {"argv": ["sh", "-c", "echo two >> ran; test $(grep -c two ran) -eq 3"]}},
    ]
    retry = {"attempts": 3, "backoff": "1s", "factor": 1}
    site.write(jobs={"a": {"schedule": "* * * * *", "steps": steps, "retry": retry}})
    site.due()
    assert site.run("apply").code == 0
    assert lines(site.root / "ran") == ["one", "two", "two", "two"]


def test_exit_75_means_not_now_and_is_no_failure(site: Any, job: Job) -> None:
    site.write(jobs={"a": job("sh", "-c", "exit 75")})
    site.due()
    assert site.run("apply").code == 0
    assert [run.outcome for run in site.history()] == [Outcome.SKIPPED]


def test_a_missing_program_is_one_clear_failure(site: Any, job: Job) -> None:
    site.write(jobs={"a": job("no-such-program")})
    site.due()
    assert site.run("apply").code == 1
    run = site.history()[0]
    assert (run.outcome, run.code) == (Outcome.FAILED, "command_not_found")
    assert "Traceback" not in site.run("history").out


def test_output_is_captured_and_capped(site: Any, job: Job) -> None:
    site.write(jobs={"a": job("sh", "-c", "echo hello; head -c 12000000 /dev/zero | tr '\\0' x")})
    site.due()
    assert site.run("apply").code == 0
    log = next((site.root / "logs" / "runs" / "a").glob("*.log"))
    kept = log.read_bytes()
    assert b"hello\n" in kept
    assert len(kept) < 10_100_000
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_killed_supervisor_loses_nothing(site: Any, job: Job) -> None:
    site.write(jobs={"a": job("sh", "-c", "echo $$ > started; sleep 1; echo done > ended")})
    site.due()
    supervisor = site.start("apply")
    wait_for(lambda: (site.root / "started").exists())
    supervisor.kill()
    supervisor.wait()
    wait_for(lambda: [r for r in site.history() if r.finished])
    assert [run.outcome for run in site.history()] == [Outcome.OK]
    assert (site.root / "ended").exists()


def test_a_killed_worker_is_one_lost_run_with_its_reason(site: Any, job: Job) -> None:
    site.write(jobs={"a": job("sh", "-c", "echo $PPID > worker; exec sleep 60")})
    site.due()
    supervisor = site.start("apply")
    wait_for(lambda: lines(site.root / "worker"))
    os.kill(int((site.root / "worker").read_text()), signal.SIGKILL)
    assert supervisor.wait(timeout=20) == 1
    run = site.history()[0]
    assert (run.outcome, run.code) == (Outcome.LOST, "worker_died")


def test_worker_and_supervisor_killed_the_next_apply_says_lost(site: Any, job: Job) -> None:
    site.write(jobs={"a": job("sh", "-c", "echo $PPID > worker; echo $$ > child; exec sleep 60")})
    site.due()
    supervisor = site.start("apply")
    wait_for(lambda: lines(site.root / "child"))
    supervisor.kill()
    supervisor.wait()
    os.kill(int((site.root / "worker").read_text()), signal.SIGKILL)
    child = int((site.root / "child").read_text())
    assert alive(child)
    # The child still holds the lock: the job is not free, and nobody calls it lost.
    site.run("apply")
    assert [run.finished for run in site.history()] == [False]
    os.kill(child, signal.SIGKILL)
    wait_for(lambda: not alive(child))
    answer = site.run("apply")
    assert answer.code == 1
    assert site.history()[0].outcome is Outcome.LOST
    assert "interrupted" in answer.out  # an incident has opened: cron mails it


def test_a_lost_run_is_run_again_where_that_is_harmless(site: Any, job: Job) -> None:
    script = (
        "test -e once && echo again > again || { touch once; echo $PPID > worker; exec sleep 60; }"
    )
    made = job("sh", "-c", script, idempotent=True)
    site.write(jobs={"a": {**made, "schedule": "0 0 1 1 *"}})
    supervisor = site.start("run", "a")
    wait_for(lambda: lines(site.root / "worker"))
    worker = int((site.root / "worker").read_text())
    supervisor.kill()
    supervisor.wait()
    for pid in subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(worker)], capture_output=True, text=True, check=False
    ).stdout.split():
        os.kill(int(pid), signal.SIGKILL)
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: not alive(worker))
    site.run("apply")
    assert (site.root / "again").exists()
    outcomes = [(run.outcome, run.cause.value) for run in site.history()]
    assert outcomes == [(Outcome.LOST, "hand"), (Outcome.OK, "recovery")]


@pytest.mark.slow
def test_twenty_applies_at_once_run_every_slot_exactly_once(site: Any, job: Job) -> None:
    script = 'echo "$MITRARR_JOB $MITRARR_SLOT" >> ran'
    site.write(
        jobs={f"j{n}": job("sh", "-c", script, idempotent=False) for n in range(6)},
        settings={"max_parallel_jobs": 20},
    )
    site.due()
    applies = [site.start("apply") for _ in range(20)]
    assert {apply.wait(timeout=120) for apply in applies} == {0}
    ran = lines(site.root / "ran")
    assert len(ran) == len(set(ran)) >= 6
    assert len({line.split()[0] for line in ran}) == 6


def test_no_more_workers_than_the_host_allows(site: Any, job: Job) -> None:
    script = "ls now | wc -l >> most; touch now/$MITRARR_JOB; sleep 0.3; rm now/$MITRARR_JOB"
    (site.root / "now").mkdir()
    site.write(
        jobs={f"j{n}": job("sh", "-c", script) for n in range(5)}, settings={"max_parallel_jobs": 2}
    )
    site.due()
    assert site.run("apply").code == 0
    assert max(int(line) for line in lines(site.root / "most")) <= 1  # at most one other
    assert len(site.history()) == 5


def test_a_long_job_does_not_keep_others_from_their_slots(site: Any, job: Job) -> None:
    site.write(jobs={"long": job("sh", "-c", "touch on; sleep 8"), "short": job("true")})
    site.due("long")
    first = site.start("apply")
    wait_for(lambda: (site.root / "on").exists())
    with site.store() as db, db.transaction():
        db.execute("DELETE FROM slots WHERE job = 'short'")
        db.execute("DELETE FROM jobs WHERE job = 'short'")
    site.due("short")
    began = time.monotonic()
    assert site.run("apply").code == 0
    assert time.monotonic() - began < 6
    assert [run.outcome for run in site.history("short")] == [Outcome.OK]
    first.terminate()
    first.wait(timeout=20)


def test_a_running_job_skips_its_next_slot_and_says_so(site: Any, job: Job) -> None:
    site.write(jobs={"a": job("sh", "-c", "touch on; sleep 3")})
    site.due()
    first = site.start("apply")
    wait_for(lambda: (site.root / "on").exists())
    _a_minute_passes(site)
    assert site.run("apply").code == 0
    assert first.wait(timeout=20) == 0
    with site.store() as db:
        newest = slots.of_job(db, "prod", "a", 1)[0]
    assert (newest.state.value, newest.code) == ("skipped", "overlap")
    assert len(site.history()) == 1


def _a_minute_passes(site: Any) -> None:
    """The next slot of every job is due, as if ten minutes had passed."""
    with site.store() as db, db.transaction():
        db.execute("UPDATE slots SET slot = slot - 600")
        db.execute("UPDATE runs SET slot = slot - 600, started_at = started_at - 600")
        db.execute("UPDATE jobs SET last_slot = last_slot - 600")


def test_a_queued_slot_is_taken_by_the_run_that_ends(site: Any, job: Job) -> None:
    script = "echo $MITRARR_SLOT >> ran; touch on; sleep 2"
    site.write(jobs={"a": job("sh", "-c", script, overlap="queue", schedule="* * * * *")})
    site.due(minutes=1)
    first = site.start("apply")
    wait_for(lambda: (site.root / "on").exists())
    _a_minute_passes(site)
    assert site.run("apply").code == 0
    assert len(lines(site.root / "ran")) == 1, "nothing runs beside it"
    assert first.wait(timeout=30) == 0
    assert len(lines(site.root / "ran")) == 2
    assert [run.outcome for run in site.history()] == [Outcome.OK, Outcome.OK]


def test_what_a_need_did_last_is_what_counts(
    site: Any, job: Job, lately: Callable[..., str]
) -> None:
    """The first of its caught-up runs failed, the last one did not: as the next plan sees it."""
    script = "test -e first || { touch first; exit 1; }"
    more = {"schedule": {"cron": lately(1, 2), "catch_up": "all"}}
    site.write(jobs={"a": {**job("sh", "-c", script), **more}, "b": job("true", needs=["a"])})
    site.due(minutes=4)
    assert site.run("apply").code == 1
    outcomes = [(run.job, run.outcome) for run in site.history()]
    assert outcomes == [("a", Outcome.FAILED), ("a", Outcome.OK), ("b", Outcome.OK)]


def test_a_run_that_a_queued_slot_follows_is_not_forgotten(site: Any, job: Job) -> None:
    """One worker made both: the first one failed, whatever became of the second."""
    script = "touch on; sleep 2; test -e first || { touch first; exit 1; }"
    site.write(jobs={"a": job("sh", "-c", script, overlap="queue", schedule="* * * * *")})
    site.due(minutes=1)
    first = told_by(site, "apply", "--format", "json")
    wait_for(lambda: (site.root / "on").exists())
    _a_minute_passes(site)
    assert site.run("apply").code == 0
    told = json.loads(first.communicate(timeout=30)[0])
    assert [run.outcome for run in site.history()] == [Outcome.FAILED, Outcome.OK]
    slots = [iso(run.slot) for run in site.history()]
    shown = [(run["run"], run["outcome"]) for run in told["runs"]]
    assert shown == [("r1", "failed"), ("r2", "ok")]
    assert told["runs"][1]["slot"] == slots[1]
    assert (first.returncode, told["failed"]) == (1, True)


def test_a_replaced_run_ends_and_the_new_one_starts(site: Any, job: Job) -> None:
    script = "echo $MITRARR_RUN >> ran; touch on; test $(wc -l < ran) -gt 1 || sleep 60"
    site.write(jobs={"a": job("sh", "-c", script, overlap="replace", schedule="* * * * *")})
    site.due(minutes=1)
    first = told_by(site, "apply", "--verbose")
    wait_for(lambda: (site.root / "on").exists())
    _a_minute_passes(site)
    assert site.run("apply").code == 0
    told = first.communicate(timeout=30)[0].decode()
    assert [run.outcome for run in site.history()] == [Outcome.REPLACED, Outcome.OK]
    assert first.returncode == 0, "no failure: history says replaced"
    assert "  REPLACED in " in told
    assert "SUMMARY  1 job, 1 REPLACED." in told
    assert "STOPPED" not in told
    replaced = site.history()[0]
    assert replaced.reason == "replaced by the next slot's run"
    assert replaced.code == "replaced"
    assert closing(site, replaced) == "-- replaced by the next slot's run"


def test_a_run_by_hand_that_replaces_is_named_as_such(site: Any, job: Job) -> None:
    script = "test -e on && exit 0; touch on; sleep 60"
    site.write(jobs={"a": job("sh", "-c", script, overlap="replace")})
    site.due()
    first = site.start("apply")
    wait_for(lambda: (site.root / "on").exists())
    assert site.run("run", "a").code == 0
    assert first.wait(timeout=30) == 0
    replaced = site.history()[0]
    assert replaced.outcome is Outcome.REPLACED
    assert replaced.reason == "replaced by a run that was asked for by hand"


def test_a_run_by_hand_that_did_not_come_to_its_end_exits_1(site: Any, job: Job) -> None:
    """Whoever typed it waits for the job to be done: stopped or replaced, it was not."""
    script = "test -e again && exit 0; touch on; sleep 60"
    site.write(jobs={"a": job("sh", "-c", script, overlap="replace")})
    for deed in ("stop", "run"):
        (site.root / "on").unlink(missing_ok=True)
        first = site.start("run", "a")
        wait_for(lambda: (site.root / "on").exists())
        if deed == "run":
            (site.root / "again").touch()
        assert site.run(deed, "a").code == 0
        assert first.wait(timeout=30) == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_session_and_is_said(
    site: Any, job: Job, number: signal.Signals, code: int
) -> None:
    site.write(jobs={"a": job("sh", "-c", "echo $$ > child; exec sleep 60")})
    site.due()
    supervisor = site.start("apply")
    wait_for(lambda: lines(site.root / "child"))
    supervisor.send_signal(number)
    assert supervisor.wait(timeout=30) == code
    assert not alive(int((site.root / "child").read_text()))
    assert [run.outcome for run in site.history()] == [Outcome.STOPPED]
    assert closing(site, site.history()[0]) == "-- ended by request"


def test_a_closed_terminal_does_not_end_the_work(site: Any, job: Job) -> None:
    site.write(jobs={"a": job("sh", "-c", "touch on; sleep 0.7; touch off")})
    site.due()
    supervisor = site.start("apply")
    wait_for(lambda: (site.root / "on").exists())
    supervisor.send_signal(signal.SIGHUP)
    assert supervisor.wait(timeout=20) == 0
    assert (site.root / "off").exists()


def test_stop_ends_a_run(site: Any, job: Job) -> None:
    site.write(jobs={"a": job("sh", "-c", "touch on; sleep 60")})
    site.due()
    supervisor = site.start("apply")
    wait_for(lambda: (site.root / "on").exists())
    answer = site.run("stop", "a", "--by", "operador.b", "--reason", "wrong folder")
    assert answer.code == 0
    assert supervisor.wait(timeout=30) == 0, "a deliberate stop is no failed job"
    assert [run.outcome for run in site.history()] == [Outcome.STOPPED]
    assert site.history()[0].reason == 'ended by operador.b: "wrong folder"'
    assert closing(site, site.history()[0]) == '-- ended by operador.b: "wrong folder"'
    assert 'ended by operador.b: "wrong folder"' in site.run("logs", "a").out
    with site.store() as db:
        row = db.row("SELECT actor, detail FROM audit WHERE action = 'stop'")
        assert row is not None
        assert (row["actor"], "wrong folder" in row["detail"]) == ("operador.b", True)
    assert site.run("stop", "a").out.strip() == "a is not running"


def test_a_bug_in_a_step_is_one_failed_job(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that dies by itself (a segfault, os._exit) is one failed job too."""
    crash = "import os, signal; os.kill(os.getppid(), signal.SIGSEGV)"
    site.write(
        jobs={
            "a": {
                "schedule": "* * * * *",
                "steps": [{"command": {"argv": [sys.executable, "-c", crash]}}],
            }
        }
    )
    site.due()
    assert site.run("apply").code == 1
    run = site.history()[0]
    assert run.outcome is Outcome.LOST
    assert "signal 11" in run.reason


def test_a_needed_job_that_another_apply_runs_is_waited_for(site: Any, job: Job) -> None:
    """Which of two applies gets the needed job is chance: neither may run the other one beside it,
    nor after it has failed."""
    first = "echo b-begin >> log; sleep 1; echo b-end >> log; exit 1"
    site.write(
        jobs={"b": job("sh", "-c", first), "a": job("sh", "-c", "echo a >> log", needs=["b"])}
    )
    site.due()
    applies = [site.start("apply", "--verbose") for _ in range(4)]
    for one in applies:
        one.wait(timeout=60)
    assert lines(site.root / "log") == ["b-begin", "b-end"]
    site.run("apply")
    with site.store() as db:
        assert {row.state.value for row in slots.of_job(db, "prod", "a", 9)} <= {
            "blocked",
            "missed",
        }
