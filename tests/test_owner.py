"""Run by the wrong user, or on a network disk: refused with the line to type, nothing is left."""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mitrarr_runner import footing
from mitrarr_runner.errors import StateError
from mitrarr_runner.store.database import open_database, open_readonly

ROOT = Path(__file__).parent.parent
NOBODY = pwd.getpwnam("nobody")
AS_NOBODY = ("setpriv", "--reuid=nobody", f"--regid={NOBODY.pw_gid}", "--clear-groups")

VERBS = (
    ("apply",),
    ("status",),
    ("history",),
    ("plan",),
    ("run", "job_a"),
    ("pause", "job_a"),
    ("clean",),
    ("registry", "list"),
    ("state", "check"),
)

needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can run something as somebody else"
)


@pytest.fixture
def open_site(site: Any, job: Any, tmp_path: Path) -> Any:
    """A site that was applied, in folders that everybody may look through."""
    for folder in (site.root, *tmp_path.parents, tmp_path):
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o055)
    site.write(jobs={"job_a": job("true")})
    site.manifest_path.parent.chmod(0o755)
    site.manifest_path.chmod(0o644)
    assert site.run("apply").code == 0
    return site


def give(site: Any, uid: int, gid: int) -> None:
    for path in (site.root / "state", *(site.root / "state").rglob("*")):
        os.lchown(path, uid, gid)


def owners(site: Any) -> dict[str, int]:
    return {str(p.relative_to(site.root)): p.lstat().st_uid for p in site.root.rglob("*")}


def as_nobody(site: Any, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*AS_NOBODY, *site.command(*words)],
        cwd=site.root,
        env=site.environment(PYTHONDONTWRITEBYTECODE="1"),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@needs_root
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not here")
def test_nobody_on_roots_state(open_site: Any) -> None:
    before = owners(open_site)
    for words in VERBS:
        done = as_nobody(open_site, *words)
        assert done.returncode == 4, (words, done.stdout + done.stderr)
        assert "belongs to user root" in done.stderr
        assert "sudo -u root mitrarr" in done.stderr
    assert owners(open_site) == before


@needs_root
def test_root_on_nobodys_state(open_site: Any) -> None:
    give(open_site, NOBODY.pw_uid, NOBODY.pw_gid)
    (open_site.root / "state" / "wake" / "prod.json").unlink(missing_ok=True)
    before = owners(open_site)
    for words in VERBS:
        done = open_site.run(*words)
        assert done.code == 4, (words, done.out + done.err)
        assert "belongs to user nobody" in done.err
        assert "sudo -u nobody mitrarr" in done.err
    assert owners(open_site) == before, "nothing of root's is left in it"


@needs_root
def test_nobody_who_may_not_even_read_the_manifest(open_site: Any) -> None:
    open_site.manifest_path.parent.chmod(0o700)
    for words in (("status",), ("state", "check")):
        done = as_nobody(open_site, *words)
        assert done.returncode == 4, (words, done.stderr)
        assert "sudo -u root mitrarr" in done.stderr


@needs_root
def test_the_line_to_type_works(open_site: Any) -> None:
    for folder in ("state", "logs", "store", "quarantine"):
        for path in (open_site.root / folder, *(open_site.root / folder).rglob("*")):
            os.lchown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    done = as_nobody(open_site, "status")
    assert done.returncode == 0, done.stderr


