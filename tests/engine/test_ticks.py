"""A three-minute job does not delay a one-minute job: under the crontab line, and under the timer.

What `cron show` prints is run for real, as cron and as systemd would run it, one minute after the
other; only the minutes are short: after each tick all that happened is moved a minute back.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mitrarr_runner.engine.cron.entries import PROGRAM
from mitrarr_runner.store.runs import Outcome

pytestmark = pytest.mark.skipif(
    not (Path(sys.executable).parent / PROGRAM).exists(), reason="mitrarr is not installed here"
)

LONG = 25.0
MINUTES = 3
PROMPT = 5.0

# Starts what it is given in the background, as a transient unit: in no one's session, and with
# next to no environment.
SYSTEMD_RUN = """#!/bin/sh
echo "$@" >> "$UNITS"
while :; do case "$1" in --*) shift ;; *) break ;; esac; done
env -i PATH=/usr/bin:/bin setsid "$@" </dev/null >/dev/null 2>&1 &
"""

# The same, but waiting for it: what a oneshot service would be that runs apply itself.
WAITING = SYSTEMD_RUN.replace("&\n", "\n")


@pytest.fixture
def busy(site: Any, job: Callable[..., dict[str, Any]]) -> Iterator[Any]:
    """A site whose job `long` lasts three of its minutes, and `short` is due in each."""
    script = f"echo $$ > long.pid; exec sleep {LONG}"
    site.write(jobs={"long": job("sh", "-c", script), "short": job("true")})
    site.due()
    yield site
    if (site.root / "long.pid").exists():
        subprocess.run(["kill", (site.root / "long.pid").read_text().strip()], check=False)
    deadline = time.monotonic() + 10
    while any(not run.finished for run in site.history()) and time.monotonic() < deadline:
        time.sleep(0.05)


def shown(site: Any, *words: str) -> str:
    answer = site.run("cron", "show", *words)
    assert answer.code == 0, answer
    out: str = answer.out
    return out


def a_minute_passes(site: Any) -> None:
    with site.store() as db, db.transaction():
        for what in ("UPDATE slots SET slot = slot - 60", "UPDATE runs SET slot = slot - 60"):
            db.execute(what)
        db.execute("UPDATE jobs SET last_slot = last_slot - 60")


def seconds_until_short_has_run(site: Any, times: int, began: float) -> float:
    while len([run for run in site.history("short") if run.finished]) < times:
        assert time.monotonic() - began < LONG, "it waits for the long one"
        time.sleep(0.02)
    return time.monotonic() - began


def live_through(site: Any, tick: Callable[[], None]) -> None:
    """Each minute's tick runs `short` at once, while `long` goes on through all of them."""
    for minute in range(1, MINUTES + 1):
        began = time.monotonic()
        tick()
        assert seconds_until_short_has_run(site, minute, began) < PROMPT
        a_minute_passes(site)
    assert [run.outcome for run in site.history("short")] == [Outcome.OK] * MINUTES
    assert [run.finished for run in site.history("long")] == [False]


def crontab_command(site: Any) -> str:
    line = next(line for line in shown(site).splitlines() if line.startswith("* * * * * "))
    return line.removeprefix("* * * * * ")


def test_under_the_crontab_line(busy: Any) -> None:
    command = crontab_command(busy)
    started = []

    def tick() -> None:
        """cron waits for nobody; its working folder is somewhere else."""
        started.append(
            subprocess.Popen(
                ["env", "-i", "PATH=/usr/bin:/bin", "sh", "-c", command],
                cwd="/",
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        )

    live_through(busy, tick)
    busy.run("stop", "long")
    for process in started:
        out, _ = process.communicate(timeout=30)
        assert out == b"" or b"long" in out
    assert [process.returncode for process in started[1:]] == [0] * (MINUTES - 1)


def start_command(unit: str) -> list[str]:
    """ExecStart's words, as systemd reads a continued line of double-quoted and plain words."""
    line = next(part for part in unit.replace("\\\n", " ").splitlines() if "ExecStart=" in part)
    words = re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', line.partition("=")[2])
    plain = (re.sub(r"\\(.)", r"\1", quoted or bare) for quoted, bare in words)
    return [word.replace("%%", "%").replace("$$", "$") for word in plain]


def oneshot(site: Any, folder: Path, systemd_run: str) -> Callable[[float], None]:
    """The timer's service: systemd starts it again only after it has ended."""
    fake = folder / "systemd-run"
    fake.write_text(systemd_run, encoding="utf-8")
    fake.chmod(0o755)
    argv = start_command(shown(site, "--systemd"))
    environment = {"PATH": f"{folder}:/usr/bin:/bin", "UNITS": str(folder / "units")}

    def tick(timeout: float) -> None:
        subprocess.run(argv, cwd="/", env=environment, timeout=timeout, check=True)

    return tick


def test_under_the_systemd_form(busy: Any, tmp_path: Path) -> None:
    tick = oneshot(busy, tmp_path, SYSTEMD_RUN)
    live_through(busy, lambda: tick(PROMPT))
    busy.run("stop", "long")
    units = (tmp_path / "units").read_text().splitlines()
    assert len(units) == MINUTES
    assert all("--unit=mitrarr-prod-" in unit for unit in units)


def test_a_oneshot_that_ran_apply_itself_would_stop_every_tick(busy: Any, tmp_path: Path) -> None:
    """Why the transient unit is there; and that the two tests above would notice."""
    tick = oneshot(busy, tmp_path, WAITING)
    with pytest.raises(subprocess.TimeoutExpired):
        tick(PROMPT / 2)
    assert [run.finished for run in busy.history("long")] == [False]


def test_the_crontab_line_reaches_the_store_of_the_hand(site: Any, job: Any) -> None:
    """Root found by the working folder, manifest elsewhere: cron stands in another folder."""
    elsewhere = site.root.parent / "manifests"
    elsewhere.mkdir()
    site.write(jobs={"a": job("true")}, settings={"root": None})
    text = site.manifest_path.read_text().replace('"root": null', '"language": "en"')
    (elsewhere / "prod.json").write_text(text, encoding="utf-8")
    (site.root / ".mitrarr-site").touch()
    given = {"MITRARR_CONFIG": str(elsewhere / "prod.json")}
    answer = site.run("cron", "show", env=given)
    line = next(one for one in answer.out.splitlines() if one.startswith("* "))
    subprocess.run(
        ["env", "-i", "PATH=/usr/bin:/bin", "sh", "-c", line.removeprefix("* * * * * ")],
        cwd="/",
        check=True,
        timeout=60,
    )
    assert (site.root / "state" / "heartbeat" / "prod").exists()
    assert [path.name for path in elsewhere.iterdir()] == ["prod.json"]
