"""The client against the simulator: values when all goes well, one exception per trouble."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from mitrarr_runner.findface.api import (
    Destination,
    NotSent,
    ParkReason,
    Refused,
    Trouble,
    Unavailable,
    Unknown,
    carries,
)
from mitrarr_runner.findface.multi import FindFaceMulti
from mitrarr_runner.findface.simulator.process import SimulatorProcess, start
from mitrarr_runner.images import draw_face, draw_wall

Connect = Callable[..., FindFaceMulti]


def until(done: Callable[[], bool]) -> None:
    """Wait for the far side, 5 seconds at most."""
    pause = threading.Event()
    for _ in range(250):
        if done():
            return
        pause.wait(0.02)
    raise AssertionError("it did not happen")


# Fair weather


def test_a_person_goes_in_and_is_found_again(
    findface: FindFaceMulti, tokens: Iterator[str]
) -> None:
    token = next(tokens)
    card = findface.create_card(f"José {token}", [2], {"mitrarr": token, "n": 1})
    assert (card.name, card.watch_lists) == (f"José {token}", (2,))
    assert card.meta == {"mitrarr": token, "n": 1}
    assert findface.find_cards(token) == [card]
    assert findface.faces_of(card.id) == []
    face = findface.attach_face(card.id, draw_face(1), "abc.jpg", "image/jpeg")
    assert (face.card, face.source_photo_name) == (card.id, "abc.jpg")
    assert findface.faces_of(card.id) == [face]


def test_the_look_up_is_exact(findface: FindFaceMulti, tokens: Iterator[str]) -> None:
    token = next(tokens)
    for name in (f"x {token.lower()}", f"{token} at the front", f"x {token[:-2]}%]"):
        findface.create_card(name, [2], {})
    renamed = findface.create_card(f"x {token} (renamed)", [2], {"mitrarr": token})
    named = findface.create_card(f"x {token}", [2], {})
    assert findface.find_cards(token) == [renamed, named]


def test_a_token_is_carried_by_the_names_end_or_by_meta() -> None:
    from mitrarr_runner.findface.api import RemoteCard

    assert carries(RemoteCard(1, "A [m:X]", (), {}), "[m:X]")
    assert carries(RemoteCard(1, "A", (), {"any": "[m:X]"}), "[m:X]")
    assert not carries(RemoteCard(1, "A [m:X] B", (), {}), "[m:X]")
    assert not carries(RemoteCard(1, "A [m:x]", (), {"any": ["[m:X]"]}), "[m:X]")


def test_personal_data_stay_out_of_repr(findface: FindFaceMulti) -> None:
    card = findface.create_card("Maria das Dores", [2], {"note": "segredo"})
    assert "Maria" not in repr(card)
    assert "segredo" not in repr(card)


def test_all_pages_are_read(findface: FindFaceMulti, tokens: Iterator[str]) -> None:
    token = next(tokens)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda n: findface.create_card(f"{n} {token}", [2], {}), range(230)))
    assert findface.find_cards(token) == sorted(made, key=lambda card: card.id)


def test_lists_counts_and_the_probe(findface: FindFaceMulti) -> None:
    assert findface.watch_lists() == {"Default": 1, "DETRAN": 2, "Civil Ação": 3}
    before = findface.count_cards()
    findface.create_card("one more", [2], {})
    probe = findface.probe()
    assert probe.cards == before + 1
    assert probe.watch_lists == findface.watch_lists()
    assert "ffsecurity.add_humancard" in probe.permissions
    assert probe.clock_offset is not None
    assert abs(probe.clock_offset) < 5


def test_it_is_a_destination(findface: FindFaceMulti) -> None:
    destination: Destination = findface
    assert destination.count_cards() >= 0


# Refusals


@pytest.mark.parametrize(
    ("photo", "reason"),
    [
        (draw_wall(1), ParkReason.SERVER_NO_FACE),
        (b"text", ParkReason.NOT_AN_IMAGE),
        (draw_face(1, 6001, 60), ParkReason.TOO_LARGE),
    ],
)
def test_a_photo_that_is_refused_is_to_be_parked(
    findface: FindFaceMulti, photo: bytes, reason: ParkReason
) -> None:
    card = findface.create_card("refused", [2], {})
    with pytest.raises(Refused) as caught:
        findface.attach_face(card.id, photo, "a.jpg", "image/jpeg")
    error = caught.value
    assert (error.reason, error.code, error.param) == (reason, "BAD_PARAM", "source_photo")
    assert findface.faces_of(card.id) == []


def test_a_card_that_is_gone_is_named(findface: FindFaceMulti) -> None:
    with pytest.raises(Refused) as caught:
        findface.attach_face(987654, draw_face(1), "a.jpg", "image/jpeg")
    assert (caught.value.reason, caught.value.param) == (ParkReason.BAD_REQUEST, "card")


def test_a_name_that_is_too_long_is_not_repeated_in_the_error(findface: FindFaceMulti) -> None:
    with pytest.raises(Refused) as caught:
        findface.create_card("Maria " * 60, [2], {})
    assert (caught.value.reason, caught.value.param) == (ParkReason.BAD_REQUEST, "name")
    assert "Maria" not in f"{caught.value!r} {caught.value.detail}"


@pytest.mark.parametrize("lists", [[99], [-1], []])
def test_a_wrong_watch_list_parks_nobody(findface: FindFaceMulti, lists: list[int]) -> None:
    with pytest.raises(Unavailable) as caught:
        findface.create_card("nobody", lists, {})
    assert caught.value.reason is Trouble.WATCH_LISTS


def test_text_that_cannot_be_encoded_is_to_be_parked(findface: FindFaceMulti) -> None:
    with pytest.raises(Refused) as caught:
        findface.create_card("half a pair \ud800", [2], {})
    assert caught.value.reason is ParkReason.BAD_REQUEST


# Troubles, one each: what the caller is told, and whether the card was made


@pytest.mark.parametrize(
    ("fault", "kind", "reason", "made"),
    [
        ("lost", Unknown, "reset", 1),
        ("reset", Unknown, "reset", 0),
        ("unavailable", Unknown, "server_error", 0),
        ("error", Unknown, "server_error", 0),
        ("cut", Unknown, "cut", 1),
        ("licence", Unavailable, Trouble.LICENCE, 0),
        ("forbidden", Refused, ParkReason.RIGHTS, 0),
        ("busy", NotSent, "too_many_requests", 0),
    ],
)
def test_a_troubled_create(
    findface: FindFaceMulti,
    simulator: SimulatorProcess,
    tokens: Iterator[str],
    fault: str,
    kind: type[Exception],
    reason: str,
    made: int,
) -> None:
    token, before = next(tokens), simulator.report()["faults"][fault]
    simulator.set_faults({fault: 1.0}, most=1)
    with pytest.raises(kind) as caught:
        findface.create_card(f"x {token}", [2], {})
    assert caught.value.reason == reason  # type: ignore[attr-defined]
    assert simulator.report()["faults"][fault] == before + 1
    assert len(findface.find_cards(token)) == made


@pytest.mark.parametrize(
    ("fault", "kind", "faces"),
    [("lost", Unknown, 1), ("reset", Unknown, 0), ("unavailable", Unknown, 0), ("cut", Unknown, 1)],
)
def test_a_troubled_face(
    findface: FindFaceMulti,
    simulator: SimulatorProcess,
    fault: str,
    kind: type[Exception],
    faces: int,
) -> None:
    card = findface.create_card("face in trouble", [2], {}).id
    simulator.set_faults({fault: 1.0}, most=1)
    with pytest.raises(kind):
        findface.attach_face(card, draw_face(1), "a.jpg", "image/jpeg")
    assert len(findface.faces_of(card)) == faces


def test_413_of_a_proxy_is_too_large(findface: FindFaceMulti, simulator: SimulatorProcess) -> None:
    card = findface.create_card("heavy", [2], {}).id
    simulator.set_faults({"too_large": 1.0}, most=1)
    with pytest.raises(Refused) as caught:
        findface.attach_face(card, draw_face(1), "a.jpg", "image/jpeg")
    assert caught.value.reason is ParkReason.TOO_LARGE


def test_429_says_how_long_to_wait(findface: FindFaceMulti, simulator: SimulatorProcess) -> None:
    simulator.set_faults({"busy": 1.0}, most=2)
    with pytest.raises(NotSent) as create:
        findface.create_card("later", [2], {})
    with pytest.raises(Unavailable) as look:
        findface.count_cards()
    assert (create.value.retry_after, look.value.retry_after) == (7, 7)
    assert look.value.reason is Trouble.TOO_MANY_REQUESTS


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("reset", Trouble.NO_ANSWER),
        ("cut", Trouble.NO_ANSWER),
        ("unavailable", Trouble.SERVER_ERROR),
        ("gateway", Trouble.SERVER_ERROR),
        ("error", Trouble.SERVER_ERROR),
        ("licence", Trouble.LICENCE),
        ("forbidden", Trouble.RIGHTS),
    ],
)
def test_a_troubled_look_up_blames_nobody(
    findface: FindFaceMulti, simulator: SimulatorProcess, fault: str, reason: Trouble
) -> None:
    simulator.set_faults({fault: 1.0}, most=1)
    with pytest.raises(Unavailable) as caught:
        findface.find_cards("[m:NOBODY]")
    assert caught.value.reason is reason
    assert findface.find_cards("[m:NOBODY]") == []


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("reset", Trouble.NO_ANSWER),
        ("unavailable", Trouble.SERVER_ERROR),
        ("licence", Trouble.LICENCE),
    ],
)
def test_a_troubled_login_of_a_create_changes_nothing(
    connecting: Connect, simulator: SimulatorProcess, fault: str, reason: Trouble
) -> None:
    before = simulator.report()["cards"]
    simulator.set_faults({fault: 1.0}, most=1)
    with connecting(simulator.url) as client:
        with pytest.raises(Unavailable) as caught:
            client.create_card("not yet", [2], {})
        assert caught.value.reason is reason
        assert simulator.report()["cards"] == before
        client.create_card("now", [2], {})  # such a login may be tried again
    assert simulator.report()["cards"] == before + 1


def test_a_gateways_html_after_a_create_is_unknown(
    findface: FindFaceMulti, simulator: SimulatorProcess
) -> None:
    before = simulator.report()["cards"]
    simulator.set_faults({"gateway": 1.0})
    for _ in range(12):
        with pytest.raises(Unknown) as caught:
            findface.create_card("through the gateway", [2], {})
        assert caught.value.status in (502, 504)
    simulator.set_faults({})
    assert 0 < findface.count_cards() - before < 12, "some were made, some were not"


def test_a_late_accept_appears_after_the_connection_is_gone(
    findface: FindFaceMulti, simulator: SimulatorProcess, tokens: Iterator[str]
) -> None:
    token = next(tokens)
    simulator.set_faults({"late": 1.0}, most=1)
    with pytest.raises(Unknown):
        findface.create_card(f"late {token}", [2], {})
    assert findface.find_cards(token) == []
    until(lambda: len(findface.find_cards(token)) == 1)


def test_a_lagging_look_up_finds_it_later(
    findface: FindFaceMulti, simulator: SimulatorProcess, tokens: Iterator[str]
) -> None:
    token = next(tokens)
    simulator.set_faults({"lag": 1.0}, most=1)
    card = findface.create_card(f"lagging {token}", [2], {})
    assert findface.find_cards(token) == []
    until(lambda: findface.find_cards(token) == [card])


def test_a_slow_answer_is_waited_for_up_to_the_timeout(
    findface: FindFaceMulti, simulator: SimulatorProcess, connecting: Connect
) -> None:
    simulator.set_faults({"slow": 1.0}, most=1)
    assert findface.create_card("slow", [2], {}).id
    with connecting(simulator.url, timeout_read=0.4) as hasty:
        hasty.watch_lists()
        simulator.set_faults({"slow": 1.0}, most=1)
        with pytest.raises(Unknown) as caught:
            hasty.create_card("too slow", [2], {})
    assert caught.value.reason == "read_timeout"


def test_a_foreign_next_page_is_not_followed(
    findface: FindFaceMulti, simulator: SimulatorProcess, tokens: Iterator[str]
) -> None:
    """192.0.2.1 answers nowhere: following it would end in a timeout or a refused connection."""
    token = next(tokens)
    for number in range(150):
        findface.create_card(f"{number} {token}", [2], {})
    before = simulator.report()["faults"]["foreign_page"]
    simulator.set_faults({"foreign_page": 1.0})
    assert len(findface.find_cards(token)) == 150
    assert simulator.report()["faults"]["foreign_page"] == before + 1


# Tokens


def test_an_expired_token_is_renewed_once_and_the_call_repeated_once(
    findface: FindFaceMulti, simulator: SimulatorProcess, tokens: Iterator[str]
) -> None:
    token, before = next(tokens), simulator.report()
    simulator.set_faults({"expired": 1.0}, most=1)
    card = findface.create_card(f"x {token}", [2], {})
    after = simulator.report()
    assert after["logins"] == before["logins"] + 1
    assert after["requests"] == before["requests"] + 3, "refused, login, repeated"
    assert after["sessions"] == before["sessions"], "the uuid stays the same"
    assert findface.find_cards(token) == [card]


def test_a_token_that_never_holds_is_tried_twice(
    findface: FindFaceMulti, simulator: SimulatorProcess
) -> None:
    before = simulator.report()
    simulator.set_faults({"expired": 1.0})
    with pytest.raises(Unavailable) as caught:
        findface.create_card("nobody", [2], {})
    simulator.set_faults({})
    after = simulator.report()
    assert caught.value.reason is Trouble.LOGIN
    assert after["logins"] == before["logins"] + 1
    assert after["requests"] == before["requests"] + 3
    assert after["cards"] == before["cards"]


def test_threads_that_lose_their_token_log_in_once_between_them(
    findface: FindFaceMulti, simulator: SimulatorProcess
) -> None:
    before = simulator.report()["logins"]
    simulator.set_faults({"expired": 1.0}, most=1)
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda _: findface.count_cards(), range(16)))
    assert len(set(counts)) == 1
    assert simulator.report()["logins"] == before + 1


def test_a_licence_error_is_not_a_stale_token(
    findface: FindFaceMulti, simulator: SimulatorProcess
) -> None:
    before = simulator.report()["logins"]
    simulator.set_faults({"licence": 1.0}, most=1)
    with pytest.raises(Unavailable) as caught:
        findface.create_card("nobody", [2], {})
    assert caught.value.reason is Trouble.LICENCE
    assert simulator.report()["logins"] == before


def test_a_refused_login_is_not_repeated(connecting: Connect, simulator: SimulatorProcess) -> None:
    before = simulator.report()["requests"]
    with connecting(simulator.url, password="wrong") as client:
        for _ in range(3):
            with pytest.raises(Unavailable) as caught:
                client.create_card("nobody", [2], {})
            assert caught.value.reason is Trouble.LOGIN
    assert simulator.report()["requests"] == before + 1, "asking again would lock the account"


# A server that is not there, and one that comes back


def test_a_server_that_is_down(connecting: Connect) -> None:
    with start() as simulator:
        client = connecting(simulator.url)
        client.watch_lists()
    with client:
        with pytest.raises(NotSent) as create:
            client.create_card("nobody", [2], {})
        with pytest.raises(Unavailable) as look:
            client.find_cards("[m:X]")
    assert create.value.reason == "refused"
    assert look.value.reason is Trouble.CONNECTION
    with connecting(simulator.url) as newcomer, pytest.raises(Unavailable) as login:
        newcomer.create_card("nobody", [2], {})
    assert login.value.reason is Trouble.CONNECTION


def test_under_mixed_faults_the_account_closes(
    findface: FindFaceMulti, simulator: SimulatorProcess
) -> None:
    """300 creates by 4 threads: people on the server = those answered + those whose answer was
    lost; each unknown outcome is one fault that the server counted."""
    before = simulator.report()
    simulator.set_faults({"lost": 0.1, "reset": 0.1, "unavailable": 0.1})

    def create(number: int) -> bool:
        try:
            findface.create_card(f"account {number}", [2], {})
        except Unknown:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        answered = sum(pool.map(create, range(300)))
    after = simulator.report()
    grown = {name: after["faults"][name] - before["faults"][name] for name in after["faults"]}
    assert after["cards"] - before["cards"] == answered + grown["lost"]
    assert sum(grown.values()) == 300 - answered
    assert min(grown["lost"], grown["reset"], grown["unavailable"]) > 10
