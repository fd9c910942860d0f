"""clean: what the clean steps of a manifest would remove, and runs whose process is gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mitrarr_runner.cli.options import BY, CONFIG
from mitrarr_runner.cli.place import Place, place_with
from mitrarr_runner.cli.session import Session, output_format
from mitrarr_runner.cli.verb import Verb, session
from mitrarr_runner.manifest.model import Manifest
from mitrarr_runner.store.runs import Run
from mitrarr_runner.text import mark, plural, text

if TYPE_CHECKING:
    from mitrarr_runner.engine.retention import Pruned
    from mitrarr_runner.steps import clean as clean_step

_FORMAT = typer.Option("--format", help=mark("text for people, json for programs."))


@dataclass(frozen=True, slots=True)
class _Heap:
    """Old files of one declared folder, or ("") our own temporaries."""

    folder: str
    files: int
    bytes: int


def clean(
    ctx: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help=mark("Say what would go; remove nothing."))
    ] = False,
    by: Annotated[str | None, BY] = None,
    config: Annotated[str | None, CONFIG] = None,
    format: Annotated[str, _FORMAT] = "text",
) -> int:
    from mitrarr_runner.steps import clean as step

    here = session(ctx)
    wanted = output_format(format)
    found = place_with(here, config, lambda manifest: bool(manifest.jobs))
    options = _folders(found.manifest)
    work = step.look if dry_run else step.remove
    gone = work(options, found.site, here.clock.now())
    heaps = _heaps(options, gone)
    stuck = _stuck(here, found, dry_run, here.actor(by), len(gone.files))
    history = _history(here, found, dry_run)
    if wanted == "json":
        here.json(
            {
                "dry_run": dry_run,
                "files": len(gone.files),
                "bytes": gone.size,
                "folders": [
                    {"path": heap.folder or None, "files": heap.files, "bytes": heap.bytes}
                    for heap in heaps
                ],
                "runs": [run.handle for run in stuck],
                "history": {
                    "rows": dict(history.rows),
                    "run_logs": history.logs,
                    "bytes": history.bytes,
                },
            }
        )
    else:
        _tell_history(here, history, dry_run)
        _tell_cleaned(here, heaps, stuck, dry_run)
        if not (heaps or stuck or history.logs or any(history.rows.values())):
            here.print(text("nothing to remove, no run is stuck"))
    return 0


def _history(here: Session, found: Place, dry_run: bool) -> Pruned:
    """What `settings.keep` lets go: apply does the same once a day."""
    from mitrarr_runner.engine import retention

    db = found.open_readonly() if dry_run else found.open_store()
    if db is None:
        return retention.Pruned()
    work = retention.look if dry_run else retention.prune
    with db:
        return work(db, found.site, found.manifest, here.clock.now())


def _tell_history(here: Session, history: Pruned, dry_run: bool) -> None:
    rows = sum(history.rows.values())
    if not rows and not history.logs:
        return
    values: Mapping[str, object] = {
        "rows": plural("{count} row", "{count} rows", rows),
        "logs": plural("{count} run log", "{count} run logs", history.logs),
        "size": here.say.size(history.bytes),
    }
    if dry_run:
        here.print(text("history: {rows} and {logs} would be removed, {size}", **values))
    else:
        here.print(text("history: {rows} and {logs} removed, {size}", **values))


def _folders(manifest: Manifest) -> clean_step.Options:
    """The folders of every clean step of the manifest, each once, with its shortest age."""
    from mitrarr_runner.steps import clean as step

    ages: dict[Path, int] = {}
    for job in manifest.jobs.values():
        for one in job.steps:
            if one.kind == step.KIND:
                for folder in step.parse(one.options).folders:
                    age = ages.get(folder.path, folder.older_than)
                    ages[folder.path] = min(age, folder.older_than)
    return step.Options(tuple(step.Folder(path, age) for path, age in ages.items()))


def _heaps(options: clean_step.Options, found: clean_step.Found) -> list[_Heap]:
    """Counts per folder; names of files, which may be somebody's number, are not told."""
    counted: dict[str, list[int]] = {}
    for path, size in found.files:
        home = next((f.path for f in options.folders if path.is_relative_to(f.path)), None)
        counted.setdefault(str(home) if home else "", []).append(size)
    return [_Heap(folder, len(sizes), sum(sizes)) for folder, sizes in counted.items()]


def _stuck(here: Session, found: Place, dry_run: bool, actor: str, files: int) -> list[Run]:
    """Runs whose process is gone: recorded as lost, so that they are judged and run again."""
    from mitrarr_runner.engine import wakeup
    from mitrarr_runner.engine.state import gather, record_lost
    from mitrarr_runner.store import audit

    db = found.open_readonly() if dry_run else found.open_store()
    if db is None:
        return []
    now = here.clock.now()
    with db:
        view = gather(db, found.manifest, found.site, here.clock, now)
        lost = [run for run in view.lost.values() if not run.finished]
        if dry_run:
            return lost
        with db.transaction():
            written = record_lost(db, found.manifest.name, lost, now)
            if written:
                wakeup.forget(found.site)
            audit.write(
                db,
                actor=actor,
                action="clean",
                subject=found.manifest.name,
                now=now,
                detail={"files": files, "runs": [run.handle for run in written]},
            )
        return written


def _tell_cleaned(here: Session, heaps: list[_Heap], stuck: list[Run], dry_run: bool) -> None:
    for heap in heaps:
        count = plural("{count} old file", "{count} old files", heap.files)
        values: Mapping[str, object] = {
            "folder": heap.folder or text("left by mitrarr itself"),
            "files": count,
            "size": here.say.size(heap.bytes),
        }
        if dry_run:
            here.print(text("{folder}: {files} would be removed, {size}", **values))
        else:
            here.print(text("{folder}: {files} removed, {size}", **values))
    for run in stuck:
        named = {"run": run.handle, "job": run.job}
        if dry_run:
            here.print(text("{run} of {job}: its process is gone; would be recorded", **named))
        else:
            here.print(text("{run} of {job}: its process is gone; recorded as lost", **named))


VERBS = (
    Verb(
        "clean",
        clean,
        mark(
            "Remove what the manifest's clean steps would remove and the history that settings.keep"
            " lets go, and record runs whose process is gone."
            "\n\n\b\nExample:\n  mitrarr clean --dry-run"
        ),
    ),
)
