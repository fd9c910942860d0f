"""What does a history file say about one label? Reads the tutorial's volumes.json, strictly.

`{"label": [120, 131]}` or `{"label": [{"at": "2026-11-22T03:00:00-03:00", "value": 120}]}`, oldest
first. Whatever is doubtful is refused in one sentence: a volume that was misread would hide an
outage.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import NoReturn

from mitrarr_runner.errors import UsageError
from mitrarr_runner.redact import safe
from mitrarr_runner.text import Text, text
from mitrarr_runner.volumes.readings import Reading

_LARGEST = 10**15


def read_history(data: bytes, label: str) -> tuple[Reading, ...] | None:
    """The readings of one label, oldest first; None where the file does not name the label.

    UsageError with one of the codes history_encoding, history_json, history_duplicate,
    history_shape, history_mixed, history_value, history_at.
    """
    document = _parse(_decode(data))
    if not isinstance(document, dict):
        _refuse("history_shape", text("a history is a JSON object of labels and lists"))
    if label not in document:
        return None
    items = document[label]
    if not isinstance(items, list):
        _refuse(
            "history_shape",
            text('the history of "{label}" is not a list', label=_shown(label)),
        )
    return _readings(items, label)


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            text("the history is not UTF-8: byte {position} does not fit", position=error.start),
            code="history_encoding",
            hint=text("Save the file as UTF-8."),
        ) from None


def _parse(source: str) -> object:
    try:
        return json.loads(source, object_pairs_hook=_pairs, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise UsageError(
            text(
                "the history is not JSON: line {line}, column {column}: {problem}",
                line=error.lineno,
                column=error.colno,
                problem=safe(error.msg, 80),
            ),
            code="history_json",
            hint=text("The form is {form}.", form='{"label": [120, 131]}'),
        ) from None
    except RecursionError:
        _refuse("history_json", text("the history is nested too deeply"))
    except ValueError:  # an integer of thousands of digits
        _refuse("history_value", text("a number of the history is too long"))


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise UsageError(
                text('the key "{key}" stands twice in the history', key=_shown(key)),
                code="history_duplicate",
                hint=text("Merge the two lists under one key."),
            )
        found[key] = value
    return found


def _constant(word: str) -> NoReturn:
    _refuse("history_value", text("{word} is not a count", word=word))


def _readings(items: list[object], label: str) -> tuple[Reading, ...]:
    if len({isinstance(item, dict) for item in items}) > 1:
        raise UsageError(
            text(
                'the history of "{label}" mixes readings with and without a time',
                label=_shown(label),
            ),
            code="history_mixed",
            hint=text("Give every reading its `at`, or none of them."),
        )
    readings = [_reading(item, f"{_shown(label)}[{i}]") for i, item in enumerate(items)]
    if readings and readings[0].at is not None:
        readings.sort(key=_instant)
    return tuple(readings)


def _instant(reading: Reading) -> datetime:
    assert reading.at is not None  # noqa: S101 - only called on dated readings
    return reading.at


def _reading(item: object, where: str) -> Reading:
    if not isinstance(item, dict):
        return Reading(None, _count(item, where))
    for key in item:
        if key not in ("at", "value"):
            _unknown_key(key, where)
    for key in ("at", "value"):
        if key not in item:
            _refuse("history_shape", text('{where} has no "{key}"', where=where, key=key))
    return Reading(_at(item["at"], where), _count(item["value"], where))


def _unknown_key(key: str, where: str) -> NoReturn:
    near: Sequence[str] = get_close_matches(key, ("at", "value"), 1)
    hint = text('Did you mean "{key}"?', key=near[0]) if near else _form()
    raise UsageError(
        text('{where} has an unknown key "{key}"', where=where, key=_shown(key)),
        code="history_shape",
        hint=hint,
    )


def _count(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        _refuse("history_value", text("{where} is not a whole number", where=where))
    if value < 0:
        _refuse("history_value", text("{where} is negative", where=where))
    if value > _LARGEST:
        _refuse("history_value", text("{where} is too large for a count", where=where))
    return value


def _at(value: object, where: str) -> datetime:
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        instant = None
    if instant is None:
        _refuse_at(text("{where} has no readable `at`", where=where))
    if instant.tzinfo is None:
        _refuse_at(text("{where} has an `at` without an offset", where=where))
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        _refuse_at(text("{where} has no readable `at`", where=where))


def _refuse_at(message: Text) -> NoReturn:
    raise UsageError(
        message,
        code="history_at",
        hint=text("Write {example}.", example="2026-11-22T03:00:00-03:00"),
    )


def _shown(word: str) -> str:
    """A word of the file, fit for a message: masked, on one line, encodable."""
    return safe(word.encode("utf-8", "backslashreplace").decode(), 80)


def _form() -> Text:
    return text(
        "A label has a list of whole numbers, or of {form}, oldest first.",
        form='{"at": "2026-11-22T03:00:00-03:00", "value": 120}',
    )


def _refuse(code: str, message: Text) -> NoReturn:
    raise UsageError(message, code=code, hint=_form())