@needs_root
def test_a_site_that_is_shut_altogether(open_site: Any) -> None:
    open_site.root.chmod(0o700)
    with pytest.raises(subprocess.CalledProcessError) as caught:
        subprocess.run(
            [*AS_NOBODY, sys.executable, "-c", ASK, str(ROOT), str(open_site.root / "state")],
            cwd="/",
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
    assert "other_owner" in caught.value.stderr


ASK = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from mitrarr_runner import footing
from mitrarr_runner.errors import StateError
try:
    footing.check(Path(sys.argv[2]))
except StateError as error:
    sys.exit(error.code)
"""


@needs_root
def test_an_owner_without_a_name(tmp_path: Path) -> None:
    os.chown(tmp_path, 54321, 54321)
    with pytest.raises(StateError) as caught:
        footing.check(tmp_path)
    assert "sudo -u '#54321' mitrarr" in str(caught.value.hint)


def test_a_state_that_is_not_there_yet_belongs_to_who_makes_it(tmp_path: Path) -> None:
    footing.check(tmp_path / "a" / "state")
    footing.check(tmp_path / "a" / "state", making=True)


# A site that was never applied


@pytest.fixture
def new_site(site: Any, job: Any, tmp_path: Path) -> Any:
    """A site without a state, in folders that everybody may look through."""
    for folder in (site.root, *tmp_path.parents, tmp_path):
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o055)
    site.write(jobs={"job_a": job("true", schedule="0 0 1 1 *")})
    site.manifest_path.parent.chmod(0o755)
    site.manifest_path.chmod(0o644)
    return site


def give_all(site: Any, uid: int = NOBODY.pw_uid, gid: int = NOBODY.pw_gid) -> None:
    for path in (site.root, *site.root.rglob("*")):
        os.lchown(path, uid, gid)


MAKING = (("apply",), ("run", "job_a"), ("pause", "job_a"))


@needs_root
def test_root_makes_no_state_in_somebodys_folder(new_site: Any) -> None:
    give_all(new_site)
    before = owners(new_site)
    for words in MAKING:
        done = new_site.run(*words)
        assert done.code == 4, (words, done.out + done.err)
        assert f"{new_site.root} belongs to user nobody" in done.err
        assert "sudo -u nobody mitrarr" in done.err
    assert owners(new_site) == before


@needs_root
def test_a_look_at_somebodys_new_site_is_free(new_site: Any) -> None:
    give_all(new_site)
    before = owners(new_site)
    for words in (("validate",), ("plan",), ("status",)):
        done = new_site.run(*words)
        assert done.code == 0, (words, done.out + done.err)
    assert owners(new_site) == before


@needs_root
def test_roots_way_out_in_a_checkout_of_another_user(new_site: Any) -> None:
    give_all(new_site)
    line = new_site.run("apply").err.partition("own this site: ")[2].strip()
    assert line.startswith("mkdir -p -m 700 ")
    subprocess.run(shlex.split(line), check=True)
    done = new_site.run("apply")
    assert done.code == 0, done.err
    assert (new_site.root / "state").stat().st_uid == 0


@needs_root
def test_a_root_that_is_not_there_yet_belongs_to_who_owns_what_it_is_made_in(
    new_site: Any, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, NOBODY.pw_uid, NOBODY.pw_gid)
    new_site.write(settings={"root": str(home / "site")})
    done = new_site.run("apply")
    assert done.code == 4
    assert f"{home} belongs to user nobody" in done.err
    assert list(home.iterdir()) == []


@needs_root
def test_init_and_its_first_apply_in_somebodys_home(tmp_path: Path, site: Any) -> None:
    """A folder that is made by who types it is theirs, whoever owns the one around it."""
    os.chown(site.root, NOBODY.pw_uid, NOBODY.pw_gid)
    assert site.run("init", "new").code == 0
    new = site.root / "new"
    done = site.run("apply", str(new / "configs" / "prod"), env={"MITRARR_ROOT": str(new)})
    assert done.code == 0, done.err


@needs_root
def test_nobody_in_roots_new_site(new_site: Any) -> None:
    before = owners(new_site)
    for words in MAKING:
        done = as_nobody(new_site, *words)
        assert done.returncode == 4, (words, done.stdout + done.stderr)
        assert f"{new_site.root} cannot be written: it belongs to user root" in done.stderr
        assert "sudo -u root mitrarr" in done.stderr
        assert "-o nobody -m 700" in done.stderr
    assert owners(new_site) == before


@needs_root
def test_the_line_that_gives_a_new_site_away_works(new_site: Any) -> None:
    """Typed by root, in the folder it names; and again where only some folders are there."""
    subprocess.run(["install", "-d", "-o", "nobody", "-m", "700", "state"], cwd=new_site.root)
    done = as_nobody(new_site, "apply")
    assert done.returncode == 4, done.stderr
    assert f"{new_site.root} cannot be written" in done.stderr
    assert "sudo -u root" not in done.stderr, "state/ is nobody's: root would be refused"
    line = done.stderr.partition("to nobody: ")[2].strip().replace("sudo ", "")
    subprocess.run(["sh", "-c", line], check=True, cwd="/")
    done = as_nobody(new_site, "apply")
    assert done.returncode == 0, done.stderr


@needs_root
def test_a_folder_that_root_left_in_nobodys_site(new_site: Any) -> None:
    give_all(new_site)
    (new_site.root / "logs").mkdir(mode=0o700)
    done = as_nobody(new_site, "apply")
    assert done.returncode == 4, done.stderr
    assert f"{new_site.root / 'logs'} cannot be written: it belongs to user root" in done.stderr
    line = done.stderr.partition("to nobody: ")[2].strip().replace("sudo ", "")
    subprocess.run(["sh", "-c", line], check=True, cwd="/")
    assert as_nobody(new_site, "apply").returncode == 0


@needs_root
def test_ones_own_folder_that_is_write_protected(new_site: Any) -> None:
    give_all(new_site)
    new_site.root.chmod(0o555)
    done = as_nobody(new_site, "apply")
    assert done.returncode == 4, done.stderr
    assert f"no permission in {new_site.root}, which belongs to user nobody" in done.stderr
    assert f"ls -la {new_site.root}" in done.stderr


@needs_root
def test_nobody_where_even_the_root_is_missing(new_site: Any, tmp_path: Path) -> None:
    root = tmp_path / "missing" / "site"
    new_site.write(settings={"root": str(root)})
    done = as_nobody(new_site, "apply")
    assert done.returncode == 4, done.stderr
    assert f"{tmp_path} cannot be written: it belongs to user root" in done.stderr
    line = done.stderr.partition("own this site: ")[2].strip().replace("sudo ", "")
    assert line == f"install -d -o nobody -m 700 {root}"


@needs_root
def test_nobody_in_the_site_of_a_third_user(new_site: Any) -> None:
    give_all(new_site, 54321, 54321)
    done = as_nobody(new_site, "apply")
    assert done.returncode == 4, done.stderr
    assert "belongs to user #54321" in done.stderr
    assert "mkdir" not in done.stderr, "it would not work"


@needs_root
def test_a_folder_that_a_group_may_write(new_site: Any) -> None:
    """Root made it and let a group in: who applies first owns the state."""
    os.chown(new_site.root, 0, NOBODY.pw_gid)
    new_site.root.chmod(0o775)
    done = as_nobody(new_site, "apply")
    assert done.returncode == 0, done.stderr
    assert (new_site.root / "state").stat().st_uid == NOBODY.pw_uid


@needs_root
def test_no_permission_is_never_called_a_bug(new_site: Any) -> None:
    done = as_nobody(new_site, "init", str(new_site.root / "more"))
    assert done.returncode == 4, done.stderr
    assert f"no permission in {new_site.root}" in done.stderr
    assert "bug" not in done.stderr


# A look, and a sleeping site


@needs_root
def test_a_look_of_root_leaves_no_compiled_manifest(open_site: Any) -> None:
    give(open_site, NOBODY.pw_uid, NOBODY.pw_gid)
    for file in (open_site.root / "state" / "compiled").iterdir():
        file.unlink()
    for words in (("cron", "show"), ("doctor",), ("status",), ("plan",), ("validate",)):
        open_site.run(*words)
        assert set(owners_of_state(open_site)) == {NOBODY.pw_uid}, words
    assert list((open_site.root / "state" / "compiled").iterdir()) == []


def owners_of_state(site: Any) -> list[int]:
    return [path.lstat().st_uid for path in (site.root / "state").rglob("*")]


@needs_root
def test_root_does_not_beat_for_a_sleeping_site_of_nobody(new_site: Any) -> None:
    assert new_site.run("apply").code == 0
    beat = new_site.root / "state" / "heartbeat" / "prod"
    os.utime(beat, (1, 1))
    assert new_site.run("apply").code == 0
    assert beat.stat().st_mtime > 1, "it sleeps, and its owner's apply beats"
    give_all(new_site)
    os.utime(beat, (1, 1))
    done = new_site.run("apply")
    assert done.code == 4, done.err
    assert "sudo -u nobody mitrarr" in done.err
    assert beat.stat().st_mtime == 1
    assert as_nobody(new_site, "apply").returncode == 0
    assert beat.stat().st_mtime > 1


@needs_root
def test_a_manifest_that_cannot_be_read_has_no_position(new_site: Any) -> None:
    new_site.manifest_path.chmod(0o600)
    done = as_nobody(new_site, "apply")
    assert f"error: {new_site.manifest_path}  no permission to read it" in done.stderr


# Network disks


@pytest.fixture
def memory_disk() -> Iterator[Path]:
    """A folder on a disk without a number of its own, as network disks are."""
    folder = Path("/dev/shm") / f"mitrarr-test-{os.getpid()}"
    if not os.access("/dev/shm", os.W_OK) or os.major(Path("/dev/shm").stat().st_dev):
        pytest.skip("no disk in memory here")
    folder.mkdir(mode=0o700)
    yield folder
    shutil.rmtree(folder)


def table(folder: Path, kind: str) -> str:
    """A mount table in which the folder's disk is of this kind (proc(5))."""
    device = folder.stat().st_dev
    return (
        "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
        f"41 27 {os.major(device)}:{os.minor(device)} / /dados\\040x rw,relatime shared:1"
        f" master:2 - {kind} nas:/export/mitrarr rw,vers=4.2\n"
    )


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs"])
def test_a_store_on_a_network_disk(
    memory_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(table(memory_disk, kind))
    monkeypatch.setattr(footing, "MOUNTS", mounts)
    for opening in (open_database, open_readonly):
        with pytest.raises(StateError) as caught:
            opening(memory_disk / "state" / "mitrarr.db")
        assert caught.value.code == "network_disk"
        assert kind in str(caught.value)
        assert "settings.root" in str(caught.value.hint)
    assert list(memory_disk.iterdir()) == []


@pytest.mark.parametrize("kind", ["tmpfs", "ext4", "xfs", "overlay", "fuse.mergerfs"])
def test_other_disks_are_fine(memory_disk: Path, tmp_path: Path, kind: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(table(memory_disk, kind))
    assert footing.network_disk(memory_disk / "state", mounts) is None


def test_without_a_table_nothing_is_refused(memory_disk: Path, tmp_path: Path) -> None:
    footing.check(memory_disk, mounts=tmp_path / "missing")
