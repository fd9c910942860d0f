"""From the facts in a real store to lines in a real alerts.log."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mitrarr_runner.alerts import notify
from mitrarr_runner.clock import epoch
from mitrarr_runner.errors import UsageError
from mitrarr_runner.manifest.model import Channel, Rule, RuleWhen, Severity
from mitrarr_runner.store import incidents, pauses, readings, slots
from mitrarr_runner.store.pauses import Pause, Paused
from mitrarr_runner.store.runs import Outcome
from mitrarr_runner.store.slots import SlotState

LOG = Channel("registro", "log")


def watch(house: Any, manifest: Any) -> notify.WatchResult:
    return notify.watch(house.db, manifest, house.site, house.clock, house.log)


def verdict(house: Any, kind: str, subject: str, state: str, code: str = "", **detail: Any) -> None:
    with house.db.transaction():
        readings.set_verdict(
            house.db, "prod", kind, subject, state, code, detail, house.clock.now()
        )


def test_nothing_wrong_says_nothing(house: Any, manifest: Any) -> None:
    house.ran("adiciona_nists", Outcome.OK)
    assert watch(house, manifest()) == notify.WatchResult()
    assert house.lines() == []
    assert incidents.open_incidents(house.db, "prod") == ()


def test_the_line_that_the_screens_show(house: Any, manifest: Any) -> None:
    verdict(house, "volume", "adiciona_nists", "low", "floor", value=38, low=900, high=1700)
    result = watch(house, manifest())
    assert house.lines() == [
        "2026-11-23T11:10:04-03:00 A1 WARNING opened volume_low adiciona_nists 38<900"
    ]
    (told,) = result.opened
    assert str(told) == ("A1 WARNING opened: low volume: adiciona_nists 38, expected 900 to 1,700")


def test_one_incident_over_many_applies_and_one_recovery(house: Any, manifest: Any) -> None:
    rules = Rule("job_failed", Severity.CRITICAL, ("registro",), after=2, repeat=0)
    made = manifest(rules, channels=(LOG,))
    for _ in range(10):
        house.ran("adiciona_nists", Outcome.FAILED, "exit_1")
        watch(house, made)
        watch(house, made)
        house.wait(minutes=10)
    assert house.words() == ["A1 CRITICAL opened job_failed adiciona_nists r2 exit_1, 2 in a row"]
    house.ran("adiciona_nists", Outcome.OK)
    result = watch(house, made)
    watch(house, made)
    assert house.words()[1:] == ["A1 CRITICAL recovered job_failed adiciona_nists after 1h40m"]
    assert len(result.closed) == 1
    assert incidents.open_incidents(house.db, "prod") == ()


def test_a_single_failure_below_after_is_never_told_not_even_its_end(
    house: Any, manifest: Any
) -> None:
    made = manifest(Rule("job_failed", Severity.CRITICAL, ("registro",), after=2), channels=(LOG,))
    house.ran("adiciona_nists", Outcome.FAILED)
    watch(house, made)
    (open_,) = incidents.open_incidents(house.db, "prod")
    assert open_.state is incidents.IncidentState.PENDING
    house.ran("adiciona_nists", Outcome.OK)
    assert watch(house, made) == notify.WatchResult()
    assert incidents.open_incidents(house.db, "prod") == ()
    assert house.lines() == []


def test_reminders_by_the_clock(house: Any, manifest: Any) -> None:
    made = manifest(
        Rule("job_failed", Severity.WARNING, ("registro",), after=1, repeat=3600), channels=(LOG,)
    )
    house.ran("adiciona_nists", Outcome.FAILED)
    for _ in range(13):  # 2 hours in steps of 10 minutes
        watch(house, made)
        house.wait(minutes=10)
    assert [line.split()[0][11:16] for line in house.lines()] == ["11:10", "12:10", "13:10"]
    assert [line.split()[3] for line in house.lines()] == ["opened", "repeated", "repeated"]


def test_the_built_in_rule_applies_until_the_manifest_has_one_of_its_kind(
    house: Any, manifest: Any
) -> None:
    own = Rule("job_failed", Severity.WARNING, ("registro",), jobs=("rsync_espelho",))
    house.ran("adiciona_nists", Outcome.FAILED)
    assert watch(house, manifest(own, channels=(LOG,))) == notify.WatchResult()
    watch(house, manifest())
    assert house.words() == ["A1 CRITICAL opened job_failed adiciona_nists r1 failed"]


def test_a_worse_rule_is_told_once(house: Any, manifest: Any) -> None:
    made = manifest(
        Rule("job_failed", Severity.WARNING, ("registro",), after=1, repeat=0),
        Rule("job_failed", Severity.CRITICAL, ("registro",), after=3, repeat=0),
        channels=(LOG,),
    )
    results = []
    for _ in range(5):
        house.ran("adiciona_nists", Outcome.TIMEOUT)
        results.append(watch(house, made))
        house.wait(minutes=10)
    assert [line.split()[1:3] for line in house.words()] == [
        ["WARNING", "opened"],
        ["CRITICAL", "worsened"],
    ]
    assert [len(result.worsened) for result in results] == [0, 0, 1, 0, 0]


def test_a_pause_suspends_failures_volume_and_heartbeat_and_reminds_of_itself(
    house: Any, manifest: Any
) -> None:
    made = manifest()
    now = house.clock.now()
    with house.db.transaction():
        pause = Pause(Paused.JOB, "adiciona_nists", "operador.b", "SMTP fora", now, None)
        pauses.put(house.db, "prod", pause)
    house.ran("adiciona_nists", Outcome.FAILED)
    house.ran("adiciona_nists", Outcome.LOST)
    verdict(house, "volume", "adiciona_nists", "low", "floor", value=0, low=20)
    verdict(house, "heartbeat", "scheduler", "late", "late")
    watch(house, made)
    house.wait(hours=3, minutes=59)
    watch(house, made)
    assert house.lines() == []
    house.wait(minutes=1)
    watch(house, made)
    assert house.words() == [
        'A1 WARNING opened job_paused adiciona_nists by=operador.b "SMTP fora"'
    ]
    with house.db.transaction():
        pauses.remove(house.db, "prod", Paused.JOB, "adiciona_nists")
    watch(house, made)
    told = {tuple(line.split()[2:4]) for line in house.words()[1:]}
    assert told == {
        ("recovered", "job_paused"),
        ("opened", "job_failed"),
        ("opened", "job_lost"),
        ("opened", "volume_low"),
        ("opened", "heartbeat_late"),
    }


def test_an_open_incident_of_a_job_that_is_paused_is_frozen(house: Any, manifest: Any) -> None:
    made = manifest()
    house.ran("adiciona_nists", Outcome.FAILED)
    watch(house, made)
    with house.db.transaction():
        pause = Pause(Paused.JOB, "adiciona_nists", "x", "y", house.clock.now(), None)
        pauses.put(house.db, "prod", pause)
    house.wait(hours=4, minutes=-1)
    watch(house, made)
    house.wait(hours=40)
    watch(house, made)
    assert [line.split()[2:4] for line in house.words()] == [
        ["opened", "job_failed"],
        ["opened", "job_paused"],
    ]


def test_a_paused_destination_reminds_under_its_own_name(house: Any, manifest: Any) -> None:
    with house.db.transaction():
        pause = Pause(Paused.DESTINATION, "findface", "x", "y", house.clock.now(), None)
        pauses.put(house.db, "prod", pause)
    house.wait(hours=4)
    watch(house, manifest())
    assert house.words() == ['A1 WARNING opened job_paused destination:findface by=x "y"']


def test_lost_runs(house: Any, manifest: Any) -> None:
    made = manifest()
    house.ran("rsync_espelho", Outcome.LOST, "lost")
    watch(house, made)
    assert house.words() == ["A1 CRITICAL opened job_lost rsync_espelho r1 lost"]
    house.ran("rsync_espelho", Outcome.FAILED)  # it came to an end: that is another problem
    watch(house, made)
    assert {tuple(line.split()[2:4]) for line in house.words()[1:]} == {
        ("recovered", "job_lost"),
        ("opened", "job_failed"),
    }


def test_blocked_until_it_runs(house: Any, manifest: Any) -> None:
    made = manifest()
    with house.db.transaction():
        slots.put(
            house.db,
            "prod",
            "rsync_espelho",
            house.clock.now(),
            SlotState.BLOCKED,
            code="need:adiciona_nists",
            now=house.clock.now(),
        )
    watch(house, made)
    house.wait(minutes=10)
    house.ran("rsync_espelho", Outcome.OK)
    watch(house, made)
    assert house.words() == [
        "A1 WARNING opened job_blocked rsync_espelho by=adiciona_nists",
        "A1 WARNING recovered job_blocked rsync_espelho after 10m00s",
    ]


def test_missed_and_not_made_up_for(house: Any, manifest: Any) -> None:
    slot = house.clock.now() - timedelta(hours=8, minutes=10, seconds=4)
    with house.db.transaction():
        slots.put(
            house.db,
            "prod",
            "rsync_espelho",
            slot,
            SlotState.MISSED,
            code="skip",
            now=house.clock.now(),
        )
    watch(house, manifest())
    assert house.words() == ["A1 WARNING opened job_missed rsync_espelho 2026-11-23T03:00-03:00"]


def refused(house: Any, number: int, source: str = "DETRAN") -> None:
    with house.db.transaction():
        house.db.execute(
            "INSERT INTO registry (handle, source, person, sha256, bytes, state, at, changed_at)"
            " VALUES (:handle, :source, :person, :sha, 1, 'quarantined', :now, :now)",
            handle=f"Q{number}",
            source=source,
            person=f"12345678{number}",
            sha=f"{number}",
            now=epoch(house.clock.now()),
        )


def test_quarantine_by_source_without_an_id_of_anybody(house: Any, manifest: Any) -> None:
    made = manifest()
    refused(house, 311)
    refused(house, 312, source="UNDECLARED")
    watch(house, made)
    assert house.words() == ["A1 WARNING opened quarantine DETRAN 1 file (Q311)"]
    refused(house, 313)
    watch(house, made)
    assert len(house.lines()) == 1
    (open_,) = incidents.open_incidents(house.db, "prod")
    assert open_.detail == {"count": 2, "newest": "Q313"}
    house.wait(days=1)
    watch(house, made)
    assert house.words()[1:] == ["A1 WARNING repeated quarantine DETRAN 2 files (newest Q313)"]


def test_parked_people_by_destination(house: Any, manifest: Any) -> None:
    with house.db.transaction():
        for part in ("card", "face"):
            house.db.execute(
                "INSERT INTO creates (delivery, part, state, at) VALUES (902, :part, 'parked', 1)",
                part=part,
            )
        house.db.execute(
            "INSERT INTO deliveries (id, destination, registry, source, token, at, changed_at)"
            " VALUES (902, 'findface', 1, 'DETRAN', 't', 1, 1)"
        )
    watch(house, manifest())
    assert house.words() == ["A1 WARNING opened parked findface 1 person (D902)"]


def test_a_destination_that_does_not_answer(house: Any, manifest: Any) -> None:
    made = manifest()
    verdict(house, "destination", "findface", "down", "connection_refused")
    watch(house, made)
    verdict(house, "destination", "findface", "unknown")
    house.wait(days=1)
    watch(house, made)
    verdict(house, "destination", "findface", "ok")
    watch(house, made)
    assert house.words() == [
        "A1 CRITICAL opened destination_down findface connection_refused",
        "A1 CRITICAL recovered destination_down findface after 1d00h",
    ]


def test_a_broken_manifest_leaves_everything_else_as_it_is(house: Any, manifest: Any) -> None:
    made = manifest()
    house.ran("adiciona_nists", Outcome.FAILED)
    watch(house, made)
    verdict(house, "manifest", "prod", "broken", "invalid", errors=3)
    empty = replace(made, jobs={}, sources={}, destinations={}, volumes={}, heartbeats={})
    notify.watch(
        house.db,
        empty,
        house.site,
        house.clock,
        house.log,
        only={RuleWhen.MANIFEST_BROKEN},
    )
    assert house.words()[1:] == ["A2 CRITICAL opened manifest_broken prod 3 errors"]
    assert len(incidents.open_incidents(house.db, "prod")) == 2


def test_a_job_that_left_the_manifest_is_withdrawn(house: Any, manifest: Any) -> None:
    house.ran("rsync_espelho", Outcome.FAILED)
    watch(house, manifest())
    house.wait(hours=1)
    result = watch(house, manifest(jobs=("adiciona_nists",)))
    assert house.words()[1:] == [
        "A1 CRITICAL withdrawn job_failed rsync_espelho no longer in the manifest, after 1h00m"
    ]
    assert len(result.closed) == 1


def test_high_volume_where_the_rule_watches_that_side(house: Any, manifest: Any) -> None:
    verdict(house, "volume", "adiciona_nists", "high", "rise", value=9000, low=900, high=1700)
    result = watch(house, manifest())
    assert house.words() == ["A1 WARNING opened volume_low adiciona_nists 9000>1700"]
    assert str(result.opened[0]).endswith(
        "high volume: adiciona_nists 9,000, expected 900 to 1,700"
    )


def test_a_volume_that_is_normal_again_says_by_what(house: Any, manifest: Any) -> None:
    verdict(house, "volume", "adiciona_nists", "low", "floor", value=38, low=900, high=1700)
    watch(house, manifest())
    house.wait(hours=2, minutes=39, seconds=58)
    verdict(house, "volume", "adiciona_nists", "ok", "ok", value=1466, low=1200, high=2100)
    watch(house, manifest())
    assert house.words()[1] == (
        "A1 WARNING recovered volume_low adiciona_nists 1466 in 1200-2100 after 2h39m"
    )


def test_acknowledged_incidents_are_silent_and_say_who(house: Any, manifest: Any) -> None:
    made = manifest()
    verdict(house, "volume", "adiciona_nists", "low", "floor", value=38, low=900, high=1700)
    watch(house, made)
    who = {"actor": "operador.a", "reason": "DETRAN avisado"}
    notify.acknowledge(house.db, made, house.site, house.clock, handle="A1", **who)
    house.wait(days=2)
    watch(house, made)
    assert house.words()[1:] == [
        'A1 WARNING acknowledged volume_low adiciona_nists by=operador.a "DETRAN avisado"'
    ]
    with pytest.raises(UsageError) as caught:
        notify.acknowledge(house.db, made, house.site, house.clock, handle="A77", **who)
    assert caught.value.code == "incident_unknown"


def test_portuguese_where_the_manifest_says_so(house: Any, manifest: Any) -> None:
    house.ran("adiciona_nists", Outcome.FAILED, "exit_1")
    watch(house, manifest(language="pt_BR"))
    assert len(house.lines()) == 1  # the words themselves are the catalogue's tests


def test_two_applies_at_once_open_one_incident(house: Any, manifest: Any) -> None:
    """Eight processes watch the same facts at the same time."""
    house.ran("adiciona_nists", Outcome.FAILED)
    made = manifest()
    house.db.close()
    pids = []
    for _ in range(8):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                from mitrarr_runner.store.database import open_database

                with open_database(house.db.path) as db:
                    notify.watch(db, made, house.site, house.clock, house.log)
                code = 0
            finally:
                os._exit(code)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 8
    assert house.words() == ["A1 CRITICAL opened job_failed adiciona_nists r1 failed"]


def next_due(house: Any, manifest: Any) -> timedelta | None:
    now = house.clock.now()
    moment = notify.next_due(house.db, manifest, now)
    return None if moment is None else moment - now


def test_the_next_instant_worth_waking_for(house: Any, manifest: Any) -> None:
    made = manifest()
    assert next_due(house, made) is None
    house.ran("adiciona_nists", Outcome.FAILED)
    watch(house, made)
    assert next_due(house, made) == timedelta(hours=4)
    with house.db.transaction():
        pause = Pause(Paused.JOB, "rsync_espelho", "x", "y", house.clock.now(), None)
        pauses.put(house.db, "prod", pause)
    house.wait(hours=1)
    watch(house, made)
    assert next_due(house, made) == timedelta(hours=3)


def test_a_suspended_incident_is_nothing_to_wake_for(house: Any, manifest: Any) -> None:
    own = Rule("job_paused", Severity.WARNING, ("registro",), after=0, repeat=0)
    made = manifest(own, channels=(LOG,))
    house.ran("adiciona_nists", Outcome.FAILED)
    watch(house, made)
    with house.db.transaction():
        pause = Pause(Paused.JOB, "adiciona_nists", "x", "y", house.clock.now(), None)
        pauses.put(house.db, "prod", pause)
    house.wait(hours=5)
    watch(house, made)
    assert next_due(house, made) is None


def test_deferred_ends_a_row_of_failures(house: Any, manifest: Any) -> None:
    house.ran("adiciona_nists", Outcome.FAILED)
    watch(house, manifest())
    house.ran("adiciona_nists", Outcome.SKIPPED)
    watch(house, manifest())
    assert len(house.lines()) == 1
    house.ran("adiciona_nists", Outcome.DEFERRED)
    watch(house, manifest())
    assert house.words()[1].startswith("A1 CRITICAL recovered job_failed")


def test_the_event_log_knows_of_it(house: Any, manifest: Any) -> None:
    house.ran("adiciona_nists", Outcome.FAILED)
    watch(house, manifest())
    (event,) = house.site.main_log.read_text().splitlines()
    assert event.endswith(
        "incident_opened handle=A1 rule=job_failed subject=adiciona_nists severity=critical"
    )
