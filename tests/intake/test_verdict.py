from __future__ import annotations

from collections.abc import Callable
from datetime import date

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mitrarr_runner.intake import identity
from mitrarr_runner.intake.verdict import FromFile, Named, judge
from mitrarr_runner.manifest.model import Source
from mitrarr_runner.store.registry import State

Nist = Callable[..., bytes]
TODAY = date(2026, 1, 2)
SOURCE = Source(name="DETRAN")
BY_TCN = FromFile(identity.rule("{{ tcn }}"), "s")


def test_sound(nist: Nist) -> None:
    verdict = judge(memoryview(nist("T1")), SOURCE, BY_TCN, TODAY)
    assert (verdict.state, verdict.code, verdict.person) == (State.REGISTERED, "", "T1")
    assert not verdict.incomplete


def test_a_severity_of_the_source_changes_the_state(nist: Nist) -> None:
    source = Source(name="A", transactions=("CAR",), severities={"nist_tot_refused": "warning"})
    verdict = judge(memoryview(nist()), source, BY_TCN, TODAY)
    assert verdict.state is State.REGISTERED
    assert [(item.code, item.severity) for item in verdict.findings] == [
        ("nist_tot_refused", "warning")
    ]


def test_the_date_is_judged_by_the_day_it_came(nist: Nist) -> None:
    early = judge(memoryview(nist()), SOURCE, BY_TCN, date(2025, 12, 31))
    assert (early.state, early.code) == (State.QUARANTINED, "nist_date_future")
    assert early.person == "T1"  # a refused file that can be read still has its id


def test_a_cut_file_may_still_be_arriving(nist: Nist) -> None:
    for data in (nist()[:-1], nist()[:3], b""):
        verdict = judge(memoryview(data), SOURCE, Named("P"), TODAY)
        assert verdict.incomplete
        assert (verdict.state, verdict.person) == (State.QUARANTINED, "P")


def test_no_finding_tells_a_value(nist: Nist) -> None:
    data = nist("TCN-SOUZA", marker="ANA SOUZA").replace(b"2.018", b"3.018")
    verdict = judge(memoryview(data), SOURCE, BY_TCN, TODAY)
    assert verdict.findings
    assert "SOUZA" not in repr(verdict)
    assert not any("SOUZA" in str(item.message) for item in verdict.findings)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10_000), new=st.binary(max_size=3), cut=st.integers(0, 3))
def test_no_damage_raises(nist: Nist, place: int, new: bytes, cut: int) -> None:
    data = nist()
    at = place % len(data)
    broken = data[:at] + new + data[at + cut :]
    verdict = judge(memoryview(broken), SOURCE, BY_TCN, TODAY)
    errors = [item for item in verdict.findings if item.severity == "error"]
    assert (verdict.state is State.QUARANTINED) == bool(errors)
    assert verdict.code == (errors[0].code if errors else "")
