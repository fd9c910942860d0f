"""status: the verdict, what needs a person, the table of jobs; golden files of whole screens."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mitrarr_runner import schedule
from mitrarr_runner.clock import FixedClock
from mitrarr_runner.delivery.desk import Shown
from mitrarr_runner.engine.report import ended
from mitrarr_runner.engine.report.needs import needs
from mitrarr_runner.engine.report.standing import (
    Event,
    JobStanding,
    Mark,
    SpoolStanding,
    Standing,
    VolumeStanding,
    events,
    outcome,
    standing,
)
from mitrarr_runner.engine.report.status import _legend, status_json, status_text, verdict
from mitrarr_runner.engine.state import forget_future
from mitrarr_runner.intake.spool import SpoolFile, SpoolLook
from mitrarr_runner.manifest.model import Severity
from mitrarr_runner.store import deliveries, jobs, pauses, slots
from mitrarr_runner.store.drains import Drain
from mitrarr_runner.store.incidents import Incident, IncidentState
from mitrarr_runner.store.jobs import JobMemory
from mitrarr_runner.store.pauses import Pause, Paused
from mitrarr_runner.store.registry import Noted, Record, State
from mitrarr_runner.store.runs import Cause, Outcome, ProcessId, Run
from mitrarr_runner.store.slots import SlotRow, SlotState
from mitrarr_runner.text import LANGUAGES, Catalogue, text

GOLDEN = Path(__file__).with_name("golden")
NOW = datetime(2026, 11, 22, 6, 4, 11, tzinfo=UTC)  # 03:04:11 in São Paulo
ZONE = ZoneInfo("America/Sao_Paulo")
SAY = Catalogue("en")
EMPTY = Standing("prod", "41be09d00000", NOW, ZONE, "srv-ingest01", disk=71)


def run(number: int, job: str, ago: timedelta, ended: Outcome | None, seconds: float = 18) -> Run:
    began = NOW - ago
    return Run(
        number,
        job,
        began.replace(second=0),
        Cause.SCHEDULE,
        0,
        ended is not None,
        ended,
        "code",
        "",
        ProcessId(1, "1", "boot", "srv-ingest01"),
        "41be09d",
        "",
        began,
        None if ended is None else began + timedelta(seconds=seconds),
        None if ended is None else seconds,
        {},
    )


def past(job: str, marks: str, last: timedelta, seconds: float = 18) -> tuple[Event, ...]:
    """Events ten minutes apart, the newest `last` ago; "." ok, "d" deferred, "F" failed, "P"..."""
    letters = {say[0]: mark for mark, say in ((m, str(t)) for m, t in _legend().items())}
    found = []
    for position, letter in enumerate(marks):
        ago = last + timedelta(minutes=10 * (len(marks) - 1 - position))
        mark = letters[letter]
        ran = None
        if mark.value in tuple(Outcome):
            ran = run(9000 + position, job, ago, Outcome(mark.value), seconds)
        found.append(Event(NOW - ago, mark, (NOW - ago).replace(second=0), ran))
    return tuple(found)


def stood(name: str, events: tuple[Event, ...], **more: Any) -> JobStanding:
    """A job with this past: its last run is the newest in it."""
    last = next((event.run for event in reversed(events) if event.run), None)
    return JobStanding(name, events=events, last_run=last, **more)


def spool(source: str, *, arriving: int = 0, oldest: int | None = None) -> SpoolStanding:
    ready = (SpoolFile("x", 1, 10, 0, 0),) if oldest and oldest > 60 else ()
    return SpoolStanding(source, SpoolLook(ready=ready, arriving=arriving, oldest=oldest))


def incident(number: int, rule: str, subject: str, severity: Severity, **more: Any) -> Incident:
    options = {"state": IncidentState.FIRING, "detail": {}, **more}
    since = options.pop("since", NOW - timedelta(minutes=33))
    return Incident(number, rule, subject, severity, since=since, **options)


def volume(label: str, low: int, high: int | None) -> VolumeStanding:
    message = text(
        "today until {hour}: {value}; at least {low}: {judged}",
        hour="03:00",
        value=228,
        low=low,
        judged=text("normal"),
    )
    return VolumeStanding(label, NOW - timedelta(minutes=4), low, high, message)


def healthy() -> Standing:
    minute = timedelta(minutes=4, seconds=9)
    return replace(
        EMPTY,
        applied=NOW - timedelta(seconds=11),
        jobs=(
            stood(
                "adiciona_nists",
                past("adiciona_nists", "............", minute, 43),
                last_slot=NOW - minute,
                next_slot=NOW + timedelta(minutes=5, seconds=49),
            ),
            stood(
                "confere_findface",
                past("confere_findface", "....~.......", timedelta(hours=1, minutes=4)),
                next_slot=datetime(2026, 11, 22, 7, 0, tzinfo=UTC),
            ),
            JobStanding("novo", next_slot=datetime(2026, 11, 23, 6, 0, tzinfo=UTC)),
        ),
        spools=(spool("DETRAN", arriving=3, oldest=40), spool("DETRAN_MG")),
        registry={State.REGISTERED: 1200, State.NO_FACE: 3, State.QUARANTINED: 0},
        deliveries={deliveries.State.SENT: 1200},
        registered_today=228,
        sent_today=236,
        volumes=(volume("adiciona_nists", 140, 270),),
    )


def troubled() -> Standing:
    base = healthy()
    pause = Pause(
        Paused.JOB,
        "envia_relatorio",
        "operador.b",
        "SMTP em manutenção",
        NOW - timedelta(2.4),
        None,
    )
    sender, checker, _ = base.jobs
    return replace(
        base,
        jobs=(
            stood(
                "adiciona_nists",
                past("adiciona_nists", ".........ddd", timedelta(minutes=4, seconds=9), 72),
                next_slot=sender.next_slot,
            ),
            JobStanding(
                "rsync_espelho",
                running=run(8839, "rsync_espelho", timedelta(minutes=3, seconds=2), None),
                events=past("rsync_espelho", "............", timedelta(days=1)),
                next_slot=datetime(2026, 11, 23, 6, 0, tzinfo=UTC),
            ),
            checker,
            stood(
                "envia_relatorio",
                past("envia_relatorio", ".........PPP", timedelta(days=2.4), 9),
                pause=pause,
            ),
            stood("limpeza", past("limpeza", "..FFF", timedelta(hours=2)), failures=3),
        ),
        spools=(
            spool("DETRAN", arriving=3, oldest=40),
            SpoolStanding(
                "DETRAN_MG",
                trouble=text(
                    "spool of {source}: nothing is mounted at {mount}",
                    source="DETRAN_MG",
                    mount="/dados",
                ),
                hint=text("mount the disk; nothing was read and nothing is lost"),
            ),
        ),
        registry={State.REGISTERED: 1200, State.QUARANTINED: 5},
        deliveries={
            deliveries.State.PENDING: 97,
            deliveries.State.SENDING: 2,
            deliveries.State.PARKED: 7,
            deliveries.State.SENT: 1200,
        },
        sent_today=129,
        incidents=(
            incident(
                139,
                "job_paused",
                "destination:findface",
                Severity.WARNING,
                since=NOW - timedelta(hours=5),
                detail={"actor": "operador.b", "reason": "troca de disco"},
            ),
            incident(
                142,
                "destination_down",
                "findface",
                Severity.CRITICAL,
                detail={"code": "refused"},
                ack_by="operador.a",
                ack_reason="chamado 71",
                ack_at=NOW,
            ),
            incident(
                143, "volume_low", "adiciona_nists", Severity.WARNING, state=IncidentState.PENDING
            ),
        ),
        down={"findface": "refused"},
        quarantined=[quarantined(311), quarantined(310), quarantined(309)],
        parked=[parked(902), parked(901), parked(900)],
    )


def quarantined(number: int) -> Record:
    finding = Noted(
        "nist_truncated",
        "error",
        text(
            "file truncated: it ends {remaining} bytes into record {record}", remaining=4, record=3
        ),
    )
    return Record(
        number,
        f"Q{number}",
        "DETRAN",
        "1234567890",
        "T",
        "ab" * 32,
        20480,
        1,
        State.QUARANTINED,
        "nist_truncated",
        (finding,),
        None,
        "",
        NOW,
        NOW,
    )


def parked(number: int) -> Shown:
    return Shown(
        f"D{number}",
        "findface",
        "DETRAN",
        deliveries.State.PARKED,
        "server_no_face",
        "R7",
        NOW,
        NOW,
        None,
        (),
    )


def never() -> Standing:
    return replace(
        EMPTY, jobs=(JobStanding("adiciona_nists", next_slot=NOW + timedelta(minutes=6)),)
    )


@pytest.mark.parametrize("name", ["never", "healthy", "troubled"])
def test_the_whole_screen(name: str) -> None:
    screen = "\n".join(status_text(globals()[name](), SAY, 80)) + "\n"
    golden = GOLDEN / f"status_{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        golden.write_text(screen, encoding="utf-8")
    assert screen == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["never", "healthy", "troubled"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_terminal_of_80_columns_of_latin_1_is_enough(name: str, language: str) -> None:
    for line in status_text(globals()[name](), Catalogue(language), 80):
        assert len(line) <= 80, line
        line.encode("latin-1")


def test_nothing_is_cut_or_wrapped_into_a_pipe() -> None:
    job = stood("j" * 64, past("j" * 64, "....F", timedelta(hours=1)), failures=1)
    lines = status_text(replace(healthy(), jobs=(job,)), SAY, None)
    assert any(line.startswith("j" * 64) for line in lines)
    assert any(f"mitrarr logs {'j' * 64}" in line for line in lines)
    narrow = status_text(replace(healthy(), jobs=(job,)), SAY, 80)
    assert not any(line.startswith("j" * 64) for line in narrow)


def test_what_people_typed_cannot_forge_a_line_or_drive_the_terminal() -> None:
    pause = Pause(Paused.JOB, "j", "a\x1b[2Jb", "x\nOK  all is well", NOW, None)
    lines = status_text(replace(healthy(), jobs=(JobStanding("j", pause=pause),)), SAY, None)
    assert not any("\x1b" in line or "\n" in line for line in lines)
    assert any("\\x0a" in line for line in lines)


def skipped_slot(ago: timedelta) -> Event:
    """One that no run has: the run before it was still going."""
    return Event(NOW - ago, Mark.SKIPPED, NOW - ago)


@pytest.mark.parametrize(
    ("marks", "state"),
    [
        *(("m~", "SKIPPED"), ("~~", "SKIPPED x2"), (".F~", "SKIPPED"), ("~.", "OK")),
        *(("~m", "MISSED"), (".mm", "MISSED x2"), ("." + 11 * "m", "MISSED x11")),
        (12 * "m", "MISSED x12+"),  # the strip does not know what was before it
    ],
)
def test_a_run_that_was_skipped_is_the_newest_that_happened(marks: str, state: str) -> None:
    """Exit code 75; only a slot that never began says nothing about the job."""
    for after in ((), (skipped_slot(timedelta(minutes=1)),)):
        job = stood("x", (*past("x", marks, timedelta(minutes=5)), *after))
        (line,) = [
            line
            for line in status_text(replace(EMPTY, jobs=(job,)), SAY, None)
            if line.startswith("x  ")
        ]
        assert line.removeprefix("x    ").split("  ")[0] == state


def test_the_run_that_failed_is_named_and_not_the_skipped_one_after_it() -> None:
    job = stood("x", past("x", ".F~", timedelta(minutes=5)), failures=1)
    told = "\n".join(status_text(replace(EMPTY, applied=NOW, jobs=(job,)), SAY, None))
    assert "x failed (r9001)" in told
    assert "since 02:49" in told


def test_slots_without_a_run_say_nothing_of_the_job() -> None:
    job = stood("x", (skipped_slot(timedelta(minutes=9)), skipped_slot(timedelta(minutes=1))))
    assert "x    -" in "\n".join(status_text(replace(EMPTY, jobs=(job,)), SAY, None))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_letter_of_the_last_column_is_another_one(language: str) -> None:
    say = Catalogue(language)
    letters = [say(word)[:1] for word in _legend().values()]
    assert len(set(letters)) == len(letters) == len(Mark)
    assert all(say(word)[1] == " " for word in _legend().values())


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        (EMPTY, "OK  1 thing waits, nothing urgent"),
        (replace(healthy(), parked=[parked(1)]), "OK  1 thing waits, nothing urgent"),
        (troubled(), "CRITICAL  1 critical, 3 warnings"),
        (replace(healthy(), broken=True), "WARNING  1 warning"),
        (replace(healthy(), applied=NOW - timedelta(hours=2)), "CRITICAL  1 critical"),
        (replace(healthy(), overdue=True), "CRITICAL  1 critical"),
    ],
)
def test_the_verdict(standing: Standing, expected: str) -> None:
    assert str(verdict(needs(standing, SAY))) == expected


def test_an_incident_that_nobody_was_told_of_is_in_json_only() -> None:
    standing = replace(troubled(), incidents=troubled().incidents[2:], down={})
    assert not any("A143" in line for line in status_text(standing, SAY))
    found = status_json(standing)["incidents"]
    assert found == [
        {
            "handle": "A143",
            "rule": "volume_low",
            "subject": "adiciona_nists",
            "severity": "warning",
            "state": "pending",
            "since": "2026-11-22T05:31:11Z",
        }
    ]


def test_a_problem_that_an_incident_tells_of_is_told_once() -> None:
    alone = replace(
        healthy(),
        jobs=(stood("x", past("x", "FF", timedelta(hours=1)), failures=2),),
        quarantined=[quarantined(1)],
        registry={State.QUARANTINED: 1},
    )
    assert [need.handle for need in needs(alone, SAY)] == ["-", "Q1"]
    told = replace(
        alone,
        incidents=(
            incident(
                1,
                "job_failed",
                "x",
                Severity.CRITICAL,
                detail={"times": 2, "run": "r9", "code": "e"},
            ),
            incident(
                2, "quarantine", "DETRAN", Severity.WARNING, detail={"count": 1, "newest": "Q1"}
            ),
        ),
    )
    assert [need.handle for need in needs(told, SAY)] == ["A1", "A2"]


def test_json_is_the_contract() -> None:
    found = status_json(troubled())
    assert list(found) == ["jobs", "registry", "deliveries", "incidents"]
    assert found["registry"] == {"registered": 1200, "no_face": 0, "quarantined": 5}
    assert found["deliveries"] == {"pending": 97, "sending": 2, "sent": 1200, "parked": 7}
    jobs = found["jobs"]
    assert isinstance(jobs, list)
    assert jobs[3] == {
        "name": "envia_relatorio",
        "state": "paused",
        "paused": True,
        "paused_by": "operador.b",
        "paused_until": None,
        "last_slot": None,
        "last_outcome": "skipped",
        "next_slot": None,
        "consecutive_failures": 0,
    }
    assert [job["state"] for job in jobs] == ["idle", "running", "idle", "paused", "idle"]
    assert jobs[0]["next_slot"] == "2026-11-22T06:10:00Z"
    assert jobs[4]["consecutive_failures"] == 3


def test_a_job_that_runs_while_paused_is_running_and_paused() -> None:
    pause = Pause(Paused.JOB, "x", "a", "", NOW, NOW + timedelta(hours=1))
    job = JobStanding("x", running=run(1, "x", timedelta(minutes=1), None), pause=pause)
    (told,) = status_json(replace(EMPTY, jobs=(job,)))["jobs"]  # type: ignore[misc]
    assert (told["state"], told["paused"], told["paused_until"]) == (
        "running",
        True,
        "2026-11-22T07:04:11Z",
    )


def test_every_outcome_is_one_of_the_contract() -> None:
    allowed = ["ok", "failed", "timeout", "lost", "blocked", "skipped", "replaced", "deferred"]
    told = {mark: outcome(Event(NOW, mark)) for mark in Mark}
    assert {str(value) for value in told.values()} == set(allowed)
    assert told[Mark.STOPPED] is told[Mark.MISSED] is told[Mark.PAUSED] is Outcome.SKIPPED
    assert outcome(None) is None


def test_runs_and_slots_become_one_row_of_events() -> None:
    ran = [run(2, "x", timedelta(minutes=5), None), run(1, "x", timedelta(minutes=30), Outcome.OK)]
    rows = [
        SlotRow(
            "x",
            NOW - timedelta(minutes=20),
            SlotState.MISSED_RANGE,
            "",
            "",
            None,
            NOW - timedelta(minutes=15),
            NOW - timedelta(minutes=14),
        ),
        SlotRow("x", NOW - timedelta(minutes=30), SlotState.CLAIMED, "", "", 1, None, NOW),
        SlotRow("x", NOW, SlotState.QUEUED, "", "", None, None, NOW),
    ]
    assert [event.mark for event in events(ran, rows)] == [Mark.OK, Mark.MISSED]
    assert events(ran, rows)[1].slot == NOW - timedelta(minutes=15)
    assert [event.mark for event in events(ran, rows, lost=2)] == [Mark.OK, Mark.MISSED, Mark.LOST]


def test_the_range_of_today_stands_beside_the_count() -> None:
    def today(*volumes: VolumeStanding) -> list[str]:
        lines = status_text(replace(healthy(), volumes=volumes), SAY, 80)
        start = next(n for n, line in enumerate(lines) if line.startswith("TODAY"))
        return lines[start:]

    assert today() == ["TODAY   registered 228   sent 236"]
    assert today(volume("a", 140, 270)) == [
        "TODAY   registered 228 (usual until 03:00: 140-270)   sent 236"
    ]
    assert today(volume("a", 140, None)) == [
        "TODAY   registered 228 (at least 140 until 03:00)   sent 236"
    ]
    assert today(volume("a", 140, 270), volume("b", 5, None)) == [
        "TODAY   registered 228   sent 236",
        "        a   today until 03:00: 228; at least 140: normal",
        "        b   today until 03:00: 228; at least 5: normal",
    ]


def test_a_drain_is_in_the_first_line_and_needs_somebody() -> None:
    drain = Drain("operador.b", "reboot", NOW - timedelta(minutes=5))
    lines = status_text(replace(healthy(), drain=drain), SAY, 80)
    assert lines[0].startswith("WARNING  1 warning, DRAINING  ")
    assert lines[4:7] == [
        ' - DRAINING  by operador.b, nothing new is started: "reboot"',
        "             since 02:59 (5m00s)",
        "             start runs again: mitrarr drain --off",
    ]
    reminded = replace(
        healthy(),
        drain=drain,
        incidents=(
            incident(
                1,
                "job_paused",
                "manifest:prod",
                Severity.WARNING,
                detail={"actor": "operador.b", "reason": "reboot"},
            ),
        ),
    )
    assert [need.handle for need in needs(reminded, SAY)] == ["A1"], "told once"


# -- between a slot and the instant at which it is due


def test_whose_turn_is_next_is_told_by_when_it_is_due() -> None:
    late = JobStanding("late", next_slot=NOW - timedelta(minutes=1), jitter=timedelta(minutes=9))
    soon = JobStanding("soon", next_slot=NOW + timedelta(minutes=2))
    told = ended._next(replace(EMPTY, jobs=(late, soon)), SAY)
    assert told == "Next slot: soon 03:06"
    assert ended._next(replace(EMPTY, jobs=(late,)), SAY) == "Next slot: late 03:12"


def test_what_is_due_now_comes_first() -> None:
    soon = JobStanding("soon", next_slot=NOW + timedelta(minutes=2))
    due = [JobStanding(name, due=NOW - timedelta(minutes=14)) for name in "abcd"]
    late = replace(soon, name="late", due=NOW - timedelta(minutes=4))
    told = ended._next(replace(EMPTY, jobs=(soon, late)), SAY)
    assert told == "Next slot: late 03:00 (due now)"
    told = ended._next(replace(EMPTY, jobs=(soon, late, *due[:2])), SAY)
    assert told == "Next slot: a 02:50, b 02:50, late 03:00 (due now)"
    told = ended._next(replace(EMPTY, jobs=(soon, late, *due)), SAY)
    assert told == "Next slot: a 02:50, b 02:50, c 02:50, ... (due now)"


class Jittered:
    """limpeza at :30 with jitter, known since an hour before; asked 10 s after the slot."""

    SLOT = datetime(2026, 11, 22, 6, 30, tzinfo=UTC)
    WAIT = timedelta(seconds=schedule.jitter("limpeza", 3600))
    HOUR = timedelta(hours=1)

    def __init__(self, site: Any, job: Any) -> None:
        line = {"cron": "30 * * * *", "jitter": "1h"}
        site.write(jobs={"limpeza": {**job("true"), "schedule": line}})
        self.manifest, self.site = site.manifest, site.site
        self.clock = FixedClock(self.SLOT + timedelta(seconds=10))
        self.db = site.store()
        self.known(self.SLOT - self.HOUR)

    def known(self, floor: datetime, cron: str = "30 * * * *") -> None:
        mark = schedule.fingerprint(cron, ZONE.key)
        with self.db.transaction():
            self.db.execute("DELETE FROM jobs")
            memory = JobMemory("limpeza", mark, floor, None, False)
            jobs.remember(self.db, "prod", [memory], floor)

    def next(self, **more: Any) -> datetime | None:
        db = more.get("db", self.db)
        return standing(db, self.manifest, self.site, self.clock).jobs[0].next_slot


@pytest.fixture
def jittered(site: Any, job: Any) -> Iterator[Jittered]:
    made = Jittered(site, job)
    assert timedelta(minutes=10) < made.WAIT < timedelta(hours=1), "the name was chosen for it"
    yield made
    made.db.close()


def test_a_slot_whose_jitter_still_runs_is_the_next_one(jittered: Jittered) -> None:
    """The contract's next_slot is nominal; a person reads when the job runs."""
    found = standing(jittered.db, jittered.manifest, jittered.site, jittered.clock)
    (job,) = found.jobs
    due = jittered.SLOT + jittered.WAIT
    assert (job.next_slot, job.next_due) == (jittered.SLOT, due)
    assert status_json(found)["jobs"][0]["next_slot"] == "2026-11-22T06:30:00Z"
    row = next(line for line in status_text(found, SAY) if line.startswith("limpeza"))
    assert SAY.hour(due, ZONE, found.at) in row
    assert "03:30" not in row
    jittered.clock.instant = due
    assert jittered.next() == jittered.SLOT + jittered.HOUR


