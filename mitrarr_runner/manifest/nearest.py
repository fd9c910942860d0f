"""Did you mean ...? The nearest known word, within a budget: a flood of mistakes stays cheap."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_BUDGET = 100
_LONGEST = 100


class Nearest:
    """Answers the first hundred different questions, then None: nobody reads further."""

    def __init__(self) -> None:
        self._asked = 0

    def __call__(self, word: str, known: Iterable[str]) -> str | None:
        self._asked += 1
        if self._asked > _BUDGET or len(word) > _LONGEST:
            return None
        names = list(known)
        for name in names:
            if name.casefold() == word.casefold():
                return name
        # short words are near to everything: two letters in three must agree
        near = get_close_matches(word, names, 1, 0.6 if len(word) > 3 else 0.66)
        return near[0] if near else None
