"""What differs between two manifests, as somebody who reviews a change would name it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from mitrarr_runner.manifest.diff import Change, ChangeKind, changes
from mitrarr_runner.manifest.load import load
from mitrarr_runner.manifest.model import Manifest

Edit: TypeAlias = Callable[[dict[str, Any]], None]
Diff: TypeAlias = Callable[[Edit], tuple[Change, ...]]

BASE: dict[str, Any] = {
    "version": 1,
    "settings": {"timezone": "America/Sao_Paulo"},
    "contacts": {"dpo": "ramal 4100"},
    "sources": {"DETRAN": {"spool": "entrada"}},
    "destinations": {
        "findface": {
            "kind": "findface_multi",
            "url": "https://findface.example.gov.br",
            "login": {"username": "mitrarr", "password": {"env": "FINDFACE_PASSWORD"}},
            "watch_lists": ["DETRAN"],
        }
    },
    "jobs": {
        "adiciona_nists": {
            "schedule": "*/10 * * * *",
            "steps": [
                {"register_nist": {"source": "DETRAN"}},
                {"send_to_findface": {"destination": "findface"}},
            ],
        }
    },
    "volumes": {"adiciona_nists": {"per": "day", "minimum": 20}},
    "alerts": {
        "channels": {"registro": {"kind": "log"}},
        "rules": [{"when": "job_failed", "severity": "warning", "to": ["registro"]}],
    },
}


def built(folder: Path, data: dict[str, Any], name: str) -> Manifest:
    path = folder / f"{name}.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    loaded = load(str(path), environment={}, cwd=folder)
    assert loaded.manifest is not None, [str(p.message) for p in loaded.problems]
    return loaded.manifest


@pytest.fixture
def diff(tmp_path: Path) -> Diff:
    def compared(edit: Edit) -> tuple[Change, ...]:
        data = copy.deepcopy(BASE)
        edit(data)
        return changes(built(tmp_path, BASE, "old"), built(tmp_path, data, "new"))

    return compared


def short(found: tuple[Change, ...]) -> list[tuple[str, str, object, object]]:
    return [(one.kind.value, one.path, one.old, one.new) for one in found]


def test_nothing_changed(diff: Diff) -> None:
    assert diff(lambda data: None) == ()


def test_how_it_is_written_does_not_count(diff: Diff) -> None:
    def rewritten(data: dict[str, Any]) -> None:
        job = data["jobs"]["adiciona_nists"]
        job |= {"timeout": "60m", "overlap": "skip", "schedule": {"cron": job["schedule"]}}
        data["volumes"] = dict(reversed(data["volumes"].items()))

    assert diff(rewritten) == ()


def test_a_threshold_moves(diff: Diff) -> None:
    found = diff(lambda data: data["volumes"]["adiciona_nists"].update(minimum=50))
    assert short(found) == [("edited", "volumes.adiciona_nists.minimum", 20, 50)]
    assert (found[0].section, found[0].name, found[0].key) == (
        "volumes",
        "adiciona_nists",
        "minimum",
    )


def test_things_come_and_go_whole(diff: Diff) -> None:
    def other(data: dict[str, Any]) -> None:
        data["jobs"]["limpeza"] = {"schedule": "0 4 * * *", "steps": [{"clean": {}}]}
        data["volumes"] = {}

    added, removed = diff(other)
    assert (added.kind, added.path, added.old) == (ChangeKind.ADDED, "jobs.limpeza", None)
    assert isinstance(added.new, dict)
    assert added.new["schedule"]["cron"] == "0 4 * * *"
    assert (removed.kind, removed.path, removed.new) == (
        ChangeKind.REMOVED,
        "volumes.adiciona_nists",
        None,
    )
    json.dumps([added.new, removed.old])


def test_nested_keys_are_dotted_and_lengths_of_time_are_seconds(diff: Diff) -> None:
    def slower(data: dict[str, Any]) -> None:
        job = data["jobs"]["adiciona_nists"]
        job["timeout"] = "20m"
        job["schedule"] = {"cron": "*/10 * * * *", "jitter": "30s"}
        job["retry"] = {"attempts": 3}

    assert short(diff(slower)) == [
        ("edited", "jobs.adiciona_nists.schedule.jitter", 0, 30),
        ("edited", "jobs.adiciona_nists.timeout", 3600, 1200),
        ("edited", "jobs.adiciona_nists.retry.attempts", 1, 3),
    ]


def test_an_option_of_one_step(diff: Diff) -> None:
    def smaller(data: dict[str, Any]) -> None:
        data["jobs"]["adiciona_nists"]["steps"][1]["send_to_findface"]["batch_size"] = 10

    path = "jobs.adiciona_nists.steps[1].send_to_findface.batch_size"
    assert short(diff(smaller)) == [("edited", path, 50, 10)]


def test_other_steps_are_one_change(diff: Diff) -> None:
    def fewer(data: dict[str, Any]) -> None:
        data["jobs"]["adiciona_nists"]["steps"].pop()

    (found,) = diff(fewer)
    assert (found.kind, found.path) == (ChangeKind.EDITED, "jobs.adiciona_nists.steps")
    assert isinstance(found.old, list)
    assert isinstance(found.new, list)
    assert (len(found.old), len(found.new)) == (2, 1)


def test_rules_are_known_by_what_they_are_about(diff: Diff) -> None:
    def more(data: dict[str, Any]) -> None:
        first = data["alerts"]["rules"][0]
        data["alerts"]["rules"] = [
            {"when": "volume_low", "severity": "info", "to": ["registro"]},
            {**first, "severity": "critical"},
            {**first, "after": 3},
            {**first, "jobs": ["adiciona_nists"]},
        ]

    assert [(one.kind.value, one.path) for one in diff(more)] == [
        ("edited", "alerts.rules.job_failed.severity"),
        ("added", "alerts.rules.volume_low"),
        ("added", "alerts.rules.job_failed#2"),
        ("added", "alerts.rules.job_failed[adiciona_nists]"),
    ]


def test_settings_and_contacts(diff: Diff) -> None:
    def moved(data: dict[str, Any]) -> None:
        data["settings"]["max_parallel_jobs"] = 8
        data["contacts"]["dpo"] = "ramal 4200"

    assert short(diff(moved)) == [
        ("edited", "settings.max_parallel_jobs", 4, 8),
        ("edited", "contacts.dpo", "ramal 4100", "ramal 4200"),
    ]


def test_a_secret_is_shown_as_the_reference_it_is(diff: Diff) -> None:
    def elsewhere(data: dict[str, Any]) -> None:
        data["destinations"]["findface"]["login"]["password"] = {"env": "OTHER"}

    path = "destinations.findface.login.password.env"
    assert short(diff(elsewhere)) == [("edited", path, "FINDFACE_PASSWORD", "OTHER")]


def test_every_section_is_looked_at(tmp_path: Path) -> None:
    """A section that is added to the manifest must not be forgotten here."""
    manifest = built(tmp_path, BASE, "old")
    looked_at = {"settings", "api", "contacts", "sources", "destinations", "jobs", "volumes"}
    looked_at |= {"heartbeats", "alerts"}
    left_out = {"name", "path", "root", "fingerprint", "files"}
    assert {field.name for field in fields(manifest)} == looked_at | left_out
