"""The verbs' side of the queue: counts, list, show, retry, park, and when to wake."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mitrarr_runner.delivery import desk, machine
from mitrarr_runner.delivery.machine import moment
from mitrarr_runner.errors import UsageError
from mitrarr_runner.store import deliveries
from mitrarr_runner.store.deliveries import State


def begin(world: Any, number: int = 1) -> None:
    card = world.delivery(number).card
    with world.db.transaction():
        assert deliveries.save(world.db, card, machine.begin(card, moment(world.clock)))


def retry(world: Any, handle: str) -> bool:
    with world.db.transaction():
        return desk.retry(world.db, handle, world.clock)


def park(world: Any, handle: str) -> bool:
    with world.db.transaction():
        return desk.park(world.db, handle, world.clock)


def test_nobody_is_four_zeros(world: Any) -> None:
    assert desk.counts(world.db) == dict.fromkeys(State, 0)
    assert desk.listing(world.db) == []


def test_park_and_retry(world: Any) -> None:
    world.crowd(2)
    assert park(world, "D2")
    assert world.counts() == {"pending": 1, "parked": 1}
    assert not park(world, "D2")
    shown = desk.show(world.db, "d2")
    assert (shown.state, shown.reason, shown.registry) == (State.PARKED, "by_hand", "R2")
    assert deliveries.due(world.db, "findface", moment(world.clock).now) == [1]
    assert retry(world, "D2")
    assert not retry(world, "D2")
    assert world.counts() == {"pending": 2}


def test_one_in_doubt_is_not_parked(world: Any) -> None:
    world.crowd(1)
    begin(world)
    with pytest.raises(UsageError) as caught:
        park(world, "D1")
    assert caught.value.code == "in_doubt"
    assert world.counts() == {"sending": 1}


@pytest.mark.parametrize("handle", ["D3", "Q1", "", "D", "D0", "98765432100", "D1; DROP"])
def test_an_unknown_handle_is_told_without_repeating_what_may_be_an_id(
    world: Any, handle: str
) -> None:
    world.crowd(1)
    with pytest.raises(UsageError) as caught:
        desk.show(world.db, handle)
    assert caught.value.code == "unknown_delivery"
    assert "DROP" not in str(caught.value.message)


def test_the_list_by_state_and_destination_the_last_changed_first(world: Any) -> None:
    world.crowd(3)
    world.wait(10)
    park(world, "D1")
    assert [one.handle for one in desk.listing(world.db)] == ["D1", "D3", "D2"]
    assert [one.handle for one in desk.listing(world.db, "findface", State.PENDING)] == ["D3", "D2"]
    assert [one.handle for one in desk.listing(world.db, "other")] == []
    assert [one.handle for one in desk.listing(world.db, limit=1)] == ["D1"]


def test_where_a_person_went_whichever_revision_is_asked_for(world: Any) -> None:
    first = world.register("1")
    world.enqueue()
    second = world.register("1")
    world.register("2")
    world.enqueue()
    assert [one.handle for one in desk.of_registry(world.db, first)] == ["D1"]
    assert [one.handle for one in desk.of_registry(world.db, second)] == ["D1"]


def test_the_wake_is_the_earliest_end_of_a_quiet_period_or_of_a_wait(world: Any) -> None:
    world.crowd(2)
    here = [world.destination]
    assert desk.wake_at(world.db, here, world.clock) is None
    begin(world)
    world.wait(20)
    start = world.clock.now()
    assert desk.wake_at(world.db, here, world.clock) == start + timedelta(seconds=100)
    with world.db.transaction():
        deliveries.hold_back(world.db, "findface", int(start.timestamp()) + 30)
    assert desk.wake_at(world.db, here, world.clock) == start + timedelta(seconds=30)
    assert desk.wake_at(world.db, [replace(world.destination, name="x")], world.clock) is None
    world.wait(200)
    due = desk.wake_at(world.db, here, world.clock)
    assert due is not None
    assert due <= world.clock.now()


def test_of_another_boot_the_whole_quiet_period_is_still_to_come(world: Any) -> None:
    world.crowd(1)
    begin(world)
    world.clock.boot, world.clock.ticks = "next", 3.0
    woken = desk.wake_at(world.db, [world.destination], world.clock)
    assert woken == world.clock.now() + timedelta(seconds=120)


def test_retry_ends_a_wait(world: Any) -> None:
    world.crowd(1)
    now = moment(world.clock).now
    with world.db.transaction():
        deliveries.hold_back(world.db, "findface", now + 600)
    assert deliveries.due(world.db, "findface", now) == []
    assert desk.show(world.db, "D1").not_before is not None
    retry(world, "D1")
    assert deliveries.due(world.db, "findface", now) == [1]
