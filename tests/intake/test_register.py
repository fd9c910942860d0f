from __future__ import annotations

import errno
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mitrarr_runner.errors import FailedError, UsageError
from mitrarr_runner.intake import originals, register, taking
from mitrarr_runner.intake.ledger import Outcome
from mitrarr_runner.intake.register import IntakeResult
from mitrarr_runner.manifest.model import After
from mitrarr_runner.store import registry
from mitrarr_runner.store.registry import Place, State

Nist = Callable[..., bytes]


def told(result: IntakeResult) -> dict[str, int]:
    """The parts that are not zero."""
    return {o.value: getattr(result, o.value) for o in Outcome if getattr(result, o.value)}


def handles(shop: Any) -> list[tuple[Any, ...]]:
    return shop.rows("SELECT handle, state, code, revision FROM registry ORDER BY id")


def test_a_sound_file_is_registered_and_its_bytes_are_stored(shop: Any, nist: Nist) -> None:
    data = nist("T1")
    shop.put("a.nst", data)
    result = shop.run()
    assert told(result) == {"registered": 1}
    record = registry.show(shop.db, "R1")
    assert record
    assert (record.person, record.tcn, record.state) == ("T1", "T1", State.REGISTERED)
    assert (record.bytes, record.run, record.actor) == (len(data), 8841, "cron")
    path = originals.path_of(shop.site, record.sha256, Place.STORE)
    assert path.read_bytes() == data
    assert path.stat().st_mode & 0o777 == 0o600
    assert shop.stored() == [path.name]
    assert shop.pauses == [register.SECOND_LOOK_SECONDS]


def test_a_young_file_waits(shop: Any, nist: Nist) -> None:
    shop.clock.instant -= timedelta(hours=2)
    shop.put("a.nst", nist())
    result = shop.run()
    assert (result.files, result.arriving, shop.pauses) == (0, 1, [])
    shop.clock.instant += timedelta(seconds=40)
    assert told(shop.run()) == {"registered": 1}


def test_a_file_that_came_between_the_two_looks_waits_for_the_next_run(
    shop: Any, nist: Nist
) -> None:
    shop.put("a.nst", nist("T1"))
    result = shop.run(pause=lambda _: shop.put("b.nst", nist("T2")))
    assert (told(result), result.waiting) == ({"registered": 1}, 1)
    assert told(shop.run()) == {"registered": 1}


def test_a_file_that_grows_between_the_two_looks_waits(shop: Any, nist: Nist) -> None:
    path = shop.put("a.nst", nist("T1"))
    result = shop.run(pause=lambda _: path.write_bytes(nist("T1", marker="more")))
    assert (result.files, result.waiting) == (0, 1)


