"""The step command: argv lists, a small environment, templates, exit codes, limits."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from mitrarr_runner.errors import UsageError
from mitrarr_runner.steps import command
from mitrarr_runner.store.runs import Outcome

Job = Callable[..., dict[str, Any]]


def outcome(site: Any) -> tuple[Outcome | None, str]:
    run = site.history()[-1]
    return run.outcome, run.code


def with_options(**options: Any) -> dict[str, Any]:
    return {"schedule": "* * * * *", "steps": [{"command": options}]}


def test_no_shell_ever_sees_the_words(site: Any, job: Job) -> None:
    site.write(jobs={"a": job("touch", "x; touch y", "$(touch z)")})
    site.due()
    assert site.run("apply").code == 0
    names = {path.name for path in site.root.iterdir()}
    assert {"x; touch y", "$(touch z)"} <= names
    assert not {"y", "z"} & names


def test_the_environment_is_small_and_known(site: Any) -> None:
    site.write(jobs={"a": with_options(argv=["sh", "-c", "env > seen"], env={"MINE": "1"})})
    site.due()
    assert site.run("apply", env={"SECRET_OF_THE_TERMINAL": "x"}).code == 0
    seen = dict(line.split("=", 1) for line in (site.root / "seen").read_text().splitlines())
    assert seen["MINE"] == "1"
    assert seen["MITRARR_JOB"] == "a"
    assert seen["MITRARR_ROOT"] == str(site.root)
    assert "SECRET_OF_THE_TERMINAL" not in seen


def test_the_slot_fills_templates(site: Any) -> None:
    argv = ["sh", "-c", 'echo "$1 $2 $WHEN" > seen', "sh", "{{ slot }}", "{{ job }}-{{ missed }}"]
    site.write(jobs={"a": with_options(argv=argv, env={"WHEN": "{{ date }}"})})
    site.due(minutes=2)
    assert site.run("apply").code == 0
    slot, name, date = (site.root / "seen").read_text().split()
    assert slot == site.history()[0].slot.strftime("%Y-%m-%dT%H:%M:00Z")
    assert name == "a-1"
    assert len(date) == 10


def test_a_misspelt_name_is_found_by_validate(site: Any) -> None:
    with pytest.raises(UsageError) as caught:
        command.parse({"argv": ["echo", "{{ slto }}"]})
    assert caught.value.code == "template"
    site.write(jobs={"a": with_options(argv=["echo", "{{ slto }}"])})
    answer = site.run("validate")
    assert answer.code == 2
    assert "slto" in answer.out


def test_a_template_cannot_reach_into_python(site: Any) -> None:
    word = "{{ job.__class__.__mro__ }}"
    site.write(jobs={"a": with_options(argv=["echo", word])})
    site.due()
    assert site.run("apply").code == 1
    assert outcome(site)[0] is Outcome.FAILED


def test_a_step_has_a_timeout_of_its_own(site: Any) -> None:
    options = {"argv": ["sleep", "60"], "timeout": "1s"}
    site.write(jobs={"a": with_options(**options)})
    site.due()
    assert site.run("apply").code == 1
    assert outcome(site) == (Outcome.FAILED, "command_timeout")


@pytest.mark.parametrize(
    ("options", "code", "expected"),
    [
        ({}, 0, Outcome.OK),
        ({}, 3, Outcome.FAILED),
        ({}, 75, Outcome.SKIPPED),
        ({"ok_codes": [0, 24]}, 24, Outcome.OK),
        ({"skip_codes": [9]}, 9, Outcome.SKIPPED),
        ({"skip_codes": []}, 75, Outcome.FAILED),
    ],
)
def test_exit_codes(site: Any, options: dict[str, Any], code: int, expected: Outcome) -> None:
    site.write(jobs={"a": with_options(argv=["sh", "-c", f"exit {code}"], **options)})
    site.due()
    site.run("apply")
    assert outcome(site)[0] is expected


def test_only_named_codes_are_tried_again(site: Any) -> None:
    def runs_of(code: int) -> int:
        made = with_options(argv=["sh", "-c", f"echo x >> n{code}; exit {code}"], retry_codes=[11])
        site.write(jobs={f"j{code}": {**made, "retry": {"attempts": 3, "backoff": 0}}})
        site.due()
        assert site.run("apply").code == 1
        return len((site.root / f"n{code}").read_text().splitlines())

    assert runs_of(11) == 3
    assert runs_of(12) == 1


def test_limits_of_memory_and_cpu_are_one_failed_job(site: Any, job: Job) -> None:
    hungry = job(sys.executable, "-c", "x = bytearray(3_000_000_000)", limits={"memory": "1GB"})
    busy = job(sys.executable, "-c", "while True: pass", limits={"cpu": "1s"})
    site.write(jobs={"hungry": hungry, "busy": busy, "good": job("true")})
    site.due()
    assert site.run("apply").code == 1
    outcomes = {run.job: (run.outcome, run.code) for run in site.history()}
    assert outcomes["hungry"] == (Outcome.FAILED, "command_failed")
    assert outcomes["busy"] == (Outcome.FAILED, "command_signal")
    assert outcomes["good"] == (Outcome.OK, "ok")
