"""status, history, logs: what an operator sees of a site, whatever state it is in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mitrarr_runner import processes
from mitrarr_runner.store import incidents, pauses, runs, slots
from mitrarr_runner.store.pauses import Pause, Paused
from mitrarr_runner.store.runs import Cause, Outcome, ProcessId
from mitrarr_runner.store.slots import SlotState
from mitrarr_runner.text import text, to_data

Job = Callable[..., dict[str, Any]]
Call = Callable[..., Any]

NOW = datetime.now(UTC).replace(microsecond=0)


def ran(
    site: Any, job: str, outcome: Outcome | None, *, minutes: int = 5, steps: Any = (), pid: int = 1
) -> int:
    """A run of a slot `minutes` ago; without an outcome it has not ended."""
    slot = (NOW - timedelta(minutes=minutes)).replace(second=0)
    process = ProcessId(pid, "0", "another-boot", os.uname().nodename)
    if pid == os.getpid():
        from mitrarr_runner.clock import SystemClock
        from mitrarr_runner.engine.worker import me

        process = me(SystemClock())
    with site.store() as db, db.transaction():
        number = runs.start(
            db, "prod", job, slot=slot, cause=Cause.SCHEDULE, missed=0, process=process,
            fingerprint="f", actor="", now=slot,
        )  # fmt: skip
        slots.put(db, "prod", job, slot, SlotState.CLAIMED, code="ran", now=slot, run=number)
        if outcome is not None:
            reason = text("exit code {code}", code=3) if outcome is Outcome.FAILED else text("")
            runs.finish(
                db, number, outcome, code=outcome.value, reason=str(reason), seconds=12.5,
                now=slot + timedelta(seconds=12),
                result={"steps": list(steps), "reason": to_data(reason)},
            )  # fmt: skip
    return number


def paused(site: Any, job: str, minutes: range) -> None:
    """A row for each slot so many minutes ago."""
    from mitrarr_runner.store import jobs

    with site.store() as db, db.transaction():
        jobs.remember(db, "prod", [jobs.JobMemory(job, "f", NOW, None, False)], NOW)
        for ago in minutes:
            at = (NOW - timedelta(minutes=ago)).replace(second=0)
            slots.put(db, "prod", job, at, SlotState.PAUSED, code="paused", now=at)


# -- status


def test_a_folder_without_anything_says_so(mitrarr: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MITRARR_CONFIG")
    told = mitrarr("status")
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith("OK  1 thing waits, nothing urgent")
    assert "mitrarr init DIR" in told.out
    assert mitrarr("status", "--format", "json").json["jobs"] == []


def test_a_manifest_that_was_never_applied(site: Any, mitrarr: Call, job: Job) -> None:
    site.write(jobs={"a": job("true"), "b": {"steps": job("true")["steps"]}})
    told = mitrarr("status", str(site.manifest_path))
    assert told.code == 0
    assert "never applied" in told.out
    assert "do it: mitrarr apply" in told.out
    first, second = mitrarr("status", "--format", "json").json["jobs"]
    assert first["name"] == "a"
    assert first["state"] == "idle"
    assert first["last_outcome"] is None
    assert datetime.strptime(first["next_slot"], "%Y-%m-%dT%H:%M:%SZ")
    assert second["next_slot"] is None
    assert not (site.root / "state").exists(), "looking must not make anything"


def test_after_a_real_apply(site: Any, job: Job) -> None:
    site.write(jobs={"good": job("echo", "hello"), "bad": job("false")})
    site.due()
    assert site.run("apply").code == 1
    told = site.run("status")
    assert told.code == 0
    assert told.out.startswith("CRITICAL  1 critical")
    assert "cron OK (apply " in told.out
    assert "look: mitrarr logs bad" in told.out
    found = site.run("status", "--format", "json").json
    good, bad = found["jobs"]
    assert (good["last_outcome"], good["consecutive_failures"]) == ("ok", 0)
    assert (bad["last_outcome"], bad["consecutive_failures"]) == ("failed", 1)
    assert bad["last_slot"] == good["last_slot"]


def test_paused_running_lost(site: Any, mitrarr: Call, job: Job) -> None:
    site.write(jobs={name: job("true") for name in ("p", "r", "l", "pr")})
    mine = os.getpid()
    assert processes.started(mine)
    for name in ("r", "pr"):
        ran(site, name, None, pid=mine)
    ran(site, "l", None)
    until = NOW + timedelta(hours=2)
    with site.store() as db, db.transaction():
        for name in ("p", "pr"):
            pause = Pause(Paused.JOB, name, "operador.b", "SMTP", NOW, until)
            pauses.put(db, "prod", pause)
    jobs = {one["name"]: one for one in mitrarr("status", "--format", "json").json["jobs"]}
    assert {name: (one["state"], one["paused"]) for name, one in jobs.items()} == {
        "p": ("paused", True),
        "r": ("running", False),
        "l": ("idle", False),
        "pr": ("running", True),
    }
    assert jobs["p"]["paused_by"] == "operador.b"
    assert jobs["p"]["paused_until"] == until.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert jobs["p"]["next_slot"] >= jobs["p"]["paused_until"]
    assert (jobs["l"]["last_outcome"], jobs["l"]["consecutive_failures"]) == ("lost", 1)
    assert jobs["r"]["last_outcome"] is None
    screen = mitrarr("status").out
    assert "go on: mitrarr resume p" in screen
    assert "RUNNING" in screen
    assert "LOST" in screen


def test_the_last_run_is_told_however_many_slots_passed_since(
    site: Any, mitrarr: Call, job: Job
) -> None:
    site.write(jobs={"a": job("true"), "b": job("false")})
    for name, outcome in (("a", Outcome.OK), ("b", Outcome.FAILED)):
        ran(site, name, outcome, minutes=200)
        paused(site, name, range(10, 150, 10))
    with site.store() as db, db.transaction():
        pauses.put(db, "prod", Pause(Paused.JOB, "a", "x", "", NOW - timedelta(minutes=150), None))
    screen = mitrarr("status").out
    (line,) = [line for line in screen.splitlines() if line.startswith("a  ")]
    assert line.split()[1] == "PAUSED"
    assert "  12s  " in line
    assert "b failed (r2)" in screen


def test_a_pause_whose_end_has_passed_is_none(site: Any, mitrarr: Call, job: Job) -> None:
    site.write(jobs={"a": job("true")})
    over = NOW - timedelta(hours=1)
    with site.store() as db, db.transaction():
        pauses.put(db, "prod", Pause(Paused.JOB, "a", "x", "", over - timedelta(hours=1), over))
    (told,) = mitrarr("status", "--format", "json").json["jobs"]
    assert (told["state"], told["paused"], told["paused_by"]) == ("idle", False, None)


def test_nobody_calls_apply_any_more(site: Any, mitrarr: Call, job: Job) -> None:
    site.write(jobs={"a": job("true", schedule="* * * * *")})
    site.due(minutes=45)
    beat = site.site.heartbeat / "prod"
    beat.touch()
    old = datetime.now(UTC).timestamp() - 1801
    os.utime(beat, (old, old))
    told = mitrarr("status")
    assert told.out.startswith("CRITICAL  1 critical")
    assert "cron SILENT (apply 30m" in told.out
    assert "systemctl status cron" in told.out


def test_a_broken_manifest_shows_the_last_good_one(site: Any, mitrarr: Call, job: Job) -> None:
    site.write(jobs={"a": job("true")})
    site.due()
    assert site.run("apply").code == 0
    site.manifest_path.write_text('{"version": 1, "jobs": {', encoding="utf-8")
    told = mitrarr("status")
    assert told.code == 0
    assert "manifest HAS ERRORS (last good one: " in told.out
    assert "look: mitrarr validate" in told.out
    assert [one["name"] for one in mitrarr("status", "--format", "json").json["jobs"]] == ["a"]


def test_a_broken_manifest_and_no_good_one_before(site: Any, mitrarr: Call, job: Job) -> None:
    site.write(jobs={"a": {**job("true"), "schedule": "* * *"}})
    told = mitrarr("status")
    assert told.code == 0
    assert "no good one was applied before" in told.out
    assert "init" not in told.out
    assert mitrarr("logs", "a").code == 0, "any job is taken while the manifest cannot be read"


def test_spools_are_looked_at_and_an_unreachable_one_says_so(site: Any, mitrarr: Call) -> None:
    (site.root / "in").mkdir()
    (site.root / "in" / "1.nst").write_bytes(b"x")
    (site.root / "in" / "odd.txt").write_bytes(b"x")
    site.write(
        sources={
            "HERE": {"spool": str(site.root / "in"), "settle": "0s"},
            "GONE": {"spool": str(site.root / "nowhere")},
            "BY_HAND": {},
        }
    )
    told = mitrarr("status")
    assert told.code == 0
    assert "INTAKE  HERE   ready 1   arriving 0   unmatched 1" in told.out
    assert "        GONE   CANNOT BE READ" in told.out
    assert "there is no folder" in told.out
    assert "BY_HAND" not in told.out


def test_incidents_come_with_handle_and_command(site: Any, mitrarr: Call, job: Job) -> None:
    from mitrarr_runner.manifest.model import Severity

    site.write(jobs={"a": job("true")})
    with site.store() as db, db.transaction():
        number = incidents.add(
            db, "prod", rule="job_failed", subject="a", severity=Severity.CRITICAL,
            detail={"times": 2, "run": "r7", "code": "exit_1"}, since=NOW,
        )  # fmt: skip
        incidents.tell(
            db, number, Severity.CRITICAL, {"times": 2, "run": "r7", "code": "exit_1"}, NOW
        )
    screen = mitrarr("status").out
    assert screen.startswith("CRITICAL  1 critical")
    assert " A1 CRITICAL  a failed 2 times in a row (last: exit_1, r7)" in screen
    assert "look: mitrarr logs a" in screen
    (told,) = mitrarr("status", "--format", "json").json["incidents"]
    assert (told["handle"], told["rule"], told["state"]) == ("A1", "job_failed", "firing")


def test_of_several_manifests_the_one_that_does_the_work(
    site: Any, mitrarr: Call, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tutorial's layout: the shell knows no manifest, the site has applied two."""
    site.write(sources={"DETRAN": {}}, jobs={"work": job("true")})
    guardian = site.root / "configs" / "guardian.json"
    guardian.write_text(
        site.manifest_path.read_text(encoding="utf-8")
        .replace('"prod"', '"guardian"')
        .replace('"work"', '"watch"')
        .replace('"DETRAN": {}', ""),
        encoding="utf-8",
    )
    for path in (guardian, site.manifest_path):
        assert site.run("apply", str(path)).code == 0
    monkeypatch.delenv("MITRARR_CONFIG")
    site.manifest_path.rename(site.root / "configs" / "x.json")
    (site.root / "configs" / "x.json").rename(site.manifest_path)
    (told,) = mitrarr("status", "--format", "json").json["jobs"]
    assert told["name"] == "work"
    assert mitrarr("logs", "watch").out == "watch has not run yet\n"


