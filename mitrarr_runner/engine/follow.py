"""What does a run print while it runs? Whole lines of a growing file, as they come.

The file may not be there yet, may be renamed under the reader (it is read to its end, then the new
one from its beginning) or cut short (read again from the start); no line is lost or told twice.
"""

from __future__ import annotations

import codecs
import os
from io import FileIO
from pathlib import Path


class Tail:
    """Reads one log. Bytes that are not UTF-8 are replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: FileIO | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def lines(self) -> list[str]:
        """The whole lines that came since the last call."""
        told = self._rest + self._decoder.decode(self._bytes())
        *whole, self._rest = told.split("\n")
        return [line.rstrip("\r") for line in whole]

    def last(self) -> list[str]:
        """What is left at the end: the lines that came, and one without its line feed."""
        found = self.lines()
        rest = self._rest + self._decoder.decode(b"", final=True)
        self._rest = ""
        return [*found, rest] if rest else found

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _bytes(self) -> bytes:
        if self._file is None and not self._open():
            return b""
        assert self._file is not None  # noqa: S101 - just opened
        if os.fstat(self._file.fileno()).st_size < self._file.tell():
            self._file.seek(0)
        data = self._file.readall()
        if self._moved() and self._open():
            data += self._file.readall()
        return data

    def _moved(self) -> bool:
        """Whether another file stands where ours did."""
        assert self._file is not None  # noqa: S101 - asked of an open file only
        try:
            there = self._path.stat()
        except OSError:
            return False
        ours = os.fstat(self._file.fileno())
        return (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino)

    def _open(self) -> bool:
        try:
            file = FileIO(self._path)
        except OSError:
            return False
        self.close()
        self._file = file
        return True
