"""The plan: every rule of SEMANTICS sections 1, 4, 5 and 6 that needs no process."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mitrarr_runner import schedule
from mitrarr_runner.engine.report import gap
from mitrarr_runner.manifest.model import (
    CatchUp,
    First,
    Job,
    Manifest,
    Overlap,
    Schedule,
    Step,
)
from mitrarr_runner.plan import (
    Action,
    Plan,
    StateView,
    blocked_as_kept,
    in_its_place,
    plan,
    slots_between,
    upcoming,
)
from mitrarr_runner.store.drains import Drain
from mitrarr_runner.store.jobs import JobMemory
from mitrarr_runner.store.pauses import Pause, Paused
from mitrarr_runner.store.requests import Asked, Request
from mitrarr_runner.store.runs import Cause, Outcome, ProcessId, Run
from mitrarr_runner.store.slots import SlotRow, SlotState

ZONE = "America/Sao_Paulo"
NOW = datetime(2026, 11, 23, 12, 30, 10, tzinfo=UTC)
NOBODY = ProcessId(1, "1", "boot", "host")


def a_job(name: str = "a", cron: str = "*/10 * * * *", **more: Any) -> Job:
    timing = {k: more.pop(k) for k in list(more) if k in Schedule.__slots__}
    steps = more.pop("steps", (Step("clean", {}),))
    return Job(name, Schedule(cron, ZONE, **timing), steps, **more)


def manifest(*jobs: Job) -> Manifest:
    return Manifest("m", None, Path("/x"), "f", jobs={job.name: job for job in jobs})


def known(*jobs: Job, since: datetime = NOW - timedelta(minutes=11), **more: Any) -> StateView:
    memories = {
        job.name: JobMemory(
            job.name, schedule.fingerprint(job.schedule.cron or "", ZONE), since, None, False
        )
        for job in jobs
    }
    return StateView(memories=memories, **more)


def shown(made: Plan) -> list[tuple[str, str, str]]:
    """(action, HH:MM in UTC, code)."""
    return [
        (e.action.value, e.slot.strftime("%H:%M") if e.slot else "-", e.code) for e in made.entries
    ]


def a_run(job: str = "a", number: int = 1, **more: Any) -> Run:
    run = Run(
        number, job, NOW, Cause.SCHEDULE, 0, True, Outcome.OK, "", "", NOBODY, "f", "", NOW, NOW,
        1.0, {},
    )  # fmt: skip
    return replace(run, **more)


def row(slot: datetime, state: SlotState, job: str = "a") -> SlotRow:
    return SlotRow(job, slot, state, "", "", None, None, NOW)


def test_a_new_job_is_remembered_and_replays_nothing() -> None:
    made = plan(manifest(a_job()), StateView(), NOW)
    assert shown(made) == []
    assert [(m.job, m.floor) for m in made.memories] == [("a", NOW)]


def test_first_now_runs_once_at_once() -> None:
    job = a_job(first=First.NOW)
    made = plan(manifest(job), StateView(), NOW)
    # The memory says that a run is owed; the apply that remembers it makes that run.
    assert shown(made) == [("run", "12:30", "first_now")]
    assert made.memories[0].run_now
    view = StateView(memories={"a": replace(made.memories[0], run_now=False)})
    assert shown(plan(manifest(job), view, NOW + timedelta(seconds=5))) == []


def test_a_due_slot_runs() -> None:
    job = a_job()
    made = plan(manifest(job), known(job, since=NOW - timedelta(minutes=5)), NOW)
    assert shown(made) == [("run", "12:30", "due")]


def test_an_instant_of_a_slot_is_inclusive() -> None:
    job = a_job()
    at = NOW.replace(second=0)
    assert shown(plan(manifest(job), known(job, since=at - timedelta(minutes=1)), at)) == [
        ("run", "12:30", "due")
    ]
    assert shown(plan(manifest(job), known(job, since=at), at)) == []


def test_a_claimed_slot_does_not_run_again_whatever_the_clock_says() -> None:
    job = a_job()
    slot = NOW.replace(second=0)
    view = known(
        job, since=NOW - timedelta(minutes=5), slots={"a": {slot: row(slot, SlotState.CLAIMED)}}
    )
    assert shown(plan(manifest(job), view, NOW)) == []


def test_latest_runs_the_newest_and_says_what_was_missed() -> None:
    job = a_job()
    made = plan(manifest(job), known(job, since=NOW - timedelta(minutes=35)), NOW)
    assert shown(made) == [
        ("missed", "12:00", "catch_up_latest"),
        ("missed", "12:10", "catch_up_latest"),
        ("missed", "12:20", "catch_up_latest"),
        ("run", "12:30", "caught_up"),
    ]
    assert made.entries[-1].missed == 3


def test_skip_does_not_run_what_is_late() -> None:
    job = a_job(cron="0 * * * *", catch_up=CatchUp.SKIP)
    made = plan(manifest(job), known(job, since=NOW - timedelta(hours=2)), NOW)
    assert [action for action, _, _ in shown(made)] == ["missed", "missed"]


def test_skip_runs_what_is_only_minutes_late() -> None:
    job = a_job(cron="25 * * * *", catch_up=CatchUp.SKIP)
    made = plan(manifest(job), known(job, since=NOW - timedelta(hours=2)), NOW)
    assert [action for action, _, _ in shown(made)] == ["missed", "run"]
    told = "late: caught up now (catch_up: skip allows 10 minutes)"
    assert str(made.entries[-1].reason) == told


@pytest.mark.parametrize("policy", CatchUp)
def test_on_time_is_less_than_a_minute_late_as_apply_and_why_tell_it(policy: CatchUp) -> None:
    job = a_job(catch_up=policy)
    at = NOW.replace(second=0)
    for late, code in ((0, "due"), (59, "due"), (60, "caught_up"), (450, "caught_up")):
        now = at + timedelta(seconds=late)
        made = plan(manifest(job), known(job, since=at - timedelta(minutes=1)), now)
        assert shown(made) == [("run", "12:30", code)], late
        assert (gap.delay(made.entries[0], now) is None) == (code == "due")


def test_the_newest_of_many_that_are_caught_up_is_late_too() -> None:
    job = a_job(catch_up=CatchUp.ALL)
    now = NOW + timedelta(minutes=7)
    made = plan(manifest(job), known(job, since=NOW - timedelta(minutes=25)), now)
    assert {code for _, _, code in shown(made)} == {"caught_up"}
    assert {str(e.reason) for e in made.entries} == {"late: caught up now (catch_up: all)"}


def test_all_runs_oldest_first_and_no_more_than_max() -> None:
    job = a_job(catch_up=CatchUp.ALL, max=2)
    made = plan(manifest(job), known(job, since=NOW - timedelta(minutes=35)), NOW)
    assert shown(made) == [
        ("missed", "12:00", "catch_up_all"),
        ("missed", "12:10", "catch_up_all"),
        ("run", "12:20", "caught_up"),
        ("run", "12:30", "due"),
    ]
    told = "missed, and not repeated (catch_up: all repeats the newest 2, as max says)"
    assert str(made.entries[0].reason) == told


def test_slots_older_than_the_window_become_one_range() -> None:
    job = a_job(window=3600)
    made = plan(manifest(job), known(job, since=NOW - timedelta(hours=30)), NOW)
    ranges = [e for e in made.entries if e.until is not None]
    assert len(ranges) == 1
    assert ranges[0].slot == datetime(2026, 11, 22, 6, 40, tzinfo=UTC)
    assert ranges[0].until == datetime(2026, 11, 23, 11, 30, tzinfo=UTC)
    assert shown(made)[-1][0] == "run"


def test_a_flood_of_missed_slots_is_capped_and_never_stops_the_job() -> None:
    job = a_job(cron="* * * * *", window=86400 * 3)
    made = plan(manifest(job), known(job, since=NOW - timedelta(days=3)), NOW)
    assert len(made.entries) == 1001  # one range and the thousand newest
    assert made.entries[0].code == "too_many"
    assert made.entries[-1].action is Action.RUN


def covers(made: Plan) -> list[tuple[str, str, str, int]]:
    """(action, first, last, slots) of every range, in days of the month and UTC."""
    minute = timedelta(minutes=1)
    return [
        (
            f"{e.action.value} {e.code}",
            e.slot.strftime("%d %H:%M"),
            e.until.strftime("%d %H:%M"),
            (e.until - e.slot) // minute + 1,
        )
        for e in made.entries
        if e.slot is not None and e.until is not None
    ]


def test_a_flood_hides_nothing_that_is_older_than_the_window() -> None:
    """Every minute; last apply on Friday at 10:10, the next one on Monday at 10:05."""
    job = a_job(cron="* * * * *")
    now = datetime(2026, 11, 23, 10, 5, tzinfo=UTC)
    made = plan(manifest(job), known(job, since=datetime(2026, 11, 20, 10, 10, tzinfo=UTC)), now)
    assert covers(made) == [
        ("missed older_than_window", "20 10:11", "22 10:05", 2875),
        ("missed too_many", "22 10:06", "22 17:25", 440),
    ]
    single = [entry for entry in made.entries if entry.until is None]
    assert (len(single), single[-1].action) == (1000, Action.RUN)
    assert 2875 + 440 + 1000 == 3 * 24 * 60 - 5


def test_a_last_slot_in_the_future_does_not_mute_the_job() -> None:
    """The clock stood a year ahead, and came back."""
    job = a_job()
    view = known(job, since=NOW - timedelta(minutes=5))
    memory = replace(view.memories["a"], last_slot=NOW + timedelta(days=365))
    made = plan(manifest(job), replace(view, memories={"a": memory}), NOW)
    assert shown(made) == [("run", "12:30", "due")]


def a_range(first: datetime, last: datetime, job: str = "a") -> dict[str, dict[datetime, SlotRow]]:
    return {job: {first: replace(row(first, SlotState.MISSED_RANGE, job), until=last)}}


def test_slots_inside_a_recorded_range_are_dealt_with() -> None:
    """The last slot was forgotten, because the clock had stood ahead."""
    at = NOW.replace(second=0)
    ten = timedelta(minutes=10)
    job = a_job(window=1900)
    view = known(job, since=at - 9 * ten, slots=a_range(at - 8 * ten, at - ten))
    assert shown(plan(manifest(job), view, NOW)) == [
        ("run", "12:30", "due"),
    ], "the range begins before the window and ends inside it"
    ahead = replace(view, slots=a_range(at - 2 * ten, at + timedelta(days=300)))
    assert [action for action, _, _ in shown(plan(manifest(job), ahead, NOW))] == [
        "missed", "missed", "missed", "missed", "run",
    ], "one that ends ahead was read off the wrong clock: the next apply forgets it"  # fmt: skip


def test_what_has_rows_is_not_missed_again_when_the_last_slot_is_forgotten() -> None:
    """Every minute from 10:01 to 10:16 ran; the clock went a year forward, and back to 10:30."""
    at = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
    minute = timedelta(minutes=1)
    job = a_job(cron="* * * * *", window=600)
    rows = {slot: row(slot, SlotState.CLAIMED) for slot in (at - n * minute for n in range(14, 30))}
    for kept in (rows, {at - 14 * minute: rows[at - 14 * minute]}):  # or only the newest is known
        view = known(job, since=at - 30 * minute, slots={"a": kept})
        made = plan(manifest(job), view, at)
        assert covers(made) == [("missed older_than_window", "23 10:17", "23 10:20", 4)]
        assert [e.action for e in made.entries if e.until is None] == (
            [Action.MISSED] * 9 + [Action.RUN]
        )


def test_a_range_leaves_out_what_ran_in_the_midst_of_it() -> None:
    """The clock had stood ahead when 12:00 ran; then nobody came for a day."""
    job = a_job(window=3600)
    since = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
    ran = since + timedelta(hours=1)
    view = known(job, since=since, slots={"a": {ran: row(ran, SlotState.CLAIMED)}})
    memory = replace(view.memories["a"], last_slot=since)
    made = plan(manifest(job), replace(view, memories={"a": memory}), NOW)
    assert [found[:3] for found in covers(made)] == [
        ("missed older_than_window", "22 11:10", "22 11:50"),
        ("missed older_than_window", "22 12:10", "23 11:30"),
    ]


def test_more_jitter_than_before_opens_nothing_again() -> None:
    """The last slot was handled at once; with the new jitter it is not due yet."""
    job = a_job(jitter=300)
    at = NOW.replace(second=0)
    view = known(job, since=at - timedelta(hours=1))
    memory = replace(view.memories["a"], last_slot=at)
    view = replace(view, memories={"a": memory})
    assert plan(manifest(job), view, at + timedelta(seconds=1)).entries == ()


def test_a_floor_in_the_future_starts_anew() -> None:
    job = a_job()
    view = known(job, since=NOW + timedelta(days=365))
    made = plan(manifest(job), view, NOW)
    assert made.memories[0].floor == NOW
    assert shown(made) == []


def test_a_changed_schedule_replays_nothing() -> None:
    old, new = a_job(), a_job(cron="*/5 * * * *")
    made = plan(manifest(new), known(old, since=NOW - timedelta(hours=1)), NOW)
    assert shown(made) == []
    assert made.memories[0].floor == NOW


def test_a_paused_job_leaves_paused_rows() -> None:
    job = a_job()
    pause = Pause(Paused.JOB, "a", "x", "", NOW - timedelta(minutes=20), None)
    made = plan(manifest(job), known(job, pauses={"a": pause}), NOW)
    assert shown(made) == [("paused", "12:20", "paused"), ("paused", "12:30", "paused")]


def test_after_a_pause_that_ended_by_itself_only_its_own_slots_stay_unrun() -> None:
    job = a_job(cron="* * * * *")
    pause = Pause(
        Paused.JOB, "a", "x", "", NOW - timedelta(minutes=5), NOW.replace(second=0, minute=29)
    )
    view = known(job, since=NOW - timedelta(minutes=3), pauses={"a": pause})
    assert [(a, s) for a, s, _ in shown(plan(manifest(job), view, NOW))] == [
        ("paused", "12:28"),
        ("missed", "12:29"),
        ("run", "12:30"),
    ]


FRIDAY = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("begun", "until", "expected"),
    [
        (0, None, [("paused paused", "20 10:01", "21 12:30", 1590)]),
        (
            240,
            None,
            [
                ("missed older_than_window", "20 10:01", "20 13:59", 239),
                ("paused paused", "20 14:00", "21 12:30", 1351),
            ],
        ),
        (
            240,
            300,
            [
                ("missed older_than_window", "20 10:01", "20 13:59", 239),
                ("paused paused", "20 14:00", "20 14:59", 60),
                ("missed older_than_window", "20 15:00", "21 12:30", 1291),
            ],
        ),
        (-60, -30, [("missed older_than_window", "20 10:01", "21 12:30", 1590)]),
        (60 * 24 * 3, None, [("missed older_than_window", "20 10:01", "21 12:30", 1590)]),
    ],
)
def test_what_is_older_than_the_window_and_fell_into_a_pause_is_paused(
    begun: int, until: int | None, expected: list[tuple[str, str, str, int]]
) -> None:
    """The first apply for two days; the job of every minute was paused on Friday, or later."""
    job = a_job(cron="* * * * *", window=86400)
    end = None if until is None else FRIDAY + timedelta(minutes=until)
    pause = Pause(Paused.JOB, "a", "ana", "", FRIDAY + timedelta(minutes=begun), end)
    now = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
    made = plan(manifest(job), known(job, since=FRIDAY, pauses={"a": pause}), now)
    assert [found for found in covers(made) if "too_many" not in found[0]][: len(expected)] == (
        expected
    )
    reasons = {str(e.reason) for e in made.entries if e.action is Action.PAUSED and e.until}
    assert reasons <= {"paused by ana"}


def test_a_flood_in_a_pause_is_paused_too() -> None:
    job = a_job(cron="* * * * *")
    now = datetime(2026, 11, 23, 10, 5, tzinfo=UTC)
    pause = Pause(Paused.JOB, "a", "ana", "", datetime(2026, 11, 22, 12, tzinfo=UTC), None)
    since = now - timedelta(days=1)
    made = plan(manifest(job), known(job, since=since, pauses={"a": pause}), now)
    assert covers(made) == [
        ("missed too_many", "22 10:06", "22 11:59", 114),
        ("paused paused", "22 12:00", "22 17:25", 326),
    ]
    assert {e.action for e in made.entries if e.until is None} == {Action.PAUSED}


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [(Overlap.SKIP, "skip"), (Overlap.QUEUE, "queued"), (Overlap.REPLACE, "run")],
)
def test_overlap(overlap: Overlap, expected: str) -> None:
    job = a_job(overlap=overlap)
    began = NOW - timedelta(minutes=10)
    running = a_run(finished=False, outcome=None, slot=began, started_at=began)
    view = known(job, since=NOW - timedelta(minutes=5), running={"a": running})
    assert [action for action, _, _ in shown(plan(manifest(job), view, NOW))] == [expected]


def test_a_backlog_is_not_an_overlap() -> None:
    """`catch_up: all`, and another apply works on the first of the slots that were missed."""
    job = a_job(catch_up=CatchUp.ALL)
    running = a_run(finished=False, outcome=None, started_at=NOW - timedelta(seconds=5))
    view = known(job, since=NOW - timedelta(minutes=25), running={"a": running})
    made = plan(manifest(job), view, NOW)
    assert shown(made) == [("wait", f"12:{minute}", "backlog") for minute in (10, 20, 30)]
    assert made.starting == ()


def test_a_slot_left_in_the_queue_goes_first() -> None:
    """The run that should have taken it was killed; a newer slot is due by now."""
    job = a_job(overlap=Overlap.QUEUE)
    left = NOW.replace(second=0) - timedelta(minutes=10)
    rows = {"a": {left: row(left, SlotState.QUEUED)}}
    made = plan(manifest(job), known(job, since=NOW - timedelta(minutes=5), slots=rows), NOW)
    assert shown(made) == [("run", "12:20", "left_queued"), ("run", "12:30", "due")]


def test_only_one_slot_waits_in_the_queue() -> None:
    job = a_job(overlap=Overlap.QUEUE)
    began = NOW - timedelta(minutes=10)
    running = a_run(finished=False, outcome=None, started_at=began)
    earlier = NOW.replace(second=0) - timedelta(minutes=10)
    view = known(
        job,
        since=NOW - timedelta(minutes=5),
        running={"a": running},
        slots={"a": {earlier: row(earlier, SlotState.QUEUED)}},
    )
    assert shown(plan(manifest(job), view, NOW)) == [("skip", "12:30", "queue_full")]


def test_a_need_that_is_due_is_waited_for_and_one_that_failed_blocks() -> None:
    first, second = a_job("first"), a_job("second", needs=("first",))
    since = NOW - timedelta(minutes=5)
    made = plan(manifest(second, first), known(first, second, since=since), NOW)
    assert [(e.job, e.action.value, e.after) for e in made.entries] == [
        ("first", "run", ()),
        ("second", "wait", ("first",)),
    ]
    view = replace(
        known(second, since=since), last={"first": a_run("first", outcome=Outcome.FAILED)}
    )
    view = replace(view, memories={**view.memories, **known(first, since=NOW).memories})
    made = plan(manifest(first, second), view, NOW)
    assert [(e.job, e.action.value, e.code) for e in made.entries] == [
        ("second", "blocked", "need:first")
    ]


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (Outcome.FAILED, "blocked by b, whose last run failed"),
        (Outcome.TIMEOUT, "blocked by b, whose last run failed"),
        (Outcome.STOPPED, "blocked by b, whose last run was stopped"),
        (Outcome.LOST, "blocked by b, whose last run was lost"),
    ],
)
def test_who_is_blocked_is_told_how_the_need_ended(outcome: Outcome, told: str) -> None:
    """b is not due; a needs b, and c needs a, which never ran."""
    a, b, c = a_job("a", needs=("b",)), a_job("b", cron="0 0 1 1 *"), a_job("c", needs=("a",))
    view = known(a, b, c, since=NOW - timedelta(minutes=5), last={"b": a_run("b", outcome=outcome)})
    made = plan(manifest(a, b, c), view, NOW)
    assert [(e.job, e.action.value, e.code, str(e.reason)) for e in made.entries] == [
        ("a", "blocked", "need:b", told),
        ("c", "blocked", "need:a", "blocked by a, which was blocked itself"),
    ]
    for entry in made.entries:
        need = entry.code.removeprefix("need:")
        assert blocked_as_kept(need, str(entry.reason)) == entry.reason
    assert str(blocked_as_kept("b", "")) == "blocked by b, whose last run failed"


@pytest.mark.parametrize("asked", [False, True])
def test_what_needs_a_job_that_waits_waits_as_well(asked: bool) -> None:
    """c runs by hand; b needs c, a needs b: a is not to run before the b of its own slot, even
    where somebody has asked for another run of b."""
    a, b, c = a_job("a", needs=("b",)), a_job("b", needs=("c",)), a_job("c", cron="0 0 1 1 *")
    last = a_job("last", needs=("a",))
    running = {"c": a_run("c", finished=False, outcome=None, cause=Cause.HAND)}
    requests = (Request(7, "b", Asked.RUN, "x", NOW),) if asked else ()
    view = known(
        a, b, c, last, since=NOW - timedelta(minutes=5), running=running, requests=requests
    )
    made = plan(manifest(last, a, b, c), view, NOW)
    waits = [entry for entry in made.entries if entry.request is None]
    assert [(e.job, e.action.value, e.code, str(e.reason)) for e in waits] == [
        ("b", "wait", "need_running", "waits for c, which is still running"),
        ("a", "wait", "need_waits", "waits for b, which has to wait as well"),
        ("last", "wait", "need_waits", "waits for a, which has to wait as well"),
    ]
    assert [entry.request for entry in made.starting] == [request.id for request in requests]
    after = plan(manifest(last, a, b, c), replace(view, running={}, requests=()), NOW)
    assert [(e.job, e.after) for e in after.starting] == [
        ("b", ()),
        ("a", ("b",)),
        ("last", ("a",)),
    ]


def test_a_deferred_need_satisfies() -> None:
    first, second = a_job("first"), a_job("second", needs=("first",))
    view = replace(
        known(second, since=NOW - timedelta(minutes=5)),
        last={"first": a_run("first", outcome=Outcome.DEFERRED)},
    )
    view = replace(view, memories={**view.memories, **known(first, since=NOW).memories})
    assert [e.action for e in plan(manifest(first, second), view, NOW).entries] == [Action.RUN]


def test_a_lost_run_is_recovered_once_and_only_where_steps_may_be_repeated() -> None:
    job = a_job()
    lost = a_run(outcome=Outcome.LOST, slot=NOW - timedelta(minutes=40))
    view = known(job, since=NOW, lost={"a": lost})
    assert [(e.action.value, e.run) for e in plan(manifest(job), view, NOW).entries] == [
        ("recover", 1)
    ]
    again = replace(lost, cause=Cause.RECOVERY)
    assert plan(manifest(job), replace(view, lost={"a": again}), NOW).entries == ()
    unsafe = a_job(steps=(Step("command", {"argv": ["true"]}),))
    assert plan(manifest(unsafe), view, NOW).entries == ()
    declared = a_job(steps=(Step("command", {"argv": ["true"]}),), idempotent=True)
    assert len(plan(manifest(declared), view, NOW).entries) == 1


def lost_at(minutes: int, **more: Any) -> dict[str, Run]:
    """The run of the slot of so many minutes ago, which was lost."""
    slot = NOW.replace(second=0) - timedelta(minutes=minutes)
    return {"a": a_run(outcome=Outcome.LOST, slot=slot, **more)}


@pytest.mark.parametrize("policy", [CatchUp.LATEST, CatchUp.SKIP])
def test_a_due_slot_takes_the_place_of_a_recovery(policy: CatchUp) -> None:
    job = a_job(catch_up=policy)
    view = known(job, since=NOW - timedelta(minutes=5), lost=lost_at(10))
    made = plan(manifest(job), view, NOW)
    assert shown(made) == [("run", "12:30", "due")]
    assert in_its_place(job, view.lost["a"], made.entries) == made.entries[0]


def test_each_slot_of_catch_up_all_is_repeated_the_lost_one_first() -> None:
    job = a_job(cron="* * * * *", catch_up=CatchUp.ALL)
    view = known(job, since=NOW - timedelta(minutes=2), lost=lost_at(3))
    made = plan(manifest(job), view, NOW)
    assert shown(made) == [
        ("recover", "12:27", "lost"),
        ("run", "12:29", "caught_up"),
        ("run", "12:30", "due"),
    ]
    assert in_its_place(job, view.lost["a"], made.entries) is None
    unsafe = replace(job, steps=(Step("command", {"argv": ["true"]}),))
    assert [e.action for e in plan(manifest(unsafe), view, NOW).entries] == [Action.RUN] * 2
    again = replace(view, lost=lost_at(3, cause=Cause.RECOVERY))
    assert [e.action for e in plan(manifest(job), again, NOW).entries] == [Action.RUN] * 2


def test_what_does_not_run_takes_no_place() -> None:
    """`catch_up: skip`, and the newest slot is too old to be run."""
    job = a_job(cron="0 * * * *", catch_up=CatchUp.SKIP)
    view = known(job, since=NOW - timedelta(minutes=40), lost=lost_at(90))
    assert shown(plan(manifest(job), view, NOW)) == [
        ("recover", "11:00", "lost"),
        ("missed", "12:00", "catch_up_skip"),
    ]


@pytest.mark.parametrize("policy", CatchUp)
def test_nothing_is_recovered_in_a_pause_or_a_drain(policy: CatchUp) -> None:
    job = a_job(catch_up=policy)
    view = known(job, since=NOW - timedelta(minutes=5), lost=lost_at(10))
    pause = Pause(Paused.JOB, "a", "x", "", NOW - timedelta(minutes=20), None)
    paused = plan(manifest(job), replace(view, pauses={"a": pause}), NOW)
    assert [e.action for e in paused.entries] == [Action.PAUSED]
    drained = plan(manifest(job), replace(view, drain=DRAINED), NOW)
    assert [e.code for e in drained.entries] == ["draining"]


def test_a_request_runs_now_even_without_a_schedule() -> None:
    job = Job("a", Schedule(None, ZONE), (Step("clean", {}),))
    view = known(job, requests=(Request(7, "a", Asked.RUN, "x", NOW),))
    made = plan(manifest(job), view, NOW)
    assert [(e.action, e.slot, e.request) for e in made.entries] == [(Action.RUN, None, 7)]


DRAINED = Drain("operador.a", "", NOW - timedelta(hours=1))


@pytest.mark.parametrize("policy", list(CatchUp))
def test_draining_starts_nothing_and_decides_nothing(policy: CatchUp) -> None:
    """One line for what waits and no row: after it, catch_up sees every slot that passed."""
    job = a_job(catch_up=policy)
    view = known(job, since=NOW - timedelta(minutes=35), drain=DRAINED)
    (entry,) = plan(manifest(job), view, NOW).entries
    assert (entry.action, entry.code, entry.missed) == (Action.WAIT, "draining", 3)
    assert not entry.starts
    after = plan(manifest(job), replace(view, drain=None), NOW)
    assert len(after.entries) == 4


def test_a_drain_holds_until_its_instant_and_no_longer() -> None:
    job = a_job()
    view = known(job, since=NOW - timedelta(minutes=35), drain=replace(DRAINED, until=NOW))
    before = plan(manifest(job), view, NOW - timedelta(seconds=1))
    assert before.starting == ()
    assert [entry.action for entry in plan(manifest(job), view, NOW).starting] == [Action.RUN]


def test_draining_keeps_requests_first_runs_and_lost_ones_waiting() -> None:
    job = a_job(first=First.NOW)
    asked = (Request(7, "a", Asked.RUN, "x", NOW),)
    lost = {"a": a_run(outcome=Outcome.LOST)}
    view = StateView(requests=asked, lost=lost, drain=DRAINED)
    made = plan(manifest(job), view, NOW)
    assert made.starting == ()
    assert [(entry.action, entry.code, entry.request) for entry in made.entries] == [
        (Action.WAIT, "draining", 7),
        (Action.WAIT, "draining", None),
    ]
    assert made.memories[0].run_now, "the run stays owed"


def test_jitter_delays_and_does_not_lose() -> None:
    job = a_job(jitter=300)
    wait = timedelta(seconds=schedule.jitter("a", 300))
    slot = NOW.replace(second=0)
    assert wait > timedelta(seconds=10), "the name was chosen so that it waits"
    view = known(job, since=slot - timedelta(minutes=9))
    assert shown(plan(manifest(job), view, slot + wait - timedelta(seconds=1))) == []
    made = plan(manifest(job), view, slot + wait)
    assert [(e.slot, e.due_at) for e in made.entries] == [(slot, slot + wait)]


def test_planning_twice_changes_nothing_and_the_parts_add_up() -> None:
    """Every due slot stands in exactly one entry (or inside one range)."""
    job = a_job(cron="* * * * *", window=7200, catch_up=CatchUp.ALL, max=5)
    view = known(job, since=NOW - timedelta(hours=5))
    first, second = (plan(manifest(job), view, NOW) for _ in range(2))
    assert first == second
    single = [e.slot for e in first.entries if e.until is None]
    assert len(single) == len(set(single)) == 120
    covered = list(slots_between(job, first.entries[0].slot or NOW, NOW))
    in_range = [s for s in covered if s <= (first.entries[0].until or NOW)]
    assert len(in_range) + len(single) == 300


def test_upcoming_and_slots_between() -> None:
    job = a_job(cron="0 9 * * *")
    assert [s.isoformat() for s in upcoming(job, NOW, 2)] == [
        "2026-11-24T12:00:00+00:00",
        "2026-11-25T12:00:00+00:00",
    ]
    start = datetime(2026, 11, 24, 12, tzinfo=UTC)
    assert list(slots_between(job, start, start + timedelta(days=1))) == [start]
