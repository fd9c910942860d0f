"""How is a plan pasted into a merge request? Markdown that GitLab, GitHub and Gitea read alike.

Names and values stand in code spans, so that no `_`, `@` or `#` of theirs means anything; sentences
are escaped; what is longer than a screen is folded into a details block.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from mitrarr_runner.engine import plan_words as words
from mitrarr_runner.engine.notes import Noted
from mitrarr_runner.engine.preview import DESCRIBED, Described, Preview
from mitrarr_runner.manifest.model import Manifest
from mitrarr_runner.text import Catalogue, Text, plural, text

FOLDED = 10
"""A table of more rows than this is folded."""

_SPECIAL = re.compile(r"[\\`*_{}\[\]<>#|~@&!$]")
_SPACE = re.compile(r"\s+")


def code(value: str) -> str:
    """A code span that holds in a table whatever the value is; an empty one is nothing."""
    value = _SPACE.sub(" ", value).strip().replace("|", "\\|")
    if not value:
        return ""
    longest = max((len(run) for run in re.findall("`+", value)), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest else ""
    return f"{fence}{space}{value}{space}{fence}"


def prose(sentence: str) -> str:
    """A sentence that Markdown takes for nothing else."""
    return _SPECIAL.sub(lambda match: "\\" + match[0], _SPACE.sub(" ", sentence).strip())


def slots_markdown(
    slots: Iterable[tuple[str, datetime]], manifest: Manifest, say: Catalogue
) -> Iterator[str]:
    zones = {name: ZoneInfo(job.schedule.timezone) for name, job in manifest.jobs.items()}
    rows = [[say.moment(slot, zones[job], seconds=False), code(job)] for job, slot in slots]
    yield from _table([say(text("slot")), say(text("job"))], rows, say)


def plan_markdown(shown: Preview, say: Catalogue) -> Iterator[str]:
    now, zone = shown.plan.at, ZoneInfo(shown.manifest.settings.timezone)
    yield f"## {say(text('Plan'))} {code(words.title(shown, say))}"
    yield ""
    over = words.over(shown, zone, say)
    if over:
        yield f"{prose(over)}  "
    moment = f"{say.moment(now, zone)} {shown.manifest.settings.timezone}"
    yield prose(say("{host}, {moment}. Nothing was run.", host=shown.host, moment=moment))
    if shown.changes:
        yield from _heading(say(text("Changes in the manifest")))
        yield from _changes(shown, zone, say)
    yield from _heading(say(text("Now")))
    if shown.now:
        yield from _instant(shown.now, shown, say)
    else:
        yield prose(words.nothing(shown, zone, say))
    if shown.next_at is not None:
        hour = say.hour(shown.next_at, zone, now)
        span = say.span((shown.next_at - now).total_seconds())
        yield from _heading(say(text("At {hour} (in {span})", hour=hour, span=span)))
        yield from _instant(shown.next, shown, say)
    if shown.drain is not None:
        yield from _heading(say(text("Draining")))
        yield prose(words.drain(shown.drain, zone, shown.plan.at, say))
    if shown.pauses:
        yield from _heading(say(text("Paused")))
        yield from _pauses(shown, zone, say)
    yield from _later(shown, zone, say)


def _heading(title: str) -> Iterator[str]:
    yield from ("", f"### {prose(title)}", "")


def _changes(shown: Preview, zone: ZoneInfo, say: Catalogue) -> Iterator[str]:
    rows = [_change(one, shown, zone, say) for one in shown.changes]
    titles = ["", say(text("what")), say(text("name")), say(text("change"))]
    yield from _table(titles, rows, say)


def _change(one: Noted, shown: Preview, zone: ZoneInfo, say: Catalogue) -> list[str]:
    change = one.change
    told = [code(words.edited(change, say))]
    for note in one.notes:
        told.append(prose(words.note(note, zone, shown.plan.at, say)))
        told.append(prose(", ".join(words.counts(note, zone, say))))
    return [
        code(words.SIGNS[change.kind]),
        words.section_of(change),
        code(change.name),
        "<br>".join(part for part in told if part),
    ]


def _instant(found: Sequence[Described], shown: Preview, say: Catalogue) -> Iterator[str]:
    zone = ZoneInfo(shown.manifest.settings.timezone)
    lines = words.lines(found, zone, shown.plan.at, say)
    yield prose(words.summary(found, say))
    yield ""
    rows = [
        [
            say(words.words_of(line.action)),
            code(line.job),
            line.hours,
            "<br>".join(
                [
                    prose(say(line.reason)),
                    *(f"{n}. {code(kind)} {prose(say(told))}" for n, (kind, told) in _steps(line)),
                ]
            ),
        ]
        for line in lines[:DESCRIBED]
    ]
    titles = [say(text("what")), say(text("job")), say(text("slot")), say(text("why, and how"))]
    yield from _table(titles, rows, say)
    if len(lines) > DESCRIBED:
        more = len(lines) - DESCRIBED
        yield ""
        yield say(plural("and {count} more", "and {count} more", more))


def _steps(line: words.Line) -> Iterator[tuple[int, tuple[str, Text]]]:
    return iter(enumerate(line.steps, 1))


def _pauses(shown: Preview, zone: ZoneInfo, say: Catalogue) -> Iterator[str]:
    rows = [
        [code(one.name), code(words.pause(one, zone, shown.plan.at, say)), code(one.reason)]
        for one in shown.pauses
    ]
    yield from _table([say(text("job")), say(text("since")), say(text("reason"))], rows, say)


def _later(shown: Preview, zone: ZoneInfo, say: Catalogue) -> Iterator[str]:
    rows = []
    for hour, job in words.later(shown, zone, say):
        rows.append([hour, code(job)])
        if len(rows) == DESCRIBED:
            break
    if rows:
        yield from _heading(say(text("Later")))
        yield from _table([say(text("when")), say(text("job"))], rows, say)


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]], say: Catalogue) -> Iterator[str]:
    """A table; a long one is folded, with its number of rows on the fold."""
    folded = len(rows) > FOLDED
    if folded:
        count = plural("{count} line", "{count} lines", len(rows))
        yield from ("<details>", f"<summary>{say(count)}</summary>", "")
    yield f"| {' | '.join(titles)} |"
    yield "|" + " --- |" * len(titles)
    for row in rows:
        yield f"| {' | '.join(row)} |"
    if folded:
        yield from ("", "</details>")
