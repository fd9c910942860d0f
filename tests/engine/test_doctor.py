"""Each check of doctor on a host made for it: what it says when all is well, and when not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mitrarr_runner import footing, http
from mitrarr_runner.clock import FixedClock, SystemClock
from mitrarr_runner.engine.cron import crontab, unit_files, units
from mitrarr_runner.engine.cron.entries import entries
from mitrarr_runner.engine.cron.units import Manager
from mitrarr_runner.engine.doctor import caller, host, remote, state, work
from mitrarr_runner.engine.doctor.examine import CHECKS, Check, examine
from mitrarr_runner.engine.doctor.finding import Finding, Ground, Level, ok
from mitrarr_runner.engine.doctor.report import finding_lines, fit, verdict
from mitrarr_runner.engine.places import Call, place
from mitrarr_runner.http import NotSentError
from mitrarr_runner.store import health, trouble
from mitrarr_runner.store.database import SCHEMA_VERSION
from mitrarr_runner.text import Catalogue, text

NOW = datetime(2026, 11, 22, 12, 0, 30, tzinfo=UTC)
CRONTAB = (
    '#!/bin/sh\n[ -f "$0.table" ] || { echo "no crontab for x" >&2; exit 1; }\ncat "$0.table"\n'
)


class Hospital:
    """A site, and a host that consists of a few folders."""

    def __init__(self, site: Any, folder: Path) -> None:
        self.site = site
        self.bin, self.proc, self.etc = (folder / name for name in ("bin", "proc", "etc"))
        for made in (self.bin, self.proc / "1", self.proc / "77", self.etc / "cron.d"):
            made.mkdir(parents=True)
        (self.proc / "1" / "comm").write_text("systemd\n")
        self.runs("cron")
        self.program("crontab", CRONTAB)
        self.mitrarr = self.program("mitrarr", "")
        self.environment = {"PATH": f"{self.bin}:/usr/bin:/bin", "HOME": str(folder)}
        site.write(jobs={"a": {"schedule": "* * * * *", "steps": [{"command": {"argv": ["x"]}}]}})

    def program(self, name: str, script: str) -> Path:
        path = self.bin / name
        path.write_text(script, encoding="utf-8")
        path.chmod(0o755)
        return path

    def runs(self, command: str) -> None:
        (self.proc / "77" / "comm").write_text(f"{command}\n")

    @property
    def table(self) -> Path:
        return self.bin / "crontab.table"

    def ground(self, path: Path | None = None, now: datetime = NOW) -> Ground:
        call = Call(self.environment, self.site.root)
        found = place(call, str(path or self.site.manifest_path))
        clock = FixedClock(now)
        return Ground(found, call, clock, self.mitrarr, proc=self.proc, system=self.etc)

    def applied(self, ago: timedelta, name: str = "prod") -> None:
        self.site.site.make()
        beat = self.site.site.heartbeat / name
        beat.touch()
        os.utime(beat, (at := (NOW - ago).timestamp(), at))


@pytest.fixture
def hospital(site: Any, tmp_path: Path) -> Hospital:
    return Hospital(site, tmp_path / "host")


def codes(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    return [(one.code, one.level.value) for one in findings]


Look = Callable[[Ground], Iterable[Finding]]


def told(look: Look, ground: Ground) -> list[tuple[str, str]]:
    return codes(look(ground))


# The host


def test_python(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(host.python, hospital.ground()) == [("python", "ok")]
    monkeypatch.setattr(host, "OLDEST_PYTHON", (99, 0))
    assert told(host.python, hospital.ground()) == [("python", "problem")]


@pytest.mark.parametrize(("year", "level"), [(1970, "problem"), (2026, "ok"), (2120, "problem")])
def test_a_year_that_cannot_be(hospital: Hospital, year: int, level: str) -> None:
    ground = hospital.ground(now=NOW.replace(year=year))
    assert told(host.clock, ground) == [("clock", level)]


def test_an_apply_in_the_future_means_a_clock_set_back(hospital: Hospital) -> None:
    hospital.applied(timedelta(seconds=10))
    assert told(host.clock, hospital.ground()) == [("clock", "ok")]
    hospital.applied(-timedelta(minutes=5))
    assert told(host.clock, hospital.ground()) == [("clock_back", "warning")]


def test_zones(hospital: Hospital) -> None:
    ground = hospital.ground()
    assert told(host.zones, ground) == [("timezone", "ok")]
    settings = replace(ground.manifest.settings, timezone="Mars/Olympus")
    manifest = replace(ground.manifest, settings=settings)
    ground = replace(ground, found=replace(ground.found, manifest=manifest))
    (found,) = host.zones(ground)
    assert (found.level, "Mars/Olympus" in str(found.message)) == (Level.PROBLEM, True)


def test_language(hospital: Hospital) -> None:
    for chosen in ("pt_BR", None):
        settings = {} if chosen is None else {"language": chosen}
        hospital.site.write(jobs={}, settings=settings)
        assert told(host.language, hospital.ground()) == [("language", "ok")]


def test_an_old_infra_in_the_way(hospital: Hospital) -> None:
    assert told(host.old_infra, hospital.ground()) == []
    (hospital.site.root / "infra" / "cli").mkdir(parents=True)
    main = hospital.site.root / "infra" / "cli" / "main.py"
    main.write_text("import sys\n")
    assert told(host.old_infra, hospital.ground()) == [("old_infra", "warning")]
    ours = Path(__file__).parents[2] / "compat" / "infra" / "cli" / "main.py"
    main.write_text(ours.read_text())
    assert told(host.old_infra, hospital.ground()) == []


# The site


def test_which_root_won_and_why(hospital: Hospital) -> None:
    (found,) = state.root(hospital.ground())
    assert (found.code, found.level) == ("root", Level.OK)
    assert str(found.message) == f"{hospital.site.root}: the manifest says so (settings.root)"
    text_ = hospital.site.manifest_path.read_text().replace('"root": ".."', '"language": "en"')
    elsewhere = hospital.site.root / "prod.json"
    elsewhere.write_text(text_)
    assert told(state.root, hospital.ground(elsewhere)) == [("root_guessed", "warning")]
    hospital.environment["MITRARR_ROOT"] = "/nowhere"
    (found,) = state.root(hospital.ground(elsewhere))
    assert (found.code, "$MITRARR_ROOT" in str(found.message)) == ("root_missing", True)


def test_the_manifest(hospital: Hospital) -> None:
    (found,) = state.manifest(hospital.ground())
    assert (found.code, found.level) == ("manifest", Level.OK)
    assert "1 job, 0 sources, 0 destinations" in str(found.message)
    job = {"schedule": "*/45 * * * *", "steps": [{"command": {"argv": ["x"]}}]}
    hospital.site.write(jobs={"a": job})
    for _ in range(2):  # the second time from the compiled manifest
        hospital.site.site.make()
        assert told(state.manifest, hospital.ground()) == [("manifest_warnings", "warning")]
    hospital.site.write(jobs={"a": {}, "b": {}})
    (found,) = state.manifest(hospital.ground())
    assert (found.code, found.level) == ("manifest_broken", Level.PROBLEM)


def test_the_owner_of_the_state(hospital: Hospital) -> None:
    assert told(state.owner, hospital.ground()) == [("owner", "ok")]
    hospital.site.site.make()
    hospital.site.site.state.chmod(0o700)
    assert told(state.owner, hospital.ground()) == [("owner", "ok")]
    hospital.site.site.state.chmod(0o755)
    (found,) = state.owner(hospital.ground())
    assert (found.code, found.level) == ("state_open", Level.WARNING)
    assert str(found.hint) == f"chmod go= {hospital.site.site.state}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give the state to somebody else")
def test_somebody_elses_state(hospital: Hospital) -> None:
    hospital.site.store().close()
    os.chown(hospital.site.site.state, 65534, 65534)
    ground = hospital.ground()
    (found,) = state.owner(ground)
    assert (found.code, found.level) == ("other_owner", Level.PROBLEM)
    assert "sudo -u nobody" in str(found.hint)
    assert told(state.store, ground) == []  # said once


def test_a_network_disk(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(state.disk_kind, hospital.ground()) == [("disk_kind", "ok")]
    monkeypatch.setattr(footing, "network_disk", lambda folder: "nfs4")
    assert told(state.disk_kind, hospital.ground()) == [("network_disk", "problem")]


def test_a_disk_without_wal(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "try_wal", lambda folder: False)
    assert told(state.disk_kind, hospital.ground()) == [("wal", "problem")]
    hospital.site.store().close()  # now the store itself is asked
    assert told(state.disk_kind, hospital.ground()) == [("disk_kind", "ok")]


def test_wal_is_tried_and_leaves_nothing(hospital: Hospital) -> None:
    before = sorted(hospital.site.root.rglob("*"))
    assert told(state.disk_kind, hospital.ground()) == [("disk_kind", "ok")]
    assert sorted(hospital.site.root.rglob("*")) == before
    assert health.try_wal(Path("/nowhere")) is False


def test_a_full_disk_is_not_one_without_wal(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk neither the store nor a trial says anything about WAL."""
    monkeypatch.setattr(trouble, "is_full", lambda folder: True)
    (found,) = state.disk_kind(hospital.ground())
    assert (found.code, found.level) == ("disk_full", Level.PROBLEM)
    assert "full" in str(found.message)
    assert "free some space" in str(found.hint)


