"""What changed between two manifests? Added, removed and edited things, by their dotted path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum

from mitrarr_runner.manifest.model import Manifest

_NOT_CONTENT = ("path", "root", "fingerprint", "files", "name")


@dataclass(frozen=True, slots=True)
class Change:
    """kind: added | removed | edited. path is dotted: jobs.adiciona_nists.timeout.

    old and new are JSON values; None where there is none. A thing that is wholly new or gone is
    one change.
    """

    kind: str
    path: str
    old: object
    new: object


def changes(old: Manifest, new: Manifest) -> tuple[Change, ...]:
    """Everything that differs in content, in the order of the manifest's sections."""
    return tuple(_compare("", _content(old), _content(new)))


def _content(manifest: Manifest) -> Mapping[str, object]:
    plain = _plain(manifest)
    assert isinstance(plain, dict)  # noqa: S101 - a dataclass becomes a dict
    return {key: value for key, value in plain.items() if key not in _NOT_CONTENT}


def _plain(value: object) -> object:
    """JSON values out of the model's: defaults are filled, so a written default is no change."""
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


def _compare(path: str, old: object, new: object) -> Iterator[Change]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            below = f"{path}.{key}" if path else str(key)
            if key not in new:
                yield Change("removed", below, old[key], None)
            elif key not in old:
                yield Change("added", below, None, new[key])
            else:
                yield from _compare(below, old[key], new[key])
    elif old != new:
        yield Change("edited", path, old, new)
