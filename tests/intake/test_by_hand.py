from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mitrarr_runner.errors import MitrarrError, UsageError
from mitrarr_runner.intake import by_hand, originals
from mitrarr_runner.intake.ledger import Outcome
from mitrarr_runner.intake.register import Registered, register_file, requeue
from mitrarr_runner.manifest.model import Source
from mitrarr_runner.store import registry
from mitrarr_runner.store.registry import Place, State

Nist = Callable[..., bytes]


def give(shop: Any, file: Any, person: str = "2025001", **more: Any) -> Registered:
    options = {"clock": shop.clock, "actor": "operador.a", **more}
    return register_file(shop.db, shop.site, shop.source, person=person, file=file, **options)


def again(shop: Any, handle: str, **more: Any) -> Registered:
    options = {"clock": shop.clock, "actor": "operador.a", **more}
    return requeue(shop.db, shop.site, shop.source, handle, **options)


def code_of(do: Callable[[], object]) -> str:
    with pytest.raises(MitrarrError) as raised:
        do()
    return raised.value.code


def test_a_file_by_hand_is_registered_under_the_given_id_and_kept(shop: Any, nist: Nist) -> None:
    path = shop.put("12345678909.bin", nist("T1"))  # its name and age do not matter
    done = give(shop, path, " 2025001 ")
    assert (done.handle, done.state, done.outcome) == ("R1", State.REGISTERED, Outcome.REGISTERED)
    record = registry.show(shop.db, "R1")
    assert record
    assert (record.person, record.tcn, record.actor, record.run) == (
        "2025001",
        "T1",
        "operador.a",
        None,
    )
    assert path.read_bytes() == nist("T1")


def test_a_source_no_manifest_knows_will_do(shop: Any, nist: Nist) -> None:
    shop.source = Source(name="LEGADO")
    assert give(shop, shop.put("a", nist())).state is State.REGISTERED
    assert registry.counts(shop.db, "LEGADO")[State.REGISTERED] == 1


def test_standard_input(shop: Any, nist: Nist) -> None:
    assert give(shop, io.BytesIO(nist())).state is State.REGISTERED
    assert give(shop, io.BytesIO(nist())).outcome is Outcome.REPEATED


def test_the_same_file_again_is_known_and_other_bytes_are_a_revision(shop: Any, nist: Nist) -> None:
    path = shop.put("a", nist("T1"))
    give(shop, path)
    assert give(shop, path) == Registered("R1", State.REGISTERED, Outcome.REPEATED, ())
    path.write_bytes(nist("T1", marker="newer"))
    assert give(shop, path).outcome is Outcome.REVISED
    assert give(shop, path, "another").outcome is Outcome.REGISTERED
    assert give(shop, shop.put("b", nist(face=False)), "third").outcome is Outcome.NO_FACE


def test_a_truncated_file_by_hand_is_quarantined_at_once(shop: Any, nist: Nist) -> None:
    done = give(shop, shop.put("a", nist()[:-1]))
    assert (done.handle, done.state, done.outcome) == ("Q1", State.QUARANTINED, Outcome.QUARANTINED)
    assert [item.code for item in done.findings] == ["nist_truncated"]
    record = registry.show(shop.db, "Q1")
    assert record
    assert record.person == "2025001"


def test_a_file_refused_in_the_spool_for_want_of_an_id_is_taken_by_hand(
    shop: Any, nist: Nist
) -> None:
    shop.change(id='{{ t2["999"] }}')
    path = shop.put("a.nst", nist())
    shop.run()
    done = give(shop, path)
    assert (done.handle, done.state) == ("Q1", State.REGISTERED)
    assert registry.counts(shop.db) == {
        State.REGISTERED: 1,
        State.NO_FACE: 0,
        State.QUARANTINED: 0,
        State.SUPERSEDED: 0,
    }


def test_a_refused_file_of_another_id_is_not_meant(shop: Any, nist: Nist) -> None:
    shop.change(transactions=("CAR",))
    path = shop.put("a.nst", nist("T1"))
    shop.run()
    shop.change(transactions=())
    assert give(shop, path).handle == "R1"
    assert registry.counts(shop.db)[State.QUARANTINED] == 1


@pytest.mark.parametrize(
    ("person", "code"),
    [
        ("", "no_id"),
        (" \t", "no_id"),
        ("x" * 129, "bad_id"),
        ("a\nb", "bad_id"),
        ("a\udce9", "bad_id"),
    ],
)
def test_an_id_that_is_none(shop: Any, nist: Nist, person: str, code: str) -> None:
    assert code_of(lambda: give(shop, shop.put("a", nist()), person)) == code
    assert shop.stored() == []


