"""What do the short forms of a manifest mean? "5m" is 300 seconds, "50%" is 0.5, "{{ a }}" needs a.

Only values that the schema has passed come here; anything else raises ValueError.
"""

from __future__ import annotations

import re

_SPAN = re.compile(r"(?=[0-9])(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?", re.ASCII)
_SIZE = re.compile(r"([0-9]{1,6})(kB|MB|GB)", re.ASCII)
_BYTES = {"kB": 10**3, "MB": 10**6, "GB": 10**9}
_UNITS = (86400, 3600, 60, 1)


def seconds(span: object) -> int:
    """A length of time in whole seconds: "30s", "5m", "24h", "1d", "1h30m"; a number is seconds."""
    if isinstance(span, (int, float)) and not isinstance(span, bool):
        return int(span)
    match = _SPAN.fullmatch(span) if isinstance(span, str) else None
    if match is None:
        raise ValueError("not a length of time")
    return sum(int(part) * unit for part, unit in zip(match.groups("0"), _UNITS, strict=True))


def size(value: object) -> int:
    """Bytes: "512MB", "2GB" (powers of 1000, as disks are sold), or a number of bytes."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("not a size")
    return int(match[1]) * _BYTES[match[2]]


def share(value: object) -> float:
    """A part of a whole between 0 and 1: "50%" or 0.5."""
    if isinstance(value, str) and value.endswith("%"):
        return float(value[:-1]) / 100
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise ValueError("not a share")