def test_a_slot_that_was_dealt_with_does_not_come_again(jittered: Jittered) -> None:
    """Whether its row is later than the last slot, or pruned and only remembered."""
    with jittered.db.transaction():
        slots.put(
            jittered.db, "prod", "limpeza", jittered.SLOT, SlotState.SKIPPED, code="x",
            now=jittered.clock.now(),
        )  # fmt: skip
    assert jittered.next() == jittered.SLOT + jittered.HOUR
    with jittered.db.transaction():
        jittered.db.execute("DELETE FROM slots")
        jobs.handled(jittered.db, "prod", "limpeza", jittered.SLOT)
    assert jittered.next() == jittered.SLOT + jittered.HOUR


def test_a_clock_that_went_back_brings_no_slot_a_second_time(jittered: Jittered) -> None:
    """By an hour, before and after the apply that forgets what it remembers of the future."""
    slot, hour = jittered.SLOT, jittered.HOUR
    with jittered.db.transaction():
        for done in (slot, slot + hour):
            slots.put(jittered.db, "prod", "limpeza", done, SlotState.CLAIMED, code="ran", now=done)
        jobs.handled(jittered.db, "prod", "limpeza", slot + hour)
    assert jittered.next() == slot + 2 * hour
    with jittered.db.transaction():
        assert forget_future(jittered.db, "prod", jittered.clock.now())
    assert jittered.next() == slot + 2 * hour


