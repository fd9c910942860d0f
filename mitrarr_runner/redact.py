"""What may be written down? The last filter before a log line, an alert or a report file.

Ids of people stay in the registry table; this is the net below, for texts that come from outside
(a server's answer, a command's output): runs of nine and more digits (CPF, RG, TCN, phone numbers)
are masked, with or without the usual separators, and control characters are escaped so that no
field can forge a line.
"""

from __future__ import annotations

import re

_DIGITS = re.compile(r"\d(?:[.\-/]?\d){8,}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def mask(text: str) -> str:
    """Replace every run of nine or more digits (separators . - / allowed) by asterisks.

    The first two digits stay, so that a reader can still tell two masked numbers apart roughly.
    """
    return _DIGITS.sub(lambda match: match[0][:2] + "*" * 7, text)


def one_line(text: str) -> str:
    """Escape control characters: a newline or an escape sequence must not forge a line."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def whole(text: str) -> str:
    """Masked and on one line, however long: fit for what is read where nothing is cut."""
    return one_line(mask(text))


def safe(text: str, limit: int = 300) -> str:
    """Masked, on one line, and not longer than `limit` characters: fit for a log."""
    line = whole(text)
    return line if len(line) <= limit else line[: limit - 3] + "..."
