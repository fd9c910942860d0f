"""What only the engine can judge: cron, calendars, options; and that one answer serves all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from mitrarr_runner import steps
from mitrarr_runner.clock import FixedClock
from mitrarr_runner.engine.obtain import obtain
from mitrarr_runner.engine.problems_report import LastGood, last_good
from mitrarr_runner.engine.validate import validate
from mitrarr_runner.errors import UsageError
from mitrarr_runner.manifest import compiled
from mitrarr_runner.manifest.problem import Level
from mitrarr_runner.site import Site
from mitrarr_runner.text import text

ZONE = "settings: {timezone: America/Sao_Paulo}\n"
CLOCK = FixedClock(datetime(2026, 1, 5, tzinfo=UTC))


def job(schedule: str) -> str:
    return f"{ZONE}jobs:\n  a:\n    schedule: {schedule}\n    steps:\n      - clean: {{}}\n"


def codes(folder: Path, content: str) -> list[tuple[str, int | None, int | None]]:
    (folder / "m.yaml").write_text(content)
    found = validate("m.yaml", environment={}, cwd=folder, clock=CLOCK)
    return [(problem.code, problem.line, problem.column) for problem in found.problems]


def test_every_step_kind_of_the_schema_can_be_run_and_the_other_way_round() -> None:
    from mitrarr_runner.manifest import schemas

    assert set(steps.KINDS) == set(schemas.step_schemas())


@pytest.mark.parametrize(
    "schedule", ['"*/10 * * *"', '"0 0 30 2 *"', '"0 0 0 * * *"', '"H * * * *"']
)
def test_lines_of_cron_that_are_refused(tmp_path: Path, schedule: str) -> None:
    ((code, line, column),) = codes(tmp_path, job(schedule))
    assert code.startswith("cron_")
    assert (line, column) == (4, 15)
    ((code, line, column),) = codes(tmp_path, job(f"{{cron: {schedule}}}"))
    assert (line, column) == (4, 22)


def test_cron_is_checked_beside_other_errors(tmp_path: Path) -> None:
    found = [code for code, *_ in codes(tmp_path, job('"* * * *"') + "zzz: 1\n")]
    assert found == ["cron_fields", "unknown_key"]


def test_templates_are_checked_beside_other_errors(tmp_path: Path) -> None:
    """A circle of needs, a wrong type and an unknown key hide no misspelt name of another job."""
    steps = "steps: [{command: {argv: [echo, '{{ slott }}']}}]"
    wrong = "steps: [{command: {argv: 3}}, {clean: {folders: [7]}}, {nosuch: {}}]"
    content = (
        f"{ZONE}jobs:\n"
        f"  a: {{needs: [b], {steps}}}\n"
        f"  b: {{needs: [a], {steps}}}\n"
        f"  c: {{{wrong}}}\n"
    )
    found = [(code, line) for code, line, _ in codes(tmp_path, content)]
    assert [line for code, line in found if code == "template"] == [3, 4]
    assert [line for code, line in found if code == "needs_circle"]
    assert len([code for code, line in found if line == 5]) == 3


def test_a_night_without_the_hour_is_a_warning_in_the_jobs_own_zone(tmp_path: Path) -> None:
    assert codes(tmp_path, job('"30 2 * * *"')) == []
    ((code, *_),) = codes(tmp_path, job('{cron: "30 2 * * *", timezone: America/New_York}'))
    assert code == "cron_gap"


def test_an_unknown_zone_hides_no_error_of_cron(tmp_path: Path) -> None:
    found = codes(tmp_path, job('"* * * *"').replace("Sao_Paulo", "Sao_Paolo"))
    assert [code for code, *_ in found] == ["unknown_zone", "cron_fields"]


def test_options_that_only_the_step_can_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(options: Mapping[str, object]) -> None:
        raise UsageError(text("no"), code="not_today", hint=text("tomorrow"))

    monkeypatch.setattr(steps.KINDS["clean"], "parse", refuse)
    assert codes(tmp_path, job('"0 * * * *"')) == [("not_today", 6, 9)]


def test_warnings_stop_nothing(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(job('"*/45 * * * *"'))
    found = validate("m.yaml", environment={}, cwd=tmp_path, clock=CLOCK)
    assert [problem.level for problem in found.problems] == [Level.WARNING]
    assert found.errors == ()
    assert found.manifest is not None


def test_obtaining_is_validating(tmp_path: Path) -> None:
    """What validates is what runs: read or recalled, the manifest is the same."""
    Site(tmp_path).make()
    (tmp_path / "m.yaml").write_text(job('"0 * * * *"'))
    read = validate("m.yaml", environment={}, cwd=tmp_path, clock=CLOCK)
    for _ in range(2):
        found = obtain("m.yaml", environment={}, cwd=tmp_path, clock=CLOCK)
        assert found.manifest == read.manifest
        assert found.root == read.root
    (tmp_path / "m.yaml").write_text(job('"0 * * *"'))
    for _ in range(2):
        broken = obtain("m.yaml", environment={}, cwd=tmp_path, clock=CLOCK)
        assert broken.manifest is None
        assert [problem.code for problem in broken.errors] == ["cron_fields"]


@pytest.mark.parametrize("cwd", ["/", "configs", "mitrarr_clean"])
@pytest.mark.parametrize("broken", ["}", "[", "jobz: 1", "“"])
def test_a_broken_manifest_still_finds_its_site_and_name(
    tmp_path: Path, cwd: str, broken: str
) -> None:
    """The tutorial's layout: manifests in one folder, the site in another."""
    site = Site(tmp_path / "mitrarr_clean")
    site.make()
    (tmp_path / "configs").mkdir()
    path = tmp_path / "configs" / "prod_schedule.json"
    good = (
        '{"name": "prod", "settings": {"timezone": "America/Sao_Paulo", '
        '"root": "../mitrarr_clean"}, "contacts": {"a": "b"}}'
    )
    path.write_text(good)
    found = validate(str(path), environment={}, cwd=tmp_path / cwd)
    assert found.manifest is not None
    compiled.adopt(found.loaded, CLOCK.now())
    path.write_text(good[:-1] + "," + broken)
    for check in (validate, obtain):
        after = check(str(path), environment={}, cwd=tmp_path / cwd)
        assert after.manifest is None
        assert (after.name, after.root) == ("prod", found.root)
        assert compiled.load_last_good(Site(after.root.root), after.name) == found.manifest
        assert last_good(after) == LastGood(
            found.manifest.fingerprint, CLOCK.now(), ZoneInfo("America/Sao_Paulo")
        )


def test_a_broken_manifest_that_was_never_good_has_the_name_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "Prod.yaml").write_text("[")
    found = validate("Prod.yaml", environment={}, cwd=tmp_path)
    assert (found.manifest, found.name, found.root.root) == (None, "prod", tmp_path)


def test_validation_touches_nothing(tmp_path: Path) -> None:
    """No secret is read, no spool looked into, no file made."""
    content = (
        ZONE + f"sources:\n  A: {{spool: {tmp_path}/spool, requires: {{mount: {tmp_path}/no}}}}\n"
        "destinations:\n  f: {kind: findface_multi, url: https://nowhere.invalid, watch_lists: [A],"
        f" login: {{username: u, password: {{file: {tmp_path}/none}}}}}}\n"
    )
    assert codes(tmp_path, content) == []
    assert [path.name for path in tmp_path.iterdir()] == ["m.yaml"]
