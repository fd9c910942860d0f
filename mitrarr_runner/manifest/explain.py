"""What is wrong, in a sentence? Turns the findings of jsonschema into Problems.

Nobody ever reads jsonschema's own words: each keyword of the schema has a sentence here, and each
`format` (which names a shape: span, name, calendar ...) one of its own in `shapes`. Values are not
repeated in messages: one of them might be a password in the wrong place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mitrarr_runner.manifest.document import Path
from mitrarr_runner.manifest.merge import Marks
from mitrarr_runner.manifest.nearest import Nearest
from mitrarr_runner.manifest.problem import Problem
from mitrarr_runner.manifest.shapes import found, shape, type_hint, types
from mitrarr_runner.redact import safe
from mitrarr_runner.text import Text, text


def explain(errors: Iterable[Any], marks: Marks, nearest: Nearest) -> Iterator[Problem]:
    """A Problem or more for each error (jsonschema.ValidationError), none of them twice."""
    seen: set[tuple[str, str]] = set()
    settled: set[Path] = set()
    for error in errors:
        path = tuple(error.absolute_path)
        if any(path[:length] in settled for length in range(1, len(path) + 1)):
            continue  # a wrong type, two steps in one: what else is found there only repeats it
        if error.validator in ("type", "maxProperties"):
            settled.add(path)
        for problem in _one(error, path, marks, nearest):
            if (problem.code, problem.path) not in seen:
                seen.add((problem.code, problem.path))
                yield problem


def _one(error: Any, path: Path, marks: Marks, nearest: Nearest) -> Iterator[Problem]:
    keyword, limit, value = error.validator, error.validator_value, error.instance
    if "propertyNames" in error.absolute_schema_path:
        yield _name(error, (*path, value), marks)
    elif keyword == "additionalProperties":
        known = error.schema.get("properties", {})
        for key in value:
            if key not in known:
                yield _unknown((*path, key), known, marks, nearest)
    elif keyword == "required":
        for key in limit:
            if key not in value:
                yield _missing((*path, key), marks)
    elif keyword == "type":
        yield _type(path, value, error.schema, marks)
    elif keyword == "enum":
        yield _choice(path, value, limit, marks, nearest)
    elif keyword == "pattern":
        message, hint = shape(error.schema.get("format", ""))
        yield marks.error("bad_value", path, message, hint)
    elif keyword in ("minProperties", "maxProperties"):
        yield _how_many(path, value, error.schema, marks)
    else:
        yield _limit(path, keyword, limit, value, error.schema, marks)


def _name(error: Any, path: Path, marks: Marks) -> Problem:
    """A key that names something, or that this kind of channel does not have."""
    if error.validator == "enum":
        return marks.error_at_key(
            "unknown_key",
            path,
            text("a channel of this kind has no such key"),
            text("Keys that may stand here: {names}.", names=", ".join(error.validator_value)),
        )
    message, hint = shape(error.schema.get("format", ""))
    return marks.error_at_key("bad_name", path, message, hint)


def _unknown(path: Path, known: Mapping[str, Any], marks: Marks, nearest: Nearest) -> Problem:
    key = str(path[-1])
    meant = did_you_mean(nearest(key, known))
    if len(path) > 2 and path[-3] == "steps" and isinstance(path[-2], int):
        return marks.error_at_key(
            "unknown_step",
            path,
            text('there is no step kind "{name}"', name=safe(key, 80)),
            meant or text("Step kinds: {names}.", names=", ".join(known)),
        )
    if key == "<<":
        meant = text("Merge keys are not supported; write the values out.")
    possible = text("Keys that may stand here: {names}.", names=", ".join(known))
    return marks.error_at_key("unknown_key", path, text("unknown key"), meant or possible)


def did_you_mean(near: str | None) -> Text | None:
    return None if near is None else text('Did you mean "{name}"?', name=near)


def _missing(path: Path, marks: Marks) -> Problem:
    hint = text("`mitrarr schema` shows every key with an example.")
    if path == ("settings", "timezone"):
        hint = text("Write, for example: timezone: America/Sao_Paulo")
    message = text('the key "{name}" is missing here', name=str(path[-1]))
    return marks.error("missing_key", path, message, hint)


def _type(path: Path, value: object, schema: Mapping[str, Any], marks: Marks) -> Problem:
    if "credential" in schema.get("properties", {}):
        return marks.error(
            "plain_secret",
            path,
            text("a secret must not stand in a manifest, only where it is found"),
            text("Write {example}.", example="{file: /path}, {env: NAME}, {credential: name}"),
        )
    if value is None:
        hint = text("Give it a value, or remove it.")
        return marks.error("no_value", path, text("this key says nothing"), hint)
    wanted: Sequence[str] = schema["type"]
    wanted = [wanted] if isinstance(wanted, str) else wanted
    return marks.error(
        "wrong_type",
        path,
        text("{wanted} belongs here, not {found}", wanted=types(wanted), found=found(value)),
        type_hint(wanted, value, schema.get("format", "")),
    )


def _choice(
    path: Path, value: object, known: Sequence[object], marks: Marks, nearest: Nearest
) -> Problem:
    names = [str(name) for name in known]
    return marks.error(
        "bad_value",
        path,
        text("this may only be one of: {names}", names=", ".join(names)),
        did_you_mean(nearest(str(value), names)) if len(names) > 1 else None,
    )


def _how_many(
    path: Path, value: Mapping[str, object], schema: Mapping[str, Any], marks: Marks
) -> Problem:
    if "credential" in schema.get("properties", {}):
        message = text("a secret is found in exactly one place: file, env or credential")
        return marks.error("bad_secret", path, message)
    if schema.get("maxProperties") == 1:
        return marks.error(
            "one_step",
            path,
            text("a step has exactly one kind, this one has {number}", number=str(len(value))),
            text('Begin each step with "- kind:", and indent its options deeper than its kind.'),
        )
    return marks.error("too_many", path, text("too many entries"))


def _limit(
    path: Path, keyword: str, limit: Any, value: Any, schema: Mapping[str, Any], marks: Marks
) -> Problem:
    if schema.get("format") == "share":
        message, hint = shape("share")
        return marks.error("bad_value", path, message, hint)
    if keyword == "uniqueItems":
        twice = next((i for i, item in enumerate(value) if item in value[:i]), 0)
        return marks.error("twice_in_list", (*path, twice), text("this stands twice in the list"))
    sentences = {
        "minimum": text("too small: at least {limit}", limit=limit),
        "maximum": text("too large: at most {limit}", limit=limit),
        "minItems": text("the list is empty"),
        "maxItems": text("more than {limit} entries", limit=limit),
        "minLength": text("an empty text"),
        "maxLength": text("longer than {limit} characters", limit=limit),
    }
    return marks.error("bad_value", path, sentences.get(keyword, text("not allowed here")))
