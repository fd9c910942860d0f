"""Which request meets which trouble? Drawn by seed and rates, and counted.

The draw is one number per request, so that the same requests in the same order meet the same
troubles. What a trouble looks like on the wire is `weather`'s business.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from enum import StrEnum


class Fault(StrEnum):
    """The troubles, named as `--fault NAME=RATE` takes them."""

    LOST = "lost"  # done, and the connection is reset instead of an answer
    RESET = "reset"  # the connection is reset, nothing done
    UNAVAILABLE = "unavailable"  # 503 with HTML from a proxy, nothing done
    LATE = "late"  # the connection is reset, and a little later it is done
    CUT = "cut"  # done, and half of the answer
    GATEWAY = "gateway"  # 502 or 504 with HTML, done or not
    ERROR = "error"  # 500, nothing done
    SLOW = "slow"  # the answer takes its time
    LAG = "lag"  # the new person cannot be found for a while
    EXPIRED = "expired"  # 401, the token is worth nothing any more
    LICENCE = "licence"  # 401 LICENSE_ERROR
    FORBIDDEN = "forbidden"  # 403
    TOO_LARGE = "too_large"  # 413 with HTML
    BUSY = "busy"  # 429 with Retry-After
    FOREIGN_PAGE = "foreign_page"  # next_page names another host


class Kind(StrEnum):
    """What a request is, as far as troubles are concerned."""

    LOGIN = "login"
    LOOK = "look"
    CARD = "card"
    FACE = "face"
    DELETE = "delete"


class Scope(StrEnum):
    """On which requests troubles fall at all."""

    ALL = "all"
    CREATES = "creates"


_CREATES = frozenset({Kind.CARD, Kind.FACE})
_CHANGES = _CREATES | {Kind.DELETE}
_INSIDE = frozenset(Kind) - {Kind.LOGIN}
_WHERE: Mapping[Fault, frozenset[Kind]] = {
    Fault.LOST: _CHANGES,
    Fault.LATE: _CHANGES,
    Fault.LAG: frozenset({Kind.CARD}),
    Fault.EXPIRED: _INSIDE,
    Fault.FORBIDDEN: _INSIDE,
    Fault.TOO_LARGE: frozenset({Kind.FACE}),
    Fault.FOREIGN_PAGE: frozenset({Kind.LOOK}),
}


class Faults:
    """Rates by fault (0..1, together at most 1), a seed, and an end after `most` of them."""

    def __init__(
        self,
        seed: int = 1,
        rates: Mapping[str, float] | None = None,
        *,
        most: int | None = None,
        scope: Scope = Scope.ALL,
    ) -> None:
        self._random = random.Random(seed)  # noqa: S311  (repeatable, not secret)
        self._scope = scope
        self.happened = dict.fromkeys(Fault, 0)
        self._rates: dict[Fault, float] = {}
        self._left = most
        self._each: dict[Fault, int] = {}
        self.set(rates or {}, most=most)

    def set(
        self,
        rates: Mapping[str, float],
        *,
        most: int | None = None,
        each: Mapping[str, int] | None = None,
    ) -> None:
        """New rates instead of the old ones; `most` more faults from here on, in all, and at most
        so many of `each`."""
        known = {Fault(name): float(rate) for name, rate in rates.items()}
        if any(not 0 <= rate <= 1 for rate in known.values()) or sum(known.values()) > 1 + 1e-9:
            raise ValueError("rates lie between 0 and 1, together at most 1")
        self._rates, self._left = known, most
        self._each = {Fault(name): count for name, count in (each or {}).items()}

    def draw(self, kind: Kind) -> Fault | None:
        """The trouble of the next request, if any, counted at once: while one request is under way
        the next may be drawn. One that then did not happen is given back."""
        drawn = self._random.random()
        if self._left == 0 or (self._scope is Scope.CREATES and kind not in _CREATES):
            return None
        for fault, rate in self._rates.items():
            if kind in _WHERE.get(fault, frozenset(Kind)):
                drawn -= rate
                if drawn < 0:
                    return self._take(fault)
        return None

    def _take(self, fault: Fault) -> Fault | None:
        if self._each.get(fault, 1) == 0:
            return None
        self._move(fault, 1)
        return fault

    def give_back(self, fault: Fault) -> None:
        """It was drawn and did not happen: there was no work whose answer could be lost, say."""
        self._move(fault, -1)

    def _move(self, fault: Fault, happened: int) -> None:
        self.happened[fault] += happened
        if self._left is not None:
            self._left -= happened
        if fault in self._each:
            self._each[fault] -= happened

    def toss(self) -> bool:
        """Heads or tails, from the same seed."""
        return self._random.random() < 0.5
