"""plan from outside: beside another manifest, upon an exported state, kept in a file, as Markdown.

The screens are golden files, in English; the scene is one morning of production.
"""

from __future__ import annotations

import json
import os
import re
import socket
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mitrarr_runner import schedule
from mitrarr_runner.engine.plan_markdown import prose
from mitrarr_runner.store import drains, jobs, pauses, readings, runs, slots
from mitrarr_runner.store.drains import Drain
from mitrarr_runner.store.jobs import JobMemory
from mitrarr_runner.store.pauses import Pause, Paused
from mitrarr_runner.store.runs import Cause, ProcessId
from mitrarr_runner.store.slots import SlotState

GOLDEN = Path(__file__).with_name("golden")
AT = "2026-11-23T09:26:31"
NOW = datetime(2026, 11, 23, 12, 26, 31, tzinfo=UTC)
ZONE = "America/Sao_Paulo"
LOW_DAYS = {
    datetime(2026, 10, 6): 44,
    datetime(2026, 10, 29): 31,
    datetime(2026, 10, 30): 12,
    datetime(2026, 11, 3): 47,
}


def production(root: Path) -> dict[str, Any]:
    """The manifest in production."""
    return {
        "sources": {"DETRAN": {"spool": str(root / "entrada")}},
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
                    {"check_volume": {"label": "adiciona_nists"}},
                ],
            },
            "limpeza": {"schedule": "30 * * * *", "steps": [{"clean": {}}]},
            "rsync_espelho": {
                "schedule": "30 9 * * *",
                "needs": ["adiciona_nists"],
                "steps": [{"command": {"argv": ["true"]}}],
            },
            "confere_findface": {
                "schedule": "*/30 * * * *",
                "steps": [{"command": {"argv": ["true"]}}],
            },
            "envia_relatorio": {
                "schedule": "30 9 * * *",
                "steps": [{"command": {"argv": ["true"]}}],
            },
        },
        "volumes": {"adiciona_nists": {"per": "day", "minimum": 20}},
    }


def proposed(root: Path) -> dict[str, Any]:
    """The same with a new source, a new job and a moved threshold."""
    data = production(root)
    data["sources"]["DETRAN_MG"] = {
        "spool": str(root / "mg"),
        "purpose": "identificação civil",
    }
    data["jobs"]["adiciona_nists_mg"] = {
        "schedule": "5-59/10 * * * *",
        "steps": [{"register_nist": {"source": "DETRAN_MG"}}],
    }
    data["volumes"]["adiciona_nists"]["minimum"] = 50
    return data


@pytest.fixture
def scene(site: Any) -> Any:
    """A site in production with its history; the proposed manifest lies in mr/configs/prod.json."""
    (site.root / "entrada").mkdir()
    (site.root / "mg").mkdir()
    site.write(**production(site.root))
    checkout = site.root.parent / "mr" / "configs" / "prod.json"
    checkout.parent.mkdir(parents=True)
    data = {"version": 1, "name": "prod", "settings": {"timezone": ZONE, "root": ".."}}
    checkout.write_text(json.dumps({**data, **proposed(site.root)}), encoding="utf-8")
    with site.store() as db, db.transaction():
        remember(db, site.manifest, NOW - timedelta(minutes=5))
        pause = Pause(
            Paused.JOB,
            "envia_relatorio",
            "operador.b",
            "SMTP em manutenção",
            NOW - timedelta(days=3, hours=16),
            None,
        )
        pauses.put(db, "prod", pause)
        take_in(db)
    return site


