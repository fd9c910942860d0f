"""Volumes through the step: what is recorded, what is judged, what is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from mitrarr_runner.alerts import notify
from mitrarr_runner.clock import epoch
from mitrarr_runner.logs import EventLog
from mitrarr_runner.manifest.model import Per, Step, Volume
from mitrarr_runner.steps import check_volume
from mitrarr_runner.steps.contract import StepOutcome
from mitrarr_runner.store import readings

LABEL = "adiciona_nists"
OPTIONS = {"label": LABEL}


def declare(bench: Any, **changes: Any) -> None:
    rule = Volume(LABEL, **{"per": Per.DAY, "minimum": 20, "drop": 0.5, **changes})
    job = replace(
        bench.manifest.jobs["adiciona_nists"], steps=(Step("check_volume", {"label": LABEL}),)
    )
    bench.manifest = replace(bench.manifest, volumes={LABEL: rule}, jobs={job.name: job})


def past(bench: Any, weeks: int, value: int) -> None:
    """The same count on the same weekday and hour of earlier weeks."""
    with bench.store() as db, db.transaction():
        for week in range(1, weeks + 1):
            at = bench.clock.now() - timedelta(weeks=week, minutes=5)
            readings.add_reading(db, "prod", LABEL, -week, at, value)


def kept(bench: Any) -> Any:
    with bench.store() as db:
        (verdict,) = readings.verdicts(db, "prod")
    return verdict


def stored(bench: Any) -> list[int]:
    with bench.store() as db:
        since = bench.clock.now() - timedelta(days=1)
        return [one.value for one in readings.readings(db, "prod", LABEL, since)]


def test_a_normal_sunday_night(bench: Any) -> None:
    declare(bench)
    past(bench, 8, 200)
    result = bench.run(check_volume, OPTIONS, registered=225, no_face=3, quarantined=1)
    assert (result.outcome, result.code) == (StepOutcome.OK, "ok")
    assert str(result.message) == "today until 03:20: 228; Sunday range 100-300: normal"
    verdict = kept(bench)
    assert (verdict.kind, verdict.subject, verdict.state) == ("volume", LABEL, "ok")
    assert (verdict.detail["value"], verdict.detail["low"]) == (228, 100)


def test_low_is_an_incident_not_a_failed_job(bench: Any) -> None:
    declare(bench)
    past(bench, 8, 2000)
    result = bench.run(check_volume, OPTIONS, registered=38)
    assert (result.outcome, result.code) == (StepOutcome.OK, "low")
    assert str(result.message) == "today until 03:20: 38; Sunday range 1,000-3,000: LOW"
    with bench.store() as db:
        log = EventLog(bench.site.main_log, bench.clock)
        notify.watch(db, bench.manifest, bench.site, bench.clock, log)
    (line,) = (bench.site.logs / "alerts.log").read_text().splitlines()
    assert line.endswith(" A1 WARNING opened volume_low adiciona_nists 38<1000")


def test_the_day_so_far_adds_up_over_runs(bench: Any) -> None:
    declare(bench, drop=None)
    bench.run(check_volume, OPTIONS, registered=10)
    assert kept(bench).state == "low"
    bench.wait(minutes=10)
    bench.run(check_volume, OPTIONS, registered=10)
    assert (kept(bench).state, kept(bench).detail["value"]) == ("ok", 20)
    assert stored(bench) == [10, 10]


def test_per_run_compares_runs_and_not_with_itself(bench: Any) -> None:
    declare(bench, per=Per.RUN, minimum=0)
    past(bench, 3, 100)
    bench.run(check_volume, OPTIONS, registered=1)
    assert (kept(bench).state, kept(bench).detail["comparable"]) == ("unknown", 3)
    past(bench, 8, 100)
    bench.wait(days=1)
    result = bench.run(check_volume, OPTIONS, registered=1)
    assert result.code == "unknown"  # Monday: nothing to compare with
    bench.wait(days=6)
    assert bench.run(check_volume, OPTIONS, registered=1).code == "low"


def test_per_hour(bench: Any) -> None:
    declare(bench, per=Per.HOUR, drop=None, minimum=5)
    bench.run(check_volume, OPTIONS, registered=5)
    bench.wait(minutes=61)
    result = bench.run(check_volume, OPTIONS, registered=4)
    assert str(result.message) == "last hour until 04:21: 4; at least 5: LOW"


def test_a_retried_run_counts_once(bench: Any) -> None:
    declare(bench, drop=None)
    context = bench.context({"registered": 30})
    options = check_volume.parse(OPTIONS)
    check_volume.run(options, context)
    bench.wait(minutes=1)
    check_volume.run(options, replace(context, clock=bench.clock))
    assert stored(bench) == [30]
    assert kept(bench).detail["value"] == 30


def test_what_an_earlier_attempt_registered_is_not_forgotten(bench: Any) -> None:
    declare(bench, drop=None)
    context = bench.context({"registered": 0})
    with bench.store() as db, db.transaction():
        for number, state in enumerate(("registered", "no_face", "quarantined")):
            db.execute(
                "INSERT INTO registry (handle, source, person, sha256, bytes, state, run, at,"
                " changed_at) VALUES (:handle, 'DETRAN', 'p', :sha, 1, :state, :run, :now, :now)",
                handle=f"R{number}",
                sha=str(number),
                state=state,
                run=context.run.id,
                now=epoch(bench.clock.now()),
            )
    check_volume.run(check_volume.parse(OPTIONS), context)
    assert stored(bench) == [2]


def test_a_label_nobody_declared_gets_the_default_rule(bench: Any) -> None:
    assert bench.run(check_volume, {"label": "other"}, registered=0).code == "low"
    assert bench.run(check_volume, {"label": "other"}, registered=1).code == "ok"


def test_no_bound_at_all_is_unknown_and_opens_nothing(bench: Any) -> None:
    declare(bench, drop=None, minimum=0)
    result = bench.run(check_volume, OPTIONS)
    assert str(result.message) == "today until 03:20: 0; nothing to compare with yet"
    with bench.store() as db:
        log = EventLog(bench.site.main_log, bench.clock)
        result = notify.watch(db, bench.manifest, bench.site, bench.clock, log)
    assert result == notify.WatchResult()


def test_describe_says_how_it_stands_and_changes_nothing(bench: Any) -> None:
    declare(bench)
    past(bench, 8, 200)
    options = check_volume.parse(OPTIONS)
    with bench.store() as db:
        told = str(check_volume.describe(options, bench.view(db)))
        assert readings.verdicts(db, "prod") == ()
    assert told == "today until 03:20: 0; Sunday range 100-300: LOW"
    assert str(check_volume.describe(options, bench.view(None))) == "judges adiciona_nists"
