"""systemd units: their text (golden files), what systemd says of them, and what ends up running."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mitrarr_runner import footing
from mitrarr_runner.engine import footprint
from mitrarr_runner.engine.cron import unit_files, units
from mitrarr_runner.engine.cron.entries import Entry
from mitrarr_runner.engine.cron.units import Manager, Runner
from mitrarr_runner.manifest.model import (
    Alerts,
    Channel,
    Destination,
    Job,
    Login,
    Manifest,
    Schedule,
    SecretRef,
    Source,
    Step,
)
from mitrarr_runner.site import Site
from mitrarr_runner.text import LANGUAGES, Catalogue

GOLDEN = Path(__file__).with_name("golden")
ROOT = Path("/opt/findface/mitrarr")
LOGIN = Login("mitrarr", SecretRef(credential="findface"))
CLEAN = Step("clean", {"folders": [{"path": "/dados/tmp", "older_than": 604800}]})
COMMAND = Step("command", {"argv": ["rsync"], "cwd": "/srv/mirror"})
ENGLISH = Catalogue("en")
SYSTEM = Runner(Manager.SYSTEM, ROOT / ".venv/bin/mitrarr", "findface", Path("/home/findface"))


def manifest(*steps: Step, root: Path = ROOT) -> Manifest:
    return Manifest(
        "prod",
        root / "configs/prod",
        root,
        "0" * 12,
        sources={"DETRAN": Source("DETRAN", Path("/dados/entrada/detran"))},
        destinations={"findface": Destination("findface", "findface_multi", "https://x", LOGIN)},
        jobs={"a": Job("a", Schedule("* * * * *", "UTC"), steps)},
        alerts=Alerts({"hook": Channel("hook", "webhook", {"token": SecretRef(env="HOOK")})}),
    )


def entry(*steps: Step, root: Path = ROOT, pinned: Path | None = None, every: int = 1) -> Entry:
    made = manifest(*steps, root=root)
    assert made.path is not None
    return Entry("prod", made.path, every, pinned, made)


def golden(name: str, shown: str) -> None:
    path = GOLDEN / name
    if os.environ.get("GOLDEN") == "write":
        path.write_text(shown, encoding="utf-8")
    assert shown == path.read_text(encoding="utf-8")


def told(made: dict[str, str]) -> str:
    return "".join(f"==> {name}\n{content}" for name, content in made.items())


def test_units_of_the_host() -> None:
    golden("units_system.txt", told(units.units(entry(CLEAN, COMMAND), SYSTEM, ENGLISH)))


def test_units_of_a_user_of_a_guardian() -> None:
    runner = replace(SYSTEM, manager=Manager.USER)
    one = replace(entry(every=30, pinned=Path("/srv/a b")), name="guardian")
    golden("units_user.txt", told(units.units(one, runner, ENGLISH)))


@pytest.mark.parametrize("language", LANGUAGES)
def test_comments_are_in_the_language_of_the_call_and_fit_a_screen(language: str) -> None:
    for content in units.units(entry(CLEAN), SYSTEM, Catalogue(language)).values():
        first, *others = content.splitlines()
        comments = [line for line in others if line.startswith("#")]
        assert first == units.owner_line(entry())
        assert comments
        assert max(map(len, comments)) <= 80


def test_units_in_other_words_are_the_same_units(tmp_path: Path) -> None:
    """Two operators of two languages must not rewrite and reload them in turn."""
    one, wanted = entry(), units.units(entry(), SYSTEM, ENGLISH)
    others = units.units(one, SYSTEM, Catalogue("pt_BR"))
    for name, content in others.items():
        older = content.replace("[Unit]", "# A word of an older program.\n#\n[Unit]")
        (tmp_path / name).write_text(older, encoding="utf-8")
    assert unit_files.changed(tmp_path, one, wanted) == {}
    timer = tmp_path / "mitrarr-prod.timer"
    timer.write_text(timer.read_text("utf-8").replace("*:*:00", "*:*:30"), encoding="utf-8")
    assert unit_files.changed(tmp_path, one, wanted) == {timer.name: wanted[timer.name]}


def test_what_a_manifest_touches() -> None:
    made = manifest(CLEAN, COMMAND)
    assert footprint.written(made) == (
        ROOT,
        Path("/dados/entrada/detran"),
        Path("/dados/tmp"),
        Path("/srv/mirror"),
    )
    assert list(footprint.secrets(made)) == [
        ("destination findface", SecretRef(credential="findface")),
        ("channel hook", SecretRef(env="HOOK")),
    ]


def properties(one: Entry, runner: Runner = SYSTEM) -> set[str]:
    return set(units.properties(one, runner))


def test_workers_outlive_an_apply_that_is_killed() -> None:
    for manager in Manager:
        found = properties(entry(), replace(SYSTEM, manager=manager))
        assert {"KillMode=process", "OOMPolicy=continue", "UMask=0077"} <= found


def test_homes_are_hidden_unless_something_lies_there() -> None:
    assert "ProtectHome=yes" in properties(entry())
    assert "ProtectHome=read-only" in properties(entry(COMMAND))  # its ssh keys
    assert "ProtectHome=read-only" in properties(entry(root=Path("/home/findface/site")))
    at_home = replace(SYSTEM, program=Path("/home/findface/venv/bin/mitrarr"))
    assert "ProtectHome=read-only" in properties(entry(), at_home)
    python_at_home = replace(SYSTEM, installed=(Path("/home/findface/python"),))
    assert "ProtectHome=read-only" in properties(entry(), python_at_home)


def test_the_program_is_looked_for_where_its_links_lead(tmp_path: Path) -> None:
    made = units.runner(Site(tmp_path), tmp_path / "bin" / "mitrarr", Manager.SYSTEM)
    assert Path(sys.base_prefix).resolve() in made.installed
    assert made.user == footing.user_name(os.geteuid())


def test_a_site_below_tmp_is_not_hidden_from_its_own_apply() -> None:
    assert "PrivateTmp=yes" in properties(entry())
    assert "PrivateTmp=yes" not in properties(entry(root=Path("/tmp/site")))


ODD = "/srv/50% $HOME \"q\" 'p' \\n/x"


def exec_start(unit: str) -> list[str]:
    """ExecStart's words as systemd reads them: systemd.unit(5), systemd.syntax(7): continued lines,
    one double-quoted word, C escapes, %% and $$."""
    line = next(part for part in unit.replace("\\\n", " ").splitlines() if "ExecStart=" in part)
    words = re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', line.partition("=")[2])
    plain = [re.sub(r"\\(.)", r"\1", quoted or bare) for quoted, bare in words]
    assert all("%" not in word.replace("%%", "") for word in plain)
    assert all("$" not in word.replace("$$", "") for word in plain)
    return [word.replace("%%", "%").replace("$$", "$") for word in plain]


def test_any_path_reaches_the_program_as_it_is(tmp_path: Path) -> None:
    """Through the unit's own quoting, the shell's, and that of the transient unit."""
    fake = tmp_path / "systemd-run"
    fake.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n", encoding="utf-8")
    fake.chmod(0o755)
    one = entry(root=Path(ODD), pinned=Path(ODD))
    unit = units.units(one, SYSTEM)["mitrarr-prod.service"]
    done = subprocess.run(
        exec_start(unit),
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    words = done.stdout.splitlines()
    assert words[-2:] == ["apply", f"{ODD}/configs/prod".replace("$", "$$")]
    assert f"--setenv=MITRARR_ROOT={ODD}" in words
    assert re.fullmatch(r"--unit=mitrarr-prod-\d{10,}", words[3])
    written = next(word for word in words if word.startswith("--property=ReadWritePaths="))
    assert shlex.split(written.partition("=")[2].partition("=")[2])[0] == f"-{ODD}"


@pytest.fixture
def verify(tmp_path: Path) -> Path:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed here (Debian: apt install systemd)")
    return tmp_path


def verified(*files: Path) -> str:
    done = subprocess.run(
        ["systemd-analyze", "--man=no", "verify", *map(str, files)],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("every", [1, 30])
def test_systemd_takes_the_units(verify: Path, every: int) -> None:
    made = units.units(entry(CLEAN, COMMAND, every=every, pinned=Path(ODD)), SYSTEM)
    files = [verify / name for name in made]
    for path, content in zip(files, made.values(), strict=True):
        path.write_text(content, encoding="utf-8")
    assert verified(*files) == ""


def test_systemd_knows_every_property_of_the_transient_unit(verify: Path) -> None:
    listed = "\n".join(units.properties(entry(CLEAN, COMMAND), SYSTEM))
    path = verify / "transient.service"
    path.write_text(f"[Service]\nExecStart=/bin/true\n{listed}\n", encoding="utf-8")
    assert verified(path) == ""
    path.write_text(f"[Service]\nExecStart=/bin/true\n{listed}\nKilMode=x\n", encoding="utf-8")
    assert "KilMode" in verified(path)  # it would have said so
