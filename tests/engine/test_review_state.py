"""What is exported for a review is what a plan needs: both make the same plan."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mitrarr_runner import processes
from mitrarr_runner.clock import FixedClock, SystemClock, epoch
from mitrarr_runner.engine import review_state
from mitrarr_runner.engine.state import gather
from mitrarr_runner.errors import UsageError
from mitrarr_runner.plan import StateView, plan
from mitrarr_runner.store import drains, pauses, readings, requests, runs, slots
from mitrarr_runner.store.drains import Drain
from mitrarr_runner.store.pauses import Pause, Paused
from mitrarr_runner.store.requests import Asked
from mitrarr_runner.store.runs import Cause, Outcome, ProcessId
from mitrarr_runner.store.slots import SlotState

NOW = datetime.now(UTC).replace(microsecond=0)
CLOCK = FixedClock(NOW, boot=SystemClock().boot_id())


def a_process(alive: bool) -> ProcessId:
    import os

    pid = os.getpid()
    began = processes.started(pid) if alive else "long ago"
    return ProcessId(pid, began, SystemClock().boot_id(), socket.gethostname())


def a_run(db: Any, job: str, outcome: Outcome | None, *, alive: bool = True) -> int:
    number = runs.start(
        db,
        "prod",
        job,
        slot=NOW - timedelta(minutes=2),
        cause=Cause.SCHEDULE,
        missed=0,
        process=a_process(alive),
        fingerprint="f",
        actor="operador.d",
        now=NOW - timedelta(minutes=2),
    )
    if outcome is not None:
        runs.finish(
            db, number, outcome, code="exit_1", reason="said somebody", seconds=1.5, now=NOW
        )
    return number


@pytest.fixture
def scene(site: Any) -> Any:
    """One job in each state a plan can depend on."""
    steps = [{"clean": {}}]
    names = ("due", "failed", "needs", "running", "queued", "lost", "paused", "asked")
    more = {"needs": {"needs": ["failed"]}, "queued": {"overlap": "queue"}}
    site.write(
        jobs={
            name: {"schedule": "* * * * *", "steps": steps, **more.get(name, {})} for name in names
        },
        volumes={"label": {"per": "run", "minimum": 3}},
    )
    site.due()
    with site.store() as db, db.transaction():
        # NOW is the minute in which the tests were collected, not that of this test.
        db.execute("UPDATE jobs SET floor = :floor", floor=epoch(NOW) - 180)
        a_run(db, "failed", Outcome.FAILED)
        for name in ("running", "queued"):
            a_run(db, name, None)
        a_run(db, "lost", None, alive=False)
        minute = NOW.replace(second=0)
        slots.put(db, "prod", "queued", minute, SlotState.QUEUED, code="queued", now=NOW)
        slots.put(
            db, "prod", "due", minute, SlotState.SKIPPED, code="overlap", now=NOW, reason="said X"
        )
        pauses.put(db, "prod", Pause(Paused.JOB, "paused", "operador.b", "why", NOW, None))
        requests.add(db, "prod", "asked", Asked.RUN, actor="operador.c", now=NOW)
        readings.add_reading(db, "prod", "label", 1, NOW - timedelta(hours=1), 5)
        readings.add_reading(db, "prod", "label", 2, NOW - timedelta(days=200), 5)
    return site


def exported(site: Any) -> dict[str, Any]:
    with site.store() as db:
        content = {"version": 1}
        return review_state.exported(db, site.manifest, content, site.site, CLOCK)


def back(tmp_path: Path, data: object) -> review_state.ReviewState:
    path = tmp_path / "state.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return review_state.read(path)


def real_view(site: Any) -> StateView:
    with site.store() as db:
        return gather(db, site.manifest, site.site, SystemClock(), NOW)


def test_the_same_plan_here_and_there(scene: Any, tmp_path: Path) -> None:
    found = back(tmp_path, exported(scene))
    view = real_view(scene)
    assert set(view.lost) == {"lost"}
    here, there = (plan(scene.manifest, one, NOW) for one in (view, found.view))
    shape = [(e.job, e.slot, e.due_at, e.action, e.code, e.after, e.run) for e in here.entries]
    assert shape == [
        (e.job, e.slot, e.due_at, e.action, e.code, e.after, e.run) for e in there.entries
    ]
    actions = {entry.action.value for entry in here.entries}
    assert actions >= {"run", "wait", "skip", "missed", "paused"}
    assert here.memories == there.memories == ()


def test_nobody_is_named(scene: Any) -> None:
    content = json.dumps(exported(scene))
    for word in ("operador", "why", "said", "somebody"):
        assert word not in content, word


def test_draining_goes_with_it(scene: Any, tmp_path: Path) -> None:
    assert not back(tmp_path, exported(scene)).view.draining(NOW)
    with scene.store() as db, db.transaction():
        drains.put(db, "prod", Drain("operador.e", "why", NOW, NOW + timedelta(hours=1)))
    data = exported(scene)
    at, until = (f"{one:%Y-%m-%dT%H:%M:%SZ}" for one in (NOW, NOW + timedelta(hours=1)))
    assert data["drain"] == {"at": at, "until": until}
    found = back(tmp_path, data)
    assert found.view.draining(NOW)
    assert not found.view.draining(NOW + timedelta(hours=1))
    assert plan(scene.manifest, found.view, NOW).starting == ()


def test_readings_of_half_a_year(scene: Any, tmp_path: Path) -> None:
    found = back(tmp_path, exported(scene))
    assert [one.value for one in found.readings("label")] == [5]
    assert found.readings("unknown") == ()


def test_about_the_state(scene: Any, tmp_path: Path) -> None:
    found = back(tmp_path, exported(scene))
    assert (found.name, found.at, found.host) == ("prod", NOW, socket.gethostname())
    assert found.fingerprint == scene.manifest.fingerprint
    assert found.manifest(tmp_path) is None, "its content is not one"


@pytest.mark.parametrize(
    "damage",
    [
        {"kind": "saved_plan"},
        {"version": 2},
        {"jobs": [{"job": "a"}]},
        {"at": "2026-11-23T09:00:00"},
        {"volumes": {"label": [["never", 1]]}},
        {"slots": [{"job": "a", "slot": "2026-11-23T09:00:00Z", "state": "odd"}]},
        {"runs": []},
        {"manifest": None},
    ],
)
def test_a_damaged_export_is_refused(scene: Any, tmp_path: Path, damage: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as refused:
        back(tmp_path, {**exported(scene), **damage})
    assert refused.value.code == "review_state"


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        review_state.read(tmp_path / "none.json")
