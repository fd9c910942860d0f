"""How is a notice put into words? One short form for the log's column, one sentence for people.

Pure: a notice in, Texts out. What a kind of rule keeps in `detail` is read here and made in
`conditions.py`, nowhere else. A verb that does not exist is not recommended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mitrarr_runner.alerts.model import Notice, NoticeKind
from mitrarr_runner.manifest.model import RuleWhen, Severity
from mitrarr_runner.text import Catalogue, Text, from_data, plural, text

_OVER = (NoticeKind.RECOVERED, NoticeKind.WITHDRAWN)


def severity(value: Severity) -> Text:
    return {
        Severity.INFO: text("INFO"),
        Severity.WARNING: text("WARNING"),
        Severity.CRITICAL: text("CRITICAL"),
    }[value]


def change(kind: NoticeKind) -> Text:
    """One word: the third column of a line in alerts.log."""
    return {
        NoticeKind.OPENED: text("opened"),
        NoticeKind.REPEATED: text("repeated"),
        NoticeKind.WORSENED: text("worsened"),
        NoticeKind.RECOVERED: text("recovered"),
        NoticeKind.WITHDRAWN: text("withdrawn"),
        NoticeKind.ACKNOWLEDGED: text("acknowledged"),
        NoticeKind.MANUAL: text("emitted"),
        NoticeKind.DIGEST: text("digest"),
    }[kind]


def lasted(notice: Notice) -> str:
    return Catalogue("en").span(max(0.0, (notice.at - notice.since).total_seconds()))


def brief(notice: Notice) -> Text:
    """The last column of a line in alerts.log; empty where there is nothing to add."""
    detail = notice.detail
    if notice.kind is NoticeKind.MANUAL:
        return _by_hand(detail)
    if notice.kind is NoticeKind.ACKNOWLEDGED:
        return text('by={actor} "{reason}"', actor=detail["actor"], reason=detail["reason"])
    if notice.kind is NoticeKind.DIGEST:
        return _digest(detail)
    if notice.kind is NoticeKind.WITHDRAWN and "retired" in detail:
        return text(
            "the manifest {name} is not applied any more, after {span}",
            name=detail["retired"],
            span=lasted(notice),
        )
    if notice.kind is NoticeKind.WITHDRAWN:
        return text("no longer in the manifest, after {span}", span=lasted(notice))
    if notice.kind is NoticeKind.RECOVERED:
        return _recovered(notice)
    return _bad(notice)


def sentence(notice: Notice) -> Text:
    """What happened, for people: the subject of a mail, a line that cron mails."""
    if notice.kind is NoticeKind.MANUAL:
        return text("{subject}: {message}", subject=notice.subject, message=_message(notice))
    if notice.kind is NoticeKind.DIGEST:
        return _digest(notice.detail)
    if notice.kind in _OVER:
        values = {"rule": notice.rule, "subject": notice.subject, "brief": brief(notice)}
        if notice.kind is NoticeKind.RECOVERED:
            return text("{rule} {subject} is over: {brief}", **values)
        return text("{rule} {subject} is not watched any more: {brief}", **values)
    told = _SENTENCES.get(notice.rule)
    return told(notice.subject, notice.detail) if told else _plain(notice.rule)


def headline(notice: Notice) -> Text:
    """`A147 WARNING opened: ...`, one line."""
    return text(
        "{handle} {severity} {change}: {sentence}",
        handle=notice.handle,
        severity=severity(notice.severity),
        change=change(notice.kind),
        sentence=sentence(notice),
    )


def advice(notice: Notice) -> tuple[Text, ...]:
    """What to do next, as lines to type."""
    if notice.kind in _OVER or notice.rule not in _ADVICE:
        return ()
    return _ADVICE[notice.rule](notice.subject, notice.detail)


def ruled_out(notice: Notice) -> tuple[tuple[Text, Text], ...]:
    """What was looked at beside the problem itself: (what, how it stands)."""
    seen = notice.checked
    lines: list[tuple[Text, Text]] = []
    if "paused" in seen:
        paused = text("{jobs} paused", jobs=", ".join(seen["paused"]))
        lines.append((text("pauses"), paused if seen["paused"] else text("no job is paused")))
    if seen.get("jobs"):
        bad = ", ".join(seen["failing"])
        told = text("{bad} failing, of {count}", bad=bad, count=seen["jobs"])
        well = plural(
            "{count} job, its last run was not bad",
            "{count} jobs, no last run was bad",
            seen["jobs"],
        )
        lines.append((text("jobs"), told if bad else well))
    if "down" in seen:
        lines.append((text("destinations"), _destinations(seen)))
    return tuple(lines)


def _destinations(seen: Mapping[str, Any]) -> Text:
    if seen["down"]:
        return text("{names} not answering", names=", ".join(seen["down"]))
    if seen["unread"]:
        return text("{names} not asked yet", names=", ".join(seen["unread"]))
    return text("all answered when last asked")


def _by_hand(detail: Mapping[str, Any]) -> Text:
    message = str(detail["message"]).replace('"', "'")
    if detail.get("actor"):
        return text('"{message}" by={actor}', message=message, actor=detail["actor"])
    return _plain(f'"{message}"')


def _plain(value: object) -> Text:
    """What needs no translation: codes, names, instants."""
    return Text("{value}", {"value": value})


def _message(notice: Notice) -> str:
    return str(notice.detail.get("message", ""))


def _digest(detail: Mapping[str, Any]) -> Text:
    return plural(
        "{count} more: {handles}", "{count} more: {handles}", detail["count"], **_handles(detail)
    )


def _handles(detail: Mapping[str, Any]) -> dict[str, object]:
    return {"handles": ", ".join(detail["handles"])}


def _recovered(notice: Notice) -> Text:
    detail, span = notice.detail, lasted(notice)
    if notice.rule != RuleWhen.VOLUME_LOW or "value" not in detail:
        return text("after {span}", span=span)
    value, low, high = (str(detail.get(key)) for key in ("value", "low", "high"))
    if detail.get("high") is None:
        return text("{value}>={low} after {span}", value=value, low=low, span=span)
    return text("{value} in {low}-{high} after {span}", value=value, low=low, high=high, span=span)


def _bad(notice: Notice) -> Text:
    told = _BRIEFS.get(notice.rule)
    return told(notice.detail) if told else _plain("")


def _streak(detail: Mapping[str, Any]) -> Text:
    return plural(
        "{run} {code}",
        "{run} {code}, {count} in a row",
        detail["times"],
        run=detail["run"],
        code=detail["code"],
    )


def _pile(detail: Mapping[str, Any]) -> Text:
    return plural(
        "{count} file ({newest})",
        "{count} files (newest {newest})",
        detail["count"],
        newest=detail["newest"],
    )


def _people(detail: Mapping[str, Any]) -> Text:
    return plural(
        "{count} person ({newest})",
        "{count} people (newest {newest})",
        detail["count"],
        newest=detail["newest"],
    )


def _need(detail: Mapping[str, Any]) -> str:
    return str(detail["code"]).removeprefix("need:")


def _pause(detail: Mapping[str, Any]) -> Text:
    if not detail["reason"]:
        return text("by={actor}", actor=detail["actor"])
    return text('by={actor} "{reason}"', actor=detail["actor"], reason=detail["reason"])


def _coded(detail: Mapping[str, Any]) -> Text:
    """A check's own sentence where it left one, else its code."""
    if isinstance(detail.get("message"), Mapping):
        return from_data(detail["message"])
    return _plain(detail.get("code", ""))


