"""Sending over real HTTP to the simulator: what is made there, and what the account says."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mitrarr_runner.delivery import desk
from mitrarr_runner.delivery.account import SendResult
from mitrarr_runner.delivery.site_key import site_key
from mitrarr_runner.delivery.token import token
from mitrarr_runner.errors import FailedError, UsageError
from mitrarr_runner.findface.api import (
    NotSent,
    ParkReason,
    Refused,
    RemoteCard,
    RemoteFace,
    Trouble,
    Unavailable,
    Unknown,
)
from mitrarr_runner.images import draw_wall
from mitrarr_runner.locks import acquire
from mitrarr_runner.manifest.model import Card
from mitrarr_runner.store import deliveries
from mitrarr_runner.store.database import open_readonly
from mitrarr_runner.store.deliveries import State
from mitrarr_runner.text import text

Closes = Callable[[SendResult], bool]


class Wrapped:
    """A client that does what the real one does, except where a test says otherwise."""

    def __init__(self, real: Any, **instead: Callable[..., Any]) -> None:
        self._real = real
        self._instead = instead
        self.asked: list[str] = []

    def __enter__(self) -> Wrapped:
        self._real.__enter__()
        return self

    def __exit__(self, *given: Any) -> None:
        self._real.__exit__(*given)

    def __getattr__(self, name: str) -> Any:
        def call(*given: Any) -> Any:
            self.asked.append(name)
            if name in self._instead:
                return self._instead[name](*given)
            return getattr(self._real, name)(*given)

        return call


def failing(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any) -> Any:
        raise error

    return fail


def delta(before: dict[str, Any], after: dict[str, Any]) -> dict[str, int]:
    names = ("cards", "faces", "duplicates", "doubled_faces", "cards_without_face")
    return {name: after[name] - before[name] for name in names if after[name] != before[name]}


def test_everybody_is_there_once_with_a_face(online: Any, running: Any, closes: Closes) -> None:
    before = running.report()
    online.crowd(9)
    told: list[tuple[int, int | None]] = []
    result = online.send(batch_size=4, progress=lambda done, total: told.append((done, total)))
    assert (result.people, result.sent, result.deferred, result.reached) == (9, 9, False, True)
    assert closes(result)
    assert told == [(4, 9), (8, 9), (9, 9)]
    assert delta(before, running.report()) == {"cards": 9, "faces": 9}
    assert online.counts() == {"sent": 9}


def test_a_second_send_does_nothing_and_asks_nobody(online: Any) -> None:
    online.crowd(1)
    online.send()
    client = Wrapped(online.client())
    assert online.send(client) == replace(SendResult(), seconds=0.0)
    assert client.asked == []


def test_the_card_as_the_server_has_it(online: Any) -> None:
    online.register("98765432100")
    online.change(card=Card("{{ source }} {{ id }}", "{{ source }}"))
    online.enqueue()
    online.send()
    delivery = online.delivery()
    assert delivery.token == token(site_key(online.db, online.site), "DETRAN", "98765432100")
    with online.client() as client:
        (card,) = client.find_cards(delivery.token)
        (face,) = client.faces_of(card.id)
        lists = client.watch_lists()
    assert card.name == f"DETRAN 98765432100 {delivery.token}"
    assert card.meta == {"mitrarr": delivery.token}
    assert card.watch_lists == (lists["DETRAN"],)
    assert (str(card.id), face.id) == (delivery.card.remote_id, delivery.face.remote_id)
    assert face.source_photo_name == f"m-{delivery.token[3:-1]}.jpg"
    assert "98765432100" not in online.logged


def test_watch_lists_by_id(online: Any) -> None:
    with online.client() as client:
        number = client.watch_lists()["DETRAN"]
    online.change(watch_lists=(str(number),))
    online.crowd(1)
    assert online.send().sent == 1


def test_no_more_requests_at_a_time_than_allowed(online: Any) -> None:
    online.change(parallel=3)
    online.crowd(12)
    at_once = threading.Semaphore(3)
    real = online.client()

    def counted(name: str) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            assert at_once.acquire(blocking=False), "a fourth request"
            try:
                return getattr(real, name)(*given)
            finally:
                at_once.release()

        return call

    instead = {name: counted(name) for name in ("create_card", "attach_face")}
    assert online.send(Wrapped(real, **instead)).sent == 12


def test_the_row_is_committed_before_each_request_leaves(online: Any) -> None:
    online.crowd(1)
    seen: list[tuple[str, str]] = []
    real = online.client()

    def watched(name: str) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            with open_readonly(online.db.path) as other:
                delivery = deliveries.get(other, 1)
            seen.append((delivery.card.state.value, delivery.face.state.value))
            return getattr(real, name)(*given)

        return call

    making = {name: watched(name) for name in ("create_card", "attach_face")}
    online.send(Wrapped(real, **making))
    assert seen == [("sending", "pending"), ("sent", "sending")]


# A destination that cannot be used parks nobody.


def test_a_server_that_is_not_there(world: Any, closes: Closes) -> None:
    world.crowd(5)
    result = world.send()
    assert (result.deferred, result.reason, result.reached) == (True, "connection", False)
    assert (result.people, result.pending) == (5, 5)
    assert closes(result)
    assert world.counts() == {"pending": 5}
    assert "destination_trouble" in world.logged


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NotSent("refused"), "refused"),
        (NotSent("tls", tls=True), "tls"),
        (Unavailable(Trouble.LICENCE, status=401), "licence"),
        (Unavailable(Trouble.LOGIN, status=401), "login"),
        (Unavailable(Trouble.SERVER_ERROR, status=503), "server_error"),
    ],
)
def test_the_first_sign_of_trouble_ends_the_send_and_all_stay_pending(
    online: Any, closes: Closes, error: Exception, reason: str
) -> None:
    online.change(parallel=2)
    online.crowd(10)
    client = Wrapped(online.client(), create_card=failing(error))
    result = online.send(client)
    assert (result.deferred, result.reason, result.pending) == (True, reason, 10)
    assert closes(result)
    assert client.asked.count("create_card") <= 2
    assert online.counts() == {"pending": 10}
    assert online.send().sent == 10


def test_trouble_with_the_face_leaves_the_card_to_be_completed(online: Any, running: Any) -> None:
    before = running.report()
    online.crowd(1)
    assert online.send(Wrapped(online.client(), attach_face=failing(NotSent("reset")))).deferred
    assert (online.delivery().card.state, online.delivery().face.state) == ("sent", "pending")
    assert online.counts() == {"pending": 1}
    assert online.send().sent == 1
    assert delta(before, running.report()) == {"cards": 1, "faces": 1}


def test_a_missing_watch_list_is_named_and_parks_nobody(online: Any) -> None:
    online.change(watch_lists=("DETRAN", "Procurados"))
    online.crowd(2)
    result = online.send()
    assert (result.reason, result.detail) == ("watch_list_missing", "Procurados")
    assert online.counts() == {"pending": 2}


def test_a_server_that_asks_for_a_pause_gets_it_from_everybody(online: Any) -> None:
    online.change(parallel=1)
    online.crowd(3)
    busy = NotSent("too_many_requests", status=429, retry_after=30.0)
    assert online.send(Wrapped(online.client(), create_card=failing(busy))).deferred
    online.wait(29)
    assert online.send().people == 0
    online.wait(1)
    assert online.send().sent == 3


def test_429_over_the_wire(online: Any, running: Any) -> None:
    online.crowd(1)
    running.set_faults({"busy": 1.0})
    result = online.send()
    assert (result.reason, result.pending) == ("too_many_requests", 1)
    running.set_faults({})
    assert online.send().people == 0
    online.wait(7)
    assert online.send().sent == 1


def test_answers_that_stay_away_in_a_row_are_the_servers_trouble(online: Any) -> None:
    online.change(parallel=1)
    online.crowd(10)
    client = Wrapped(online.client(), create_card=failing(Unknown("read_timeout")))
    result = online.send(client)
    assert (result.reason, result.in_doubt, result.pending) == ("read_timeout", 3, 7)


def test_one_person_who_breaks_the_server_does_not_keep_the_others(
    online: Any, closes: Closes
) -> None:
    online.crowd(8)
    poison = online.delivery(1).token
    real = online.client()

    def create(name: str, *given: Any) -> Any:
        if poison in name:
            raise Unknown("server_error", status=500)
        return real.create_card(name, *given)

    for _ in range(6):
        result = online.send(Wrapped(real, create_card=create))
        assert not result.deferred
        assert closes(result)
        online.wait(121)
    assert online.counts()["sent"] == 7
    assert online.delivery(1).card.attempt >= 3


def test_refusals_of_everybody_are_a_mistake_of_ours_and_park_few(online: Any) -> None:
    online.change(parallel=1)
    online.crowd(20)
    refused = Refused(ParkReason.RIGHTS, status=403, code="PERMISSION_DENIED")
    result = online.send(Wrapped(online.client(), create_card=failing(refused)))
    assert (result.reason, result.parked, result.pending) == ("rights", 3, 17)


def test_an_unmounted_store_of_originals_does_not_park_everybody(
    online: Any, running: Any, closes: Closes
) -> None:
    before = running.report()
    online.change(parallel=2)
    online.crowd(9)

    def photo(number: int) -> Any:
        raise FailedError(text("no"), code="original_missing")

    result = online.send(photo=photo)
    assert (result.reason, result.parked, result.pending) == ("original_missing", 3, 6)
    assert closes(result)
    assert delta(before, running.report()) == {}


# Parked people


def test_a_wall_instead_of_a_face_is_parked_and_blocks_nobody(online: Any, closes: Closes) -> None:
    online.crowd(3)
    wall = replace(online.picture, data=draw_wall(1, 200, 200))
    result = online.send(photo=lambda number: wall if number == 2 else online.picture)
    assert (result.sent, result.parked, result.deferred) == (2, 1, False)
    assert closes(result)
    assert desk.show(online.db, "D2").reason == "server_no_face"
    assert online.send().people == 0
    online.register("20250001")
    online.enqueue()
    assert online.send().sent == 1
    assert online.counts() == {"sent": 3}


def test_a_text_file_is_parked_by_the_server(online: Any) -> None:
    online.crowd(1)
    assert online.send(photo=lambda number: replace(online.picture, data=b"text")).parked == 1
    assert online.delivery().face.reason == "not_an_image"


@pytest.mark.parametrize(
    ("code", "reason"),
    [("image_kind", "not_an_image"), ("image_side", "too_large"), ("no_record", "no_record")],
)
def test_our_own_image_errors_park_before_anything_is_made(
    online: Any, running: Any, code: str, reason: str
) -> None:
    before = running.report()
    online.crowd(2)

    def photo(number: int) -> Any:
        if number == 1:
            raise FailedError(text("no"), code=code)
        return online.picture

    result = online.send(photo=photo)
    assert (result.sent, result.parked) == (1, 1)
    assert delta(before, running.report()) == {"cards": 1, "faces": 1}
    assert (online.delivery(1).card.state, online.delivery(1).face.reason) == ("pending", reason)
    with online.db.transaction():
        desk.retry(online.db, "D1", online.clock)
    assert online.send().sent == 1


def test_one_parked_by_hand_is_left_alone(online: Any) -> None:
    online.crowd(2)
    with online.db.transaction():
        desk.park(online.db, "D1", online.clock)
    assert online.send().people == 1
    assert online.counts() == {"sent": 1, "parked": 1}


def test_one_parked_by_hand_between_two_looks_is_not_sent(online: Any, running: Any) -> None:
    """The guard: the row is pending when it is read, and parked when it is to be begun."""
    before = running.report()
    online.crowd(1)

    def photo(number: int) -> Any:
        with online.db.transaction():
            desk.park(online.db, "D1", online.clock)
        return online.picture

    online.send(photo=photo)
    assert online.counts() == {"parked": 1}
    assert delta(before, running.report()) in ({}, {"cards": 1, "cards_without_face": 1})


# The rest of the loop


def test_a_send_that_is_asked_to_end_ends_after_its_batch(online: Any, closes: Closes) -> None:
    online.crowd(6)
    asked = iter([False, True])
    result = online.send(batch_size=4, stopping=lambda: next(asked))
    assert (result.stopped, result.sent, result.pending) == (True, 4, 2)
    assert closes(result)
    assert not result.deferred


def test_who_arrives_meanwhile_is_sent_too(online: Any) -> None:
    online.crowd(2)

    def progress(done: int, total: int | None) -> None:
        if total == 2:
            online.register("late")
            online.enqueue()

    result = online.send(progress=progress)
    assert (result.people, result.sent) == (3, 3)


def test_one_sender_per_destination(online: Any) -> None:
    online.crowd(1)
    held = acquire(online.site.locks / "destination-findface.lock")
    assert held is not None
    with held:
        result = online.send()
    assert (result.busy, result.deferred, result.people) == (True, True, 0)
    assert online.send().sent == 1


def test_a_template_that_cannot_be_filled_in_is_nobodys_fault(online: Any) -> None:
    online.change(card=Card("{{ tcn }}"))
    online.crowd(1)
    with pytest.raises(UsageError):
        online.send()
    assert online.counts() == {"pending": 1}


def test_a_look_up_compares_exactly(online: Any) -> None:
    """The server's filter ignores case and takes wildcards; its word is not taken."""
    online.crowd(1)
    mine = online.delivery().token
    lost = Wrapped(online.client(), create_card=failing(Unknown("reset")))
    online.send(lost)
    near = [
        RemoteCard(1, f"x {mine.lower()}", (), {}),
        RemoteCard(2, f"{mine} y", (), {"other": "x"}),
    ]
    online.wait(300)
    result = online.send(Wrapped(online.client(), find_cards=lambda asked: near))
    assert (result.sent, result.adopted) == (1, 0)


