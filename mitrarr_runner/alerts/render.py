"""What does a notice look like as a line, and as a letter? Words in, through `templates/`.

The templates only arrange: every word comes translated from `words.py`. Times are local, with
their offset.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

from mitrarr_runner import redact, templates
from mitrarr_runner.alerts import words
from mitrarr_runner.alerts.model import Notice, NoticeKind
from mitrarr_runner.text import Catalogue, Text, text


@dataclass(frozen=True, slots=True)
class Letter:
    """subject is one line; body ends with a newline."""

    subject: str
    body: str


def line(notice: Notice, say: Catalogue, zone: tzinfo) -> str:
    """One line of alerts.log, without its newline; nothing in it can forge another one."""
    rendered = templates.render_file(
        "alert_line.txt.j2",
        {
            "at": notice.at.astimezone(zone).isoformat(timespec="seconds"),
            "handle": notice.handle,
            "severity": say(words.severity(notice.severity)),
            "change": say(words.change(notice.kind)),
            "rule": notice.rule,
            "subject": notice.subject,
            "brief": say(words.brief(notice)),
        },
    )
    return redact.one_line(rendered.rstrip("\n"))


def letter(notice: Notice, say: Catalogue, zone: tzinfo) -> Letter:
    """A message for mail-like channels: what, since when, what was ruled out, what to do."""
    subject = text(
        "[{severity}] {sentence} ({handle})",
        severity=words.severity(notice.severity),
        sentence=words.sentence(notice),
        handle=notice.handle,
    )
    rendered = templates.render_file(
        "notice.txt.j2",
        {
            "subject": redact.one_line(say(subject)),
            "lead": redact.one_line(say(words.headline(notice))),
            "facts": _said(say, _facts(notice, say, zone)),
            "checked": _said(say, words.ruled_out(notice)),
            "advice": [redact.one_line(say(one)) for one in words.advice(notice)],
            "titles": {
                "checked": say(text("Already checked")),
                "advice": say(text("What to do")),
            },
            "footer": say(_footer(notice)),
        },
    )
    first, _, rest = rendered.partition("\n")
    return Letter(first, rest.lstrip("\n"))


def _facts(notice: Notice, say: Catalogue, zone: tzinfo) -> tuple[tuple[Text, Text], ...]:
    since = Text("{moment}", {"moment": say.moment(notice.since, zone)})
    where = text(
        "{host}, {manifest}, manifest {fingerprint}",
        host=notice.host,
        manifest=notice.manifest,
        fingerprint=notice.fingerprint or "-",
    )
    return (
        (text("Since"), since),
        (text("Rule"), Text("{value}", {"value": f"{notice.rule} {notice.subject}"})),
        (text("Server"), where),
    )


def _footer(notice: Notice) -> Text:
    """What somebody typed may hold anything; only what we wrote can be vouched for."""
    if notice.kind is NoticeKind.MANUAL:
        return text("Typed by a person; long numbers are masked.")
    return text("No personal data in this message.")


def _said(say: Catalogue, pairs: tuple[tuple[Text, Text], ...]) -> list[tuple[str, str]]:
    return [(say(label), redact.one_line(say(value))) for label, value in pairs]
