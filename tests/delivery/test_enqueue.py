"""From registered people to rows of the queue: each once, with the newest photo."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mitrarr_runner.delivery import desk, machine
from mitrarr_runner.delivery.enqueue import Enqueued, count_new
from mitrarr_runner.delivery.machine import moment
from mitrarr_runner.store import candidates, deliveries
from mitrarr_runner.store.deliveries import Part, State


def put(world: Any, part: Part, state: State, *, number: int = 1, **more: Any) -> None:
    """Bring one create into a state by force."""
    delivery = world.delivery(number)
    old = delivery.card if part is Part.CARD else delivery.face
    with world.db.transaction():
        assert deliveries.save(world.db, old, replace(old, state=state, **more))


def test_registered_people_get_two_pending_rows_each(world: Any) -> None:
    world.register("1")
    world.register("2")
    world.register("3", state="no_face")
    world.register("4", state="quarantined")
    assert count_new(world.db, world.destination) == 2
    assert world.enqueue() == Enqueued(new=2)
    assert world.counts() == {"pending": 2}
    assert count_new(world.db, world.destination) == 0
    assert world.enqueue() == Enqueued()


def test_only_the_destinations_own_sources(world: Any) -> None:
    for source in ("DETRAN", "IIRGD", "PF"):
        world.register("1", source=source)
    world.change(sources=("DETRAN", "PF"))
    assert count_new(world.db, world.destination) == 2
    assert world.enqueue() == Enqueued(new=2)
    assert {world.delivery(1).source, world.delivery(2).source} == {"DETRAN", "PF"}


def test_each_destination_has_its_own_queue(world: Any) -> None:
    world.register("1")
    world.enqueue()
    world.change(name="other")
    assert world.enqueue() == Enqueued(new=1)
    assert world.delivery(1).token == world.delivery(2).token


def test_several_revisions_at_once_are_one_person_with_the_newest_photo(world: Any) -> None:
    world.register("1")
    newest = world.register("1")
    assert count_new(world.db, world.destination) == 1
    assert world.enqueue() == Enqueued(new=1)
    assert world.delivery().registry == newest
    assert world.enqueue() == Enqueued()
    assert world.delivery().registry == newest


def test_one_who_waits_gets_the_new_photo_and_is_not_counted_twice(world: Any) -> None:
    world.register("1")
    world.enqueue()
    newest = world.register("1")
    assert count_new(world.db, world.destination) == 0
    assert world.enqueue() == Enqueued()
    assert world.delivery().registry == newest
    assert world.counts() == {"pending": 1}


def test_a_new_revision_releases_a_parked_person(world: Any) -> None:
    world.register("1")
    world.enqueue()
    put(world, Part.CARD, State.SENT, remote_id="7")
    put(world, Part.FACE, State.PARKED, reason="low_quality")
    assert world.enqueue() == Enqueued()
    newest = world.register("1")
    assert count_new(world.db, world.destination) == 1
    assert world.enqueue() == Enqueued(renewed=1)
    delivery = world.delivery()
    assert (delivery.registry, delivery.face.state) == (newest, State.PENDING)
    assert delivery.card.remote_id == "7"
    assert world.enqueue() == Enqueued()


def test_a_new_revision_does_not_release_one_whom_somebody_held_back(world: Any) -> None:
    world.register("1")
    world.enqueue()
    with world.db.transaction():
        desk.park(world.db, "D1", world.clock)
    world.register("1")
    assert world.enqueue() == Enqueued()
    assert world.counts() == {"parked": 1}


def test_a_revision_without_a_face_releases_nobody(world: Any) -> None:
    world.register("1")
    world.enqueue()
    put(world, Part.FACE, State.PARKED, reason="low_quality")
    world.register("1", state="no_face")
    assert world.enqueue() == Enqueued()
    assert world.counts() == {"parked": 1}


@pytest.mark.parametrize("state", [State.SENT, State.SENDING])
def test_a_face_that_is_sent_or_in_doubt_keeps_its_photo(world: Any, state: State) -> None:
    first = world.register("1")
    world.enqueue()
    put(world, Part.CARD, State.SENT, remote_id="7")
    put(world, Part.FACE, state)
    world.register("1")
    assert count_new(world.db, world.destination) == 0
    assert world.enqueue() == Enqueued()
    assert world.delivery().registry == first
    assert world.delivery().face.state is state


def test_the_store_of_the_queue_holds_no_id_of_a_person(world: Any) -> None:
    world.register("98765432100")
    world.enqueue()
    for table in ("deliveries", "creates"):
        for row in world.db.rows(f"SELECT * FROM {table}"):  # noqa: S608
            assert "98765432100" not in str(tuple(row))
    assert "98765432100" not in repr(candidates.candidates(world.db, "other", ""))
    assert "98765432100" not in repr(deliveries.person_of(world.db, 1))


def test_a_crowd_is_taken_in_several_transactions(world: Any) -> None:
    with world.db.transaction():
        world.db.many(
            "INSERT INTO registry (handle, source, person, sha256, bytes, state, at, changed_at)"
            " VALUES (:h, 'DETRAN', :h, :h, 1, 'registered', 0, 0)",
            [{"h": f"R{number}"} for number in range(1201)],
        )
    assert count_new(world.db, world.destination) == 1201
    assert world.enqueue() == Enqueued(new=1201)
    assert len(deliveries.due(world.db, "findface", moment(world.clock).now)) == 1201
    assert machine.next_part(world.delivery().card, world.delivery().face) == world.delivery().card
