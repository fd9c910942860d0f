"""What a person sees while apply works and at its end; golden files of whole screens."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mitrarr_runner import schedule
from mitrarr_runner.clock import iso
from mitrarr_runner.delivery.desk import Shown
from mitrarr_runner.engine.apply import Applied, Ended
from mitrarr_runner.engine.apply_report import Screen
from mitrarr_runner.engine.report import gap
from mitrarr_runner.engine.report.ended import ended_text
from mitrarr_runner.engine.report.gap import Before
from mitrarr_runner.engine.report.standing import JobStanding, Standing
from mitrarr_runner.manifest.model import CatchUp, First, Job, Manifest, Schedule, Step
from mitrarr_runner.plan import Plan, StateView, plan
from mitrarr_runner.store import deliveries
from mitrarr_runner.store.drains import Drain
from mitrarr_runner.store.jobs import JobMemory
from mitrarr_runner.store.pauses import Pause, Paused
from mitrarr_runner.store.registry import Noted, Record, State
from mitrarr_runner.store.runs import Cause, Outcome, ProcessId, Run
from mitrarr_runner.text import LANGUAGES, Catalogue, text, to_data

GOLDEN = Path(__file__).with_name("golden")
NOW = datetime(2026, 11, 22, 6, 20, 7, tzinfo=UTC)  # Sunday, 03:20:07 in São Paulo
ZONE = "America/Sao_Paulo"
SAY = Catalogue("en")
STEPS = tuple(Step(kind, {}) for kind in ("register_nist", "send_to_findface", "check_volume"))
JOBS = {
    "adiciona_nists": Job("adiciona_nists", Schedule("*/10 * * * *", ZONE), STEPS),
    "rsync_espelho": Job("rsync_espelho", Schedule("0 3 * * *", ZONE), (Step("command", {}),)),
}
MANIFEST = Manifest("prod", None, Path("/x"), "41be09d00000", jobs=JOBS)


def local(clock: str) -> datetime:
    hour, minute = map(int, clock.split(":"))
    return datetime(2026, 11, 22, hour + 3, minute, tzinfo=UTC)


def night() -> StateView:
    """The last apply was at 02:46, the host was down until 03:17, a run of 02:40 was cut short."""
    memories = {
        name: JobMemory(
            name, schedule.fingerprint(job.schedule.cron or "", ZONE), since, None, False
        )
        for (name, job), since in zip(JOBS.items(), (local("02:46"), local("02:46")), strict=True)
    }
    lost = Run(
        8838, "adiciona_nists", local("02:40"), Cause.SCHEDULE, 0, False, None, "", "",
        ProcessId(1, "1", "boot", "srv-ingest01"), "f", "", local("02:40"), None, None, {},
    )  # fmt: skip
    return StateView(memories=memories, lost={"adiciona_nists": lost})


def finding() -> Noted:
    what = text(
        "file truncated: it ends {remaining} bytes into record {record}", remaining=4, record=3
    )
    return Noted("nist_truncated", "error", what)


def after() -> Standing:
    return Standing(
        "prod", "41be09d00000", NOW + timedelta(seconds=51), ZoneInfo(ZONE), "srv-ingest01",
        applied=NOW,
        jobs=(
            JobStanding("adiciona_nists", next_slot=local("03:30")),
            JobStanding("rsync_espelho", next_slot=local("03:00") + timedelta(days=1)),
        ),
        registry={State.QUARANTINED: 1},
        deliveries={deliveries.State.PARKED: 1},
        quarantined=[
            Record(
                311, "Q311", "DETRAN", "123", "T", "ab" * 32, 1, 1, State.QUARANTINED,
                "nist_truncated", (finding(),), None, "", NOW, NOW,
            )
        ],
        parked=[
            Shown(
                "D902", "findface", "DETRAN", deliveries.State.PARKED, "server_no_face", "R7", NOW,
                NOW, None, (),
            )
        ],
    )  # fmt: skip


def step(job: str, position: int, kind: str, message: Any, **counts: int) -> Mapping[str, Any]:
    return {
        "event": "step_done", "job": job, "position": position, "kind": kind,
        "message": to_data(message), "counts": counts,
    }  # fmt: skip


EVENTS: tuple[Mapping[str, Any], ...] = (
    {"event": "started", "job": "adiciona_nists", "run": 8841, "slot": iso(local("03:20"))},
    {"event": "started", "job": "rsync_espelho", "run": 8842, "slot": iso(local("03:00"))},
    step(
        "adiciona_nists", 1, "register_nist",
        text("231 files in 3s: 228 registered, 2 repeated, 1 quarantined"),
        registered=228, repeated=2, quarantined=1,
    ),
    step("rsync_espelho", 1, "command", text("rsync: exit code 0")),
    {"event": "finished", "job": "rsync_espelho", "run": 8842, "outcome": "ok", "seconds": 8},
    step(
        "adiciona_nists", 2, "send_to_findface",
        text("240 in 39s (6.2/s): 236 sent, 3 already there, 1 parked"),
        people=240, sent=236, adopted=3, parked=1, pending=0,
    ),
    step(
        "adiciona_nists", 3, "check_volume",
        text("today until 03:20: 228; Sunday range 140-270: normal"),
    ),
    {"event": "finished", "job": "adiciona_nists", "run": 8841, "outcome": "ok", "seconds": 43},
)  # fmt: skip


def screen(
    view: StateView,
    *,
    made: Plan | None = None,
    before: Before | None = None,
    events: tuple[Mapping[str, Any], ...] = (),
    say: Catalogue = SAY,
    width: int | None = 80,
) -> tuple[list[str], Screen, Plan]:
    lines: list[str] = []
    made = made or plan(MANIFEST, view, NOW)
    before = before or Before(NOW - timedelta(seconds=60), NOW - timedelta(days=9))
    shown = Screen(MANIFEST, "configs/prod", say, lines.append, None, before, width)
    shown.planned(made, view)
    for event in events:
        shown.event(event)
    return lines, shown, made


def whole(say: Catalogue = SAY) -> list[str]:
    before = Before(local("02:46"), local("03:17"))
    lines, shown, made = screen(night(), before=before, events=EVENTS, say=say)
    entries = {entry.job: entry for entry in made.starting}
    ended = (
        Ended(entries["rsync_espelho"], 8842, Outcome.OK, 8),
        Ended(entries["adiciona_nists"], 8841, Outcome.OK, 43),
    )
    applied = Applied(made, ended, (), (), None, 51)
    return [*lines, *ended_text(applied, shown.counts, after(), say, 80)]


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "srv-ingest01")


def test_after_a_night_with_a_reboot() -> None:
    found = "\n".join(whole()) + "\n"
    golden = GOLDEN / "apply_night.txt"
    if os.environ.get("GOLDEN") == "write":
        golden.write_text(found, encoding="utf-8")
    assert found == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("language", LANGUAGES)
def test_80_columns_of_latin_1_are_enough(language: str) -> None:
    for line in whole(Catalogue(language)):
        assert len(line) <= 80, line
        line.encode("latin-1")


def test_into_a_pipe_nothing_is_wrapped() -> None:
    lines, _, _ = screen(night(), before=Before(local("02:46"), local("03:17")), width=None)
    assert any(
        line.startswith("  adiciona_nists  02:50 03:00 03:10  missed, and not repeated (catch_up:")
        and line.endswith("latest)")
        for line in lines
    )


def interrupted(**more: Any) -> list[str]:
    """What the gap says of the run of 02:40, the job being another one."""
    job = replace(JOBS["adiciona_nists"], **more)
    changed = replace(MANIFEST, jobs={**JOBS, job.name: job})
    view, before = night(), Before(local("02:46"), local("03:17"))
    lines = gap.told(changed, plan(changed, view, NOW), view, before, ZoneInfo(ZONE), SAY, None)
    return [line.split("r8838 ")[1] for line in lines if "r8838" in line]


def test_an_interrupted_run_runs_again_only_where_it_is_recovered() -> None:
    def line(**more: Any) -> Schedule:
        return replace(JOBS["adiciona_nists"].schedule, **more)

    assert interrupted() == ["was interrupted; the run of 03:20 stands for it"]
    assert interrupted(schedule=line(catch_up=CatchUp.ALL)) == ["was interrupted; runs again now"]
    nothing_due = line(cron="0 5 * * *")
    assert interrupted(schedule=nothing_due) == ["was interrupted; runs again now"]
    unsafe = (Step("command", {}),)
    gone = ["was interrupted: its process is gone"]
    assert interrupted(schedule=line(catch_up=CatchUp.ALL), steps=unsafe) == gone
    assert interrupted(steps=unsafe) == gone


def test_on_time_nothing_is_told_of_before() -> None:
    memories = {
        name: JobMemory(name, schedule.fingerprint(job.schedule.cron or "", ZONE), NOW, None, False)
        for name, job in JOBS.items()
    }
    lines, _, _ = screen(StateView(memories=memories))
    assert lines == [
        "APPLY  configs/prod  manifest 41be09d  srv-ingest01  Sun 2026-11-22 03:20 -03:00",
        "Nothing to do.",
    ]


@pytest.mark.parametrize(
    ("applied", "booted", "expected"),
    [
        (None, "03:17", ""),
        ("03:19", "03:17", ""),
        ("02:46", "03:17", "Server restarted at 03:17. Last apply: 02:46. Nothing was missed."),
        ("02:46", "01:00", "Last apply: 02:46 (34m07s ago). Nothing was missed."),
    ],
)
def test_the_gap(applied: str | None, booted: str, expected: str) -> None:
    before = Before(local(applied) if applied else None, local(booted))
    empty = Plan(NOW, "prod", "f", (), ())
    lines = gap.told(MANIFEST, empty, StateView(), before, ZoneInfo(ZONE), SAY, None)
    assert "\n".join(lines) == expected


def test_a_run_by_hand_says_that_the_job_is_paused_or_the_manifest_drained() -> None:
    from mitrarr_runner.engine.apply import by_hand

    pause = Pause(Paused.JOB, "rsync_espelho", "operador.b", "x", local("02:00"), None)
    made = by_hand(MANIFEST, "rsync_espelho", NOW)
    lines, _, _ = screen(StateView(pauses={"rsync_espelho": pause}), made=made)
    told = " ".join(line.strip() for line in lines)
    assert "rsync_espelho is paused since 02:00 by operador.b; this run starts all the same" in told
    drained = StateView(drain=Drain("operador.c", "", local("03:00")))
    lines, _, _ = screen(drained, made=made)
    assert "prod is draining since 03:00 by operador.c; this run starts all" in " ".join(lines)
    over = replace(pause, until=local("03:00"))
    lines, _, _ = screen(StateView(pauses={"rsync_espelho": over}), made=made)
    assert not any("paused" in line for line in lines)


def test_a_bad_end_names_the_log_and_a_recovery_what_it_repeats() -> None:
    view = replace(night(), memories={})
    view = replace(
        view,
        memories={
            name: JobMemory(
                name, schedule.fingerprint(j.schedule.cron or "", ZONE), NOW, None, False
            )
            for name, j in JOBS.items()
        },
    )
    events = (
        {"event": "started", "job": "adiciona_nists", "run": 8841, "slot": iso(local("02:40"))},
        {
            "event": "finished",
            "job": "adiciona_nists",
            "run": 8841,
            "outcome": "failed",
            "seconds": 2,
        },
    )
    lines, _, made = screen(view, events=events)
    assert [entry.run for entry in made.starting] == [8838]
    assert "adiciona_nists  slot 02:40 once more, after r8838 was lost; run r8841" in lines
    assert lines[-2:] == ["  FAILED in 2s", "  look: mitrarr logs adiciona_nists --run r8841"]


def many() -> tuple[StateView, Plan]:
    """Five slots of a job that catches all up, after 50 minutes."""
    job = replace(
        JOBS["adiciona_nists"],
        schedule=Schedule("*/10 * * * *", ZONE, catch_up=CatchUp.ALL, max=5),
    )
    mark = schedule.fingerprint("*/10 * * * *", ZONE)
    memory = JobMemory(job.name, mark, local("02:31"), None, False)
    view = StateView(memories={job.name: memory})
    return view, plan(replace(MANIFEST, jobs={job.name: job}), view, NOW)


def started(run: int, clock: str) -> Mapping[str, Any]:
    event = {"event": "started", "job": "adiciona_nists", "run": run}
    return {**event, "slot": iso(local(clock))}


def finished(run: int, outcome: str = "ok") -> Mapping[str, Any]:
    event = {"event": "finished", "job": "adiciona_nists", "run": run}
    return {**event, "outcome": outcome, "seconds": 1}


def test_each_run_of_a_job_is_told_with_its_own_slot() -> None:
    view, made = many()
    hours = [entry.slot.astimezone(ZoneInfo(ZONE)) for entry in made.starting if entry.slot]
    assert [f"{hour:%H:%M}" for hour in hours] == ["02:40", "02:50", "03:00", "03:10", "03:20"]
    events = (started(1, "02:40"), finished(1), started(2, "02:50"), finished(2))
    events += (started(3, "03:20"), finished(3))
    lines, _, _ = screen(view, made=made, events=events)
    assert [line for line in lines if ", run r" in line] == [
        "adiciona_nists  slot 02:40 (40m07s late), run r1",
        "adiciona_nists  slot 02:50 (30m07s late), run r2",
        "adiciona_nists  slot 03:20, run r3",
    ]


def test_a_slot_that_joined_later_is_told_as_what_it_is() -> None:
    """`overlap: queue`: the run that ends takes on a slot that this plan does not have."""
    view, made = many()
    events = (started(1, "03:20"), finished(1), started(2, "03:30"), finished(2))
    lines, _, _ = screen(view, made=made, events=events)
    assert "adiciona_nists  slot 03:30, run r2" in lines


def test_a_job_keeps_the_screen_from_run_to_run() -> None:
    """What another job says meanwhile is held back; its second run is not torn apart by it."""
    other = {"event": "started", "job": "rsync_espelho", "run": 9, "slot": None}
    last = {"event": "finished", "job": "rsync_espelho", "run": 9, "outcome": "ok", "seconds": 1}
    view, made = many()
    events = (other, started(1, "02:40"), finished(1), started(2, "02:50"), last)
    events += (step("adiciona_nists", 1, "clean", text("done")), finished(2))
    lines, _, _ = screen(view, made=made, events=events)
    told = [line.strip() for line in lines if "run r" in line or line.startswith("  ")]
    assert told[-6:] == [
        "OK in 1s",
        "adiciona_nists  slot 02:40 (40m07s late), run r1",
        "OK in 1s",
        "adiciona_nists  slot 02:50 (30m07s late), run r2",
        "1/3 clean             done",
        "OK in 1s",
    ]


def test_jobs_are_counted_as_jobs_and_runs_as_runs() -> None:
    _, made = many()
    ended = tuple(Ended(entry, n, Outcome.OK, 1) for n, entry in enumerate(made.starting, 1))
    applied = Applied(made, ended, (), (), None, 3)
    lines = ended_text(applied, {}, replace(after(), quarantined=(), parked=()), SAY, 80)
    assert lines[1] == "SUMMARY  1 job, 5 runs: 5 OK.  3s"
    one = replace(applied, ended=ended[:1])
    lines = ended_text(one, {}, replace(after(), quarantined=(), parked=()), SAY, 80)
    assert lines[1] == "SUMMARY  1 job, 1 OK.  3s"
    left = replace(applied, ended=(), left=made.starting)
    lines = ended_text(left, {}, replace(after(), quarantined=(), parked=()), SAY, 80)
    assert lines[1:3] == [
        "SUMMARY  1 job, 5 runs: 5 not started.  3s",
        "1 job found no free place and is left to the next apply",
    ]


def test_the_summary_closes() -> None:
    """Every run that was to start, and every one that a need kept from it, is in the parts."""
    _, shown, made = screen(night())
    one, other = made.starting[:2]
    third = replace(one, job="third")
    ended = (Ended(one, 1, Outcome.FAILED, 1), Ended(other, None, None))
    applied = Applied(made, ended, (), (third,), None, 3)
    lines = ended_text(applied, shown.counts, replace(after(), quarantined=(), parked=()), SAY, 80)
    assert lines[1] == "SUMMARY  3 jobs, 1 FAILED, 1 left to another apply, 1 not started.  3s"
    assert "1 job found no free place and is left to the next apply" in lines


def first_apply(*jobs: Job, view: StateView | None = None) -> str:
    """What the first apply says of its jobs."""
    view = view or StateView()
    found = Manifest("prod", None, Path("/x"), "41be09d00000", jobs={job.name: job for job in jobs})
    lines: list[str] = []
    Screen(
        found, "configs/prod", SAY, lines.append, None, Before(None, NOW - timedelta(days=9))
    ).planned(plan(found, view, NOW), view)
    (told,) = [line for line in lines if " new job" in line]
    return told


def every(name: str, cron: str | None = "*/10 * * * *", **more: Any) -> Job:
    return Job(name, Schedule(cron, ZONE, **more), (Step("clean", {}),))


def test_the_first_apply_names_its_jobs_up_to_six() -> None:
    hours = ", ".join(f"{name} (from 03:30)" for name in "abcdef")
    told = first_apply(*map(every, "abcdef"))
    assert told == f"6 new jobs: {hours}. Their past slots are not run."
    hours = hours.removesuffix(", f (from 03:30)")
    told = first_apply(*map(every, "abcdefgh"))
    assert told == f"8 new jobs: {hours} and 3 more. Their past slots are not run."


def test_the_first_apply_says_when_its_jobs_start() -> None:
    wait = schedule.jitter("late", 3600)
    due = local("03:30") + timedelta(seconds=wait)
    hour = SAY.hour(due, ZoneInfo(ZONE), NOW)
    jobs = (
        every("daily", "0 2 * * *"),
        every("now", first=First.NOW),
        every("hand", None),
        every("late", "30 * * * *", jitter=3600),
        every("held"),
    )
    held = {"held": Pause(Paused.JOB, "held", "x", "", NOW, None)}
    assert first_apply(*jobs, view=StateView(pauses=held)) == (
        f"5 new jobs: daily (from Mon 02:00), now (at once), hand (runs only when asked),"
        f" late (from {hour}), held (paused). Their past slots are not run."
    )
    assert first_apply(every("a")) == "1 new job: a (from 03:30). Its past slots are not run."


@pytest.mark.parametrize("width", [80, None])
def test_what_became_of_slots_lines_up_however_many_they_are(width: int | None) -> None:
    jobs = {"a": every("a"), "b": every("b", "0 3 * * *")}
    memories = {
        name: JobMemory(
            name, schedule.fingerprint(job.schedule.cron or "", ZONE), local("00:05"), None, False
        )
        for name, job in jobs.items()
    }
    found = replace(MANIFEST, jobs=jobs)
    view = StateView(memories=memories)
    before = Before(local("00:05"), NOW - timedelta(days=9))
    told = gap.told(found, plan(found, view, NOW), view, before, ZoneInfo(ZONE), SAY, width)
    assert told[1:] == [
        "  a  00:10 00:20 00:30 ... 03:10  missed, and not repeated (catch_up: latest)",
        "  b  03:00                        caught up now",
    ]
