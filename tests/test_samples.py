"""Real files from end to end: spool -> registry -> simulated FindFace, and the account closes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mitrarr_runner.findface.simulator import process
from mitrarr_runner.findface.simulator.process import SimulatorProcess

SAMPLES = Path(__file__).resolve().parents[2] / "shared" / "samples"

SENT = {
    "gen__face_jp2.nst",
    "gen__face_jpeg_latin1_nodcs.nst",
    "gen__face_jpeg_utf8.nst",
    "jet__S001-01-t10_01.eft",
    "jnbis__type-10-sap10.an2",
    "nbis__face_jpb_DOM_GMT_DCS.an2",
    "nbis__valid1.3.an2",
}
NO_FACE = {
    "jnbis__type-10-branded-tattoo-mark.an2",
    "jnbis__type-14-amp-nqm-utf8.an2",
    "jnbis__type-4-slaps.an2",
    "libbiomeval__type9-13.an2k",
    "nbis__sign_vec.an2",
    "nbis__type_5_wvu.an2",
}
REFUSED = {
    "nbis__All-Supported-Records-test-comp.xml": "nist_xml",
    "jet__empty_image.eft": "nist_face_empty",
    "nbis__valid1.11.an2": "nist_face_cga_wrong",
    "node-nist__sre_with_face.tdf": "nist_face_field_other",
    "cut.an2": "nist_truncated",
}


@pytest.fixture
def simulator() -> Iterator[SimulatorProcess]:
    with process.start(lists=("DETRAN",)) as running:
        yield running


def test_real_files_from_spool_to_server(site: Any, simulator: SimulatorProcess) -> None:
    if not SAMPLES.is_dir():
        pytest.skip("../shared/samples is not here")
    spool = site.root / "spool"
    spool.mkdir()
    for path in SAMPLES.iterdir():
        if path.suffix != ".md":
            shutil.copyfile(path, spool / path.name)
    whole = (SAMPLES / "jnbis__type-10-sap10.an2").read_bytes()
    (spool / "cut.an2").write_bytes(whole[:200_000])
    (site.root / "password").write_text("demo")
    site.write(
        sources={"DETRAN": {"spool": "spool", "pattern": "*", "settle": "0s", "id": "{{ stem }}"}},
        destinations={
            "findface": {
                "kind": "findface_multi",
                "url": simulator.url,
                "login": {"username": "mitrarr", "password": {"file": "password"}},
                "watch_lists": ["DETRAN"],
            }
        },
        jobs={
            "a": {
                "schedule": {"cron": "0 0 1 1 *", "first": "now"},
                "steps": [
                    {"register_nist": {"source": "DETRAN"}},
                    {"send_to_findface": {"destination": "findface"}},
                ],
            }
        },
    )
    assert site.run("apply").code == 0
    _account(site, simulator)
    assert site.run("run", "a").code == 0  # a second look: everything is known
    _account(site, simulator)
    assert site.run("plan", "--detailed-exitcode").code == 0


def _account(site: Any, simulator: SimulatorProcess) -> None:
    answer = site.run("status", "--format", "json").json
    assert answer["registry"] == {
        "registered": len(SENT),
        "no_face": len(NO_FACE),
        "quarantined": len(REFUSED),
    }
    assert answer["deliveries"] == {"pending": 0, "sending": 0, "sent": len(SENT), "parked": 0}
    report = simulator.report()
    assert (report["cards"], report["faces"], report["duplicates"]) == (len(SENT), len(SENT), 0)
    with site.store() as db:
        rows = db.rows("SELECT person, state, code FROM registry")
    refused = {row["code"] for row in rows if row["state"] == "quarantined"}
    assert refused == set(REFUSED.values())
    stems = {Path(name).stem for name in SENT}
    assert {row["person"] for row in rows if row["state"] == "registered"} == stems
