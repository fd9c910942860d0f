"""What does every verb start from? Words, clock, environment, and the way to manifest and store.

One Session per call, made by the door and handed to the verbs; no verb reads sys or os by itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from mitrarr_runner.clock import Clock
from mitrarr_runner.engine.json_text import fitting, written
from mitrarr_runner.errors import UsageError
from mitrarr_runner.text import Catalogue, Text, text

_TOGETHER = 1000
"""Pieces of JSON that are written at once: each by itself is slower."""


@dataclass(frozen=True, slots=True)
class Session:
    """say renders Texts in the reader's language; out is standard output, err standard error."""

    say: Catalogue
    clock: Clock
    environment: Mapping[str, str]
    cwd: Path
    out: TextIO
    err: TextIO

    def print(self, line: Text | str = "", end: str = "\n") -> None:
        """One line for a person; a str is data (a name, a table), a Text is translated."""
        self.out.write(self._shown(line, self.out) + end)

    def warn(self, line: Text | str) -> None:
        """An error, a hint or a warning on standard error; on a terminal as wide as that is."""
        from mitrarr_runner.cli.fold import folded

        for piece in folded(self._shown(line, self.err), self.err):
            self.err.write(piece + "\n")

    def json(self, data: Mapping[str, Any]) -> None:
        """One JSON answer; every one carries "version": 1 first."""
        self.write_json((written({"version": 1, **data}), "\n"))

    def write_json(self, pieces: Iterable[str]) -> None:
        """JSON text piece by piece, newlines included. A program reads it: it goes out whole,
        and in an encoding that is not Unicode as plain ASCII: JSON is UTF-8 (RFC 8259, 8.1)."""
        coming = iter(pieces)
        plain = not (self.out.encoding or "utf-8").lower().startswith("utf")
        while words := "".join(islice(coming, _TOGETHER)):
            try:
                self.out.write(fitting(words, "ascii") if plain else words)
            except UnicodeEncodeError:  # half of a pair; nothing of them was written
                self.out.write(fitting(words, self.out.encoding))

    def _shown(self, line: Text | str, stream: TextIO) -> str:
        words = self.say(line) if isinstance(line, Text) else line
        encoding = stream.encoding or "utf-8"
        return words.encode(encoding, "replace").decode(encoding)

    @property
    def on_terminal(self) -> bool:
        return self.out.isatty()

    def actor(self, by: str | None) -> str:
        """Who did it: --by, MITRARR_OPERATOR, SUDO_USER, the SSH key's fingerprint, the login."""
        named = by or self.environment.get("MITRARR_OPERATOR") or self.environment.get("SUDO_USER")
        return named or self._ssh_key() or _login()

    def _ssh_key(self) -> str:
        """sshd's ExposeAuthInfo writes the keys used into the file SSH_USER_AUTH names."""
        name = self.environment.get("SSH_USER_AUTH")
        if not name:
            return ""
        try:
            words = Path(name).read_text(encoding="ascii", errors="replace").split()
        except OSError:
            return ""
        if len(words) < 3 or words[0] != "publickey":
            return ""
        import base64
        import hashlib

        try:
            digest = hashlib.sha256(base64.b64decode(words[2])).digest()
        except ValueError:
            return ""
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def _login() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def output_format(value: str, allowed: tuple[str, ...] = ("text", "json")) -> str:
    """Check --format; raises UsageError."""
    if value not in allowed:
        raise UsageError(
            text('unknown format "{value}"', value=value),
            code="usage",
            hint=text("formats: {known}", known=", ".join(allowed)),
        )
    return value


def standard(say: Catalogue, clock: Clock) -> Session:
    return Session(say, clock, os.environ, Path.cwd(), sys.stdout, sys.stderr)
