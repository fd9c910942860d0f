"""How is a plan shown to a person? As text for 80 columns; nothing is cut in a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from mitrarr_runner.engine import plan_words as words
from mitrarr_runner.engine.notes import Noted
from mitrarr_runner.engine.preview import DESCRIBED, Described, Preview
from mitrarr_runner.engine.report import columns
from mitrarr_runner.engine.saved_plan import Kept
from mitrarr_runner.manifest.diff import ChangeKind
from mitrarr_runner.manifest.model import Manifest
from mitrarr_runner.text import Catalogue, plural, text

_SCREEN = 80
_MARGIN = 4


def slots_text(
    slots: Iterable[tuple[str, datetime]], manifest: Manifest, say: Catalogue
) -> Iterator[str]:
    """One line a slot, in its job's zone."""
    zones = {name: ZoneInfo(job.schedule.timezone) for name, job in manifest.jobs.items()}
    for job, slot in slots:
        yield f"{say.moment(slot, zones[job], seconds=False)}  {job}"


def plan_text(shown: Preview, say: Catalogue, width: int | None = None) -> Iterator[str]:
    """The plan, line by line. width: of the terminal; None = no line is wrapped."""
    now, zone = shown.plan.at, ZoneInfo(shown.manifest.settings.timezone)
    yield from _head(shown, zone, say, width)
    if shown.changes:
        yield ""
        yield say("CHANGES IN THE MANIFEST")
        yield from _changes(shown, zone, say, width)
    yield ""
    if shown.now:
        yield from _instant(say("NOW"), shown.now, shown, say, width)
    else:
        yield f"{say('NOW')}    {words.nothing(shown, zone, say)}"
    if shown.next_at is not None:
        yield ""
        title = say(
            "AT {hour} (in {span})",
            hour=say.hour(shown.next_at, zone, now),
            span=say.span((shown.next_at - now).total_seconds()),
        )
        yield from _instant(title, shown.next, shown, say, width)
    yield from _drain(shown, zone, say, width)
    yield from _pauses(shown, zone, say, width)
    yield from _later(shown, zone, say)
    yield from _foot(shown, say)


def _head(shown: Preview, zone: ZoneInfo, say: Catalogue, width: int | None) -> Iterator[str]:
    first = say("PLAN  {title}", title=words.title(shown, say))
    over = words.over(shown, zone, say)
    if over and len(first) + 2 + len(over) <= _SCREEN:
        first, over = f"{first}  {over}", ""
    yield first
    if over:
        yield f"      {over}"
    moment = f"{say.moment(shown.plan.at, zone)} {shown.manifest.settings.timezone}"
    yield from columns.wrapped(
        say("{host}, {moment}. Nothing was run.", host=shown.host, moment=moment), width
    )


# -- changes


def _changes(shown: Preview, zone: ZoneInfo, say: Catalogue, width: int | None) -> Iterator[str]:
    """Sign, section and name; what is edited and the notes stand beside them, or below."""
    sections = max(len(words.section_of(one.change)) for one in shown.changes)
    names = max((len(one.change.name) for one in shown.changes if _beside(one)), default=0)
    for one in shown.changes:
        change = one.change
        start = f"  {words.SIGNS[change.kind]} {words.section_of(change):<{sections}}  "
        told = [
            *_edited(one, say),
            *(words.note(note, zone, shown.plan.at, say) for note in one.notes),
        ]
        if not told:
            yield (start + change.name).rstrip()
            continue
        start += f"{change.name:<{names}}  " if names else ""
        yield from columns.wrapped_after(start, told[0], width)
        below = " " * len(start)
        for sentence in told[1:]:
            yield from columns.wrapped_after(below, sentence, width)
        for note in one.notes:
            yield from _counts(words.counts(note, zone, say), below)


def _beside(one: Noted) -> bool:
    return bool(one.notes) or one.change.kind is ChangeKind.EDITED


def _edited(one: Noted, say: Catalogue) -> list[str]:
    told = words.edited(one.change, say)
    return [told] if told else []


