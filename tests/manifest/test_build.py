"""Checked data in, a Manifest out: defaults, paths, names, fingerprints."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from mitrarr_runner.engine.validate import validate
from mitrarr_runner.engine.validation import Validation
from mitrarr_runner.manifest import build
from mitrarr_runner.manifest.model import (
    After,
    Api,
    CatchUp,
    First,
    Holidays,
    Manifest,
    OnBadManifest,
    Overlap,
    Per,
    Retry,
    RuleWhen,
    Schedule,
    SecretRef,
    Severity,
    source_named,
)
from mitrarr_runner.resources import folder

GOOD = Path(__file__).parents[1] / "manifests" / "good"
ZONE = "settings: {timezone: America/Sao_Paulo}\n"


def good(name: str, environment: dict[str, str] | None = None) -> Manifest:
    found = validate(name, environment=environment or {}, cwd=GOOD)
    assert found.manifest is not None
    return found.manifest


def test_the_example_of_the_design() -> None:
    manifest = good("design.yaml")
    assert manifest.name == "prod"
    assert manifest.root == GOOD.parents[1]
    assert manifest.api == Api("operator")
    assert manifest.contacts == {"dpo": "ramal 4100", "plantao": "ramal 4410"}
    assert manifest.settings.on_bad_manifest is OnBadManifest.LAST_GOOD
    source = manifest.sources["DETRAN"]
    assert (source.spool, source.settle) == (Path("/dados/entrada/detran"), 30)
    assert source.after is After.ARCHIVE
    assert source.requires.mount == Path("/dados")
    destination = manifest.destinations["findface"]
    assert destination.login.password == SecretRef(file=Path("/etc/mitrarr/findface.password"))
    assert (destination.quiet_period, destination.read_timeout) == (120, 60)
    job = manifest.jobs["adiciona_nists"]
    assert job.schedule == Schedule("*/10 * * * *", "America/Sao_Paulo")
    assert (job.timeout, job.overlap, job.retry) == (1200, Overlap.SKIP, Retry(3, 10, 2.0, 300))
    assert [step.kind for step in job.steps] == [
        "register_nist",
        "send_to_findface",
        "check_volume",
    ]
    assert manifest.jobs["rsync_espelho"].needs == ("adiciona_nists",)
    volume = manifest.volumes["adiciona_nists"]
    assert (volume.per, volume.minimum, volume.drop) == (Per.DAY, 20, 0.5)
    assert volume.holidays == Holidays("BR-SP", True, (date(2027, 1, 25),))
    assert manifest.heartbeats["scheduler"].max_age == 1500
    first, *_, paused = manifest.alerts.rules
    assert (first.when, first.after, first.repeat) == (RuleWhen.JOB_FAILED, 2, 14400)
    assert (paused.after, paused.repeat, paused.severity) == (14400, 86400, Severity.WARNING)


def test_the_shipped_production_example_says_what_the_design_says() -> None:
    found = validate("prod", environment={}, cwd=folder("configs")).manifest
    design = good("design.yaml")
    assert found is not None
    assert found.sources == design.sources
    assert found.destinations == design.destinations
    assert found.volumes == design.volumes
    assert found.alerts.channels == design.alerts.channels
    assert set(design.alerts.rules) <= set(found.alerts.rules)
    assert set(design.jobs) <= set(found.jobs)


def test_the_guardian_has_its_own_store_and_watches_production() -> None:
    path = folder("configs") / "guardian" / "guardian.json"
    found = validate(path.name, environment={}, cwd=path.parent).manifest
    assert found is not None
    assert found.name == "guardian"
    assert (found.settings.store, found.settings.watches) == (
        "state/guardian.db",
        "state/mitrarr.db",
    )
    assert found.root == folder("configs").parent
    assert found.jobs["guardian"].schedule.cron == "*/30 * * * *"
    assert found.heartbeats["scheduler"].manifest == "prod"


def test_every_default() -> None:
    manifest = good("minimal.yaml")
    assert manifest.name == "minimal"
    assert manifest.settings.max_parallel_jobs == 4
    assert manifest.settings.store == "state/mitrarr.db"
    assert manifest.api.loopback is None
    assert manifest == good("minimal.yaml")
    assert manifest.fingerprint == good("minimal.json").fingerprint


def test_schedules() -> None:
    jobs = good("times.yaml").jobs
    assert jobs["a"].schedule == Schedule(
        "0 3 * * 1-5", "America/Manaus", CatchUp.ALL, 5, 7 * 86400, 300, First.NOW
    )
    assert jobs["a"].retry == Retry(3, 90, 1.5, 3600)
    assert jobs["so_a_pedido"].schedule == Schedule(None, "America/Sao_Paulo")


def test_volumes() -> None:
    volumes = good("volumes.yaml").volumes
    assert volumes["a"].drop is None
    assert (volumes["b"].drop, volumes["b"].against, volumes["b"].direction) == (
        0.25,
        "all",
        "both",
    )
    assert volumes["c"].drop == pytest.approx(0.333)
    assert volumes["c"].holidays == Holidays("US", optional=False)
    assert volumes["d"].drop is None
    assert volumes["d"].holidays == Holidays("BR-SP", optional=False)


def test_options_of_steps_are_ready_to_use() -> None:
    (command,) = good("step-command.yaml").jobs["a"].steps
    assert command.options == {
        "argv": ["rsync", "-a"],
        "cwd": str(GOOD.parent / "good" / "espelho"),
        "env": {"A": "b"},
        "timeout": 300,
        "ok_codes": [0, 24],
        "skip_codes": [],
        "retry_codes": [11],
    }
    (clean,) = good("step-clean.yaml").jobs["a"].steps
    assert clean.options == {"folders": [{"path": str(GOOD / "tmp"), "older_than": 604800}]}
    (send,) = good("step-send_to_findface.yaml").jobs["a"].steps
    assert send.options == {"destination": "findface", "batch_size": 50}


def test_channels() -> None:
    channels = good("channels.yaml").alerts.channels
    assert channels["a"].options == {"path": str(GOOD / "logs/outro.log")}
    assert channels["b"].options["password"] == SecretRef(file=GOOD / "segredo")
    assert channels["b"].options["ca_file"] == str(GOOD / "ca.pem")
    assert channels["c"].options["token"] == SecretRef(credential="t")


def test_a_folder_is_merged() -> None:
    manifest = good("folder")
    assert manifest.name == "pasta"
    assert list(manifest.alerts.channels) == ["a", "b"]
    assert [rule.when for rule in manifest.alerts.rules] == [RuleWhen.MANUAL, RuleWhen.PARKED]
    assert [file.name for file in manifest.files] == [
        "10-settings.yaml",
        "20-alerts.json",
        "30-more.yml",
    ]


def test_relative_paths_start_at_the_root(tmp_path: Path) -> None:
    manifest = good("step-register_nist.yaml", {"MITRARR_ROOT": str(tmp_path)})
    assert manifest.root == tmp_path
    assert manifest.sources["DETRAN"].spool == tmp_path / "entrada"


def test_the_root_is_relative_to_the_manifests_folder(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "prod_schedule.json").write_text(
        '{"settings": {"timezone": "UTC", "root": "../mitrarr_clean"}}'
    )
    given = str(tmp_path / "configs" / "prod_schedule.json")
    for cwd in (Path("/"), tmp_path):
        found = validate(given, environment={"MITRARR_ROOT": "/elsewhere"}, cwd=cwd)
        assert found.root.root == tmp_path / "mitrarr_clean"
        assert found.root.why == "settings"
        assert found.manifest is not None
        assert found.manifest.name == "prod_schedule"
        assert found.manifest.settings.root == tmp_path / "mitrarr_clean"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/x/configs/prod", "prod"),
        ("/x/prod_schedule.json", "prod_schedule"),
        ("/x/Guardião 2.yaml", "guardi_o_2"),
        ("/x/prod.d", "prod_d"),
        ("/x/---.yml", "---"),
        ("/x/___.yml", "manifest"),
        ("/x/ção", "o"),
        ("/", "manifest"),
        ("/x/" + "a" * 99, "a" * 64),
    ],
)
def test_default_names(path: str, name: str) -> None:
    assert build.default_name(Path(path)) == name


def test_the_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    def fingerprint(content: str, name: str = "m.yaml") -> str:
        (tmp_path / name).write_text(content)
        found: Validation = validate(name, environment={}, cwd=tmp_path)
        assert found.manifest is not None
        return found.manifest.fingerprint

    one = fingerprint("contacts: {a: x, b: y}  # a note\n" + ZONE)
    assert len(one) == 12
    assert fingerprint(ZONE + "contacts:\n  b: 'y'\n  a: x\n") == one
    assert (
        fingerprint(
            '{"$schema": "x", "contacts": {"a": "x", "b": "y"}, '
            '"settings": {"timezone": "America/Sao_Paulo"}}',
            "m.json",
        )
        == one
    )
    assert fingerprint(ZONE + "contacts: {a: x, b: z}\n") != one


def test_the_built_in_defaults(tmp_path: Path) -> None:
    found = validate(None, environment={}, cwd=tmp_path)
    manifest = found.manifest
    assert found.problems == ()
    assert manifest is not None
    assert (manifest.name, manifest.path, manifest.root) == ("default", None, tmp_path)
    assert manifest.settings.timezone == "America/Sao_Paulo"
    assert manifest.alerts.channels["log"].kind == "log"
    any_source = source_named(manifest, "DETRAN")
    assert any_source is not None
    assert any_source.name == "DETRAN"


def test_a_manifest_knows_its_sources_only() -> None:
    manifest = good("design.yaml")
    assert source_named(manifest, "DETRAN") is manifest.sources["DETRAN"]
    assert source_named(manifest, "DETRAM") is None
