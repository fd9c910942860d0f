"""Where does the output of a run go? Into logs/runs/<job>/<run>.log, and never more than the cap.

A program that prints without end must not fill the disk, nor be killed for it: what is over the
cap is read and dropped, and the file says so.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from mitrarr_runner import atomic

CAP = 10_000_000
"""Bytes of one run's output that are kept."""

_PIECE = 65536


class Capture:
    """A pipe whose read end is copied into a file by a thread.

    Make it after the fork: threads do not survive one.
    """

    def __init__(self, path: Path, cap: int = CAP) -> None:
        self._left = cap
        try:
            self._file = self._opened(path)
        except OSError:  # a full disk drops output, it does not fail the job
            self._file = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        self._reader, self.descriptor = os.pipe2(os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._copy, daemon=True)
        self._thread.start()

    def _opened(self, path: Path) -> int:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(path, flags, 0o600)

    def line(self, words: str) -> None:
        """A line of our own, after what the steps have printed so far: through the same pipe,
        because what is still in there came first.
        """
        atomic.write_all(self.descriptor, (words + "\n").encode("utf-8", "backslashreplace"))

    def close(self, wait: float = 2.0) -> None:
        """Close our write end and wait for what is still in the pipe (not for a stray holder)."""
        os.close(self.descriptor)
        self._thread.join(wait)

    def _copy(self) -> None:
        while piece := os.read(self._reader, _PIECE):
            self._keep(piece)

    def _keep(self, piece: bytes) -> None:
        if self._left <= 0:
            return
        kept = piece[: self._left]
        self._left -= len(kept)
        try:
            atomic.write_all(self._file, kept)
            if self._left <= 0:
                atomic.write_all(self._file, b"\n[output over the cap was dropped]\n")
        except OSError:
            self._left = 0  # a disk that runs full does no more harm than that either
