"""why: every fate of a slot has its sentences, from what the store kept and from the plan."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mitrarr_runner import schedule
from mitrarr_runner.clock import FixedClock
from mitrarr_runner.engine import control
from mitrarr_runner.engine.report.why import why_json, why_text
from mitrarr_runner.engine.why import Answer, Question, why
from mitrarr_runner.store import drains, evidence, jobs, pauses, runs, slots
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.jobs import JobMemory
from mitrarr_runner.store.pauses import Pause, Paused
from mitrarr_runner.store.runs import Cause, Outcome, ProcessId
from mitrarr_runner.store.slots import SlotState
from mitrarr_runner.text import Catalogue, plural, text, to_data

NOW = datetime(2026, 11, 23, 12, 30, 10, tzinfo=UTC)  # Monday, 09:30:10 in São Paulo
DEAD = ProcessId(1, "1", "another-boot", os.uname().nodename)
SAY = Catalogue("en")
ZONE = "America/Sao_Paulo"


def at(clock: str) -> datetime:
    """09:20 in São Paulo on that Monday, in UTC."""
    hour, minute = map(int, clock.split(":"))
    return datetime(2026, 11, 23, hour + 3, minute, tzinfo=UTC)


class World:
    """A site with the jobs a (every 10 minutes, needs b) and b, known since 08:00."""

    def __init__(self, site: Any, job: Any) -> None:
        more = {"schedule": "*/10 * * * *"}
        site.write(
            jobs={
                "a": {**job("true"), **more, "needs": ["b"]},
                "b": {**job("true"), **more},
                "c": {"steps": job("true")["steps"]},
            }
        )
        self.written, self.manifest, self.site = site, site.manifest, site.site
        self.clock = FixedClock(NOW)
        self.db: Database = site.store()
        with self.db.transaction():
            mark = schedule.fingerprint("*/10 * * * *", ZONE)
            known = [JobMemory(name, mark, at("08:00"), None, False) for name in ("a", "b")]
            jobs.remember(self.db, "prod", known, at("08:00"))

    def job(self, name: str, **more: Any) -> None:
        """The manifest, with something else about one of its jobs."""
        data = json.loads(self.manifest.path.read_text())  # type: ignore[union-attr]
        data["jobs"][name] |= more
        data.pop("version"), data.pop("name")
        self.written.write(**data)
        self.manifest = self.written.manifest

    def ran(self, job: str, slot: datetime | None, outcome: Outcome | None, **more: Any) -> int:
        begun = more.pop("begun", slot or NOW)
        values = {"cause": Cause.SCHEDULE, "missed": 0, "actor": "", **more}
        seconds, result = values.pop("seconds", 43.0), values.pop("result", {})
        with self.db.transaction():
            number = runs.start(
                self.db, "prod", job, slot=slot, process=DEAD, fingerprint="41be09d00000",
                now=begun, **values,
            )  # fmt: skip
            if slot is not None:
                slots.put(
                    self.db, "prod", job, slot, SlotState.CLAIMED, code="ran", now=begun, run=number
                )
                slots.attach(self.db, "prod", job, slot, number)
                jobs.handled(self.db, "prod", job, slot)
            if outcome is not None:
                runs.finish(
                    self.db, number, outcome, code="x", reason="", seconds=seconds,
                    now=begun + timedelta(seconds=seconds), result=result,
                )  # fmt: skip
        return number

    def left(self, slot: datetime, state: SlotState, code: str, **more: Any) -> None:
        with self.db.transaction():
            values = {"now": slot, **more}
            slots.put(self.db, "prod", "a", slot, state, code=code, **values)
            jobs.handled(self.db, "prod", "a", values.get("until") or slot)

    def question(self, asked: str | datetime, job: str = "a") -> Question:
        moment = at(asked) if isinstance(asked, str) else asked
        known = self.manifest.jobs.get(job)
        return Question(job, known, moment, self.manifest, self.site, self.clock, self.db, SAY)

    def ask(self, asked: str | datetime, job: str = "a") -> tuple[Answer, list[str]]:
        found = why(self.question(asked, job))
        return found, [SAY(line) for line in found.lines]


@pytest.fixture
def world(site: Any, job: Any) -> Iterator[World]:
    made = World(site, job)
    yield made
    made.db.close()


# -- run


def test_a_run_is_told_with_its_steps(world: World) -> None:
    step = {
        "position": 1, "kind": "clean", "outcome": "ok", "code": "ok", "seconds": 0.1, "counts": {},
        "message": to_data(plural("{count} file", "{count} files", 3)),
    }  # fmt: skip
    begun = at("09:20") + timedelta(seconds=4)
    number = world.ran("a", at("09:20"), Outcome.OK, begun=begun, result={"steps": [step]})
    found, lines = world.ask("09:20")
    assert (found.slot, found.state, found.code) == (at("09:20"), "ran", "ok")
    assert lines == [
        f"r{number} had it: ok, after 43s",
        "started by the schedule at 09:20, on time",
        f"manifest 41be09d00000, host {DEAD.host}",
        "step 1 clean: 3 files",
    ]
    data = why_json(world.question("09:20"), found)
    assert list(data) == ["job", "slot", "local", "state", "code", "message", "run"]
    assert data["slot"] == "2026-11-23T12:20:00Z"
    assert data["local"] == "2026-11-23T09:20:00-03:00"
    assert data["run"]["run"] == f"r{number}"
    assert data["run"]["steps"][0]["message"] == "3 files"
    assert why_text(world.question("09:20"), found, 80)[0] == "a  slot Mon 2026-11-23 09:20 -03:00"


def test_a_late_run_says_how_late_and_what_it_stands_for(world: World) -> None:
    begun = at("09:20") + timedelta(minutes=7)
    world.ran("a", at("09:20"), Outcome.OK, begun=begun, missed=3)
    _, lines = world.ask("09:20")
    assert "started by the schedule at 09:27, 7m00s after its slot" in lines
    assert "it also stands for 3 slots that were missed before it" in lines


def test_a_failure_says_why_and_a_recovery_what_it_repeats(world: World) -> None:
    lost = world.ran("a", at("09:20"), Outcome.LOST)
    reason = {"reason": to_data(text("exit code {code}", code=3))}
    number = world.ran(
        "a", at("09:20"), Outcome.FAILED, cause=Cause.RECOVERY, actor="operador.a", result=reason
    )
    found, lines = world.ask("09:20")
    assert found.run is not None
    assert (found.run.id, found.code) == (number, "failed")
    assert "because: exit code 3" in lines
    assert f"it repeats r{lost}, which was lost (recovery)" in lines
    assert "apply was called by operador.a" in lines


def test_a_lost_run_names_the_one_that_ran_in_its_place(world: World) -> None:
    """catch_up: latest; where each slot is repeated, or no step may be, none stands for it."""
    lost = world.ran("a", at("09:10"), Outcome.LOST)
    later = world.ran("a", at("09:20"), Outcome.OK)
    told = f"r{later} ran a later slot, 09:20, in its place (catch_up: latest)"
    assert told not in world.ask("09:10")[1], "a command may not be repeated"
    world.job("a", idempotent=True)
    found, lines = world.ask("09:10")
    assert found.run is not None
    assert (found.run.id, found.code) == (lost, "lost")
    assert lines[-1] == told
    world.job("a", schedule={"cron": "*/10 * * * *", "catch_up": "all"})
    assert "in its place" not in " ".join(world.ask("09:10")[1])


def test_an_unfinished_run_goes_on_or_is_lost(world: World, monkeypatch: Any) -> None:
    number = world.ran("a", at("09:20"), None)
    found, lines = world.ask("09:20")
    assert (found.state, found.lost) == ("lost", True)
    assert lines[0] == f"r{number} had it and was lost: its process is gone"
    assert why_json(world.question("09:20"), found)["run"]["outcome"] == "lost"
    monkeypatch.setattr("mitrarr_runner.engine.why.is_lost", lambda *_: False)
    found, lines = world.ask("09:20")
    assert (found.state, found.code) == ("running", "running")
    assert lines[0] == f"r{number} has it and goes on, for 10m10s"


def test_a_run_that_is_not_kept_any_more(world: World) -> None:
    world.left(at("09:20"), SlotState.CLAIMED, "ran", run=99)
    found, lines = world.ask("09:20")
    assert (found.state, found.code, found.run) == ("ran", "not_kept", None)
    assert lines == ["it was run; what became of the run is not kept any more"]


# -- not run


def test_missed_names_the_run_that_stood_for_it(world: World) -> None:
    world.left(at("09:00"), SlotState.MISSED, "catch_up_latest", now=at("09:21"))
    number = world.ran("a", at("09:20"), Outcome.OK, begun=at("09:21"))
    found, lines = world.ask("09:00")
    assert (found.state, found.code) == ("missed", "catch_up_latest")
    assert lines == [
        "missed, and not repeated (catch_up: latest)",
        "no apply is known to have come while it was due; the one at 09:21 found it",
        f"r{number} ran the newest slot, 09:20, for those before it",
    ]


def caught_up_late(world: World, slot: str, found: str) -> list[str]:
    """What is said of a slot that the apply of `found` left behind, newest first."""
    world.left(at(slot), SlotState.MISSED, "catch_up_latest", now=at(found))
    world.clock.instant = NOW
    lines = world.ask(slot)[1]
    assert lines[0] == "missed, and not repeated (catch_up: latest)"
    return lines[1:]


def test_missed_after_a_pause_that_was_caught_up_names_the_pause(world: World) -> None:
    """Applies came at 09:10 and 09:20 and left `paused` rows, which resume --catch-up took back."""
    values = (world.db, world.site, world.clock, "prod", Paused.JOB, "a")
    world.clock.instant = at("09:06")
    control.pause(*values, actor="ana", reason="SMTP")
    world.clock.instant = at("09:21")
    control.resume(*values, actor="rui", catch_up=True)
    world.clock.instant = at("09:25")  # a later pause is no cause of it
    control.pause(*values, actor="eva")
    world.clock.instant = at("09:26")
    control.resume(*values, actor="eva")
    assert caught_up_late(world, "09:10", "09:22") == [
        'the job was paused by ana at 09:06: "SMTP"',
        "rui resumed it at 09:21, with --catch-up",
        "the apply at 09:22 found it",
    ]


def test_a_pause_that_was_over_is_no_cause(world: World) -> None:
    values = (world.db, world.site, world.clock, "prod", Paused.JOB, "a")
    world.clock.instant = at("08:40")
    control.pause(*values, actor="ana", until=at("08:50"))
    nobody = "no apply is known to have come while it was due; the one at 09:22 found it"
    assert caught_up_late(world, "09:00", "09:22") == [nobody]
    world.clock.instant = at("09:05")
    control.pause(*values, actor="ana")
    world.clock.instant = at("09:06")
    control.resume(*values, actor="ana", catch_up=True)
    assert caught_up_late(world, "09:10", "09:22") == [nobody]


@pytest.mark.parametrize("begun", ["09:06", "09:12"])
def test_missed_after_a_drain_names_the_drain(world: World, begun: str) -> None:
    """A drain that began later than the slot may have kept it as well: applies leave no row."""
    world.clock.instant = at(begun)
    control.drain(world.db, world.site, world.clock, "prod", actor="ana", reason="reboot")
    world.clock.instant = at("09:21")
    control.undrain(world.db, world.site, world.clock, world.manifest, actor="rui")
    assert caught_up_late(world, "09:10", "09:22") == [
        f'prod was draining, by ana since {begun}: "reboot"',
        "the apply at 09:22 found it",
    ]


def test_that_no_apply_came_is_not_said_where_one_did(world: World) -> None:
    """It waited for a need, for an older slot, or for a place: none of these leaves a row."""
    world.ran("b", at("09:10"), Outcome.OK, begun=at("09:11"))
    assert caught_up_late(world, "09:10", "09:22") == ["the apply at 09:22 found it"]


def test_a_run_by_hand_is_no_apply(world: World) -> None:
    world.ran("b", None, Outcome.OK, begun=at("09:11"), cause=Cause.HAND)
    assert caught_up_late(world, "09:10", "09:22") == [
        "no apply is known to have come while it was due; the one at 09:22 found it"
    ]


def test_beyond_max_only_the_newest_are_caught_up(site: Any, job: Any) -> None:
    """Due: what apply will do; dealt with: what it left, and how many it did run."""
    world = World(site, job)
    world.job("a", schedule={"cron": "*/10 * * * *", "catch_up": "all", "max": 5})
    newest = "missed, and not repeated (catch_up: all repeats the newest 5, as max says)"
    found, lines = world.ask("08:10")
    assert (found.state, found.code) == ("due", "catch_up_all")
    assert lines[1] == f"what the next apply says of it: {newest}"
    world.left(at("08:10"), SlotState.MISSED, "catch_up_all", now=NOW, reason=newest)
    found, lines = world.ask("08:10")
    assert (found.state, found.code) == ("missed", "catch_up_all")
    assert lines == [
        newest,
        "no apply is known to have come while it was due; the one at 09:30 found it",
    ]
    world.job("a", schedule={"cron": "*/10 * * * *", "catch_up": "all", "max": 6})  # since then
    assert world.ask("08:10")[1][0] == "missed, and not repeated (catch_up: all)"
    world.db.close()


def test_a_missed_range_covers_every_slot_in_it(world: World) -> None:
    world.left(
        at("08:10"), SlotState.MISSED_RANGE, "older_than_window", until=at("08:50"), now=at("09:21")
    )
    for asked in ("08:10", "08:30", "08:50"):
        found, lines = world.ask(asked)
        assert (found.slot, found.state) == (at(asked), "missed")
        assert "every slot from 08:10 to 08:50 was missed" in lines
    assert world.ask("09:00")[0].state != "missed"


@pytest.mark.parametrize(
    ("state", "code"), [(SlotState.SKIPPED, "overlap"), (SlotState.QUEUED, "queued")]
)
def test_a_held_up_slot_names_the_run_that_was_in_the_way(
    world: World, state: SlotState, code: str
) -> None:
    number = world.ran("a", at("09:00"), Outcome.OK, seconds=1000.0)
    world.left(at("09:10"), state, code)
    found, lines = world.ask("09:10")
    assert (found.state, found.code) == (state.value, code)
    assert f"r{number} was running then, from 09:00 to 09:16" in lines
    assert lines[-1] == "the job says overlap: skip"


def test_a_paused_slot_says_by_whom_why_until_and_who_resumed(world: World) -> None:
    values = {"actor": "operador.b", "reason": "SMTP", "until": at("18:00")}
    world.clock.instant = at("09:05")
    control.pause(
        world.db, world.site, world.clock, "prod", Paused.JOB, "a", **values
    )  # fmt: skip
    world.left(at("09:10"), SlotState.PAUSED, "paused")
    world.clock.instant = at("09:15")
    control.resume(world.db, world.site, world.clock, "prod", Paused.JOB, "a", actor="operador.c")
    world.clock.instant = at("09:16")  # another pause, which somebody else ends
    control.pause(world.db, world.site, world.clock, "prod", Paused.JOB, "a", actor="operador.d")
    world.clock.instant = at("09:17")
    control.resume(world.db, world.site, world.clock, "prod", Paused.JOB, "a", actor="operador.d")
    world.clock.instant = NOW
    found, lines = world.ask("09:10")
    assert found.state == "paused"
    assert lines == [
        'the job was paused by operador.b at 09:05: "SMTP"',
        "the pause was to end by itself at 18:00",
        "operador.c resumed it at 09:15",
    ]


def test_a_range_that_fell_into_a_pause_names_the_pause(world: World) -> None:
    world.clock.instant = at("08:05")
    control.pause(world.db, world.site, world.clock, "prod", Paused.JOB, "a", actor="ana")
    world.clock.instant = NOW
    world.left(at("08:10"), SlotState.PAUSED, "paused", until=at("08:50"), now=at("09:21"))
    for asked in ("08:10", "08:30", "08:50"):
        found, lines = world.ask(asked)
        assert (found.slot, found.state) == (at(asked), "paused")
        assert lines == [
            "the job was paused by ana at 08:05, without a reason",
            "every slot from 08:10 to 08:50 was left out",
        ]


def test_a_pause_of_another_job_or_manifest_is_not_taken_for_this_one(world: World) -> None:
    world.clock.instant = at("09:05")
    for manifest, name in (("other", "a"), ("prod", "b")):
        control.pause(
            world.db, world.site, world.clock, manifest, Paused.JOB, name, actor="operador.z"
        )
    assert evidence.last_deed(world.db, "prod", "a", "pause", NOW) is None
    world.clock.instant = NOW
    world.left(at("09:10"), SlotState.PAUSED, "paused")
    assert world.ask("09:10")[1] == ["the job was paused"]


def test_a_blocked_slot_names_the_run_of_the_need(world: World) -> None:
    number = world.ran("b", at("09:10"), Outcome.FAILED)
    world.left(at("09:10"), SlotState.BLOCKED, "need:b", now=at("09:11"))
    world.ran("b", at("09:20"), Outcome.OK)
    found, lines = world.ask("09:10")
    assert (found.state, found.code) == ("blocked", "need:b")
    assert lines == [
        "blocked by b, whose last run failed",
        f"r{number} of b ended at 09:10; look: mitrarr logs b --run r{number}",
    ]


def test_a_blocked_slot_says_how_the_need_ended(world: World) -> None:
    number = world.ran("b", at("09:10"), Outcome.STOPPED)
    stopped = "blocked by b, whose last run was stopped"
    world.left(at("09:10"), SlotState.BLOCKED, "need:b", now=at("09:11"), reason=stopped)
    assert world.ask("09:10")[1] == [
        stopped,
        f"r{number} of b ended at 09:10; look: mitrarr logs b --run r{number}",
    ]
    itself = "blocked by b, which was blocked itself"
    world.left(at("09:20"), SlotState.BLOCKED, "need:b", now=at("09:21"), reason=itself)
    assert world.ask("09:20")[1] == [itself], "no run of b is the cause"
    world.job("b", schedule="0 0 1 1 *")
    told = "it needs b, whose last run (r1) was stopped: as it stands, blocked"
    assert told in world.ask("10:00")[1]


# -- no row


def test_before_the_job_was_known(world: World) -> None:
    found, lines = world.ask("07:50")
    assert (found.state, found.code) == ("before", "new")
    assert lines == ["a is new since Mon 2026-11-23 08:00:00 -03:00; nothing before is run"]


def test_before_a_changed_schedule_and_before_a_resume(world: World) -> None:
    changed = JobMemory("a", "another", at("08:35"), None, False)
    with world.db.transaction():
        jobs.remember(world.db, "prod", [changed], at("08:35"))
    assert world.ask("08:30")[0].code == "changed"
    world.clock.instant = at("08:40")
    control.pause(world.db, world.site, world.clock, "prod", Paused.JOB, "a", actor="x")
    world.clock.instant = at("08:55")
    control.resume(world.db, world.site, world.clock, "prod", Paused.JOB, "a", actor="operador.c")
    world.clock.instant = NOW
    found, lines = world.ask("08:50")
    assert (found.state, found.code) == ("before", "resumed")
    assert "by operador.c without --catch-up" in lines[0]


def test_never_applied(world: World) -> None:
    with world.db.transaction():
        world.db.execute("DELETE FROM jobs")
    found, lines = world.ask("09:20")
    assert (found.state, found.code) == ("before", "new")
    assert lines == ["no apply has seen a yet; nothing before the first one is run"]


def test_due_and_nobody_came(world: World) -> None:
    world.ran("b", at("09:30"), Outcome.OK)
    world.left(at("09:20"), SlotState.MISSED, "catch_up_latest")
    found, lines = world.ask("09:30")
    assert (found.state, found.code) == ("due", "due")
    assert lines[0] == "it is due, and no apply has dealt with it yet"
    assert lines[1] == "the next apply runs it: on time"


def test_due_while_draining_whichever_of_the_waiting_ones(world: World) -> None:
    with world.db.transaction():
        drains.put(world.db, "prod", drains.Drain("operador.b", "", at("09:00")))
    for asked in ("09:20", "09:30"):
        found, lines = world.ask(asked)
        assert (found.state, found.code) == ("due", "draining")
        assert "draining: nothing new is started" in lines[-1]


def test_a_row_that_was_pruned_is_no_explanation(world: World) -> None:
    world.ran("a", at("09:20"), Outcome.OK)
    found, lines = world.ask("09:00")
    assert (found.state, found.code) == ("unknown", "not_kept")
    assert "nothing is kept about it" in lines[0]


# -- to come


def test_a_future_slot_says_what_would_decide(world: World) -> None:
    found, lines = world.ask("10:00", "b")
    assert (found.state, found.code) == ("future", "will_run")
    assert lines == ["it lies ahead; the first apply from 10:00 on runs it"]
    world.ran("b", at("09:30"), Outcome.FAILED)
    found, lines = world.ask("10:00")
    assert (found.state, found.code) == ("future", "depends")
    assert "it needs b, which is due itself at 09:40: that run decides" in lines
    world.job("b", schedule="0 0 1 1 *")
    lines = world.ask("10:00")[1]
    assert "it needs b, whose last run (r1) failed: as it stands, blocked" in lines
    control.pause(
        world.db, world.site, world.clock, "prod", Paused.JOB, "a", actor="operador.b",
        until=at("10:30"),
    )  # fmt: skip
    with world.db.transaction():
        drains.put(world.db, "prod", drains.Drain("operador.c", "", NOW))
    lines = world.ask("10:00")[1]
    assert "the job is paused by operador.b, until 10:30: it is not run" in lines
    assert "prod is draining, by operador.c: it waits for the end of that" in lines
    assert not any("paused" in line for line in world.ask("10:40")[1])


class Jittered(World):
    """The job a waits for its jitter after each slot; asked 10 s after the one of 09:30."""

    WAIT = schedule.jitter("a", 300)

    def __init__(self, site: Any, job: Any) -> None:
        super().__init__(site, job)
        line = {"cron": "*/10 * * * *", "jitter": "5m"}
        site.write(
            jobs={
                "a": {**job("true"), "schedule": line, "needs": ["b"]},
                "b": {**job("true"), "schedule": "*/10 * * * *"},
            }
        )
        self.manifest = site.manifest
        self.ran("b", at("09:20"), Outcome.OK)
        self.ran("a", at("09:20"), Outcome.OK)
        self.waiting = (
            "it is still to come: because of jitter it is due at"
            f" {SAY.moment(self.due, ZoneInfo(ZONE))}, {SAY.span(self.WAIT)} after its slot"
        )

    @property
    def due(self) -> datetime:
        return at("09:30") + timedelta(seconds=self.WAIT)


@pytest.fixture
def jittered(site: Any, job: Any) -> Iterator[Jittered]:
    made = Jittered(site, job)
    assert made.WAIT > 20, "the name was chosen so that it waits"
    yield made
    made.db.close()


def test_a_slot_that_waits_for_its_jitter_is_still_to_come(jittered: Jittered) -> None:
    found, lines = jittered.ask("09:30")
    assert (found.slot, found.state, found.code) == (at("09:30"), "future", "depends")
    assert lines[:2] == [jittered.waiting, "as things stand:"]
    assert lines[2].startswith("it needs b, whose last run")
    assert "nothing is kept" not in " ".join(lines)
    jittered.clock.instant = jittered.due
    assert jittered.ask("09:30")[0].state == "due"


def test_jitter_is_told_of_a_slot_ahead_too(jittered: Jittered) -> None:
    jittered.clock.instant = at("09:29")
    assert jittered.ask("09:30")[1][0] == jittered.waiting


def test_nothing_decides_about_a_jittered_slot_but_the_clock(site: Any, job: Any) -> None:
    world = Jittered(site, job)
    site.write(jobs={"a": {**job("true"), "schedule": {"cron": "*/10 * * * *", "jitter": "5m"}}})
    world.manifest = site.manifest
    found, lines = world.ask("09:30")
    assert (found.state, found.code) == ("future", "will_run")
    assert lines == [world.waiting, "the first apply from then on runs it"]
    world.db.close()


def test_what_is_dealt_with_is_not_to_come_whatever_its_jitter(jittered: Jittered) -> None:
    """Its row was pruned; or it lies before the instant since which the job is known."""
    with jittered.db.transaction():
        jobs.handled(jittered.db, "prod", "a", at("09:30"))
    assert jittered.ask("09:30")[0].state == "unknown"
    changed = JobMemory("a", "another", at("09:30"), None, False)
    with jittered.db.transaction():
        jobs.remember(jittered.db, "prod", [changed], at("09:30"))
    assert jittered.ask("09:30")[0].state == "before"


def test_a_changed_schedule_that_no_apply_has_seen_begins_with_the_next_one(
    jittered: Jittered,
) -> None:
    changed = JobMemory("a", "another", at("09:00"), None, False)
    with jittered.db.transaction():
        jobs.remember(jittered.db, "prod", [changed], at("09:00"))
    assert jittered.ask("09:30")[0].state == "unknown"


def test_a_pause_between_a_slot_and_its_due_instant(jittered: Jittered) -> None:
    """Only a pause that began before the slot, or that still holds when it is due, keeps it."""
    soon, end = at("09:30") + timedelta(seconds=5), jittered.due - timedelta(seconds=5)
    cases = [
        (soon, end, False),
        (at("09:29"), end, True),
        (soon, jittered.due + timedelta(seconds=1), True),
    ]
    for begun, until, kept in cases:
        with jittered.db.transaction():
            pauses.remove(jittered.db, "prod", Paused.JOB, "a")
            pauses.put(jittered.db, "prod", Pause(Paused.JOB, "a", "operador.b", "", begun, until))
        told = " ".join(jittered.ask("09:30")[1])
        assert ("the job is paused by operador.b" in told) is kept, (begun, until)


# -- which slot


def test_a_time_that_is_no_slot_names_those_around_and_tells_of_the_one_before(
    world: World,
) -> None:
    number = world.ran("a", at("09:20"), Outcome.OK)
    found, lines = world.ask("09:27")
    assert found.slot == at("09:20")
    assert lines[0] == (
        "09:27 is no slot of a (*/10 * * * *, America/Sao_Paulo); around it: 09:20 and 09:30."
        " This is about 09:20"
    )
    assert lines[1].startswith(f"r{number} had it")


def test_a_slot_of_an_older_schedule_is_found_by_its_row(world: World) -> None:
    number = world.ran("a", at("09:23"), Outcome.OK)
    found, lines = world.ask("09:23")
    assert found.slot == at("09:23")
    assert lines[0].startswith(f"r{number} had it")


def test_without_a_schedule(world: World) -> None:
    found, lines = world.ask("09:20", "c")
    assert (found.slot, found.state, found.code) == (None, "none", "no_slot")
    assert lines == ["c has no schedule: it runs only when it is asked for"]
    data = why_json(world.question("09:20", "c"), found)
    assert (data["slot"], data["local"], data["run"]) == (None, None, None)


def test_a_job_that_is_not_in_the_manifest_any_more(world: World) -> None:
    number = world.ran("gone", at("09:20"), Outcome.OK)
    found, lines = world.ask("09:25", "gone")
    assert found.slot == at("09:20")
    assert lines[0] == "the manifest does not have gone (any more)"
    assert lines[1] == "09:25 is no slot of it; the one before was 09:20"
    assert lines[2].startswith(f"r{number} had it")


def test_every_line_fits_80_columns_and_latin_1(world: World) -> None:
    world.ran("a", at("09:20"), Outcome.OK, result={"steps": []})
    for asked in ("07:50", "09:20", "09:27", "10:00"):
        found = why(world.question(asked))
        for line in why_text(world.question(asked), found, 80):
            assert len(line) <= 80
            line.encode("latin-1")
