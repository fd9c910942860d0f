"""How is a decoder kept from taking the program down? By a forked child with limits of its own.

The child may use `memory` bytes of address space and `seconds` of CPU more than it starts with;
it answers through a pipe. A crash, a memory bomb or a loop in a codec is an `ImageError` here.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
from collections.abc import Callable
from pathlib import Path

from mitrarr_runner.atomic import write_all
from mitrarr_runner.images.headers import ImageError, damaged
from mitrarr_runner.text import Text, text

MEMORY = 1 << 30
SECONDS = 30

_OK, _DAMAGED, _MEMORY = b"K", b"D", b"M"
_PIECE = 1 << 20


def run(task: Callable[[], bytes], *, memory: int = MEMORY, seconds: int = SECONDS) -> bytes:
    """The task's answer, worked out in a child. ImageError if it fails in any way."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _child(task, writer, memory, seconds)
    os.close(writer)
    try:
        answer = _read(reader, seconds * 2 + 5)
    finally:
        os.close(reader)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        _reap(pid)
    if answer[:1] == _OK:
        return answer[1:]
    if answer[:1] == _DAMAGED:
        raise damaged(text("it cannot be decoded"))
    if answer[:1] == _MEMORY:
        raise _limit(text("decoding it takes too much memory"), "image_memory")
    raise _limit(text("the decoder crashed or took too long"), "image_decoder")


def _limit(message: Text, code: str) -> ImageError:
    return ImageError(message, code=code)


def _child(task: Callable[[], bytes], writer: int, memory: int, seconds: int) -> None:
    """Never returns."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # decoders talk; cron would mail it
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
        _limit_to(resource.RLIMIT_AS, _address_space() + memory)
        _limit_to(resource.RLIMIT_CPU, int(sum(os.times()[:2])) + seconds)
        _limit_to(resource.RLIMIT_CORE, 0)
        try:
            answer = _OK + task()
        except MemoryError:
            answer = _MEMORY
        except Exception:
            answer = _DAMAGED
        write_all(writer, answer)
    finally:
        os._exit(0)


def _limit_to(which: int, value: int) -> None:
    """Lower a limit; one that is lower already stays."""
    _, hard = resource.getrlimit(which)
    wanted = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (wanted, wanted))


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _read(reader: int, patience: int) -> bytes:
    """Everything up to the end of the pipe; b"" if nothing comes for `patience` seconds."""
    pieces: list[bytes] = []
    poll = select.poll()
    poll.register(reader, select.POLLIN | select.POLLHUP)
    while poll.poll(patience * 1000):
        piece = os.read(reader, _PIECE)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
    return b""


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):  # somebody above us reaps everything
        os.waitpid(pid, 0)
