"""apply under cron says what is new and nothing else; run and apply by hand tell all of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from waiting import wait_for

from mitrarr_runner.store import jobs, slots
from mitrarr_runner.store.runs import Outcome

Job = Callable[..., dict[str, Any]]
Call = Callable[..., Any]


def ten_minutes_later(site: Any) -> None:
    """As if everything that is known had happened ten minutes earlier: slots are due anew."""
    with site.store() as db, db.transaction():
        db.execute("UPDATE jobs SET last_slot = last_slot - 600, floor = floor - 600")
        db.execute("UPDATE runs SET slot = slot - 600, started_at = started_at - 600")
        db.execute("UPDATE runs SET finished_at = finished_at - 600")
        db.execute("UPDATE slots SET slot = 600 - slot, at = at - 600")  # no two meet on the way
        db.execute("UPDATE slots SET slot = -slot")
    for path in site.site.wake.glob("*.json"):
        path.unlink()


# -- silence


def test_under_cron_only_what_opens_worsens_or_closes_is_printed(site: Any, job: Job) -> None:
    """fail, fail, fail, ok, ok: a line when it opens, when it worsens, and when it is over."""
    rules = [
        {"when": "job_failed", "after": 1, "severity": "warning", "to": ["r"]},
        {"when": "job_failed", "after": 3, "severity": "critical", "to": ["r"]},
    ]
    alerts = {"channels": {"r": {"kind": "log"}}, "rules": rules}
    site.write(jobs={"a": job("sh", "-c", "test -e fine", schedule="* * * * *")}, alerts=alerts)
    site.due(minutes=1)
    told = []
    for turn in range(5):
        if turn == 3:
            (site.root / "fine").touch()
        answer = site.run("apply")
        assert answer.err == ""
        assert answer.code == (1 if turn < 3 else 0), (turn, answer)
        told.append(answer.out)
        ten_minutes_later(site)
    outcomes = [run.outcome for run in site.history()]
    assert outcomes == [Outcome.FAILED] * 3 + [Outcome.OK] * 2
    assert told[0].startswith("A1 WARNING opened: a failed (")
    assert told[1] == ""
    assert told[2].startswith("A1 CRITICAL worsened: a failed 3 times in a row")
    assert told[3].startswith("A1 CRITICAL recovered: ")
    assert told[4] == ""
    assert all(len(lines.splitlines()) <= 1 for lines in told)


def test_good_work_and_missed_slots_are_no_news(site: Any, job: Job) -> None:
    site.write(jobs={"a": job("sh", "-c", "echo out; echo err >&2"), "b": job("true")})
    site.due(minutes=5)
    assert (site.run("apply").out, site.run("apply").err) == ("", "")
    assert len(site.history()) == 2


# -- by hand


def test_by_hand_it_tells_the_whole_of_it(site: Any, nist: Call, terminal: Call) -> None:
    (site.root / "in").mkdir()
    for number in range(3):
        nist(f"in/{number}.nst", tcn=f"T{number}")
    nist("in/bad.nst", tcn="T9", cut=500)
    site.write(
        sources={"DETRAN": {"spool": str(site.root / "in"), "settle": "0s"}},
        jobs={
            "a": {
                "schedule": "* * * * *",
                "steps": [
                    {"register_nist": {"source": "DETRAN"}},
                    {"check_volume": {"label": "v"}},
                ],
            },
            "b": {"schedule": "0 0 1 1 *", "steps": [{"command": {"argv": ["true"]}}]},
        },
        volumes={"v": {"per": "day", "minimum": 2}},
    )
    site.due(minutes=2)
    beat = site.site.heartbeat / "prod"
    old = time.time() - 1800
    beat.touch()
    os.utime(beat, (old, old))
    seen = terminal("apply", "configs/prod.json")
    assert seen.code == 0
    screen = "\n".join(seen.lines)
    assert "(30m0" in screen.split("Meanwhile:")[0], "how long apply was away"
    assert any(
        line.startswith("SUMMARY  1 job, 1 OK.  3 registered, 1 quarantined.")
        for line in seen.lines
    )
    assert "NEEDS YOU (" in screen
    assert "look: mitrarr registry show Q" in screen
    assert any(line.startswith("Next slot: a ") for line in seen.lines)
    assert all(len(line) <= 80 for line in seen.lines), seen.lines
    assert any(
        line.startswith("TODAY   registered 3 (at least 2 until ")
        for line in terminal("status").lines
    )


def test_apply_of_one_job_tells_what_is_due_of_the_others(
    site: Any, job: Job, lately: Callable[..., str], terminal: Call
) -> None:
    site.write(jobs={name: job("true", schedule=lately(2)) for name in ("f", "x")})
    site.due(minutes=5)
    seen = terminal("apply", "--job", "f")
    assert seen.code == 0
    (told,) = [line for line in seen.lines if line.startswith("Next slot: ")]
    assert told.startswith("Next slot: x "), seen.lines
    assert told.endswith(" (due now)")
    (after,) = [line for line in terminal("apply").lines if line.startswith("Next slot: ")]
    assert "due now" not in after


def test_verbose_into_a_pipe_is_the_same_without_a_width(site: Any, job: Job) -> None:
    site.write(jobs={"a": job("false")})
    site.due()
    told = site.run("apply", "--verbose")
    assert told.code == 1
    lines = told.out.splitlines()
    assert "  FAILED in 0s" in lines
    assert "  look: mitrarr logs a --run r1" in lines
    assert any(line.startswith("SUMMARY  1 job, 1 FAILED.") for line in lines)
    assert 'take over: mitrarr alerts ack A1 --reason "..."' in told.out
    assert told.out.count("A1 CRITICAL") == 1, "told once, among what needs somebody"


# -- run


def test_run_does_not_disturb_the_schedule(site: Any, job: Job) -> None:
    site.write(jobs={"a": job("true")})
    site.due(minutes=2)
    with site.store() as db:
        before = jobs.remembered(db, "prod")["a"]
    assert site.run("run", "a").code == 0
    with site.store() as db:
        assert jobs.remembered(db, "prod")["a"] == before
        assert slots.of_job(db, "prod", "a", 10) == ()
    assert site.run("apply").code == 0, "what was due then is due still"
    ran = site.history()
    assert [(run.cause.value, run.slot is None) for run in ran] == [
        ("hand", True),
        ("schedule", False),
    ]


def test_run_of_a_job_that_apply_has_not_seen_yet_founds_no_past(site: Any, job: Job) -> None:
    site.write(jobs={"a": {**job("true"), "schedule": {"cron": "* * * * *", "first": "now"}}})
    assert site.run("run", "a").code == 0
    with site.store() as db:
        assert "a" not in jobs.remembered(db, "prod")
    assert site.run("apply").code == 0
    assert len(site.history()) == 2, "its first run is still owed"


def test_run_of_a_paused_job_runs_says_so_and_leaves_the_pause(site: Any, job: Job) -> None:
    site.write(jobs={"a": job("true")})
    site.due()
    assert site.run("pause", "a", "--by", "operador.b").code == 0
    told = site.run("run", "a")
    assert told.code == 0
    assert "a is paused since " in told.out
    assert "by operador.b; this run starts all the same" in told.out
    assert [run.outcome for run in site.history()] == [Outcome.OK]
    site.run("apply")
    assert len(site.history()) == 1, "the pause stays"


def test_run_keeps_who_asked_and_why(site: Any, job: Job) -> None:
    site.write(jobs={"a": job("true")})
    assert site.run("run", "a", "--by", "operador.b", "--reason", "after the fix").code == 0
    assert 'asked for by operador.b: "after the fix"' in site.run("logs", "a").out
    with site.store() as db:
        row = db.row("SELECT actor, detail FROM audit WHERE action = 'run'")
        assert row is not None
        assert (row["actor"], "after the fix" in row["detail"]) == ("operador.b", True)


def test_run_of_a_running_job_says_so(site: Any, job: Job, background: Call) -> None:
    site.write(jobs={"a": job("sh", "-c", "touch on; while ! test -e go; do sleep 0.05; done")})
    site.due()
    apply = background("apply")
    wait_for(lambda: (site.root / "on").exists())
    told = site.run("run", "a")
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith("a is running already: r1, for ")
    assert "mitrarr logs a --follow" in told.out
    assert site.run("run", "a", "--fail-if-busy").code == 3
    assert len(site.history()) == 1
    (site.root / "go").touch()
    assert apply.wait(20) == 0
    assert site.run("run", "a", "--fail-if-busy").code == 0


def test_run_replaces_where_the_job_says_so(site: Any, job: Job, background: Call) -> None:
    site.write(
        jobs={"a": job("sh", "-c", "test -e on && exit 0; touch on; sleep 60", overlap="replace")}
    )
    site.due()
    apply = background("apply")
    wait_for(lambda: (site.root / "on").exists())
    assert site.run("run", "a", "--fail-if-busy").code == 0
    apply.wait(20)
    outcomes = {run.id: run.outcome for run in site.history()}
    assert outcomes[2] is Outcome.OK
    assert outcomes[1] in (Outcome.REPLACED, Outcome.STOPPED)


def test_apply_fail_if_busy(site: Any, job: Job, background: Call) -> None:
    script = "touch on; while ! test -e go; do sleep 0.05; done"
    site.write(jobs={"a": job("sh", "-c", script)})
    site.due()
    first = background("apply")
    wait_for(lambda: (site.root / "on").exists())
    ten_minutes_later(site)
    assert site.run("apply", "--fail-if-busy").code == 3
    ten_minutes_later(site)
    assert site.run("apply").code == 0
    (site.root / "go").touch()
    assert first.wait(20) == 0
    ten_minutes_later(site)
    assert site.run("apply", "--fail-if-busy").code == 0


def test_a_failed_job_is_worse_than_a_busy_one(site: Any, job: Job, background: Call) -> None:
    script = "touch on; while ! test -e go; do sleep 0.05; done"
    site.write(jobs={"a": job("sh", "-c", script), "b": job("false")})
    site.due("a")
    first = background("apply", "--job", "a")
    wait_for(lambda: (site.root / "on").exists())
    site.due("b")
    ten_minutes_later(site)
    assert site.run("apply", "--fail-if-busy").code == 1
    (site.root / "go").touch()
    assert first.wait(20) == 0


def test_apply_of_one_job_does_not_put_the_others_off(site: Any, job: Job) -> None:
    site.write(jobs={"a": job("true"), "b": job("true")})
    site.due()
    assert site.run("apply", "--job", "a").code == 0
    assert site.run("apply").code == 0
    assert [run.job for run in site.history()] == ["a", "b"]


def test_with_a_broken_manifest_one_job_is_still_one(site: Any, job: Job) -> None:
    site.write(jobs={"a": job("true"), "b": job("true")})
    assert site.run("apply").code == 0
    site.manifest_path.write_text("{", encoding="utf-8")
    ten_minutes_later(site)
    assert site.run("apply", "--job", "a").code == 2
    assert [run.job for run in site.history()] == ["a"]


def test_by_hand_a_job_runs_even_where_a_broken_manifest_stops_apply(site: Any, job: Job) -> None:
    site.write(jobs={"a": job("true")}, settings={"on_bad_manifest": "stop"})
    assert site.run("apply").code == 0
    site.manifest_path.write_text("{", encoding="utf-8")
    ten_minutes_later(site)
    assert site.run("apply").code == 2
    assert site.history() == []
    assert site.run("run", "a").code == 0
    assert [run.outcome for run in site.history()] == [Outcome.OK]
