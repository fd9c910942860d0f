"""The early way out: taken when nothing can be due, and never otherwise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mitrarr_runner import wake
from mitrarr_runner.clock import from_epoch
from mitrarr_runner.engine import wakeup
from mitrarr_runner.engine.wakeup import Moment
from mitrarr_runner.site import find_root
from mitrarr_runner.store import drains, jobs, pauses, requests, runs, slots
from mitrarr_runner.store.pauses import Pause, Paused
from mitrarr_runner.store.runs import Cause, Outcome, ProcessId
from mitrarr_runner.store.slots import SlotState

Job = Callable[..., dict[str, Any]]
SHY = "0 0 1 1 *"

ASKED = """
import sys
import mitrarr_runner.wake as wake
quick = wake._nothing_due(sys.argv[1:])
ours = [name for name in sys.modules if name.startswith("mitrarr_runner.")]
heavy = {"typer", "jinja2", "sqlite3", "re", "datetime"} & set(sys.modules)
print(quick, sorted(ours), sorted(heavy))
"""


def quick(site: Any, *words: str, cwd: Path | None = None, **env: str) -> str:
    """What the early way out answers, and what it had to load for that."""
    done = subprocess.run(
        [sys.executable, "-c", ASKED, *(words or ("apply",))],
        cwd=cwd or site.root,
        env=site.environment(**env),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture
def asleep(site: Any, job: Job) -> Any:
    site.write(jobs={"a": job("true", schedule=SHY)})
    assert site.run("apply").code == 0
    return site


def test_nothing_due_leaves_at_once_and_loads_nothing_of_ours(asleep: Any) -> None:
    answer = quick(asleep)
    assert answer.startswith("True ['mitrarr_runner.wake']")
    assert "typer" not in answer
    assert "sqlite3" not in answer
    assert "datetime" not in answer


def test_it_still_beats(asleep: Any) -> None:
    beat = asleep.root / "state" / "heartbeat" / "prod"
    os.utime(beat, (1, 1))
    assert quick(asleep).startswith("True")
    assert time.time() - beat.stat().st_mtime < 60


def test_it_does_not_beat_for_another_user(asleep: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may enter every state; whose it is decides, as in footing.check."""
    beat = asleep.root / "state" / "heartbeat" / "prod"
    os.utime(beat, (1, 1))
    monkeypatch.setattr(os, "geteuid", lambda: beat.stat().st_uid + 1)
    assert not wake._nothing_due(["apply", str(asleep.manifest_path)])
    assert beat.stat().st_mtime == 1
    monkeypatch.undo()
    assert wake._nothing_due(["apply", str(asleep.manifest_path)])


def test_the_tutorials_name_is_quick_too(asleep: Any) -> None:
    config = str(asleep.manifest_path)
    assert quick(asleep, "run-schedule", "--config", config).startswith("True")


@pytest.mark.parametrize("words", [("apply", "--job", "a"), ("plan",), ("apply", "x", "y"), ()])
def test_anything_but_a_plain_apply_goes_the_full_way(asleep: Any, words: tuple[str, ...]) -> None:
    assert not wake._nothing_due(list(words))


def test_an_edited_manifest_goes_the_full_way(asleep: Any) -> None:
    text = asleep.manifest_path.read_text()
    asleep.manifest_path.write_text(text + " ")
    assert quick(asleep).startswith("False")


def test_a_replaced_manifest_of_the_same_size_and_time_goes_the_full_way(asleep: Any) -> None:
    path = asleep.manifest_path
    before = path.stat()
    other = path.with_suffix(".new")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.rename(path)
    assert quick(asleep).startswith("False")


def test_a_new_file_in_the_manifests_folder_goes_the_full_way(site: Any, job: Job) -> None:
    folder = site.root / "configs" / "prod"
    site.write(jobs={"a": job("true", schedule=SHY)}, settings={"root": "../.."})
    folder.mkdir()
    site.manifest_path.rename(folder / "one.json")
    assert site.run("apply", env={"MITRARR_CONFIG": str(folder)}).code == 0
    assert quick(site, MITRARR_CONFIG=str(folder)).startswith("True")
    (folder / "two.json").write_text("{}")
    assert quick(site, MITRARR_CONFIG=str(folder)).startswith("False")


def test_the_instant_itself_and_a_clock_that_went_back_go_the_full_way(asleep: Any) -> None:
    path = asleep.root / "state" / "wake" / "prod.json"
    good = json.loads(path.read_text())
    for change in ({"at": time.time() - 1}, {"written": time.time() + 3600}):
        path.write_text(json.dumps({**good, **change}))
        assert quick(asleep).startswith("False")
    path.write_text(json.dumps(good))
    assert quick(asleep).startswith("True")


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"manifest": 1}'])
def test_a_damaged_wake_file_goes_the_full_way(asleep: Any, damage: str) -> None:
    (asleep.root / "state" / "wake" / "prod.json").write_text(damage)
    assert asleep.run("apply").code == 0


@pytest.mark.parametrize("words", [("pause", "a"), ("resume", "a")])
def test_what_an_operator_does_wakes_it(asleep: Any, words: tuple[str, ...]) -> None:
    if words[0] == "resume":
        assert asleep.run("pause", "a").code == 0
        assert asleep.run("apply").code == 0
    assert quick(asleep).startswith("True")
    assert asleep.run(*words).code == 0
    assert quick(asleep).startswith("False")


