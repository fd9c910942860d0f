from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mitrarr_runner.clock import epoch
from mitrarr_runner.errors import FailedError, UsageError
from mitrarr_runner.intake import spool
from mitrarr_runner.manifest.model import After, Requires, Source
from mitrarr_runner.store.sightings import Seen, SeenFile


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(name="DETRAN", spool=tmp_path, settle=30, settle_max=3600)


def later(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def put(source: Source, name: str, data: bytes = b"x") -> Path:
    assert source.spool
    path = source.spool / name
    path.write_bytes(data)
    return path


def seen_of(look: spool.SpoolLook, **changes: object) -> dict[int, SeenFile]:
    return {row.inode: replace(row, **changes) for row in look.notes}  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["a1.nst", "A1.NST", "á b.NsT", "caf\udce9.nst"])
def test_the_case_of_a_name_means_nothing(source: Source, name: str) -> None:
    put(source, name)
    assert len(spool.look(source, {}, later(60)).ready) == 1


@pytest.mark.parametrize("name", ["a.an2", "nst", "a.nst.txt", "a.nst.bak"])
def test_a_file_that_matches_no_pattern_is_counted(source: Source, name: str) -> None:
    put(source, name)
    found = spool.look(source, {}, later(60))
    assert (found.unmatched, found.ready, found.oldest) == (1, (), None)
    assert found.oldest_odd is not None
    assert 58 <= found.oldest_odd <= 61


@pytest.mark.parametrize("name", [".a.nst", "~a.nst", "a.nst~", ".archive"])
def test_hidden_names_are_left_alone(source: Source, name: str) -> None:
    put(source, name)
    assert spool.look(source, {}, later(60)) == spool.SpoolLook()


@pytest.mark.parametrize("name", ["a.nst.part", "A.TMP", "a.nst.filepart", "a.crdownload"])
def test_a_temporary_name_is_still_arriving_however_old(source: Source, name: str) -> None:
    put(source, name)
    found = spool.look(replace(source, settle=0), {}, later(99_999))
    assert (found.arriving, found.ready, found.unmatched) == (1, (), 0)


def test_a_folder_is_no_file(source: Source, tmp_path: Path) -> None:
    (tmp_path / "a.nst").mkdir()
    assert spool.look(source, {}, later(60)) == spool.SpoolLook()


def test_links_and_pipes_are_refused_and_never_waited_for(source: Source, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "real"
    target.write_bytes(b"x")
    (tmp_path / "symlink.nst").symlink_to(target)
    os.link(target, tmp_path / "hardlink.nst")
    os.mkfifo(tmp_path / "pipe.nst")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.relpath(tmp_path / "socket.nst"))
    found = spool.look(source, {}, later(60))
    listener.close()
    assert (found.refused, found.ready, found.arriving) == (4, (), 0)


def test_a_young_file_is_arriving_whatever_its_mtime_says(source: Source) -> None:
    path = put(source, "a.nst")
    os.utime(path, (1, 1))  # the sender's clock is years behind
    found = spool.look(source, {}, later(10))
    assert (found.arriving, found.ready) == (1, ())


def test_an_old_file_is_ready_whatever_its_mtime_says(source: Source) -> None:
    path = put(source, "a.nst", b"1234")
    ahead = later(86400).timestamp()
    os.utime(path, (ahead, ahead))
    found = spool.look(source, {}, later(31))
    assert (found.arriving, len(found.ready), found.ready_bytes) == (0, 1, 4)


def test_an_old_file_waits_for_a_second_look_and_then_is_known(source: Source) -> None:
    put(source, "a.nst")
    first = spool.look(source, {}, later(60))
    assert spool.second_look(first)
    second = spool.look(source, seen_of(first), later(61))
    assert not spool.second_look(second)
    assert second.ready[0].known == first.notes[0]


def test_a_file_that_grew_between_two_looks_has_to_settle_again(source: Source) -> None:
    path = put(source, "a.nst")
    first = spool.look(source, {}, later(60))
    path.write_bytes(b"xx")
    second = spool.look(source, seen_of(first), later(1))
    assert (second.arriving, second.ready) == (1, ())
    assert second.notes[0].first_seen == first.notes[0].first_seen
    assert second.notes[0].size == 2


def test_settle_zero_trusts_at_once(source: Source) -> None:
    put(source, "a.nst")
    assert len(spool.look(replace(source, settle=0), {}, later(1)).ready) == 1


def test_a_ctime_in_the_future_mutes_no_file(source: Source) -> None:
    """The clock stood a year ahead when the file came, and was put right."""
    put(source, "a.nst")
    now = later(-365 * 86400)
    first = spool.look(source, {}, now)
    assert first.arriving == 1
    assert first.oldest == 0
    second = spool.look(source, seen_of(first), now + timedelta(seconds=30))
    assert len(second.ready) == 1


