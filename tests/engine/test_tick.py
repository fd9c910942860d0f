"""What an apply says of its manifest, while others edit it: broken, mended, gone, renamed."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from mitrarr_runner.clock import SystemClock
from mitrarr_runner.engine.apply import Silent
from mitrarr_runner.engine.tick import tick
from mitrarr_runner.store import incidents

Job = Callable[..., dict[str, Any]]

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
BROKEN = '{"version": 1, "jobs": {'


def told(site: Any) -> list[str]:
    """What alerts.log says of manifests: handle, change and subject."""
    path = site.root / "logs" / "alerts.log"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    words = [line.split(" ") for line in lines if " manifest_broken " in line]
    return [f"{word[1]} {word[3]} {word[5]}" for word in words]


def still_open(site: Any) -> list[tuple[str, str]]:
    with site.store() as db:
        return [(one.manifest, one.rule) for one in incidents.open_incidents(db, None)]


def meanwhile(site: Any, job: Job, command: str) -> dict[str, Any]:
    """A job during which somebody does something to the manifest, and another apply comes."""
    path = shlex.quote(str(site.manifest_path))
    apply = f"{shlex.quote(sys.executable)} -m mitrarr_runner.wake apply {path}"
    return job("sh", "-c", f"{command.format(path=path)}; {apply}; true")


def test_an_apply_from_before_does_not_say_that_a_broken_manifest_is_good(
    site: Any, job: Job
) -> None:
    site.write(jobs={"long": meanwhile(site, job, "cp {path} good.json; echo '{{' > {path}")})
    site.due()
    assert site.run("apply").code == 0
    assert told(site) == ["A1 opened prod"]
    assert site.run("apply").code == 2
    assert told(site) == ["A1 opened prod"]
    shutil.copy(site.root / "good.json", site.manifest_path)
    assert site.run("apply").code == 0
    assert told(site) == ["A1 opened prod", "A1 recovered prod"]


def test_an_apply_from_before_does_not_say_that_a_mended_manifest_is_broken(
    site: Any, job: Job
) -> None:
    site.write(jobs={"long": meanwhile(site, job, "cp good.json {path}")})
    shutil.copy(site.manifest_path, site.root / "good.json")
    assert site.run("apply").code == 0  # it is the last good one now
    site.due()
    site.manifest_path.write_text(BROKEN, encoding="utf-8")
    assert site.run("apply").code == 2
    assert [run.finished for run in site.history("long")] == [True]
    assert (told(site), still_open(site)) == ([], [])


def test_a_mistyped_path_opens_no_incident(site: Any, job: Job) -> None:
    site.write(jobs={"a": job("true")})
    assert site.run("apply").code == 0
    answer = site.run("apply", "nothere.json")
    assert (answer.code, answer.out) == (2, "")
    assert "nothere.json" in answer.err
    assert (told(site), still_open(site)) == ([], [])


def test_a_manifest_that_was_applied_and_is_gone_is_an_incident_and_closes(
    site: Any, job: Job
) -> None:
    site.write(jobs={"a": job("true")})
    assert site.run("apply").code == 0
    site.manifest_path.rename(site.root / "kept.json")
    assert site.run("apply").code == 2
    assert told(site) == ["A1 opened prod"]
    (site.root / "kept.json").rename(site.manifest_path)
    assert site.run("apply").code == 0
    assert (told(site)[1:], still_open(site)) == (["A1 recovered prod"], [])


def renamed(site: Any, name: str) -> None:
    text = site.manifest_path.read_text(encoding="utf-8")
    assert '"name": "prod"' in text
    site.manifest_path.write_text(text.replace('"name": "prod"', f'"name": "{name}"'), "utf-8")


def test_a_manifest_renamed_while_it_was_broken_closes_what_its_old_name_opened(
    site: Any, job: Job
) -> None:
    site.write(jobs={"a": job("false")})
    site.due()
    assert site.run("apply").code == 1
    good = site.manifest_path.read_text(encoding="utf-8")
    site.manifest_path.write_text(BROKEN, encoding="utf-8")
    assert site.run("apply").code == 2
    assert still_open(site) == [("prod", "job_failed"), ("prod", "manifest_broken")]
    site.manifest_path.write_text(good, encoding="utf-8")
    renamed(site, "other")
    answer = site.run("apply")
    assert answer.code == 0
    assert "the manifest prod is not applied any more, after " in answer.out
    assert (told(site)[-1], still_open(site)) == ("A2 withdrawn prod", [])


def test_what_a_file_opened_under_its_stem_is_closed_under_its_name(site: Any, job: Job) -> None:
    """As an older version left it: a moved site, whose manifest was broken when it came."""
    site.write(jobs={"a": job("true")})
    renamed(site, "other")
    with site.store() as db, db.transaction():
        severity = incidents.Severity.CRITICAL
        known: dict[str, Any] = {"rule": "manifest_broken", "subject": "prod"}
        number = incidents.add(
            db, "prod", severity=severity, detail={"errors": 1}, since=NOW, **known
        )
        incidents.tell(db, number, severity, {"errors": 1}, NOW)
    assert site.run("apply").code == 0
    assert still_open(site) == []


@pytest.fixture
def left(site: Any, job: Job) -> Any:
    """A second manifest in the same site, broken and then never applied again."""
    site.write(jobs={"a": job("true")})
    second = site.root / "configs" / "second.json"
    text = site.manifest_path.read_text(encoding="utf-8").replace('"prod"', '"second"')
    second.write_text(text, encoding="utf-8")
    assert site.run("apply", str(second)).code == 0
    second.write_text(BROKEN, encoding="utf-8")
    assert site.run("apply", str(second)).code == 2
    return site


def beaten(site: Any, hours: float) -> None:
    at = time.time() - hours * 3600
    os.utime(site.root / "state" / "heartbeat" / "second", (at, at))


class Up:
    """The real clock, on a host that has been up for some time."""

    def __init__(self, hours: float) -> None:
        self.real = SystemClock()
        self.hours = hours

    def boottime(self) -> float:
        return self.hours * 3600

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


@pytest.mark.parametrize(
    ("silent", "up", "closed"),
    [
        (1, 1000, False),  # it may be called by another line of cron
        (25, 1000, False),  # once a day
        (49, 1000, True),
        (1000, 1, False),  # the host was off, and with it everything
    ],
)
def test_what_nobody_applies_any_more_is_closed_after_two_days(
    left: Any, silent: float, up: float, closed: bool
) -> None:
    beaten(left, silent)
    clock: Any = Up(up)
    done = tick(left.manifest, left.site, clock, Silent(), root_from="settings")
    assert still_open(left) == ([] if closed else [("second", "manifest_broken")])
    assert len(done.watched.closed) == int(closed)
