"""doctor from outside: its lines, its JSON, its exit code, and a destination in all weathers."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mitrarr_runner.findface.simulator.process import SimulatorProcess

LEVELS = {"ok", "warning", "problem"}


@pytest.fixture(autouse=True)
def no_crontab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's crontab is nobody's business here."""
    folder = tmp_path / "programs"
    folder.mkdir()
    fake = folder / "crontab"
    fake.write_text("#!/bin/sh\necho 'no crontab for x' >&2\nexit 1\n", encoding="utf-8")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)


def by_code(told: Any) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for one in told.json["checks"]:
        assert set(one) == {"code", "level", "subject", "message", "hint"}
        assert one["level"] in LEVELS
        assert one["level"] == "ok" or one["hint"]
        found[one["code"]] = one
    return found


def test_a_fit_host_exits_0_with_warnings(mitrarr: Any, site: Any, job: Callable[..., Any]) -> None:
    site.write(jobs={"a": job("true")})
    told = mitrarr("doctor")
    assert (told.code, told.err) == (0, ""), told
    lines = told.out.splitlines()
    assert lines[0].startswith("OK        python: 3.")
    assert any(line.startswith("WARNING   cron of prod: nothing calls apply") for line in lines)
    assert f"          -> mitrarr cron install --config {site.manifest_path}" in lines
    assert lines[-1].startswith("0 problems, ")


def test_a_problem_exits_1(mitrarr: Any, site: Any, job: Callable[..., Any]) -> None:
    site.write(jobs={"a": job("true")}, sources={"DETRAN": {"spool": "gone"}})
    told = mitrarr("doctor")
    assert told.code == 1
    assert "PROBLEM   spool: " in told.out
    found = by_code(mitrarr("doctor", "--format", "json"))
    assert found["spool_missing"]["level"] == "problem"


def test_a_broken_manifest_is_examined_too(mitrarr: Any, site: Any) -> None:
    site.write(jobs={"a": {}})
    told = mitrarr("doctor", "--format", "json")
    assert told.code == 1
    assert by_code(told)["manifest_broken"]["level"] == "problem"
    assert "python" in by_code(told)


def test_a_damaged_store_is_examined_too(mitrarr: Any, site: Any, job: Callable[..., Any]) -> None:
    site.write(jobs={"a": job("true")})
    with site.store() as db:
        path = db.path
    path.write_bytes(b"this is no database" * 300)
    told = mitrarr("doctor", "--format", "json")
    assert told.code == 1
    assert any(code.startswith("store_") for code in by_code(told))


