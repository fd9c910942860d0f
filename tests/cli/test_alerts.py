"""alerts list, alerts ack: an incident somebody takes over stops reminding."""

from __future__ import annotations

import json
import shlex
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

Job = Callable[..., dict[str, Any]]
Call = Callable[..., Any]


@pytest.fixture
def failed(site: Any, job: Job) -> None:
    """A job that fails, and the incident A1 of it."""
    site.write(jobs={"a": job("false")})
    site.due()
    assert site.run("apply").code == 1


@pytest.mark.usefixtures("failed")
def test_status_names_the_verb_and_the_verb_works(site: Any, mitrarr: Call) -> None:
    assert 'take over: mitrarr alerts ack A1 --reason "..."' in mitrarr("status").out
    listed = mitrarr("alerts", "list")
    assert (listed.code, listed.err) == (0, "")
    assert listed.out.startswith("A1     CRITICAL  open  since ")
    assert "a failed (" in listed.out
    told = mitrarr("alerts", "ack", "A1", "--reason", "ticket 71", "--by", "operador.b")
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith("A1 is taken over by operador.b\n")
    after = mitrarr("status").out
    assert "alerts ack" not in after
    assert 'taken over by operador.b: "ticket 71"' in after
    assert "A1     CRITICAL  acknowledged  since " in mitrarr("alerts", "list").out
    (one,) = mitrarr("alerts", "list", "--format", "json").json["incidents"]
    assert (one["handle"], one["rule"], one["state"]) == ("A1", "job_failed", "firing")
    assert one["acknowledged_by"] == "operador.b"
    assert one["acknowledged_reason"] == "ticket 71"
    assert "acknowledged" in (site.root / "logs" / "alerts.log").read_text(encoding="utf-8")
    with sqlite3.connect(site.root / "state" / "mitrarr.db") as store:
        rows = store.execute("SELECT actor, subject FROM audit WHERE action = 'ack'").fetchall()
    assert rows == [("operador.b", "A1")]


@pytest.mark.usefixtures("failed")
@pytest.mark.parametrize("handle", ["A99", "x", "A", "'; --"])
def test_an_unknown_handle_is_exit_2_and_changes_nothing(mitrarr: Call, handle: str) -> None:
    told = mitrarr("alerts", "ack", handle, "--reason", "x")
    assert told.code == 2
    assert "no open incident has the handle" in told.err
    assert "mitrarr alerts ack A1" in mitrarr("status").out


@pytest.mark.usefixtures("failed")
def test_a_handle_in_small_letters_is_the_same_one(mitrarr: Call) -> None:
    assert mitrarr("alerts", "ack", "a1", "--reason", "x").code == 0


@pytest.mark.usefixtures("failed")
def test_a_reason_is_wanted(mitrarr: Call) -> None:
    assert mitrarr("alerts", "ack", "A1").code == 2
    assert mitrarr("alerts", "ack", "A1", "--reason", "  ").code == 2


@pytest.mark.usefixtures("failed")
def test_it_works_while_the_manifest_is_broken(site: Any, mitrarr: Call) -> None:
    site.manifest_path.write_text("{", encoding="utf-8")
    assert "A1 " in mitrarr("alerts", "list").out
    assert mitrarr("alerts", "ack", "A1", "--reason", "x").code == 0


def test_nothing_open(site: Any, mitrarr: Call, job: Job) -> None:
    site.write(jobs={"a": job("true")})
    assert mitrarr("alerts", "list").out == "no incident is open\n"
    assert mitrarr("alerts", "list", "--format", "json").json["incidents"] == []
    assert not (site.root / "state").exists(), "looking must not make anything"


# -- several manifests in one site


def second(site: Any, name: str, **settings: str) -> Any:
    """Another manifest beside the usual one, with a job that fails; applied once."""
    path = site.manifest_path.with_name(f"{name}.json")
    data = json.loads(site.manifest_path.read_text(encoding="utf-8"))
    data["settings"] |= settings
    path.write_text(json.dumps({**data, "name": name}), encoding="utf-8")
    assert site.run("apply", str(path)).code == 0
    assert site.run("run", "a", "--config", str(path)).code == 1
    return path


def test_an_incident_of_another_manifest_of_the_store_is_seen_and_taken_over(
    site: Any, mitrarr: Call, job: Job
) -> None:
    """Also once that manifest is gone: a handle is unique in a store."""
    site.write(jobs={"a": job("false")})
    path = second(site, "second")
    path.unlink()
    listed = mitrarr("alerts", "list")
    assert listed.out.splitlines()[0].endswith("  of the manifest second")
    (one,) = mitrarr("alerts", "list", "--format", "json").json["incidents"]
    assert (one["handle"], one["manifest"]) == ("A1", "second")
    assert mitrarr("alerts", "ack", "A1", "--reason", "renamed").code == 0
    assert "A1     CRITICAL  acknowledged" in mitrarr("alerts", "list").out


@pytest.mark.parametrize(
    "settings",
    [{"watches": "state/mitrarr.db"}, {}],
    ids=["a guardian", "only a store of its own"],
)
def test_what_is_suggested_for_another_store_works_as_it_is_printed(
    site: Any, mitrarr: Call, job: Job, settings: dict[str, str]
) -> None:
    site.write(jobs={"a": job("false"), "b": job("true")})
    site.due("b")
    assert site.run("apply").code == 0
    path = second(site, "other", store="state/other.db", **settings)
    told = mitrarr("status", "--config", str(path)).out
    command = f'mitrarr alerts ack A1 --config {path} --reason "..."'
    assert f"take over: {command}\n" in told
    assert mitrarr(*shlex.split(command)[1:]).code == 0
    assert 'taken over by operador.a: "..."' in mitrarr("status", "--config", str(path)).out
    assert mitrarr("drain", "--config", str(path)).code == 0
    told = mitrarr("status", "--config", str(path)).out
    command = f"mitrarr drain --off --config {path}"
    assert command in told
    assert mitrarr(*shlex.split(command)[1:]).out.startswith("other starts runs again\n")
    path.write_text("{", encoding="utf-8")
    assert site.run("apply", str(path)).code == 2
    assert f"mitrarr validate {path}\n" in mitrarr("status", "--config", str(path)).out
