"""What does a manifest say, once every default is filled and every reference resolved?

Frozen values only: no dict of the manifest's text travels past `build.py`. Durations are whole
seconds, instants and dates are typed, zones are IANA names. Paths are absolute. Secrets are
references; the value is read where it is used and never kept here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path


class CatchUp(StrEnum):
    """What happens to slots that passed unseen (SEMANTICS section 1)."""

    LATEST = "latest"
    SKIP = "skip"
    ALL = "all"


class First(StrEnum):
    """When a new job or a changed schedule starts."""

    NEXT = "next"
    NOW = "now"


class Overlap(StrEnum):
    """What a slot does while the job's previous run goes on."""

    SKIP = "skip"
    QUEUE = "queue"
    REPLACE = "replace"


class OnBadManifest(StrEnum):
    LAST_GOOD = "last_good"
    STOP = "stop"


class After(StrEnum):
    """What becomes of a spool file once its registration is durable."""

    KEEP = "keep"
    ARCHIVE = "archive"
    DELETE = "delete"


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Per(StrEnum):
    RUN = "run"
    HOUR = "hour"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is found: exactly one of the three is set."""

    file: Path | None = None
    env: str | None = None
    credential: str | None = None


@dataclass(frozen=True, slots=True)
class Keep:
    """How long history is kept, in seconds, and how many bytes of what runs printed."""

    runs: int = 90 * 86400
    run_logs: int = 30 * 86400
    run_logs_size: int = 10**9
    notices: int = 90 * 86400


@dataclass(frozen=True, slots=True)
class Settings:
    timezone: str = "America/Sao_Paulo"
    root: Path | None = None
    language: str | None = None
    on_bad_manifest: OnBadManifest = OnBadManifest.LAST_GOOD
    max_parallel_jobs: int = 4
    store: str = "state/mitrarr.db"
    watches: str | None = None
    alerts_log: str = "logs/alerts.log"
    keep: Keep = Keep()


@dataclass(frozen=True, slots=True)
class Api:
    """loopback: None = every call needs a token; "operator" = calls from this machine need none."""

    loopback: str | None = None


@dataclass(frozen=True, slots=True)
class Requires:
    """What must be there before a spool is believed to be empty."""

    mount: Path | None = None


@dataclass(frozen=True, slots=True)
class Source:
    name: str
    spool: Path | None = None
    pattern: str = "*.nst"
    settle: int = 30
    settle_max: int = 3600
    id: str = "{{ tcn }}"
    profile: str | None = None
    after: After = After.KEEP
    requires: Requires = Requires()
    max_bytes: int = 50_000_000
    transactions: tuple[str, ...] = ()
    severities: Mapping[str, str] = field(default_factory=dict)
    purpose: str | None = None
    legal_basis: str | None = None
    contact: str | None = None


@dataclass(frozen=True, slots=True)
class Login:
    username: str
    password: SecretRef


@dataclass(frozen=True, slots=True)
class Card:
    name: str = "{{ source }} {{ id }}"
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    name: str
    kind: str
    url: str
    login: Login
    watch_lists: tuple[str, ...] = ()
    card: Card = Card()
    quiet_period: int = 120
    read_timeout: int = 60
    ca_file: Path | None = None
    parallel: int = 4
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Schedule:
    """cron None = the job runs only when asked (`mitrarr run`)."""

    cron: str | None
    timezone: str
    catch_up: CatchUp = CatchUp.LATEST
    max: int = 24
    window: int = 86400
    jitter: int = 0
    first: First = First.NEXT


@dataclass(frozen=True, slots=True)
class Retry:
    attempts: int = 1
    backoff: int = 10
    factor: float = 2.0
    max: int = 300


@dataclass(frozen=True, slots=True)
class Limits:
    """What one job may use: bytes of address space and seconds of CPU of each of its processes."""

    memory: int | None = None
    cpu: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its kind and its options as data (steps/<kind>.py turns them into its Options)."""

    kind: str
    options: Mapping[str, object]


USUAL_TIMEOUT = 3600
"""Seconds that a job may take where it says nothing else."""


@dataclass(frozen=True, slots=True)
class Job:
    name: str
    schedule: Schedule
    steps: tuple[Step, ...]
    description: str = ""
    timeout: int = USUAL_TIMEOUT
    overlap: Overlap = Overlap.SKIP
    retry: Retry = Retry()
    needs: tuple[str, ...] = ()
    idempotent: bool = False
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True)
class Holidays:
    calendar: str
    optional: bool = True
    extra: tuple[date, ...] = ()


@dataclass(frozen=True, slots=True)
class Volume:
    label: str
    per: Per
    minimum: int = 0
    drop: float | None = None
    against: str = "same_weekday"
    direction: str = "below"
    holidays: Holidays | None = None


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Exactly one of job and manifest is set: the last good run of a job, or apply itself."""

    name: str
    max_age: int
    job: str | None = None
    manifest: str | None = None


@dataclass(frozen=True, slots=True)
class Channel:
    name: str
    kind: str
    options: Mapping[str, object] = field(default_factory=dict)


class RuleWhen(StrEnum):
    """What a rule of alerts can be about; `alerts/rules.py` says what each one means."""

    JOB_FAILED = "job_failed"
    JOB_LOST = "job_lost"
    JOB_BLOCKED = "job_blocked"
    JOB_MISSED = "job_missed"
    JOB_PAUSED = "job_paused"
    VOLUME_LOW = "volume_low"
    HEARTBEAT_LATE = "heartbeat_late"
    QUARANTINE = "quarantine"
    PARKED = "parked"
    DESTINATION_DOWN = "destination_down"
    MANIFEST_BROKEN = "manifest_broken"
    CHANNEL_FAILED = "channel_failed"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Rule:
    """after: times in a row (job_failed, job_lost) or seconds (all others); repeat 0 = never."""

    when: str
    severity: Severity
    to: tuple[str, ...]
    after: int = 0
    repeat: int = 14400
    jobs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Alerts:
    channels: Mapping[str, Channel] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """A whole manifest. `path` is the file or folder as given, made absolute; `files` its sources.

    fingerprint: 12 hex digits of sha256 over the canonical content: same content, same
    fingerprint, whatever the comments and the order of keys.
    """

    name: str
    path: Path | None
    root: Path
    fingerprint: str
    settings: Settings = Settings()
    api: Api = Api()
    contacts: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    destinations: Mapping[str, Destination] = field(default_factory=dict)
    jobs: Mapping[str, Job] = field(default_factory=dict)
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    heartbeats: Mapping[str, Heartbeat] = field(default_factory=dict)
    alerts: Alerts = Alerts()
    files: tuple[Path, ...] = ()


def source_named(manifest: Manifest, name: str) -> Source | None:
    """The source of that name; without a manifest (`path` is None) any name is a source, of files
    that are brought by hand."""
    found = manifest.sources.get(name)
    return Source(name) if found is None and manifest.path is None else found
