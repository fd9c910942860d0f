"""What becomes of these bytes? The checks of `nist`, the id, and the state they lead to.

Pure: bytes and a source in, a Verdict out. Nothing is written, and no value of a person's record
gets into a finding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from mitrarr_runner.intake import identity
from mitrarr_runner.manifest.model import Source
from mitrarr_runner.nist.checks import Inspection, inspect
from mitrarr_runner.nist.faces import faces
from mitrarr_runner.nist.model import Finding, Severity
from mitrarr_runner.store.registry import Noted, State
from mitrarr_runner.text import Text, text

_TCN_KEPT = 200
_SEVERITIES = {severity.value: severity for severity in Severity}


@dataclass(frozen=True, slots=True)
class Verdict:
    """state: registered, no_face or quarantined. code: the first error's, "" where there is none.

    incomplete: it may be a part of a file that is still arriving.
    """

    state: State
    code: str
    findings: tuple[Noted, ...]
    person: str = field(default="", repr=False)
    tcn: str = field(default="", repr=False)
    incomplete: bool = False


@dataclass(frozen=True, slots=True)
class Named:
    """The id was given by a person (`register-nist --id`), or was read from the file before."""

    person: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class FromFile:
    """The id comes from the file by the source's template."""

    rule: identity.Rule
    stem: str = field(repr=False)


def judge(data: memoryview, source: Source, who: Named | FromFile, today: date) -> Verdict:
    """Never raises, whatever the bytes are."""
    seen = inspect(
        data,
        today=today,
        max_bytes=source.max_bytes,
        transactions=frozenset(source.transactions),
        severities=_severities(source.severities),
    )
    findings = [_noted(finding) for finding in seen.findings]
    person, problem = _person(seen, who)
    if problem is not None:
        findings.append(problem)
    errors = [item for item in findings if item.severity == Severity.ERROR]
    return Verdict(
        state=State.QUARANTINED if errors or seen.transaction is None else _state(seen),
        code=errors[0].code if errors else "",
        findings=tuple(findings),
        person=person,
        tcn=_tcn(seen),
        incomplete=seen.incomplete,
    )


def _state(seen: Inspection) -> State:
    found = seen.transaction is not None and faces(seen.transaction)
    return State.REGISTERED if found else State.NO_FACE


def _person(seen: Inspection, who: Named | FromFile) -> tuple[str, Noted | None]:
    """The id, or "" and, for a file that could be read, the finding that says why there is none."""
    if isinstance(who, Named):
        return who.person, None
    if seen.transaction is None:
        return "", None
    try:
        return identity.person_id(who.rule, seen.transaction, who.stem), None
    except identity.NoIdError as error:
        return "", Noted(error.code, Severity.ERROR, _no_id(error.code))


def _no_id(code: str) -> Text:
    if code == "no_id":
        return text("the file gives no id of a person: what the source's `id` names is empty")
    return text(
        "what the source's `id` names is no id: longer than {limit} characters, or not printable",
        limit=identity.ID_LENGTH,
    )


def _tcn(seen: Inspection) -> str:
    if seen.transaction is None:
        return ""
    return (seen.transaction.tcn or "").strip()[:_TCN_KEPT]


def _severities(declared: Mapping[str, str]) -> dict[str, Severity]:
    return {code: _SEVERITIES[word] for code, word in declared.items() if word in _SEVERITIES}


def _noted(finding: Finding) -> Noted:
    return Noted(
        code=finding.code,
        severity=finding.severity.value,
        message=finding.message,
        offset=finding.offset,
        record=finding.record,
        field=finding.field,
    )
