"""What goes on after its worker was killed? Found by the job's lock, which a command inherits, and
by the run's number in its environment.

While the supervisor lives, it ends at once what a killed worker left (end_ours). Where both were
killed, what was started works on unwatched and keeps the job's lock: it is given the time the job
has, and the first apply after that ends it, so that no lock ever waits for a person.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Container, Iterable
from dataclasses import replace

from mitrarr_runner import locks, processes
from mitrarr_runner.clock import Clock
from mitrarr_runner.logs import EventLog
from mitrarr_runner.manifest.model import USUAL_TIMEOUT, Manifest
from mitrarr_runner.plan import StateView
from mitrarr_runner.site import Site
from mitrarr_runner.store.runs import Run

BACKSTOP = 45.0
"""Seconds over a job's timeout after which the supervisor ends a worker that did not end itself."""

_NOBODY = 3 * BACKSTOP
"""The same for a worker whose supervisor is gone and that was stopped (SIGSTOP): any apply."""


def end_ours(workers: Container[int], since: int) -> None:
    """End what this process got from workers that died: it is its child now, and below none of the
    workers that live. Needs `become_subreaper`.

    since: ticks at which the first worker began. What the shell had started before it became this
    apply (`sleep 60 & exec mitrarr apply`) is older, and is let be.
    """
    deadline = time.monotonic() + processes.UNKILLABLE
    while time.monotonic() < deadline:
        left = processes.descendants(os.getpid(), besides=workers)
        left = [pid for pid in left if int(processes.started(pid) or 0) >= since]
        if not left:
            return
        _tell(left, signal.SIGKILL)
        for pid in left:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)  # never a worker: their ends are collected elsewhere
        time.sleep(0.01)


def worker_gone(run: Run, clock: Clock) -> bool:
    """Whether a run's worker is known to live no more; what it started may.

    Only the row's own host may judge: elsewhere a pid says nothing.
    """
    process = run.process
    if process.host != socket.gethostname():
        return False
    same_boot = process.boot_id == clock.boot_id()
    return not (same_boot and processes.started(process.pid) == process.started)


def ask_to_end(run: Run, manifest: str, site: Site, clock: Clock) -> int:
    """SIGTERM to a run's worker; where it was killed, end what it left, with a grace, and return
    how many there were. A process of another host cannot be reached.
    """
    if worker_gone(run, clock):
        return _end(run, manifest, site)
    if run.process.host == socket.gethostname():
        _tell([run.process.pid], signal.SIGTERM)
    return 0


def end_overdue(view: StateView, manifest: Manifest, site: Site, clock: Clock) -> int:
    """End what killed workers left and what has had its job's time; at once where the lock is free,
    because the job's next run must not start beside it. Returns how many there were."""
    log, ended = EventLog(site.main_log, clock), 0
    for run in (*view.running.values(), *view.lost.values()):
        if run.finished or not _due(run, manifest, site, clock):
            continue
        count = _end(run, manifest.name, site)
        if count:
            log.event("orphans_ended", job=run.job, run=run.handle, count=count)
        ended += count
    return ended


def given_up(view: StateView, manifest: Manifest, site: Site, clock: Clock) -> StateView:
    """The view, with those runs as lost whose worker is gone and whose lock is held, past the job's
    time, by what we can neither see nor end (another user's: sudo): somebody has to be told.
    """
    lost = {
        job: run
        for job, run in view.running.items()
        if worker_gone(run, clock)
        and (clock.now() - run.started_at).total_seconds() > _timeout(run, manifest)
        and not _left_by(run, manifest.name, site)
    }
    running = {job: run for job, run in view.running.items() if job not in lost}
    return replace(view, running=running, lost={**view.lost, **lost}) if lost else view


def _timeout(run: Run, manifest: Manifest) -> int:
    job = manifest.jobs.get(run.job)
    return USUAL_TIMEOUT if job is None else job.timeout


def _due(run: Run, manifest: Manifest, site: Site, clock: Clock) -> bool:
    timeout = _timeout(run, manifest)
    if worker_gone(run, clock):
        lock = site.lock_of(manifest.name, run.job)
        return locks.is_free(lock) or any(
            _age(pid, clock) > timeout for pid in locks.inheritors(lock)
        )
    if run.process.host != socket.gethostname() or not processes.stopped(run.process.pid):
        return False  # what works keeps its own time, which an edited manifest does not change
    # The clock on the wall may have jumped, and the worker may have made other runs before.
    age = min((clock.now() - run.started_at).total_seconds(), _age(run.process.pid, clock))
    if age <= timeout + _NOBODY:
        return False
    _tell([run.process.pid], signal.SIGKILL)
    return True


def _left_by(run: Run, manifest: str, site: Site) -> list[int]:
    """What a run had started: who holds the job's lock by inheritance, who has the run's number in
    its environment, and everything below those.

    Both are looked at: Python closes what it inherited for its children, and a program may hide
    its environment from them.
    """
    marks = {
        "MITRARR_ROOT": str(site.root),
        "MITRARR_MANIFEST": manifest,
        "MITRARR_RUN": str(run.id),
    }
    found = {*locks.inheritors(site.lock_of(manifest, run.job)), *processes.marked(marks)}
    for pid in list(found):
        found.update(processes.descendants(pid))
    return sorted(found - {os.getpid()})


def _age(pid: int, clock: Clock) -> float:
    """Seconds since a process began, which no change of the clock touches. It began after its run:
    a worker may make several (`overlap: queue`)."""
    began = processes.started(pid)
    return clock.boottime() - int(began) / processes.TICKS if began else 0.0


def _end(run: Run, manifest: str, site: Site) -> int:
    """SIGTERM, a grace, SIGKILL. Returns how many there were."""
    first = left = _left_by(run, manifest, site)
    _tell(first, signal.SIGTERM)
    deadline = time.monotonic() + processes.GRACE
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = _left_by(run, manifest, site)
    deadline = time.monotonic() + processes.UNKILLABLE
    while left and time.monotonic() < deadline:
        _tell(left, signal.SIGKILL)
        time.sleep(0.05)
        left = _left_by(run, manifest, site)
    return len(first)


def _tell(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        processes.end(pid, number)