def take_in(db: Any) -> None:
    """Two readings a day since August, at 08:00 and 18:00; today's first one."""
    for number in range(100):
        day = datetime(2026, 8, 16) + timedelta(days=number)
        count = LOW_DAYS.get(day, 712)
        for turn, (hour, value) in enumerate(((11, count // 2), (21, count - count // 2))):
            at = day.replace(hour=hour, tzinfo=UTC)
            if at < NOW:
                run = -2 * number - turn - 1
                readings.add_reading(db, "prod", "adiciona_nists", run, at, value)


def remember(db: Any, manifest: Any, floor: datetime) -> None:
    memories = [
        JobMemory(name, schedule.fingerprint(job.schedule.cron or "", ZONE), floor, None, False)
        for name, job in manifest.jobs.items()
    ]
    jobs.remember(db, manifest.name, memories, NOW)


def running(db: Any, job: str, slot: datetime) -> int:
    """A run of this very process, which is alive; it holds the slot."""
    from mitrarr_runner import processes
    from mitrarr_runner.clock import SystemClock

    pid = os.getpid()
    process = ProcessId(pid, processes.started(pid), SystemClock().boot_id(), socket.gethostname())
    run = runs.start(
        db,
        "prod",
        job,
        slot=slot,
        cause=Cause.SCHEDULE,
        missed=0,
        process=process,
        fingerprint="f",
        actor="",
        now=slot,
    )
    slots.put(db, "prod", job, slot, SlotState.CLAIMED, code="ran", now=slot, run=run)
    return run


def shown(text: str, site: Any) -> str:
    """What differs from one machine and day to the next, by a word."""
    for here in (str(site.root.parent), prose(str(site.root.parent))):
        text = text.replace(here, "~")
    text = text.replace(socket.gethostname(), "srv-ingest01")
    return re.sub(r"\([0-9a-f]{7}\)", "(FFFFFFF)", text)


def golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


# A merge request beside production


def test_a_merge_request_beside_production(scene: Any, mitrarr: Callable[..., Any]) -> None:
    with scene.store() as db, db.transaction():
        running(db, "confere_findface", NOW.replace(minute=0, second=0))
    told = mitrarr("plan", "../mr/configs/prod.json", "--against", "configs/prod.json", "--at", AT)
    assert told.code == 0, told.err
    golden("plan_against.txt", shown(told.out, scene))


def test_the_same_as_markdown(scene: Any, mitrarr: Callable[..., Any]) -> None:
    with scene.store() as db, db.transaction():
        running(db, "confere_findface", NOW.replace(minute=0, second=0))
    words = ("--against", "configs/prod.json", "--at", AT, "--format", "md")
    told = mitrarr("plan", "../mr/configs/prod.json", *words)
    assert told.code == 0, told.err
    golden("plan_against.md", shown(told.out, scene))


def test_of_many_warnings_the_dates_are_the_newest(scene: Any, mitrarr: Callable[..., Any]) -> None:
    checkout = scene.root.parent / "mr" / "configs" / "prod.json"
    data = json.loads(checkout.read_text("utf-8"))
    data["volumes"]["adiciona_nists"]["minimum"] = 800
    checkout.write_text(json.dumps(data), encoding="utf-8")
    words = ("plan", "../mr/configs/prod.json", "--against", "configs/prod.json", "--at", AT)
    told = " ".join(mitrarr(*words).out.split())
    dates = re.search(r"warned \d\d times instead of 1; the newest 5: (.*?) \+? ?[A-Z]{3}", told)
    assert dates is not None, told
    assert len(re.findall(r"\(\d+\)", dates[1])) == 5
    assert "the newest 5:<br>" in mitrarr(*words, "--format", "md").out


def test_the_state_is_only_read(scene: Any, mitrarr: Callable[..., Any]) -> None:
    before = everything(scene)
    for words in (("--against", "configs/prod.json"), ("--at", AT), ("--format", "md")):
        assert mitrarr("plan", "../mr/configs/prod.json", *words).code == 0
    assert everything(scene) == before


def everything(scene: Any) -> dict[str, bytes]:
    """Every file of site and checkout, but for what SQLite keeps beside its own."""
    files = (path for path in scene.root.parent.rglob("*") if path.is_file())
    return {
        str(path): path.read_bytes()
        for path in files
        if not path.name.endswith(("-shm", "-wal")) and "compiled" not in path.parts
    }


def test_changes_in_json(scene: Any, mitrarr: Callable[..., Any]) -> None:
    words = ("--against", "configs/prod.json", "--at", AT, "--format", "json")
    found = mitrarr("plan", "../mr/configs/prod.json", *words).json
    changed = [(one["kind"], one["path"]) for one in found["changes"]]
    assert changed == [
        ("added", "sources.DETRAN_MG"),
        ("added", "jobs.adiciona_nists_mg"),
        ("edited", "volumes.adiciona_nists.minimum"),
    ]
    assert [set(one) for one in found["changes"]] == [{"kind", "path", "old", "new"}] * 3
    assert (found["changes"][2]["old"], found["changes"][2]["new"]) == (20, 50)


def test_a_checkout_is_planned_as_if_it_lay_in_production(
    scene: Any, mitrarr: Callable[..., Any]
) -> None:
    """Relative paths are below production's root, and are no change."""
    (scene.root / "entrada" / "um.nst").write_bytes(b"x")
    for path in (scene.manifest_path, scene.root.parent / "mr" / "configs" / "prod.json"):
        data = json.loads(path.read_text("utf-8"))
        data["sources"]["DETRAN"]["spool"] = "entrada"
        path.write_text(json.dumps(data), encoding="utf-8")
    words = ("--against", "configs/prod.json", "--at", AT)
    told = mitrarr("plan", "../mr/configs/prod.json", *words).out
    assert "source  DETRAN_MG" in told
    assert "source  DETRAN " not in told
    assert "1 register_nist" in told
    assert "there is no" not in told


def test_against_a_broken_manifest_takes_its_last_good_version(
    scene: Any, mitrarr: Callable[..., Any]
) -> None:
    assert mitrarr("apply").code in (0, 1)
    scene.manifest_path.write_text("{", encoding="utf-8")
    told = mitrarr("plan", "../mr/configs/prod.json", "--against", "configs/prod.json")
    assert told.code == 0, told.err
    assert "minimum: 20 -> 50" in told.out


def test_a_broken_proposal_is_refused(scene: Any, mitrarr: Callable[..., Any]) -> None:
    (scene.root.parent / "mr" / "configs" / "prod.json").write_text("{", encoding="utf-8")
    told = mitrarr("plan", "../mr/configs/prod.json", "--against", "configs/prod.json")
    assert told.code == 2
    assert "mitrarr validate" in told.err


# The plan of one site


def test_what_changed_since_the_last_apply(scene: Any, mitrarr: Callable[..., Any]) -> None:
    mitrarr("apply")
    data = production(scene.root)
    data["jobs"]["limpeza"]["schedule"] = "45 * * * *"
    data["jobs"]["limpeza"]["timeout"] = "20m"
    del data["jobs"]["rsync_espelho"]
    scene.write(**data)
    told = mitrarr("plan").out
    assert "~ job  limpeza  schedule.cron: 30 * * * * -> 45 * * * *\n" in told
    assert "~ job  limpeza  timeout: 1h00m -> 20m00s\n" in told
    assert "starts anew: first slot" in told
    assert "- job  rsync_espelho\n" in told


def test_a_new_job_without_a_schedule_or_that_starts_now(
    scene: Any, mitrarr: Callable[..., Any]
) -> None:
    mitrarr("apply")
    data = production(scene.root)
    steps = [{"command": {"argv": ["true"]}}]
    data["jobs"]["a_pedido"] = {"steps": steps}
    data["jobs"]["ja"] = {"schedule": {"cron": "0 4 * * *", "first": "now"}, "steps": steps}
    scene.write(**data)
    told = mitrarr("plan").out
    assert re.search(r"\+ job  a_pedido +runs only when asked\n", told)
    assert re.search(r"\+ job  ja +new; runs once at the first apply, then at ", told)


def test_something_to_do_and_nothing_to_do(scene: Any, mitrarr: Callable[..., Any]) -> None:
    with scene.store() as db, db.transaction():
        pauses.remove(db, "prod", Paused.JOB, "envia_relatorio")
    assert mitrarr("plan", "--at", AT, "--detailed-exitcode").code == 0
    later = "2026-11-23T09:30:10"
    for form in ("text", "json", "md"):
        assert mitrarr("plan", "--at", later, "--detailed-exitcode", "--format", form).code == 10
        assert mitrarr("plan", "--at", later, "--format", form).code == 0
    pausing = Pause(Paused.JOB, "adiciona_nists", "a", "", NOW, None)
    with scene.store() as db, db.transaction():
        for name in scene.manifest.jobs:
            pauses.put(db, "prod", Pause(Paused.JOB, name, "a", "", pausing.at, None))
    assert mitrarr("plan", "--at", later, "--detailed-exitcode").code == 0


def test_every_key_of_the_contract(scene: Any, mitrarr: Callable[..., Any]) -> None:
    found = mitrarr("plan", "--at", "2026-11-23T09:30:10", "--format", "json").json
    assert list(found) == ["version", "at", "manifest", "changes", "runs", "next", "upcoming"]
    assert found["at"] == "2026-11-23T12:30:10Z"
    assert found["manifest"] == scene.manifest.fingerprint
    by_job = {run["job"]: run for run in found["runs"]}
    assert {run["action"] for run in found["runs"]} == {"run", "wait", "paused"}
    for run in (*found["runs"], *found["next"]["runs"]):
        assert list(run) == [
            "job", "slot", "local", "due_at", "action", "code", "reason", "steps",
        ]  # fmt: skip
    assert by_job["limpeza"] == {
        "job": "limpeza",
        "slot": "2026-11-23T12:30:00Z",
        "local": "2026-11-23T09:30:00-03:00",
        "due_at": "2026-11-23T12:30:00Z",
        "action": "run",
        "code": "due",
        "reason": "on time",
        "steps": [{"kind": "clean", "describe": "nothing to remove"}],
    }
    assert by_job["envia_relatorio"]["steps"] == []
    assert list(found["next"]) == ["at", "local", "runs"]
    assert found["next"]["at"] == "2026-11-23T12:40:00Z"
    assert [run["job"] for run in found["next"]["runs"]] == ["adiciona_nists"]
    upcoming = [(one["slot"], one["job"]) for one in found["upcoming"]]
    assert upcoming == sorted(upcoming)
    counted = {name: sum(job == name for _, job in upcoming) for name in scene.manifest.jobs}
    assert set(counted.values()) == {5}
    assert set(found["upcoming"][0]) == {"job", "slot", "local"}


def test_jitter_is_in_due_at_and_not_in_slot(scene: Any, mitrarr: Callable[..., Any]) -> None:
    data = production(scene.root)
    wait = schedule.jitter("limpeza", 300)
    assert wait > 10, "the name was chosen so that it waits"
    data["jobs"] = {"limpeza": {"schedule": {"cron": "30 * * * *", "jitter": "5m"}}}
    data["jobs"]["limpeza"]["steps"] = [{"clean": {}}]
    scene.write(**data)
    found = mitrarr("plan", "--at", "2026-11-23T09:30:05", "--format", "json").json
    assert found["runs"] == []
    (run,) = found["next"]["runs"]
    due = datetime(2026, 11, 23, 12, 30, tzinfo=UTC) + timedelta(seconds=wait)
    assert run["slot"] == "2026-11-23T12:30:00Z"
    assert run["due_at"] == found["next"]["at"] == due.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert found["upcoming"][0]["slot"] == "2026-11-23T12:30:00Z"


def test_nothing_to_come_is_null(scene: Any, mitrarr: Callable[..., Any]) -> None:
    data = production(scene.root)
    data["jobs"] = {"a_pedido": {"steps": [{"clean": {}}]}}
    scene.write(**data)
    found = mitrarr("plan", "--format", "json").json
    assert (found["next"], found["upcoming"], found["runs"]) == (None, [], [])
    told = mitrarr("plan", "--at", AT).out
    assert "AT " not in told
    assert "LATER" not in told


def test_a_draining_site_starts_nothing(scene: Any, mitrarr: Callable[..., Any]) -> None:
    with scene.store() as db, db.transaction():
        drains.put(db, "prod", Drain("operador.a", "", NOW))
    told = mitrarr("plan", "--at", "2026-11-23T09:30:10", "--detailed-exitcode")
    assert told.code == 0
    assert "draining: nothing new is started" in told.out


def test_many_missed_slots_stand_in_one_line(scene: Any, mitrarr: Callable[..., Any]) -> None:
    data = production(scene.root)
    data["jobs"] = {"limpeza": {"schedule": "* * * * *", "steps": [{"clean": {}}]}}
    scene.write(**data)
    with scene.store() as db, db.transaction():
        remember(db, scene.manifest, NOW - timedelta(hours=30))
    told = mitrarr("plan", "--at", AT).out.split("\nAT ")[0]
    golden("plan_missed.txt", shown(told, scene))


# Times


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("2018-02-17T23:30", "happens twice"),
        ("2018-11-04T00:30", "does not exist"),
        ("amanhã", "is not a time"),
    ],
)
@pytest.mark.parametrize("option", ["--at", "--from", "--until"])
def test_times_that_cannot_be_meant(
    scene: Any, mitrarr: Callable[..., Any], option: str, value: str, words: str
) -> None:
    others = {"--from": "2018-01-01", "--until": "2019-01-01"}
    given = {"--at": value} if option == "--at" else {**others, option: value}
    told = mitrarr("plan", *(word for pair in given.items() for word in pair))
    assert told.code == 2
    assert words in told.err


def test_every_slot_between_two_instants(scene: Any, mitrarr: Callable[..., Any]) -> None:
    words = ("--from", "2026-11-23T09:30", "--until", "2026-11-23T10:00")
    found = mitrarr("plan", *words, "--format", "json")
    assert list(found.json) == ["version", "slots"]
    assert [(one["slot"][11:16], one["job"]) for one in found.json["slots"]] == [
        ("12:30", "adiciona_nists"),
        ("12:30", "confere_findface"),
        ("12:30", "envia_relatorio"),
        ("12:30", "limpeza"),
        ("12:30", "rsync_espelho"),
        ("12:40", "adiciona_nists"),
        ("12:50", "adiciona_nists"),
    ]
    assert found.json["slots"][0]["local"] == "2026-11-23T09:30:00-03:00"
    text = mitrarr("plan", *words).out.splitlines()
    assert text[0] == "Mon 2026-11-23 09:30 -03:00  adiciona_nists"
    assert len(text) == 7
    assert mitrarr("plan", *words, "--format", "md").out.count("`adiciona_nists`") == 3


def test_an_empty_stretch_and_one_backwards(scene: Any, mitrarr: Callable[..., Any]) -> None:
    words = ("--from", "2026-11-23T09:30", "--until", "2026-11-23T09:30", "--format", "json")
    assert mitrarr("plan", *words).json["slots"] == []
    nothing = "no slot from Mon 2026-11-23 09:30 -03:00 to Mon 2026-11-23 09:30 -03:00"
    assert mitrarr("plan", *words[:4]).out == nothing + "\n"
    assert mitrarr("plan", *words[:4], "--format", "md").out == nothing + "\n"
    words = ("--from", "2026-11-23T09:30:01", "--until", "2026-11-23T09:31")
    told = mitrarr("plan", *words)
    assert told.code == 0
    assert told.out.startswith("no slot from Mon 2026-11-23 09:30:01 -03:00 to ")
    told = mitrarr("plan", "--from", "2026-11-23T09:30", "--until", "2026-11-23T09:29")
    assert (told.code, "before" in told.err) == (2, True)


@pytest.mark.parametrize(
    "words",
    [
        ("--from", "2026-11-23"),
        ("--until", "2026-11-23"),
        ("--from", "2026-11-23", "--until", "2026-11-24", "--at", AT),
        ("--from", "2026-11-23", "--until", "2026-11-24", "--out", "x.plan"),
        ("--from", "2026-11-23", "--until", "2026-11-24", "--detailed-exitcode"),
        ("--out", "x.plan", "--against", "configs/prod.json"),
        ("--out", "x.plan", "--state", "s.json"),
        ("--format", "yaml"),
    ],
)
def test_options_that_contradict_each_other(
    scene: Any, mitrarr: Callable[..., Any], words: tuple[str, ...]
) -> None:
    told = mitrarr("plan", *words)
    assert (told.code, told.out) == (2, "")
    assert not (scene.root / "x.plan").exists()


# Upon an exported state


def exported(scene: Any, mitrarr: Callable[..., Any]) -> Path:
    told = mitrarr("state", "export", "--review", "estado.json")
    assert told.code == 0, told.err
    return Path(scene.root / "estado.json")


def elsewhere(
    scene: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: Path, **change: Any
) -> None:
    """Another machine: the checkout and the file, no store and no spool."""
    data = json.loads(state.read_bytes()) | change
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "estado.json").write_text(json.dumps(data), encoding="utf-8")
    (other / "prod.json").write_bytes(
        (scene.root.parent / "mr" / "configs" / "prod.json").read_bytes()
    )
    monkeypatch.delenv("MITRARR_CONFIG")
    monkeypatch.chdir(other)