def test_a_store_read_as_it_is_says_nothing_about_wal(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the shared file beside it cannot be made (a read-only disk), SQLite names no WAL."""
    hospital.site.store().close()
    monkeypatch.setattr(health, "journal_mode", lambda db: "delete")
    assert told(state.disk_kind, hospital.ground()) == [("disk_kind", "ok")]
    monkeypatch.setattr(health, "try_wal", lambda folder: False)
    assert told(state.disk_kind, hospital.ground()) == [("wal", "problem")]


@pytest.mark.parametrize(
    ("free", "level"), [(100, "problem"), (500, "warning"), (5000, "ok")], ids=str
)
def test_free_space(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch, free: int, level: str
) -> None:
    monkeypatch.setattr(state, "free_bytes", lambda folder: free * 1_000_000)
    assert told(state.space, hospital.ground()) == [("space", level)]


def test_the_store(hospital: Hospital) -> None:
    (found,) = state.store(hospital.ground())
    assert "nothing was stored yet" in str(found.message)
    with hospital.site.store() as db:
        path = db.path
    (found,) = state.store(hospital.ground())
    assert found.level is Level.OK
    assert f"whole, schema {SCHEMA_VERSION}" in str(found.message)
    data = bytearray(path.read_bytes())
    data[4096:] = b"\x17" * (len(data) - 4096)
    path.write_bytes(bytes(data))
    (found,) = state.store(hospital.ground())
    assert (found.code, found.level) == ("store_damaged", Level.PROBLEM)
    path.write_bytes(b"no database" * 500)
    (found,) = state.store(hospital.ground())
    assert found.level is Level.PROBLEM
    assert found.hint is not None


# Who calls apply


def block(hospital: Hospital, program: Path | None = None) -> str:
    ground = hospital.ground()
    (entry,) = entries(ground.found, ground.call)
    return crontab.block(entry, program or hospital.mitrarr)


def test_nothing_calls_apply(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller, "CRON_PATH", str(hospital.bin))
    found = list(caller.installed(hospital.ground()))
    assert codes(found) == [("not_installed", "warning"), ("cron_python", "warning")]
    assert str(found[0].hint) == f"mitrarr cron install --config {hospital.site.manifest_path}"
    hospital.program("python", "")
    assert told(caller.installed, hospital.ground()) == [("not_installed", "warning")]
    hospital.applied(timedelta(days=1))
    assert told(caller.installed, hospital.ground()) == [("not_installed", "warning")]


def test_something_else_calls_apply(hospital: Hospital) -> None:
    hospital.applied(timedelta(seconds=50))
    assert told(caller.installed, hospital.ground()) == [("applied", "ok")]


def test_a_crontab_block(hospital: Hospital) -> None:
    hospital.table.write_text("5 5 * * * x\n" + block(hospital))
    assert told(caller.installed, hospital.ground()) == [
        ("crontab", "ok"),
        ("never_applied", "warning"),
    ]
    hospital.applied(timedelta(seconds=50))
    assert told(caller.installed, hospital.ground()) == [("crontab", "ok"), ("applied", "ok")]
    hospital.applied(timedelta(minutes=4))
    found = told(caller.installed, hospital.ground())
    assert found == [("crontab", "ok"), ("apply_late", "problem")]


def test_cron_is_not_running(hospital: Hospital) -> None:
    hospital.table.write_text(block(hospital))
    hospital.applied(timedelta(seconds=50))
    hospital.runs("sshd")
    assert ("cron_stopped", "problem") in told(caller.installed, hospital.ground())


def test_a_block_of_another_installation(hospital: Hospital) -> None:
    hospital.applied(timedelta(seconds=50))
    hospital.table.write_text(block(hospital, hospital.program("other", "")))
    assert told(caller.installed, hospital.ground())[0] == ("crontab_differs", "warning")
    hospital.table.write_text(block(hospital, Path("/gone/bin/mitrarr")))
    found = list(caller.installed(hospital.ground()))
    assert codes(found)[0] == ("crontab_stale", "problem")
    assert "/gone/bin/mitrarr" in str(found[0].message)


def test_a_guardian_is_late_after_an_hour(hospital: Hospital) -> None:
    settings = {"store": "state/guardian.db", "watches": "state/mitrarr.db"}
    hospital.site.write(name="guardian", settings=settings)
    hospital.table.write_text(block(hospital))
    hospital.applied(timedelta(minutes=40), "guardian")
    assert told(caller.installed, hospital.ground()) == [("crontab", "ok"), ("applied", "ok")]
    hospital.applied(timedelta(minutes=70), "guardian")
    assert ("apply_late", "problem") in told(caller.installed, hospital.ground())


@pytest.mark.parametrize("where", ["own", "crontab", "cron.d/findface"])
def test_a_line_written_by_hand(hospital: Hospital, where: str) -> None:
    """As the tutorial writes it: with a python that cron's PATH may not have."""
    hospital.applied(timedelta(seconds=50))
    path = hospital.table if where == "own" else hospital.etc / where
    user = "" if where == "own" else "findface "
    line = f"* * * * * {user}python3000 -m infra.cli.main run-schedule --config {{}}\n"
    content = line.format(hospital.site.manifest_path)
    path.write_text(content.replace("python3000", "/usr/bin/python3"))
    found = told(caller.installed, hospital.ground())
    assert found == [("crontab_by_hand", "ok"), ("applied", "ok")]
    path.write_text(f"PATH={hospital.bin}\n" + content.replace("python3000", "python"))
    found = told(caller.installed, hospital.ground())
    assert found == [("cron_path", "problem"), ("applied", "ok")]
    hospital.program("python", "")
    found = told(caller.installed, hospital.ground())
    assert found == [("crontab_by_hand", "ok"), ("applied", "ok")]


def test_a_comment_calls_nothing(hospital: Hospital) -> None:
    hospital.table.write_text(f"# * * * * * mitrarr apply {hospital.site.manifest_path}\n")
    assert ("not_installed", "warning") in told(caller.installed, hospital.ground())


def test_a_crontab_that_cannot_be_read(hospital: Hospital) -> None:
    hospital.program("crontab", "#!/bin/sh\necho not allowed >&2; exit 1\n")
    assert told(caller.installed, hospital.ground())[0] == ("crontab_refused", "problem")
    hospital.program("crontab", CRONTAB)
    hospital.table.write_text("# mitrarr:prod begin /x\n")
    assert told(caller.installed, hospital.ground())[0] == ("crontab_block", "problem")


@pytest.mark.parametrize("manager", list(Manager))
def test_a_timer(hospital: Hospital, manager: Manager) -> None:
    hospital.applied(timedelta(seconds=50))
    ground = hospital.ground()
    (entry,) = entries(ground.found, ground.call)
    wanted = units.units(entry, units.runner(ground.site, hospital.mitrarr, manager))
    folder = hospital.etc / "systemd" / "system"
    if manager is Manager.USER:
        folder = unit_files.folder(manager, hospital.environment)
    folder.mkdir(parents=True)
    for name, content in wanted.items():
        (folder / name).write_text(content)
    assert told(caller.installed, ground)[0] == ("timer_off", "problem")
    (folder / "timers.target.wants").mkdir()
    (folder / "timers.target.wants" / "mitrarr-prod.timer").symlink_to("../mitrarr-prod.timer")
    assert told(caller.installed, ground) == [("timer", "ok"), ("applied", "ok")]
    (folder / "mitrarr-prod.service").write_text(f"{units.owner_line(entry)}\n")
    assert told(caller.installed, ground)[0] == ("timer_differs", "warning")
    hospital.table.write_text(block(hospital))
    assert ("called_twice", "warning") in told(caller.installed, ground)


# What the jobs work with


def spool_site(hospital: Hospital, **more: Any) -> Path:
    folder: Path = hospital.site.root / "entrada"
    folder.mkdir(exist_ok=True)
    source = {"spool": "entrada", "settle": "0s", **more}
    hospital.site.write(sources={"DETRAN": source})
    return folder


def test_spools(hospital: Hospital) -> None:
    folder = spool_site(hospital)
    now = SystemClock().now()
    assert told(work.spools, hospital.ground(now=now)) == [("spool", "ok")]
    (folder / "11122233344.nst").write_bytes(b"x")
    (folder / "55566677788.pdf").write_bytes(b"x")
    (folder / "99900011122.nst").symlink_to("x")
    found = list(work.spools(hospital.ground(now=now + timedelta(days=2))))
    assert codes(found) == [
        ("spool", "ok"),
        ("spool_unmatched", "warning"),
        ("spool_refused", "warning"),
        ("spool_old", "warning"),
    ]
    assert "1 ready" in str(found[0].message)
    said = " ".join(f"{one.message} {one.hint}" for one in found)
    assert not any(name in said for name in ("111222", "555666", "999000"))


def test_a_spool_that_is_not_there(hospital: Hospital) -> None:
    folder = spool_site(hospital)
    folder.rmdir()
    assert told(work.spools, hospital.ground()) == [("spool_missing", "problem")]
    folder = spool_site(hospital, requires={"mount": str(hospital.site.root)})
    assert told(work.spools, hospital.ground()) == [("spool_unmounted", "problem")]


def test_a_spool_nothing_can_be_taken_out_of(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked of os.access, for root may do everything."""
    folder = spool_site(hospital, after="delete")
    (folder / "a.nst").write_bytes(b"x")
    now = SystemClock().now() + timedelta(minutes=1)
    assert told(work.spools, hospital.ground(now=now)) == [("spool", "ok")]
    monkeypatch.setattr(os, "access", lambda path, mode: mode == os.R_OK)
    assert told(work.spools, hospital.ground(now=now)) == [("spool_unwritable", "problem")]
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.R_OK)
    assert told(work.spools, hospital.ground(now=now)) == [("spool_files_unreadable", "problem")]


def with_password(hospital: Hospital, **reference: str) -> Ground:
    login = {"username": "mitrarr", "password": reference}
    block = {"kind": "findface_multi", "url": "http://127.0.0.1:1", "login": login}
    hospital.site.write(destinations={"findface": {**block, "watch_lists": ["DETRAN"]}})
    return hospital.ground()


def test_a_secret_in_a_file(hospital: Hospital) -> None:
    path = hospital.site.root / "password"
    ground = with_password(hospital, file=str(path))
    assert told(work.secrets, ground) == [("secret_missing", "problem")]
    path.write_text("\n")
    assert told(work.secrets, ground) == [("secret_missing", "problem")]
    path.write_text("correct horse\n")
    for mode, expected in ((0o640, "warning"), (0o604, "warning"), (0o600, "ok"), (0o400, "ok")):
        path.chmod(mode)
        (found,) = work.secrets(ground)
        assert found.level.value == expected
        assert "horse" not in f"{found.message} {found.hint}"


def test_a_secret_in_the_environment_or_of_systemd(hospital: Hospital) -> None:
    ground = with_password(hospital, env="FF_PASSWORD")
    (found,) = work.secrets(ground)
    assert (found.code, found.level) == ("secret_missing", Level.WARNING)
    assert "{file: }" in str(found.hint)
    hospital.environment["FF_PASSWORD"] = "correct horse"
    (found,) = work.secrets(ground)
    assert found.code == "secret_environment"
    assert "horse" not in str(found.message)
    ground = with_password(hospital, credential="findface")
    assert told(work.secrets, ground) == [("secret_credential", "warning")]
    (hospital.etc / "findface").write_text("correct horse")
    hospital.environment["CREDENTIALS_DIRECTORY"] = str(hospital.etc)
    assert told(work.secrets, ground) == [("secret", "ok")]


def test_channels(hospital: Hospital) -> None:
    assert told(work.channels, hospital.ground()) == [("alerts_log", "ok")]
    ground = hospital.ground()
    (hospital.site.root / "logs").write_text("a file where a folder is needed")
    assert told(work.channels, ground) == [("alerts_log", "problem")]
    (hospital.site.root / "logs").unlink()
    (hospital.site.root / "logs" / "alerts.log").mkdir(parents=True)
    assert told(work.channels, ground) == [("alerts_log", "problem")]


def test_a_channel_of_a_later_version(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "CHANNELS", {})
    hospital.site.write(alerts={"channels": {"registro": {"kind": "log"}}})
    assert told(work.channels, hospital.ground())[0] == ("channel_kind", "warning")


def test_the_api(hospital: Hospital) -> None:
    for api in ({}, {"loopback": "operator"}):
        hospital.site.write(api=api)
        assert told(host.api, hospital.ground()) == [("api", "ok")]


# Certificates


@pytest.mark.parametrize(
    ("days", "level"), [(-1, "problem"), (6, "problem"), (29, "warning"), (31, "ok")]
)
def test_the_end_of_a_certificate(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch, days: int, level: str
) -> None:
    password = hospital.site.root / "password"
    password.write_text("x")
    ground = with_password(hospital, file=str(password))
    end = NOW + timedelta(days=days, hours=1)
    monkeypatch.setattr(http, "certificate_end", lambda url, ca_file, timeout: end)
    found = next(iter(remote.destinations(ground)))
    assert (found.code, found.level.value) == ("certificate", level)
    assert f"{end:%Y-%m-%d}" in str(found.message)


@pytest.mark.parametrize("reason", ["expired", "untrusted", "other_host", "tls", "ca_file", "dns"])
def test_why_there_is_no_connection(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    def fails(url: str, ca_file: Path | None, timeout: float) -> datetime:
        raise NotSentError(reason)

    monkeypatch.setattr(http, "certificate_end", fails)
    (found,) = remote.destinations(with_password(hospital, env="X"))
    code = "no_connection" if reason == "dns" else "no_certificate"
    assert (found.code, found.level) == (code, Level.PROBLEM)
    assert "cannot be used" not in str(found.message)  # words of its own for every reason
    assert found.hint is not None


# The whole


def test_a_check_that_stumbles_is_a_finding_and_hides_no_other(hospital: Hospital) -> None:
    def stumbles(ground: Ground) -> Iterable[Finding]:
        yield ok("first", text("a"), text("b"))
        raise PermissionError(13, "no")

    checks = (Check("odd", stumbles), Check("python", host.python))
    found = list(examine(hospital.ground(), checks))
    assert codes(found) == [("first", "ok"), ("check_failed", "problem"), ("python", "ok")]


def test_no_two_checks_have_one_name() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS)


def test_how_it_looks_on_a_narrow_terminal() -> None:
    long = Finding("x", Level.WARNING, text("spool"), text("one two " * 12), text("do this " * 12))
    shown = list(finding_lines(long, Catalogue("en"), 60))
    assert shown[0].startswith("WARNING   spool: one two")
    assert all(len(line) <= 60 for line in shown)
    assert all(line.startswith(" " * 10) for line in shown[1:])
    assert any(line.startswith("          -> do this") for line in shown)
    flat = list(finding_lines(long, Catalogue("en"), None))
    assert len(flat) == 2


def test_the_verdict() -> None:
    fine = ok("a", text("a"), text("a"))
    warned = replace(fine, level=Level.WARNING)
    bad = replace(fine, level=Level.PROBLEM)
    assert str(verdict([fine])) == "fit: nothing to do"
    assert str(verdict([fine, warned, bad, bad])) == "2 problems, 1 warning, 1 OK"
    assert fit([fine, warned])
    assert not fit([fine, bad])


def test_doctor_changes_nothing(hospital: Hospital) -> None:
    """Not even the folders of a site that was never applied."""
    before = sorted(hospital.site.root.rglob("*"))
    assert list(examine(hospital.ground()))
    assert sorted(hospital.site.root.rglob("*")) == before