def _code(detail: Mapping[str, Any]) -> Text:
    return _plain(detail.get("code", ""))


def _problems(detail: Mapping[str, Any]) -> Text:
    if "errors" not in detail:
        return _coded(detail)
    return plural("{count} error", "{count} errors", int(detail["errors"]))


def _low(detail: Mapping[str, Any]) -> Text:
    if "value" not in detail:
        return _code(detail)
    if detail.get("code") == "rise":
        return _plain(f"{detail['value']}>{detail.get('high')}")
    return _plain(f"{detail['value']}<{detail.get('low')}")


_BRIEFS: Mapping[str, Callable[[Mapping[str, Any]], Text]] = {
    RuleWhen.JOB_FAILED: _streak,
    RuleWhen.JOB_LOST: _streak,
    RuleWhen.JOB_BLOCKED: lambda detail: text("by={need}", need=_need(detail)),
    RuleWhen.JOB_MISSED: lambda detail: _plain(detail["slot"]),
    RuleWhen.JOB_PAUSED: _pause,
    RuleWhen.VOLUME_LOW: _low,
    RuleWhen.HEARTBEAT_LATE: _coded,
    RuleWhen.QUARANTINE: _pile,
    RuleWhen.PARKED: _people,
    RuleWhen.DESTINATION_DOWN: _code,
    RuleWhen.MANIFEST_BROKEN: _problems,
    RuleWhen.CHANNEL_FAILED: _coded,
}


def _failed(subject: str, detail: Mapping[str, Any]) -> Text:
    return plural(
        "{job} failed ({code}, {run})",
        "{job} failed {count} times in a row (last: {code}, {run})",
        detail["times"],
        job=subject,
        code=detail["code"],
        run=detail["run"],
    )


def _lost(subject: str, detail: Mapping[str, Any]) -> Text:
    return plural(
        "{job} was interrupted and its end is not known ({run})",
        "{job} was interrupted {count} times in a row (last: {run})",
        detail["times"],
        job=subject,
        run=detail["run"],
    )


