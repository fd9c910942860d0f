"""A worker that goes on with a queued slot: a run of its own, with its own time and rules."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from mitrarr_runner.clock import SystemClock
from mitrarr_runner.engine import orphans, worker
from mitrarr_runner.engine.apply import Silent, by_hand
from mitrarr_runner.engine.orders import Caller
from mitrarr_runner.engine.tick import tick
from mitrarr_runner.manifest import compiled
from mitrarr_runner.manifest.load import load
from mitrarr_runner.steps import command
from mitrarr_runner.steps.contract import Context, StepOutcome, StepResult
from mitrarr_runner.store import drains, pauses, requests, slots
from mitrarr_runner.store.pauses import Pause, Paused
from mitrarr_runner.store.requests import Asked
from mitrarr_runner.store.runs import Cause, Outcome
from mitrarr_runner.store.slots import SlotState
from mitrarr_runner.text import text

Job = Callable[..., dict[str, Any]]
NEVER = "0 0 1 1 *"


def minute() -> datetime:
    return datetime.now(UTC).replace(second=0, microsecond=0)


def queue(context: Context) -> None:
    """Another apply, meanwhile: this minute's slot waits."""
    with context.open_store() as db, db.transaction():
        if not slots.exists(db, "prod", "a", minute()):
            slots.put(db, "prod", "a", minute(), SlotState.QUEUED, code="queued", now=minute())


def first_run(do: Callable[[Context], None]) -> Callable[[object, Context], StepResult]:
    """The first run queues a slot and does `do`; the second does nothing."""

    def run(_options: object, context: Context) -> StepResult:
        if context.run.id == 1:
            queue(context)
            do(context)
        return StepResult(StepOutcome.OK, "ok", text(""))

    return run


def by_the_schedule(site: Any) -> None:
    tick(site.manifest, site.site, SystemClock(), Silent(), root_from="settings")


def asked_for(site: Any, actor: str = "ana") -> None:
    clock = SystemClock()
    plan = by_hand(site.manifest, "a", clock.now())
    who = Caller(actor, "a trial")
    tick(
        site.manifest,
        site.site,
        clock,
        Silent(),
        root_from="settings",
        caller=who,
        only="a",
        reviewed=plan,
    )


def test_each_run_has_its_own_backstop(
    site: Any, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.write(jobs={"a": job("true", timeout="2s", overlap="queue")})
    site.due()
    monkeypatch.setattr(orphans, "BACKSTOP", 0.2)

    def run(_options: object, context: Context) -> StepResult:
        if context.run.id == 1:
            queue(context)
        time.sleep(1.5)
        return StepResult(StepOutcome.OK, "ok", text(""))

    monkeypatch.setattr(command, "run", run)
    by_the_schedule(site)
    assert [one.outcome for one in site.history()] == [Outcome.OK, Outcome.OK]


def test_what_follows_a_run_by_hand_is_the_schedules(
    site: Any, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.write(jobs={"a": job("true", schedule=NEVER, overlap="queue")})
    site.due()
    monkeypatch.setattr(command, "run", first_run(lambda context: None))
    asked_for(site)
    assert [(one.cause, one.actor, one.asked_reason) for one in site.history()] == [
        (Cause.HAND, "ana", "a trial"),
        (Cause.SCHEDULE, "", ""),
    ]
    with site.store() as db:
        assert len(db.rows("SELECT * FROM audit WHERE action = 'run'")) == 1


@pytest.mark.parametrize("kind", ["pause", "drain"])
def test_it_waits_for_the_end_of_a_pause_and_a_drain(
    site: Any, job: Job, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def quiet(context: Context) -> None:
        now = context.clock.now()
        with context.open_store() as db, db.transaction():
            if kind == "pause":
                pauses.put(db, "prod", Pause(Paused.JOB, "a", "rui", "", now, None))
            else:
                drains.put(db, "prod", drains.Drain("rui", "", now, None))

    site.write(jobs={"a": job("true", schedule=NEVER, overlap="queue")})
    site.due()
    monkeypatch.setattr(command, "run", first_run(quiet))
    asked_for(site)
    assert len(site.history()) == 1
    with site.store() as db:
        assert [row.state for row in slots.of_job(db, "prod", "a", 5)] == [SlotState.QUEUED]


def test_a_newer_manifest_decides_on_it(
    site: Any, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job may be another one by now, or gone: the next apply plans the slot."""
    site.write(jobs={"a": job("true", overlap="queue")})
    assert site.run("apply").code == 0  # kept as the last good one
    site.due()
    old = site.manifest

    def edited(_context: Context) -> None:
        site.write(jobs={"a": job("false", overlap="queue")})
        loaded = load(str(site.manifest_path), environment={}, cwd=site.root)
        compiled.adopt(loaded, SystemClock().now())

    monkeypatch.setattr(command, "run", first_run(edited))
    tick(old, site.site, SystemClock(), Silent(), root_from="settings")
    assert len(site.history()) == 1


@pytest.mark.parametrize("how", ["stop", "interrupt"])
def test_a_run_that_was_ended_is_not_followed(
    site: Any, job: Job, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Whoever wanted the end wanted no next one: the next apply has it."""

    def ended(context: Context) -> None:
        if how == "stop":
            with context.open_store() as db, db.transaction():
                requests.add(
                    db, "prod", "a", Asked.STOP, actor="rui", reason="", now=context.clock.now()
                )
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)

    site.write(jobs={"a": job("true", schedule=NEVER, overlap="queue")})
    site.due()
    monkeypatch.setattr(command, "run", first_run(ended))
    asked_for(site)
    assert [one.outcome for one in site.history()] == [Outcome.STOPPED]


def test_a_stop_that_came_too_late_ends_no_later_run(
    site: Any, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its run was killed before it could heed it."""
    site.write(jobs={"a": job("true", schedule=NEVER)})
    site.due()
    with site.store() as db, db.transaction():
        requests.add(db, "prod", "a", Asked.STOP, actor="ana", reason="x", now=minute())
    asked_for(site, "bob")
    with site.store() as db:
        assert requests.waiting(db, "prod", Asked.STOP) == []
    assert [one.outcome for one in site.history()] == [Outcome.OK]


def test_a_signal_after_the_last_step_ends_the_chain(
    site: Any, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too late for the run that is over, and not for the one that would follow."""
    site.write(jobs={"a": job("true", schedule=NEVER, overlap="queue")})
    site.due()
    monkeypatch.setattr(command, "run", first_run(lambda context: None))
    plain = worker._record

    def record(*words: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return plain(*words)

    monkeypatch.setattr(worker, "_record", record)
    asked_for(site)
    assert [one.outcome for one in site.history()] == [Outcome.OK]


def test_a_queued_slot_is_blocked_by_a_need_that_failed(site: Any, job: Job) -> None:
    site.write(
        jobs={
            "b": job("false", schedule=NEVER),
            "a": job("true", schedule=NEVER, overlap="queue", needs=["b"]),
        }
    )
    site.due()
    assert site.run("run", "b").code == 1
    with site.store() as db, db.transaction():
        slots.put(db, "prod", "a", minute(), SlotState.QUEUED, code="queued", now=minute())
    assert site.run("apply").code == 1
    with site.store() as db:
        found = [(row.state, row.code) for row in slots.of_job(db, "prod", "a", 5)]
    assert found == [(SlotState.BLOCKED, "need:b")]
    assert site.run("apply").code == 0
