"""The values that alerts are made of: conditions, changes of incidents, and notices.

A condition is what one check found about one thing, good news and "not read" included. A change
is what the judge decided about one incident. A notice is one message about a change, complete in
itself: it goes into the outbox as JSON and is put into words only where it leaves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from mitrarr_runner.clock import epoch, from_epoch
from mitrarr_runner.manifest.model import RuleWhen, Severity


class Reading(StrEnum):
    """unknown: not read this time, or suspended; it changes nothing (one absent reading is not
    a problem, nor the end of one).
    """

    BAD = "bad"
    GOOD = "good"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Condition:
    """since: when the bad state began; times: bad ends in a row; detail: what words are made of
    (JSON values, already fit to be read by anyone); jobs: whom it concerns.
    """

    when: RuleWhen
    subject: str
    reading: Reading
    since: datetime | None = None
    times: int = 0
    detail: Mapping[str, Any] = field(default_factory=dict)
    jobs: tuple[str, ...] = ()


class ChangeKind(StrEnum):
    """pending, noted and dropped tell nobody. withdrawn: what it was about is no longer declared;
    that is not a recovery.
    """

    PENDING = "pending"
    OPENED = "opened"
    REPEATED = "repeated"
    WORSENED = "worsened"
    RECOVERED = "recovered"
    WITHDRAWN = "withdrawn"
    NOTED = "noted"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Change:
    """incident: the number of the open incident, None where one begins; to: the rules' channels
    (for an end: empty, because whoever was told of the incident is told of its end).
    """

    kind: ChangeKind
    when: RuleWhen
    subject: str
    severity: Severity
    since: datetime
    detail: Mapping[str, Any]
    incident: int | None = None
    to: tuple[str, ...] = ()


class NoticeKind(StrEnum):
    OPENED = "opened"
    REPEATED = "repeated"
    WORSENED = "worsened"
    RECOVERED = "recovered"
    WITHDRAWN = "withdrawn"
    ACKNOWLEDGED = "acknowledged"
    MANUAL = "manual"
    DIGEST = "digest"


@dataclass(frozen=True, slots=True)
class Notice:
    """One message. handle: `A147`, or `A-` where there is no incident's row; rule is a RuleWhen,
    or the type of an alert raised by hand; checked: what was ruled out, see `conditions.checked`.
    """

    handle: str
    kind: NoticeKind
    rule: str
    subject: str
    severity: Severity
    since: datetime
    at: datetime
    detail: Mapping[str, Any] = field(default_factory=dict)
    checked: Mapping[str, Any] = field(default_factory=dict)
    manifest: str = ""
    fingerprint: str = ""
    host: str = ""
    stable_id: str = ""

    def payload(self) -> Mapping[str, object]:
        """The notice as the outbox keeps it."""
        return asdict(self) | {"since": epoch(self.since), "at": epoch(self.at)}

    @staticmethod
    def from_payload(payload: Mapping[str, Any]) -> Notice:
        return Notice(
            **{
                **payload,
                "kind": NoticeKind(payload["kind"]),
                "severity": Severity(payload["severity"]),
                "since": from_epoch(payload["since"]),
                "at": from_epoch(payload["at"]),
            }
        )