def _counts(counts: Sequence[str], margin: str) -> Iterator[str]:
    """As many in a line as the screen holds."""
    line = margin
    for count in counts:
        if line.strip() and len(line) + len(count) > _SCREEN:
            yield line.rstrip()
            line = margin
        line += f"{count}  "
    if line.strip():
        yield line.rstrip()


# -- instants


def _instant(
    title: str,
    found: Sequence[Described],
    shown: Preview,
    say: Catalogue,
    width: int | None,
) -> Iterator[str]:
    zone = ZoneInfo(shown.manifest.settings.timezone)
    yield f"{title}   {words.summary(found, say)}"
    lines = words.lines(found, zone, shown.plan.at, say)
    actions = max(len(say(words.words_of(line.action))) for line in lines[:DESCRIBED])
    names = max(len(line.job) for line in lines[:DESCRIBED])
    begun = len(f"  {'':<{actions}}  {'':<{names}}  ")
    room = columns.room([line.hours for line in lines[:DESCRIBED]], begun, width)
    for line in lines[:DESCRIBED]:
        start = f"  {say(words.words_of(line.action)):<{actions}}  {line.job:<{names}}  "
        yield from columns.beside(start, line.hours, room, say(line.reason), width)
        kinds = max((len(kind) for kind, _ in line.steps), default=0)
        for number, (kind, told) in enumerate(line.steps, 1):
            margin = " " * (actions + _MARGIN)
            yield from columns.wrapped_after(
                f"{margin}{number} {kind:<{kinds}}  ", say(told), width
            )
    if len(lines) > DESCRIBED:
        more = len(lines) - DESCRIBED
        yield say(plural("  and {count} more", "  and {count} more", more))


def _drain(shown: Preview, zone: ZoneInfo, say: Catalogue, width: int | None) -> Iterator[str]:
    """Nothing starts: whatever else the plan says, this comes first for who wonders."""
    if shown.drain is not None:
        yield ""
        start = f"{say(text('DRAINING'))}   "
        yield from columns.wrapped_after(
            start, words.drain(shown.drain, zone, shown.plan.at, say), width
        )


def _pauses(shown: Preview, zone: ZoneInfo, say: Catalogue, width: int | None) -> Iterator[str]:
    if shown.pauses:
        yield ""
    word = say(text("PAUSED"))
    names = max((len(pause.name) for pause in shown.pauses), default=0)
    for pause in shown.pauses[:DESCRIBED]:
        start = f"{word}   {pause.name:<{names}}  "
        yield from columns.wrapped_after(start, words.pause(pause, zone, shown.plan.at, say), width)
        if pause.reason:
            reason = say('reason: "{reason}"', reason=pause.reason)
            yield from columns.wrapped_after(" " * len(start), reason, width)
    if len(shown.pauses) > DESCRIBED:
        more = len(shown.pauses) - DESCRIBED
        yield say(plural("  and {count} more", "  and {count} more", more))


def _later(shown: Preview, zone: ZoneInfo, say: Catalogue) -> Iterator[str]:
    """The first three that fit into a line."""
    line = ""
    for number, (hour, job) in enumerate(words.later(shown, zone, say)):
        more = f"   {hour} {job}"
        if number and (number == 3 or len(line) + len(more) > _SCREEN):
            break
        line = line + more if line else f"{say('LATER')}    {more.strip()}"
    if line:
        yield ""
        yield line


def _foot(shown: Preview, say: Catalogue) -> Iterator[str]:
    lines = []
    described = any(one.steps for one in (*shown.now, *shown.next))
    if described and (shown.base is None or shown.base.at is None):
        lines.append(say("The counts are of this instant; apply counts again."))
    if shown.changes or shown.base is not None:
        lines.append(say("For a merge request: --format md"))
    elif shown.plan.starting and not isinstance(shown, Kept):
        lines.append(say("To do exactly this later: --out FILE, then apply FILE"))
    if lines:
        yield ""
        yield from lines
