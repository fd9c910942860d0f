"""Which kinds of rules are there, and what applies where the manifest says nothing?

One row per kind: its severity, patience and pace unless the manifest has a rule for it, what its
`after` counts, and the pure function that turns facts into conditions. A new kind is a row here,
a name in `manifest/model.py` and a sentence in `words.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from mitrarr_runner.alerts import conditions
from mitrarr_runner.alerts.conditions import Scene
from mitrarr_runner.alerts.model import Condition
from mitrarr_runner.manifest.model import Manifest, Rule, RuleWhen, Severity

_HOUR = 3600
_DAY = 86400


class Patience(StrEnum):
    """What `after` of a rule counts."""

    TIMES = "times"
    SECONDS = "seconds"


@dataclass(frozen=True, slots=True)
class RuleKind:
    """after, repeat: of the built-in rule, which goes to the log channel."""

    when: RuleWhen
    severity: Severity
    read: Callable[[Scene], Iterable[Condition]]
    after: int = 0
    repeat: int = 4 * _HOUR
    patience: Patience = Patience.SECONDS

    def built_in(self) -> Rule:
        return Rule(self.when, self.severity, (), self.after, self.repeat)


_CRITICAL, _WARNING = Severity.CRITICAL, Severity.WARNING

_TABLE = (
    RuleKind(
        RuleWhen.JOB_FAILED, _CRITICAL, conditions.job_failed, after=1, patience=Patience.TIMES
    ),
    RuleKind(RuleWhen.JOB_LOST, _CRITICAL, conditions.job_lost, after=1, patience=Patience.TIMES),
    RuleKind(RuleWhen.JOB_BLOCKED, _WARNING, conditions.job_blocked),
    RuleKind(RuleWhen.JOB_MISSED, _WARNING, conditions.job_missed, repeat=_DAY),
    RuleKind(RuleWhen.JOB_PAUSED, _WARNING, conditions.job_paused, after=4 * _HOUR, repeat=_DAY),
    RuleKind(RuleWhen.VOLUME_LOW, _WARNING, conditions.volume_low),
    RuleKind(RuleWhen.HEARTBEAT_LATE, _CRITICAL, conditions.heartbeat_late),
    RuleKind(RuleWhen.QUARANTINE, _WARNING, conditions.quarantine, repeat=_DAY),
    RuleKind(RuleWhen.PARKED, _WARNING, conditions.parked, repeat=_DAY),
    RuleKind(RuleWhen.DESTINATION_DOWN, _CRITICAL, conditions.destination_down),
    RuleKind(RuleWhen.MANIFEST_BROKEN, _CRITICAL, conditions.manifest_broken),
    RuleKind(RuleWhen.CHANNEL_FAILED, _WARNING, conditions.channel_failed),
    RuleKind(RuleWhen.MANUAL, _WARNING, conditions.none),
)

RULES: Mapping[RuleWhen, RuleKind] = {kind.when: kind for kind in _TABLE}


def rules_for(manifest: Manifest, when: RuleWhen) -> tuple[Rule, ...]:
    """The manifest's rules of a kind, else the built-in one."""
    own = tuple(rule for rule in manifest.alerts.rules if rule.when == when)
    return own or (RULES[when].built_in(),)


def concerns(rule: Rule, condition: Condition) -> bool:
    """Whether a rule is about this condition: its kind, and one of its jobs where it names any."""
    if rule.when != condition.when:
        return False
    return not rule.jobs or bool(set(rule.jobs) & set(condition.jobs))
