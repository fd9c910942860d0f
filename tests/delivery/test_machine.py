"""The state machine, by its table and by random walks."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mitrarr_runner.delivery import machine
from mitrarr_runner.delivery.machine import (
    Absent,
    Blind,
    Found,
    IllegalEvent,
    InDoubt,
    Made,
    Moment,
    Move,
    Rejected,
    Undone,
)
from mitrarr_runner.store.deliveries import Create, Part, State

QUIET = 120.0
NOW = Moment(1_000_000, 500.0, "boot-a")


def later(seconds: float, boot: str = "boot-a") -> Moment:
    return Moment(NOW.now + int(seconds), NOW.boot_seconds + seconds, boot)


def row(state: State, **more: object) -> Create:
    return replace(Create(1, Part.CARD, state), **more)


def sending(attempt: int = 1) -> Create:
    return replace(machine.begin(row(State.PENDING), NOW), attempt=attempt)


EVENTS = (
    Made("7"),
    Rejected("low_quality"),
    Undone("refused"),
    InDoubt("reset"),
    Found("7"),
    Absent(NOW),
    Blind("refused"),
)


def test_a_request_is_begun_from_pending_only() -> None:
    begun = machine.begin(row(State.PENDING, attempt=2, not_before=5, reason="x"), NOW)
    assert begun == row(State.SENDING, attempt=3, at=NOW.now, boot_seconds=500.0, boot_id="boot-a")
    for state in (State.SENDING, State.SENT, State.PARKED):
        with pytest.raises(IllegalEvent):
            machine.begin(row(state), NOW)


@pytest.mark.parametrize(
    ("state", "event"), list(product((State.PENDING, State.SENT, State.PARKED), EVENTS))
)
def test_only_a_row_in_sending_hears_of_an_answer(state: State, event: machine.Event) -> None:
    with pytest.raises(IllegalEvent):
        machine.after(row(state), event, NOW, QUIET)


@pytest.mark.parametrize(
    ("event", "state"),
    [
        (Made("7"), State.SENT),
        (Found("7"), State.SENT),
        (Rejected("low_quality"), State.PARKED),
        (Undone("refused"), State.PENDING),
        (InDoubt("reset"), State.SENDING),
        (Blind("refused"), State.SENDING),
        (Absent(later(119.9)), State.SENDING),
        (Absent(later(120)), State.PENDING),
    ],
)
def test_each_event_leads_where_the_table_says(event: machine.Event, state: State) -> None:
    assert machine.after(sending(), event, later(200), QUIET).state is state


def test_what_was_made_keeps_its_remote_id_and_what_was_refused_its_reason() -> None:
    assert machine.after(sending(), Made("7"), later(1), QUIET).remote_id == "7"
    assert machine.after(sending(), Found("8"), later(1), QUIET).remote_id == "8"
    assert machine.after(sending(), Rejected("rights"), later(1), QUIET).reason == "rights"


def test_absence_is_believed_by_when_the_look_up_began_not_by_when_it_ended() -> None:
    """An answer from before the end of the quiet period may have missed a late accept."""
    assert machine.after(sending(), Absent(later(119)), later(300), QUIET).state is State.SENDING


def test_a_jump_of_the_wall_clock_does_not_end_the_quiet_period() -> None:
    jumped = Moment(NOW.now + 86_400, NOW.boot_seconds + 10, "boot-a")
    assert machine.after(sending(), Absent(jumped), jumped, QUIET).state is State.SENDING
    assert machine.remaining(sending(), jumped, QUIET) == 110


def test_after_a_reboot_the_quiet_period_starts_anew() -> None:
    first = Moment(NOW.now + 500, 20.0, "boot-b")
    seen = machine.after(sending(), Absent(first), first, QUIET)
    assert (seen.state, seen.boot_id, seen.boot_seconds) == (State.SENDING, "boot-b", 20.0)
    early = Moment(NOW.now + 600, 139.0, "boot-b")
    assert machine.after(seen, Absent(early), early, QUIET).state is State.SENDING
    late = Moment(NOW.now + 620, 140.0, "boot-b")
    assert machine.after(seen, Absent(late), late, QUIET).state is State.PENDING


def test_a_server_that_asks_for_a_pause_gets_it() -> None:
    back = machine.after(sending(), Undone("too_many_requests", 7.2), later(3), QUIET)
    assert back.not_before == later(3).now + 8
    assert machine.move(back, later(10)) is Move.WAIT
    assert machine.move(back, later(11)) is Move.SEND


def test_a_request_that_breaks_the_server_each_time_comes_back_ever_more_rarely() -> None:
    pauses = [
        machine.after(sending(attempt), Absent(later(QUIET)), later(QUIET), QUIET).not_before
        - later(QUIET).now
        for attempt in (1, 2, 3, 4, 5, 60)
    ]
    assert pauses == [0, 0, 120, 240, 480, 6 * 3600]


def test_the_moves() -> None:
    assert machine.move(row(State.PENDING), NOW) is Move.SEND
    assert machine.move(row(State.PENDING, not_before=NOW.now + 1), NOW) is Move.WAIT
    assert machine.move(row(State.SENDING), NOW) is Move.LOOK_UP
    assert machine.move(row(State.SENT), NOW) is Move.REST
    assert machine.move(row(State.PARKED), NOW) is Move.REST


@pytest.mark.parametrize(("card", "face"), list(product(State, State)))
def test_the_card_comes_first_and_a_parked_person_rests(card: State, face: State) -> None:
    rows = row(card), replace(row(face), part=Part.FACE)
    following = machine.next_part(*rows)
    if State.PARKED in (card, face) or card is face is State.SENT:
        assert following is None
    else:
        assert following is (rows[1] if card is State.SENT else rows[0])


def test_parking_and_release_by_hand() -> None:
    held = machine.parked(row(State.PENDING), "by_hand", NOW)
    assert (held.state, held.reason) == (State.PARKED, "by_hand")
    assert machine.released(held, NOW) == row(State.PENDING, at=NOW.now)
    for state in (State.SENDING, State.SENT, State.PARKED):
        with pytest.raises(IllegalEvent):
            machine.parked(row(state), "by_hand", NOW)
    with pytest.raises(IllegalEvent):
        machine.released(row(State.SENT), NOW)


# A server and a sender that meet every trouble there is, in every order hypothesis thinks of.

Trouble = st.sampled_from(["made", "lost", "reset", "late", "undone", "crash"])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(Trouble, st.floats(0, 100), st.booleans(), st.booleans()), max_size=30))
def test_never_twice_and_never_lost(steps: list[tuple[str, float, bool, bool]]) -> None:
    """A late accept happens at most 40 s after the request began; the quiet period is longer.

    Each step: how the request (if one is due) ends, how long until the next tick, whether the
    machine is rebooted before it, and whether the look-up fails.
    """
    quiet, latest = 50.0, 40.0
    create, at, made = row(State.PENDING), NOW, 0
    accepted_at: list[float] = []
    wall = 0.0

    def tick(seconds: float, rebooted: bool) -> Moment:
        nonlocal wall
        wall += seconds
        boot = at.boot_id + "'" if rebooted else at.boot_id
        seconds_up = 5.0 if rebooted else at.boot_seconds + seconds
        return Moment(NOW.now + int(wall), seconds_up, boot)

    for how, pause, rebooted, blind in [*steps, *[("made", 60.0, False, False)] * 4]:
        made += sum(when <= wall for when in accepted_at)
        accepted_at = [when for when in accepted_at if when > wall]
        move = machine.move(create, at)
        if move is Move.SEND:
            create = machine.begin(create, at)
            if how in ("made", "lost"):
                made += 1
            if how == "late":
                accepted_at.append(wall + latest)
            event: machine.Event | None = {
                "made": Made("7"),
                "undone": Undone("refused"),
                "crash": None,
            }.get(how, InDoubt("reset"))
        elif move is Move.LOOK_UP:
            seen: machine.Event = Found("7") if made else Absent(at)
            event = Blind("refused") if blind else seen
        else:
            event = None
        if event is not None:
            create = machine.after(create, event, at, quiet)
        assert made + len(accepted_at) <= 1
        at = tick(pause, rebooted)
    if create.state is not State.SENT:  # a pause after many attempts: let it pass
        at = tick(7 * 3600, False)
        assert create.state is not State.PARKED
        assert machine.move(create, at) in (Move.SEND, Move.LOOK_UP)
    else:
        assert made == 1
