"""drain: what runs goes on, nothing new is started, and nothing that passes is lost."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from waiting import wait_for

from mitrarr_runner.store import audit, drains, requests, slots
from mitrarr_runner.store.runs import Outcome

Job = Callable[..., dict[str, Any]]
Call = Callable[..., Any]


def states(site: Any, job: str = "a") -> list[str]:
    """What became of the job's slots, oldest first."""
    with site.store() as db:
        return [row.state.value for row in reversed(slots.of_job(db, "prod", job, 100))]


def test_it_says_who_since_when_and_why_and_survives_a_second_one(
    site: Any, mitrarr: Call, job: Job
) -> None:
    site.write(jobs={"a": job("true")})
    told = mitrarr("drain", "--reason", "reboot", "--by", "operador.b")
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith("prod is draining, by operador.b: nothing new is started\n")
    assert "end it: mitrarr drain --off" in told.out
    with site.store() as db:
        found = drains.of(db, "prod", datetime.now(UTC))
        assert found is not None
        assert (found.actor, found.reason) == ("operador.b", "reboot")
    again = mitrarr("drain", "--by", "operador.c")
    assert again.code == 0
    assert again.out.startswith("prod was draining already, by operador.b, since ")
    off = mitrarr("drain", "--off")
    assert (off.code, off.out.splitlines()[0]) == (0, "prod starts runs again")
    assert mitrarr("drain", "--off").out == "prod was not draining\n"
    with sqlite3.connect(site.root / "state" / "mitrarr.db") as store:
        rows = store.execute("SELECT action, actor, subject FROM audit ORDER BY id").fetchall()
    assert rows == [("drain", "operador.b", "prod"), ("undrain", "operador.a", "prod")]
    with site.store() as db:
        assert audit.broken_at(db) is None


def test_it_ends_by_itself(site: Any, mitrarr: Call, job: Job) -> None:
    site.write(jobs={"a": job("true")})
    site.due()
    end = datetime.now(UTC) + timedelta(seconds=4)
    told = mitrarr("drain", "--until", end.isoformat(), "--by", "operador.b")
    assert told.out.startswith("prod is draining until ")
    assert "ends by itself at" in mitrarr("status").out
    assert "until" in mitrarr("plan").out
    assert site.run("apply").code == 0
    assert site.history() == []
    wait_for(lambda: datetime.now(UTC) > end)
    assert "DRAINING" not in mitrarr("status").out
    assert site.run("apply").code == 0
    assert [run.outcome for run in site.history()] == [Outcome.OK]
    assert mitrarr("drain", "--off").out == "prod was not draining\n"
    with site.store() as db:
        kept = db.row("SELECT detail FROM audit WHERE action = 'drain'")
        assert kept is not None
        assert end.strftime("%Y-%m-%dT%H:%M:%SZ") in kept["detail"]


def test_an_end_in_the_past_is_refused(site: Any, mitrarr: Call, job: Job) -> None:
    site.write(jobs={"a": job("true")})
    for verb in (("drain",), ("pause", "a")):
        told = mitrarr(*verb, "--until", "2020-01-01T00:00")
        assert told.code == 2
        assert "--until lies in the past" in told.err
        assert "leave it out" in told.err


@pytest.mark.parametrize("policy", ["latest", "all", "skip"])
def test_what_passed_meanwhile_is_caught_up_as_the_job_says(
    site: Any, job: Job, policy: str
) -> None:
    line = {"cron": "* * * * *", "catch_up": policy}
    site.write(jobs={"a": {**job("true"), "schedule": line}})
    site.due(minutes=3)
    assert site.run("drain").code == 0
    quiet = site.run("apply")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    assert (states(site), site.history()) == ([], []), "no slot is decided while it drains"
    off = site.run("drain", "--off")
    told = re.search(r"  a: (\d) slots passed meanwhile; the next apply decides", off.out)
    assert told is not None
    passed = int(told[1])
    assert passed >= 3
    assert f"(catch_up: {policy})" in off.out
    assert site.run("apply").code == 0
    found = states(site)
    # The minute may have turned since: then one more slot was dealt with in the same way.
    assert len(found) in (passed, passed + 1)
    older = "claimed" if policy == "all" else "missed"
    assert found == [older] * (len(found) - 1) + ["claimed"]
    assert len(site.history()) == found.count("claimed")


def test_requests_wait_and_a_run_by_hand_does_not(site: Any, job: Job) -> None:
    from mitrarr_runner.clock import SystemClock

    site.write(jobs={"a": {"steps": job("true")["steps"]}})
    site.due()
    site.run("drain")
    with site.store() as db, db.transaction():
        now = SystemClock().now()
        requests.add(db, "prod", "a", requests.Asked.RUN, actor="x", now=now)
    assert site.run("apply").code == 0
    assert site.history() == []
    told = site.run("run", "a")
    assert told.code == 0
    assert "prod is draining" in told.out
    assert [run.outcome for run in site.history()] == [Outcome.OK]
    site.run("drain", "--off")
    assert site.run("apply").code == 0
    assert len(site.history()) == 2, "the request was kept"


