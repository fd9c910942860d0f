"""cron show, install, remove against programs that stand in for crontab and systemctl."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mitrarr_runner.engine.cron import unit_files

PROGRAM = Path(sys.executable).parent / "mitrarr"
OTHERS = b"# de outra pessoa \xe7\nMAILTO=x@example.org\n\n5 4 * * * /bin/true\t\n"

# A crontab in one file; what is written to it is counted, as `crontab -` would install it.
CRONTAB = """#!/bin/sh
case "$*" in
"-l")
    [ -f "$FAKE/table" ] || { echo "no crontab for $(id -un)" >&2; exit 1; }
    exec cat "$FAKE/table" ;;
"-")
    cat > "$FAKE/new" && mv "$FAKE/new" "$FAKE/table" && echo written >> "$FAKE/writes" ;;
*)
    echo "unexpected: $*" >&2; exit 2 ;;
esac
"""
SYSTEMCTL = """#!/bin/sh
echo "$@" >> "$FAKE/asked"
[ -f "$FAKE/broken" ] && { echo "Failed to connect to bus" >&2; exit 1; }
exit 0
"""


class Fakes:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def table(self) -> bytes | None:
        path = self.folder / "table"
        return path.read_bytes() if path.exists() else None

    @table.setter
    def table(self, content: bytes) -> None:
        (self.folder / "table").write_bytes(content)

    @property
    def writes(self) -> int:
        return len(self.told("writes"))

    def told(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def program(self, name: str, script: str) -> None:
        path = self.folder / name
        path.write_text(script, encoding="utf-8")
        path.chmod(0o755)


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fakes:
    folder = tmp_path / "fakes"
    folder.mkdir()
    made = Fakes(folder)
    made.program("crontab", CRONTAB)
    made.program("systemctl", SYSTEMCTL)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("FAKE", str(folder))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return made


@pytest.fixture
def ready(site: Any, job: Callable[..., Any], fakes: Fakes) -> Any:
    if not PROGRAM.exists():
        pytest.skip("mitrarr is not installed beside this Python")
    site.write(jobs={"a": job("true")})
    return site


def guardian(site: Any, name: str = "guardian.json", **settings: str) -> Path:
    """A second manifest in the same folder, which watches the first one's store."""
    kept = site.manifest_path.read_text()
    site.write(
        name=name.partition(".")[0],
        settings={"store": "state/guardian.db", "watches": "state/mitrarr.db", **settings},
    )
    path: Path = site.manifest_path.with_name(name)
    site.manifest_path.rename(path)
    site.manifest_path.write_text(kept, encoding="utf-8")
    return path


def calls(content: str) -> list[str]:
    return [line for line in content.splitlines() if line and not line.startswith("#")]


# show


def test_show_prints_one_line_that_calls_this_installation(mitrarr: Any, ready: Any) -> None:
    told = mitrarr("cron", "show")
    assert (told.code, told.err) == (0, "")
    assert calls(told.out) == [f"* * * * * {PROGRAM} apply {ready.manifest_path}"]
    assert told.out.startswith(f"# mitrarr:prod begin {ready.manifest_path}\n")
    assert told.out.endswith("# mitrarr:prod end\n")
    assert "MAILTO" in told.out


def test_a_guardian_beside_it_is_called_each_half_hour(mitrarr: Any, ready: Any) -> None:
    path = guardian(ready)
    guardian(ready, "stranger.json", watches="state/other.db")
    (ready.manifest_path.parent / "volumes.json").write_text('{"a": [1, 2]}')
    (ready.manifest_path.parent / "broken.yaml").write_text("{")
    assert calls(mitrarr("cron", "show").out) == [
        f"* * * * * {PROGRAM} apply {ready.manifest_path}",
        f"*/30 * * * * {PROGRAM} apply {path}",
    ]
    alone = mitrarr("cron", "show", "--config", str(path))
    assert calls(alone.out) == [f"*/30 * * * * {PROGRAM} apply {path}"]


def test_show_systemd_prints_units_and_where_they_go(mitrarr: Any, ready: Any) -> None:
    told = mitrarr("cron", "show", "--systemd")
    assert told.code == 0
    assert "# /etc/systemd/system/mitrarr-prod.service\n" in told.out
    assert "# /etc/systemd/system/mitrarr-prod.timer\n" in told.out
    assert "systemd-run" in told.out


