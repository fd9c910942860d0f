"""What is an alert channel? A module with `KIND` and `send`; the shape, and how it fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Protocol

from mitrarr_runner.alerts.model import Notice
from mitrarr_runner.text import Catalogue, Text


@dataclass(frozen=True, slots=True)
class Target:
    """One channel of one manifest, ready to be sent to; options are the channel's own, paths in
    them are relative to root.
    """

    name: str
    kind: str
    options: Mapping[str, object]
    root: Path
    alerts_log: Path
    zone: tzinfo
    say: Catalogue
    host: str


class ChannelError(Exception):
    """A notice did not leave. permanent: the same notice will never be taken, do not try again.

    reason holds no secret and no personal data: it becomes an incident's text.
    """

    def __init__(self, code: str, reason: Text, *, permanent: bool) -> None:
        super().__init__(str(reason))
        self.code = code
        self.reason = reason
        self.permanent = permanent


class ChannelKind(Protocol):
    """The shape of a module in channels/ (checked by mypy where the table is built)."""

    KIND: str

    def send(self, notice: Notice, target: Target) -> None:
        """Send one notice or raise ChannelError; sending it twice must do no harm."""
        ...
