"""One class per exit code (docs/en/reference.md, "Exit codes").

An error a person can act on is a MitrarrError: a translatable message that says what happened
and where, a stable `code` for machines, and a hint that says what to do next. Anything else that
escapes is a bug (exit code 70). The one handler is `cli/door.py`; nothing below it prints.
"""

from __future__ import annotations

from typing import ClassVar

from mitrarr_runner.text import Text


class MitrarrError(Exception):
    """Base of every error that is shown to a person.

    message and hint hold no personal data (they reach logs and alerts as they are).
    """

    exit_code: ClassVar[int] = 70

    def __init__(self, message: Text, *, code: str, hint: Text | None = None) -> None:
        super().__init__(str(message))
        self.message = message
        self.code = code
        self.hint = hint


class FailedError(MitrarrError):
    """The work itself failed: a job, a file that went to quarantine, a low volume."""

    exit_code = 1


class UsageError(MitrarrError):
    """The command line or a manifest says something that cannot be done."""

    exit_code = 2


class BusyError(MitrarrError):
    """Another run holds the lock, and the caller asked not to wait."""

    exit_code = 3


class StateError(MitrarrError):
    """The state cannot be read, cannot be written, or was written by a newer program."""

    exit_code = 4
