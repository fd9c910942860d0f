"""A progress line on a terminal: rewritten in place, gone when the step is done.

    2/3 send_to_findface  [############............] 120/240  6.1/s  20s left

Plain ASCII and a carriage return, which every terminal understands; no escape sequence, no colour.
"""

from __future__ import annotations

import os
from typing import TextIO

from mitrarr_runner.clock import Clock
from mitrarr_runner.text import Catalogue

BAR = 24
"""Characters of the bar; it gives way where the terminal is narrow."""

_SHORTEST = 4
_SURE = 1.0
"""Seconds after which a rate says something."""


class Line:
    """One live line. Nothing is drawn before the first `show` or `tell`."""

    def __init__(self, stream: TextIO, say: Catalogue, clock: Clock) -> None:
        self._stream = stream
        self._say = say
        self._clock = clock
        self._drawn = 0
        self._label = ""
        self._begun = 0.0
        self._first = 0

    def show(self, label: str, done: int, total: int | None) -> None:
        """done of total (None: not known yet). A new label is a new piece of work: its rate starts
        anew.
        """
        now = self._clock.monotonic()
        if label != self._label or done < self._first:
            self._label, self._begun, self._first = label, now, done
        seconds = now - self._begun
        rate = (done - self._first) / seconds if seconds >= _SURE else 0.0
        tail = self._tail(done, total, rate)
        if not total:
            self.tell(f"{label}  {tail}")
            return
        size = min(BAR, self._room() - len(label) - len(tail) - len("  [] "))
        bar = f"[{bar_of(done, total, size)}] " if size >= _SHORTEST else ""
        self.tell(f"{label}  {bar}{tail}")

    def _tail(self, done: int, total: int | None, rate: float) -> str:
        say = self._say
        parts = [f"{say.number(done)}/{say.number(total)}" if total else say.number(done)]
        if rate > 0:
            parts.append(say("{rate}/s", rate=say.number(rate, 1)))
        if rate > 0 and total and total > done:
            parts.append(say("{span} left", span=say.span((total - done) / rate)))
        return "  ".join(parts)

    def tell(self, words: str) -> None:
        """Put this line in the place of the one before."""
        encoding = self._stream.encoding or "utf-8"
        shown = words.encode(encoding, "replace").decode(encoding)[: self._room()]
        self._stream.write("\r" + shown.ljust(self._drawn))
        self._stream.flush()
        self._drawn = len(shown)

    def clear(self) -> None:
        """Leave an empty line, for what is printed next."""
        if self._drawn:
            self._stream.write("\r" + " " * self._drawn + "\r")
            self._stream.flush()
        self._drawn = 0

    def _room(self) -> int:
        """Columns, but for the last one: writing there makes some terminals go on below."""
        try:
            columns = os.get_terminal_size(self._stream.fileno()).columns
        except (OSError, ValueError):
            columns = 0
        return (columns or 80) - 1


def bar_of(done: int, total: int, size: int) -> str:
    """`size` characters; full only when all is done."""
    filled = size * min(done, total) // total
    return "#" * filled + "." * (size - filled)
