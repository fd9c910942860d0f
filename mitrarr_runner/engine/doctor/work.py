"""What the jobs work with on this host: spools, secrets, channels of alerts."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from mitrarr_runner.alerts.channels import CHANNELS
from mitrarr_runner.engine import footprint
from mitrarr_runner.engine.doctor.finding import Finding, Ground, ok, problem, raised, warning
from mitrarr_runner.errors import MitrarrError
from mitrarr_runner.intake import spool
from mitrarr_runner.intake.spool import SpoolLook
from mitrarr_runner.manifest.model import After, SecretRef, Source
from mitrarr_runner.store import sightings
from mitrarr_runner.text import Text, plural, text

OLD = 24 * 3600
"""Seconds after which a file that still waits in a spool is a sign of something."""

_OPEN = stat.S_IRWXG | stat.S_IRWXO
_TRIED = 50


def spools(ground: Ground) -> Iterator[Finding]:
    with ground.store() as db:
        for source in ground.manifest.sources.values():
            if source.spool is None:
                continue
            subject = text("spool of {source}", source=source.name)
            seen = sightings.seen_files(db, source.name) if db is not None else {}
            try:
                found = spool.look(source, seen, ground.clock.now())
            except MitrarrError as error:
                yield raised(error, text("spool"))  # its message names the source
                continue
            yield from _of_spool(source, found, subject)


def _of_spool(source: Source, found: SpoolLook, subject: Text) -> Iterator[Finding]:
    folder = str(source.spool)
    unreadable = _unreadable(source, found)
    if source.after is not After.KEEP and not os.access(folder, os.W_OK | os.X_OK):
        message = text(
            "files cannot be taken out of {folder} (after: {after})",
            folder=folder,
            after=source.after.value,
        )
        hint = text("give the user that runs mitrarr the right to write there, or say after: keep")
        yield problem("spool_unwritable", subject, message, hint)
    elif unreadable:
        message = plural("{count} file cannot be read", "{count} files cannot be read", unreadable)
        hint = text("the sender must leave them readable for the user that runs mitrarr")
        yield problem("spool_files_unreadable", subject, message, hint)
    else:
        message = text(
            "{folder}: {ready} ready, {arriving} arriving",
            folder=folder,
            ready=len(found.ready),
            arriving=found.arriving,
        )
        yield ok("spool", subject, message)
    yield from _oddities(source, found, subject)


def _unreadable(source: Source, found: SpoolLook) -> int:
    """Of the oldest files; their names stay here."""
    folder = Path(str(source.spool))
    return sum(not os.access(folder / file.name, os.R_OK) for file in found.ready[:_TRIED])


def _oddities(source: Source, found: SpoolLook, subject: Text) -> Iterator[Finding]:
    if found.unmatched:
        message = plural(
            "{count} file does not match {pattern}",
            "{count} files do not match {pattern}",
            found.unmatched,
            pattern=source.pattern,
        )
        hint = text("nobody takes them in: correct `pattern`, or have them removed")
        yield warning("spool_unmatched", subject, message, hint)
    if found.refused:
        message = plural(
            "{count} is a link or no plain file",
            "{count} are links or no plain files",
            found.refused,
        )
        yield warning(
            "spool_refused", subject, message, text("have the files themselves left there")
        )
    if found.oldest is not None and found.oldest > OLD:
        message = text("the oldest file has waited for {hours} h", hours=found.oldest // 3600)
        hint = text("does a job take this source in, and does it run? see: mitrarr status")
        yield warning("spool_old", subject, message, hint)


# Secrets


def secrets(ground: Ground) -> Iterator[Finding]:
    """Whether each secret is where the manifest says, and whether others can read it. The values
    are looked at for being there, and go nowhere."""
    wanted = {f"destination {one.name}" for one in ground.destinations}
    for whose, reference in footprint.secrets(ground.manifest):
        if ground.destination is None or whose in wanted:
            yield _secret(ground, reference, text("secret of {whose}", whose=whose))


def _secret(ground: Ground, reference: SecretRef, subject: Text) -> Finding:
    if reference.env is not None:
        return _of_environment(ground, reference.env, subject)
    if reference.credential is not None:
        return _of_systemd(ground, reference.credential, subject)
    path = Path(str(reference.file))
    hint = text("write it into {path}, mode 0600, for the user mitrarr runs as", path=str(path))
    try:
        mode, empty = path.stat().st_mode, not path.read_bytes().strip(b"\r\n")
    except FileNotFoundError:
        message = text("there is no file {path}", path=str(path))
        return problem("secret_missing", subject, message, hint)
    except OSError:
        message = text("{path} cannot be read", path=str(path))
        return problem("secret_missing", subject, message, hint)
    if empty:
        return problem("secret_missing", subject, text("{path} is empty", path=str(path)), hint)
    if mode & _OPEN:
        message = text("others may read {path}", path=str(path))
        return warning("secret_open", subject, message, text("chmod go= {path}", path=str(path)))
    return ok("secret", subject, text("{path}, for its owner only", path=str(path)))


def _of_environment(ground: Ground, name: str, subject: Text) -> Finding:
    hint = text("cron hands on no environment: use {{file: }}, or set it in the crontab itself")
    if name not in ground.environment:
        return warning("secret_missing", subject, text("${name} is not set here", name=name), hint)
    message = text("${name} is set here, and perhaps not under cron", name=name)
    return warning("secret_environment", subject, message, hint)


def _of_systemd(ground: Ground, name: str, subject: Text) -> Finding:
    folder = ground.environment.get("CREDENTIALS_DIRECTORY")
    if folder is not None and (Path(folder) / name).exists():
        return ok("secret", subject, text("systemd's credential {name}", name=name))
    message = text("credential {name}: only a systemd unit has it, and not this call", name=name)
    hint = text(
        "put it into /etc/credstore/{name}; then: mitrarr cron install --systemd", name=name
    )
    return warning("secret_credential", subject, message, hint)


# Alerts


def channels(ground: Ground) -> Iterator[Finding]:
    """Whether each channel exists in this version, and that the last resort can be written."""
    for channel in ground.manifest.alerts.channels.values():
        if channel.kind not in CHANNELS:
            subject = text("channel {name}", name=channel.name)
            message = text("{kind} is not available in this version", kind=channel.kind)
            hint = text("until then its alerts go to alerts.log only; name a log channel beside it")
            yield warning("channel_kind", subject, message, hint)
    logs = {ground.site.root / ground.manifest.settings.alerts_log}
    for channel in ground.manifest.alerts.channels.values():
        if channel.kind == "log" and channel.options.get("path"):
            logs.add(ground.site.root / str(channel.options["path"]))
    for path in sorted(logs):
        yield _log(path)


def _log(path: Path) -> Finding:
    subject = text("alerts")
    place = path
    while not os.path.lexists(place):
        place = place.parent
    wanted = os.W_OK if place == path else os.W_OK | os.X_OK
    plain = place.is_dir() if place != path else path.is_file()
    if plain and os.access(place, wanted):
        return ok("alerts_log", subject, text("{path} can be written", path=str(path)))
    message = text("{path} cannot be written", path=str(path))
    return problem("alerts_log", subject, message, text("look at its owner and rights"))
