"""Checked data in; sources, destinations, jobs and the options of their steps out (see `build`)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mitrarr_runner.manifest.model import (
    After,
    Card,
    CatchUp,
    Destination,
    First,
    Job,
    Limits,
    Login,
    Overlap,
    Requires,
    Retry,
    Schedule,
    SecretRef,
    Source,
    Step,
)
from mitrarr_runner.manifest.schemas import Schema
from mitrarr_runner.manifest.values import seconds, size

Section = Mapping[str, Any]
Options = Callable[[Any], Any]
Readers = Mapping[str, Callable[[Any], Any]]


def below(root: Path, path: str) -> Path:
    """`path` made absolute: relative ones start at the root."""
    return Path(os.path.normpath(root / path))


def _path(root: Path, path: str | None) -> Path | None:
    return None if path is None else below(root, path)


def secret(root: Path, data: Section) -> SecretRef:
    return SecretRef(_path(root, data.get("file")), data.get("env"), data.get("credential"))


def source(root: Path, name: str, data: Section) -> Source:
    return Source(
        name=name,
        spool=_path(root, data.get("spool")),
        pattern=data.get("pattern", "*.nst"),
        settle=seconds(data.get("settle", 30)),
        settle_max=seconds(data.get("settle_max", 3600)),
        id=data.get("id", "{{ tcn }}"),
        profile=data.get("profile"),
        after=After(data.get("after", "keep")),
        requires=Requires(_path(root, data.get("requires", {}).get("mount"))),
        max_bytes=int(data.get("max_bytes", 50_000_000)),
        transactions=tuple(data.get("transactions", ())),
        severities=dict(data.get("severities", {})),
        purpose=data.get("purpose"),
        legal_basis=data.get("legal_basis"),
        contact=data.get("contact"),
    )


def destination(root: Path, name: str, data: Section) -> Destination:
    login, card = data["login"], data.get("card", {})
    return Destination(
        name=name,
        kind=data["kind"],
        url=data["url"].rstrip("/"),
        login=Login(login["username"], secret(root, login["password"])),
        watch_lists=tuple(str(item) for item in data["watch_lists"]),
        card=Card(card.get("name", Card().name), card.get("comment")),
        quiet_period=seconds(data.get("quiet_period", 120)),
        read_timeout=seconds(data.get("read_timeout", 60)),
        ca_file=_path(root, data.get("ca_file")),
        parallel=int(data.get("parallel", 4)),
        sources=tuple(data.get("sources", ())),
    )


def job(name: str, data: Section, timezone: str, kinds: Mapping[str, Options]) -> Job:
    return Job(
        name=name,
        schedule=schedule(data.get("schedule", {}), timezone),
        steps=tuple(
            Step(kind, kinds[kind](options))
            for step in data["steps"]
            for kind, options in step.items()
        ),
        **_given(data, _JOB),
    )


def schedule(data: str | Section, timezone: str) -> Schedule:
    if isinstance(data, str):
        return Schedule(data, timezone)
    return Schedule(**{"cron": None, "timezone": timezone, **_given(data, _SCHEDULE)})


def _limits(data: Section) -> Limits:
    return Limits(**_given(data, _LIMITS))


def _retry(data: Section) -> Retry:
    return Retry(**_given(data, _RETRY))


def _given(data: Section, readers: Readers) -> dict[str, Any]:
    """The keys that are written, each read in its way; the model knows what holds for others."""
    return {key: readers[key](value) for key, value in data.items() if key in readers}


_LIMITS: Readers = {"memory": size, "cpu": seconds}
_RETRY: Readers = {"attempts": int, "backoff": seconds, "factor": float, "max": seconds}
_SCHEDULE: Readers = {
    "cron": str,
    "timezone": str,
    "catch_up": CatchUp,
    "max": int,
    "window": seconds,
    "jitter": seconds,
    "first": First,
}
_JOB: Readers = {
    "description": str,
    "timeout": seconds,
    "overlap": Overlap,
    "retry": _retry,
    "needs": tuple,
    "idempotent": bool,
    "limits": _limits,
}


def options_by(schema: Schema, root: Path) -> Options:
    """A function that makes a step's options ready for its `parse`: defaults filled, lengths of
    time in seconds, paths absolute (as texts). What to do with each key is read off the schema."""
    shape = schema.get("format")
    if shape == "span":
        return seconds
    if shape == "path":
        return lambda value: str(below(root, value))
    if schema.get("type") == "array":
        each = options_by(schema["items"], root)
        return lambda value: [each(item) for item in value]
    if "properties" not in schema:
        return lambda value: value
    parts = {key: options_by(part, root) for key, part in schema["properties"].items()}
    filled = {
        key: part["default"] for key, part in schema["properties"].items() if "default" in part
    }
    return lambda value: {
        **filled,
        **{key: parts[key](inner) for key, inner in value.items()},
    }
