"""Run a program: an argv list, no shell, output into the run's log.

The one door to plumbum, of which only `popen` is used: its `run` keeps all output in memory, its
timeout leaves grandchildren behind and its error texts print argv. The child inherits the job's
lock, so the lock stays taken as long as anything of the job lives.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo

from mitrarr_runner import processes, templates
from mitrarr_runner.clock import iso
from mitrarr_runner.errors import FailedError, UsageError
from mitrarr_runner.manifest.model import Job, Limits
from mitrarr_runner.redact import whole
from mitrarr_runner.steps.contract import Context, StepOutcome, StepResult, View
from mitrarr_runner.text import Catalogue, Text, text

KIND = "command"
IDEMPOTENT = False

NAMES = ("slot", "local", "date", "missed", "job", "run")
"""What templates may use: the planned instant (not "now") in UTC, in the job's zone and as a local
date, how many slots the run stands for, the job's name and the run's number."""

_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "USER", "LOGNAME", "TMPDIR")
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Options:
    """argv and the values of env are templates (see NAMES). timeout: seconds.

    skip_codes: exit codes that mean "not now" (75 is EX_TEMPFAIL of sysexits.h); retry_codes: those
    after which the job's retry policy tries again, None = after every failure.
    """

    argv: tuple[str, ...]
    cwd: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    ok_codes: tuple[int, ...] = (0,)
    skip_codes: tuple[int, ...] = (75,)
    retry_codes: tuple[int, ...] | None = None
    timeout: int | None = None


def parse(options: Mapping[str, object]) -> Options:
    """Raises UsageError (code "template") for a template that does not parse or wants a name that
    will not be there: `validate` says so, not a run at three in the morning.
    """
    cwd, timeout = options.get("cwd"), options.get("timeout")
    retry_codes = options.get("retry_codes")
    parsed = Options(
        argv=tuple(str(word) for word in _list(options["argv"])),
        cwd=None if cwd is None else Path(str(cwd)),
        env={str(key): str(value) for key, value in _mapping(options.get("env")).items()},
        ok_codes=_codes(options.get("ok_codes", (0,))),
        skip_codes=_codes(options.get("skip_codes", (75,))),
        retry_codes=None if retry_codes is None else _codes(retry_codes),
        timeout=None if timeout is None else int(str(timeout)),
    )
    for template in (*parsed.argv, *parsed.env.values()):
        _check_template(template)
    return parsed


def _check_template(template: str) -> None:
    if not _is_template(template):
        return
    unknown = templates.names_in(template) - set(NAMES)
    if unknown:
        raise UsageError(
            text('unknown name "{name}" in a template', name=min(unknown)),
            code="template",
            hint=text("names a template may use here: {names}", names=", ".join(NAMES)),
        )


def _is_template(word: str) -> bool:
    return "{{" in word or "{%" in word


def _codes(value: object) -> tuple[int, ...]:
    return tuple(int(str(code)) for code in _list(value))


def _list(value: object) -> list[object] | tuple[object, ...]:
    return value if isinstance(value, (list, tuple)) else [value]


def _mapping(value: object) -> Mapping[object, object]:
    return value if isinstance(value, Mapping) else {}


def prepare() -> None:
    """Import what `run` needs, in the supervisor: a hundred workers then share one import."""
    import plumbum  # noqa: F401


def describe(options: Options, view: View) -> Text:
    if _program(options) is None:
        return text("{program}: not found", program=options.argv[0])
    return typed(options, view)


def typed(options: Options, view: View) -> Text:
    """The command as somebody would type it, whole, from the manifest alone: without a look whether
    this host has the program."""
    run = "{{ run }}"  # a number that nobody knows yet
    values = _values(view.job, view.slot or view.now, view.missed, run)
    words = [options.argv[0], *(_filled(word, values) for word in options.argv[1:])]
    return text("{words}", words=whole(shlex.join(words)))


def run(options: Options, context: Context) -> StepResult:
    """Raises FailedError where the program cannot be started at all."""
    from plumbum import local

    program = _program(options)
    name = Path(options.argv[0]).name
    if program is None:
        raise FailedError(
            text("{program}: not found", program=options.argv[0]),
            code="command_not_found",
            hint=text("write the whole path: cron's PATH is short"),
        )
    values = template_values(context)
    words = [_filled(word, values) for word in options.argv[1:]]
    env = {key: _filled(value, values) for key, value in options.env.items()}
    command = local[program][words]
    with local.env():
        local.env.clear()
        local.env.update(environment(context, env))
        try:
            child = command.popen(
                stdin=subprocess.DEVNULL,
                stdout=context.output,
                stderr=context.output,
                cwd=str(options.cwd or context.site.root),
                pass_fds=(context.lock,),
            )
        except OSError as error:
            raise FailedError(
                text("{program}: {reason}", program=name, reason=os.strerror(error.errno or 0)),
                code="command_not_started",
            ) from error
    process = cast("subprocess.Popen[bytes]", child)
    _hold(process.pid, context.run.job.limits)
    if not _ended(process.pid, options.timeout):
        # The attempt is over; what is left of it is ended by the worker, with a grace.
        message = text(
            "{program}: not done after {seconds} seconds", program=name, seconds=options.timeout
        )
        return StepResult(StepOutcome.FAILED, "command_timeout", message)
    used = _cpu_of(process.pid)
    code, limit = process.wait(), context.run.job.limits.cpu
    if limit is not None and _over(code, used, limit):
        message = text(
            "{program}: used more CPU than limits.cpu allows ({limit})",
            program=name,
            limit=Catalogue("en").span(limit),
        )
        return StepResult(StepOutcome.FAILED, "cpu_limit", message, {"exit_code": code})
    return _judged(name, code, options)


def _hold(pid: int, limits: Limits) -> None:
    """What a command inherited of limits.memory, it could raise again itself."""
    if limits.memory is None:
        return
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    with contextlib.suppress(ProcessLookupError):  # it has ended, and waits to be collected
        resource.prlimit(pid, resource.RLIMIT_AS, (soft, soft))


def _ended(pid: int, seconds: float | None) -> bool:
    """Wait for the end of a child, at most so long, and leave it to be collected: until then the
    kernel tells what CPU it used itself. What wait4 tells holds its children's share too, and a
    script killed for want of memory would be told to have used their CPU."""
    wanted = os.WEXITED | os.WNOWAIT
    if seconds is None:
        os.waitid(os.P_PID, pid, wanted)
        return True
    deadline, pause = time.monotonic() + seconds, 0.001
    while os.waitid(os.P_PID, pid, wanted | os.WNOHANG) is None:
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(pause, left))
        pause = min(2 * pause, 0.05)
    return True


def _cpu_of(pid: int) -> float:
    """Seconds of CPU a process that is not collected yet used itself (proc(5))."""
    fields = processes.stat_of(pid)
    if not fields:
        return 0.0
    user, system = fields[11:13]
    return (int(user) + int(system)) / processes.TICKS


def _over(code: int, used: float, limit: int) -> bool:
    """Whether limits.cpu ended it: by SIGXCPU or, where it did not heed that, by SIGKILL."""
    return code == -signal.SIGXCPU or (code == -signal.SIGKILL and used >= limit)


def template_values(context: Context) -> dict[str, object]:
    """NAMES filled in; a run by hand has no slot and stands for now."""
    run = context.run
    return _values(run.job, run.slot or context.clock.now(), run.missed, run.id)


def _values(job: Job, slot: datetime, missed: int, run: int | str) -> dict[str, object]:
    at = slot.astimezone(ZoneInfo(job.schedule.timezone))
    return {
        "slot": iso(slot),
        "local": at.isoformat(timespec="seconds"),
        "date": at.date().isoformat(),
        "missed": missed,
        "job": job.name,
        "run": run,
    }


def _filled(word: str, values: Mapping[str, object]) -> str:
    return templates.render(word, values) if _is_template(word) else word


def _judged(name: str, code: int, options: Options) -> StepResult:
    if code < 0:
        number = processes.signal_name(-code)
        message = text("{program}: ended by signal {number}", program=name, number=number)
        return StepResult(StepOutcome.FAILED, "command_signal", message, {"exit_code": code})
    message = text("{program}: exit code {number}", program=name, number=code)
    counts = {"exit_code": code}
    if code in options.ok_codes:
        return StepResult(StepOutcome.OK, "ok", message, counts)
    if code in options.skip_codes:
        return StepResult(StepOutcome.SKIPPED, "command_not_now", message, counts)
    again = options.retry_codes is None or code in options.retry_codes
    return StepResult(StepOutcome.FAILED, "command_failed", message, counts, again)


def environment(context: Context, extra: Mapping[str, str]) -> dict[str, str]:
    """A small, known environment: cron's and a terminal's run must not differ by what leaks in."""
    run = context.run
    values = {key: os.environ[key] for key in _KEPT if key in os.environ}
    values.setdefault("PATH", _DEFAULT_PATH)
    values |= {
        "MITRARR_MANIFEST": context.manifest.name,
        "MITRARR_JOB": run.job.name,
        "MITRARR_RUN": str(run.id),
        "MITRARR_ATTEMPT": str(run.attempt),
        "MITRARR_SLOT": iso(run.slot) if run.slot else "",
        "MITRARR_MISSED": str(run.missed),
        "MITRARR_ROOT": str(context.site.root),
    }
    return values | dict(extra)


def _program(options: Options) -> str | None:
    import shutil

    path = options.env.get("PATH") or os.environ.get("PATH") or _DEFAULT_PATH
    return shutil.which(options.argv[0], path=path)
