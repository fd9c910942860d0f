"""Is this transaction sound? A list of findings; an error among them means quarantine.

Structure (CNT, tags, the end of the file), Type-1, and the Type-10 faces. What Type-2 means is the
source's own business and is not judged here. No finding holds a value of a person's record.
`inspect` never raises: what cannot be walked is one finding.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from types import MappingProxyType

from mitrarr_runner.nist import face_checks
from mitrarr_runner.nist.codes import finding
from mitrarr_runner.nist.fields import Fault, FaultKind
from mitrarr_runner.nist.model import (
    KNOWN_TYPES,
    Finding,
    Record,
    Severity,
    Transaction,
    real_date,
)
from mitrarr_runner.nist.reader import NistError, read
from mitrarr_runner.text import text

MAX_BYTES = 50_000_000
MAX_FINDINGS = 1000
DECODED_TYPES = frozenset({1, 2, 10})  # the others are counted and kept as they are
VERSIONS = frozenset({"0100", "0200", "0201", "0300", "0400", "0500", "0501", "0502"})

_MANDATORY = ((2, "VER"), (3, "CNT"), (4, "TOT"), (5, "DAT"), (7, "DAI"), (8, "ORI"), (9, "TCN"))
_RESOLUTIONS = ((11, "NSR"), (12, "NTR"))
_TOT = re.compile(r"[A-Za-z]{1,16}")
_COUNT = re.compile(r"1\x1f(\d{1,5})(?:\x1e|$)")
_NONE: Mapping[str, Severity] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Inspection:
    """What one look at a file gave. transaction is None where it could not be walked."""

    transaction: Transaction | None
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(item for item in self.findings if item.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(item for item in self.findings if item.severity is Severity.WARNING)

    @property
    def sound(self) -> bool:
        return self.transaction is not None and not self.errors

    @property
    def incomplete(self) -> bool:
        """True where the file may only be a part of one that is still arriving."""
        return any(item.code in ("nist_truncated", "nist_empty") for item in self.errors)


def inspect(
    data: bytes | memoryview,
    *,
    today: date,
    max_bytes: int = MAX_BYTES,
    transactions: frozenset[str] = frozenset(),
    severities: Mapping[str, Severity] = _NONE,
) -> Inspection:
    """Read and check; see `check`. Never raises, whatever the bytes are."""
    if len(data) > max_bytes:
        return Inspection(None, (_too_large(len(data), max_bytes),))
    try:
        transaction = read(data)
    except NistError as error:
        return Inspection(None, (error.finding,))
    findings = check(
        transaction,
        today=today,
        max_bytes=max_bytes,
        transactions=transactions,
        severities=severities,
    )
    return Inspection(transaction, findings)


def check(
    transaction: Transaction,
    *,
    today: date,
    max_bytes: int = MAX_BYTES,
    transactions: frozenset[str] = frozenset(),
    severities: Mapping[str, Severity] = _NONE,
) -> tuple[Finding, ...]:
    """Every finding, the walk's own included, in file order as far as there is one.

    today: the sender's date; DAT may be one day ahead of it. transactions: the TOTs a source may
    send; empty means any. severities: a source's own severity by code.
    """
    found = [
        *transaction.findings,
        *_content(transaction),
        *_type1(transaction, today, transactions),
        *_charset(transaction),
    ]
    if len(transaction.data) > max_bytes:
        found.insert(0, _too_large(len(transaction.data), max_bytes))
    for record in transaction.records:
        found += _tags(record)
        if record.type == 10:
            found += face_checks.check(record)
        if len(found) > MAX_FINDINGS:
            found.append(_too_many(record, record.offset))
            break
    return tuple(_judged(found, severities))


def _judged(found: Iterable[Finding], severities: Mapping[str, Severity]) -> Iterator[Finding]:
    for item in found:
        severity = severities.get(item.code, item.severity)
        yield item if severity is item.severity else replace(item, severity=severity)


def _too_many(record: Record, offset: int) -> Finding:
    """An error of its own: what was not looked at must not pass for sound."""
    message = text("record {record}: too many faults to list", record=record.position)
    return finding("nist_too_many_findings", message, offset=offset, record=record.position)


def _too_large(size: int, limit: int) -> Finding:
    message = text("the file has {size} bytes, the limit is {limit}", size=size, limit=limit)
    return finding("nist_too_large", message, offset=0)


def _content(transaction: Transaction) -> Iterator[Finding]:
    """CNT's count, types and IDCs against the records, in order."""
    counted = _COUNT.match(transaction.first.text(3) or "")
    if transaction.content is None or counted is None:
        if transaction.first.field(3):
            message = text("the list of records (CNT) cannot be read")
            yield finding("nist_cnt", message, record=1, field="1.003")
        return
    followers = transaction.records[1:]
    listed = len(transaction.content)
    truncated = any(item.code == "nist_truncated" for item in transaction.findings)
    if not truncated and not int(counted[1]) == listed == len(followers):
        message = text(
            "CNT counts {counted} records and lists {listed}, the file holds {found}",
            counted=int(counted[1]),
            listed=listed,
            found=len(followers),
        )
        yield finding("nist_cnt_count", message, record=1, field="1.003")
    for record, (kind, idc) in zip(followers, transaction.content, strict=False):
        yield from _listed(record, kind, idc)


