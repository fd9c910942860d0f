"""What of the host does a manifest touch? Secrets, folders it writes to, folders it must see.

Read from the manifest alone, for those who prepare the host (`cron`) and who examine it
(`doctor`). Nothing here opens a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from mitrarr_runner.manifest.model import Manifest, SecretRef
from mitrarr_runner.site import Site


def secrets(manifest: Manifest) -> Iterator[tuple[str, SecretRef]]:
    """(who needs it, where it is found), in the manifest's order."""
    for destination in manifest.destinations.values():
        yield f"destination {destination.name}", destination.login.password
    for channel in manifest.alerts.channels.values():
        for value in channel.options.values():
            if isinstance(value, SecretRef):
                yield f"channel {channel.name}", value


def written(manifest: Manifest) -> tuple[Path, ...]:
    """Folders that an apply writes to, absolute, each once: the site, spools, folders of `clean`,
    working folders of commands. What a command writes elsewhere no manifest says."""
    site = Site(manifest.root)
    folders = [
        site.root,
        (site.root / manifest.settings.store).parent,
        (site.root / manifest.settings.alerts_log).parent,
        *(source.spool for source in manifest.sources.values() if source.spool is not None),
        *(manifest.root / folder for folder in _of_steps(manifest)),
    ]
    kept: list[Path] = []
    for folder in folders:
        if not any(folder.is_relative_to(other) for other in kept):
            kept.append(folder)
    return tuple(kept)


def _of_steps(manifest: Manifest) -> Iterator[Path]:
    for job in manifest.jobs.values():
        for step in job.steps:
            if step.kind == "clean":
                yield from _folders(step.options.get("folders"))
            elif step.kind == "command" and step.options.get("cwd") is not None:
                yield Path(str(step.options["cwd"]))


def _folders(value: object) -> Iterator[Path]:
    for one in value if isinstance(value, (list, tuple)) else ():
        if isinstance(one, Mapping) and "path" in one:
            yield Path(str(one["path"]))


def runs_commands(manifest: Manifest) -> bool:
    return any(step.kind == "command" for job in manifest.jobs.values() for step in job.steps)