def test_kept_files_are_known_again_without_being_read(
    shop: Any, nist: Nist, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.put("a.nst", nist())
    shop.run()
    monkeypatch.setattr(taking, "take", _never)
    monkeypatch.setattr(register, "take", _never)
    result = shop.run()
    assert (result.files, result.done) == (0, 1)


def _never(*_: object) -> None:
    raise AssertionError("a known file was read")


def test_the_same_bytes_again_are_repeated_and_add_no_row(shop: Any, nist: Nist) -> None:
    shop.put("a.nst", nist())
    shop.run()
    shop.put("again.nst", nist())
    assert told(shop.run()) == {"repeated": 1}
    assert len(handles(shop)) == 1
    assert len(shop.stored()) == 1


def test_the_same_bytes_twice_in_one_group(shop: Any, nist: Nist) -> None:
    shop.put("a.nst", nist())
    shop.put("b.nst", nist())
    assert told(shop.run()) == {"registered": 1, "repeated": 1}
    assert len(shop.stored()) == 1


def test_other_bytes_of_the_same_id_are_a_new_revision(shop: Any, nist: Nist) -> None:
    shop.put("a.nst", nist("T1", marker="first"))
    shop.run()
    shop.put("b.nst", nist("T1", marker="second"))
    assert told(shop.run()) == {"revised": 1}
    assert [row[3] for row in handles(shop)] == [1, 2]
    shop.put("c.nst", nist("T1", marker="first"))  # the first bytes once more
    assert told(shop.run()) == {"repeated": 1}
    assert [row.revision for row in registry.by_person(shop.db, "DETRAN", "T1")] == [2, 1]


def test_the_same_bytes_under_another_id_are_a_second_record_on_one_blob(
    shop: Any, nist: Nist
) -> None:
    shop.change(id="{{ stem }}")
    shop.put("ana.nst", nist("T1"))
    shop.put("bia.nst", nist("T1"))
    assert told(shop.run()) == {"registered": 2}
    assert len(shop.stored()) == 1
    assert shop.rows("SELECT DISTINCT sha256 FROM registry") == shop.rows(
        "SELECT sha256 FROM blobs"
    )


def test_a_repeated_tcn_under_another_id_is_a_warning(shop: Any, nist: Nist) -> None:
    shop.change(id="{{ stem }}")
    shop.put("ana.nst", nist("T1", marker="a"))
    shop.run()
    shop.put("bia.nst", nist("T1", marker="b"))
    assert told(shop.run()) == {"registered": 1}
    record = registry.show(shop.db, "R2")
    assert record
    assert [(item.code, item.severity) for item in record.findings] == [("tcn_repeated", "warning")]
    assert "R1" in str(record.findings[0].message)


def test_a_transaction_without_a_face_is_registered_as_such(shop: Any, nist: Nist) -> None:
    shop.put("a.nst", nist(face=False))
    assert told(shop.run()) == {"no_face": 1}
    assert handles(shop) == [("R1", "no_face", "", 1)]


def test_a_damaged_file_goes_to_quarantine_with_its_reason(shop: Any, nist: Nist) -> None:
    data = nist()[:-100]
    shop.put("12345678909.nst", data)
    result = shop.run()
    assert told(result) == {"quarantined": 1}
    assert result.new_quarantine_handles == ("Q1",)
    record = registry.show(shop.db, "q1")
    assert record
    assert (record.state, record.code) == (State.QUARANTINED, "nist_truncated")
    finding = record.findings[0]
    assert (finding.code, finding.severity, finding.record) == ("nist_truncated", "error", 3)
    assert "file truncated: record 3 declares" in str(finding.message)
    path = originals.path_of(shop.site, record.sha256, Place.QUARANTINE)
    assert path.read_bytes() == data
    assert path.stat().st_mode & 0o777 == 0o600
    assert shop.stored() == [path.name]


def test_the_same_damaged_bytes_again_are_no_second_quarantine(shop: Any) -> None:
    shop.put("a.nst", b"rubbish")
    shop.run()
    shop.put("b.nst", b"rubbish")
    shop.put("c.nst", b"rubbish")
    assert told(shop.run()) == {"repeated": 2}
    assert handles(shop) == [("Q1", "quarantined", "nist_format", 1)]


def test_a_refused_file_of_two_people_waits_for_both(shop: Any, nist: Nist) -> None:
    shop.change(id="{{ stem }}", transactions=("CAR",))
    shop.put("ana.nst", nist())
    shop.put("bia.nst", nist())
    assert told(shop.run()) == {"quarantined": 2}
    assert len(shop.stored()) == 1
    shop.change(transactions=())
    again = shop.spool / "again"
    again.mkdir()
    for name in ("ana.nst", "bia.nst"):
        (shop.spool / name).rename(again / name)
    shop.run()
    for name in ("ana.nst", "bia.nst"):
        (again / name).rename(shop.spool / name)
    assert told(shop.run()) == {"registered": 2}
    assert sorted(row[:2] for row in handles(shop)) == [("Q1", "registered"), ("Q2", "registered")]


def test_an_id_that_is_read_later_makes_no_second_row(shop: Any, nist: Nist) -> None:
    shop.change(id='{{ t2["999"] }}')
    shop.put("a.nst", nist("T1"))
    shop.run()
    shop.change(id="{{ tcn }}", transactions=("CAR",))
    shop.put("b.nst", nist("T1"))
    assert told(shop.run()) == {"repeated": 1}


def test_handles_count_by_letter(shop: Any, nist: Nist) -> None:
    shop.put("a.nst", nist("T1"))
    shop.put("b.nst", b"x")
    shop.put("c.nst", nist("T2"))
    shop.put("d.nst", b"y")
    shop.run()
    assert sorted(row[0] for row in handles(shop)) == ["Q1", "Q2", "R1", "R2"]


def test_a_refused_file_whose_rules_changed_keeps_its_handle(shop: Any, nist: Nist) -> None:
    shop.change(transactions=("CAR",))
    shop.put("a.nst", nist("T1"))
    assert told(shop.run()) == {"quarantined": 1}
    shop.change(transactions=("CRIM",))
    shop.put("b.nst", nist("T1"))
    assert told(shop.run()) == {"registered": 1}
    assert handles(shop) == [("Q1", "registered", "", 1)]
    record = registry.show(shop.db, "Q1")
    assert record
    assert shop.stored() == [f"{record.sha256}.nst"]
    assert originals.holds(shop.site, record.sha256, record.bytes, Place.STORE)


def test_registered_bytes_that_a_stricter_rule_refuses_stay_registered(
    shop: Any, nist: Nist
) -> None:
    shop.put("a.nst", nist("T1"))
    shop.run()
    shop.change(transactions=("CAR",))
    shop.put("b.nst", nist("T1"))
    assert told(shop.run()) == {"repeated": 1}
    assert handles(shop) == [("R1", "registered", "", 1)]


def test_bytes_that_one_source_takes_and_another_refuses_lie_in_the_store(
    shop: Any, nist: Nist
) -> None:
    shop.put("a.nst", nist("T1"))
    outcomes = []
    for name, transactions in (("A", ("CAR",)), ("B", ()), ("C", ("CAR",))):
        shop.change(name=name, transactions=transactions)
        outcomes.append(told(shop.run()))
    assert outcomes == [{"quarantined": 1}, {"registered": 1}, {"quarantined": 1}]
    assert shop.rows("SELECT place FROM blobs") == [("store",)]
    assert len(shop.stored()) == 1


@pytest.mark.parametrize(
    ("template", "code"),
    [('{{ t2["999"] }}', "no_id"), ("  ", "no_id"), ("{{ tcn * 200 }}", "bad_id")],
)
def test_a_file_without_an_id_goes_to_quarantine(
    shop: Any, nist: Nist, template: str, code: str
) -> None:
    shop.change(id=template)
    shop.put("a.nst", nist())
    assert told(shop.run()) == {"quarantined": 1}
    assert handles(shop) == [("Q1", "quarantined", code, 1)]


def test_an_id_template_that_fits_no_file_stops_before_anything_is_touched(
    shop: Any, nist: Nist
) -> None:
    shop.change(id="{{ tnc }}")
    shop.put("a.nst", nist())
    with pytest.raises(UsageError, match="tnc"):
        shop.run()
    assert handles(shop) == []


def test_a_file_over_the_cap_is_kept_in_quarantine(shop: Any, nist: Nist) -> None:
    shop.change(max_bytes=100)
    shop.put("a.nst", nist())
    assert told(shop.run()) == {"quarantined": 1}
    assert handles(shop)[0][2] == "nist_too_large"
    assert len(shop.stored()) == 1


def test_an_empty_file_is_waited_for_and_then_quarantined(shop: Any) -> None:
    shop.change(settle=30, settle_max=9000)
    shop.put("a.nst", b"")
    assert told(shop.run()) == {"retried": 1}
    shop.clock.instant += timedelta(seconds=9000)
    assert told(shop.run()) == {"quarantined": 1}
    assert handles(shop)[0][2] == "nist_empty"


def test_a_truncated_file_is_retried_until_settle_max(shop: Any, nist: Nist) -> None:
    shop.change(settle_max=9000)
    whole = nist()
    path = shop.put("a.nst", whole[:-50])
    assert told(shop.run()) == {"retried": 1}
    result = shop.run()
    assert (result.files, result.arriving) == (0, 1)  # not even read again
    path.write_bytes(whole)
    assert told(shop.run()) == {"registered": 1}
    path = shop.put("b.nst", nist("T2")[:-50])
    assert told(shop.run()) == {"retried": 1}
    shop.clock.instant += timedelta(seconds=9000)
    assert told(shop.run()) == {"quarantined": 1}
    assert shop.stored()[0] != shop.stored()[1]


def test_with_settle_zero_a_truncated_file_is_quarantined_at_once(shop: Any, nist: Nist) -> None:
    shop.change(settle=0, settle_max=9_000_000)
    shop.put("a.nst", nist()[:-50])
    assert told(shop.run()) == {"quarantined": 1}
    assert shop.pauses == []


def test_a_file_that_changes_while_it_is_read_is_left_for_the_next_look(
    shop: Any, nist: Nist, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shop.put("a.nst", nist("T1"))
    real = originals.copy

    def copy(site: Any, read: Any) -> originals.Draft:
        draft = real(site, read)
        with path.open("ab") as more:
            more.write(b"!")
        return draft

    monkeypatch.setattr(originals, "copy", copy)
    assert told(shop.run()) == {"retried": 1}
    assert (handles(shop), shop.stored()) == ([], [])
    monkeypatch.undo()
    path.write_bytes(nist("T1"))
    assert told(shop.run()) == {"registered": 1}


def test_a_file_swapped_for_a_link_or_a_pipe_after_the_look_is_not_followed(
    shop: Any, nist: Nist, tmp_path: Path
) -> None:
    link, pipe, gone = (shop.put(name, nist()) for name in ("a.nst", "b.nst", "c.nst"))
    secret = tmp_path / "secret"
    secret.write_bytes(nist("SECRET"))

    def swap(done: int, total: int | None) -> None:
        if done == 0:
            for path in (link, pipe, gone):
                path.unlink(missing_ok=True)
            link.symlink_to(secret)
            os.mkfifo(pipe)

    assert told(shop.run(progress=swap)) == {"refused": 2, "gone": 1}
    assert handles(shop) == []


def test_links_are_refused_and_counted_and_do_not_stop_others(
    shop: Any, nist: Nist, tmp_path: Path
) -> None:
    shop.put("a.nst", nist())
    (tmp_path / "other").write_bytes(nist("T2"))
    os.link(tmp_path / "other", shop.spool / "b.nst")
    result = shop.run()
    assert told(result) == {"registered": 1, "refused": 1}
    assert result.files == 2


def test_a_file_that_cannot_be_read_stops_no_other(
    shop: Any, nist: Nist, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.put("bad.nst", nist("T1"))
    shop.put("good.nst", nist("T2"))
    real = os.open

    def opened(path: Any, *args: Any, **more: Any) -> int:
        if path == "bad.nst":
            raise PermissionError(errno.EACCES, "no", path)
        return real(path, *args, **more)

    monkeypatch.setattr(os, "open", opened)
    assert told(shop.run()) == {"registered": 1, "failed": 1}
    monkeypatch.undo()
    assert told(shop.run()) == {"registered": 1}


def test_no_name_and_no_id_reaches_the_log(shop: Any, nist: Nist) -> None:
    shop.change(id="{{ stem }}")
    shop.put("ANA-SOUZA.nst", nist("TCN-SOUZA"))
    shop.put("BIA-SOUZA.nst", nist("TCN-SOUZA")[:-1])
    shop.run()
    log = shop.site.main_log.read_text()
    assert "intake source=DETRAN run=8841 files=2 registered=1 quarantined=1" in log
    assert "SOUZA" not in log
    assert not any("SOUZA" in name for name in shop.stored())
    assert "SOUZA" not in repr(registry.listing(shop.db))


@pytest.mark.parametrize("after", list(After))
def test_what_becomes_of_the_spool_file(shop: Any, nist: Nist, after: After) -> None:
    shop.change(after=after)
    shop.put("a.nst", nist())
    shop.put("b.nst", b"damaged")
    assert told(shop.run()) == {"registered": 1, "quarantined": 1}
    left = sorted(path.name for path in shop.spool.rglob("*") if path.is_file())
    assert left == ([] if after is After.DELETE else ["a.nst", "b.nst"])
    assert (shop.spool / "a.nst").exists() is (after is After.KEEP)
    if after is After.ARCHIVE:
        day = shop.clock.instant.strftime("%Y-%m-%d")
        assert (shop.spool / ".archive" / day / "a.nst").read_bytes() == nist()
    assert shop.run().files == 0
    rows = shop.rows("SELECT COUNT(*) FROM spool")
    assert rows == [(2 if after is After.KEEP else 0,)]


def test_groups_are_capped_by_number_and_by_time(shop: Any, nist: Nist) -> None:
    commits: list[str] = []
    for number in range(120):
        shop.put(f"{number}.nst", nist(f"T{number}", face=False))
    shop.run(stage=lambda name: commits.append(name) if name == "committed" else None)
    assert len(commits) == 3
    commits.clear()
    for number in range(120, 124):
        shop.put(f"{number}.nst", nist(f"T{number}", face=False))

    class Slow:
        """Every file takes 0.6 seconds."""

        now = shop.clock.now

        def __init__(self) -> None:
            self.ticks = 0.0

        def monotonic(self) -> float:
            self.ticks += 0.6
            return self.ticks

    result = shop.run(
        clock=Slow(), stage=lambda name: commits.append(name) if name == "committed" else None
    )
    assert (told(result), len(commits)) == ({"no_face": 4}, 2)


def test_a_request_to_stop_ends_after_the_group(shop: Any, nist: Nist) -> None:
    for number in range(60):
        shop.put(f"{number}.nst", nist(f"T{number}", face=False))
    answers = iter([False, True])
    result = shop.run(stopping=lambda: next(answers))
    assert (result.files, result.no_face, result.waiting) == (50, 50, 10)
    assert shop.run().files == 10


def test_progress_is_told_from_nothing_to_all(shop: Any, nist: Nist) -> None:
    told_progress: list[tuple[int, int | None]] = []
    for number in range(60):
        shop.put(f"{number}.nst", nist(f"T{number}", face=False))
    shop.run(progress=lambda done, total: told_progress.append((done, total)))
    assert told_progress == [(0, 60), (50, 60), (60, 60)]


def test_intake_stops_at_the_disk_reserve_and_keeps_what_it_did(shop: Any, nist: Nist) -> None:
    for number in range(3):
        shop.put(f"{number}.nst", nist(f"T{number}"))
    left = iter([originals.RESERVE + 10**6] * 2 + [originals.RESERVE + 10])
    result = shop.run(free=lambda _: next(left))
    assert (told(result), result.waiting) == ({"registered": 2}, 1)
    assert result.stopped
    assert result.stopped.code == "disk_reserve"
    assert len(list(shop.spool.iterdir())) == 3
    assert told(shop.run()) == {"registered": 1}


def test_a_full_disk_loses_nothing(shop: Any, nist: Nist, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.put("a.nst", nist())

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(originals.atomic, "write_all", full)
    result = shop.run()
    assert (result.files, result.waiting) == (0, 1)
    assert result.stopped
    assert result.stopped.code == "disk_reserve"
    assert (handles(shop), shop.stored()) == ([], [])
    monkeypatch.undo()
    assert told(shop.run()) == {"registered": 1}


def test_a_store_that_cannot_be_synced_registers_nothing(
    shop: Any, nist: Nist, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.put("a.nst", nist())

    def broken(_: int) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "fsync", broken)
    result = shop.run()
    assert result.stopped
    assert result.stopped.code == "store_unwritable"
    assert (handles(shop), shop.stored(), result.waiting) == ([], [], 1)
    assert (shop.spool / "a.nst").exists()


def test_nothing_is_left_behind_by_a_process_that_died(shop: Any, nist: Nist) -> None:
    draft = originals.copy(shop.site, _half())
    assert originals.sweep(shop.site) == 0  # its process lives
    os.close(draft.descriptor)
    shop.run()
    assert shop.stored() == []


def _half() -> Callable[[int], bytes]:
    parts = iter([b"half a person", b""])
    return lambda _: next(parts)


def test_a_missing_spool_is_an_error(shop: Any) -> None:
    shop.change(spool=shop.spool / "nowhere")
    with pytest.raises(FailedError) as raised:
        shop.run()
    assert raised.value.code == "spool_missing"


FILES = st.lists(
    st.tuples(
        st.sampled_from(["T1", "T2", "T3"]),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["whole", "cut", "rubbish", "faceless", "link", "odd", "part"]),
    ),
    max_size=12,
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(files=FILES)
def test_the_account_closes_whatever_lies_in_the_spool(
    shop: Any, nist: Nist, files: list[tuple[str, str, str]]
) -> None:
    for path in list(shop.spool.iterdir()):
        path.unlink()
    before = len(handles(shop))
    for number, (tcn, marker, kind) in enumerate(files):
        data = nist(tcn, marker=marker, face=kind != "faceless")
        if kind == "link":
            (shop.spool / f"{number}.nst").symlink_to("nowhere")
        else:
            end = {"odd": "txt", "part": "nst.part"}.get(kind, "nst")
            cut = {"cut": data[:-9], "rubbish": b"rubbish"}.get(kind, data)
            shop.put(f"{number}.{end}", cut)
    first = shop.run()
    assert first.files + first.arriving + first.unmatched == len(files)
    new = first.registered + first.revised + first.no_face + first.quarantined
    assert len(handles(shop)) == before + new
    assert shop.run().files == first.refused
    assert {f"{row[0]}.nst" for row in shop.rows("SELECT sha256 FROM registry")} == set(
        shop.stored()
    )


def test_a_file_that_cannot_be_moved_is_tried_again_and_not_read_again(
    shop: Any, nist: Nist, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.change(after=After.ARCHIVE)
    (shop.spool / ".archive").write_bytes(b"in the way")
    shop.put("a.nst", nist())
    first = shop.run()
    assert (told(first), first.unmoved) == ({"registered": 1}, 1)
    monkeypatch.setattr(register, "take", _never)
    second = shop.run()
    assert (second.files, second.unmoved) == (0, 1)
    (shop.spool / ".archive").unlink()
    assert shop.run().unmoved == 0
    assert not (shop.spool / "a.nst").exists()
