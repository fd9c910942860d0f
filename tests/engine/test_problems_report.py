"""The text and the JSON of `mitrarr validate`, on the example of four problems."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from mitrarr_runner.clock import FixedClock
from mitrarr_runner.engine.problems_report import (
    LastGood,
    dotted,
    problems_json,
    problems_text,
)
from mitrarr_runner.engine.validate import validate
from mitrarr_runner.engine.validation import Validation
from mitrarr_runner.text import Catalogue

GOLDEN = Path(__file__).parent / "golden"
SAY = Catalogue("en")
ZONE = "settings: {timezone: America/Sao_Paulo}\n"
FILES = {
    "00-sources.yaml": "sources:\n  DETRAN: {spool: /dados/entrada/detran}\n",
    "10-detran.yaml": """\
version: 1
name: prod
settings:
  timezone: America/Sao_Paulo

# o que é feito e quando
jobs:
  adiciona_nists:
    schedule: "*/10 * * *"
    timeout: 20m
    overlapp: skip
    steps:
      - register_nist: {source: DETRAM}
""",
    "20-alerts.yaml": "alerts: {channels: {registro: {kind: log}}}\n",
    "30-volumes.yaml": """\
# quanto é normal
volumes:
  adiciona_nists: {minimum: 50, per: day, holidays: BR-SP}
