"""The step command: argv lists, a small environment, templates, exit codes, limits."""

from __future__ import annotations

import resource
import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest

from mitrarr_runner import processes
from mitrarr_runner.clock import SystemClock
from mitrarr_runner.engine import attempts, worker
from mitrarr_runner.engine.apply import Silent
from mitrarr_runner.engine.tick import tick
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


def test_the_slot_fills_templates(site: Any, lately: Callable[..., str]) -> None:
    argv = ["sh", "-c", "echo $0 $1 $D >seen", "{{ slot }}", "{{ job }}-{{ missed }}"]
    job = {**with_options(argv=argv, env={"D": "{{ date }}"}), "schedule": lately(1, 3)}
    site.write(jobs={"a": job})
    site.due(minutes=5)
    planned = site.run("plan", "--format", "json").json["runs"]
    assert site.run("apply").code == 0
    slot, name, date = (site.root / "seen").read_text().split()
    assert slot == site.history()[0].slot.strftime("%Y-%m-%dT%H:%M:00Z")
    assert name == "a-1"
    assert len(date) == 10
    told = [run["steps"][0]["describe"] for run in planned if run["action"] == "run"]
    assert told == [f"sh -c 'echo $0 $1 $D >seen' {slot} a-1"], "the plan shows what it will get"


def test_the_plan_has_the_whole_command_masked(site: Any, lately: Any) -> None:
    """Cut nowhere but by who knows how wide the reader's screen is."""
    cpf = "123.456.789-09"
    argv = ["sh", "-c", "echo " + "x" * 500, cpf, "a\nb"]
    site.write(jobs={"a": {**with_options(argv=argv), "schedule": lately(1)}})
    site.due()
    told = site.run("plan", "--format", "json").json["runs"][0]["steps"][0]["describe"]
    assert "x" * 500 in told
    assert "..." not in told
    assert cpf not in told
    assert "a\\x0ab" in told
    assert "x" * 500 in site.run("plan", "--format", "md").out
    assert "x" * 500 in site.run("plan").out


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


@pytest.mark.parametrize("memory", ["50MB", "60MB", "80MB"])
def test_a_limit_that_leaves_no_room_is_one_failed_job(site: Any, job: Job, memory: str) -> None:
    """The worker itself is a Python process: its records need more than such a limit."""
    site.write(jobs={"a": job(sys.executable, "-c", "bytearray(9**9)", limits={"memory": memory})})
    site.due()
    answer = site.run("apply")
    assert answer.code == 1, answer.err
    assert [run.outcome for run in site.history()] == [Outcome.FAILED]


def test_a_command_cannot_raise_its_limit_again(site: Any, job: Job) -> None:
    script = "sleep 0.3; ulimit -v unlimited; ulimit -H -v"
    site.write(jobs={"a": job("sh", "-c", script, limits={"memory": "1GB"})})
    site.due()
    site.run("apply")
    run = site.history()[0]
    told = (site.site.run_logs / "a" / f"{run.id}.log").read_text()
    assert str(10**9 // 1024) in told or str(2**30 // 1024) in told, told


def test_limits_of_memory_and_cpu_are_one_failed_job(site: Any, job: Job) -> None:
    hungry = job(sys.executable, "-c", "x = bytearray(3_000_000_000)", limits={"memory": "1GB"})
    busy = job(sys.executable, "-c", "while True: pass", limits={"cpu": "1s"})
    site.write(jobs={"hungry": hungry, "busy": busy, "good": job("true")})
    site.due()
    assert site.run("apply").code == 1
    outcomes = {run.job: (run.outcome, run.code) for run in site.history()}
    assert outcomes["hungry"] == (Outcome.FAILED, "command_failed")
    assert outcomes["busy"] == (Outcome.FAILED, "cpu_limit")
    assert outcomes["good"] == (Outcome.OK, "ok")


BUSY = "while True: pass"
DEAF = f"import signal; signal.signal(signal.SIGXCPU, signal.SIG_IGN)\n{BUSY}"
"""A program that does not heed SIGXCPU: at the hard limit comes SIGKILL."""


def reason(site: Any) -> str:
    return str(site.history()[-1].reason)


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (signal.SIGSEGV, "11 (SIGSEGV)"),
        (signal.SIGABRT, "6 (SIGABRT)"),
        (signal.SIGKILL, "9 (SIGKILL)"),
        (signal.SIGRTMIN, str(int(signal.SIGRTMIN))),
        (int(signal.SIGRTMIN) + 3, str(int(signal.SIGRTMIN) + 3)),
        (1000, "1000"),
    ],
)
def test_a_signal_has_a_name(number: int, name: str) -> None:
    assert processes.signal_name(number) == name


def test_a_command_that_crashes_names_its_signal(site: Any, job: Job) -> None:
    site.write(jobs={"a": job("sh", "-c", "ulimit -c 0; kill -SEGV $$")})
    site.due()
    assert site.run("apply").code == 1
    assert outcome(site) == (Outcome.FAILED, "command_signal")
    assert reason(site) == "sh: ended by signal 11 (SIGSEGV)"


@pytest.mark.parametrize("step", [{}, {"timeout": "50s"}])
def test_a_command_over_its_cpu_limit_says_so(site: Any, step: dict[str, Any]) -> None:
    made = with_options(argv=["sh", "-c", "ulimit -c 0; while :; do :; done"], **step)
    site.write(jobs={"a": {**made, "limits": {"cpu": "1s"}}})
    site.due()
    assert site.run("apply").code == 1
    assert outcome(site) == (Outcome.FAILED, "cpu_limit")
    assert reason(site) == "sh: used more CPU than limits.cpu allows (1s)"


def test_so_does_one_that_does_not_heed_the_first_signal(
    site: Any, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.write(jobs={"a": job(sys.executable, "-c", DEAF, limits={"cpu": "1s"})})
    site.due()
    monkeypatch.setattr(worker, "_CPU_MARGIN", 1)  # the forked worker inherits it
    tick(site.manifest, site.site, SystemClock(), Silent(), root_from="settings")
    assert outcome(site) == (Outcome.FAILED, "cpu_limit")
    assert "used more CPU than limits.cpu allows (1s)" in reason(site)


def test_a_kill_is_no_matter_of_cpu_where_the_program_used_little(site: Any, job: Job) -> None:
    """What it started used more than it may, each alone less: the OOM killer's SIGKILL is told."""
    spend = "import time\nwhile time.process_time() < 0.6: pass"
    script = f"{sys.executable} -c '{spend}'; {sys.executable} -c '{spend}'; kill -KILL $$"
    site.write(jobs={"a": job("sh", "-c", script, limits={"cpu": "1s"})})
    site.due()
    assert site.run("apply").code == 1
    assert outcome(site) == (Outcome.FAILED, "command_signal")
    assert reason(site) == "sh: ended by signal 9 (SIGKILL)"


def test_a_lower_limit_of_the_host_stays(
    site: Any, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody but root may raise a hard limit: a job that asks for more runs all the same."""
    asked: list[tuple[int, int]] = []
    site.write(jobs={"a": job("true", limits={"cpu": "10m", "memory": "1GB"})})
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (60, 60))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, pair: asked.append(pair))
    before = signal.getsignal(signal.SIGXCPU)
    try:
        worker._limit(site.manifest.jobs["a"].limits)
        with attempts._frugal_of_memory(site.manifest.jobs["a"].limits):
            pass
    finally:
        signal.signal(signal.SIGXCPU, before)
    assert asked == [(60, 60), (60, 60), (60, 60)]
