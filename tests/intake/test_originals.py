from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mitrarr_runner.errors import FailedError
from mitrarr_runner.intake import originals
from mitrarr_runner.site import Site
from mitrarr_runner.store.registry import Place


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    site.make()
    return site


def reader(*chunks: bytes) -> Callable[[int], bytes]:
    left = iter([*chunks, b""])
    return lambda _: next(left)


def test_a_copy_knows_its_hash_and_size_and_maps_its_bytes(site: Site) -> None:
    draft = originals.copy(site, reader(b"abc", b"def"))
    assert draft.sha256 == hashlib.sha256(b"abcdef").hexdigest()
    assert draft.size == 6
    assert bytes(draft.data) == b"abcdef"
    assert draft.temporary.stat().st_mode & 0o777 == 0o600
    draft.close()
    assert not draft.temporary.exists()
    empty = originals.copy(site, reader())
    assert bytes(empty.data) == b""
    empty.close()


def test_the_order_of_durability(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """File before name, name before folder, the new folder's own name too."""
    done: list[tuple[str, str]] = []
    real_fsync, real_replace = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        done.append(("fsync", str(Path(f"/proc/self/fd/{descriptor}").readlink())))
        real_fsync(descriptor)

    def replace(path: Path, target: Any) -> Any:
        done.append(("rename", str(target)))
        return real_replace(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    draft = originals.copy(site, reader(b"abc"))
    originals.sync([draft])
    originals.place(site, [(draft, Place.STORE)])
    target = originals.path_of(site, draft.sha256, Place.STORE)
    assert done[:2] == [("fsync", str(draft.temporary)), ("rename", str(target))]
    assert set(done[2:]) == {("fsync", str(target.parent)), ("fsync", str(site.originals))}
    draft.close()
    assert target.read_bytes() == b"abc"


def test_errors_of_the_reader_pass_and_leave_nothing(site: Site) -> None:
    def broken(_: int) -> bytes:
        raise OSError(errno.EIO, "spool")

    with pytest.raises(OSError, match="spool"):
        originals.copy(site, broken)
    assert list((site.originals / ".incoming").iterdir()) == []


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "disk_reserve"),
        (errno.EDQUOT, "disk_reserve"),
        (errno.EIO, "store_unwritable"),
    ],
)
def test_errors_of_the_store_say_what_to_do(number: int, code: str) -> None:
    with pytest.raises(FailedError) as raised, originals.store_errors():
        raise OSError(number, "no", "12345678909.nst")
    assert raised.value.code == code
    assert raised.value.hint
    assert "12345678909" not in str(raised.value)


def test_the_reserve_counts_the_file_too(site: Site) -> None:
    originals.check_reserve(site, 1000, lambda _: originals.RESERVE + 1000)
    with pytest.raises(FailedError, match="MB free"):
        originals.check_reserve(site, 1000, lambda _: originals.RESERVE + 999)
    assert originals.free_bytes(site.root) > 0


def test_a_temporary_of_another_living_process_is_not_swept_away(site: Site) -> None:
    script = (
        "import sys; from pathlib import Path; from mitrarr_runner.site import Site\n"
        "from mitrarr_runner.intake import originals\n"
        "parts = iter([b'x', b''])\n"
        "draft = originals.copy(Site(Path(sys.argv[1])), lambda _: next(parts))\n"
        "print('ready', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(site.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as other:
        assert other.stdout
        assert other.stdout.readline() == b"ready\n"
        assert originals.sweep(site) == 0
        other.kill()
    assert originals.sweep(site) == 1
    assert list((site.originals / ".incoming").iterdir()) == []


def test_store_and_quarantine_on_two_disks(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.replace

    def other_disk(path: Path, target: Any) -> Any:
        if path.parent != Path(target).parent:
            raise OSError(errno.EXDEV, "other disk")
        return real(path, target)

    draft = originals.copy(site, reader(b"abc"))
    monkeypatch.setattr(Path, "replace", other_disk)
    originals.place(site, [(draft, Place.QUARANTINE)])
    draft.close()
    target = originals.path_of(site, draft.sha256, Place.QUARANTINE)
    assert target.read_bytes() == b"abc"
    assert target.stat().st_mode & 0o777 == 0o600


def test_reading_checks_the_hash(site: Site) -> None:
    draft = originals.copy(site, reader(b"abc"))
    originals.place(site, [(draft, Place.STORE)])
    draft.close()
    assert originals.read(site, draft.sha256, Place.STORE) == b"abc"
    originals.path_of(site, draft.sha256, Place.STORE).write_bytes(b"abd")
    with pytest.raises(FailedError, match="damaged"):
        originals.read(site, draft.sha256, Place.STORE)
