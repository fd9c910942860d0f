"""The tables of the queue: the guard, the counts, and that both ways to name a state agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from mitrarr_runner.store import candidates, deliveries
from mitrarr_runner.store.database import Database, Row, open_database
from mitrarr_runner.store.deliveries import Create, Delivery, Part, State

NOW = 1_000


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with open_database(tmp_path / "mitrarr.db") as db:
        yield db


def register(db: Database, number: int, person: str, revision: int = 1) -> None:
    with db.transaction():
        db.execute(
            "INSERT INTO registry (id, handle, source, person, sha256, bytes, revision, state, at,"
            " changed_at) VALUES (:id, :handle, 'DETRAN', :person, :handle, 1, :revision,"
            " 'registered', 0, 0)",
            id=number,
            handle=f"R{number}",
            person=person,
            revision=revision,
        )


def put(db: Database, name: str = "t1", registry: int = 1, destination: str = "ff") -> Delivery:
    with db.transaction():
        number = deliveries.add(db, destination, registry, "DETRAN", name, NOW)
    assert number is not None
    found = deliveries.get(db, number)
    assert found is not None
    return found


def force(db: Database, old: Create, state: State, **more: object) -> Create:
    new = replace(old, state=state, at=NOW, **more)
    with db.transaction():
        assert deliveries.save(db, old, new)
    return new


def test_a_new_person_has_two_pending_rows(db: Database) -> None:
    delivery = put(db)
    assert delivery.handle == "D1"
    assert delivery.card == Create(1, Part.CARD, at=NOW)
    assert delivery.face == Create(1, Part.FACE, at=NOW)
    assert deliveries.by_token(db, "ff", "t1") == delivery
    assert deliveries.by_token(db, "other", "t1") is None


def test_a_token_is_there_once_per_destination(db: Database) -> None:
    put(db)
    with db.transaction():
        assert deliveries.add(db, "ff", 2, "DETRAN", "t1", NOW) is None
        assert deliveries.add(db, "other", 2, "DETRAN", "t1", NOW) is not None
    assert len(db.rows("SELECT * FROM creates")) == 4


def test_every_field_of_a_row_is_kept(db: Database) -> None:
    old = put(db).card
    new = Create(1, Part.CARD, State.SENDING, 3, 2_000, 12.5, "boot", 77, "9", "reset")
    with db.transaction():
        assert deliveries.save(db, old, new)
    found = deliveries.get(db, 1)
    assert found is not None
    assert (found.card, found.changed_at) == (new, 2_000)


@pytest.mark.parametrize("stale", [{"state": State.SENDING}, {"attempt": 1}])
def test_of_two_writers_one_wins(db: Database, stale: dict[str, object]) -> None:
    old = put(db).card
    with db.transaction():
        assert not deliveries.save(db, replace(old, **stale), replace(old, state=State.SENT))
    found = deliveries.get(db, 1)
    assert found is not None
    assert found.card == old


def test_a_persons_state_in_sql_and_in_python_are_the_same(db: Database) -> None:
    for number, (card, face) in enumerate(product(State, State), start=1):
        delivery = put(db, f"t{number}", number)
        force(db, delivery.card, card)
        force(db, delivery.face, face)
    everybody = deliveries.listing(db, "", None, 100)
    assert len(everybody) == 16
    for state in State:
        listed = {one.id for one in deliveries.listing(db, "ff", state, 100)}
        assert listed == {one.id for one in everybody if deliveries.state_of(one) is state}
        assert deliveries.counts(db)[state] == deliveries.counts(db, "ff")[state] == len(listed)
    assert set(deliveries.counts(db, "other").values()) == {0}


def test_due_are_those_with_something_to_do_the_least_tried_first(db: Database) -> None:
    rows = [put(db, f"t{number}", number) for number in range(1, 9)]
    force(db, rows[0].card, State.SENDING, attempt=2)
    force(db, rows[1].card, State.SENT)
    force(db, rows[1].face, State.SENT)
    force(db, rows[2].card, State.PARKED)
    force(db, rows[3].card, State.SENT)
    force(db, rows[3].face, State.PARKED)
    force(db, rows[4].card, State.SENT, attempt=1)
    force(db, rows[5].card, State.PENDING, not_before=NOW + 1)
    force(db, rows[6].card, State.SENT)
    force(db, rows[6].face, State.PENDING, not_before=NOW + 1)
    assert deliveries.due(db, "ff", NOW) == [8, 5, 1]
    assert deliveries.due(db, "ff", NOW + 1) == [6, 7, 8, 5, 1]
    assert deliveries.due(db, "other", NOW) == []


def test_holding_back_and_hurrying(db: Database) -> None:
    first, second = put(db, "t1", 1), put(db, "t2", 2)
    other = put(db, "t1", 1, "other")
    force(db, first.card, State.SENDING)
    with db.transaction():
        deliveries.hold_back(db, "ff", 500)
        deliveries.hold_back(db, "ff", 400)
    waits = {(row.delivery, row.part): row.not_before for row in deliveries.held_back(db, "ff")}
    assert waits == {(1, Part.FACE): 500, (2, Part.CARD): 500, (2, Part.FACE): 500}
    assert deliveries.held_back(db, "other") == []
    assert [row.delivery for row in deliveries.in_doubt(db, "ff")] == [1]
    with db.transaction():
        deliveries.hurry(db, second.id)
    assert {row.delivery for row in deliveries.held_back(db, "ff")} == {1}
    assert deliveries.get(db, other.id) == other


def test_revisions_with_the_same_number_do_not_take_turns(db: Database) -> None:
    """Two rows of one person that both say revision 1: the later one counts, and for good."""
    register(db, 1, "p")
    register(db, 2, "p")
    put(db, "t1", 2)
    assert candidates.candidates(db, "ff", "") == []


class Explained(Database):
    """A store that keeps the plan of each question it is asked."""

    def __init__(self, db: Database) -> None:
        super().__init__(db._connection, db.path)
        self.plans: list[str] = []

    def rows(self, sql: str, /, **values: object) -> list[Row]:
        plan = super().rows("EXPLAIN QUERY PLAN " + sql, **values)
        self.plans.append("\n".join(row["detail"] for row in plan))
        return super().rows(sql, **values)

    def row(self, sql: str, /, **values: object) -> Row | None:
        return next(iter(self.rows(sql, **values)), None)


def test_enqueue_looks_persons_up_one_by_one(db: Database) -> None:
    """With joins, the planner started from the destination: 106 s over 300,000 people, not 0.1."""
    asked = Explained(db)
    candidates.candidates(asked, "ff", "DETRAN")
    candidates.count_new(asked, "ff", "")
    assert len(asked.plans) == 2
    for plan in asked.plans:
        assert "(destination=?)" not in plan, plan
        for table in ("d", "c", "f", "k", "q", "creates", "deliveries"):
            assert f"SCAN {table}\n" not in plan + "\n", plan
