"""The verbs of an operator while the manifest is broken: never read yet, or with a last good one.

SEMANTICS section 6: an unknown job is exit 2 with "did you mean" under a readable manifest; under
an unreadable one it is taken, with a warning.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from mitrarr_runner.engine import wakeup
from mitrarr_runner.manifest import compiled
from mitrarr_runner.store import drains, pauses
from mitrarr_runner.store.pauses import Paused
from mitrarr_runner.store.runs import Outcome

Job = Callable[..., dict[str, Any]]
Call = Callable[..., Any]

NEVER = "warning: the manifest cannot be read; {job} is taken as it is\n"
NOT_IN_LAST_GOOD = (
    "warning: the manifest has errors and its last good version has no {job}; it is taken as it"
    " is\n"
)


def broken(site: Any) -> None:
    site.manifest_path.parent.mkdir(exist_ok=True)
    site.manifest_path.write_text('{"version": 1, "jobs": {', encoding="utf-8")


@pytest.fixture
def never(site: Any) -> None:
    """A manifest that no apply could ever read."""
    broken(site)


@pytest.fixture
def last_good(site: Any, job: Job) -> None:
    """A manifest that was applied, and then broken by a push."""
    site.write(jobs={"a": job("true"), "b": job("true")})
    site.due()
    assert site.run("apply").code == 0
    broken(site)


def paused(site: Any, kind: Paused = Paused.JOB) -> list[str]:
    with site.store() as db:
        return list(pauses.of(db, "prod", kind))


# -- never read


@pytest.mark.usefixtures("never")
def test_never_read_pause_and_resume_take_any_job(site: Any, mitrarr: Call) -> None:
    told = mitrarr("pause", "a", "--reason", "x")
    assert (told.code, told.err) == (0, NEVER.format(job="a"))
    assert told.out.startswith("a is paused, by operador.a\n")
    assert paused(site) == ["a"]
    told = mitrarr("resume", "a")
    assert (told.code, told.err) == (0, NEVER.format(job="a"))
    assert told.out.startswith("a is resumed\n")
    assert paused(site) == []


@pytest.mark.usefixtures("never")
def test_never_read_a_destination(site: Any, mitrarr: Call) -> None:
    told = mitrarr("pause", "--destination", "findface")
    assert (told.code, paused(site, Paused.DESTINATION)) == (0, ["findface"])
    assert "the destination findface is taken as it is" in told.err


@pytest.mark.usefixtures("never")
def test_never_read_stop_why_and_logs(site: Any, mitrarr: Call) -> None:
    told = mitrarr("stop", "a")
    assert (told.code, told.out, told.err) == (0, "a is not running\n", NEVER.format(job="a"))
    told = mitrarr("why", "a", "2026-11-22T03:10")
    assert (told.code, told.err) == (0, NEVER.format(job="a"))
    assert "the manifest does not have a" in told.out
    assert mitrarr("logs", "a").code == 0


@pytest.mark.usefixtures("never")
def test_never_read_drain(site: Any, mitrarr: Call) -> None:
    told = mitrarr("drain", "--wait")
    assert told.code == 0
    assert told.err == "warning: the manifest cannot be read; prod is taken\n"
    with site.store() as db:
        assert drains.of(db, "prod", datetime.now(UTC)) is not None
    told = mitrarr("drain", "--off")
    assert (told.code, told.out.splitlines()[0]) == (0, "prod starts runs again")


@pytest.mark.usefixtures("never")
def test_never_read_nothing_can_be_run(site: Any, mitrarr: Call) -> None:
    told = mitrarr("run", "a")
    assert told.code == 2
    assert "error: a cannot be run: no good manifest has it" in told.err
    assert "mitrarr validate" in told.err
    assert site.history() == []


def test_a_pause_from_before_holds_when_the_manifest_is_mended(
    site: Any, mitrarr: Call, job: Job
) -> None:
    broken(site)
    assert mitrarr("pause", "a").code == 0
    site.write(jobs={"a": job("true")})
    site.due()
    assert site.run("apply").code == 0
    assert site.history() == []


# -- with a last good one


@pytest.mark.usefixtures("last_good")
def test_last_good_its_jobs_are_known(site: Any, mitrarr: Call) -> None:
    told = mitrarr("pause", "a")
    assert (told.code, told.err) == (0, "")
    told = mitrarr("resume", "a")
    assert (told.code, told.err) == (0, "")
    assert "next slot: " in told.out
    told = mitrarr("stop", "a")
    assert (told.code, told.out, told.err) == (0, "a is not running\n", "")
    slot = site.history("a")[0].slot
    told = mitrarr("why", "a", slot.isoformat())
    assert (told.code, told.err) == (0, "")
    assert "had it: ok" in told.out
    told = mitrarr("drain")
    assert (told.code, told.err) == (0, "")


@pytest.mark.usefixtures("last_good")
def test_last_good_another_job_is_taken_with_a_warning(site: Any, mitrarr: Call) -> None:
    told = mitrarr("pause", "brand_new")
    assert (told.code, told.err) == (0, NOT_IN_LAST_GOOD.format(job="brand_new"))
    assert paused(site) == ["brand_new"]
    assert mitrarr("resume", "brand_new").code == 0
    assert mitrarr("stop", "brand_new").code == 0
    assert mitrarr("why", "brand_new", "03:10").code == 0
    assert mitrarr("pause", "--destination", "findface").code == 0


@pytest.mark.usefixtures("last_good")
def test_last_good_a_job_of_it_runs_and_the_incident_stays_open(site: Any, mitrarr: Call) -> None:
    assert site.run("apply").code == 2  # opens manifest_broken
    told = site.run("run", "a")
    assert told.code == 0
    assert "the last good manifest" in told.err
    newest = site.history("a")[-1]
    assert (newest.outcome, newest.cause.value) == (Outcome.OK, "hand")
    (one,) = mitrarr("alerts", "list", "--format", "json").json["incidents"]
    assert (one["rule"], one["state"]) == ("manifest_broken", "firing")
    told = mitrarr("run", "brand_new")
    assert told.code == 2
    assert "no good manifest has it" in told.err


# -- readable


def test_readable_an_unknown_job_is_refused_with_a_hint(site: Any, mitrarr: Call, job: Job) -> None:
    site.write(jobs={"adiciona_nists": job("true")})
    for words in (
        ("pause", "adiciona_nist"),
        ("resume", "adiciona_nist"),
        ("stop", "adiciona_nist"),
        ("run", "adiciona_nist"),
        ("why", "adiciona_nist", "03:10"),
    ):
        told = mitrarr(*words)
        assert told.code == 2, words
        assert 'did you mean "adiciona_nists"?' in told.err, words
    assert not (site.root / "state").exists()


# -- mended


@pytest.fixture
def stray(site: Any, mitrarr: Call, job: Job) -> None:
    """Pauses of names that turned out to be nothing, once the manifest could be read again."""
    site.write(jobs={"a": job("true")})
    assert site.run("apply").code == 0
    broken(site)
    assert mitrarr("pause", "typo", "--reason", "smtp").code == 0
    assert mitrarr("pause", "--destination", "tipo").code == 0
    site.write(jobs={"a": job("true")})
    assert site.run("apply").code == 0


@pytest.mark.usefixtures("stray")
def test_mended_status_shows_the_pause_of_what_does_not_exist(mitrarr: Call) -> None:
    told = mitrarr("status").out
    assert 'typo is paused by operador.a: "smtp"' in told
    assert "go on: mitrarr resume typo" in told
    assert "go on: mitrarr resume --destination tipo" in told


@pytest.mark.usefixtures("stray")
def test_mended_resume_ends_the_pause_of_what_does_not_exist(site: Any, mitrarr: Call) -> None:
    told = mitrarr("resume", "typo")
    assert (told.code, told.err) == (0, "")
    first, _, last = told.out.splitlines()
    assert (first, last) == ("typo is resumed", "  the manifest does not have typo: nothing is run")
    told = mitrarr("resume", "--destination", "tipo")
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith("tipo is resumed\n")
    assert paused(site) == paused(site, Paused.DESTINATION) == []
    assert mitrarr("resume", "typo").code == 2  # now it is only a name
    assert mitrarr("pause", "typo").code == 2


@pytest.mark.usefixtures("stray")
def test_mended_the_incident_of_such_a_pause_ends_with_it(site: Any, mitrarr: Call) -> None:
    with site.store() as db, db.transaction():
        for table in ("pauses SET at = at", "incidents SET since = since"):
            db.execute(f"UPDATE {table} - 5 * 3600")
        wakeup.forget(site.site)
    told = site.run("apply").out
    assert "typo is paused by operador.a" in told
    assert mitrarr("resume", "typo").code == 0
    assert mitrarr("resume", "--destination", "tipo").code == 0
    told = site.run("apply").out
    assert "job_paused typo is not watched any more" in told
    assert mitrarr("alerts", "list").out == "no incident is open\n"


def test_mended_under_another_name_a_pause_can_still_be_ended(
    site: Any, mitrarr: Call, job: Job
) -> None:
    """A file that could not be read goes by its stem."""
    broken(site)
    assert mitrarr("pause", "a").code == 0
    site.write(jobs={"b": job("true")})
    text = site.manifest_path.read_text(encoding="utf-8").replace('"prod"', '"other"')
    site.manifest_path.write_text(text, encoding="utf-8")
    assert mitrarr("resume", "a").code == 0
    assert paused(site) == []


# -- plan


@pytest.mark.usefixtures("last_good")
def test_plan_says_with_what_apply_goes_on(site: Any, mitrarr: Call) -> None:
    fingerprint = compiled.last_good_fingerprint(site.site, "prod") or ""
    for words in ((), ("--from", "2026-11-23", "--until", "2026-11-24")):
        told = mitrarr("plan", *words)
        assert (told.code, told.out) == (2, "")
        assert f"  -> apply goes on with the last good one ({fingerprint[:7]});" in told.err
        assert f"see every problem: mitrarr validate {site.manifest_path}" in told.err


@pytest.mark.usefixtures("never")
def test_plan_says_nothing_of_a_last_good_one_that_is_not(site: Any, mitrarr: Call) -> None:
    told = mitrarr("plan")
    assert told.code == 2
    assert "last good" not in told.err
    assert f"  -> see every problem: mitrarr validate {site.manifest_path}" in told.err


def test_plan_of_a_manifest_that_stops_says_so(site: Any, mitrarr: Call, job: Job) -> None:
    site.write(jobs={"a": job("true")}, settings={"on_bad_manifest": "stop"})
    assert site.run("apply").code == 0
    broken(site)
    assert "  -> apply runs nothing until it is mended; see every" in mitrarr("plan").err


# -- what resume --catch-up says


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("all", "  3 slots passed meanwhile; the next apply runs them"),
        ("latest", "  3 slots passed meanwhile; the next apply runs 1 of them (catch_up: latest)"),
    ],
)
def test_resume_with_catch_up_says_what_the_next_apply_runs(
    site: Any, mitrarr: Call, job: Job, lately: Callable[..., str], policy: str, said: str
) -> None:
    schedule = {"cron": lately(2, 3, 4), "catch_up": policy}
    site.write(jobs={"a": job("true", schedule=schedule)})
    site.due(minutes=6)
    assert mitrarr("pause", "a").code == 0
    with site.store() as db, db.transaction():
        db.execute("UPDATE pauses SET at = at - 360")
    told = mitrarr("resume", "a", "--catch-up")
    assert said in told.out.splitlines()
    assert site.run("apply").code == 0
    assert len(site.history("a")) == (3 if policy == "all" else 1)


def test_resume_with_catch_up_takes_up_what_an_apply_has_noted_as_paused(
    site: Any, mitrarr: Call, job: Job, lately: Callable[..., str]
) -> None:
    schedule = {"cron": lately(2, 3), "catch_up": "all"}
    site.write(jobs={"a": job("true", schedule=schedule)})
    site.due(minutes=6)
    assert mitrarr("pause", "a").code == 0
    with site.store() as db, db.transaction():
        db.execute("UPDATE pauses SET at = at - 360")
    assert site.run("apply").code == 0
    assert site.history("a") == []
    told = mitrarr("resume", "a", "--catch-up")
    said = "  2 slots passed meanwhile; the next apply runs them"
    assert said in told.out.splitlines()
    assert site.run("apply").code == 0
    assert len(site.history("a")) == 2