def test_a_slot_before_the_job_was_known_does_not_come(jittered: Jittered) -> None:
    after = jittered.SLOT + jittered.HOUR
    jittered.known(jittered.SLOT + timedelta(seconds=5))
    assert jittered.next() == after
    jittered.known(jittered.SLOT - jittered.HOUR, cron="another line")
    assert jittered.next() == after, "the next apply begins anew with the changed line"
    assert jittered.next(db=None) == after, "never applied: nothing of the past is run"


def test_a_pause_over_the_slot_or_over_its_due_instant_takes_it_away(jittered: Jittered) -> None:
    slot, due, minute = jittered.SLOT, jittered.SLOT + jittered.WAIT, timedelta(minutes=1)
    after = slot + jittered.HOUR
    cases = [
        (slot - minute, slot + timedelta(seconds=5), after),  # over, and the slot fell into it
        (slot - minute, due - minute, after),
        (slot + timedelta(seconds=5), due + minute, after),
        (slot + timedelta(seconds=5), due - minute, slot),  # neither: it runs
        (slot - minute, None, None),
    ]
    for at, until, expected in cases:
        pause = Pause(Paused.JOB, "limpeza", "operador.b", "", at, until)
        with jittered.db.transaction():
            pauses.remove(jittered.db, "prod", Paused.JOB, "limpeza")
            pauses.put(jittered.db, "prod", pause)
        assert jittered.next() == expected, (at, until)


