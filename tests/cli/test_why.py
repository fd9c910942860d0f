"""why, through the door: how a time is typed, what a broken manifest changes, JSON."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mitrarr_runner.cli.times import minute
from mitrarr_runner.errors import UsageError

Job = Callable[..., dict[str, Any]]
Call = Callable[..., Any]
ZONE = "America/Sao_Paulo"


@pytest.fixture
def slot(site: Any, job: Job, lately: Callable[..., str]) -> datetime:
    """Of a real apply."""
    site.write(jobs={"a": job("true", schedule=lately(1, 2, 3))})
    site.due(minutes=5)
    assert site.run("apply").code == 0
    found: datetime = site.history()[0].slot
    return found


def test_a_real_run(mitrarr: Call, slot: datetime) -> None:
    local = slot.astimezone(ZoneInfo(ZONE))
    told = mitrarr("why", "a", local.strftime("%Y-%m-%dT%H:%M"))
    assert (told.code, told.err) == (0, "")
    assert "  r1 had it: ok, after 0s" in told.out.splitlines()
    assert "  it also stands for 2 slots that were missed before it" in told.out.splitlines()
    data = mitrarr("why", "a", slot.isoformat(), "--format", "json").json
    assert list(data) == ["version", "job", "slot", "local", "state", "code", "message", "run"]
    assert (data["state"], data["code"], data["run"]["run"]) == ("ran", "ok", "r1")
    assert data["slot"] == slot.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_broken_manifest_does_not_hide_the_past(site: Any, mitrarr: Call, slot: datetime) -> None:
    site.manifest_path.write_text("{", encoding="utf-8")
    told = mitrarr("why", "a", slot.isoformat())
    assert told.code == 0
    assert "r1 had it: ok" in told.out


def test_nothing_was_ever_applied(site: Any, mitrarr: Call, job: Job) -> None:
    site.write(jobs={"a": job("true")})
    told = mitrarr("why", "a", "2020-01-01T03:10")
    assert told.code == 0
    assert "no apply has seen a yet" in told.out
    assert not (site.root / "state").exists()


def test_usage(site: Any, mitrarr: Call, job: Job) -> None:
    site.write(jobs={"adiciona": job("true")})
    told = mitrarr("why", "adicona", "03:10")
    assert told.code == 2
    assert 'did you mean "adiciona"?' in told.err
    assert mitrarr("why", "adiciona", "soon").code == 2
    assert mitrarr("why", "adiciona", "25:10").code == 2
    assert mitrarr("why", "adiciona").code == 2


def test_times_as_people_type_them() -> None:
    now = datetime(2026, 11, 23, 1, 30, tzinfo=UTC)  # still Sunday in São Paulo
    sunday = datetime(2026, 11, 22, 6, 10, tzinfo=UTC)
    for typed in ("03:10", "3:10", "2026-11-22T03:10", "2026-11-22 03:10", "2026-11-22T06:10Z"):
        assert minute(typed, ZONE, now) == sunday
    assert minute("2026-11-22T03:10:59", ZONE, now) == sunday
    with pytest.raises(UsageError):
        minute("24:10", ZONE, now)
    with pytest.raises(UsageError, match="does not exist"):
        minute("2018-11-04T00:30", ZONE, now)


@pytest.mark.parametrize(
    ("line", "slot"),
    [
        ("30 2 * * *", "2026-03-08T07:00:00Z"),  # at 03:00, the first instant after the gap
        ("15,45 2 * * *", None),
        ("*/30 2 * * *", None),  # follows elapsed time: there is no 02:30
    ],
)
def test_a_time_in_a_gap_is_that_of_the_slot_which_stands_for_it(
    site: Any, mitrarr: Call, job: Job, line: str, slot: str | None
) -> None:
    schedule = {"cron": line, "timezone": "America/New_York"}
    site.write(jobs={"a": job("true", schedule=schedule)})
    told = mitrarr("why", "a", "2026-03-08T02:30", "--format", "json")
    if slot is None:
        assert told.code == 2
        assert "does not exist in America/New_York" in told.err
        return
    assert (told.code, told.json["slot"]) == (0, slot)
    said = mitrarr("why", "a", "2026-03-08T02:30").out.splitlines()
    assert "2026-03-08T02:30 does not exist in America/New_York" in said[0]
    assert said[0].endswith("; due at 03:00")
    assert "03:00" in said[1]
    assert mitrarr("why", "a", "2026-03-08T01:30").code == 0