def test_without_any_manifest(mitrarr: Any, site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MITRARR_CONFIG")
    told = mitrarr("doctor", "--format", "json")
    assert by_code(told)["no_manifest"]["level"] == "warning"
    assert told.code == 0


def test_portuguese(mitrarr: Any, site: Any) -> None:
    site.write(jobs={})
    told = mitrarr("--lang", "pt", "doctor")
    assert told.code == 0
    assert told.err == ""


# Destinations


@pytest.fixture
def delivering(
    site: Any, simulator: SimulatorProcess, findface: Callable[..., dict[str, Any]]
) -> Any:
    site.write(sources={"DETRAN": {}}, destinations={"findface": findface(simulator.url)}, jobs={})
    return site


def test_a_destination_in_fair_weather(
    mitrarr: Any, delivering: Any, simulator: SimulatorProcess
) -> None:
    told = mitrarr("doctor", "findface", "--format", "json")
    assert told.code == 0, told
    found = by_code(told)
    assert set(found) == {
        *("secret", "login", "rights", "watch_lists", "clock_offset", "found_again")
    }
    assert {one["level"] for one in found.values()} == {"ok"}
    assert "nobody was sent yet" in found["found_again"]["message"]
    assert not (delivering.root / "state" / "site.key").exists()  # it makes nothing


def test_people_that_were_sent_are_found_again_and_missed(
    mitrarr: Any, delivering: Any, nist: Callable[..., Path]
) -> None:
    for number in range(2):
        path = nist(f"{number}.nst", tcn=f"T{number}")
        words = ("register-nist", "--source", "DETRAN", "--id", f"T{number}", "--file", str(path))
        assert mitrarr(*words).code == 0
    assert mitrarr("send-to-findface", "--batch-size", "9").code == 0
    found = by_code(mitrarr("doctor", "findface", "--format", "json"))
    assert found["found_again"]["message"] == "of the last 2 people sent, 2 are found by our token"
    tokens = _other_tokens(delivering, "1")
    told = mitrarr("doctor", "findface", "--format", "json")
    assert (told.code, by_code(told)["found_again"]["level"]) == (0, "warning")
    assert tokens == 1
    _other_tokens(delivering, "0")
    told = mitrarr("doctor", "findface", "--format", "json")
    assert (told.code, by_code(told)["found_again"]["level"]) == (1, "problem")


def _other_tokens(site: Any, person: str) -> int:
    """As if the server had lost that person: no card there carries this token."""
    with sqlite3.connect(site.root / "state" / "mitrarr.db") as db:
        changed = db.execute(
            "UPDATE deliveries SET token = ? WHERE registry IN"
            " (SELECT id FROM registry WHERE person = ?)",
            (f"[m:{'B' * 19}{person.translate({48: 65, 49: 67})}]", f"T{person}"),
        ).rowcount
    db.close()
    return changed


def test_what_the_server_refuses(
    mitrarr: Any,
    site: Any,
    simulator: SimulatorProcess,
    findface: Callable[..., dict[str, Any]],
) -> None:
    """A wrong password, a list that is not there, a port where nobody is."""
    good = findface(simulator.url)
    site.write(destinations={"findface": {**good, "watch_lists": ["ABIN"]}})
    told = mitrarr("doctor", "findface", "--format", "json")
    assert told.code == 1
    assert by_code(told)["watch_lists"]["level"] == "problem"
    assert "DETRAN" in by_code(told)["watch_lists"]["hint"]
    (site.root / "password").write_text("wrong")
    told = mitrarr("doctor", "findface", "--format", "json")
    assert told.code == 1
    assert by_code(told)["destination_login"]["level"] == "problem"
    assert "wrong" not in by_code(told)["destination_login"]["message"]
    site.write(destinations={"findface": findface("http://127.0.0.1:1")})
    told = mitrarr("doctor", "findface", "--format", "json")
    assert told.code == 1
    assert [c for c in by_code(told) if c.startswith("destination_")] == ["destination_connection"]
    site.write(destinations={"findface": findface("https://127.0.0.1:1")})
    told = mitrarr("doctor", "findface", "--format", "json")
    assert "no_connection" in by_code(told)


def test_a_password_that_cannot_be_had(
    mitrarr: Any, delivering: Any, simulator: SimulatorProcess
) -> None:
    (delivering.root / "password").unlink()
    told = mitrarr("doctor", "findface", "--format", "json")
    assert told.code == 1
    assert by_code(told)["secret_missing"]["level"] == "problem"
    assert "login" not in by_code(told)


def test_a_clock_far_off(mitrarr: Any, delivering: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from mitrarr_runner.findface.multi import FindFaceMulti

    real = FindFaceMulti.probe

    def an_hour_off(self: FindFaceMulti) -> Any:
        import dataclasses

        return dataclasses.replace(real(self), clock_offset=3600.0, permissions=("a.view_x",))

    monkeypatch.setattr(FindFaceMulti, "probe", an_hour_off)
    told = mitrarr("doctor", "findface", "--format", "json")
    assert told.code == 0
    assert by_code(told)["clock_offset"]["level"] == "warning"
    assert by_code(told)["rights"]["level"] == "warning"


def test_plain_http_to_another_machine(
    mitrarr: Any, site: Any, findface: Callable[..., dict[str, Any]]
) -> None:
    site.write(destinations={"findface": findface("http://findface.invalid")})
    found = by_code(mitrarr("doctor", "findface", "--format", "json"))
    assert found["plain_http"]["level"] == "warning"


def test_an_unknown_destination(mitrarr: Any, delivering: Any) -> None:
    told = mitrarr("doctor", "findfac")
    assert told.code == 2
    assert 'did you mean "findface"?' in told.err