def test_a_root_from_settings_is_found_from_any_folder(asleep: Any, tmp_path: Path) -> None:
    assert quick(asleep, cwd=tmp_path).startswith("True")


def test_another_site_around_the_caller_is_not_mistaken(
    site: Any, job: Job, tmp_path: Path
) -> None:
    """Without settings.root the marker above the working folder wins: another place, another
    store, and the answer left in the first one says nothing about it."""
    data = {"version": 1, "name": "prod", "settings": {"timezone": "America/Sao_Paulo"}}
    site.manifest_path.parent.mkdir(parents=True)
    site.manifest_path.write_text(json.dumps({**data, "jobs": {"a": job("true", schedule=SHY)}}))
    assert site.run("apply").code == 0
    assert quick(site).startswith("True")
    other = tmp_path / "other"
    other.mkdir()
    (other / ".mitrarr-site").touch()
    assert quick(site, cwd=other).startswith("False")


def test_roots_are_looked_for_in_find_roots_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """wake repeats site.find_root without imports; here the two are held together."""
    manifest = tmp_path / "git" / "configs" / "prod"
    manifest.mkdir(parents=True)
    cwd = tmp_path / "home"
    cwd.mkdir()
    monkeypatch.chdir(cwd)
    marks = [cwd / ".mitrarr-site", tmp_path / "git" / ".mitrarr-site"]
    for bits in range(8):
        for number, mark in enumerate(marks):
            mark.unlink(missing_ok=True)
            if bits & (1 << number):
                mark.touch()
        environment = {"MITRARR_ROOT": str(tmp_path / "env")} if bits & 4 else {}
        monkeypatch.delenv("MITRARR_ROOT", raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        expected = find_root(None, manifest, environment, cwd).root
        assert wake._roots(str(manifest))[0] == str(expected), bits


# -- every source


@pytest.fixture
def moment(site: Any, job: Job) -> Moment:
    """A manifest with one job that the store knows, at an instant at which nothing is due."""
    site.write(jobs={"a": job("true", schedule=SHY)})
    site.due(minutes=0)
    return Moment(site.store(), site.manifest, datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC))


NOBODY = ProcessId(1, "1", "boot", "host")


def _started(moment: Moment, outcome: Outcome | None = None) -> None:
    with moment.db.transaction():
        run = runs.start(
            moment.db,
            "prod",
            "a",
            slot=None,
            cause=Cause.HAND,
            missed=0,
            process=NOBODY,
            fingerprint="f",
            actor="",
            now=moment.now,
        )
        if outcome:
            runs.finish(moment.db, run, outcome, code="", reason="", seconds=1, now=moment.now)


def _queued(moment: Moment) -> None:
    with moment.db.transaction():
        slots.put(
            moment.db, "prod", "a", moment.now, SlotState.QUEUED, code="queued", now=moment.now
        )


def _asked(moment: Moment) -> None:
    with moment.db.transaction():
        requests.add(moment.db, "prod", "a", requests.Asked.RUN, actor="x", now=moment.now)


def _forgotten(moment: Moment) -> None:
    with moment.db.transaction():
        moment.db.execute("DELETE FROM jobs")


def _drained(moment: Moment) -> None:
    with moment.db.transaction():
        drains.put(moment.db, "prod", drains.Drain("x", "", moment.now))


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        (wakeup.new_jobs, _forgotten),
        (wakeup.queued_slots, _queued),
        (wakeup.asked, _asked),
        (wakeup.unfinished_runs, _started),
        (wakeup.lost_runs, lambda moment: _started(moment, Outcome.LOST)),
        (wakeup.draining, _drained),
    ],
)
def test_a_source_that_needs_attention_says_now(
    moment: Moment, source: Callable[[Moment], Any], cause: Callable[[Moment], None]
) -> None:
    assert source(moment) is None
    cause(moment)
    assert source(moment) == moment.now
    assert wakeup.next_look(moment) == moment.now


def test_the_next_slot_and_the_end_of_a_pause_are_instants(moment: Moment) -> None:
    assert wakeup.due_slots(moment) == datetime(2027, 1, 1, 3, 0, tzinfo=UTC)
    assert wakeup.pause_ends(moment) is None
    end = moment.now + timedelta(minutes=7)
    pause = Pause(Paused.JOB, "a", "x", "", moment.now, end)
    with moment.db.transaction():
        pauses.put(moment.db, "prod", pause)
    assert wakeup.pause_ends(moment) == end.replace(microsecond=0)
    assert wakeup.next_look(moment) == end.replace(microsecond=0)


def test_a_full_look_happens_at_least_once_an_hour(moment: Moment) -> None:
    assert wakeup.next_look(moment) == moment.now + wakeup.LONGEST


def test_an_owed_first_run_says_now(moment: Moment) -> None:
    memory = jobs.remembered(moment.db, "prod")["a"]
    with moment.db.transaction():
        moment.db.execute("UPDATE jobs SET run_now = 1")
    assert memory.floor <= from_epoch(int(time.time()) + 1)
    assert wakeup.new_jobs(moment) == moment.now


def test_every_source_has_a_test_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    elsewhere = {"notices"}  # tests/alerts holds next_due to its contract
    missing = [s.__name__ for s in wakeup.SOURCES if f"wakeup.{s.__name__}" not in text]
    assert set(missing) <= elsewhere
