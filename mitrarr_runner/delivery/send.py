"""How do pending people reach a destination, each once in effect?

The loop around the state machine: it commits `sending` before each request, makes up to `parallel`
requests at a time (threads do HTTP and nothing else; the store stays with the caller's thread), and
writes down what came of it. Whoever is found in `sending` is looked up by token first.

A server that is down, slow, out of licence or refuses the login parks nobody: after the first sign
of it nothing new is begun, what is under way is waited for, and the result says `deferred`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Protocol

from mitrarr_runner.clock import Clock
from mitrarr_runner.delivery import machine, reasons
from mitrarr_runner.delivery.account import Account, SendResult, Trouble
from mitrarr_runner.delivery.content import PhotoSource, Unfit, content_of
from mitrarr_runner.delivery.exchange import Order, Photo, Task, exchange
from mitrarr_runner.delivery.machine import Event, Moment, Move, moment
from mitrarr_runner.findface import api
from mitrarr_runner.locks import acquire
from mitrarr_runner.logs import EventLog
from mitrarr_runner.manifest.model import Destination
from mitrarr_runner.site import Site
from mitrarr_runner.store import deliveries
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.deliveries import Create, Delivery, Part, State, with_create

_PATIENCE = 3
_TASKS = {
    (Part.CARD, Move.SEND): Task.CREATE_CARD,
    (Part.CARD, Move.LOOK_UP): Task.FIND_CARD,
    (Part.FACE, Move.SEND): Task.ATTACH_FACE,
    (Part.FACE, Move.LOOK_UP): Task.FIND_FACE,
}


class Progress(Protocol):
    def __call__(self, done: int, total: int | None) -> None: ...


def send(
    db: Database,
    site: Site,
    destination: Destination,
    client: api.Destination,
    *,
    clock: Clock,
    photo: PhotoSource,
    progress: Progress,
    stopping: Callable[[], bool],
    log: EventLog,
    batch_size: int = 50,
    quiet_period: float | None = None,
) -> SendResult:
    """Send everybody who is due, until nobody is or the destination cannot be used.

    `batch_size`: people between two looks at `stopping` and two calls of `progress`.
    `quiet_period`: seconds, instead of the destination's. One sender per destination: where another
    one works, the result is busy and nothing was done. Does not look at pauses: the caller does.
    """
    held = acquire(site.locks / f"destination-{destination.name}.lock")
    if held is None:
        return SendResult(busy=True, deferred=True, reason=reasons.BUSY)
    quiet = destination.quiet_period if quiet_period is None else quiet_period
    doors = _Doors(db, client, clock, photo, log)
    started = clock.monotonic()
    with held, ThreadPoolExecutor(max_workers=destination.parallel) as pool:
        sender = _Sender(doors, destination, quiet, pool)
        sender.run(batch_size, progress, stopping)
    if sender.account.trouble:
        log.event(
            "destination_trouble", destination=destination.name, code=sender.account.trouble.code
        )
    return sender.account.result(clock.monotonic() - started)


def probe(destination: Destination, client: api.Destination) -> SendResult:
    """The account of a send to nobody: only whether the destination can be used."""
    account = Account(patience=_PATIENCE)
    found = watch_list_ids(destination, client)
    if isinstance(found, Trouble):
        account.stop(found)
    account.reached = account.trouble is None
    return account.result(0.0)


def watch_list_ids(destination: Destination, client: api.Destination) -> tuple[int, ...] | Trouble:
    """Log in and find the manifest's watch lists, by name, else by id; changes nothing there."""
    try:
        known = client.watch_lists()
    except (api.Unavailable, api.NotSent) as error:
        return Trouble(error.reason, error.retry_after)
    ids = {str(number): number for number in known.values()} | known
    missing = [name for name in destination.watch_lists if name not in ids]
    if missing:
        return Trouble(reasons.WATCH_LIST_MISSING, detail=", ".join(missing))
    return tuple(ids[name] for name in destination.watch_lists)


