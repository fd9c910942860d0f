"""Golden files: the line and the letter, in English. `MITRARR_GOLDEN=write` renews them."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mitrarr_runner.alerts import render, words
from mitrarr_runner.alerts.model import Notice, NoticeKind
from mitrarr_runner.alerts.rules import RULES
from mitrarr_runner.manifest.model import RuleWhen, Severity
from mitrarr_runner.text import Catalogue, text, to_data

GOLDEN = Path(__file__).parent / "golden"
ZONE = ZoneInfo("America/Sao_Paulo")
SAY = Catalogue("en")
NOW = datetime(2026, 11, 23, 14, 10, 4, tzinfo=UTC)

DETAIL: dict[str, dict[str, Any]] = {
    "job_failed": {"times": 3, "run": "r8841", "code": "exit_1"},
    "job_lost": {"times": 1, "run": "r8841", "code": "lost"},
    "job_blocked": {"code": "need:adiciona_nists", "reason": "", "slot": ""},
    "job_missed": {"slot": "2026-11-23T03:00-03:00", "code": "", "reason": ""},
    "job_paused": {"actor": "operador.b", "reason": "SMTP em manutenção"},
    "volume_low": {"code": "floor", "value": 38, "low": 900, "high": 1700},
    "heartbeat_late": {"message": to_data(text("last good run of {job}: never yet", job="x"))},
    "quarantine": {"count": 4, "newest": "Q311"},
    "parked": {"count": 1, "newest": "D902"},
    "destination_down": {"code": "connection_refused"},
    "manifest_broken": {"code": "invalid", "errors": 3},
    "channel_failed": {"code": "x", "message": to_data(text("cannot write {file}", file="f"))},
    "manual": {"message": "Verificar volume", "actor": "maria"},
}


def notice(rule: str, kind: NoticeKind = NoticeKind.OPENED, **changes: Any) -> Notice:
    values: dict[str, Any] = {
        "handle": "A147",
        "kind": NoticeKind.MANUAL if rule == "manual" else kind,
        "rule": rule,
        "subject": "adiciona_nists",
        "severity": Severity.WARNING,
        "since": NOW - timedelta(hours=3),
        "at": NOW,
        "detail": DETAIL.get(rule, {}),
        "checked": {
            "jobs": 17,
            "failing": [],
            "paused": [],
            "down": [],
            "unread": [],
        },
        "manifest": "prod",
        "fingerprint": "41be09d00000",
        "host": "srv-ingest01",
        **changes,
    }
    return Notice(**values)


def compare(name: str, made: str) -> None:
    path = GOLDEN / name
    if os.environ.get("MITRARR_GOLDEN") == "write":
        path.write_text(made, encoding="utf-8")
    assert made == path.read_text(encoding="utf-8")


def test_lines() -> None:
    every = [notice(when.value) for when in RuleWhen]
    every += [notice("volume_low", kind) for kind in NoticeKind if kind.value in RENDERABLE]
    every.append(
        notice(
            "digest", NoticeKind.DIGEST, handle="A-", detail={"count": 2, "handles": ["A1", "A2"]}
        )
    )
    compare("lines.txt", "".join(render.line(one, SAY, ZONE) + "\n" for one in every))


RENDERABLE = {"repeated", "worsened", "recovered", "withdrawn"}


@pytest.mark.parametrize("rule", ["volume_low", "job_paused", "manual"])
def test_letters(rule: str) -> None:
    letter = render.letter(notice(rule), SAY, ZONE)
    compare(f"letter_{rule}.txt", f"{letter.subject}\n\n{letter.body}")


@pytest.mark.parametrize("subject", ["p", "manifest:prod"])
def test_a_pause_without_a_reason_has_no_empty_quotes(subject: str) -> None:
    told = notice("job_paused", subject=subject, detail={"actor": "root", "reason": ""})
    for line in (words.brief(told), words.sentence(told), words.headline(told)):
        assert '"' not in str(line)
        assert str(line).endswith(("by root", "by=root"))


def test_what_was_not_ruled_out_is_said() -> None:
    checked = {
        "jobs": 2,
        "failing": ["a"],
        "paused": ["b"],
        "down": ["findface"],
        "unread": [],
    }
    body = render.letter(notice("volume_low", checked=checked), SAY, ZONE).body
    assert "b paused" in body
    assert "a failing, of 2" in body
    assert "findface not answering" in body


@pytest.mark.parametrize("when", list(RuleWhen))
def test_every_kind_of_rule_has_words(when: RuleWhen) -> None:
    assert when in RULES
    made = notice(when.value)
    assert str(words.sentence(made)) not in ("", when.value)
    assert str(words.brief(made))
    if when is not RuleWhen.MANUAL:
        assert words.advice(made)


@pytest.mark.parametrize("severity", list(Severity))
def test_every_severity_has_a_word(severity: Severity) -> None:
    assert str(words.severity(severity)) == severity.value.upper()


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_every_change_has_one_word(kind: NoticeKind) -> None:
    assert len(str(words.change(kind)).split()) == 1


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_a_notice_survives_the_outbox(kind: NoticeKind) -> None:
    import json

    before = notice("volume_low", kind)
    assert Notice.from_payload(json.loads(json.dumps(before.payload()))) == before


def test_nothing_forges_a_line() -> None:
    evil = notice("manual", subject="x\ny", detail={"message": "a\r\nb\u2028c", "actor": "\x1b[1m"})
    line = render.line(evil, SAY, ZONE)
    assert len(line.splitlines()) == 1
    assert "\x1b" not in line
    letter = render.letter(evil, SAY, ZONE)
    assert len(letter.subject.splitlines()) == 1
