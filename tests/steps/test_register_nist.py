from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mitrarr_runner import images
from mitrarr_runner.errors import FailedError, UsageError
from mitrarr_runner.intake import originals
from mitrarr_runner.manifest.model import Requires, Source
from mitrarr_runner.nist import writer
from mitrarr_runner.steps import register_nist
from mitrarr_runner.steps.contract import StepOutcome
from mitrarr_runner.store import registry, sightings
from mitrarr_runner.store.sightings import Seen

OPTIONS = {"source": "DETRAN"}


def nist(tcn: str, *, face: bool = True) -> bytes:
    records = [writer.face(1, images.draw_face(3, 60, 80), date="20260102")] if face else []
    return writer.write(records, date="20260102", tcn=tcn)


@pytest.fixture
def spool(bench: Any, tmp_path: Path) -> Path:
    spool = tmp_path / "spool"
    spool.mkdir()
    change(bench, Source(name="DETRAN", spool=spool, settle=0))
    return spool


def change(bench: Any, source: Source) -> None:
    bench.manifest = replace(bench.manifest, sources={"DETRAN": source})


def describe(bench: Any) -> str:
    with bench.store() as store:
        return str(register_nist.describe(register_nist.parse(OPTIONS), bench.view(store)))


def test_a_run_tells_an_account_that_closes(bench: Any, spool: Path) -> None:
    for number in range(4):
        (spool / f"{number}.nst").write_bytes(nist(f"T{number}"))
    (spool / "again.nst").write_bytes(nist("T0"))
    (spool / "cut.nst").write_bytes(nist("T9")[:-1])
    (spool / "faceless.nst").write_bytes(nist("T8", face=False))
    os.mkfifo(spool / "pipe.nst")
    (spool / "odd.txt").write_bytes(b"")
    result = bench.run(register_nist, OPTIONS)
    assert (result.outcome, result.code) == (StepOutcome.OK, "ok")
    assert str(result.message) == (
        "8 files in 0s: 4 registered, 1 without a face, 1 repeated, 1 in quarantine,"
        " 1 refused (links or pipes), 1 match no pattern"
    )
    counts = dict(result.counts)
    parts = ("registered", "no_face", "repeated", "revised", "quarantined", "refused")
    assert sum(counts[part] for part in parts) == counts["files"] == 8
    assert (counts["unmatched"], counts["arriving"]) == (1, 0)


def test_the_rows_name_the_run_and_who_asked(bench: Any, spool: Path) -> None:
    (spool / "a.nst").write_bytes(nist("T1"))
    bench.run(register_nist, OPTIONS)
    with bench.store() as store:
        record = registry.show(store, "R1")
    assert record
    assert record.run == 1


def test_nothing_to_do(bench: Any, spool: Path) -> None:
    assert describe(bench) == "DETRAN: nothing new"
    result = bench.run(register_nist, OPTIONS)
    assert (str(result.message), result.counts["files"]) == ("no new files", 0)
    (spool / "a.nst.part").write_bytes(b"")
    assert str(bench.run(register_nist, OPTIONS).message) == "no new files, 1 still arriving"


def test_describe_says_what_a_run_would_find_and_changes_nothing(bench: Any, spool: Path) -> None:
    change(bench, Source(name="DETRAN", spool=spool, settle=30))
    for number in range(3):
        (spool / f"{number}.nst").write_bytes(bytes(5_000_000))
    (spool / "new.nst.filepart").write_bytes(b"")
    (spool / "odd").write_bytes(b"")
    bench.clock.instant = aged(spool / "0.nst", 60)
    said = "DETRAN: 3 ready (15 MB), 1 still arriving, 1 match no pattern"
    assert describe(bench) == said
    assert describe(bench) == said
    with bench.store() as store:
        assert sightings.seen_files(store, "DETRAN") == {}
    view = bench.view(None)  # a site that was never applied has no store
    assert str(register_nist.describe(register_nist.parse(OPTIONS), view)) == said


def aged(path: Path, seconds: int) -> datetime:
    return datetime.fromtimestamp(path.stat().st_ctime + seconds, UTC)


def test_describe_and_run_agree(bench: Any, spool: Path) -> None:
    (spool / "a.nst").write_bytes(nist("T1"))
    assert describe(bench).startswith("DETRAN: 1 ready (")
    bench.run(register_nist, OPTIONS)
    assert describe(bench) == "DETRAN: nothing new"
    with bench.store() as store:
        assert [file.state for file in sightings.seen_files(store, "DETRAN").values()] == [
            Seen.DONE
        ]


def test_a_spool_that_is_not_there_fails_the_step_and_is_told_by_the_plan(
    bench: Any, spool: Path
) -> None:
    change(bench, Source(name="DETRAN", spool=spool, requires=Requires(mount=spool)))
    assert describe(bench) == f"spool of DETRAN: nothing is mounted at {spool}"
    with pytest.raises(FailedError) as raised:
        bench.run(register_nist, OPTIONS)
    assert raised.value.code == "spool_unmounted"


def test_an_unknown_source(bench: Any, spool: Path) -> None:
    with pytest.raises(UsageError, match="DETRAM"):
        bench.run(register_nist, {"source": "DETRAM"})


def test_a_disk_that_runs_full_fails_the_step_and_keeps_the_account(
    bench: Any, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (spool / "a.nst").write_bytes(nist("T1"))
    (spool / "b.nst").write_bytes(nist("T2"))
    checked = iter([None, originals.disk_reserve(1_000_000)])

    def check(*_: object) -> None:
        error = next(checked)
        if error is not None:
            raise error

    monkeypatch.setattr(originals, "check_reserve", check)
    result = bench.run(register_nist, OPTIONS)
    assert (result.outcome, result.code) == (StepOutcome.FAILED, "disk_reserve")
    assert str(result.message) == (
        "1 file in 0s: 1 registered, 1 waiting for the next run; intake stopped: 1 MB free on the"
        " disk of the store, 200 MB are kept free"
    )
    assert (result.counts["registered"], result.counts["waiting"]) == (1, 1)