@dataclass(frozen=True, slots=True)
class _Doors:
    """What sending needs from outside."""

    db: Database
    client: api.Destination
    clock: Clock
    photo: PhotoSource
    log: EventLog


@dataclass(frozen=True, slots=True)
class _Flight:
    """One request: the person, the row as it stands in the store, and what is asked."""

    delivery: Delivery
    create: Create
    order: Order
    photo: Photo | None = None


@dataclass(slots=True)
class _Sender:
    """One send; everything here but the requests themselves runs in the caller's thread."""

    doors: _Doors
    destination: Destination
    quiet: float
    pool: ThreadPoolExecutor
    account: Account = field(init=False)
    lists: tuple[int, ...] = ()
    flights: dict[Future[Event], _Flight] = field(default_factory=dict)
    doubtful: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.account = Account(patience=max(_PATIENCE, self.destination.parallel))

    def run(self, batch_size: int, progress: Progress, stopping: Callable[[], bool]) -> None:
        while todo := self._due():
            self.account.expect(todo)
            if not self.account.reached and not self._open():
                return
            for start in range(0, len(todo), batch_size):
                if stopping():
                    self.account.stopped = True
                    return
                self._batch(todo[start : start + batch_size])
                progress(self.account.done, self.account.people)
                if self.account.trouble:
                    return
        self._batch(self.doubtful)  # an answer that was lost a moment ago is found at once

    def _due(self) -> list[int]:
        now = moment(self.doors.clock).now
        known = self.account.outcomes
        people = deliveries.due(self.doors.db, self.destination.name, now)
        return [person for person in people if person not in known]

    def _open(self) -> bool:
        """Log in and learn the ids of the watch lists, once per send."""
        found = watch_list_ids(self.destination, self.doors.client)
        if isinstance(found, Trouble):
            self.account.stop(found)
            with self.doors.db.transaction():
                self._hold_back(found.retry_after)
            return False
        self.lists, self.account.reached = found, True
        return True

    def _batch(self, people: Sequence[int]) -> None:
        waiting = deque(people)
        while waiting or self.flights:
            if self.account.trouble:
                waiting.clear()
            room = self.destination.parallel - len(self.flights)
            ready: list[_Flight] = []
            while waiting and len(ready) < room and not self.account.trouble:
                flight = self._prepare(waiting.popleft())
                if flight is not None:
                    ready.append(flight)
            self._launch(self._begun(ready))
            if self.flights:
                waiting.extendleft(self._land())

    # Before a request

    def _prepare(self, person: int) -> _Flight | None:
        """What this person needs now; None when that is nothing, or cannot be had."""
        delivery = deliveries.get(self.doors.db, person)
        if delivery is None:
            return None
        create = machine.next_part(delivery.card, delivery.face)
        at = moment(self.doors.clock)
        if create is None or machine.move(create, at) is Move.WAIT:
            self.account.settle(delivery)
            return None
        flight = _Flight(delivery, create, self._order(delivery, create, at))
        if create.state is State.SENDING:
            return flight
        content = content_of(self.doors.db, delivery, self.destination.card, self.doors.photo)
        if isinstance(content, Unfit):
            self._park(delivery, content)
            return None
        if create.part is Part.FACE:
            return replace(flight, order=replace(flight.order, photo=content.photo))
        order = replace(flight.order, name=content.name, comment=content.comment)
        return replace(flight, order=order, photo=content.photo)

    def _order(self, delivery: Delivery, create: Create, at: Moment) -> Order:
        card = int(delivery.card.remote_id) if create.part is Part.FACE else 0
        task = _TASKS[create.part, machine.move(create, at)]
        return Order(task, at, delivery.token, lists=self.lists, card=card)

    def _park(self, delivery: Delivery, unfit: Unfit) -> None:
        row = machine.parked(delivery.face, unfit.reason, moment(self.doors.clock))
        with self.doors.db.transaction():
            deliveries.save(self.doors.db, delivery.face, row)
        self.account.settle(with_create(delivery, row))
        self.account.refuse(unfit.reason, unfit.detail)
        self._tell("delivery_parked", row, reason=unfit.reason, detail=unfit.detail or None)

    def _begun(self, ready: Sequence[_Flight]) -> list[_Flight]:
        """Commit `sending` for those that will ask for something to be made."""
        making = [flight for flight in ready if flight.create.state is State.PENDING]
        if not making:
            return list(ready)
        with self.doors.db.transaction():
            begun = [self._begin(flight) for flight in making]
        looking = [flight for flight in ready if flight.create.state is State.SENDING]
        return looking + [flight for flight in begun if flight is not None]

    def _begin(self, flight: _Flight) -> _Flight | None:
        """None when somebody changed the row meanwhile (parked it by hand, say)."""
        row = machine.begin(flight.create, moment(self.doors.clock))
        if not deliveries.save(self.doors.db, flight.create, row):
            return None
        return replace(flight, create=row)

    def _launch(self, flights: Sequence[_Flight]) -> None:
        for flight in flights:
            self.flights[self.pool.submit(exchange, self.doors.client, flight.order)] = flight

    # After a request

    def _land(self) -> list[int]:
        """Wait for at least one answer and write down all that came; people who can go on."""
        done, _ = wait(self.flights, return_when=FIRST_COMPLETED)
        landed = [(self.flights.pop(future), future.result()) for future in done]
        again: list[int] = []
        onward: list[_Flight] = []
        with self.doors.db.transaction():
            for flight, event in landed:
                after = self._record(flight, event)
                following = self._face_of(flight, after)
                if following is not None:
                    onward.append(following)
                elif self._goes_on(after):
                    again.append(after.id)
        self._launch(onward)
        return again

    def _record(self, flight: _Flight, event: Event) -> Delivery:
        old = flight.create
        new = machine.after(old, event, moment(self.doors.clock), self.quiet)
        if new != old and not deliveries.save(self.doors.db, old, new):
            self._tell("delivery_moved", old)  # cannot happen with one sender
            new = old
        after = with_create(flight.delivery, new)
        self.account.weigh(new, event)
        self.account.settle(after)
        self._note(new, event)
        return after

    def _face_of(self, flight: _Flight, after: Delivery) -> _Flight | None:
        """The face of a card that was just made: begun in the same commit, its photo at hand."""
        if flight.photo is None or not self._goes_on(after):
            return None
        at = moment(self.doors.clock)
        order = replace(self._order(after, after.face, at), photo=flight.photo)
        return self._begin(_Flight(after, after.face, order))

    def _goes_on(self, delivery: Delivery) -> bool:
        create = machine.next_part(delivery.card, delivery.face)
        if create is None or self.account.trouble:
            return False
        return machine.move(create, moment(self.doors.clock)) is Move.SEND

    def _note(self, row: Create, event: Event) -> None:
        match event:
            case machine.Rejected(reason, detail):
                self._tell("delivery_parked", row, reason=reason, detail=detail or None)
            case machine.InDoubt(trouble):
                self.doubtful.append(row.delivery)
                self._tell("delivery_in_doubt", row, reason=trouble)
            case machine.Found(_, copies):
                self._tell("delivery_found", row, copies=copies)
            case machine.Undone(_, wait_for) | machine.Blind(_, wait_for):
                self._hold_back(wait_for)

    def _hold_back(self, seconds: float | None) -> None:
        """The server asked for a pause: it is for everybody who waits. Needs a transaction."""
        if seconds:
            until = moment(self.doors.clock).now + ceil(seconds)
            deliveries.hold_back(self.doors.db, self.destination.name, until)

    def _tell(self, event: str, row: Create, **more: object) -> None:
        """One log line about one person, who is a handle there."""
        self.doors.log.event(
            event,
            destination=self.destination.name,
            delivery=f"D{row.delivery}",
            part=row.part.value,
            **more,
        )
