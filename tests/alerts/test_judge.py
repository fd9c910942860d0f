"""The judge alone: values in, changes out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mitrarr_runner.alerts.judge import judge
from mitrarr_runner.alerts.model import Change, ChangeKind, Condition, Reading
from mitrarr_runner.manifest.model import Rule, RuleWhen, Severity
from mitrarr_runner.store.incidents import Incident, IncidentState

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LOW = RuleWhen.VOLUME_LOW
FAILED = RuleWhen.JOB_FAILED


def bad(
    when: RuleWhen = LOW,
    *,
    since: datetime = START,
    times: int = 1,
    detail: Mapping[str, object] | None = None,
) -> Condition:
    return Condition(when, "x", Reading.BAD, since, times, detail or {}, ("job_x",))


def good(when: RuleWhen = LOW) -> Condition:
    return Condition(when, "x", Reading.GOOD, jobs=("job_x",))


def unknown(when: RuleWhen = LOW) -> Condition:
    return Condition(when, "x", Reading.UNKNOWN, jobs=("job_x",))


def rule(
    when: RuleWhen = LOW,
    severity: Severity = Severity.WARNING,
    *,
    after: int = 0,
    repeat: int = 0,
    to: tuple[str, ...] = ("log",),
    jobs: tuple[str, ...] = (),
) -> Rule:
    return Rule(when.value, severity, to, after, repeat, jobs)


def firing(
    when: RuleWhen = LOW,
    severity: Severity = Severity.WARNING,
    *,
    told: datetime = START,
    acked: bool = False,
) -> Incident:
    return Incident(
        7,
        when.value,
        "x",
        severity,
        IncidentState.FIRING,
        {},
        START,
        fired_at=START,
        last_notice_at=told,
        ack_at=START if acked else None,
    )


def pending(when: RuleWhen = LOW) -> Incident:
    return Incident(7, when.value, "x", Severity.WARNING, IncidentState.PENDING, {}, START)


def kinds(changes: Iterable[Change]) -> list[str]:
    return [change.kind.value for change in changes]


def test_a_problem_opens_at_once_where_the_rule_has_no_patience() -> None:
    (change,) = judge([rule()], [bad()], [], START)
    assert (change.kind, change.severity, change.to) == (
        ChangeKind.OPENED,
        Severity.WARNING,
        ("log",),
    )


def test_seconds_of_patience() -> None:
    rules = [rule(after=300)]
    early, late = START + timedelta(seconds=299), START + timedelta(seconds=300)
    assert kinds(judge(rules, [bad()], [], early)) == ["pending"]
    assert kinds(judge(rules, [bad()], [pending()], early)) == []
    assert kinds(judge(rules, [bad()], [pending()], late)) == ["opened"]


@pytest.mark.parametrize(("times", "expected"), [(1, "pending"), (2, "opened"), (9, "opened")])
def test_failures_in_a_row_are_counted_not_timed(times: int, expected: str) -> None:
    long_ago = START - timedelta(days=3)
    found = bad(FAILED, since=long_ago, times=times)
    assert kinds(judge([rule(FAILED, after=2)], [found], [], START)) == [expected]


def test_a_problem_that_goes_before_anybody_was_told_goes_silently() -> None:
    assert kinds(judge([rule(after=300)], [good()], [pending()], START)) == ["dropped"]


def test_one_recovery_and_only_after_firing() -> None:
    assert kinds(judge([rule()], [good()], [firing()], START)) == ["recovered"]
    assert kinds(judge([rule()], [good()], [], START)) == []


@pytest.mark.parametrize("incident", [pending(), firing()])
def test_an_unknown_reading_changes_nothing(incident: Incident) -> None:
    later = START + timedelta(days=9)
    assert judge([rule(repeat=60)], [unknown()], [incident], later) == ()
    assert judge([rule()], [unknown()], [], later) == ()


def test_reminders_come_at_the_rules_pace_from_the_last_notice() -> None:
    rules = [rule(repeat=3600)]
    told = START + timedelta(hours=2)
    for seconds, expected in ((3599, []), (3600, ["repeated"])):
        now = told + timedelta(seconds=seconds)
        assert kinds(judge(rules, [bad()], [firing(told=told)], now)) == expected


def test_repeat_zero_is_never() -> None:
    assert judge([rule(repeat=0)], [bad()], [firing()], START + timedelta(days=400)) == ()


def test_a_clock_that_went_back_a_year_does_not_mute_an_incident() -> None:
    told = START + timedelta(days=365)
    assert kinds(judge([rule(repeat=3600)], [bad()], [firing(told=told)], START)) == ["repeated"]


def test_a_worse_rule_that_is_reached_tells_once() -> None:
    rules = [rule(FAILED, after=2), rule(FAILED, Severity.CRITICAL, after=10, to=("plantao",))]
    (change,) = judge(rules, [bad(FAILED, times=10)], [firing(FAILED)], START)
    assert (change.kind, change.severity) == (ChangeKind.WORSENED, Severity.CRITICAL)
    assert change.to == ("log", "plantao")
    worse = firing(FAILED, Severity.CRITICAL)
    assert judge(rules, [bad(FAILED, times=11)], [worse], START) == ()


def test_severity_never_falls_while_the_incident_is_open() -> None:
    (change,) = judge(
        [rule(repeat=60)],
        [bad()],
        [firing(severity=Severity.CRITICAL)],
        START + timedelta(seconds=60),
    )
    assert (change.kind, change.severity) == (ChangeKind.REPEATED, Severity.CRITICAL)


def test_acknowledged_is_silent_until_it_worsens() -> None:
    later = START + timedelta(days=1)
    acked = firing(acked=True)
    assert judge([rule(repeat=60)], [bad()], [acked], later) == ()
    worse = [rule(severity=Severity.CRITICAL, repeat=60)]
    assert kinds(judge(worse, [bad()], [acked], later)) == ["worsened"]
    assert kinds(judge(worse, [good()], [acked], later)) == ["recovered"]


def test_news_without_a_notice_is_noted() -> None:
    (change,) = judge([rule()], [bad(detail={"count": 3})], [firing()], START)
    assert (change.kind, change.detail) == (ChangeKind.NOTED, {"count": 3})


def test_what_is_no_longer_declared_is_withdrawn_not_recovered() -> None:
    assert kinds(judge([rule()], [], [firing()], START)) == ["withdrawn"]
    assert kinds(judge([rule()], [], [pending()], START)) == ["dropped"]


def test_a_rule_for_other_jobs_is_not_about_this_one() -> None:
    assert judge([rule(jobs=("other",))], [bad()], [], START) == ()
    assert kinds(judge([rule(jobs=("other", "job_x"))], [bad()], [], START)) == ["opened"]


# --- a little world in which the judge's decisions are carried out ------------------------------


class World:
    """Incidents as the store would keep them, and everything anybody was told."""

    def __init__(self) -> None:
        self.open: dict[str, Incident] = {}
        self.told: list[tuple[ChangeKind, Severity, datetime]] = []
        self.numbers = 0

    def apply(self, changes: Iterable[Change], now: datetime) -> None:
        for change in changes:
            key = change.when.value
            known = self.open.get(key)
            if change.kind in (ChangeKind.RECOVERED, ChangeKind.WITHDRAWN, ChangeKind.DROPPED):
                assert known is not None
                del self.open[key]
            elif known is None:
                self.numbers += 1
                self.open[key] = Incident(
                    self.numbers,
                    key,
                    change.subject,
                    change.severity,
                    IncidentState.PENDING,
                    change.detail,
                    change.since,
                )
            if change.kind in (ChangeKind.OPENED, ChangeKind.REPEATED, ChangeKind.WORSENED):
                self.open[key] = replace(
                    self.open[key],
                    state=IncidentState.FIRING,
                    severity=change.severity,
                    last_notice_at=now,
                )
            if change.kind not in (ChangeKind.PENDING, ChangeKind.NOTED, ChangeKind.DROPPED):
                self.told.append((change.kind, change.severity, now))


READINGS = st.sampled_from(["bad", "good", "unknown"])
STEPS = st.lists(st.tuples(st.integers(1, 5000), READINGS), max_size=40)
RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}


@settings(max_examples=150, deadline=None)
@given(
    steps=STEPS,
    after=st.integers(0, 6000),
    repeat=st.sampled_from([0, 600, 3600]),
    worse_after=st.integers(0, 9000),
)
def test_what_people_are_told_always_makes_sense(
    steps: list[tuple[int, str]], after: int, repeat: int, worse_after: int
) -> None:
    rules = [
        rule(after=after, repeat=repeat),
        rule(severity=Severity.CRITICAL, after=worse_after, repeat=repeat),
    ]
    world, now = World(), START
    began: datetime | None = None
    for seconds, word in steps:
        now += timedelta(seconds=seconds)
        if word == "bad":
            began = began or now
            found = bad(since=began)
        elif word == "good":
            began, found = None, good()
        else:
            found = unknown()
        before, told = dict(world.open), len(world.told)
        changes = judge(rules, [found], world.open.values(), now)
        assert len(changes) <= 1
        world.apply(changes, now)
        if word == "unknown":
            assert world.open == before
            assert len(world.told) == told
        if word == "good":
            assert not world.open
        if word == "bad" and (now - (began or now)).total_seconds() >= min(after, worse_after):
            assert world.open[LOW.value].state is IncidentState.FIRING
    _check_story(world.told, repeat)


def _check_story(told: list[tuple[ChangeKind, Severity, datetime]], repeat: int) -> None:
    """opened, then reminders and at most two rises, then one end; again from the beginning."""
    open_, severity, last = False, Severity.INFO, START
    for kind, now_severity, at in told:
        if kind is ChangeKind.OPENED:
            assert not open_
            open_ = True
        else:
            assert open_, f"{kind} of something that nobody was told of"
        if kind is ChangeKind.REPEATED:
            assert repeat
            assert (at - last).total_seconds() >= repeat
            assert now_severity is severity
        if kind is ChangeKind.WORSENED:
            assert RANK[now_severity] > RANK[severity]
        if kind is ChangeKind.RECOVERED:
            open_ = False
        severity, last = now_severity, at


@settings(max_examples=100, deadline=None)
@given(
    found=st.lists(
        st.tuples(st.sampled_from([LOW, FAILED]), st.sampled_from(["x", "y"]), READINGS),
        max_size=8,
    ),
    known=st.sets(st.tuples(st.sampled_from([LOW, FAILED]), st.sampled_from(["x", "y"]))),
)
def test_at_most_one_change_per_rule_and_subject(
    found: list[tuple[RuleWhen, str, str]], known: set[tuple[RuleWhen, str]]
) -> None:
    conditions = [Condition(when, who, Reading(word), START, 1) for when, who, word in found]
    incidents = [
        replace(firing(when), id=number, subject=who)
        for number, (when, who) in enumerate(sorted(known))
    ]
    changes = judge([rule(LOW), rule(FAILED, after=1)], conditions, incidents, START)
    keys = [(change.when, change.subject) for change in changes]
    assert len(keys) == len(set(keys))
    for change in changes:
        assert (change.incident is not None) == ((change.when, change.subject) in known)
