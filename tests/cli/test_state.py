"""state backup, restore, check from outside; errors of the store in every verb."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mitrarr_runner.store import audit, meta, runs


@pytest.fixture
def applied(site: Any, job: Any, mitrarr: Any, nist: Any) -> Any:
    """A site with a run, a registered and a refused file."""
    site.write(
        sources={"DETRAN": {"settle": "0s"}},
        jobs={"job_a": job("true", schedule={"cron": "0 3 1 1 *"})},
    )
    nist("a.nst", tcn="1")
    nist("b.nst", tcn="2", cut=300)
    assert mitrarr("apply").code == 0
    assert mitrarr("run", "job_a").code == 0
    words = ("register-nist", "--source", "DETRAN")
    assert mitrarr(*words, "--id", "1", "--file", "a.nst").code == 0
    assert mitrarr(*words, "--id", "2", "--file", "b.nst").code == 1
    return site


def audited(site: Any) -> list[tuple[str, str]]:
    with site.store() as db:
        assert audit.broken_at(db) is None
        rows = db.rows("SELECT actor, action FROM audit WHERE subject = 'state' ORDER BY id")
        return [tuple(row) for row in rows]


def test_backup_and_restore(applied: Any, mitrarr: Any) -> None:
    made = mitrarr("state", "backup", "copy.tar")
    assert (made.code, made.err) == (0, "")
    assert f"kept in {applied.root}/copy.tar" in made.out
    assert "everybody would be sent a second time" in made.out
    assert "store/, quarantine/" in made.out
    assert (applied.root / "copy.tar").stat().st_mode & 0o777 == 0o600
    assert mitrarr("run", "job_a").code == 0
    assert len(applied.history()) == 2
    back = mitrarr("state", "restore", "copy.tar", "--yes")
    assert (back.code, back.err) == (0, "")
    made = re.match(r"the state of \w{3} (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) -03:00 ", back.out)
    assert made is not None, back.out
    ago = datetime.now(ZoneInfo("America/Sao_Paulo")).replace(tzinfo=None)
    assert timedelta(0) <= ago - datetime.fromisoformat(made[1]) < timedelta(minutes=5)
    assert "the state that was is kept in" in back.out
    assert "the state is sound" in back.out
    assert len(applied.history()) == 1
    assert audited(applied) == [("operador.a", "restore")]
    assert mitrarr("apply").code == 0


def test_a_restore_does_not_forget_that_cron_is_alive(applied: Any, mitrarr: Any) -> None:
    """When apply was last called is no part of a copy: it is what this host is doing now."""
    beat = applied.root / "state" / "heartbeat" / "prod"
    before = beat.stat().st_mtime_ns
    assert mitrarr("state", "backup", "copy.tar").code == 0
    assert mitrarr("state", "restore", "copy.tar", "--yes").code == 0
    assert beat.stat().st_mtime_ns == before
    assert "cron OK" in mitrarr("status").out


def test_json(applied: Any, mitrarr: Any) -> None:
    made = mitrarr("state", "backup", "copy.tar", "--format", "json").json
    assert made["file"] == str(applied.root / "copy.tar")
    assert made["bytes"] == (applied.root / "copy.tar").stat().st_size
    assert made["copy"]["files"][0]["path"] == "state/mitrarr.db"
    back = mitrarr("state", "restore", "copy.tar", "--yes", "--format", "json").json
    assert back["made"] == made["copy"]["made"]
    assert Path(back["aside"]).is_dir()
    assert {one["state"] for one in back["checks"]} == {"good"}
    checked = mitrarr("state", "check", "--format", "json").json
    assert [list(one) for one in checked["checks"]] == [
        ["name", "subject", "state", "count", "message"]
    ] * len(checked["checks"])


def test_restore_asks_and_nobody_answers(applied: Any, mitrarr: Any) -> None:
    mitrarr("state", "backup", "copy.tar")
    done = mitrarr("state", "restore", "copy.tar")
    assert done.code == 2
    assert "--yes" in done.err
    assert not list(applied.root.glob("state.before-*"))


@pytest.mark.skipif(shutil.which("script") is None, reason="script(1) is not here")
@pytest.mark.parametrize(("typed", "code"), [("yes\n", 0), ("no\n", 1), ("\n", 1)])
def test_restore_asks_a_person(applied: Any, mitrarr: Any, typed: str, code: int) -> None:
    mitrarr("state", "backup", "copy.tar")
    done = answered(applied, "state", "restore", "copy.tar", typed=typed)
    assert done.returncode == code, done.stdout
    assert "go on? (yes/no)" in done.stdout
    assert len(list(applied.root.glob("state.before-*"))) == (1 if code == 0 else 0)


def answered(site: Any, *words: str, typed: str) -> subprocess.CompletedProcess[str]:
    """The program on a real terminal (script(1) gives one), and what somebody types there."""
    return subprocess.run(
        ["script", "-qec", " ".join(site.command(*words)), "/dev/null"],
        input=typed,
        cwd=site.root,
        env=site.environment(),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.skipif(shutil.which("script") is None, reason="script(1) is not here")
@pytest.mark.parametrize("name", ["NOPE.tar", "no/such/folder.tar", "configs"])
def test_nobody_is_asked_about_a_file_that_is_not_there(applied: Any, name: str) -> None:
    done = answered(applied, "state", "restore", name, typed="yes\n")
    assert done.returncode == 2, done.stdout
    assert "go on?" not in done.stdout
    assert name in done.stdout
    assert not list(applied.root.glob("state.before-*"))


@pytest.mark.skipif(shutil.which("script") is None, reason="script(1) is not here")
def test_nobody_is_asked_about_what_is_no_copy(applied: Any) -> None:
    (applied.root / "notes.txt").write_text("mine")
    done = answered(applied, "state", "restore", "notes.txt", typed="yes\n")
    assert done.returncode == 4, done.stdout
    assert "not a copy of a state" in done.stdout
    assert "go on?" not in done.stdout


def test_a_file_that_is_not_there_is_said_before_that_nobody_can_be_asked(
    applied: Any, mitrarr: Any
) -> None:
    done = mitrarr("state", "restore", "NOPE.tar")
    assert done.code == 2
    assert "NOPE.tar" in done.err
    assert "--yes" not in done.err


def test_restore_while_a_job_runs(site: Any, job: Any, mitrarr: Any) -> None:
    site.write(jobs={"job_a": job("sleep", "30")})
    site.due()
    assert mitrarr("state", "backup", "copy.tar").code == 0
    process = site.start("apply")
    while not site.history():
        assert process.poll() is None
    done = mitrarr("state", "restore", "copy.tar", "--yes")
    assert done.code == 4
    assert "prod.job_a is held" in done.err
    assert "mitrarr drain" in done.err
    process.terminate()
    process.wait()
    assert mitrarr("state", "restore", "copy.tar", "--yes").code == 0


def test_backup_while_a_job_runs(site: Any, job: Any, mitrarr: Any) -> None:
    site.write(jobs={"job_a": job("sleep", "2")})
    site.due()
    process = site.start("apply")
    while not site.history():
        assert process.poll() is None
    assert mitrarr("state", "backup", "copy.tar").code == 0
    assert process.wait() == 0
    assert [run.outcome for run in site.history()] == [runs.Outcome.OK]


def test_check(applied: Any, mitrarr: Any) -> None:
    done = mitrarr("state", "check")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-1] == "the state is sound"
    (original,) = applied.site.originals.glob("*/*.nst")
    original.rename(applied.root / "away")
    done = mitrarr("state", "check")
    assert done.code == 4
    assert "DAMAGED  state/mitrarr.db  registered files whose original is missing: 1" in done.out
    assert original.stem not in done.out


def test_check_where_nothing_was_stored(site: Any, mitrarr: Any) -> None:
    site.write()
    done = mitrarr("state", "check")
    assert (done.code, done.out) == (0, "nothing was ever stored here\n")
    assert not (site.root / "state").exists()
    assert mitrarr("state", "backup", "copy.tar").code == 2


def test_no_id_of_a_person_is_shown(applied: Any, mitrarr: Any) -> None:
    with applied.store() as db:
        person = db.row("SELECT sha256 FROM registry")
    for words in (("check",), ("backup", "copy.tar"), ("restore", "copy.tar", "--yes")):
        done = mitrarr("state", *words)
        assert person["sha256"] not in done.out + done.err
    with tarfile.open(applied.root / "copy.tar") as tar:
        listed = tar.extractfile("manifest.json").read()  # type: ignore[union-attr]
    assert list(json.loads(listed)) == ["version", "made", "host", "program", "files"]


# The store in trouble, whatever the verb

VERBS = (
    ("apply",),
    ("status",),
    ("history",),
    ("plan",),
    ("run", "job_a"),
    ("pause", "job_a"),
    ("resume", "job_a"),
    ("stop", "job_a"),
    ("clean",),
    ("registry", "list"),
    ("deliveries", "list"),
    ("state", "backup", "copy.tar"),
)


def damaged(site: Any) -> None:
    (site.root / "state" / "mitrarr.db").write_bytes(b"\xff" * 20_000)


def gone(site: Any) -> None:
    (site.root / "state" / "mitrarr.db").unlink()


def zeroed(site: Any) -> None:
    (site.root / "state" / "mitrarr.db").write_bytes(b"")


def newer(site: Any) -> None:
    with site.store() as db:
        db.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize("trouble", [damaged, gone, zeroed, newer])
def test_every_verb_says_so(applied: Any, mitrarr: Any, trouble: Callable[[Any], None]) -> None:
    trouble(applied)
    store = applied.root / "state" / "mitrarr.db"
    before = store.read_bytes() if store.exists() else None
    for words in VERBS:
        done = mitrarr(*words)
        assert done.code == 4, (words, done)
        assert done.err.startswith("error: the store is "), words
        assert "mitrarr state restore" in done.err, words
        assert "bug" not in done.err
    assert (store.read_bytes() if store.exists() else None) == before
    check = mitrarr("state", "check")
    assert check.code == 4
    if trouble is newer:
        assert "DAMAGED" not in check.out
        assert "damaged" not in check.out
        assert "NEWER" in check.out
        assert "install the newer mitrarr again" in check.out
    else:
        assert "DAMAGED" in check.out
        assert "  -> put a copy back: mitrarr state restore FILE" in check.out


def test_doctor_says_in_one_line_what_is_damaged(applied: Any, mitrarr: Any) -> None:
    store = applied.root / "state" / "mitrarr.db"
    data = bytearray(store.read_bytes())
    data[5000:40000] = b"\xff" * 35000
    store.write_bytes(bytes(data))
    told = mitrarr("doctor")
    assert f"{store} is damaged: " in told.out
    assert "\\x0a" not in told.out
    assert "*** in database" not in told.out


def test_an_alert_gets_out_and_a_restore_mends_it(applied: Any, mitrarr: Any) -> None:
    assert mitrarr("state", "backup", "copy.tar").code == 0
    damaged(applied)
    words = ("--type", "manual", "--severity", "warning", "--message", "store damaged")
    assert mitrarr("emit-alert", *words).code == 0
    assert "store damaged" in (applied.root / "logs" / "alerts.log").read_text()
    assert mitrarr("state", "restore", "copy.tar", "--yes").code == 0
    assert mitrarr("status").code == 0
    with applied.store() as db:
        assert meta.get(db, "nothing") is None
