"""The compiled cache: when it is believed, when not, and the last good manifest."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mitrarr_runner.engine.obtain import obtain
from mitrarr_runner.engine.validate import validate
from mitrarr_runner.manifest import compiled, load
from mitrarr_runner.manifest.loaded import Loaded
from mitrarr_runner.site import MARKER, Site

NOW = datetime(2026, 11, 20, 20, 2, tzinfo=UTC)
LATER = datetime(2026, 11, 23, tzinfo=UTC)
CONTENT = """\
name: prod
settings: {timezone: America/Sao_Paulo}
sources:
  DETRAN: {spool: entrada}
jobs:
  a:
    schedule: "*/10 * * * *"
    timeout: 5m
    steps:
      - register_nist: {source: DETRAN}
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site with a manifest folder under configs/prod."""
    site = Site(tmp_path / "site")
    site.make()
    (site.root / MARKER).touch()
    prod = site.root / "configs" / "prod"
    prod.mkdir(parents=True)
    (prod / "m.yaml").write_text(CONTENT)
    return site


def read(site: Site, shown: str = "configs/prod") -> Loaded:
    return validate(shown, environment={}, cwd=site.root).loaded


def recall(site: Site, shown: str = "configs/prod", cwd: Path | None = None) -> Loaded | None:
    return compiled.recall(shown, environment={}, cwd=cwd or site.root)


def edit(site: Site, content: str) -> None:
    (site.root / "configs" / "prod" / "m.yaml").write_text(content)


def test_what_is_recalled_is_what_was_read(site: Site) -> None:
    loaded = read(site)
    compiled.adopt(loaded, NOW)
    recalled = recall(site)
    assert recalled is not None
    assert recalled.manifest == loaded.manifest
    assert recalled.files == loaded.files
    assert recalled.stamps == loaded.stamps
    assert recalled.root == loaded.root


def test_recalling_reads_no_manifest(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled.adopt(read(site), NOW)

    def never(*_: object, **__: object) -> None:
        raise AssertionError("read")

    monkeypatch.setattr(load, "load", never)
    monkeypatch.setattr(load, "read", never)
    found = obtain("configs/prod", environment={}, cwd=site.root)
    assert found.manifest is not None
    assert found.files == ("configs/prod/m.yaml",)


def test_from_another_folder_and_by_another_spelling(site: Site) -> None:
    compiled.adopt(read(site), NOW)
    assert recall(site, str(site.root / "configs/prod"), Path("/")) is not None
    assert recall(site, "../site/configs/prod/") is not None


def test_another_root_is_another_entry(site: Site, tmp_path: Path) -> None:
    compiled.adopt(read(site), NOW)
    elsewhere = {"MITRARR_ROOT": str(tmp_path)}
    assert compiled.recall("configs/prod", environment=elsewhere, cwd=site.root) is None


@pytest.mark.parametrize("named", ['"../../other"', "../../other", "'../../other'  # dali"])
def test_a_root_that_only_the_manifest_knows(site: Site, tmp_path: Path, named: str) -> None:
    other = Site(site.root / "other")
    other.make()
    edit(site, CONTENT.replace("Paulo}", f"Paulo, root: {named}\n  }}"))
    loaded = read(site)
    assert loaded.manifest is not None
    assert loaded.manifest.root == other.root
    compiled.adopt(loaded, NOW)
    assert not list(site.compiled.iterdir())
    recalled = recall(site, str(site.root / "configs/prod"), Path("/"))
    assert recalled is not None
    assert recalled.manifest == loaded.manifest
    assert recalled.root.why == "settings"


def test_any_change_of_a_file_is_seen(site: Site) -> None:
    prod = site.root / "configs" / "prod"
    changes = [
        lambda: edit(site, CONTENT.replace("5m", "6m")),
        lambda: os.utime(prod / "m.yaml", ns=(1, 1)),
        lambda: (prod / "n.yaml").write_text("contacts: {a: b}\n"),
        lambda: (prod / "n.yaml").unlink(),
        lambda: (prod / "m.yaml").rename(prod / "o.yaml"),
    ]
    for change in changes:
        compiled.adopt(read(site), NOW)
        assert recall(site) is not None
        change()
        assert recall(site) is None


def test_a_change_of_the_program_is_seen(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled.adopt(read(site), NOW)
    monkeypatch.setattr(compiled, "program", lambda: "0" * 12)
    assert recall(site) is None
    assert compiled.load_last_good(site, "prod") is not None  # checked anew, and still good


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b"null", b"{}", b'{"fingerprint": 1}', b"\xff\xfe", b"[" * 100_000],
)
@pytest.mark.parametrize("name", ["prod.json", "prod.key.json", "prod.last_good.json"])
def test_a_damaged_entry_means_reading(site: Site, name: str, damage: bytes) -> None:
    loaded = read(site)
    compiled.adopt(loaded, NOW)
    (site.compiled / name).write_bytes(damage)
    found = obtain("configs/prod", environment={}, cwd=site.root)
    assert found.manifest == loaded.manifest
    if "last_good" in name:
        assert compiled.load_last_good(site, "prod") is None
        compiled.adopt(found.loaded, NOW)
        assert compiled.load_last_good(site, "prod") == loaded.manifest


def test_an_entry_of_another_content_is_not_believed(site: Site) -> None:
    compiled.adopt(read(site), NOW)
    content = json.loads((site.compiled / "prod.json").read_bytes())
    content["data"]["jobs"]["a"]["timeout"] = "1s"
    (site.compiled / "prod.json").write_text(json.dumps(content))
    assert recall(site) is None


def test_a_broken_manifest_leaves_the_last_good_one(site: Site) -> None:
    good = read(site)
    compiled.adopt(good, NOW)
    edit(site, CONTENT + "jobz: {}\n")
    broken = validate("configs/prod", environment={}, cwd=site.root)
    assert broken.manifest is None
    compiled.adopt(broken.loaded, LATER)
    assert compiled.load_last_good(site, "prod") == good.manifest
    assert compiled.last_good_at(site, "prod") == NOW


def test_the_last_good_one_keeps_the_time_it_was_first_taken(site: Site) -> None:
    compiled.adopt(read(site), NOW)
    compiled.adopt(read(site), LATER)
    assert compiled.last_good_at(site, "prod") == NOW
    edit(site, CONTENT.replace("5m", "6m"))
    compiled.adopt(read(site), LATER)
    assert compiled.last_good_at(site, "prod") == LATER


def test_a_last_good_one_that_today_would_be_refused_is_not_used(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled.adopt(read(site), NOW)
    file = site.compiled / "prod.last_good.json"
    file.write_text(file.read_text().replace('"register_nist"', '"gone"'))
    monkeypatch.setattr(compiled, "program", lambda: "0" * 12)
    assert compiled.load_last_good(site, "prod") is None


def test_without_a_state_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(CONTENT)
    found = obtain("m.yaml", environment={}, cwd=tmp_path)
    assert found.manifest is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.yaml"]


def test_looking_at_a_checkout_does_not_push_out_what_is_applied(
    site: Site, tmp_path: Path
) -> None:
    compiled.adopt(read(site), NOW)
    checkout = tmp_path / "mr-47"
    checkout.mkdir()
    (checkout / "m.yaml").write_text(CONTENT.replace("Paulo}", f"Paulo, root: {site.root}}}"))
    found = obtain("m.yaml", environment={}, cwd=checkout)
    assert found.manifest is not None
    assert found.manifest.root == site.root
    assert recall(site) is not None
    (known,) = compiled.known_manifests(site)
    assert known.path == site.root / "configs/prod"


def test_looking_saves_for_the_next_look_but_adopts_nothing(site: Site) -> None:
    assert obtain("configs/prod", environment={}, cwd=site.root).manifest is not None
    assert recall(site) is not None
    assert compiled.load_last_good(site, "prod") is None
    compiled.adopt(obtain("configs/prod", environment={}, cwd=site.root).loaded, NOW)
    assert compiled.load_last_good(site, "prod") is not None


def test_a_look_at_the_site_of_another_user_saves_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: site.state.stat().st_uid + 1)
    assert obtain("configs/prod", environment={}, cwd=site.root).manifest is not None
    assert list(site.compiled.iterdir()) == []


def test_known_manifests(site: Site) -> None:
    assert compiled.known_manifests(site) == []
    compiled.adopt(read(site), NOW)
    guardian = site.root / "configs" / "guardian.json"
    guardian.write_text('{"settings": {"timezone": "UTC"}}')
    compiled.adopt(read(site, "configs/guardian.json"), NOW)
    known = compiled.known_manifests(site)
    assert [(entry.name, entry.path.name) for entry in known] == [
        ("guardian", "guardian.json"),
        ("prod", "prod"),
    ]
    guardian.unlink()
    assert [entry.name for entry in compiled.known_manifests(site)] == ["prod"]


def test_a_renamed_manifest_is_known_once(site: Site) -> None:
    compiled.adopt(read(site), NOW)
    edit(site, CONTENT.replace("name: prod", "name: producao"))
    compiled.adopt(read(site), NOW)
    assert [entry.name for entry in compiled.known_manifests(site)] == ["producao"]


def test_a_state_that_cannot_be_written_stops_no_look(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compiled.atomic, "write_file", full)
    assert obtain("configs/prod", environment={}, cwd=site.root).manifest is not None
    with pytest.raises(OSError, match="No space"):
        compiled.adopt(read(site), NOW)
