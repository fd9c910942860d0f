"""Which records does this file hold? Walks an ANSI/NIST-ITL file by LEN, in views, copying nothing.

Binary records (types 3-8) carry no mark of their type, so CNT (1.003) says where they stand;
everything else is recognised by its own first tag, and CNT is only compared later, in `checks`.
A file that cannot be walked to its end is a `NistError`, whatever its bytes: never another
exception. Two-digit field numbers (`1.01:`), as the 1993 and 1997 standards wrote them, are read.
"""

from __future__ import annotations

import re

from mitrarr_runner.errors import FailedError
from mitrarr_runner.nist.codes import finding
from mitrarr_runner.nist.foreign import refuse_foreign
from mitrarr_runner.nist.model import BINARY_TYPES, Finding, Record, Transaction
from mitrarr_runner.text import plural, text

MAX_RECORDS = 10_000
SMALLEST = {3: 18, 4: 18, 5: 18, 6: 18, 7: 5, 8: 12}  # the fixed header of each binary type

_HEAD = re.compile(rb"(\d{1,2})\.0{0,3}1:(\d*)")
_IDC = re.compile(rb"\x1d\d{1,2}\.0{0,3}2:(\d{1,3})[\x1c\x1d]")
_CUT_HEAD = re.compile(rb"\d{1,2}(?:\.(?:0{0,3}(?:1(?::\d{0,10})?)?)?)?")
_BLANKS = re.compile(rb"[\r\n\x00 ]+")
_CNT = re.compile(rb"\x1d0?1\.0{0,2}3:([^\x1c\x1d]*)")
_ITEM = re.compile(rb"(\d{1,3})\x1f(\d{1,5})")
_FS = 0x1C


class NistError(FailedError):
    """The file cannot be walked. `finding` says why; `partial` holds the records before that."""

    def __init__(self, reason: Finding, partial: Transaction | None = None) -> None:
        hint = text("Ask the sender for the file again; the original is kept in quarantine.")
        super().__init__(reason.message, code=reason.code, hint=hint)
        self.finding = reason
        self.partial = partial


def read(data: bytes | memoryview) -> Transaction:
    """Walk the whole file; raises NistError and nothing else. The views keep `data` alive."""
    view = memoryview(data).toreadonly().cast("B")
    foreign = refuse_foreign(view)
    if foreign is not None:
        raise NistError(foreign)
    records: list[Record] = []
    content: tuple[tuple[int, int], ...] | None = None
    try:
        records.append(_tagged(view, 0, 1))
        content = _content(records[0])
        left_over = _walk(view, records, content or ())
    except _Unwalkable as problem:
        partial = Transaction(view, tuple(records), content) if records else None
        raise NistError(problem.finding, partial) from None
    return Transaction(view, tuple(records), content, left_over)


class _Unwalkable(Exception):
    def __init__(self, reason: Finding) -> None:
        super().__init__(reason.code)
        self.finding = reason


def _walk(
    view: memoryview, records: list[Record], content: tuple[tuple[int, int], ...]
) -> tuple[Finding, ...]:
    """Append the records after the first; what the walk has to say about the file's end."""
    offset = records[0].length
    while offset < len(view):
        position = len(records) + 1
        if position > MAX_RECORDS:
            message = text("more than {limit} records", limit=MAX_RECORDS)
            raise _Unwalkable(finding("nist_too_many_records", message, offset=offset))
        expected = content[position - 2][0] if position - 2 < len(content) else None
        ended = _ends(view, offset, expected, position)
        if ended is not None:
            return ended
        record = _next(view, offset, position, expected)
        records.append(record)
        offset += record.length
    missing = len(content) + 1 - len(records)
    if missing <= 0:
        return ()
    message = text(
        "file truncated: CNT lists {listed} records, the file ends after {found}",
        listed=len(content) + 1,
        found=len(records),
    )
    return (finding("nist_truncated", message, offset=offset, record=len(records) + 1),)


def _ends(
    view: memoryview, offset: int, expected: int | None, position: int
) -> tuple[Finding, ...] | None:
    """Findings if no further record begins here, None if one should."""
    if expected in BINARY_TYPES:
        return None
    rest = len(view) - offset
    if _BLANKS.fullmatch(view, offset):
        message = plural(
            "{count} blank byte after the last record",
            "{count} blank bytes after the last record",
            rest,
        )
        return (finding("nist_trailing_blanks", message, offset=offset),)
    head = _HEAD.match(view, offset)
    if head is not None and int(head[1]) == 1:
        message = text("a second transaction begins after record {record}", record=position - 1)
        return (finding("nist_second_transaction", message, offset=offset),)
    if head is None and expected is None:
        message = plural(
            "{count} unknown byte after the last record",
            "{count} unknown bytes after the last record",
            rest,
        )
        return (finding("nist_trailing_bytes", message, offset=offset),)
    return None


