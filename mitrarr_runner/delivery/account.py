"""What became of everybody a send took up, and may it go on? The account of one send.

It closes: people = sent + adopted + parked + pending + in doubt, each counted once. It also weighs
what answers say about the destination as a whole, because one person's trouble must not be taken
for the server's, nor the other way round.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from mitrarr_runner.delivery.machine import (
    Absent,
    Blind,
    Event,
    Found,
    InDoubt,
    Made,
    Rejected,
    Undone,
)
from mitrarr_runner.delivery.reasons import ORIGINALS
from mitrarr_runner.store.deliveries import Create, Delivery, State, state_of

_REFUSALS = 3
_FRESH_ATTEMPTS = 2
_OF_EVERYBODY = frozenset({"rights", "bad_request"}) | ORIGINALS


class Outcome(StrEnum):
    """adopted: complete now, and a part of it was found there already."""

    SENT = "sent"
    ADOPTED = "adopted"
    PARKED = "parked"
    PENDING = "pending"
    IN_DOUBT = "in_doubt"


_OUTCOMES = {
    State.SENT: Outcome.SENT,
    State.PARKED: Outcome.PARKED,
    State.PENDING: Outcome.PENDING,
    State.SENDING: Outcome.IN_DOUBT,
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why nothing new is begun. retry_after: seconds the server asked for; detail: for a log."""

    code: str
    retry_after: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SendResult:
    """The account of one send; `seconds` is how long it took.

    deferred: the destination could not be used to the end, `reason` is the code (reasons.py) and
    `detail` what goes with it. busy: another sender works on this destination. stopped: ended early
    because that was asked. reached: the destination answered at least to the login.
    """

    people: int = 0
    sent: int = 0
    adopted: int = 0
    parked: int = 0
    pending: int = 0
    in_doubt: int = 0
    deferred: bool = False
    reason: str = ""
    detail: str = ""
    busy: bool = False
    stopped: bool = False
    reached: bool = False
    seconds: float = 0.0

    @property
    def delivered(self) -> int:
        return self.sent + self.adopted


@dataclass(slots=True)
class Account:
    """Mutable, of one send, used by one thread."""

    patience: int
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    adopted: set[int] = field(default_factory=set)
    trouble: Trouble | None = None
    reached: bool = False
    stopped: bool = False
    _unanswered: int = 0
    _refused: int = 0

    def expect(self, people: Iterable[int]) -> None:
        """These are taken up; until something else is known they are pending."""
        for person in people:
            self.outcomes.setdefault(person, Outcome.PENDING)

    def settle(self, delivery: Delivery) -> None:
        """How a person stands now."""
        outcome = _OUTCOMES[state_of(delivery)]
        if outcome is Outcome.SENT and delivery.id in self.adopted:
            outcome = Outcome.ADOPTED
        self.outcomes[delivery.id] = outcome

    def weigh(self, row: Create, event: Event) -> None:
        """Note what an event says about the destination; the first trouble stays.

        An answer that did not come is the server's trouble when it happens `patience` times in a
        row to people who were hardly tried yet: one whose request breaks the server each time
        proves nothing.
        """
        match event:
            case Undone(code, retry_after) | Blind(code, retry_after):
                self.stop(Trouble(code, retry_after))
            case InDoubt(code):
                self._unanswered += row.attempt <= _FRESH_ATTEMPTS
                if self._unanswered >= self.patience:
                    self.stop(Trouble(code))
            case Rejected(reason, detail):
                self._unanswered = 0
                self.refuse(reason, detail)
            case Made() | Found():
                self._unanswered = self._refused = 0
                if isinstance(event, Found):
                    self.adopted.add(row.delivery)
            case Absent():
                pass  # that look-ups are answered says nothing about creates

    def refuse(self, reason: str, detail: str) -> None:
        """Somebody was parked. Three in a row over their data, our rights or our own files are a
        mistake in the manifest, the account or the disk, which must not park everybody.
        """
        self._refused = self._refused + 1 if reason in _OF_EVERYBODY else 0
        if self._refused >= _REFUSALS:
            self.stop(Trouble(reason, detail=detail))

    def stop(self, trouble: Trouble) -> None:
        self.trouble = self.trouble or trouble

    @property
    def people(self) -> int:
        return len(self.outcomes)

    @property
    def done(self) -> int:
        return self.people - sum(one is Outcome.PENDING for one in self.outcomes.values())

    def result(self, seconds: float) -> SendResult:
        counted = Counter(self.outcomes.values())
        return SendResult(
            people=self.people,
            sent=counted[Outcome.SENT],
            adopted=counted[Outcome.ADOPTED],
            parked=counted[Outcome.PARKED],
            pending=counted[Outcome.PENDING],
            in_doubt=counted[Outcome.IN_DOUBT],
            deferred=self.trouble is not None,
            reason=self.trouble.code if self.trouble else "",
            detail=self.trouble.detail if self.trouble else "",
            stopped=self.stopped,
            reached=self.reached,
            seconds=seconds,
        )
