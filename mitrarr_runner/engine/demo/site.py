"""The demo's folder: a site like any other, with a spool full of made files."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from mitrarr_runner import atomic, templates
from mitrarr_runner.engine.demo.people import made_files
from mitrarr_runner.errors import UsageError
from mitrarr_runner.site import MARKER
from mitrarr_runner.text import text

QUIET_PERIOD = 21
"""Seconds: twice the read timeout and a little, as validation wants it."""

_MARK = ".mitrarr-demo"
_PASSWORD = "demo"  # noqa: S105 - of the simulator, which holds made people only


def prepare(folder: Path) -> None:
    """Make the folder, or empty an earlier demo; anything else that exists is left alone."""
    if folder.exists():
        if not folder.is_dir() or (any(folder.iterdir()) and not (folder / _MARK).exists()):
            raise UsageError(
                text("{path} exists and is not an earlier demo", path=str(folder)),
                code="demo_folder",
                hint=text("choose another folder, or remove it first"),
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / _MARK).touch()
    (folder / MARKER).touch()
    for name in ("entrada", "tmp", "configs"):
        (folder / name).mkdir()


def fill(folder: Path, now: datetime) -> int:
    """Write the made files into the spool; how many."""
    files = made_files(now.date())
    for file in files:
        (folder / "entrada" / file.name).write_bytes(file.data)
    return len(files)


def write_manifest(folder: Path, url: str, language: str, now: datetime) -> Path:
    """The manifest, with a schedule whose next slot is half a day away: the demo's own runs are
    the first one (`first: now`) and nothing else."""
    local = now.astimezone(ZoneInfo("America/Sao_Paulo")) + timedelta(hours=12)
    atomic.write_file(folder / "senha-do-simulador", _PASSWORD.encode())
    path = folder / "configs" / "prod.yaml"
    values = {
        "url": url,
        "language": language,
        "hour": local.hour,
        "quiet_period": QUIET_PERIOD,
    }
    path.write_text(templates.render_file("demo_manifest.yaml.j2", values), encoding="utf-8")
    return path
