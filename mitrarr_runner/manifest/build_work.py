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
        description=data.get("description", ""),
        timeout=seconds(data.get("timeout", 3600)),
        overlap=Overlap(data.get("overlap", "skip")),
        retry=retry(data.get("retry", {})),
        needs=tuple(data.get("needs", ())),
        idempotent=data.get("idempotent", False),
        limits=limits(data.get("limits", {})),
    )


def limits(data: Section) -> Limits:
    memory, cpu = data.get("memory"), data.get("cpu")
    return Limits(None if memory is None else size(memory), None if cpu is None else seconds(cpu))


def schedule(data: str | Section, timezone: str) -> Schedule:
    if isinstance(data, str):
        return Schedule(data, timezone)
    return Schedule(
        cron=data.get("cron"),
        timezone=data.get("timezone", timezone),
        catch_up=CatchUp(data.get("catch_up", "latest")),
        max=int(data.get("max", 24)),
        window=seconds(data.get("window", 86400)),
        jitter=seconds(data.get("jitter", 0)),
        first=First(data.get("first", "next")),
    )


def retry(data: Section) -> Retry:
    return Retry(
        attempts=int(data.get("attempts", 1)),
        backoff=seconds(data.get("backoff", 10)),
        factor=float(data.get("factor", 2)),
        max=seconds(data.get("max", 300)),
    )


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