""",
}


def validated(folder: Path, files: dict[str, str]) -> Validation:
    (folder / "configs" / "prod").mkdir(parents=True)
    for name, content in files.items():
        (folder / "configs" / "prod" / name).write_text(content, "utf-8")
    clock = FixedClock(datetime(2026, 11, 23, 12, tzinfo=UTC))
    return validate("configs/prod", environment={}, cwd=folder, clock=clock)


def test_four_problems_as_people_see_them(tmp_path: Path) -> None:
    last_good = LastGood(
        "41be09d7c0aa",
        datetime(2026, 11, 20, 20, 2, tzinfo=UTC),
        ZoneInfo("America/Sao_Paulo"),
    )
    shown = problems_text(validated(tmp_path, FILES), SAY, last_good)
    assert shown + "\n" == (GOLDEN / "validate.txt").read_text("utf-8")


def test_no_line_is_wider_than_a_terminal(tmp_path: Path) -> None:
    shown = problems_text(validated(tmp_path, FILES), SAY)
    assert max(map(len, shown.splitlines())) <= 80


def test_four_problems_as_programs_see_them(tmp_path: Path) -> None:
    answer = problems_json(validated(tmp_path, FILES).problems)
    assert answer["version"] == 1
    problems = answer["problems"]
    assert isinstance(problems, list)
    assert problems[2] == {
        "code": "unknown_source",
        "severity": "error",
        "file": "configs/prod/10-detran.yaml",
        "line": 13,
        "column": 33,
        "path": "/jobs/adiciona_nists/steps/0/register_nist/source",
        "message": 'there is no source "DETRAM"',
        "hint": 'There is "DETRAN" (00-sources.yaml:2:3).',
    }
    assert [problem["severity"] for problem in problems] == ["error", "error", "error", "warning"]


def test_a_problem_without_a_place(tmp_path: Path) -> None:
    found = validate("nowhere", environment={}, cwd=tmp_path)
    shown = problems_text(found, SAY)
    assert shown.startswith("nowhere: 0 files read, 1 error, 0 warnings\n\nERROR  nowhere\n")
    (problem,) = problems_json(found.problems)["problems"]  # type: ignore[misc]
    assert (problem["line"], problem["column"], problem["path"]) == (None, None, "")


def test_nothing_is_wrong(tmp_path: Path) -> None:
    found = validated(tmp_path, {"m.yaml": ZONE})
    assert problems_text(found, SAY) == "configs/prod: 1 file read, 0 errors, 0 warnings"
    assert problems_json(found.problems) == {"version": 1, "problems": []}


def test_built_in_defaults(tmp_path: Path) -> None:
    found = validate(None, environment={}, cwd=tmp_path)
    assert problems_text(found, SAY) == "no manifest: the built-in defaults hold"


@pytest.mark.parametrize(
    "line",
    [
        "    login: {username: u, password: hunter2}",
        "    login: {username: u, password: {file: /p}, passwd: hunter2}",
        "    login: {username: u, password: {file: /p}, senha: 'hunter2, x'}",
        "    login: {username: u, password: hunter2}\n    zzz: 1",
        "    login:\n      username: u\n      password: hunter2\n      zzz: 1",
        "    login: {password: {file: /p}, username: u}\n    API_KEY: hunter2",
        "    login: hunter2\n    url: https://u:hunter2@ff",
        "    login: {username: u, password: [hunter2]}",
        "    login: {username: u, password:\n      hunter2}",
        "    login: {username: u, password: {file: /p}}\n    url: https://hunter2@ff",
    ],
)
def test_a_password_in_a_manifest_is_reported_and_never_shown(tmp_path: Path, line: str) -> None:
    url = "" if "url:" in line else "    url: https://ff\n"
    content = f"destinations:\n  f:\n    kind: findface_multi\n{url}    watch_lists: [A]\n{line}\n"
    found = validated(tmp_path, {"m.yaml": ZONE + content})
    assert found.errors
    assert "hunter2" not in problems_text(found, SAY)
    assert "hunter2" not in str(problems_json(found.problems))


def test_the_caret_stands_below_its_value_in_long_and_odd_lines(tmp_path: Path) -> None:
    long = "contacts: {" + "".join(f"c{i}: 'x{i}', " for i in range(200)) + "zz: 12}\n"
    found = validated(tmp_path, {"m.yaml": ZONE + long + "api:\t{loopback:\tnobody}\n"})
    lines = problems_text(found, SAY).splitlines()
    for value in ("12", "nobody"):
        number = next(i for i, line in enumerate(lines) if re.search(rf"\b{value}\b", line))
        start = lines[number + 1].index("^")
        assert lines[number][start:].startswith(value)
        assert lines[number + 1].count("^") == len(value)
        assert len(lines[number]) < 220


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_caret_stands_below_its_value_on_a_terminal(tmp_path: Path, width: int) -> None:
    """However long the line and wherever in it: the excerpt is cut around it."""
    long = "contacts: {" + "".join(f"c{i}: 'x{i}', " for i in range(20)) + "zz: 12, "
    long += ", ".join(f"d{i}: 'x{i}'" for i in range(20)) + "}\n"
    end = "sources: {" + "".join(f"s{i}: {{}}, " for i in range(30)) + "t: {idd: '1'}}\n"
    found = validated(tmp_path, {"m.yaml": ZONE + long + end})
    lines = problems_text(found, SAY, None, width).splitlines()
    assert max(len(line) for line in lines if " | " in line) <= width
    for value in ("12", "idd"):
        number = next(i for i, line in enumerate(lines) if re.search(rf" \| .*\b{value}\b", line))
        start = lines[number + 1].index("^")
        assert lines[number][start:].startswith(value)
        assert lines[number + 1].count("^") == len(value)
    assert max(map(len, problems_text(found, SAY).splitlines())) > width


def test_a_flood_of_problems_is_shown_in_bounded_time(tmp_path: Path) -> None:
    keys = "".join(f"zzz{i}: 1\n" for i in range(5000))
    found = validated(tmp_path, {"m.yaml": ZONE + keys})
    assert len(found.problems) == 5000
    assert problems_text(found, SAY).count("ERROR") == 5000


@pytest.mark.parametrize(
    ("pointer", "shown"),
    [
        ("", ""),
        ("/jobs/a/steps/0/clean/folders/1", "jobs.a.steps[0]"),
        ("/alerts/rules/3/to/0", "alerts.rules[3].to[0]"),
        ("/a~1b/c~0d", "a/b.c~d"),
    ],
)
def test_paths_as_people_say_them(pointer: str, shown: str) -> None:
    assert dotted(pointer) == shown