def test_a_truncated_file_is_looked_at_again_only_after_settle_max_or_a_change(
    source: Source,
) -> None:
    path = put(source, "a.nst")
    seen = seen_of(spool.look(source, {}, later(60)), state=Seen.TRUNCATED)
    assert spool.look(source, seen, later(3500)).arriving == 1
    assert len(spool.look(source, seen, later(3700)).ready) == 1
    path.write_bytes(b"the rest came")
    assert len(spool.look(source, seen, later(60)).ready) == 1


def test_a_registered_file_is_done_where_it_is_kept_and_a_leftover_elsewhere(
    source: Source,
) -> None:
    path = put(source, "a.nst")
    seen = seen_of(spool.look(source, {}, later(60)), state=Seen.DONE)
    assert spool.look(source, seen, later(60)).done == 1
    assert len(spool.look(replace(source, after=After.DELETE), seen, later(60)).leftover) == 1
    path.write_bytes(b"y")  # the same length
    os.utime(path, ns=(1, next(iter(seen.values())).mtime_ns))  # and the old mtime
    changed = spool.look(source, seen, later(60))
    assert (changed.done, len(changed.ready)) == (0, 1)
    assert changed.notes[0].first_seen > epoch(later(50))


def test_what_is_no_longer_there_is_to_be_forgotten(source: Source) -> None:
    path = put(source, "a.nst")
    seen = seen_of(spool.look(source, {}, later(60)))
    path.unlink()
    assert spool.look(source, seen, later(60)).gone == tuple(seen)


def test_the_oldest_come_first_and_the_giants_last(source: Source) -> None:
    for name, data in (("z.nst", b"1"), ("giant.nst", b"123456"), ("a.nst", b"2")):
        put(source, name, data)
        wait_for_another_ctime(source)
    found = spool.look(replace(source, max_bytes=5), {}, later(60))
    assert [file.name for file in found.ready] == ["z.nst", "a.nst", "giant.nst"]


def wait_for_another_ctime(source: Source) -> None:
    """File times move in the kernel's ticks (4 ms): touch until one has passed."""
    probe = put(source, ".probe")
    before = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns == before:
        probe.write_bytes(b"")


def test_no_name_is_in_a_repr(source: Source) -> None:
    put(source, "12345678909.nst")
    assert "12345678909" not in repr(spool.look(source, {}, later(60)))


def test_the_account_closes_over_every_kind_of_file(source: Source, tmp_path: Path) -> None:
    for name in ("a.nst", "b.NST", "c.an2", "d.part", ".e.nst", "f.nst~"):
        put(source, name)
    (tmp_path / "g.nst").symlink_to("a.nst")
    found = spool.look(source, {}, later(60))
    parts = (
        len(found.ready),
        found.arriving,
        found.unmatched,
        found.refused,
        found.done,
        len(found.leftover),
    )
    assert sum(parts) == 5  # seven names, two of them left alone
    assert parts == (2, 1, 1, 1, 0, 0)


def test_looking_changes_nothing(source: Source, tmp_path: Path) -> None:
    put(source, "a.nst")
    before = sorted((path.name, path.stat().st_ctime_ns) for path in tmp_path.iterdir())
    spool.look(source, {}, later(60))
    assert sorted((path.name, path.stat().st_ctime_ns) for path in tmp_path.iterdir()) == before


def error_of(look: Callable[[], object]) -> str:
    with pytest.raises((FailedError, UsageError)) as raised:
        look()
    return raised.value.code


def test_a_spool_that_is_not_there_is_no_empty_spool(source: Source, tmp_path: Path) -> None:
    missing = replace(source, spool=tmp_path / "nowhere")
    assert error_of(lambda: spool.look(missing, {}, later(0))) == "spool_missing"
    file = put(source, "file")
    assert error_of(lambda: spool.look(replace(source, spool=file), {}, later(0))) == (
        "spool_missing"
    )
    assert error_of(lambda: spool.look(replace(source, spool=None), {}, later(0))) == "no_spool"


def test_an_unmounted_disk_is_no_empty_spool(source: Source, tmp_path: Path) -> None:
    unmounted = replace(source, requires=Requires(mount=tmp_path))
    assert error_of(lambda: spool.look(unmounted, {}, later(0))) == "spool_unmounted"
    mounted = replace(source, requires=Requires(mount=Path("/")))
    assert spool.look(mounted, {}, later(0)) == spool.SpoolLook()


def test_a_spool_without_rights_is_no_empty_spool(source: Source, tmp_path: Path) -> None:
    """Root may read everything, so the look happens in a child that is nobody."""
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o000)
    child = os.fork()
    if child == 0:
        os._exit(_look_as_nobody(replace(source, spool=locked)))
    locked_status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    locked.chmod(0o700)
    assert locked_status == 42


def _look_as_nobody(source: Source) -> int:
    try:
        if os.geteuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        spool.look(source, {}, later(0))
    except FailedError as error:
        return 42 if error.code == "spool_unreadable" else 1
    except BaseException:
        return 2
    return 3
