"""registry, deliveries, register-nist, send-to-findface, clean: real files, a real server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mitrarr_runner.images import draw_wall
from mitrarr_runner.store import audit, registry, runs
from mitrarr_runner.store.runs import Cause, Outcome, ProcessId

Call = Callable[..., Any]
Nist = Callable[..., Path]
Block = Callable[..., dict[str, Any]]

SEND = {"send_to_findface": {"destination": "findface"}}


def register(mitrarr: Call, person: str, path: Path, source: str = "DETRAN") -> Any:
    return mitrarr("register-nist", "--id", person, "--source", source, "--file", str(path))


def actions(site: Any) -> list[tuple[str, str, str]]:
    with site.store() as db:
        assert audit.broken_at(db) is None
        rows = db.rows("SELECT actor, action, subject FROM audit ORDER BY id")
    return [tuple(row) for row in rows]


@pytest.fixture
def detran(site: Any) -> Any:
    site.write(sources={"DETRAN": {}, "DETRAN_MG": {"transactions": ["NONE"]}})
    return site


@pytest.fixture
def served(site: Any, simulator: Any, findface: Block) -> Any:
    """A site whose destination is the simulator."""
    site.write(
        sources={"DETRAN": {}},
        destinations={"findface": findface(simulator.url)},
        jobs={"envia": {"schedule": "0 3 * * *", "steps": [SEND]}},
    )
    return site


# -- register-nist


def test_a_file_by_hand(served: Any, mitrarr: Call, nist: Nist) -> None:
    path = nist("a.nst")
    told = register(mitrarr, "2025001", path)
    assert told.code == 0, told.err
    assert told.out.startswith("R1 DETRAN: registered\n")
    assert "envia sends it to findface at" in told.out
    assert path.exists(), "the file is kept"
    again = register(mitrarr, "2025001", path)
    assert again.code == 0
    assert "R1 DETRAN: the same file is registered already" in again.out
    revision = register(mitrarr, "2025001", nist("b.nst", tcn="T2"))
    assert "a new revision of a known person" in revision.out
    assert actions(served)[0] == ("operador.a", "register_nist", "R1")
    assert "2025001" not in told.out + again.out + revision.out


def test_json_of_a_file_by_hand(detran: Any, mitrarr: Call, nist: Nist) -> None:
    words = ("register-nist", "--source", "DETRAN", "--format", "json", "--id", "1", "--file")
    told = mitrarr(*words, str(nist("a.nst"))).json
    del told["version"]
    assert told == {
        "handle": "R1",
        "state": "registered",
        "outcome": "registered",
        "code": "",
        "findings": [],
    }
    bad = mitrarr(*words, str(nist("b.nst", cut=20)))
    assert bad.code == 1
    assert (bad.json["handle"], bad.json["state"]) == ("Q1", "quarantined")
    assert bad.json["code"] == bad.json["findings"][0]["code"] == "nist_truncated"
    faceless = mitrarr(*words, str(nist("c.nst", face=None)))
    assert (faceless.code, faceless.json["state"]) == (0, "no_face")


def test_a_damaged_file_goes_to_quarantine(detran: Any, mitrarr: Call, nist: Nist) -> None:
    path = nist("a.nst", cut=20)
    told = register(mitrarr, "1", path)
    assert told.code == 1
    assert "Q1 DETRAN: in quarantine" in told.out
    assert "nist_truncated" in told.out
    assert "look: mitrarr registry show Q1" in told.out
    again = register(mitrarr, "1", path)
    assert again.code == 1
    assert "refused before" in again.out


def test_the_id_from_standard_input(detran: Any, mitrarr: Call, nist: Nist) -> None:
    words = ("register-nist", "--source", "DETRAN", "--id", "-", "--file")
    told = mitrarr(*words, str(nist("a.nst")), stdin=b"pessoa 7\r\n")
    assert told.code == 0, told.err
    shown = mitrarr("registry", "show", "R1", "--id", "--format", "json").json
    assert shown["id"] == "pessoa 7"
    assert mitrarr(*words, str(nist("b.nst")), stdin=b"").code == 2
    assert mitrarr(*words, "-", stdin=b"1\n").code == 2


def test_the_file_from_standard_input(detran: Any, mitrarr: Call, nist: Nist) -> None:
    data = nist("a.nst").read_bytes()
    words = ("register-nist", "--source", "DETRAN", "--id", "1", "--file", "-")
    assert mitrarr(*words, stdin=data).code == 0


def test_what_cannot_be_registered(detran: Any, mitrarr: Call, nist: Nist) -> None:
    path = nist("a.nst")
    wrong = register(mitrarr, "1", path, source="DETRAM")
    assert wrong.code == 2
    assert 'did you mean "DETRAN"?' in wrong.err
    for person in ("", "   ", "x" * 129, "a\nb"):
        told = register(mitrarr, person, path)
        assert told.code == 2
        assert "--id" in told.err
        assert told.out == ""
    for bad in (detran.root / "gone.nst", detran.root):
        told = register(mitrarr, "1", bad)
        assert told.code == 2
        assert "  -> " in told.err
        assert str(bad) not in told.err, "a file's name may be somebody's number"
    assert mitrarr("register-nist", "--id", "1").code == 2


def test_without_a_manifest_any_source_is_taken(
    mitrarr: Call, nist: Nist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MITRARR_CONFIG")
    told = register(mitrarr, "1", nist("a.nst"))
    assert (told.code, told.out) == (0, "R1 DETRAN: registered\n")


def test_a_source_of_another_manifest_of_the_site(
    detran: Any, mitrarr: Call, nist: Nist, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = detran.root / "configs" / "guardian.json"
    other.write_text(
        json.dumps({
            "version": 1, "name": "guardian",
            "settings": {"timezone": "America/Sao_Paulo", "root": ".."},
        })
    )  # fmt: skip
    assert detran.run("apply", str(other)).code == 0
    assert detran.run("apply").code == 0
    monkeypatch.delenv("MITRARR_CONFIG")
    assert register(mitrarr, "1", nist("a.nst")).code == 0


# -- registry


def test_registry_lists_and_shows(detran: Any, mitrarr: Call, nist: Nist) -> None:
    assert mitrarr("registry", "list").out == "no file was registered yet\n"
    assert mitrarr("registry", "list", "--format", "json").json["records"] == []
    register(mitrarr, "secret-1", nist("a.nst"))
    register(mitrarr, "secret-2", nist("b.nst", tcn="2", face=None))
    register(mitrarr, "secret-3", nist("c.nst", tcn="3", cut=9))
    lines = mitrarr("registry", "list").out.splitlines()
    assert lines[0].split() == ["HANDLE", "STATE", "SOURCE", "SIZE", "WHEN", "WHY"]
    assert [line.split()[0] for line in lines[1:4]] == ["Q1", "R2", "R1"]
    assert lines[-1] == "3 shown; in all:  registered 1   no face 1   quarantined 1"
    only = mitrarr("registry", "list", "--state", "no_face", "--format", "json").json
    assert [record["handle"] for record in only["records"]] == ["R2"]
    assert only["counts"] == {
        "registered": 1, "no_face": 1, "quarantined": 1, "superseded": 0,
    }  # fmt: skip
    assert len(mitrarr("registry", "list", "--limit", "2").out.splitlines()) == 5
    assert mitrarr("registry", "list", "--source", "DETRAN_MG").code == 0
    shown = mitrarr("registry", "show", "q1").out
    assert "file truncated" in shown
    assert "byte " in shown
    assert "mitrarr registry requeue Q1" in shown
    everything = "\n".join(
        mitrarr(*words).out
        for words in (
            ("registry", "list"),
            ("registry", "list", "--format", "json"),
            ("registry", "show", "Q1"),
            ("registry", "show", "R1", "--format", "json"),
        )
    )
    assert "secret" not in everything
    assert "NAME OF" not in everything


def test_showing_an_id_leaves_a_line_in_the_audit(detran: Any, mitrarr: Call, nist: Nist) -> None:
    register(mitrarr, "secret-1", nist("a.nst"))
    told = mitrarr("registry", "show", "R1", "--id", "--by", "operador.b")
    assert "secret-1" in told.out
    assert actions(detran)[-1] == ("operador.b", "registry_show_id", "R1")


@pytest.mark.parametrize(
    "words",
    [
        ("registry", "show", "Q9"),
        ("registry", "show", "nonsense"),
        ("registry", "requeue", "Q9"),
        ("registry", "list", "--state", "quarantine"),
        ("registry", "list", "--source", "DETRAM"),
        ("registry", "list", "--limit", "0"),
        ("registry", "list", "--format", "csv"),
        ("deliveries", "show", "D1"),
        ("deliveries", "show", "12345678901"),
        ("deliveries", "retry", "D1"),
        ("deliveries", "retry"),
        ("deliveries", "retry", "D1", "--all"),
        ("deliveries", "park", "D1", "--reason", "x"),
        ("deliveries", "park", "D1"),
        ("deliveries", "list", "--state", "lost"),
        ("deliveries", "list", "--destination", "findfase"),
        ("registry", "frobnicate"),
    ],
)
@pytest.mark.parametrize("stored", [False, True])
def test_wrong_words_are_exit_2_with_advice(
    detran: Any, mitrarr: Call, nist: Nist, words: tuple[str, ...], stored: bool
) -> None:
    if stored:
        register(mitrarr, "1", nist("a.nst"))
    told = mitrarr(*words)
    assert (told.code, told.out) == (2, ""), told
    assert told.err.startswith("error: ")
    assert "\n  -> " in told.err


def test_requeue_judges_by_the_rules_of_today(detran: Any, mitrarr: Call, nist: Nist) -> None:
    refused = register(mitrarr, "1", nist("a.nst"), source="DETRAN_MG")
    assert refused.code == 1
    again = mitrarr("registry", "requeue", "Q1")
    assert again.code == 1
    assert "nist_tot_refused" in again.out
    detran.write(sources={"DETRAN_MG": {}})
    told = mitrarr("registry", "requeue", "q1", "--format", "json")
    assert (told.code, told.json["state"], told.json["handle"]) == (0, "registered", "Q1")
    assert mitrarr("registry", "requeue", "Q1").code == 2, "it is not in quarantine any more"
    assert actions(detran)[-1] == ("operador.a", "registry_requeue", "Q1")


# -- send-to-findface and deliveries


def test_the_way_of_people(served: Any, mitrarr: Call, nist: Nist, simulator: Any) -> None:
    before = simulator.report()["cards"]
    for number in range(3):
        register(mitrarr, f"p{number}", nist(f"{number}.nst", tcn=str(number)))
    wall = nist("wall.nst", tcn="9", face=draw_wall(3))
    register(mitrarr, "nobody", wall)
    told = mitrarr("send-to-findface", "--batch-size", "2")
    assert told.code == 0, told
    assert "4 in " in told.out
    assert "1 parked" in told.out
    assert "mitrarr deliveries list --state parked" in told.out
    assert simulator.report()["cards"] == before + 4
    again = mitrarr("send-to-findface", "--batch-size", "2", "--format", "json").json
    assert (again["outcome"], again["counts"]["people"]) == ("ok", 0)

    status = mitrarr("status", "--format", "json").json
    assert status["deliveries"] == {"pending": 0, "sending": 0, "sent": 3, "parked": 1}
    assert status["registry"] == {"registered": 4, "no_face": 0, "quarantined": 0}
    assert "TODAY   registered 4   sent 3" in mitrarr("status").out

    listed = mitrarr("deliveries", "list", "--state", "parked", "--format", "json").json
    (parked,) = listed["deliveries"]
    assert (parked["code"], parked["registry"]) == ("server_no_face", "R4")
    assert parked["reason"] == "FindFace found no face in the photo"
    assert listed["counts"] == {"pending": 0, "sending": 0, "sent": 3, "parked": 1}
    handle = parked["handle"]
    shown = mitrarr("deliveries", "show", handle.lower())
    assert "mitrarr registry show R4" in shown.out
    assert f"mitrarr deliveries retry {handle}" in shown.out
    parts = mitrarr("deliveries", "show", handle, "--format", "json").json["parts"]
    assert [(part["part"], part["state"]) for part in parts] == [
        ("card", "sent"),
        ("face", "parked"),
    ]
    assert f"look: mitrarr deliveries show {handle}" in mitrarr("registry", "show", "R4").out
    assert (
        "findface: parked; look: mitrarr deliveries show" in register(mitrarr, "nobody", wall).out
    )
    assert "p0" not in mitrarr("deliveries", "list").out


def test_retry_and_park(served: Any, mitrarr: Call, nist: Nist) -> None:
    for number in range(2):
        register(
            mitrarr, f"p{number}", nist(f"{number}.nst", tcn=f"{number}", face=draw_wall(number))
        )
    assert mitrarr("send-to-findface").code == 0
    told = mitrarr("deliveries", "retry", "D1", "--reason", "new extractor")
    assert told.out.startswith("1 person will be tried again")
    assert mitrarr("deliveries", "retry", "D1").out == "D1 is not parked; nothing was changed\n"
    held = mitrarr("deliveries", "park", "D1", "--reason", "court order", "--format", "json").json
    assert held == {"version": 1, "handle": "D1", "parked": True}
    assert "nothing was changed" in mitrarr("deliveries", "park", "D1", "--reason", "x").out
    assert mitrarr("deliveries", "park", "D2", "--reason", " ").code == 2
    everybody = mitrarr("deliveries", "retry", "--all", "--format", "json").json
    assert (everybody["retried"], everybody["held"]) == (["D2"], 1)
    assert "held by hand" in mitrarr("deliveries", "retry", "--all").out
    assert mitrarr("deliveries", "retry", "D1", "--format", "json").json["retried"] == ["D1"]
    assert [row[1:] for row in actions(served)][-4:] == [
        ("delivery_retry", "D1"),
        ("delivery_park", "D1"),
        ("delivery_retry", "D2"),
        ("delivery_retry", "D1"),
    ]


def test_a_destination_that_does_not_answer(
    site: Any, mitrarr: Call, nist: Nist, findface: Block
) -> None:
    site.write(sources={"DETRAN": {}}, destinations={"findface": findface("http://127.0.0.1:1")})
    register(mitrarr, "1", nist("a.nst"))
    told = mitrarr("send-to-findface", "--batch-size", "50")
    assert told.code == 1
    assert "1 person waits, nothing is lost" in told.out
    assert "  -> " in told.out
    found = mitrarr("send-to-findface", "--format", "json")
    assert found.code == 1
    assert (found.json["outcome"], found.json["code"]) == ("deferred", "connection")
    screen = mitrarr("status").out
    assert "findface DOES NOT ANSWER" in screen
    assert screen.startswith("WARNING  1 warning")


def test_another_sender_at_work_is_no_failure(served: Any, mitrarr: Call, nist: Nist) -> None:
    from mitrarr_runner.locks import acquire

    register(mitrarr, "1", nist("a.nst"))
    held = acquire(served.site.locks / "destination-findface.lock")
    assert held is not None
    with held:
        told = mitrarr("send-to-findface")
    assert told.code == 0
    assert "another send to it is under way" in told.out


def test_a_paused_destination_is_left_alone(served: Any, mitrarr: Call, nist: Nist) -> None:
    register(mitrarr, "1", nist("a.nst"))
    assert mitrarr("pause", "--destination", "findface", "--reason", "disk").code == 0
    told = mitrarr("send-to-findface")
    assert told.code == 0
    assert "mitrarr resume --destination findface" in told.out
    assert mitrarr("status", "--format", "json").json["deliveries"]["sent"] == 0
    assert "findface by operador.a" in mitrarr("status").out


def test_which_destination(site: Any, mitrarr: Call, findface: Block) -> None:
    site.write(sources={"DETRAN": {}})
    none = mitrarr("send-to-findface")
    assert none.code == 2
    assert "destinations:" in none.err
    url = "http://127.0.0.1:1"
    site.write(destinations={"one": findface(url), "two": findface(url)})
    several = mitrarr("send-to-findface")
    assert several.code == 2
    assert "one, two" in several.err
    assert mitrarr("send-to-findface", "--destination", "two").code == 0
    wrong = mitrarr("send-to-findface", "--destination", "tow")
    assert wrong.code == 2
    assert 'did you mean "two"?' in wrong.err
    for size in ("0", "-1"):
        assert mitrarr("send-to-findface", "--batch-size", size).code == 2
    assert mitrarr("send-to-findface", "--batch-size", "many").code == 2


def test_ctrl_c_ends_after_the_batch(
    served: Any, mitrarr: Call, nist: Nist, simulator: Any
) -> None:
    for number in range(12):
        register(mitrarr, f"c{number}", nist(f"{number}.nst", tcn=f"c{number}"))
    simulator.set_faults({"slow": 1.0})
    process = subprocess.Popen(
        served.command("send-to-findface", "--batch-size", "1"),
        cwd=served.root,
        env=served.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        while served_sending(served) < 1:
            assert process.poll() is None, process.communicate()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, (out, err)
    assert "stopped after the batch" in out
    assert "Traceback" not in err


def served_sending(site: Any) -> int:
    """How many people somebody has begun to send."""
    from mitrarr_runner.store import deliveries

    with site.store() as db:
        counts = deliveries.counts(db)
    return counts[deliveries.State.SENDING] + counts[deliveries.State.SENT]


# -- clean


def lost_run(site: Any) -> int:
    now = datetime.now(UTC)
    process = ProcessId(1, "0", "another-boot", os.uname().nodename)
    with site.store() as db, db.transaction():
        return runs.start(
            db, "prod", "limpa", slot=None, cause=Cause.HAND, missed=0, process=process,
            fingerprint="f", actor="", now=now,
        )  # fmt: skip


def test_clean_removes_what_the_clean_steps_would(site: Any, mitrarr: Call) -> None:
    folder = site.root / "work" / "tmp"
    (folder / "deep").mkdir(parents=True)
    step = {"clean": {"folders": [{"path": str(folder), "older_than": "7d"}]}}
    site.write(jobs={"limpa": {"schedule": "0 3 * * *", "steps": [step]}})
    old, new = folder / "deep" / "12345678901.old", folder / "new"
    for path in (old, new):
        path.write_bytes(b"x" * 1500)
    before = (datetime.now(UTC) - timedelta(days=8)).timestamp()
    os.utime(old, (before, before))
    assert mitrarr("clean", "--dry-run").out == f"{folder}: 1 old file would be removed, 1.5 kB\n"
    assert old.exists()
    number = lost_run(site)
    dry = mitrarr("clean", "--dry-run")
    assert f"r{number} of limpa: its process is gone; would be recorded" in dry.out
    wake = site.site.wake / "prod.json"
    wake.write_text("{}", encoding="utf-8")
    told = mitrarr("clean", "--format", "json").json
    history = told.pop("history")
    assert (history["run_logs"], history["bytes"], sum(history["rows"].values())) == (0, 0, 0)
    assert told == {
        "version": 1,
        "dry_run": False,
        "files": 1,
        "bytes": 1500,
        "folders": [{"path": str(folder), "files": 1, "bytes": 1500}],
        "runs": [f"r{number}"],
    }
    assert not old.exists()
    assert new.exists()
    assert not wake.exists(), "a lost run may be due for recovery"
    (run,) = site.history("limpa")
    assert run.outcome is Outcome.LOST
    assert mitrarr("clean").out == "nothing to remove, no run is stuck\n"
    assert ("operador.a", "clean", "prod") in actions(site)


def test_clean_refuses_a_folder_that_is_a_root_of_something(site: Any, mitrarr: Call) -> None:
    step = {"clean": {"folders": [{"path": str(site.root), "older_than": "7d"}]}}
    site.write(jobs={"limpa": {"schedule": "0 3 * * *", "steps": [step]}})
    told = mitrarr("clean")
    assert told.code == 1
    assert "is not a folder to clean" in told.err


def test_clean_where_nothing_was_stored(mitrarr: Call, site: Any) -> None:
    site.write()
    assert mitrarr("clean", "--dry-run").out == "nothing to remove, no run is stuck\n"
    assert not (site.root / "state").exists()


# -- help, and the registry's own promise


@pytest.mark.parametrize(
    "verb",
    [
        "registry list",
        "registry show",
        "registry requeue",
        "deliveries list",
        "deliveries show",
        "deliveries retry",
        "deliveries park",
        "register-nist",
        "send-to-findface",
        "clean",
    ],
)
def test_help_teaches_by_example(mitrarr: Call, verb: str) -> None:
    told = mitrarr(*verb.split(), "--help")
    assert told.code == 0
    assert f"  mitrarr {verb}" in told.out
    assert max(map(len, told.out.splitlines())) <= 80


def test_ids_are_in_the_registry_table_only(served: Any, mitrarr: Call, nist: Nist) -> None:
    register(mitrarr, "PERSON-77", nist("a.nst"))
    assert mitrarr("send-to-findface").code == 0
    with served.store() as db:
        tables = db.rows("SELECT name FROM sqlite_master WHERE type = 'table'")
        for name in (row["name"] for row in tables):
            rows = [tuple(row) for row in db.rows(f"SELECT * FROM {name}")]  # noqa: S608
            assert ("PERSON-77" in str(rows)) is (name == "registry"), name
        assert registry.counts(db)[registry.State.REGISTERED] == 1
    for log in (served.root / "logs").rglob("*"):
        assert not log.is_file() or "PERSON-77" not in log.read_text(encoding="utf-8")