def test_of_several_cards_the_oldest_is_adopted_and_the_log_says_so(online: Any) -> None:
    online.crowd(1)
    mine = online.delivery().token
    with online.client() as client:
        lists = list(client.watch_lists().values())[:1]
        first = client.create_card(f"a {mine}", lists, {})
        client.create_card("b", lists, {"mitrarr": mine})
    online.send(Wrapped(online.client(), create_card=failing(Unknown("reset"))))
    assert online.counts() == {"sent": 1}
    assert online.delivery().card.remote_id == str(first.id)
    assert "copies=" in online.logged


def test_a_face_that_is_there_is_adopted_and_a_strangers_is_not(online: Any) -> None:
    online.crowd(1)
    online.send(Wrapped(online.client(), attach_face=failing(Unknown("reset"))))
    card = int(online.delivery().card.remote_id)
    strangers = [RemoteFace("9", card, "other.jpg")]
    online.send(Wrapped(online.client(), faces_of=lambda asked: strangers))
    assert online.counts() == {"sending": 1}
    with online.client() as client:
        name = f"m-{online.delivery().token[3:-1]}.jpg"
        face = client.attach_face(card, online.picture.data, name, "image/jpeg")
    result = online.send()
    assert (result.adopted, result.sent) == (1, 0)
    assert online.delivery().face.remote_id == face.id


def test_a_look_up_that_fails_teaches_nothing(online: Any) -> None:
    online.crowd(1)
    online.send(Wrapped(online.client(), create_card=failing(Unknown("reset"))))
    blind = failing(Unavailable(Trouble.NO_ANSWER))
    online.wait(300)
    result = online.send(Wrapped(online.client(), find_cards=blind))
    assert (result.deferred, result.reason, result.in_doubt) == (True, "no_answer", 1)
    assert online.delivery().card.state is State.SENDING


def test_no_id_of_a_person_reaches_the_log(online: Any) -> None:
    online.register("98765432100")
    online.enqueue()
    online.send(Wrapped(online.client(), create_card=failing(Unknown("reset"))))
    online.send(photo=lambda number: replace(online.picture, data=b"text"))
    online.wait(300)
    online.send(photo=lambda number: replace(online.picture, data=b"text"))
    assert "delivery=D1" in online.logged
    assert "delivery_parked" in online.logged
    for secret in ("98765432100", "9876543", online.delivery().token[3:-1]):
        assert secret not in online.logged
