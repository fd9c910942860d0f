"""What does a check say? A finding: its code, how bad it is, about what, and what to do.

Findings never hold a secret, a person's id or the name of a spool file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mitrarr_runner.clock import Clock
from mitrarr_runner.engine.places import Call, Place
from mitrarr_runner.errors import MitrarrError, StateError
from mitrarr_runner.manifest.model import Destination, Manifest
from mitrarr_runner.site import Site
from mitrarr_runner.store.database import Database
from mitrarr_runner.text import Text


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. hint: what to do; None where nothing needs to be done."""

    code: str
    level: Level
    subject: Text
    message: Text
    hint: Text | None = None


def ok(code: str, subject: Text, message: Text) -> Finding:
    return Finding(code, Level.OK, subject, message)


def warning(code: str, subject: Text, message: Text, hint: Text | None) -> Finding:
    return Finding(code, Level.WARNING, subject, message, hint)


def problem(code: str, subject: Text, message: Text, hint: Text | None) -> Finding:
    return Finding(code, Level.PROBLEM, subject, message, hint)


def raised(error: MitrarrError, subject: Text) -> Finding:
    """What a room refuses to do is what it would refuse in an apply: its own words and hint."""
    return problem(error.code, subject, error.message, error.hint)


@dataclass(frozen=True, slots=True)
class Ground:
    """What is examined. program: this installation's console script, None where there is none.

    destination: look at this one only. proc, system: /proc and /etc, elsewhere in tests.
    """

    found: Place
    call: Call
    clock: Clock
    program: Path | None
    destination: str | None = None
    proc: Path = Path("/proc")
    system: Path = Path("/etc")

    @property
    def manifest(self) -> Manifest:
        return self.found.manifest

    @property
    def site(self) -> Site:
        return self.found.site

    @property
    def environment(self) -> Mapping[str, str]:
        return self.call.environment

    @property
    def destinations(self) -> tuple[Destination, ...]:
        """Those to look at."""
        every = self.manifest.destinations
        return tuple(every.values()) if self.destination is None else (every[self.destination],)

    @contextmanager
    def store(self) -> Iterator[Database | None]:
        """The store for reading; None where there is none or it does not open (the check of the
        store says why)."""
        try:
            db = self.found.open_readonly()
        except StateError:
            db = None
        if db is None:
            yield None
        else:
            with db:
                yield db
