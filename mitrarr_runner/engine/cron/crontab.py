"""What does a crontab look like with our block in it, and without? Pure: text in, text out.

A block stands between `# mitrarr:NAME begin PATH` and `# mitrarr:NAME end`; it belongs to the
manifest at PATH, so that two sites may both call theirs "prod". Everything else in a crontab is
somebody else's and is kept byte for byte. No variable is set: it would hold for the lines of
others below, too.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

from mitrarr_runner.engine.cron import comments
from mitrarr_runner.engine.cron.entries import Entry
from mitrarr_runner.errors import UsageError
from mitrarr_runner.templates import render_file
from mitrarr_runner.text import Catalogue, Text, text

_BEGIN = re.compile(r"# mitrarr:([a-z0-9_-]+) begin(?: (.*))?")
_END = re.compile(r"# mitrarr:([a-z0-9_-]+) end")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_WHEN = {1: "* * * * *", 30: "*/30 * * * *"}


@dataclass(frozen=True, slots=True)
class Block:
    """first, last: line numbers from 0, both markers included. content: those lines without their
    comments, which say nothing to cron and depend on who installed it: compare it with `block`."""

    name: str
    path: Path
    first: int
    last: int
    content: str


def block(entry: Entry, program: Path, say: Catalogue | None = None) -> str:
    """The lines to be installed for one manifest, markers included; without `say` no comments."""
    values = {
        "name": entry.name,
        "path": str(entry.path),
        "when": _WHEN[entry.every],
        "command": command(entry, program),
    }
    lines = comments.bare(render_file("crontab.j2", values), _END)
    return lines if say is None else comments.commented(lines, _words(), say)


def _words() -> tuple[Text, ...]:
    return (
        text('Made by "mitrarr cron install", taken out by "mitrarr cron remove".'),
        text(
            "cron mails what apply prints: an incident that opens, worsens or closes. To whom, a"
            " line MAILTO=... further up says. Every path is whole, so SHELL, PATH and HOME may"
            " be any."
        ),
    )


def command(entry: Entry, program: Path) -> str:
    """One command for any shell; "%" would be a line end to cron (crontab(5))."""
    words = entry.argv(program)
    if entry.environment:
        words = ("/usr/bin/env", *entry.environment, *words)
    return shlex.join(words).replace("%", r"\%")


def blocks(content: str) -> tuple[Block, ...]:
    """Every block of a crontab, in order; raises UsageError where one has no end."""
    lines = _LINE.findall(content)
    found: list[Block] = []
    opened: tuple[int, re.Match[str]] | None = None
    for number, line in enumerate(lines):
        bare = line.rstrip("\r\n")
        begin, end = _BEGIN.fullmatch(bare), _END.fullmatch(bare)
        if begin and opened is None:
            opened = number, begin
        elif end and opened is not None and end[1] == opened[1][1]:
            first, match = opened
            whole = comments.bare("".join(lines[first : number + 1]), _END)
            found.append(Block(match[1], Path(match[2] or ""), first, number, whole))
            opened = None
        elif begin or end:
            raise _torn(number)
    if opened is not None:
        raise _torn(opened[0])
    return tuple(found)


def _torn(number: int) -> UsageError:
    return UsageError(
        text("line {number} of the crontab is half of a mitrarr block", number=number + 1),
        code="crontab_block",
        hint=text("take the marker lines out by hand (crontab -e), then try again"),
    )


def put(content: str, path: Path, lines: str) -> str:
    """The crontab with `lines` as the block of the manifest at `path`: in the old one's place, or
    at the end; as it is where the old one differs in comments only. Raises UsageError."""
    mine = [found for found in blocks(content) if found.path == path]
    if not mine:
        gap = "" if not content or content.endswith("\n") else "\n"
        return content + gap + lines
    if [found.content for found in mine] == [comments.bare(lines, _END)]:
        return content
    every = _LINE.findall(content)
    for found in reversed(mine):
        every[found.first : found.last + 1] = [lines] if found is mine[0] else []
    return "".join(every)


def take(content: str, path: Path) -> str:
    """The crontab without the block of the manifest at `path`; raises UsageError."""
    every = _LINE.findall(content)
    for found in reversed(blocks(content)):
        if found.path == path:
            del every[found.first : found.last + 1]
    return "".join(every)


def difference(before: str, after: str) -> list[str]:
    """A unified diff without context: lines of others may hold what is not for a screen."""
    return [
        line.rstrip("\n")
        for line in unified_diff(
            before.splitlines(keepends=True),
            after.splitlines(keepends=True),
            "crontab",
            "crontab",
            n=0,
        )
    ]