def test_a_damaged_store_is_exit_4(site: Any, mitrarr: Call, job: Job) -> None:
    site.write(jobs={"a": job("true")})
    site.site.make()
    (site.root / "state" / "mitrarr.db").write_bytes(b"this is no store" * 100)
    told = mitrarr("status")
    assert told.code == 4
    assert "the store is damaged" in told.err
    assert "Traceback" not in told.err


def test_a_reader_that_leaves_is_no_bug(site: Any, job: Job) -> None:
    # The answer has to be longer than what a pipe holds (64 kB) and the reader takes with its line.
    site.write(jobs={f"job_{n}_{40 * 'x'}": job("true") for n in range(2000)})
    with subprocess.Popen(
        site.command("status"),
        cwd=site.root,
        env=site.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 141


def test_a_latin_1_terminal_gets_something_it_can_show(site: Any, job: Job) -> None:
    site.write(jobs={"a": job("true")})
    with site.store() as db, db.transaction():
        pauses.put(db, "prod", Pause(Paused.JOB, "a", "x", "manutenção ✓", NOW, None))
    environment = {"PYTHONIOENCODING": "latin-1", "LANG": "pt_BR.ISO-8859-1"}
    done = subprocess.run(
        site.command("status"), cwd=site.root, env=site.environment(**environment),
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "manutenção ?" in done.stdout.decode("latin-1")


@pytest.mark.parametrize("verb", ["status", "history"])
def test_unknown_formats_are_usage_errors(mitrarr: Call, verb: str) -> None:
    told = mitrarr(verb, "--format", "xml")
    assert told.code == 2
    assert "formats: text, json" in told.err


@pytest.mark.parametrize("verb", ["status", "history", "logs"])
def test_help_teaches_by_example(mitrarr: Call, verb: str) -> None:
    told = mitrarr(verb, "--help")
    assert told.code == 0
    assert f"  mitrarr {verb}" in told.out


# -- history


def test_runs_and_slots_that_did_not_run(site: Any, mitrarr: Call, job: Job) -> None:
    site.write(jobs={"a": job("true"), "b": job("true")})
    message = to_data(text("{count} files", count=3))
    step = {
        "kind": "clean", "outcome": "ok", "code": "ok", "message": message, "seconds": 0.1,
        "counts": {"removed": 3},
    }  # fmt: skip
    ran(site, "a", Outcome.OK, minutes=30, steps=[step])
    ran(site, "a", Outcome.FAILED, minutes=20)
    with site.store() as db, db.transaction():
        for minutes in (11, 12, 13):
            at = (NOW - timedelta(minutes=minutes)).replace(second=0)
            slots.put(db, "prod", "b", at, SlotState.PAUSED, code="paused", reason="paused", now=at)
        at = (NOW - timedelta(minutes=10)).replace(second=0)
        slots.put(db, "prod", "b", at, SlotState.BLOCKED, code="need:a", now=at)
        from mitrarr_runner.store import jobs

        jobs.remember(db, "prod", [jobs.JobMemory("b", "f", NOW, None, False)], NOW)
    lines = mitrarr("history").out.splitlines()
    assert lines[0].split() == ["RUN", "JOB", "SLOT", "STARTED", "TOOK", "OUTCOME", "WHAT"]
    assert [line.split()[0] for line in lines[1:]] == ["-", "-", "r2", "r1"]
    assert lines[1].endswith("blocked by a, whose last run failed")
    assert "3 slots since" in lines[2]
    assert lines[3].endswith("exit code 3")
    assert lines[4].endswith("3 files")
    found = mitrarr("history", "--format", "json").json
    assert [run["run"] for run in found["runs"]] == ["r2", "r1"]
    assert found["runs"][1]["steps"] == [{**step, "message": "3 files"}]
    assert found["runs"][0]["reason"] == "exit code 3"
    assert [row["state"] for row in found["slots"]] == ["blocked", "paused", "paused", "paused"]
    assert set(found["slots"][0]) == {"job", "slot", "until", "state", "code"}
    only = mitrarr("history", "a", "--limit", "1", "--format", "json").json
    assert [run["run"] for run in only["runs"]] == ["r2"]
    assert only["slots"] == []


def test_the_limit_counts_lines_and_a_stretch_is_told_whole(
    site: Any, mitrarr: Call, job: Job
) -> None:
    site.write(jobs={"a": job("true"), "b": job("true"), "c": job("true")})
    paused(site, "b", range(10, 750, 10))
    paused(site, "c", range(12, 752, 10))
    ran(site, "a", Outcome.OK, minutes=2000)
    ran(site, "a", Outcome.OK, minutes=5)
    told = mitrarr("history").out.splitlines()[1:]
    assert [line.split()[1] for line in told] == ["a", "b", "c", "a"]
    assert all("  74 slots since " in line for line in told[1:3])
    three = mitrarr("history", "--limit", "3").out.splitlines()[1:]
    assert [line.split()[1] for line in three] == ["a", "b", "c"]


def test_json_of_history_has_stretches_whole(site: Any, mitrarr: Call, job: Job) -> None:
    """Slots are those not older than the oldest run, and what belongs to the same stretch."""
    site.write(jobs={"a": job("true"), "b": job("true")})
    ran(site, "a", Outcome.OK, minutes=900)
    paused(site, "b", range(600, 700, 10))
    ran(site, "b", Outcome.OK, minutes=500)
    paused(site, "b", range(10, 310, 10))
    ran(site, "a", Outcome.OK, minutes=100)
    found = mitrarr("history", "--limit", "1", "--format", "json").json
    assert [run["run"] for run in found["runs"]] == ["r3"]
    assert len(found["slots"]) == 30
    assert len(mitrarr("history", "--limit", "3", "--format", "json").json["slots"]) == 40
    assert len(mitrarr("history", "--format", "json").json["slots"]) == 40


def test_json_of_history_has_an_end(
    site: Any, mitrarr: Call, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mitrarr_runner.engine.report import past

    monkeypatch.setattr(past, "SLOTS", 25)
    site.write(jobs={"a": job("true"), "b": job("true"), "c": job("true")})
    for number, name in enumerate("abc"):
        paused(site, name, range(10 + number, 110 + number, 10))
    told = mitrarr("history", "--format", "json").json["slots"]
    assert [row["job"] for row in told] == ["a", "b"] * 10
    monkeypatch.setattr(past, "SLOTS", 4)
    assert len(mitrarr("history", "--format", "json").json["slots"]) == 4


def test_history_names_running_and_lost_runs(site: Any, mitrarr: Call, job: Job) -> None:
    site.write(jobs={"a": job("true"), "b": job("true")})
    ran(site, "a", None, pid=os.getpid())
    ran(site, "b", None)
    outcomes = {
        run["job"]: run["outcome"] for run in mitrarr("history", "--format", "json").json["runs"]
    }
    assert outcomes == {"a": None, "b": "lost"}
    assert "running" in mitrarr("history", "a").out


def test_history_of_nothing_and_of_nobody(site: Any, mitrarr: Call, job: Job) -> None:
    site.write(jobs={"adiciona_nists": job("true")})
    assert mitrarr("history").out == "nothing has run yet\n"
    told = mitrarr("history", "adiciona_nist")
    assert told.code == 2
    assert 'did you mean "adiciona_nists"?' in told.err
    assert mitrarr("history", "--limit", "0").code == 2


def test_the_past_of_a_job_that_is_no_longer_in_the_manifest(
    site: Any, mitrarr: Call, job: Job
) -> None:
    site.write(jobs={"new": job("true")})
    ran(site, "old", Outcome.OK)
    assert mitrarr("history", "old").code == 0
    assert mitrarr("logs", "old").code == 0


# -- logs


def test_logs_show_what_a_run_printed(site: Any, mitrarr: Call, job: Job) -> None:
    script = "import sys; sys.stdout.buffer.write(b'one\\n\\x1b[31mtwo\\xff\\n')"
    site.write(jobs={"a": job(sys.executable, "-c", script)})
    site.due()
    assert site.run("apply").code == 0
    told = mitrarr("logs", "a")
    assert told.code == 0
    assert told.out.startswith("r1  a  slot ")
    assert "\\x1b[31mtwo\ufffd" in told.out
    assert "\x1b" not in told.out
    assert mitrarr("logs", "a", "--run", "r1").out == told.out
    last = mitrarr("logs", "a", "--lines", "1", "--format", "json").json
    assert (last["job"], last["run"], last["outcome"]) == ("a", "r1", "ok")
    assert len(last["lines"]) == 1


def test_logs_of_runs_that_are_not_there(site: Any, mitrarr: Call, job: Job) -> None:
    site.write(jobs={"a": job("true"), "b": job("true")})
    assert mitrarr("logs", "a").out == "a has not run yet\n"
    assert mitrarr("logs", "a", "--format", "json").json["run"] is None
    assert mitrarr("logs", "c").code == 2
    number = ran(site, "b", Outcome.OK)
    for wanted in ("r99", f"r{number}", "x", "", "r0", "99999999999999999999"):
        told = mitrarr("logs", "a", "--run", wanted)
        assert told.code == 2, wanted
        assert "mitrarr history a" in told.err
    assert "not kept any more" in mitrarr("logs", "b").out
    assert mitrarr("logs", "b", "--lines", "0").code == 2


def test_a_terminal_is_not_too_narrow(site: Any, job: Job) -> None:
    """Through a real pseudo-terminal of 80 columns; into a pipe the name is whole."""
    name = "a" * 64
    site.write(jobs={name: job("true")})
    ours, theirs = os.openpty()
    done = subprocess.run(
        site.command("status"), cwd=site.root, stdout=theirs, check=False, timeout=60,
        env=site.environment(COLUMNS="80", TERM="xterm"),
    )  # fmt: skip
    os.close(theirs)
    screen = b""
    while piece := _read(ours):
        screen += piece
    os.close(ours)
    assert done.returncode == 0
    lines = screen.decode().split("\r\n")
    assert max(map(len, lines)) <= 80
    assert not any(name in line for line in lines)
    assert any(line.startswith("aaaaaaaa") and "..." in line for line in lines)
    assert name in site.run("status").out


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux: the other side of the terminal is closed
        return b""
