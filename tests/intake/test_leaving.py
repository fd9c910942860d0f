from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mitrarr_runner.intake.leaving import leave
from mitrarr_runner.intake.spool import SpoolFile
from mitrarr_runner.manifest.model import After

NOW = datetime(2026, 1, 2, 3, tzinfo=UTC)


def put(folder: Path, name: str, data: bytes) -> SpoolFile:
    path = folder / name
    path.write_bytes(data)
    found = path.stat()
    return SpoolFile(name, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def gone(folder: Path, file: SpoolFile, after: After) -> bool:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        return leave(descriptor, file, after, NOW)
    finally:
        os.close(descriptor)


def test_archive_never_overwrites(tmp_path: Path) -> None:
    for data in (b"1", b"2", b"3"):
        assert gone(tmp_path, put(tmp_path, "á.b.nst", data), After.ARCHIVE)
    archive = tmp_path / ".archive" / "2026-01-02"
    assert {path.name: path.read_bytes() for path in archive.iterdir()} == {
        "á.b.nst": b"1",
        "á.b.1.nst": b"2",
        "á.b.2.nst": b"3",
    }
    assert archive.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in tmp_path.iterdir()] == [".archive"]


@pytest.mark.parametrize("after", [After.ARCHIVE, After.DELETE])
def test_a_file_that_changed_since_is_left_alone(tmp_path: Path, after: After) -> None:
    file = put(tmp_path, "a.nst", b"old")
    (tmp_path / "a.nst").write_bytes(b"newer")
    assert gone(tmp_path, file, after)
    assert (tmp_path / "a.nst").read_bytes() == b"newer"


@pytest.mark.parametrize("after", [After.ARCHIVE, After.DELETE])
def test_a_file_the_sender_took_away_is_what_was_wanted(tmp_path: Path, after: After) -> None:
    file = put(tmp_path, "a.nst", b"x")
    (tmp_path / "a.nst").unlink()
    assert gone(tmp_path, file, after)


def test_an_archive_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    spool, elsewhere = tmp_path / "spool", tmp_path / "elsewhere"
    spool.mkdir()
    elsewhere.mkdir()
    (spool / ".archive").symlink_to(elsewhere)
    assert not gone(spool, put(spool, "a.nst", b"x"), After.ARCHIVE)
    assert (spool / "a.nst").exists()
    assert list(elsewhere.iterdir()) == []


def test_a_name_that_is_too_long_for_a_number_is_tried_again_later(tmp_path: Path) -> None:
    name = "x" * 251 + ".nst"
    assert gone(tmp_path, put(tmp_path, name, b"1"), After.ARCHIVE)
    assert not gone(tmp_path, put(tmp_path, name, b"2"), After.ARCHIVE)
    assert (tmp_path / name).read_bytes() == b"2"
