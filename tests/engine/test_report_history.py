"""history and logs as text: what stands on a line, and what must not get onto it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from mitrarr_runner.engine.report.history import (
    History,
    RunLog,
    history_json,
    history_text,
    log_json,
    log_text,
    outcome_word,
)
from mitrarr_runner.store.runs import Cause, Outcome, ProcessId, Run
from mitrarr_runner.store.slots import SlotRow, SlotState
from mitrarr_runner.store.stretches import Stretch
from mitrarr_runner.text import Catalogue, text, to_data

NOW = datetime(2026, 11, 22, 6, 4, 11, tzinfo=UTC)
ZONE = ZoneInfo("America/Sao_Paulo")
SAY = Catalogue("en")


def run(number: int = 12, ended: Outcome | None = Outcome.OK, *, reason: str = "") -> Run:
    result = {
        "steps": [
            {
                "kind": "clean",
                "outcome": "ok",
                "code": "ok",
                "message": to_data(text("{n} files", n=3)),
                "seconds": 0.5,
                "counts": {"removed": 3},
            }
        ],
        "reason": to_data(text(reason)),
    }
    began = NOW - timedelta(minutes=number)
    return Run(
        number,
        "limpa",
        began.replace(second=0),
        Cause.SCHEDULE,
        0,
        ended is not None,
        ended,
        "ok",
        reason,
        ProcessId(1, "1", "b", "h"),
        "f",
        "",
        began,
        None,
        8.4,
        result,
    )


def slot(minutes: int, state: SlotState, code: str, until: datetime | None = None) -> SlotRow:
    at = (NOW - timedelta(minutes=minutes)).replace(second=0)
    return SlotRow("limpa", at, state, code, "told in English", None, until, until or at)


def stretch(row: SlotRow, count: int = 1, minutes: int = 10) -> Stretch:
    """Slots so many minutes apart, the newest of them `row`."""
    return Stretch(row, row.slot - timedelta(minutes=minutes) * (count - 1), count)


def lines(
    *runs: Run,
    stretches: tuple[Stretch, ...] = (),
    width: int | None = None,
    limit: int | None = None,
) -> list[str]:
    return history_text(History(runs, stretches, (), NOW, ZONE), SAY, width, limit)


def test_a_line_per_run() -> None:
    head, line = lines(run())
    assert head.split() == ["RUN", "JOB", "SLOT", "STARTED", "TOOK", "OUTCOME", "WHAT"]
    assert line.split(maxsplit=6) == ["r12", "limpa", "02:52", "02:52", "8s", "ok", "3 files"]


def test_of_a_night_in_which_the_clock_goes_back_both_hours_are_told_apart() -> None:
    zone = ZoneInfo("America/New_York")
    began = [datetime(2026, 11, 1, hour, 30, tzinfo=UTC) for hour in (4, 5, 6, 7)]
    runs = tuple(
        replace(run(number), slot=at, started_at=at + timedelta(seconds=2))
        for number, at in enumerate(began, 1)
    )
    shown = history_text(History(runs, (), (), began[-1], zone), SAY)
    assert [line.split()[2:4] for line in shown[:0:-1]] == [
        ["00:30", "00:30"],
        ["01:30-04:00", "01:30-04:00"],
        ["01:30-05:00", "01:30-05:00"],
        ["02:30", "02:30"],
    ]


@pytest.mark.parametrize(
    ("zone", "instant", "shown"),
    [
        ("America/New_York", "2026-11-01T06:59:59+00:00", "01:59-05:00"),
        ("America/New_York", "2026-11-01T07:00:00+00:00", "02:00"),
        ("America/New_York", "2026-03-08T06:59:00+00:00", "01:59"),  # before the gap
        ("America/New_York", "2026-03-08T07:00:00+00:00", "03:00"),  # after it
        ("Australia/Lord_Howe", "2026-04-04T14:45:00+00:00", "01:45+11:00"),
        ("Australia/Lord_Howe", "2026-04-04T15:15:00+00:00", "01:45+10:30"),
        ("UTC", "2026-11-01T05:30:00+00:00", "05:30"),
    ],
)
def test_an_hour_that_comes_twice_has_its_offset(zone: str, instant: str, shown: str) -> None:
    at = datetime.fromisoformat(instant)
    assert SAY.hour(at, ZoneInfo(zone), at) == shown
    day = SAY.hour(at, ZoneInfo(zone), at + timedelta(days=3))
    assert day.endswith(f" {shown}")


def test_a_bad_end_says_why_instead_of_what() -> None:
    (_, line) = lines(run(ended=Outcome.FAILED, reason="disk full"))
    assert line.endswith("failed   disk full")


def test_slots_in_a_row_are_one_line() -> None:
    _, line = lines(stretches=(stretch(slot(1, SlotState.PAUSED, "paused"), 3, 1),))
    assert line.split()[2] == "03:03"
    assert line.endswith("paused   3 slots since 03:01: the job was paused")


def test_a_range_of_missed_slots() -> None:
    until = NOW - timedelta(hours=25)
    row = slot(3 * 24 * 60, SlotState.MISSED_RANGE, "older_than_window", until)
    _, line = lines(stretches=(stretch(row),))
    assert "every slot since Thu 03:04: missed, and older than the window" in line
    assert "Sat 02:04" in line


def test_the_limit_counts_what_is_shown() -> None:
    newest = stretch(slot(5, SlotState.PAUSED, "paused"), 74)
    older = stretch(slot(25, SlotState.SKIPPED, "overlap"))
    told = lines(run(10), run(20), run(30), stretches=(newest, older), limit=4)
    assert [line.split()[0] for line in told[1:]] == ["-", "r10", "r20", "-"]
    assert "74 slots since" in told[1]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("need:intake", "blocked by intake, whose last run failed"),
        ("catch_up_skip", "missed, and not repeated (catch_up: skip)"),
        ("something_new", "told in English"),
    ],
)
def test_reasons_of_slots(code: str, expected: str) -> None:
    told = lines(stretches=(stretch(slot(1, SlotState.SKIPPED, code)),))
    assert told[1].endswith(expected)


def test_newest_first_whatever_it_is() -> None:
    between = stretch(slot(20, SlotState.MISSED, "catch_up_latest"))
    told = lines(run(30), run(10), stretches=(between,))
    assert [line.split()[0] for line in told[1:]] == ["r10", "-", "r30"]


def test_a_terminal_is_not_too_narrow_and_a_pipe_gets_it_all() -> None:
    long = run(ended=Outcome.FAILED, reason="x" * 200)
    assert max(map(len, lines(long, width=80))) == 80
    assert any("x" * 200 in line for line in lines(long))


def test_json_of_a_run() -> None:
    found = history_json(History((run(),), (), (), NOW, ZONE), SAY)
    (told,) = found["runs"]  # type: ignore[misc]
    assert list(told) == [
        "run",
        "job",
        "slot",
        "cause",
        "outcome",
        "code",
        "reason",
        "started_at",
        "finished_at",
        "seconds",
        "steps",
    ]
    assert told["steps"][0]["message"] == "3 files"


def test_every_outcome_has_a_word() -> None:
    words = {str(outcome_word(outcome)) for outcome in (None, *Outcome)}
    assert len(words) == len(Outcome) + 1


def test_a_log_cannot_drive_the_terminal_and_keeps_its_tabs() -> None:
    found = RunLog(run(), False, ["a\tb", "\x1b]0;title\x07", "\u2028"], NOW, ZONE)
    told = log_text("limpa", found, SAY)
    assert told[0].startswith("r12  limpa  slot 02:52  started Sun 2026-11-22 02:52:11 -03:00  ok")
    assert told[1:] == ["a\tb", "\\x1b]0;title\\x07", "\\x2028"]
    assert log_json("limpa", found)["lines"] == ["a\tb", "\x1b]0;title\x07", "\u2028"]


def test_logs_without_lines() -> None:
    assert log_text("x", None, SAY) == ["x has not run yet"]
    assert log_text("x", RunLog(run(), False, [], NOW, ZONE), SAY)[1] == "it printed nothing"
    lost = RunLog(run(ended=None), True, None, NOW, ZONE)
    assert log_text("x", lost, SAY)[0].endswith("lost")
    assert log_json("x", lost)["outcome"] == "lost"