def test_apply_says_so_to_a_person_and_nothing_to_cron(
    site: Any, job: Job, terminal: Callable[..., Any]
) -> None:
    site.write(jobs={"a": job("true")})
    site.due()
    site.run("drain", "--by", "operador.b", "--reason", "reboot")
    silent = site.run("apply")
    assert (silent.code, silent.out, silent.err) == (0, "", "")
    seen = terminal("apply")
    assert seen.code == 0
    assert any("DRAINING since " in line and "operador.b" in line for line in seen.lines)
    assert any("mitrarr drain --off" in line for line in seen.lines)


def test_status_and_plan_show_it(site: Any, mitrarr: Call, job: Job) -> None:
    site.write(jobs={"a": job("true")})
    site.due()
    mitrarr("drain", "--by", "operador.b", "--reason", "reboot")
    screen = mitrarr("status").out
    assert screen.startswith("WARNING  1 warning, DRAINING")
    assert 'by operador.b, nothing new is started: "reboot"' in screen
    assert "start runs again: mitrarr drain --off" in screen
    plan = mitrarr("plan").out
    assert "draining: nothing new is started" in plan
    assert 'by operador.b: nothing new is started ("reboot")' in plan
    assert "DRAINING   since " in plan
    assert "Draining" in mitrarr("plan", "--format", "md").out
    runs = mitrarr("plan", "--format", "json").json["runs"]
    assert {(run["action"], run["code"]) for run in runs} == {("wait", "draining")}


def test_a_forgotten_drain_reminds_once_and_is_over_with_it(site: Any, job: Job) -> None:
    rules = [{"when": "job_paused", "severity": "warning", "to": ["r"]}]
    alerts = {"channels": {"r": {"kind": "log"}}, "rules": rules}
    site.write(jobs={"a": job("true")}, alerts=alerts)
    site.run("drain", "--by", "operador.b", "--reason", "reboot")
    first = site.run("apply")
    assert "prod is draining, nothing new is started; by operador.b" in first.out
    assert site.run("apply").out == ""
    assert "start runs again: mitrarr drain --off" in site.run("status").out
    site.run("drain", "--off")
    assert "is over" in site.run("apply").out


def test_wait_ends_when_nothing_runs(site: Any, job: Job, background: Any) -> None:
    site.write(jobs={"a": job("sh", "-c", "touch on; while ! test -e go; do sleep 0.1; done")})
    site.due()
    apply = background("apply")
    wait_for(lambda: (site.root / "on").exists())
    busy = site.run("drain", "--wait", "0.3")
    assert busy.code == 3
    assert "  r1 of a goes on to its end" in busy.out
    assert "  waiting for a (r1)" in busy.out
    assert "error: 1 run still goes on after " in busy.err
    assert "mitrarr stop a" in busy.err
    (site.root / "go").touch()
    done = site.run("drain", "--wait")
    assert done.code == 0
    assert done.out.splitlines()[-1] == "  nothing is running any more"
    assert apply.wait(20) == 0
    assert [run.outcome for run in site.history()] == [Outcome.OK], "what ran went on to its end"


def test_wait_with_nothing_running_is_over_at_once(site: Any, mitrarr: Call, job: Job) -> None:
    site.write(jobs={"a": job("true")})
    told = mitrarr("drain", "--wait", "0")
    assert (told.code, told.err) == (0, "")
    assert told.out.splitlines()[-1] == "  nothing is running any more"


def test_on_a_terminal_the_wait_is_one_line(
    site: Any, job: Job, terminal: Callable[..., Any], background: Any
) -> None:
    site.write(jobs={"a": job("sh", "-c", "touch on; sleep 60")})
    site.due()
    apply = background("apply")
    wait_for(lambda: (site.root / "on").exists())
    seen = terminal("drain", "--wait", "0.6")
    assert seen.code == 3
    assert "\r  waiting for a (r1)  0s" in seen.raw
    assert not any("waiting for a" in line for line in seen.lines), "it is gone at the end"
    site.run("stop", "a")
    apply.wait(20)


def test_a_slot_that_waited_for_the_running_one_is_not_started(
    site: Any, job: Job, background: Any
) -> None:
    """overlap: queue; the worker that ends would take it."""
    script = "touch on; while ! test -e go; do sleep 0.1; done"
    site.write(jobs={"a": job("sh", "-c", script, overlap="queue")})
    site.due()
    apply = background("apply")
    wait_for(lambda: (site.root / "on").exists())
    with site.store() as db, db.transaction():  # the next slot, as if a minute had passed
        db.execute("UPDATE slots SET slot = slot - 600")
        db.execute("UPDATE runs SET slot = slot - 600, started_at = started_at - 600")
        db.execute("UPDATE jobs SET last_slot = last_slot - 600, floor = floor - 600")
    assert site.run("apply").code == 0
    assert "queued" in states(site)
    site.run("drain")
    (site.root / "go").touch()
    assert apply.wait(20) == 0
    assert len(site.history()) == 1
    assert "queued" in states(site)
    site.run("drain", "--off")
    site.run("apply")
    assert len(site.history()) > 1


def test_usage(site: Any, mitrarr: Call, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    site.write(jobs={"a": job("true")})
    assert mitrarr("drain", "60").code == 2
    assert mitrarr("drain", "--off", "--wait").code == 2
    assert mitrarr("drain", "--wait", "soon").code == 2
    monkeypatch.delenv("MITRARR_CONFIG")
    site.manifest_path.unlink()
    told = mitrarr("drain")
    assert told.code == 2
    assert "there is no manifest here" in told.err
    assert not (site.root / "state").exists(), "a refusal makes nothing"
