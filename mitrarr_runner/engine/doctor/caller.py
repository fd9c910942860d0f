"""Who calls apply? Crontab blocks, timers, lines written by hand; whether cron runs, and how long
ago the last apply was."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from mitrarr_runner import footing
from mitrarr_runner.engine import outcry
from mitrarr_runner.engine.cron import crontab, unit_files, units, user_crontab
from mitrarr_runner.engine.cron.entries import Entry, owner, removable
from mitrarr_runner.engine.cron.units import Manager
from mitrarr_runner.engine.doctor.finding import Finding, Ground, ok, problem, raised, warning
from mitrarr_runner.engine.doctor.host import last_apply
from mitrarr_runner.errors import FailedError, UsageError
from mitrarr_runner.site import Site
from mitrarr_runner.text import Text, text

CRON_PATH = "/usr/bin:/bin"
"""What cron gives its jobs unless the crontab says otherwise (Debian's cron(8))."""

_CRONS = frozenset({"cron", "crond", "fcron", "dcron"})
_BARE = frozenset({"python", "python3", "mitrarr", "scheduler-cli"})
_VARIABLE = re.compile(r"\s*PATH\s*=\s*(.*)")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a crontab that is not in a block of ours; path: cron's PATH for it."""

    words: tuple[str, ...]
    path: str


@dataclass(frozen=True, slots=True)
class Tables:
    """Everything cron reads that we may read. trouble: why the user's own could not be read."""

    blocks: tuple[crontab.Block, ...] = ()
    lines: tuple[Line, ...] = ()
    trouble: Finding | None = None


def installed(ground: Ground) -> Iterator[Finding]:
    """One finding for each manifest that is to be applied, and what is wrong with its line."""
    try:
        entries = removable(ground.found, ground.call)
    except UsageError:
        return  # no manifest: said by its own check
    tables = read_tables(ground)
    if tables.trouble is not None:
        yield tables.trouble
    silent = False
    for entry in entries:
        findings = list(_of_entry(ground, entry, tables, str(entries[0].path)))
        silent |= any(one.code == "not_installed" for one in findings)
        yield from findings
    if silent:
        yield from _python_on_cron_path()


def _of_entry(ground: Ground, entry: Entry, tables: Tables, first: str) -> Iterator[Finding]:
    """first: the manifest whose installation brings its guardians along."""
    subject = text("cron of {name}", name=entry.name)
    block = next((one for one in tables.blocks if one.path == entry.path), None)
    timers = [manager for manager in Manager if _has_timer(ground, entry, manager)]
    lines = [line for line in tables.lines if str(entry.path) in line.words]
    ways = [
        *([_of_block(ground, entry, block, subject)] if block is not None else []),
        *(_of_timer(ground, entry, manager, subject) for manager in timers),
        *(_of_line(line, subject) for line in lines),
    ]
    yield from ways
    if len(ways) > 1:
        message = text("apply is called in {count} ways at once (harmless)", count=len(ways))
        yield warning("called_twice", subject, message, text("keep one; see: mitrarr cron show"))
    if block is not None or lines:
        yield from _running(ground, subject)
    failing = _failing(ground, entry, subject)
    if failing is not None:
        yield failing
    elif ways:
        yield _applied(ground, entry, subject)
    else:
        install = text("mitrarr cron install --config {path}", path=first)
        yield _uncalled(ground, entry, subject, install)


def _of_block(ground: Ground, entry: Entry, block: crontab.Block, subject: Text) -> Finding:
    again = text("mitrarr cron install --config {path}", path=str(entry.path))
    words = _words(next((one for one in block.content.splitlines() if one[:1] != "#"), ""))
    gone = [word for word in words if word.startswith("/") and not Path(word).exists()]
    if gone:
        message = text("its crontab line calls {path}, which is not there", path=gone[0])
        return problem("crontab_stale", subject, message, again)
    if ground.program is None or block.content != crontab.block(entry, ground.program):
        message = text("its crontab block is not what this installation would write")
        return warning("crontab_differs", subject, message, again)
    return ok("crontab", subject, text("a crontab block calls apply"))


def _has_timer(ground: Ground, entry: Entry, manager: Manager) -> bool:
    place = _units(ground, manager)
    there = unit_files.current(place, units.file_names(entry)[1])
    return there is not None and there.partition("\n")[0] == units.owner_line(entry)


def _units(ground: Ground, manager: Manager) -> Path:
    if manager is Manager.SYSTEM:
        return ground.system / "systemd" / "system"
    return unit_files.folder(manager, ground.environment)


def _of_timer(ground: Ground, entry: Entry, manager: Manager, subject: Text) -> Finding:
    place = _units(ground, manager)
    timer = units.file_names(entry)[1]
    option = " --user" if manager is Manager.USER else ""
    again = text(
        "mitrarr cron install --systemd{option} --config {path}",
        option=option,
        path=str(entry.path),
    )
    if not os.path.lexists(place / "timers.target.wants" / timer):
        return problem("timer_off", subject, text("{timer} is not enabled", timer=timer), again)
    program = ground.program
    if program is None or unit_files.changed(
        place, entry, units.units(entry, units.runner(ground.site, program, manager))
    ):
        message = text("its units are not what this installation would write")
        return warning("timer_differs", subject, message, again)
    return ok("timer", subject, text("{timer} calls apply", timer=timer))


def _of_line(line: Line, subject: Text) -> Finding:
    """A line somebody wrote; its program must be found on cron's own PATH."""
    bare = next((word for word in line.words if word in _BARE), None)
    if bare is not None and shutil.which(bare, path=line.path) is None:
        message = text("a crontab line calls {program}, which cron does not find", program=bare)
        hint = text("write its whole path, or have the line made: mitrarr cron install")
        return problem("cron_path", subject, message, hint)
    return ok("crontab_by_hand", subject, text("a crontab line written by hand calls apply"))


def _running(ground: Ground, subject: Text) -> Iterator[Finding]:
    if not _CRONS & set(_commands(ground.proc)):
        hint = text("start it: sudo systemctl start cron (or: sudo service cron start)")
        yield problem("cron_stopped", subject, text("cron is not running"), hint)


def _commands(proc: Path) -> Iterator[str]:
    for folder in proc.iterdir() if proc.is_dir() else ():
        if folder.name.isdigit():
            try:
                yield (folder / "comm").read_text("utf-8", "replace").strip()
            except OSError:
                continue


def _failing(ground: Ground, entry: Entry, subject: Text) -> Finding | None:
    """It comes, and goes again with empty hands: cron has done its part."""
    site = Site(entry.manifest.root)
    met = outcry.failing(site, entry.name, last_apply(site, entry.name))
    if met is None or _is_late(entry, ground.clock.now() - met):
        return None
    message = text("apply is called, but cannot work with the store")
    command = f"mitrarr apply {shlex.quote(str(entry.path))}"
    return problem("apply_fails", subject, message, text("see why: {command}", command=command))


def _applied(ground: Ground, entry: Entry, subject: Text) -> Finding:
    """Something calls apply: does it come?"""
    age = _age(ground, entry)
    if age is None:
        message = text("apply has not run yet")
        return warning("never_applied", subject, message, text("wait for the next minute"))
    if _is_late(entry, age):
        hint = text("does cron run, and may this user? see its log: journalctl -u cron")
        return problem("apply_late", subject, _ago(age), hint)
    return ok("applied", subject, _ago(age))


def _uncalled(ground: Ground, entry: Entry, subject: Text, install: Text) -> Finding:
    """Nothing that we can see calls apply."""
    age = _age(ground, entry)
    if age is None:
        return warning("not_installed", subject, text("nothing calls apply"), install)
    if _is_late(entry, age):
        message = text("nothing calls apply; {shown}", shown=_ago(age))
        return warning("not_installed", subject, message, install)
    message = text("{shown}; what calls it is not to be seen from here", shown=_ago(age))
    return ok("applied", subject, message)


def _age(ground: Ground, entry: Entry) -> timedelta | None:
    last = last_apply(Site(entry.manifest.root), entry.name)
    return None if last is None else ground.clock.now() - last


def _is_late(entry: Entry, age: timedelta) -> bool:
    """One tick may be missed, and take its time."""
    return age > timedelta(minutes=2 * entry.every + 1)


def _ago(age: timedelta) -> Text:
    return text("the last apply was {seconds} s ago", seconds=max(0, int(age.total_seconds())))


def _python_on_cron_path() -> Iterator[Finding]:
    """For the line that the tutorial suggests."""
    if shutil.which("python", path=CRON_PATH) is None:
        message = text("cron's PATH ({path}) has no python", path=CRON_PATH)
        hint = text("write whole paths into crontabs, as mitrarr cron show does")
        yield warning("cron_python", text("crontab"), message, hint)


# Reading


def read_tables(ground: Ground) -> Tables:
    """The owner's crontab, /etc/crontab and /etc/cron.d, as far as this user may read them."""
    shared = [ground.system / "crontab", *sorted((ground.system / "cron.d").glob("*"))]
    lines = [line for path in shared for line in _lines(_text(path))]
    try:
        own = user_crontab.read(ground.environment, _other(ground))
        blocks = crontab.blocks(own)
    except (FailedError, UsageError) as error:
        missing = error.code == "no_crontab"
        trouble = None if missing else raised(error, text("crontab"))
        return Tables((), tuple(lines), trouble)
    for block in blocks:
        own = own.replace(block.content, "")
    return Tables(blocks, (*_lines(own), *lines))


def _other(ground: Ground) -> str | None:
    """Root looks into the crontab of the site's owner."""
    uid = owner(ground.site)
    if os.geteuid() == 0 and uid != 0:
        return footing.user_name(uid)
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def _lines(content: str) -> Iterator[Line]:
    path = CRON_PATH
    for line in content.splitlines():
        setting = _VARIABLE.fullmatch(line)
        if setting:
            path = setting[1].strip("\"' ")
        elif line.strip() and not line.lstrip().startswith("#"):
            yield Line(_words(line), path)


def _words(line: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(line.replace(r"\%", "%")))
    except ValueError:
        return tuple(line.split())
