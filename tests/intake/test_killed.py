"""kill -9 of a real process at every stage: nothing lost, nothing doubled, the account closes."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from mitrarr_runner.intake.register import register_file, requeue
from mitrarr_runner.manifest.model import After
from mitrarr_runner.store import registry
from mitrarr_runner.store.database import open_database
from mitrarr_runner.store.registry import Place, State

Nist = Callable[..., bytes]
STAGES = ("copied", "synced", "renamed", "committed", "left")


def killed(shop: Any, stage: str, work: Callable[[Any, Callable[[str], None]], object]) -> bool:
    """Whether a child that works on its own connection died at `stage`."""

    def die(name: str) -> None:
        if name == stage:
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        try:
            shop.db = open_database(shop.db.path)
            work(shop, die)
        except BaseException:
            os._exit(2)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert os.waitstatus_to_exitcode(status) in (0, -signal.SIGKILL)
    return os.WIFSIGNALED(status)


def fill(shop: Any, nist: Nist) -> dict[str, bytes]:
    files = {f"{number}.nst": nist(f"T{number}", marker=str(number)) for number in range(4)}
    files["repeated.nst"] = files["0.nst"]
    files["cut.nst"] = nist("CUT")[:-1]
    files["faceless.nst"] = nist("FACELESS", face=False)
    for name, data in files.items():
        shop.put(name, data)
    return files


@pytest.mark.parametrize("after", list(After))
@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_intake_goes_on_where_it_was(
    shop: Any, nist: Nist, stage: str, after: After
) -> None:
    files = fill(shop, nist)
    shop.change(after=after)
    assert killed(shop, stage, lambda shop, die: shop.run(stage=die))
    on_disk = sum(path.is_file() for path in shop.spool.rglob("*"))
    assert on_disk == len(files) or (stage, after) == ("left", After.DELETE)
    shop.run()
    assert registry.counts(shop.db) == {
        State.REGISTERED: 4,
        State.NO_FACE: 1,
        State.QUARANTINED: 1,
        State.SUPERSEDED: 0,
    }
    originals = {hashlib.sha256(data).hexdigest() + ".nst" for data in files.values()}
    assert set(shop.stored()) == originals
    assert len(shop.stored()) == len(originals)
    visible = [path for path in shop.spool.iterdir() if path.is_file()]
    assert len(visible) == (len(files) if after is After.KEEP else 0)
    last = shop.run()
    assert (last.files, last.waiting, last.arriving) == (0, 0, 0)


@pytest.mark.parametrize("stage", STAGES[:4])
def test_a_file_by_hand_that_was_killed_is_typed_again(shop: Any, nist: Nist, stage: str) -> None:
    path = shop.put("a", nist())

    def give(shop: Any, stage: Callable[[str], None] = lambda _: None) -> object:
        return register_file(
            shop.db,
            shop.site,
            shop.source,
            person="2025001",
            file=path,
            clock=shop.clock,
            actor="",
            stage=stage,
        )

    assert killed(shop, stage, give)
    give(shop)
    assert registry.counts(shop.db)[State.REGISTERED] == 1
    assert len(shop.stored()) == 1


@pytest.mark.parametrize("stage", STAGES[:4])
def test_a_requeue_that_was_killed(shop: Any, nist: Nist, stage: str) -> None:
    shop.change(transactions=("CAR",))
    shop.put("a.nst", nist())
    shop.run()
    shop.change(transactions=())

    def again(shop: Any, stage: Callable[[str], None] = lambda _: None) -> object:
        return requeue(
            shop.db, shop.site, shop.source, "Q1", clock=shop.clock, actor="", stage=stage
        )

    assert killed(shop, stage, again)
    record = registry.show(shop.db, "Q1")
    assert record
    assert registry.place_of(shop.db, record.sha256) is (
        Place.STORE if stage == "committed" else Place.QUARANTINE
    )
    if record.state is State.QUARANTINED:
        again(shop)
    shop.run()
    assert shop.stored() == [f"{record.sha256}.nst"]
    assert registry.counts(shop.db)[State.REGISTERED] == 1
    assert registry.counts(shop.db)[State.QUARANTINED] == 0
