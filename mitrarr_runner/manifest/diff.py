"""What changed between two manifests? Added, removed and edited things, by section and name.

Compares what the manifests mean, not how they are written: defaults are filled, lengths of time are
seconds, the order of names does not count. Says nothing of what a change will do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum, StrEnum
from typing import TypeAlias

from mitrarr_runner.manifest.model import Alerts, Manifest, Rule

_NOT_CONTENT = ("path", "root", "fingerprint", "files", "name")

Things: TypeAlias = Mapping[str, object]


class ChangeKind(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    EDITED = "edited"


@dataclass(frozen=True, slots=True)
class Change:
    """section: jobs, alerts.channels ...; name: of the thing in it, empty where the section is one
    thing (settings); key: dotted, empty where the whole thing is new or gone.

    old and new are JSON values; None where there is none.
    """

    kind: ChangeKind
    section: str
    name: str
    key: str
    old: object
    new: object

    @property
    def path(self) -> str:
        """jobs.adiciona_nists.steps[1].send_to_findface.batch_size"""
        return ".".join(part for part in (self.section, self.name, self.key) if part)


def changes(old: Manifest, new: Manifest) -> tuple[Change, ...]:
    """Everything that differs in content, in the order of the manifest's sections."""
    if old.fingerprint == new.fingerprint:
        return ()
    found: list[Change] = []
    for section, before, after in _sections(old, new):
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += _things(section, before, after)
        elif before != after:
            found += _edited(section, "", "", _plain(before), _plain(after))
    return tuple(found)


def _sections(old: Manifest, new: Manifest) -> Iterator[tuple[str, object, object]]:
    for field in fields(Manifest):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if isinstance(before, Alerts) and isinstance(after, Alerts):
            yield from _alerts(field.name, before, after)
        elif field.name not in _NOT_CONTENT:
            yield field.name, before, after


def _alerts(name: str, old: Alerts, new: Alerts) -> Iterator[tuple[str, object, object]]:
    for field in fields(Alerts):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if not isinstance(before, Mapping):
            before, after = _named(before), _named(after)
        yield f"{name}.{field.name}", before, after


def _named(rules: Sequence[Rule]) -> dict[str, Rule]:
    """Rules have no names: they are known by what they are about, the second one as `...#2`."""
    found: dict[str, Rule] = {}
    for rule in rules:
        name = f"{rule.when}[{','.join(rule.jobs)}]" if rule.jobs else str(rule.when)
        number, free = 2, name
        while free in found:
            number, free = number + 1, f"{name}#{number}"
        found[free] = rule
    return found


def _things(section: str, old: Things, new: Things) -> Iterator[Change]:
    for name in dict.fromkeys((*old, *new)):
        if name not in new:
            yield Change(ChangeKind.REMOVED, section, name, "", _plain(old[name]), None)
        elif name not in old:
            yield Change(ChangeKind.ADDED, section, name, "", None, _plain(new[name]))
        elif old[name] != new[name]:
            yield from _edited(section, name, "", _plain(old[name]), _plain(new[name]))


def _edited(section: str, name: str, key: str, old: object, new: object) -> Iterator[Change]:
    """The smallest parts that differ. Steps are compared one by one while their kinds are the
    same; other lists are one value."""
    if isinstance(old, dict) and isinstance(new, dict):
        for below in dict.fromkeys((*old, *new)):
            inner = f"{key}.{below}" if key else str(below)
            yield from _edited(section, name, inner, old.get(below), new.get(below))
    elif _kinds(old) and _kinds(old) == _kinds(new):
        for number, (before, after) in enumerate(zip(_steps(old), _steps(new), strict=True)):
            inner = f"{key}[{number}].{before['kind']}"
            yield from _edited(section, name, inner, before["options"], after["options"])
    elif old != new:
        yield Change(ChangeKind.EDITED, section, name, key, old, new)


def _steps(value: object) -> list[dict[str, object]]:
    """The value where it is a list of steps, else nothing."""
    if not isinstance(value, list):
        return []
    steps = [one for one in value if isinstance(one, dict) and set(one) == {"kind", "options"}]
    return steps if len(steps) == len(value) else []


def _kinds(value: object) -> list[object]:
    return [step["kind"] for step in _steps(value)]


def _plain(value: object) -> object:
    """JSON values out of the model's."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)