def test_what_is_given_must_be_a_file(shop: Any, nist: Nist, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert code_of(lambda: give(shop, tmp_path / "12345678909.nst")) == "file_missing"
    assert code_of(lambda: give(shop, tmp_path)) == "not_a_file"
    assert code_of(lambda: give(shop, tmp_path / "pipe")) == "not_a_file"
    assert code_of(lambda: give(shop, Path("/dev/zero"))) == "not_a_file"


def test_a_link_by_hand_is_followed(shop: Any, nist: Nist, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(shop.put("a", nist()))
    assert give(shop, tmp_path / "link").state is State.REGISTERED


def test_no_error_names_the_file(shop: Any, tmp_path: Path) -> None:
    for path in (tmp_path / "12345678909.nst", tmp_path / ("12345678909" * 30)):
        with pytest.raises(UsageError) as raised:
            give(shop, path)
        assert "12345678909" not in str(raised.value)
        assert raised.value.__suppress_context__


def test_a_file_that_changes_while_it_is_read_is_not_registered(
    shop: Any, nist: Nist, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shop.put("a", nist())
    real = originals.copy

    def copy(*args: Any) -> originals.Draft:
        draft = real(*args)
        path.write_bytes(nist(marker="b"))
        return draft

    monkeypatch.setattr(by_hand.originals, "copy", copy)
    assert code_of(lambda: give(shop, path)) == "file_changed"
    assert shop.stored() == []


def test_an_endless_stream_ends_at_the_cap(shop: Any) -> None:
    shop.change(max_bytes=3_000_000)
    with open("/dev/zero", "rb") as endless:
        assert code_of(lambda: give(shop, endless)) == "input_too_large"
    assert shop.stored() == []


def test_the_disk_reserve_holds_by_hand_too(shop: Any, nist: Nist) -> None:
    path = shop.put("a", nist())
    assert code_of(lambda: give(shop, path, free=lambda _: originals.RESERVE)) == "disk_reserve"
    assert code_of(lambda: give(shop, io.BytesIO(nist()), free=lambda _: 0)) == "disk_reserve"


def quarantined(shop: Any, nist: Nist) -> None:
    shop.change(transactions=("CAR",))
    shop.put("a.nst", nist("T1"))
    shop.run()


def test_a_requeued_file_is_judged_by_todays_rules_and_keeps_its_handle(
    shop: Any, nist: Nist
) -> None:
    quarantined(shop, nist)
    still = again(shop, "Q1")
    assert (still.state, still.outcome) == (State.QUARANTINED, Outcome.QUARANTINED)
    shop.change(transactions=())
    done = again(shop, "q1")
    assert (done.handle, done.state, done.outcome) == (
        "Q1",
        State.REGISTERED,
        Outcome.REGISTERED,
    )
    record = registry.show(shop.db, "Q1")
    assert record
    assert (record.code, record.findings, record.actor) == ("", (), "operador.a")
    assert shop.stored() == [f"{record.sha256}.nst"]
    assert originals.read(shop.site, record.sha256, Place.STORE) == nist("T1")
    assert code_of(lambda: again(shop, "Q1")) == "not_quarantined"


def test_a_requeued_file_may_be_given_an_id(shop: Any, nist: Nist) -> None:
    shop.change(id="  ")
    shop.put("a.nst", nist())
    shop.run()
    assert again(shop, "Q1").state is State.QUARANTINED
    assert code_of(lambda: again(shop, "Q1", person="")) == "no_id"
    assert again(shop, "Q1", person="2025001").state is State.REGISTERED
    assert registry.by_person(shop.db, "DETRAN", "2025001")


def test_the_id_that_came_from_the_file_name_is_remembered(shop: Any, nist: Nist) -> None:
    shop.change(id="{{ stem }}", transactions=("CAR",))
    shop.put("2025001.nst", nist())
    shop.run()
    shop.change(transactions=())
    again(shop, "Q1")
    assert registry.by_person(shop.db, "DETRAN", "2025001")[0].state is State.REGISTERED


def test_a_requeued_file_that_is_registered_under_another_handle_is_superseded(
    shop: Any, nist: Nist
) -> None:
    shop.change(id="{{ tcn }}", transactions=("CAR",))
    path = shop.put("a.nst", nist("T1"))
    shop.run()
    shop.change(transactions=(), id="{{ ori }}")
    assert give(shop, path, "BR/TEST").handle == "R1"
    assert again(shop, "Q1") == Registered("R1", State.REGISTERED, Outcome.REPEATED, ())
    assert registry.counts(shop.db)[State.SUPERSEDED] == 1
    shop.change(id="{{ tcn }}")  # and under its first id it may still come
    shop.put("b.nst", nist("T1"))
    assert shop.run().registered == 1
    assert registry.counts(shop.db)[State.REGISTERED] == 2


def test_a_requeued_file_without_its_bytes(shop: Any, nist: Nist) -> None:
    quarantined(shop, nist)
    record = registry.show(shop.db, "Q1")
    assert record
    path = originals.path_of(shop.site, record.sha256, Place.QUARANTINE)
    path.write_bytes(b"something else")
    assert code_of(lambda: again(shop, "Q1")) == "original_damaged"
    path.unlink()
    assert code_of(lambda: again(shop, "Q1")) == "original_missing"
    assert registry.counts(shop.db)[State.QUARANTINED] == 1


def test_a_file_that_stays_in_quarantine_keeps_its_id(shop: Any, nist: Nist) -> None:
    quarantined(shop, nist)
    shop.change(id='{{ t2["999"] }}')
    done = again(shop, "Q1")
    assert [item.code for item in done.findings] == ["nist_tot_refused", "no_id"]
    assert registry.by_person(shop.db, "DETRAN", "T1")


def test_unknown_handles(shop: Any, nist: Nist) -> None:
    assert code_of(lambda: again(shop, "Q7")) == "unknown_handle"
    give(shop, shop.put("a", nist()))
    assert code_of(lambda: again(shop, "R1")) == "not_quarantined"


def test_somebody_else_was_faster(shop: Any, nist: Nist) -> None:
    quarantined(shop, nist)
    shop.change(transactions=())

    def stage(name: str) -> None:
        if name == "renamed":
            with shop.db.transaction():
                shop.db.execute("UPDATE registry SET state = 'registered'")

    assert code_of(lambda: again(shop, "Q1", stage=stage)) == "not_quarantined"
