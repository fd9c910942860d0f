"""A saved plan is done exactly, or refused with what has moved; it can always be shown."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mitrarr_runner import processes
from mitrarr_runner.cli import door
from mitrarr_runner.clock import SystemClock
from mitrarr_runner.store import jobs, pauses, runs, slots
from mitrarr_runner.store.pauses import Pause, Paused
from mitrarr_runner.store.runs import Cause, Outcome, ProcessId


@dataclass(frozen=True)
class Told:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def call(
    site: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Told]:
    """A verb inside this process, in the site's folder: a new interpreter costs half a second."""
    for name in list(os.environ):
        if name.startswith(("MITRARR_", "LC_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("MITRARR_CONFIG", str(site.manifest_path))
    monkeypatch.chdir(site.root)

    def run(*words: str) -> Told:
        code = door.run(["mitrarr", *words])
        printed = capsys.readouterr()
        return Told(code, printed.out, printed.err)

    return run


@pytest.fixture
def scene(site: Any) -> Any:
    """Two jobs with due slots, each of which leaves a line in a file of its own."""
    write = {name: f"echo {name} >> {site.root}/{name}.ran" for name in ("one", "two")}
    site.write(
        jobs={
            name: {"schedule": "* * * * *", "steps": [{"command": {"argv": ["sh", "-c", line]}}]}
            for name, line in write.items()
        }
    )
    site.due("one", "two")
    return site


def ran(site: Any, name: str) -> int:
    path = site.root / f"{name}.ran"
    return len(path.read_text().splitlines()) if path.exists() else 0


def rows(site: Any) -> dict[str, list[tuple[str, str]]]:
    """(slot, state) of every row, by job."""
    found = {}
    with site.store() as db:
        for name in site.manifest.jobs:
            all_rows = slots.of_job(db, "prod", name, 1000)
            found[name] = [(row.slot.isoformat(), row.state.value) for row in all_rows]
    return found


def test_exactly_its_runs(scene: Any) -> None:
    planned = scene.run("plan", "--out", "p.json", "--detailed-exitcode", "--format", "json")
    assert planned.code == 10, planned.err
    assert stat.S_IMODE((scene.root / "p.json").stat().st_mode) == 0o600
    wanted = {r["job"]: r["slot"] for r in planned.json["runs"] if r["action"] == "run"}
    done = scene.run("apply", "p.json", "--format", "json")
    assert done.code == 0, done.err
    assert {run["job"]: run["slot"] for run in done.json["runs"]} == wanted
    assert (ran(scene, "one"), ran(scene, "two")) == (1, 1)
    states = [state for _, state in rows(scene)["one"]]
    assert (states.count("claimed"), set(states)) == (1, {"claimed", "missed"})


def as_of(site: Any, at: str) -> None:
    """The saved plan p.json as if it had been made then: nothing else in it is different."""
    content = json.loads((site.root / "p.json").read_text())
    content["at"] = at
    (site.root / "p.json").write_text(json.dumps(content))


def test_its_hours_are_those_of_the_apply(site: Any, job: Any, lately: Any) -> None:
    """Not those of the plan: between the two there may be days."""
    site.write(jobs={"one": {**job("true"), "schedule": lately(20)}})
    site.due("one", minutes=30)
    site.run("plan", "--out", "p.json")
    as_of(site, "2026-01-05T12:00:00Z")
    now = datetime.now(ZoneInfo("America/Sao_Paulo"))
    done = site.run("apply", "p.json", "--verbose")
    assert done.code == 0, done.err
    assert f"{now:%Y-%m-%d %H}" in done.out.splitlines()[0]
    assert re.search(r"\(2\dm\d\ds late\)", done.out), done.out


def test_its_json_has_the_instant_of_the_apply(scene: Any) -> None:
    scene.run("plan", "--out", "p.json")
    as_of(scene, "2026-01-05T12:00:00Z")
    done = scene.run("apply", "p.json", "--format", "json")
    at = datetime.fromisoformat(done.json["at"])
    assert abs(SystemClock().now() - at) < timedelta(minutes=2)


def test_not_twice(scene: Any, call: Callable[..., Told]) -> None:
    call("plan", "--out", "p.json")
    assert call("apply", "p.json").code == 0
    again = call("apply", "p.json")
    assert again.code == 2
    assert "one: slot " in again.err
    assert "two: slot " in again.err
    assert "dealt with" in again.err
    assert "mitrarr plan p.json" in again.err
    assert (ran(scene, "one"), ran(scene, "two")) == (1, 1)


def test_hours_are_those_of_the_manifests_zone(scene: Any, call: Callable[..., Told]) -> None:
    """With the offset, as `why JOB SLOT` takes them."""
    call("plan", "--out", "p.json")
    data = json.loads((scene.root / "p.json").read_text())
    assert call("apply", "p.json").code == 0
    zone = ZoneInfo(scene.manifest.settings.timezone)
    at = datetime.fromisoformat(data["at"]).astimezone(zone)
    slot = next(one["slot"] for one in data["runs"] if one["action"] == "run")
    local = datetime.fromtimestamp(slot, zone).strftime("%Y-%m-%dT%H:%M-03:00")
    told = call("apply", "p.json").err
    assert f"slot {local} has been dealt with" in told
    assert f"the plan of {at.isoformat()} is stale" in told
    assert not re.search(r"\d\dZ", told)
    assert call("why", "one", local).code == 0


def test_other_jobs_are_left_alone(scene: Any, call: Callable[..., Told]) -> None:
    """Neither run nor written as missed: what was not reviewed is the next apply's."""
    with scene.store() as db, db.transaction():
        at = datetime.now(UTC)
        pauses.put(db, "prod", Pause(Paused.JOB, "two", "operador.b", "", at, None))
    planned = call("plan", "--out", "p.json", "--format", "json").json["runs"]
    assert {(run["job"], run["action"]) for run in planned} >= {("one", "run"), ("two", "paused")}
    with scene.store() as db, db.transaction():
        pauses.remove(db, "prod", Paused.JOB, "two")
    assert call("apply", "p.json").code == 0
    assert (ran(scene, "one"), ran(scene, "two")) == (1, 0)
    assert rows(scene)["two"] == []


def test_a_changed_manifest_is_named_by_its_keys(scene: Any, call: Callable[..., Told]) -> None:
    call("plan", "--out", "p.json")
    data = json.loads(scene.manifest_path.read_text())
    data["jobs"]["one"]["timeout"] = "5m"
    data["volumes"] = {"x": {"per": "day", "minimum": 1}}
    scene.manifest_path.write_text(json.dumps(data))
    refused = call("apply", "p.json")
    assert refused.code == 2
    assert "jobs.one.timeout, volumes.x" in refused.err
    assert (ran(scene, "one"), ran(scene, "two")) == (0, 0)


def test_other_words_for_the_same_manifest_are_no_change(
    scene: Any, call: Callable[..., Told]
) -> None:
    call("plan", "--out", "p.json")
    data = json.loads(scene.manifest_path.read_text())
    scene.manifest_path.write_text(json.dumps(dict(reversed(data.items())), indent=4))
    assert call("apply", "p.json").code == 0


def test_a_broken_manifest_is_refused(scene: Any, call: Callable[..., Told]) -> None:
    call("plan", "--out", "p.json")
    scene.manifest_path.write_text("{")
    refused = call("apply", "p.json")
    assert (refused.code, "mitrarr validate" in refused.err) == (2, True)


def test_a_paused_job_is_named(scene: Any, call: Callable[..., Told]) -> None:
    call("plan", "--out", "p.json")
    call("pause", "one", "--by", "operador.b")
    refused = call("apply", "p.json")
    assert refused.code == 2
    assert "one: paused by operador.b" in refused.err
    assert "two:" not in refused.err
    assert ran(scene, "two") == 0, "it is done whole or not at all"


def test_a_running_job_is_named(scene: Any, call: Callable[..., Told]) -> None:
    call("plan", "--out", "p.json")
    pid = os.getpid()
    mine = ProcessId(pid, processes.started(pid), SystemClock().boot_id(), socket.gethostname())
    with scene.store() as db, db.transaction():
        number = runs.start(
            db,
            "prod",
            "one",
            slot=None,
            cause=Cause.HAND,
            missed=0,
            process=mine,
            fingerprint="f",
            actor="",
            now=datetime.now(UTC),
        )
    refused = call("apply", "p.json")
    assert (refused.code, f"one: r{number} is still running" in refused.err) == (2, True)
    with scene.store() as db, db.transaction():
        at = datetime.now(UTC)
        runs.finish(db, number, Outcome.OK, code="", reason="", seconds=1, now=at)
    assert call("apply", "p.json").code == 0


def test_a_job_that_starts_anew_is_named(scene: Any, call: Callable[..., Told]) -> None:
    call("plan", "--out", "p.json")
    with scene.store() as db, db.transaction():
        jobs.raise_floor(db, "prod", "one", datetime.now(UTC))
    refused = call("apply", "p.json")
    assert (refused.code, "one: slot " in refused.err) == (2, True)


def test_what_is_not_due_yet_is_refused(scene: Any, call: Callable[..., Told]) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:00+00:00")
    call("plan", "--at", later, "--out", "p.json")
    refused = call("apply", "p.json")
    assert (refused.code, "not due before" in refused.err) == (2, True)
    assert not re.search(r"\d\dZ", refused.err)


def test_what_was_asked_for_is_done_once(site: Any, call: Callable[..., Told]) -> None:
    from mitrarr_runner.store import requests
    from mitrarr_runner.store.requests import Asked

    site.write(jobs={"one": {"steps": [{"command": {"argv": ["true"]}}]}})
    with site.store() as db, db.transaction():
        now = datetime.now(UTC)
        requests.add(db, "prod", "one", Asked.RUN, actor="operador.a", now=now)
    assert call("plan", "--out", "p.json", "--detailed-exitcode").code == 10
    assert call("apply", "p.json").code == 0
    again = call("apply", "p.json")
    assert (again.code, "asked for has been done" in again.err) == (2, True)
    assert len(site.history()) == 1


def test_the_first_run_of_a_new_job(site: Any, call: Callable[..., Told]) -> None:
    schedule = {"cron": "0 0 29 2 *", "first": "now"}
    site.write(jobs={"one": {"schedule": schedule, "steps": [{"command": {"argv": ["true"]}}]}})
    assert call("plan", "--out", "p.json", "--detailed-exitcode").code == 10
    assert call("apply", "p.json").code == 0
    assert [run.outcome for run in site.history()] == [Outcome.OK]
    assert call("apply", "p.json").code == 2
    assert call("apply").code == 0
    assert len(site.history()) == 1


def test_needs_are_kept(site: Any, call: Callable[..., Told]) -> None:
    order = f"echo $MITRARR_JOB >> {site.root}/order"
    steps = [{"command": {"argv": ["sh", "-c", order]}}]
    site.write(
        jobs={
            "b": {"schedule": "* * * * *", "needs": ["a"], "steps": steps},
            "a": {"schedule": "* * * * *", "steps": steps},
        }
    )
    site.due("a", "b")
    call("plan", "--out", "p.json")
    assert call("apply", "p.json").code == 0
    assert [run.job for run in site.history()] == ["a", "b"]


def test_a_plan_with_nothing_to_do(site: Any, call: Callable[..., Told]) -> None:
    site.write(jobs={"one": {"schedule": "* * * * *", "steps": [{"clean": {}}]}})
    assert call("plan", "--out", "p.json", "--detailed-exitcode").code == 0
    assert call("apply", "p.json").code == 0
    assert site.history() == []


def test_a_saved_plan_is_shown_as_it_was_also_when_stale(
    scene: Any, call: Callable[..., Told]
) -> None:
    first = call("plan", "--out", "p.json")
    data = call("plan", "p.json", "--format", "json").json
    good = call("plan", "p.json", "--detailed-exitcode")
    advice = "To do exactly this later: --out FILE, then apply FILE\n"
    assert advice in first.out
    assert (good.code, good.out) == (10, first.out.replace(advice, "")), "it has been kept"
    assert "still good" in good.err
    assert call("apply", "p.json").code == 0
    stale = call("plan", "p.json")
    assert (stale.code, stale.out) == (0, good.out)
    assert "stale" in stale.err
    assert call("plan", "p.json", "--format", "json").json == data
    assert call("plan", "p.json", "--format", "md").out.startswith("## Plan")
    translated = call("plan", "p.json", "--lang", "pt_BR")
    assert translated.out != good.out
    assert "--out" not in translated.out


def test_it_finds_its_manifest_from_any_folder(
    scene: Any, call: Callable[..., Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("plan", "--out", str(tmp_path / "p.json"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("MITRARR_CONFIG", "/nowhere")
    monkeypatch.chdir(tmp_path / "elsewhere")
    done = call("apply", str(tmp_path / "p.json"))
    assert done.code == 0, done.err
    assert ran(scene, "one") == 1


@pytest.mark.parametrize(
    "words", [("apply", "p.json", "--job", "one"), ("plan", "p.json", "--at", "2026-11-23T09:00")]
)
def test_it_is_done_and_shown_whole(
    scene: Any, call: Callable[..., Told], words: tuple[str, ...]
) -> None:
    call("plan", "--out", "p.json")
    assert call(*words).code == 2


def test_out_writes_over_plans_only(scene: Any, call: Callable[..., Told]) -> None:
    (scene.root / "notes.txt").write_text("mine")
    refused = call("plan", "--out", "notes.txt")
    assert (refused.code, "notes.txt" in refused.err) == (2, True)
    assert (scene.root / "notes.txt").read_text() == "mine"
    assert call("plan", "--out", "no/such/folder/p.json").code == 2
    assert call("plan", "--out", "p.json").code == 0
    assert call("plan", "--out", "p.json").code == 0


def changed(data: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**data, **more}


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: changed(data, version=2),
        lambda data: changed(data, runs=[{**data["runs"][0], "job": "three"}]),
        lambda data: changed(data, runs=[]),
        lambda data: changed(data, manifest={**data["manifest"], "content": {}}),
        lambda data: {key: data[key] for key in ("kind", "version")},
    ],
)
def test_a_damaged_file_is_refused(
    scene: Any, call: Callable[..., Told], damage: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    call("plan", "--out", "p.json")
    data = json.loads((scene.root / "p.json").read_text())
    (scene.root / "p.json").write_text(json.dumps(damage(data)))
    for verb in ("apply", "plan"):
        refused = call(verb, "p.json")
        assert refused.code == 2, (verb, refused)
        assert "p.json" in refused.err
    assert ran(scene, "one") == 0


def test_no_secret_is_in_the_file(site: Any, call: Callable[..., Told]) -> None:
    (site.root / "password").write_text("geheim")
    site.write(
        jobs={"one": {"schedule": "* * * * *", "steps": [{"clean": {}}]}},
        destinations={
            "findface": {
                "kind": "findface_multi",
                "url": "https://findface.example.gov.br",
                "login": {"username": "m", "password": {"file": str(site.root / "password")}},
                "watch_lists": ["x"],
            }
        },
    )
    call("plan", "--out", "p.json")
    assert "geheim" not in (site.root / "p.json").read_text()
