"""What goes on after its worker was killed? Found by the job's lock, which a command inherits.

While the supervisor lives, it ends at once what a killed worker left (apply). Where both were
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
from pathlib import Path

from mitrarr_runner import locks, processes
from mitrarr_runner.clock import Clock
from mitrarr_runner.logs import EventLog
from mitrarr_runner.manifest.model import Manifest
from mitrarr_runner.site import Site
from mitrarr_runner.store.runs import Run

_UNKILLABLE = 2.0
"""Seconds to wait for the effect of SIGKILL: a process inside a dead network disk has none."""


def end_ours(workers: Container[int], since: int) -> None:
    """End what this process got from workers that died: it is its child now, and below none of the
    workers that live. Needs `become_subreaper`.

    since: ticks at which the first worker began. What the shell had started before it became this
    apply (`sleep 60 & exec mitrarr apply`) is older, and is let be.
    """
    deadline = time.monotonic() + _UNKILLABLE
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


def ask_to_end(run: Run, site: Site, manifest: str, clock: Clock) -> None:
    """SIGTERM to a run's worker or, where it was killed, to what it left; a process of another host
    cannot be reached."""
    if run.process.host != socket.gethostname():
        return
    if worker_gone(run, clock):
        _tell(locks.inheritors(site.lock_of(manifest, run.job)), signal.SIGTERM)
    else:
        processes.send(run.process.pid, signal.SIGTERM)


def end_overdue(
    running: Iterable[Run], manifest: Manifest, site: Site, clock: Clock, log: EventLog
) -> bool:
    """End what killed workers left and what has had its job's time. Whether there was any."""
    ended = False
    for run in running:
        job = manifest.jobs.get(run.job)
        if job is None or not worker_gone(run, clock):
            continue
        lock = site.lock_of(manifest.name, run.job)
        left = locks.inheritors(lock)
        if any(_age(pid, clock) > job.timeout for pid in left):
            _end(lock, left)
            log.event("orphans_ended", job=run.job, run=run.handle, count=len(left))
            ended = True
    return ended


def _age(pid: int, clock: Clock) -> float:
    """Seconds since a process began, which no change of the clock touches. It began after its run:
    a worker may make several (`overlap: queue`)."""
    began = processes.started(pid)
    return clock.boottime() - int(began) / processes.TICKS if began else 0.0


def _end(lock: Path, left: Iterable[int]) -> None:
    """SIGTERM, a grace, SIGKILL."""
    _tell(left, signal.SIGTERM)
    deadline = time.monotonic() + processes.GRACE
    while not locks.is_free(lock) and time.monotonic() < deadline:
        time.sleep(0.05)
    deadline = time.monotonic() + _UNKILLABLE
    while not locks.is_free(lock) and time.monotonic() < deadline:
        _tell(locks.inheritors(lock), signal.SIGKILL)
        time.sleep(0.05)


def _tell(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        processes.send(pid, number)
        processes.send(pid, signal.SIGCONT)  # a stopped process would sleep through its SIGTERM
