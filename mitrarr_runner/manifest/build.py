"""Checked data in, a frozen Manifest out: every default filled, every path absolute.

Only data without errors come here (`check`); nothing is reported and nothing is read but the
schema. Lengths of time become seconds, also inside the options of steps.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from mitrarr_runner.manifest import build_work, schemas
from mitrarr_runner.manifest.build_work import Section
from mitrarr_runner.manifest.model import (
    Alerts,
    Api,
    Channel,
    Heartbeat,
    Holidays,
    Job,
    Keep,
    Manifest,
    OnBadManifest,
    Per,
    Rule,
    RuleWhen,
    Settings,
    Severity,
    Volume,
)
from mitrarr_runner.manifest.values import seconds, share, size

_NOT_CONTENT = frozenset({"$schema"})
_SECRETS = ("password", "token")
_PATHS = ("path", "ca_file")


def build(data: Section, *, path: Path, root: Path, files: tuple[Path, ...]) -> Manifest:
    """The Manifest of checked data; path is absolute, files are its sources."""
    settings = _settings(data["settings"], root)
    alerts = data.get("alerts", {})
    return Manifest(
        name=data.get("name") or default_name(path),
        path=path,
        root=root,
        fingerprint=fingerprint(data),
        settings=settings,
        api=Api(data.get("api", {}).get("loopback")),
        contacts=dict(data.get("contacts", {})),
        sources={n: build_work.source(root, n, s) for n, s in _section(data, "sources")},
        destinations={
            n: build_work.destination(root, n, d) for n, d in _section(data, "destinations")
        },
        jobs=_jobs(data, settings, root),
        volumes={n: _volume(n, v) for n, v in _section(data, "volumes")},
        heartbeats={n: _heartbeat(n, h) for n, h in _section(data, "heartbeats")},
        alerts=Alerts(
            {n: _channel(root, n, c) for n, c in _section(alerts, "channels")},
            tuple(_rule(rule) for rule in alerts.get("rules", ())),
        ),
        files=files,
    )


def _section(data: Section, name: str) -> list[tuple[str, Section]]:
    return list(data.get(name, {}).items())


def fingerprint(data: Mapping[str, Any]) -> str:
    """12 hex digits: the same content has the same one, whatever the order of keys, the comments,
    the format and the number of files."""
    content = {key: value for key, value in data.items() if key not in _NOT_CONTENT}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def default_name(path: Path) -> str:
    """The folder's or file's stem made usable: `configs/Prod.d` is "prod_d"."""
    stem = path.stem if path.suffix.lower() in (".yaml", ".yml", ".json") else path.name
    return re.sub(r"[^a-z0-9_-]+", "_", stem.lower()).strip("_")[:64] or "manifest"


def settings_root(data: Mapping[str, Any], path: Path, is_folder: bool) -> Path | None:
    """`settings.root` made absolute; relative ones start at the manifest's folder."""
    settings = data.get("settings")
    root = settings.get("root") if isinstance(settings, dict) else None
    if not isinstance(root, str) or not root:
        return None
    return Path(os.path.normpath((path if is_folder else path.parent) / root))


def default_manifest(root: Path) -> Manifest:
    """What holds where there is no manifest at all: verbs typed by hand still work and alert.

    path is None, which means that any source's name is taken (`source_named`).
    """
    rules = tuple(Rule(when, Severity.WARNING, ("log",)) for when in RuleWhen)
    return Manifest(
        name="default",
        path=None,
        root=root,
        fingerprint=fingerprint({}),
        alerts=Alerts({"log": Channel("log", "log")}, rules),
    )


def _settings(data: Section, root: Path) -> Settings:
    return Settings(
        timezone=data["timezone"],
        root=root if "root" in data else None,
        language=data.get("language"),
        on_bad_manifest=OnBadManifest(data.get("on_bad_manifest", "last_good")),
        max_parallel_jobs=int(data.get("max_parallel_jobs", 4)),
        store=data.get("store", "state/mitrarr.db"),
        watches=data.get("watches"),
        alerts_log=data.get("alerts_log", "logs/alerts.log"),
        keep=_keep(data.get("keep", {})),
    )


def _keep(data: Section) -> Keep:
    usual = Keep()
    return Keep(
        runs=seconds(data.get("runs", usual.runs)),
        run_logs=seconds(data.get("run_logs", usual.run_logs)),
        run_logs_size=size(data.get("run_logs_size", usual.run_logs_size)),
        notices=seconds(data.get("notices", usual.notices)),
    )


def options(root: Path) -> dict[str, build_work.Options]:
    """By step kind, what makes the options as they are written ready for the kind's `parse`.

    Written otherwise than the schema has it, they raise ValueError, KeyError, TypeError or
    AttributeError.
    """
    defs = schemas.manifest_schema()["$defs"]
    return {
        name.removeprefix("step_"): build_work.options_by(schema, root)
        for name, schema in defs.items()
        if name.startswith("step_")
    }


def _jobs(data: Section, settings: Settings, root: Path) -> dict[str, Job]:
    kinds = options(root)
    return {n: build_work.job(n, j, settings.timezone, kinds) for n, j in _section(data, "jobs")}


def _volume(label: str, data: Section) -> Volume:
    drop = share(data["drop"]) if "drop" in data else 0.0
    return Volume(
        label=label,
        per=Per(data["per"]),
        minimum=int(data.get("minimum", 0)),
        drop=drop or None,
        against=data.get("against", "same_weekday"),
        direction=data.get("direction", "below"),
        holidays=_holidays(data["holidays"]) if "holidays" in data else None,
    )


def _holidays(data: str | Section) -> Holidays:
    """The short form is the law's holidays only (and a warning, for Brazil); in the long form the
    optional ones count in Brazil unless it says otherwise (SEMANTICS section 9)."""
    if isinstance(data, str):
        return Holidays(data, optional=False)
    calendar = data["calendar"]
    optional = data.get("optional", calendar.partition("-")[0] == "BR")
    return Holidays(calendar, optional, tuple(map(date.fromisoformat, data.get("extra", ()))))


def _heartbeat(name: str, data: Section) -> Heartbeat:
    return Heartbeat(name, seconds(data["max_age"]), data.get("job"), data.get("manifest"))


def _channel(root: Path, name: str, data: Section) -> Channel:
    options = {k: v for k, v in data.items() if k not in ("kind", "description")}
    for key in _SECRETS:
        if key in options:
            options[key] = build_work.secret(root, options[key])
    for key in _PATHS:
        if key in options:
            options[key] = str(build_work.below(root, options[key]))
    return Channel(name, data["kind"], options)


def _rule(data: Section) -> Rule:
    return Rule(
        when=RuleWhen(data["when"]),
        severity=Severity(data["severity"]),
        to=tuple(data["to"]),
        after=seconds(data.get("after", 0)),
        repeat=seconds(data.get("repeat", 14400)),
        jobs=tuple(data.get("jobs", ())),
    )
