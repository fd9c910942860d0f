"""nist show, validate, extract: looking into files, sound and damaged, without a site."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mitrarr_runner.images import draw_face
from mitrarr_runner.nist import writer

Call = Callable[..., Any]
Nist = Callable[..., Path]

SAMPLES = Path(__file__).parents[3] / "shared" / "samples"


@pytest.fixture
def folder(site: Any) -> Path:
    """Where the program is called; there is no manifest in it."""
    root: Path = site.root
    return root


def test_show_lists_records_and_no_values(mitrarr: Call, nist: Nist) -> None:
    path = nist("a.nst", tcn="TCN-12345")
    told = mitrarr("nist", "show", str(path))
    assert (told.code, told.err) == (0, "")
    lines = told.out.splitlines()
    assert lines[0].split() == ["RECORD", "TYPE", "IDC", "SIZE", "FIELDS", "IMAGE", "FACTS"]
    assert [line.split()[1] for line in lines[1:]] == ["1", "2", "10"]
    assert "size 120x160" in lines[3]
    assert "TCN-12345" not in told.out
    assert "NAME OF" not in told.out
    found = mitrarr("nist", "show", str(path), "--format", "json").json
    assert [record["type"] for record in found["records"]] == [1, 2, 10]
    assert found["records"][2]["facts"]["imt"] == "FACE"
    assert found["findings"] == []


def test_show_of_a_damaged_file_tells_how_far_it_came(mitrarr: Call, nist: Nist) -> None:
    told = mitrarr("nist", "show", str(nist("a.nst", cut=30)))
    assert told.code == 1
    assert "file truncated: record 3" in told.out
    found = mitrarr("nist", "show", str(nist("a.nst", cut=30)), "--format", "json")
    assert found.code == 1
    assert [record["type"] for record in found.json["records"]] == [1, 2]
    assert found.json["findings"][0]["code"] == "nist_truncated"


def test_validate_judges_each_file(mitrarr: Call, nist: Nist, folder: Path) -> None:
    good, bad = nist("good.nst"), nist("bad.nst", cut=30)
    assert mitrarr("nist", "validate", str(good)).out == f"{good}  OK\n"
    told = mitrarr("nist", "validate", str(bad), str(good))
    assert told.code == 1
    assert f"{bad}  1 error" in told.out
    assert told.out.splitlines()[-1] == "2 files: 1 sound, 1 not"
    found = mitrarr("nist", "validate", str(bad), str(good), "--format", "json")
    assert found.code == 1
    first, second = found.json["files"]
    assert (first["file"], first["sound"]) == (str(bad), False)
    assert second == {"file": str(good), "sound": True, "findings": []}
    assert set(first["findings"][0]) == {
        "code", "severity", "offset", "record", "field", "message",
    }  # fmt: skip


def test_warnings_alone_are_sound(mitrarr: Call, folder: Path) -> None:
    path = folder / "w.nst"
    data = writer.write([], date="20260102", tcn="1", extra={11: ""})
    path.write_bytes(data)
    told = mitrarr("nist", "validate", str(path))
    assert told.code == 0
    assert "OK, 1 warning" in told.out


def test_one_file_that_cannot_be_read_hides_no_other(
    mitrarr: Call, nist: Nist, folder: Path
) -> None:
    good = nist("good.nst")
    os.mkfifo(folder / "pipe")
    for wrong in (folder / "gone", folder, folder / "pipe", Path("/dev/zero")):
        told = mitrarr("nist", "validate", str(wrong), str(good))
        assert told.code == 2
        assert "file_unreadable" in told.out
        assert f"{good}  OK" in told.out
        for verb in ("show", "extract"):
            more = ("--output", str(folder / "out")) if verb == "extract" else ()
            alone = mitrarr("nist", verb, str(wrong), *more)
            assert (alone.code, alone.out) == (2, "")
            assert "  -> give the path of one ANSI/NIST file" in alone.err


def test_extract_writes_images_as_they_are(
    mitrarr: Call, nist: Nist, folder: Path, portrait: bytes
) -> None:
    output = folder / "faces"
    told = mitrarr("nist", "extract", str(nist("a.nst")), "--output", str(output))
    assert told.code == 0, told.err
    (image,) = output.iterdir()
    assert image.name == "record003-face.jpg"
    assert image.read_bytes() == portrait
    assert stat.S_IMODE(image.stat().st_mode) == 0o600
    assert stat.S_IMODE(output.stat().st_mode) == 0o700


def test_extract_never_overwrites(mitrarr: Call, folder: Path, portrait: bytes) -> None:
    second = draw_face(8, 60, 80, "png")
    records = [
        writer.face(1, portrait, date="20260102"),
        writer.face(2, second, date="20260102"),
    ]
    path = folder / "two.nst"
    path.write_bytes(writer.write(records, date="20260102", tcn="1"))
    output = folder / "out"
    output.mkdir()
    taken = output / "record003-face.png"
    taken.write_bytes(b"mine")
    told = mitrarr("nist", "extract", str(path), "--output", str(output))
    assert told.code == 2
    assert "nothing was overwritten" in told.err
    assert taken.read_bytes() == b"mine"
    assert list(output.iterdir()) == [taken], "what was begun is taken back"
    told = mitrarr("nist", "extract", str(path), "--output", str(folder / "b"), "--format", "json")
    assert [one["record"] for one in told.json["files"]] == [2, 3]


def test_extract_only_faces_and_nothing_at_all(mitrarr: Call, nist: Nist, folder: Path) -> None:
    path = folder / "prints.nst"
    prints = writer.RecordDraft(14, 1, {3: "1"}, b"\xff\xa0\xff\xa4 wsq")
    path.write_bytes(writer.write([prints], date="20260102", tcn="1"))
    told = mitrarr("nist", "extract", str(path), "--output", str(folder / "a"))
    assert told.code == 0
    assert [one.name for one in (folder / "a").iterdir()] == ["record002-type14.wsq"]
    told = mitrarr("nist", "extract", str(path), "--output", str(folder / "b"), "--face")
    assert told.code == 1
    assert "holds no face image" in told.err
    assert not (folder / "b").exists()


def test_extract_into_what_is_no_folder(mitrarr: Call, nist: Nist, folder: Path) -> None:
    path = nist("a.nst")
    told = mitrarr("nist", "extract", str(path), "--output", str(path))
    assert told.code == 2
    assert "  -> " in told.err


@pytest.mark.parametrize("verb", ["show", "validate", "extract"])
def test_help_teaches_by_example(mitrarr: Call, verb: str) -> None:
    told = mitrarr("nist", verb, "--help")
    assert told.code == 0
    assert f"  mitrarr nist {verb}" in told.out
    assert mitrarr("nist", verb).code == 2


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples are not part of the project")
def test_real_files_are_told_apart(mitrarr: Call, folder: Path) -> None:
    files = sorted(str(path) for path in SAMPLES.iterdir() if path.suffix != ".md")
    found = mitrarr("nist", "validate", *files, "--format", "json")
    assert found.code == 1
    sound = {Path(one["file"]).name for one in found.json["files"] if one["sound"]}
    assert "gen__face_jpeg_utf8.nst" in sound
    assert not any("xml" in name or "empty" in name for name in sound)
    for file in files:
        told = mitrarr("nist", "show", file)
        assert told.code in (0, 1)
        assert told.err == ""