def _listed(record: Record, kind: int, idc: int) -> Iterator[Finding]:
    """One record against its line in CNT."""
    at, position = record.offset, record.position
    if record.type != kind:
        message = text(
            "record {record} is of type {found}, CNT says type {listed}",
            record=position,
            found=record.type,
            listed=kind,
        )
        yield finding("nist_cnt_type", message, offset=at, record=position)
    elif record.idc is not None and record.idc != idc:
        message = text(
            "record {record} has IDC {found}, CNT says {listed}",
            record=position,
            found=record.idc,
            listed=idc,
        )
        yield finding("nist_cnt_idc", message, offset=at, record=position)


def _tags(record: Record) -> Iterator[Finding]:
    """Check 4: known type, .001 then .002, tags of this record, none twice."""
    at, position = record.offset, record.position
    if record.type not in KNOWN_TYPES:
        message = text(
            "record {record} is of type {type}, which the standard does not know",
            record=position,
            type=record.type,
        )
        yield finding("nist_unknown_type", message, offset=at, record=position)
    if record.binary:
        return
    if list(record.fields())[:2] != [1, 2]:
        message = text("record {record}: field .002 does not follow .001", record=position)
        yield finding("nist_tag_order", message, offset=at, record=position)
    elif record.type != 1 and record.idc is None:
        message = text("record {record}: its IDC is not a number", record=position)
        where = f"{record.type}.002"
        yield finding("nist_idc", message, offset=at, record=position, field=where)
    for fault in record.parsed.faults:
        yield _fault(record, fault)


def _fault(record: Record, fault: Fault) -> Finding:
    at, position = record.offset + fault.offset, record.position
    if fault.kind is FaultKind.TOO_MANY:
        return _too_many(record, at)
    tag = f"{record.type}.{fault.number:03d}"
    if fault.kind is FaultKind.DUPLICATE:
        code = "nist_tag_duplicate_type2" if record.type == 2 else "nist_tag_duplicate"
        message = text("record {record}: field {tag} appears twice", record=position, tag=tag)
        return finding(code, message, offset=at, record=position, field=tag)
    if fault.kind is FaultKind.SEPARATOR:
        message = text(
            "record {record}: the end of a record stands inside field {tag}",
            record=position,
            tag=tag,
        )
        return finding("nist_separator", message, offset=at, record=position, field=tag)
    if fault.kind is FaultKind.FOREIGN:
        kept = record.type not in DECODED_TYPES
        code = "nist_tag_foreign_kept" if kept else "nist_tag_foreign"
        message = text(
            "record {record} of type {type} holds a field of another type",
            record=position,
            type=record.type,
        )
        return finding(code, message, offset=at, record=position)
    message = text("record {record}: a field without a tag", record=position)
    return finding("nist_tag_malformed", message, offset=at, record=position)


def _type1(
    transaction: Transaction, today: date, transactions: frozenset[str]
) -> Iterator[Finding]:
    """Checks 6 and 7 as far as the file alone can tell."""
    first = transaction.first
    for number, name in _MANDATORY:
        if not first.field(number):
            tag = f"1.{number:03d}"
            message = text("field {tag} ({name}) is missing or empty", tag=tag, name=name)
            yield finding("nist_type1_missing", message, record=1, field=tag)
    for number, name in _RESOLUTIONS:
        if not first.field(number):
            tag = f"1.{number:03d}"
            message = text("field {tag} ({name}) is missing or empty", tag=tag, name=name)
            yield finding("nist_type1_resolution", message, record=1, field=tag)
    if not bytes(first.source).isascii():
        message = text("the Type-1 record holds bytes that are not ASCII")
        yield finding("nist_type1_ascii", message, offset=0, record=1)
    yield from _version(transaction.ver)
    yield from _transaction_type(transaction.tot, transactions)
    yield from _date(first.text(5), today)


def _version(ver: str | None) -> Iterator[Finding]:
    if not ver or ver in VERSIONS:
        return
    if len(ver) == 4 and ver.isascii() and ver.isdigit():
        message = text("unknown version {version} of the standard (VER)", version=ver)
        yield finding("nist_ver_unknown", message, record=1, field="1.002")
    else:
        message = text("the version (VER) is not four digits")
        yield finding("nist_ver", message, record=1, field="1.002")


def _transaction_type(tot: str | None, transactions: frozenset[str]) -> Iterator[Finding]:
    if not tot:
        return
    if not _TOT.fullmatch(tot):
        message = text("the transaction type (TOT) is not 1 to 16 letters")
        yield finding("nist_tot", message, record=1, field="1.004")
    elif transactions and tot not in transactions:
        message = text("transaction type {tot} is not one this source may send", tot=tot)
        yield finding("nist_tot_refused", message, record=1, field="1.004")


def _date(value: str | None, today: date) -> Iterator[Finding]:
    if not value:
        return
    day = real_date(value)
    if day is None:
        message = text("the date (DAT) is not a real date")
        yield finding("nist_date", message, record=1, field="1.005")
    elif day > today + timedelta(days=1):
        message = text("the date (DAT) {day} lies in the future", day=day.isoformat())
        yield finding("nist_date_future", message, record=1, field="1.005")


def _charset(transaction: Transaction) -> Iterator[Finding]:
    """A declared charset (DCS) that a Type-2 field contradicts."""
    declared = transaction.charset
    if declared is None:
        return
    for record in transaction.of_type(2):
        for number, value in record.fields().items():
            try:
                str(value, declared)
            except UnicodeError:
                tag = f"2.{number:03d}"
                message = text(
                    "field {tag} is not in the declared charset {charset} (DCS)",
                    tag=tag,
                    charset=declared,
                )
                yield finding("nist_charset", message, record=record.position, field=tag)
