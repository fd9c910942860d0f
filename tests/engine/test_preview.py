"""The next instant with work, pauses, jitter, what is not looked into, and how it is worded."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mitrarr_runner import schedule
from mitrarr_runner.engine import plan_words
from mitrarr_runner.engine.plan_json import plan_json
from mitrarr_runner.engine.plan_markdown import code, plan_markdown, prose
from mitrarr_runner.engine.plan_report import plan_text
from mitrarr_runner.engine.preview import DESCRIBED, Frame, Preview, preview
from mitrarr_runner.manifest.model import Job, Manifest, Overlap, Schedule, Step
from mitrarr_runner.plan import PlannedRun, StateView, plan
from mitrarr_runner.store.jobs import JobMemory
from mitrarr_runner.store.pauses import Pause, Paused
from mitrarr_runner.store.runs import Cause, Outcome, ProcessId, Run
from mitrarr_runner.store.slots import SlotRow, SlotState
from mitrarr_runner.text import Catalogue, text

ZONE = "America/Sao_Paulo"
NOW = datetime(2026, 11, 23, 12, 26, 31, tzinfo=UTC)
SAY = Catalogue("en")


def a_job(name: str = "a", cron: str | None = "*/10 * * * *", **more: Any) -> Job:
    timing = {k: more.pop(k) for k in list(more) if k in Schedule.__slots__}
    return Job(name, Schedule(cron, ZONE, **timing), (Step("clean", {}),), **more)


def manifest(*jobs: Job) -> Manifest:
    return Manifest("m", None, Path("/x"), "f" * 12, jobs={job.name: job for job in jobs})


def known(*jobs: Job, since: datetime = NOW - timedelta(minutes=5), **more: Any) -> StateView:
    memories = {
        job.name: JobMemory(
            job.name, schedule.fingerprint(job.schedule.cron or "", ZONE), since, None, False
        )
        for job in jobs
    }
    return StateView(memories=memories, **more)


def described(job: Job, entry: PlannedRun) -> tuple[tuple[str, Any], ...]:
    return tuple((step.kind, text("looked into")) for step in job.steps)


def previewed(view: StateView, *jobs: Job, now: datetime = NOW) -> Preview:
    return preview(manifest(*jobs), view, now, described, Frame("configs/prod", "host"))


def a_run(job: str, number: int = 9012, **more: Any) -> Run:
    run = Run(
        number, job, NOW, Cause.SCHEDULE, 0, False, None, "", "", ProcessId(1, "1", "b", "h"),
        "f", "", datetime(2026, 11, 23, 12, tzinfo=UTC), None, None, {},
    )  # fmt: skip
    return replace(run, **more)


def pause(name: str, until: datetime | None = None) -> dict[str, Pause]:
    return {name: Pause(Paused.JOB, name, "operador.b", "", NOW - timedelta(hours=1), until)}


def hours(found: Preview) -> list[tuple[str, str, str]]:
    return [
        (one.entry.job, one.entry.action.value, one.entry.slot.strftime("%H:%M"))
        for one in found.next
        if one.entry.slot is not None
    ]


def test_the_next_instant_with_all_its_jobs_and_no_other() -> None:
    jobs = (a_job("a"), a_job("b", "30 * * * *"), a_job("c", "31 * * * *"))
    found = previewed(known(*jobs), *jobs)
    assert found.now == ()
    assert hours(found) == [("a", "run", "12:30"), ("b", "run", "12:30")]
    assert found.next_at == datetime(2026, 11, 23, 12, 30, tzinfo=UTC)


def test_a_paused_job_is_no_work() -> None:
    jobs = (a_job("a", "30 * * * *"), a_job("b", "40 * * * *"))
    found = previewed(known(*jobs, pauses=pause("a")), *jobs)
    assert hours(found) == [("b", "run", "12:40")]
    assert previewed(known(jobs[0], pauses=pause("a")), jobs[0]).next_at is None


def test_a_pause_that_ends_is_work_from_then_on() -> None:
    end = datetime(2026, 11, 23, 13, 30, tzinfo=UTC)
    job = a_job("a", "*/30 * * * *")
    found = previewed(known(job, pauses=pause("a", end)), job)
    assert found.next_at == end
    assert hours(found) == [("a", "run", "13:30")]
    later = previewed(known(job, pauses=pause("a", end + timedelta(seconds=1))), job)
    assert hours(later) == [("a", "run", "14:00")]
    over = previewed(known(job, pauses=pause("a", NOW - timedelta(minutes=1))), job)
    assert (hours(over), over.pauses) == ([("a", "run", "12:30")], ())


def test_a_slot_that_waits_for_its_jitter_is_still_to_come() -> None:
    job = a_job("limpeza", "30 * * * *", jitter=300)
    wait = timedelta(seconds=schedule.jitter("limpeza", 300))
    slot = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
    found = previewed(known(job), job, now=slot + wait - timedelta(seconds=1))
    assert (found.now, found.next_at) == ((), slot + wait)
    assert found.soon[0] == ("limpeza", slot)
    after = previewed(known(job), job, now=slot + wait)
    assert [one.entry.slot for one in after.now] == [slot]
    assert after.soon[0] == ("limpeza", slot + timedelta(hours=1))


def test_a_slot_before_the_job_was_known_is_not_to_come_whatever_its_jitter() -> None:
    job = a_job("limpeza", "30 * * * *", jitter=300)
    wait = timedelta(seconds=schedule.jitter("limpeza", 300))
    slot = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
    since = slot + timedelta(seconds=1)
    assert since + timedelta(seconds=1) < slot + wait
    found = previewed(known(job, since=since), job, now=since + timedelta(seconds=1))
    assert found.next_at == slot + timedelta(hours=1) + wait


def test_after_a_clock_that_was_set_back_the_next_is_the_first_that_was_not_done() -> None:
    job = a_job("a", "*/10 * * * *")
    first = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
    done = [first + timedelta(minutes=10 * n) for n in range(7)]
    rows = {at: SlotRow("a", at, SlotState.CLAIMED, "ran", "", 1, None, at) for at in done}
    found = previewed(known(job, slots={"a": rows}), job)
    assert found.next_at == done[-1] + timedelta(minutes=10)


def test_what_comes_later_is_told_by_when_it_is_due() -> None:
    """A slot before the next instant with work may be due after it, and after other slots."""
    wait = timedelta(seconds=schedule.jitter("limpeza", 3000))
    assert timedelta(minutes=3) < wait < timedelta(minutes=20), "the name was chosen for it"
    slot = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
    jobs = (a_job("limpeza", "30 * * * *", jitter=3000), a_job("a", "31,32,50 9 * * *"))
    found = previewed(known(*jobs), *jobs, now=slot + timedelta(seconds=10))
    assert found.next_at == slot + timedelta(minutes=1)
    told = list(plan_words.later(found, ZoneInfo(ZONE), SAY))
    due = SAY.hour(slot + wait, ZoneInfo(ZONE), NOW)
    assert told[:3] == [("09:32", "a"), (due, "limpeza"), ("09:50", "a")]
    assert any(
        line.startswith(f"LATER    09:32 a   {due} limpeza") for line in plan_text(found, SAY)
    )
    assert f"| {due} | `limpeza` |" in list(plan_markdown(found, SAY))
    assert plan_json(found)["upcoming"] != []
    assert found.soon[0] == ("limpeza", slot), "the contract's list stays nominal"


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["* * * * *", "*/7 * * * *", "30 9 * * *"]),
            st.sampled_from([0, 40, 3000]),
        ),
        max_size=5,
    )
)
def test_what_comes_later_is_complete_and_in_order(lines: list[tuple[str, int]]) -> None:
    jobs = [a_job(f"j{n}", line, jitter=spread) for n, (line, spread) in enumerate(lines)]
    found = replace(previewed(known(*jobs), *jobs), next_at=None)
    waits = {job.name: schedule.jitter(job.name, job.schedule.jitter) for job in jobs}
    due = sorted((slot + timedelta(seconds=waits[name]), name) for name, slot in found.soon)
    expected = [(SAY.hour(at, ZoneInfo(ZONE), NOW), name) for at, name in due]
    assert list(plan_words.later(found, ZoneInfo(ZONE), SAY)) == expected


def test_what_falls_into_a_pause_does_not_come_later() -> None:
    jobs = (a_job("a"), a_job("b"), a_job("c"))
    ends = datetime(2026, 11, 23, 12, 45, tzinfo=UTC)
    held = {**pause("a"), **pause("b", ends)}
    found = previewed(known(*jobs, pauses=held), *jobs)
    told = list(plan_words.later(found, ZoneInfo(ZONE), SAY))
    assert told[:5] == [
        ("09:40", "c"),
        ("09:50", "b"),
        ("09:50", "c"),
        ("10:00", "b"),
        ("10:00", "c"),
    ]
    assert "a" not in {name for _, name in told}
    assert "LATER    09:40 c   09:50 b   09:50 c" in list(plan_text(found, SAY))
    assert "| 09:40 | `a` |" not in list(plan_markdown(found, SAY))
    assert len(found.soon) == 15, "the slots of the contract's JSON are slots, paused or not"


def test_nothing_comes_later_where_all_is_paused() -> None:
    found = previewed(known(a_job("a"), pauses=pause("a")), a_job("a"))
    assert "LATER" not in "\n".join(plan_text(found, SAY))
    assert "### Later" not in list(plan_markdown(found, SAY))


def test_what_is_due_at_the_next_instant_is_not_told_again() -> None:
    job = a_job("limpeza", "30 * * * *", jitter=300)
    found = previewed(known(job), job)
    told = list(plan_words.later(found, ZoneInfo(ZONE), SAY))
    assert found.next_at == datetime(2026, 11, 23, 12, 30, tzinfo=UTC) + timedelta(
        seconds=schedule.jitter("limpeza", 300)
    )
    assert len(told) == len(found.soon) - 1
    nothing = replace(found, next_at=None)
    assert len(list(plan_words.later(nothing, ZoneInfo(ZONE), SAY))) == len(found.soon)


def test_what_a_running_job_may_do_is_an_if() -> None:
    running = {"a": a_run("a")}
    for overlap, action in ((Overlap.SKIP, "skip"), (Overlap.QUEUE, "queued")):
        job = a_job("a", overlap=overlap)
        found = previewed(known(job, running=running), job)
        assert hours(found) == [("a", action, "12:30")]
        assert str(found.next[0].entry.reason) == "if r9012 (since 09:00) is still running then"


def test_a_job_that_runs_now_is_taken_to_end_well() -> None:
    """Its last run failed; the one of now decides whether the job that needs it is blocked."""
    first, second = a_job("a"), a_job("b", "*/15 * * * *", needs=("a",))
    last = {"a": a_run("a", outcome=Outcome.FAILED, finished=True)}
    at = datetime(2026, 11, 23, 12, 40, 5, tzinfo=UTC)
    view = known(first, second, since=at - timedelta(minutes=3), last=last)
    found = previewed(view, first, second, now=at)
    assert [one.entry.job for one in found.now] == ["a"]
    assert hours(found) == [("b", "run", "12:45")]
    alone = previewed(replace(view, memories={}), second, now=at)
    assert hours(alone) == [("b", "blocked", "12:45")]


def test_only_so_many_are_looked_into_and_all_are_told() -> None:
    jobs = [a_job(f"j{n}", "30 * * * *") for n in range(DESCRIBED + 10)]
    found = previewed(known(*jobs), *jobs)
    told = [str(one.steps[0][1]) for one in found.next]
    assert told[:DESCRIBED] == ["looked into"] * DESCRIBED
    assert set(told[DESCRIBED:]) == {"not looked into: more than 50 jobs start"}
    assert len(plan_json(found)["next"]["runs"]) == DESCRIBED + 10
    assert "  and 10 more" in list(plan_text(found, SAY))


def test_five_slots_a_job_by_time_then_by_name() -> None:
    jobs = (a_job("b"), a_job("a"), a_job("leap", "0 0 29 2 *"), a_job("asked", None))
    found = previewed(known(*jobs), *jobs)
    assert list(found.soon) == sorted(found.soon, key=lambda one: (one[1], one[0]))
    names = [name for name, _ in found.soon]
    assert {name: names.count(name) for name in names} == {"a": 5, "b": 5, "leap": 5}
    assert found.soon[-1][1].year == 2044


def test_nothing_is_cut_in_a_pipe_and_all_is_wrapped_on_a_terminal() -> None:
    jobs = [a_job("um_nome_de_job_bastante_comprido_" + "x" * n, "30 * * * *") for n in (1, 9)]
    held = {"a": replace(pause("a")["a"], reason="palavra " * 30)}
    found = previewed(known(*jobs, pauses=held), *jobs, a_job("a"))
    narrow = list(plan_text(found, SAY, 80))
    assert all(len(line) <= 80 for line in narrow), max(narrow, key=len)
    assert sum(line.count("palavra") for line in narrow) == 30
    assert sum(line.count("palavra") for line in plan_text(found, SAY)) == 30


@pytest.mark.parametrize("width", [80, None])
def test_reasons_line_up_however_many_slots_stand_before_them(width: int | None) -> None:
    job = a_job("a")
    found = previewed(known(job, since=NOW - timedelta(hours=2)), job)
    told = list(plan_text(found, SAY, width))
    assert any(
        line.startswith("  MISSED  a  07:30 07:40 07:50 ... 09:10  missed,") for line in told
    )
    assert any(line.startswith("  RUNS    a  09:20" + 24 * " " + "late: caught") for line in told)


def test_when_apply_was_last_called() -> None:
    job = a_job()
    frame = Frame("configs/prod", "host", applied=datetime(2026, 11, 23, 12, 26, tzinfo=UTC))
    found = preview(manifest(job), known(job), NOW, described, frame)
    assert "NOW    nothing to do (apply was last called at 09:26)" in list(plan_text(found, SAY))
    future = replace(found, applied=NOW + timedelta(hours=1))
    assert "NOW    nothing to do" in list(plan_text(future, SAY))


names = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), min_size=1, max_size=20)


@settings(max_examples=200, deadline=None)
@given(names)
def test_a_code_span_holds_whatever_is_in_it(value: str) -> None:
    span = code(value)
    if not value.strip():
        assert span == ""
        return
    fence = re.match("`+", span)
    assert fence is not None
    assert span.endswith(fence[0])
    inner = span[len(fence[0]) : -len(fence[0])]
    assert fence[0] not in re.findall("`+", inner)
    assert not re.search(r"(?<!\\)\|", inner)
    assert inner.strip().replace("\\|", "|") == " ".join(value.split())


@settings(max_examples=100, deadline=None)
@given(names)
def test_prose_has_no_mark_of_its_own(value: str) -> None:
    bare = re.sub(r"\\[\\`*_{}\[\]<>#|~@&!$]", "", prose(value))
    assert not re.search(r"[\\`*_{}\[\]<>#|~@&!$]", bare)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from(["* * * * *", "*/7 * * * *", "30 9 * * *", "0 0 * * 1"]), max_size=4),
    st.integers(0, 86400 * 3),
    st.booleans(),
)
def test_the_next_instant_is_where_an_apply_would_next_find_work(
    lines: list[str], back: int, jittered: bool
) -> None:
    """Nothing is planned between now and then, and something at then."""
    jobs = [a_job(f"j{n}", line, jitter=90 * jittered) for n, line in enumerate(lines)]
    made = manifest(*jobs)
    view = known(*jobs, since=NOW - timedelta(seconds=back))
    found = previewed(view, *jobs)
    if found.next_at is None:
        assert not jobs
        return
    waits = {job.name: schedule.jitter(job.name, job.schedule.jitter) for job in jobs}
    settled = StateView(
        memories={
            name: replace(
                view.memories[name],
                floor=max(view.memories[name].floor, NOW - timedelta(seconds=wait)),
            )
            for name, wait in waits.items()
        }
    )
    assert plan(made, settled, found.next_at - timedelta(seconds=1)).entries == ()
    at_then = plan(made, settled, found.next_at).entries
    assert [(e.job, e.slot) for e in at_then] == [(d.entry.job, d.entry.slot) for d in found.next]


@pytest.mark.parametrize("language", ["en", "pt_BR"])
def test_the_account_closes(language: str) -> None:
    """The parts of a summary add up to its slots."""
    job = a_job("a", "* * * * *", window=7200)
    found = previewed(known(job, since=NOW - timedelta(hours=5)), job)
    told = plan_words.summary(found.now, Catalogue(language))
    head, _, parts = told.partition(": ")
    numbers = [int(n) for n in re.findall(r"\d+", parts)]
    slots = [one.entry for one in found.now if one.entry.until is None]
    assert sum(numbers) == len(found.now)
    assert int(re.findall(r"\d+", head)[-1]) == len(slots) == 120


def test_both_languages_and_forms_can_be_made() -> None:
    jobs = (a_job("a"), a_job("b", "30 9 * * *", needs=("a",)))
    found = previewed(known(*jobs, pauses=pause("x")), *jobs)
    for language in ("en", "pt_BR"):
        say = Catalogue(language)
        assert len(list(plan_text(found, say))) > 5
        assert len(list(plan_markdown(found, say))) > 5
    assert found.manifest.settings.timezone == ZoneInfo(ZONE).key
