"""The folders tests/manifests/{good,bad} and the shipped configs/, discovered.

A bad file (or folder) has a sibling NAME.expect.json with every problem: code, severity, file,
line, column and path, in the order in which they are reported. All of them and no other.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mitrarr_runner.clock import FixedClock
from mitrarr_runner.engine.validate import validate
from mitrarr_runner.manifest.problem import Level, Problem
from mitrarr_runner.resources import folder

CORPUS = Path(__file__).parents[1] / "manifests"
GOOD = sorted((CORPUS / "good").iterdir())
BAD = sorted(path for path in (CORPUS / "bad").iterdir() if not path.name.endswith(".expect.json"))
SHIPPED = [folder("configs") / "prod", folder("configs") / "guardian" / "guardian.json"]
STEPS = sorted(p.name.removesuffix(".schema.json") for p in (folder("schemas") / "steps").iterdir())


def _shown(problem: Problem) -> dict[str, object]:
    return {
        "code": problem.code,
        "severity": problem.level.value,
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "path": problem.path,
    }


@pytest.mark.parametrize("path", [*GOOD, *SHIPPED], ids=lambda path: path.name)
def test_a_good_manifest_has_no_problems(path: Path, clock: FixedClock) -> None:
    found = validate(path.name, environment={}, cwd=path.parent, clock=clock)
    assert found.problems == ()
    assert found.manifest is not None
    assert found.manifest.path == path


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.name)
def test_a_bad_manifest_has_exactly_its_problems(path: Path, clock: FixedClock) -> None:
    expected = json.loads((path.parent / f"{path.name}.expect.json").read_text("utf-8"))
    found = validate(path.name, environment={}, cwd=path.parent, clock=clock)
    assert [_shown(problem) for problem in found.problems] == expected
    errors = any(problem.level is Level.ERROR for problem in found.problems)
    assert (found.manifest is None) == errors


def test_no_expectation_is_left_without_its_manifest() -> None:
    expected = {p.name.removesuffix(".expect.json") for p in CORPUS.glob("bad/*.expect.json")}
    assert expected == {path.name for path in BAD}


@pytest.mark.parametrize("kind", STEPS)
def test_every_step_kind_has_a_good_and_a_bad_example(kind: str) -> None:
    assert CORPUS / "good" / f"step-{kind}.yaml" in GOOD
    assert CORPUS / "bad" / f"step-{kind}.yaml" in BAD


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.name)
def test_every_problem_says_what_it_is(path: Path, clock: FixedClock) -> None:
    for problem in validate(path.name, environment={}, cwd=path.parent, clock=clock).problems:
        said = f"{problem.message} {problem.hint or ''}"
        assert str(problem.message)
        assert "{" not in str(problem.message)
        for raw in ("is not of type", "does not match", "non-empty", "additionalProp", "regex"):
            assert raw not in said
