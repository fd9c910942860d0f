"""Run by the wrong user, or on a network disk: refused with the line to type, nothing is left."""

from __future__ import annotations

import os
import pwd
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
