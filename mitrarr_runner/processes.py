"""Which processes belong to us, are they alive, and how do they all end?

Linux only: /proc, prctl. A process is named by pid and start time, because pids come round again.
Worker and supervisor are child subreapers: what a job leaves behind becomes a child of its worker,
and so can be found and ended, double forks and setsid notwithstanding.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Container, Mapping
from pathlib import Path

GRACE = 10.0
"""Seconds between SIGTERM and SIGKILL for what a job started."""

UNKILLABLE = 2.0
"""Seconds to wait for the effect of SIGKILL: another user's process, or one inside a dead network
disk, shows none."""

TICKS = os.sysconf("SC_CLK_TCK")
"""Clock ticks a second, in which /proc counts (proc(5))."""

_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_PDEATHSIG = 1


def become_subreaper() -> None:
    """Orphaned descendants become our children from now on (prctl(2), Linux 3.4)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def started(pid: int) -> str:
    """The start time of a process in clock ticks since boot, or "" when there is none.

    A zombie does nothing any more and counts as gone, however long nobody collects it.
    """
    fields = stat_of(pid)
    return "" if not fields or fields[0] in "ZX" else fields[19]


def stopped(pid: int) -> bool:
    """Whether a process stands still until somebody wakes it (SIGSTOP)."""
    fields = stat_of(pid)
    return bool(fields) and fields[0] in "Tt"


def stat_of(pid: int) -> list[str]:
    """/proc/PID/stat from the state (field 3 of proc(5)) on; empty where there is no process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    # The command's name may hold blanks and parentheses: count from the last one.
    return stat.rpartition(")")[2].split()


def descendants(pid: int, besides: Container[int] = ()) -> list[int]:
    """Every process below `pid`, zombies left out, nearest first; without `besides` and what is
    below those."""
    children: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        fields = stat_of(int(entry.name)) if entry.name.isdigit() else []
        if fields and fields[0] != "Z":
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: list[int] = []
    todo = [pid]
    while todo:
        below = [one for one in children.get(todo.pop(0), []) if one not in besides]
        found += below
        todo += below
    return found


def marked(environment: Mapping[str, str]) -> list[int]:
    """Every process that was started with these variables, as far as it may be asked."""
    wanted = {os.fsencode(f"{name}={value}") for name, value in environment.items()}
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it has ended, or is another user's
                if wanted <= set(Path(entry.path, "environ").read_bytes().split(b"\0")):
                    found.append(int(entry.name))
    return found


def end_descendants(grace: float) -> int:
    """End everything below this process: SIGTERM, `grace` seconds, SIGKILL. Returns how many. What
    no signal of ours reaches is left.

    Needs `become_subreaper`, else what was orphaned before is not seen.
    """
    if not reap():
        return 0  # no child at all: nothing below us, and /proc need not be read
    first = descendants(os.getpid())
    if not first:
        return 0
    deadline = time.monotonic() + grace
    for pid in first:
        end(pid)
    while time.monotonic() < deadline:
        reap()
        if not descendants(os.getpid()):
            return len(first)
        time.sleep(0.02)
    deadline = time.monotonic() + UNKILLABLE
    while (left := descendants(os.getpid())) and time.monotonic() < deadline:
        for pid in left:
            send(pid, signal.SIGKILL)
        reap()
        time.sleep(0.01)
    return len(first)


def send(pid: int, number: int) -> None:
    """Send a signal; a process that is gone is what was wanted, and one that has become another
    user's (sudo) cannot be reached."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def end(pid: int, number: int = signal.SIGTERM) -> None:
    """Ask a process to end, a stopped one too: it would sleep through its SIGTERM."""
    send(pid, number)
    send(pid, signal.SIGCONT)


def reap() -> bool:
    """Collect children that have ended, so that they do not linger as zombies.

    Whether any child is left.
    """
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def signal_name(number: int) -> str:
    """11 -> "11 (SIGSEGV)"; real-time signals, and what this host does not know, have no name."""
    if number >= signal.SIGRTMIN:
        return str(number)
    try:
        return f"{number} ({signal.Signals(number).name})"
    except ValueError:
        return str(number)