# -- a store with which apply cannot work


def test_apply_that_fails_is_not_apply_that_is_not_called() -> None:
    """Slots wait in both cases; what is to be done differs."""
    waiting = replace(EMPTY, applied=NOW - timedelta(hours=3), overdue=True)
    (need,) = needs(waiting, SAY)
    assert "is cron alive?" in str(need.lines[0])
    failing = replace(waiting, failing=NOW - timedelta(seconds=20))
    (need,) = needs(failing, SAY)
    assert need.severity is Severity.CRITICAL
    assert [str(line) for line in need.lines] == [
        "apply is called, but could not work with the store (20s ago)",
        "see why: mitrarr apply",
    ]
    told = "\n".join(status_text(failing, SAY))
    assert "apply FAILS (the last good one 3h00m ago)" in told
    assert "cron" not in told
    (need,) = needs(replace(failing, config="/site/configs/guardian.json"), SAY)
    assert str(need.lines[1]) == "see why: mitrarr apply /site/configs/guardian.json"
    never = replace(failing, applied=None, overdue=False)
    assert status_text(never, SAY)[1].startswith("apply FAILS  manifest")
    gone = replace(failing, failing=NOW - timedelta(hours=1))
    assert "cron SILENT" in "\n".join(status_text(gone, SAY))


