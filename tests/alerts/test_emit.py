"""One alert by hand, whatever state the rest of the house is in."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from mitrarr_runner.alerts import notify
from mitrarr_runner.errors import StateError, UsageError
from mitrarr_runner.manifest.model import Channel, Rule, Severity
from mitrarr_runner.store import incidents
from mitrarr_runner.store.database import open_database
from mitrarr_runner.store.runs import Outcome

LOG = Channel("registro", "log")


def emit(house: Any, manifest: Any, db: Any = None, **changes: Any) -> str:
    values = {
        "type": "manual",
        "job": "job_a",
        "severity": Severity.WARNING,
        "message": "Verificar volume",
        **changes,
    }
    return notify.emit(db, manifest, house.site, house.clock, **values)


def test_the_tutorials_alert(house: Any, manifest: Any) -> None:
    assert emit(house, manifest(), house.db, actor="maria") == "A1"
    assert house.lines() == [
        '2026-11-23T11:10:04-03:00 A1 WARNING emitted manual job_a "Verificar volume" by=maria'
    ]


def test_it_does_not_stay_open(house: Any, manifest: Any) -> None:
    emit(house, manifest(), house.db)
    emit(house, manifest(), house.db)
    assert incidents.open_incidents(house.db, "prod") == ()
    assert [line.split()[0] for line in house.words()] == ["A1", "A2"]


def test_without_a_manifest(house: Any) -> None:
    assert emit(house, None, house.db) == "A1"
    assert house.words() == ['A1 WARNING emitted manual job_a "Verificar volume"']


def test_without_a_store(house: Any, manifest: Any) -> None:
    assert emit(house, manifest()) == "A-"
    assert emit(house, None) == "A-"
    assert house.words() == ['A- WARNING emitted manual job_a "Verificar volume"'] * 2


def test_with_a_store_that_fails_in_the_middle(house: Any, manifest: Any) -> None:
    with house.db.transaction():
        house.db.execute("DROP TABLE notices")
    assert emit(house, manifest(), house.db) == "A-"
    assert house.words() == ['A- WARNING emitted manual job_a "Verificar volume"']


def test_a_damaged_store(house: Any, manifest: Any, tmp_path: Path) -> None:
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"not a database at all" * 200)
    with pytest.raises((StateError, sqlite3.DatabaseError)):
        open_database(broken)
    assert emit(house, manifest(), None) == "A-"


@pytest.mark.parametrize("with_store", [True, False])
def test_ids_of_people_and_forged_lines(house: Any, manifest: Any, with_store: bool) -> None:
    message = 'CPF 123.456.789-09\n2026-11-23T11:10:04-03:00 A9 INFO opened x y\x1b[2J "z"'
    emit(house, manifest(), house.db if with_store else None, message=message, job="a b\nc")
    (line,) = house.lines()
    assert "123.456" not in line
    assert "789-09" not in line
    assert "12*******" in line
    assert "\x1b" not in line
    stored = house.db.rows("SELECT detail FROM incidents")
    assert all("456" not in row["detail"] for row in stored)


def test_a_type_of_ones_own_never_meets_an_open_incident(house: Any, manifest: Any) -> None:
    made = manifest()
    house.ran("adiciona_nists", Outcome.FAILED)
    notify.watch(house.db, made, house.site, house.clock, house.log)
    handle = emit(house, made, house.db, type="job_failed", job="adiciona_nists")
    assert handle == "A2"
    assert [one.handle for one in incidents.open_incidents(house.db, "prod")] == ["A1"]
    assert house.words()[1] == ('A2 WARNING emitted job_failed adiciona_nists "Verificar volume"')


def test_to_names_channels(house: Any, manifest: Any) -> None:
    other = Channel("outro", "log", {"path": "logs/outro.log"})
    made = manifest(channels=(LOG, other))
    emit(house, made, house.db, to=("registro",))
    assert not (house.site.logs / "outro.log").exists()
    emit(house, made, house.db)  # no rule for manual: all channels
    assert len((house.site.logs / "outro.log").read_text().splitlines()) == 1
    ruled = manifest(Rule("manual", Severity.INFO, ("registro",)), channels=(LOG, other))
    emit(house, ruled, house.db)
    assert len((house.site.logs / "outro.log").read_text().splitlines()) == 1
    assert len(house.lines()) == 3


def test_an_unknown_channel_is_said_before_anything_is_sent(house: Any, manifest: Any) -> None:
    with pytest.raises(UsageError) as caught:
        emit(house, manifest(channels=(LOG,)), house.db, to=("registo",))
    assert caught.value.code == "channel_unknown"
    assert "registro" in str(caught.value.hint)
    assert house.lines() == []


def test_nowhere_to_write_is_an_error(house: Any, manifest: Any) -> None:
    (house.site.logs / "alerts.log").mkdir()
    with pytest.raises(StateError) as caught:
        emit(house, manifest())
    assert caught.value.code == "alert_not_written"


def test_a_site_without_folders_yet(house: Any, tmp_path: Path) -> None:
    from mitrarr_runner.site import Site

    site = Site(tmp_path / "new")
    notify.emit(
        None,
        None,
        site,
        house.clock,
        type="manual",
        job=None,
        severity=Severity.CRITICAL,
        message="x",
    )
    assert (site.logs / "alerts.log").read_text().endswith(' A- CRITICAL emitted manual - "x"\n')