def _paused(subject: str, detail: Mapping[str, Any]) -> Text:
    kind, _, name = subject.rpartition(":")
    values = {"actor": detail["actor"], "reason": detail["reason"]}
    if kind == "manifest":
        if not detail["reason"]:
            return text(
                "{manifest} is draining, nothing new is started; by {actor}",
                manifest=name,
                **values,
            )
        return text(
            '{manifest} is draining, nothing new is started; by {actor}: "{reason}"',
            manifest=name,
            **values,
        )
    if not detail["reason"]:
        return text("{subject} is paused by {actor}", subject=subject, **values)
    return text('{subject} is paused by {actor}: "{reason}"', subject=subject, **values)


def _volume(subject: str, detail: Mapping[str, Any]) -> Text:
    if detail.get("high") is None:
        return text(
            "low volume: {label} {value}, expected at least {low}",
            label=subject,
            value=detail.get("value", "?"),
            low=detail.get("low", "?"),
        )
    values = {key: detail[key] for key in ("value", "low", "high")} | {"label": subject}
    if detail.get("code") == "rise":
        return text("high volume: {label} {value}, expected {low} to {high}", **values)
    return text("low volume: {label} {value}, expected {low} to {high}", **values)


_SENTENCES: Mapping[str, Callable[[str, Mapping[str, Any]], Text]] = {
    RuleWhen.JOB_FAILED: _failed,
    RuleWhen.JOB_LOST: _lost,
    RuleWhen.JOB_BLOCKED: lambda subject, detail: text(
        "{job} does not run: it needs {need}, which did not end well",
        job=subject,
        need=_need(detail),
    ),
    RuleWhen.JOB_MISSED: lambda subject, detail: text(
        "{job} missed its slot {slot} and has not run since", job=subject, slot=detail["slot"]
    ),
    RuleWhen.JOB_PAUSED: _paused,
    RuleWhen.VOLUME_LOW: _volume,
    RuleWhen.HEARTBEAT_LATE: lambda subject, detail: text(
        "heartbeat {name} is late: {what}", name=subject, what=_coded(detail)
    ),
    RuleWhen.QUARANTINE: lambda subject, detail: text(
        "{source}: {files} in quarantine", source=subject, files=_pile(detail)
    ),
    RuleWhen.PARKED: lambda subject, detail: text(
        "{destination} refused {people}", destination=subject, people=_people(detail)
    ),
    RuleWhen.DESTINATION_DOWN: lambda subject, detail: text(
        "{destination} does not take anything now ({code}); the work is kept",
        destination=subject,
        code=_code(detail),
    ),
    RuleWhen.MANIFEST_BROKEN: lambda subject, detail: text(
        "the manifest {name} cannot be used: {what}", name=subject, what=_problems(detail)
    ),
    RuleWhen.CHANNEL_FAILED: lambda subject, detail: text(
        "the alert channel {channel} fails: {what}", channel=subject, what=_coded(detail)
    ),
}


def _see(command: str) -> Text:
    return text("look: {command}", command=command)


def _see_run(subject: str, _detail: Mapping[str, Any]) -> tuple[Text, ...]:
    return (_see(f"mitrarr logs {subject}"), _see(f"mitrarr history {subject}"))


def _see_status(_subject: str, _detail: Mapping[str, Any]) -> tuple[Text, ...]:
    return (_see("mitrarr status"),)


def _resume(subject: str, _detail: Mapping[str, Any]) -> tuple[Text, ...]:
    kind, _, name = subject.rpartition(":")
    if kind == "manifest":
        return (text("start runs again: {command}", command="mitrarr drain --off"),)
    words = f"--destination {name}" if kind else name
    return (text("go on: {command}", command=f"mitrarr resume {words}"),)


_ADVICE: Mapping[str, Callable[[str, Mapping[str, Any]], tuple[Text, ...]]] = {
    RuleWhen.JOB_FAILED: _see_run,
    RuleWhen.JOB_LOST: _see_run,
    RuleWhen.JOB_BLOCKED: lambda _, detail: (_see(f"mitrarr logs {_need(detail)}"),),
    RuleWhen.JOB_MISSED: lambda subject, _: (
        text("run it now: {command}", command=f"mitrarr run {subject}"),
    ),
    RuleWhen.JOB_PAUSED: _resume,
    RuleWhen.VOLUME_LOW: lambda subject, _: (
        _see("mitrarr status"),
        text("ask who delivers the files of {label}", label=subject),
    ),
    RuleWhen.HEARTBEAT_LATE: lambda *_: (
        _see("mitrarr status"),
        text("is cron alive: {command}", command="systemctl status cron"),
    ),
    RuleWhen.QUARANTINE: lambda _, detail: (_see(f"mitrarr registry show {detail['newest']}"),),
    RuleWhen.PARKED: lambda _, detail: (_see(f"mitrarr deliveries show {detail['newest']}"),),
    RuleWhen.DESTINATION_DOWN: _see_status,
    RuleWhen.MANIFEST_BROKEN: lambda *_: (_see("mitrarr validate"),),
    RuleWhen.CHANNEL_FAILED: _see_status,
}
