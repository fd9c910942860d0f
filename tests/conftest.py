"""A site in a temporary folder, and the program as an operator's shell would call it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mitrarr_runner import schedule
from mitrarr_runner.clock import SystemClock
from mitrarr_runner.manifest.load import load
from mitrarr_runner.manifest.model import Manifest
from mitrarr_runner.site import Site
from mitrarr_runner.store import jobs, runs
from mitrarr_runner.store.database import Database, open_database
from mitrarr_runner.store.jobs import JobMemory

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell without job control starts `make test &` like this, and every child would inherit it:
    # no test could press Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)

ZONE = "America/Sao_Paulo"


@dataclass(frozen=True)
class Answer:
    """What one call printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class TestSite:
    """A manifest in configs/prod.json below `root`, and verbs run against it."""

    __test__ = False

    root: Path

    @property
    def manifest_path(self) -> Path:
        return self.root / "configs" / "prod.json"

    def write(self, **sections: Any) -> None:
        """Write the manifest; `settings` is filled in."""
        settings = {"timezone": ZONE, "root": "..", **sections.pop("settings", {})}
        data = {"version": 1, "name": "prod", "settings": settings, **sections}
        self.manifest_path.parent.mkdir(parents=True, exist_ok=True)
        self.manifest_path.write_text(json.dumps(data, indent=1), encoding="utf-8")

    @property
    def manifest(self) -> Manifest:
        loaded = load(str(self.manifest_path), environment={}, cwd=self.root)
        assert loaded.manifest is not None, [str(p.message) for p in loaded.problems]
        return loaded.manifest

    @property
    def site(self) -> Site:
        return Site(self.root)

    def store(self) -> Database:
        self.site.make()
        return open_database(self.root / "state" / "mitrarr.db")

    def due(self, *names: str, minutes: int = 3) -> None:
        """Make the jobs known since `minutes` ago, so that their slots since then are due."""
        manifest = self.manifest
        floor = datetime.now(UTC) - timedelta(minutes=minutes)
        memories = [
            JobMemory(
                name,
                schedule.fingerprint(
                    manifest.jobs[name].schedule.cron or "", manifest.jobs[name].schedule.timezone
                ),
                floor,
                None,
                False,
            )
            for name in names or manifest.jobs
        ]
        with self.store() as db, db.transaction():
            jobs.remember(db, manifest.name, memories, SystemClock().now())

    def environment(self, **extra: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MITRARR_", "LC_"))}
        return {**kept, "LANG": "C.UTF-8", "MITRARR_CONFIG": str(self.manifest_path), **extra}

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "mitrarr_runner.wake", *words]

    def run(self, *words: str, env: Mapping[str, str] | None = None, timeout: float = 60) -> Answer:
        done = subprocess.run(
            self.command(*words),
            cwd=self.root,
            env=self.environment(**(env or {})),
            capture_output=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.command(*words),
            cwd=self.root,
            env=self.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def history(self, job: str | None = None) -> list[runs.Run]:
        """Runs, oldest first."""
        with self.store() as db:
            return list(reversed(runs.history(db, "prod", job=job, limit=1000)))


@pytest.fixture
def site(tmp_path: Path) -> TestSite:
    """An empty site; give it a manifest with `write`."""
    root = tmp_path / "site"
    root.mkdir()
    return TestSite(root)


def slots_before(*minutes: int) -> str:
    """A line of cron whose slots were so many minutes ago, and none for the next half an hour."""
    now = datetime.now(ZoneInfo(ZONE))
    passed = sorted((now - timedelta(minutes=n)).minute for n in minutes)
    return f"{','.join(map(str, passed))} * * * *"


@pytest.fixture
def lately() -> Callable[..., str]:
    """`lately(1, 3)`: a line of cron whose slots were one and three minutes ago."""
    return slots_before


def command_job(*argv: str, **more: Any) -> dict[str, Any]:
    """A job of one command, whose slot was a minute ago: `site.due` makes it due, and however long
    the test takes, no second slot comes."""
    return {"schedule": slots_before(1), "steps": [{"command": {"argv": list(argv)}}], **more}


@pytest.fixture
def job() -> Callable[..., dict[str, Any]]:
    """`job("true", timeout="5s")`: a job of one command, whose slot was a minute ago."""
    return command_job
