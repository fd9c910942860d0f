"""Which files are read, which are left alone, and what is said of those that cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mitrarr_runner.manifest import files, load
from mitrarr_runner.manifest.loaded import Loaded, find_manifest

ZONE = "settings: {timezone: America/Sao_Paulo}\n"
JOB = "jobs:\n  a:\n    steps:\n      - clean: {}\n"


def loaded(cwd: Path, shown: str) -> Loaded:
    return load.load(shown, environment={}, cwd=cwd)


def codes(found: Loaded) -> list[str]:
    return [problem.code for problem in found.problems]


def test_a_folder_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    for name in ("20-b.yml", "10-a.YAML", "30-c.json"):
        (tmp_path / name).write_text("{}\n")
    (tmp_path / "10-a.YAML").write_text(ZONE)
    found = loaded(tmp_path.parent, tmp_path.name + "/")
    assert [file.name for file, _ in found.files] == ["10-a.YAML", "20-b.yml", "30-c.json"]
    assert next(shown for _, shown in found.files) == f"{tmp_path.name}/10-a.YAML"
    assert found.manifest is not None


def test_backups_and_hidden_files_are_left_alone_in_silence(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(ZONE)
    for name in (".b.yaml", "a.yaml~", "#a.yaml#", "a.yaml.bak", "a.yaml.orig", ".a.yaml.swp"):
        (tmp_path / name).write_text("[")
    (tmp_path / "README.md").write_text("x")
    assert codes(loaded(tmp_path, ".")) == []


def test_other_names_and_folders_inside_are_left_alone_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(ZONE)
    (tmp_path / "b.yaml.txt").write_text("[")
    (tmp_path / "more").mkdir()
    found = loaded(tmp_path, ".")
    assert codes(found) == ["ignored_file", "ignored_file"]
    assert found.manifest is not None


def test_a_folder_named_like_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(ZONE)
    (tmp_path / "b.yaml").mkdir()
    assert codes(loaded(tmp_path, ".")) == ["not_a_file"]


def test_a_missing_path(tmp_path: Path) -> None:
    found = loaded(tmp_path, "nowhere/prod")
    assert codes(found) == ["missing"]
    assert found.problems[0].file == "nowhere/prod"
    assert found.problems[0].line is None
    assert found.manifest is None


def test_an_empty_folder(tmp_path: Path) -> None:
    assert codes(loaded(tmp_path, ".")) == ["empty_folder"]


def test_a_wrong_ending(tmp_path: Path) -> None:
    (tmp_path / "prod.conf").write_text(ZONE)
    assert codes(loaded(tmp_path, "prod.conf")) == ["unknown_type"]


def test_links(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to("nowhere")
    (tmp_path / "b.yaml").symlink_to("b.yaml")
    assert codes(loaded(tmp_path, "a.yaml")) == ["broken_link"]
    assert codes(loaded(tmp_path, "b.yaml")) == ["broken_link"]
    assert codes(loaded(tmp_path, ".")) == ["broken_link", "broken_link"]
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "m.yaml").write_text(ZONE)
    (tmp_path / "c.yaml").symlink_to("real/m.yaml")
    assert codes(loaded(tmp_path, "c.yaml")) == []


def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    assert codes(loaded(tmp_path, "a.yaml")) == ["not_a_file"]
    assert codes(loaded(tmp_path, ".")) == ["not_a_file"]


def test_a_device_is_not_read(tmp_path: Path) -> None:
    assert codes(loaded(tmp_path, "/dev/zero")) == ["not_a_file"]


@pytest.mark.parametrize("shown", ["a\0b", "x" * 5000, "a.yaml/b.yaml"])
def test_impossible_paths(tmp_path: Path, shown: str) -> None:
    (tmp_path / "a.yaml").write_text(ZONE)
    assert codes(loaded(tmp_path, shown)) in (["unreadable"], ["missing"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(ZONE)
    (tmp_path / "a.yaml").chmod(0)
    assert codes(loaded(tmp_path, "a.yaml")) == ["unreadable"]
    inside = tmp_path / "inside"
    inside.mkdir(mode=0)
    assert codes(loaded(tmp_path, "inside")) == ["unreadable"]
    inside.chmod(0o700)


def test_no_permission_said_by_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.yaml").write_text(ZONE)

    def refused(path: Path, limit: int) -> bytes:
        raise PermissionError(13, "x")

    monkeypatch.setattr(files, "read_bytes", refused)
    found = loaded(tmp_path, ".")
    assert codes(found) == ["unreadable"]
    assert "permission" in str(found.problems[0].message)
    assert (found.problems[0].line, found.problems[0].column) == (None, None)


def test_a_version_is_never_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `git pull` between the first and the second file: both are read again."""
    (tmp_path / "1.yaml").write_text(ZONE + "contacts: {a: old}\n")
    (tmp_path / "2.yaml").write_text("contacts: {b: old}\n")
    real, calls = files.read_bytes, []

    def read_bytes(path: Path, limit: int) -> bytes:
        calls.append(path.name)
        content = real(path, limit)
        if len(calls) == 1:
            (tmp_path / "1.yaml").write_text(ZONE + "contacts: {a: newer}\n")
            (tmp_path / "2.yaml").write_text("contacts: {b: newer}\n")
        return content

    monkeypatch.setattr(files, "read_bytes", read_bytes)
    found = loaded(tmp_path, ".")
    assert found.manifest is not None
    assert found.manifest.contacts == {"a": "newer", "b": "newer"}
    assert calls == ["1.yaml", "2.yaml"] * 2


def test_files_that_never_rest_are_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "1.yaml").write_text(ZONE)
    real = files.read_bytes

    def read_bytes(path: Path, limit: int) -> bytes:
        with path.open("a") as file:
            file.write("\n")
        return real(path, limit)

    monkeypatch.setattr(files, "read_bytes", read_bytes)
    assert codes(loaded(tmp_path, ".")) == ["changing"]


def test_a_file_that_appears_or_goes_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "1.yaml").write_text(ZONE)
    stamps = loaded(tmp_path, ".").stamps
    assert files.unchanged(stamps)
    (tmp_path / "2.yaml").write_text(JOB)
    assert not files.unchanged(stamps)
    assert not files.unchanged(())


def test_the_usual_path(tmp_path: Path) -> None:
    assert find_manifest("x", {"MITRARR_CONFIG": "y"}, tmp_path) == "x"
    assert find_manifest(None, {"MITRARR_CONFIG": "y"}, tmp_path) == "y"
    assert find_manifest(None, {}, tmp_path) is None
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "prod").symlink_to("nowhere")
    assert find_manifest(None, {"MITRARR_CONFIG": ""}, tmp_path) == "configs/prod"
