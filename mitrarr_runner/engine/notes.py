"""What is said beside a change of the manifest: values that `review` makes and plans show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mitrarr_runner.manifest.diff import Change
from mitrarr_runner.text import Text


@dataclass(frozen=True, slots=True)
class Note:
    """One sentence. at: what its hole {at} holds, for a reader who has a calendar and a language;
    counts: dates and numbers to be shown after it."""

    text: Text
    at: datetime | None = None
    counts: tuple[tuple[datetime, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Noted:
    change: Change
    notes: tuple[Note, ...] = ()