def test_a_plan_on_another_machine(
    scene: Any, mitrarr: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = exported(scene, mitrarr)
    at = NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
    elsewhere(scene, tmp_path, monkeypatch, state, at=at, host="srv-prod")
    told = mitrarr("plan", "prod.json", "--state", "estado.json")
    assert told.code == 0, told.err
    text = told.out.replace(socket.gethostname(), "laptop")
    golden("plan_state.txt", shown(text, scene))


def roots(told: Any) -> list[tuple[str, str]]:
    changes = told.json["changes"]
    return [(one["path"], one["new"]) for one in changes if "root" in one["path"]]


@pytest.mark.parametrize("against", [True, False])
def test_the_same_root_in_two_checkouts_is_no_change(
    scene: Any, mitrarr: Callable[..., Any], *, against: bool
) -> None:
    """`root: ..` in both: each lies elsewhere, and what they say is the same."""
    state = exported(scene, mitrarr)
    checkout = scene.root.parent / "mr" / "configs" / "prod.json"
    for path in (scene.manifest_path, checkout):
        data = json.loads(path.read_text("utf-8"))
        data["sources"]["DETRAN"]["spool"] = "entrada"
        path.write_text(json.dumps(data), encoding="utf-8")
    if not against:
        state = exported(scene, mitrarr)
    words = ("--against", "configs/prod.json") if against else ()
    told = mitrarr("plan", str(checkout), "--state", str(state), *words, "--format", "json")
    assert "settings.root" not in told.out
    assert [one["path"] for one in told.json["changes"]] == [
        "sources.DETRAN_MG",
        "jobs.adiciona_nists_mg",
        "volumes.adiciona_nists.minimum",
    ]


@pytest.mark.parametrize("base", ["state", "both", "against"])
def test_another_root_is_a_change(scene: Any, mitrarr: Callable[..., Any], base: str) -> None:
    state = exported(scene, mitrarr)
    checkout = scene.root.parent / "mr" / "configs" / "prod.json"
    data = json.loads(checkout.read_text("utf-8"))
    data["settings"]["root"] = "../outra"
    checkout.write_text(json.dumps(data), encoding="utf-8")
    words = [] if base == "against" else ["--state", str(state)]
    words += [] if base == "state" else ["--against", "configs/prod.json"]
    told = mitrarr("plan", str(checkout), *words, "--format", "json")
    lies = checkout.parents[1] if base == "state" else scene.root
    assert roots(told) == [("settings.root", str(lies / "outra"))]


def test_the_state_has_nobody_in_it(scene: Any, mitrarr: Callable[..., Any]) -> None:
    """Neither who paused nor why, nor who asked; no row of registry or deliveries."""
    with scene.store() as db, db.transaction():
        from mitrarr_runner.store import requests
        from mitrarr_runner.store.requests import Asked

        requests.add(db, "prod", "limpeza", Asked.RUN, actor="operador.c", now=NOW)
    state = exported(scene, mitrarr)
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    content = state.read_text("utf-8")
    for word in ("operador.b", "operador.c", "SMTP", "person", "tcn", "sha256"):
        assert word not in content
    data = json.loads(content)
    assert set(data["counts"]) == {"registry", "deliveries"}
    assert data["requests"] == [{"id": 1, "job": "limpeza", "at": "2026-11-23T12:26:31Z"}]
    assert len(data["volumes"]["adiciona_nists"]) == 199


@pytest.mark.parametrize("content", ["", "{", "[]", '{"kind": "saved_plan", "version": 1}'])
def test_what_is_no_exported_state(scene: Any, mitrarr: Callable[..., Any], content: str) -> None:
    (scene.root / "s.json").write_text(content, encoding="utf-8")
    told = mitrarr("plan", "--state", "s.json")
    assert told.code == 2
    assert "mitrarr state export --review" in told.err


def test_an_export_needs_a_file_and_a_store(site: Any, mitrarr: Callable[..., Any]) -> None:
    site.write(jobs={"a": {"steps": [{"clean": {}}]}})
    assert mitrarr("state", "export").code == 2
    told = mitrarr("state", "export", "--review", "s.json")
    assert (told.code, "nothing was ever stored" in told.err) == (2, True)


def test_an_export_to_standard_output(scene: Any, mitrarr: Callable[..., Any]) -> None:
    found = json.loads(mitrarr("state", "export", "--review", "-").out)
    assert found["kind"] == "review_state"


# Markdown


def test_markdown_takes_names_for_what_they_are(scene: Any, mitrarr: Callable[..., Any]) -> None:
    data = production(scene.root)
    data["jobs"]["a_b_c"] = {
        "schedule": "30 9 * * *",
        "needs": ["envia_relatorio"],
        "steps": [{"emit_alert": {"type": "x", "severity": "info", "message": "*a* | <b> @c `d`"}}],
    }
    scene.write(**data)
    told = mitrarr("plan", "--at", "2026-11-23T09:30:10", "--format", "md").out
    outside = re.sub(r"(`+).+?\1", "", told)
    assert "_" not in outside.replace("\\_", "")
    assert "@" not in outside.replace("\\@", "")
    for line in told.splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) in (3, 4, 5), line


def test_a_long_table_is_folded(scene: Any, mitrarr: Callable[..., Any]) -> None:
    words = ("--from", "2026-11-23", "--until", "2026-11-24", "--format", "md")
    told = mitrarr("plan", *words).out
    assert told.count("<details>") == told.count("</details>") == 1
    assert "<summary>" in told
    short = mitrarr("plan", "--at", AT, "--format", "md").out
    assert "| SKIPPED |" not in short