def test_a_full_disk_of_the_store_is_said_once() -> None:
    full = replace(EMPTY, applied=NOW, full=Path("/site/state/mitrarr.db"))
    failing = replace(full, failing=NOW)
    for one in (full, failing):
        (need,) = needs(one, SAY)
        assert need.severity is Severity.CRITICAL
        assert str(need.lines[0]) == "the disk of the store is full: /site/state/mitrarr.db"
        assert str(need.lines[1]).startswith("free some space")


@pytest.mark.parametrize(
    ("failures", "told"),
    [
        (1, "a: r7 was lost, its process is gone"),
        (2, "a failed 2 times in a row (last: r7, lost)"),
    ],
)
def test_a_lost_run_did_not_fail(failures: int, told: str) -> None:
    lost = run(7, "a", timedelta(minutes=3), None)
    event = Event(lost.started_at, Mark.LOST, lost.slot, lost)
    one = replace(EMPTY, applied=NOW, jobs=(stood("a", (event,), failures=failures),))
    (need,) = needs(one, SAY)
    assert str(need.lines[0]) == told


def test_the_disk_is_the_one_of_the_store(
    site: Any, job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """state/ may lie on a disk of its own."""
    site.write(jobs={"a": job("true")})
    real = os.statvfs

    def statvfs(path: Any) -> Any:
        found = list(real(path))
        found[2:5] = [1000, 900, 900] if Path(path) == site.root else [1000, 0, 0]
        return os.statvfs_result(found)

    monkeypatch.setattr(os, "statvfs", statvfs)
    look = FixedClock(NOW)
    found = standing(None, site.manifest, site.site, look)
    assert (found.disk, found.full) == (10, None), "there is no state/ yet"
    site.site.make()
    found = standing(None, site.manifest, site.site, look)
    assert (found.disk, found.full) == (100, site.root / "state" / "mitrarr.db")


def test_a_disk_without_a_name_left_is_full(
    site: Any, job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inodes; a file system that does not count them (btrfs) says 0 of 0."""
    site.write(jobs={"a": job("true")})
    real = os.statvfs
    for files, left, full in ((1000, 0, True), (0, 0, False), (1000, 1, False)):

        def statvfs(path: Any, files: int = files, left: int = left) -> Any:
            found = list(real(path))
            found[2:8] = [10**9, 10**9, 10**9, files, left, left]
            return os.statvfs_result(found)

        monkeypatch.setattr(os, "statvfs", statvfs)
        found = standing(None, site.manifest, site.site, FixedClock(NOW))
        assert (found.full is not None) is full
        monkeypatch.setattr(os, "statvfs", real)