def _next(view: memoryview, offset: int, position: int, expected: int | None) -> Record:
    if expected not in BINARY_TYPES or expected is None:
        return _tagged(view, offset, position)
    declared = int.from_bytes(view[offset : offset + 4], "big")
    if declared > len(view) - offset and _HEAD.match(view, offset):
        return _tagged(view, offset, position)  # CNT is wrong here; the checks will say so
    return _binary(view, offset, position, expected)


def _binary(view: memoryview, offset: int, position: int, kind: int) -> Record:
    """Types 3-8: 4-byte big-endian LEN, 1-byte IDC, fixed header, image."""
    remaining = len(view) - offset
    if remaining < SMALLEST[kind]:
        raise _Unwalkable(_cut_in_head(offset, position, remaining))
    length = int.from_bytes(view[offset : offset + 4], "big")
    if length > remaining:
        raise _Unwalkable(_cut(offset, position, length, remaining))
    if length < SMALLEST[kind]:
        raise _Unwalkable(_too_short(offset, position, length, f"{kind}.001"))
    source = view[offset : offset + length]
    return Record(kind, position, source[4], offset, length, source)


def _tagged(view: memoryview, offset: int, position: int) -> Record:
    """Everything else: `T.001:LEN GS ... FS`."""
    head, remaining = _HEAD.match(view, offset), len(view) - offset
    if head is None or head.end() == len(view) or int(head[1]) in BINARY_TYPES:
        raise _Unwalkable(_bad_start(view, offset, position))
    kind, digits = int(head[1]), head[2]
    if not digits or len(digits) > 10 or view[head.end()] not in b"\x1c\x1d":
        message = text("record {record}: its length (LEN) is not a number", record=position)
        where = f"{kind}.001"
        raise _Unwalkable(finding("nist_len", message, offset=offset, record=position, field=where))
    length = int(digits)
    if length > remaining:
        raise _Unwalkable(_cut(offset, position, length, remaining))
    if length <= head.end() - offset:
        raise _Unwalkable(_too_short(offset, position, length, f"{kind}.001"))
    if view[offset + length - 1] != _FS:
        message = text(
            "record {record} declares {declared} bytes, but does not end there",
            record=position,
            declared=length,
        )
        end = offset + length - 1
        raise _Unwalkable(finding("nist_record_end", message, offset=end, record=position))
    idc = _IDC.match(view, head.end(), offset + length) if kind != 1 else None
    source = view[offset : offset + length]
    return Record(kind, position, int(idc[1]) if idc else None, offset, length, source)


def _content(first: Record) -> tuple[tuple[int, int], ...] | None:
    """CNT (1.003) after its first subfield, as (type, IDC); None where it cannot be read."""
    value = _CNT.search(first.source)  # ahead of the other fields, which nobody asked for yet
    if value is None:
        return None
    items = [_ITEM.fullmatch(item) for item in value[1].split(b"\x1e", 2 * MAX_RECORDS)]
    pairs = tuple((int(item[1]), int(item[2])) for item in items if item is not None)
    return pairs[1:] if len(pairs) == len(items) and pairs[0][0] == 1 else None


def _bad_start(view: memoryview, offset: int, position: int) -> Finding:
    remaining = len(view) - offset
    if remaining <= 20 and _CUT_HEAD.fullmatch(view, offset):
        return _cut_in_head(offset, position, remaining)
    message = text("record {record} does not begin with its length (LEN)", record=position)
    return finding("nist_record_start", message, offset=offset, record=position)


def _cut(offset: int, position: int, declared: int, remaining: int) -> Finding:
    message = text(
        "file truncated: record {record} declares {declared} bytes, {remaining} remain",
        record=position,
        declared=declared,
        remaining=remaining,
    )
    return finding("nist_truncated", message, offset=offset, record=position)


def _cut_in_head(offset: int, position: int, remaining: int) -> Finding:
    message = text(
        "file truncated: it ends {remaining} bytes into record {record}",
        remaining=remaining,
        record=position,
    )
    return finding("nist_truncated", message, offset=offset, record=position)


def _too_short(offset: int, position: int, declared: int, field: str) -> Finding:
    message = text(
        "record {record} declares {declared} bytes, fewer than its own header",
        record=position,
        declared=declared,
    )
    return finding("nist_len", message, offset=offset, record=position, field=field)