def test_no_manifest_no_lines(mitrarr: Any, ready: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MITRARR_CONFIG")
    monkeypatch.chdir("/")
    told = mitrarr("cron", "show")
    assert told.code == 2
    assert "there is no manifest" in told.err


def test_a_broken_manifest_is_not_installed(mitrarr: Any, ready: Any, fakes: Fakes) -> None:
    ready.manifest_path.write_text("{}")
    assert mitrarr("cron", "install").code == 2
    assert fakes.table is None


# install and remove, crontab


def test_install_and_remove_leave_every_other_byte(mitrarr: Any, ready: Any, fakes: Fakes) -> None:
    fakes.table = OTHERS
    told = mitrarr("cron", "install")
    assert told.code == 0, told
    assert "1 line" in told.out
    block = mitrarr("cron", "show").out.encode()
    assert fakes.table == OTHERS + block
    again = mitrarr("cron", "install")
    assert again.code == 0
    assert "nothing changed" in again.out
    assert fakes.writes == 1
    assert mitrarr("cron", "remove").code == 0
    assert fakes.table == OTHERS
    assert "nothing changed" in mitrarr("cron", "remove").out
    assert fakes.writes == 2


def test_the_first_crontab_of_a_user(mitrarr: Any, ready: Any, fakes: Fakes) -> None:
    assert mitrarr("cron", "install").code == 0
    assert fakes.table == mitrarr("cron", "show").out.encode()
    assert mitrarr("cron", "remove").code == 0
    assert fakes.table == b""


def test_a_dry_run_shows_the_difference_and_changes_nothing(
    mitrarr: Any, ready: Any, fakes: Fakes
) -> None:
    fakes.table = OTHERS
    told = mitrarr("cron", "install", "--dry-run")
    added = [line for line in told.out.splitlines() if line.startswith("+")]
    assert f"+* * * * * {PROGRAM} apply {ready.manifest_path}" in added
    assert (fakes.table, fakes.writes) == (OTHERS, 0)
    mitrarr("cron", "install")
    told = mitrarr("cron", "remove", "--dry-run")
    assert [line for line in told.out.splitlines() if line.startswith("-* ")]
    assert fakes.writes == 1


def test_the_callers_language_is_that_of_the_comments_and_of_nothing_else(
    mitrarr: Any, ready: Any, fakes: Fakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    english = mitrarr("cron", "show").out
    units = mitrarr("cron", "show", "--systemd", "--user").out
    mitrarr("cron", "install")
    mitrarr("cron", "install", "--systemd", "--user")
    monkeypatch.setenv("MITRARR_LANG", "pt_BR")
    told = mitrarr("cron", "show").out
    assert calls(told) == calls(english)
    assert calls(mitrarr("cron", "show", "--systemd", "--user").out) == calls(units)
    comments = [line for line in told.splitlines()[1:-1] if line.startswith("#")]
    assert comments
    assert max(map(len, comments)) <= 80
    asked = fakes.told("asked")
    mitrarr("cron", "install")
    mitrarr("cron", "install", "--systemd", "--user")
    assert (fakes.table, fakes.writes) == (english.encode(), 1)
    assert fakes.told("asked") == [*asked, asked[-1]]  # enabled again, not loaded again
    assert mitrarr("cron", "install", "--dry-run").out.count("\n") == 1
    assert mitrarr("cron", "remove").code == 0
    assert fakes.table == b""
    mitrarr("cron", "install")
    assert fakes.table == told.encode()


def test_another_sites_block_is_kept(mitrarr: Any, ready: Any, fakes: Fakes) -> None:
    other = ready.root.parent / "other" / "configs" / "prod.json"
    other.parent.mkdir(parents=True)
    shutil.copy(ready.manifest_path, other)
    mitrarr("cron", "install", "--config", str(other))
    theirs = fakes.table
    assert theirs is not None
    mitrarr("cron", "install")
    assert fakes.table != theirs
    mitrarr("cron", "remove")
    assert fakes.table == theirs


def test_what_was_installed_is_removed_after_the_manifest_is_gone(
    mitrarr: Any, ready: Any, fakes: Fakes
) -> None:
    fakes.table = OTHERS
    mitrarr("cron", "install")
    ready.manifest_path.unlink()
    assert mitrarr("cron", "remove").code == 0
    assert fakes.table == OTHERS


def test_half_a_block_is_left_alone(mitrarr: Any, ready: Any, fakes: Fakes) -> None:
    fakes.table = b"# mitrarr:prod begin /x\n"
    told = mitrarr("cron", "install")
    assert told.code == 2
    assert "line 1 " in told.err
    assert fakes.writes == 0


def test_without_the_program_crontab_it_says_so(mitrarr: Any, ready: Any, fakes: Fakes) -> None:
    (fakes.folder / "crontab").unlink()
    if shutil.which("crontab"):
        pytest.skip("this machine has a crontab: it is not ours to touch")
    told = mitrarr("cron", "install")
    assert told.code == 1
    assert "no program crontab" in told.err
    assert "--systemd" in told.err


def test_a_user_who_may_not_is_told(mitrarr: Any, ready: Any, fakes: Fakes) -> None:
    fakes.program("crontab", "#!/bin/sh\necho 'You (x) are not allowed' >&2; exit 1\n")
    told = mitrarr("cron", "install")
    assert told.code == 1
    assert "not allowed" in told.err
    assert "cron.allow" in told.err


def test_a_crontab_that_does_not_keep_what_it_is_given_is_noticed(
    mitrarr: Any, ready: Any, fakes: Fakes
) -> None:
    fakes.program("crontab", "#!/bin/sh\n[ $1 = -l ] || cat >/dev/null\n")
    assert mitrarr("cron", "install").code == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give the site to somebody else")
def test_root_is_told_to_type_it_as_the_owner(mitrarr: Any, ready: Any, fakes: Fakes) -> None:
    os.chown(ready.root, 65534, 65534)
    told = mitrarr("cron", "install")
    assert told.code == 2
    line = f"sudo -u nobody {PROGRAM} cron install --config {ready.manifest_path}"
    assert line in told.err
    assert fakes.table is None
    shown = mitrarr("cron", "show", "--systemd").out
    assert "--property=User=nobody" in shown


# systemd


def test_user_units_are_installed_once_and_removed(mitrarr: Any, ready: Any, fakes: Fakes) -> None:
    folder = fakes.folder.parent / "home" / ".config" / "systemd" / "user"
    told = mitrarr("cron", "install", "--systemd", "--user")
    assert told.code == 0, told
    names = ["mitrarr-prod.service", "mitrarr-prod.timer"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert fakes.told("asked") == [
        "--user daemon-reload",
        "--user enable --now mitrarr-prod.timer",
    ]
    again = mitrarr("cron", "install", "--systemd", "--user")
    assert "nothing changed" in again.out
    assert fakes.told("asked")[2:] == ["--user enable --now mitrarr-prod.timer"]
    assert mitrarr("cron", "remove", "--systemd", "--user").code == 0
    assert list(folder.iterdir()) == []
    assert fakes.told("asked")[3:] == [
        "--user disable --now mitrarr-prod.timer",
        "--user daemon-reload",
    ]
    assert "nothing changed" in mitrarr("cron", "remove", "--systemd", "--user").out


def test_a_unit_of_another_manifest_is_never_touched(
    mitrarr: Any, ready: Any, fakes: Fakes
) -> None:
    other = ready.root.parent / "other" / "configs" / "prod.json"
    other.parent.mkdir(parents=True)
    shutil.copy(ready.manifest_path, other)
    mitrarr("cron", "install", "--systemd", "--user", "--config", str(other))
    before = fakes.told("asked")
    for verb in ("install", "remove"):
        told = mitrarr("cron", verb, "--systemd", "--user")
        assert told.code == 2
        assert "another manifest" in told.err
    assert fakes.told("asked") == before


def test_a_systemd_that_does_not_answer_is_said_and_mended_later(
    mitrarr: Any, ready: Any, fakes: Fakes
) -> None:
    (fakes.folder / "broken").touch()
    told = mitrarr("cron", "install", "--systemd", "--user")
    assert told.code == 1
    assert "Failed to connect to bus" in told.err
    (fakes.folder / "broken").unlink()
    assert mitrarr("cron", "install", "--systemd", "--user").code == 0
    assert "enable --now" in fakes.told("asked")[-1]


def test_units_of_the_host(
    mitrarr: Any, ready: Any, fakes: Fakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "etc-systemd"
    monkeypatch.setattr(unit_files, "SYSTEM", folder)
    told = mitrarr("cron", "install", "--systemd", "--dry-run")
    assert told.code == 0
    assert not folder.exists()
    assert "+OnCalendar=*-*-* *:*:00" in told.out
    told = mitrarr("cron", "install", "--systemd")
    if os.geteuid() != 0:
        assert told.code == 2
        assert "sudo" in told.err
        return
    assert told.code == 0
    assert sorted(path.name for path in folder.iterdir())[0] == "mitrarr-prod.service"
    assert fakes.told("asked")[0] == "daemon-reload"


def test_user_without_systemd_means_nothing(mitrarr: Any, ready: Any) -> None:
    told = mitrarr("cron", "show", "--user")
    assert told.code == 2
