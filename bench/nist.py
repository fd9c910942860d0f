"""Prints the figures of the ANSI/NIST reader, as ratios within one run (python bench/nist.py).

Time is the best of many rounds, so that a busy machine changes it little; the files are made here.
"""

from __future__ import annotations

import gc
import hashlib
import os
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from datetime import date
from pathlib import Path

from mitrarr_runner import images
from mitrarr_runner.nist.reader import read
from mitrarr_runner.nist.writer import RecordDraft, face, write

DAY = date(2026, 11, 20)
PERSON = RecordDraft(2, 0, {number: f"FIELD {number}" for number in range(3, 12)})


def portrait(size: int) -> bytes:
    """A transaction of Type-1, Type-2 and one Type-10 FACE whose image has `size` bytes."""
    draft = face(1, images.draw_face(1), date=DAY)
    return write([PERSON, RecordDraft(10, 1, draft.fields, draft.data + os.urandom(size))], **HEAD)


HEAD = {"date": DAY, "tcn": "BENCH-1"}


def best(action: Callable[[], object], seconds: float = 1.0) -> float:
    """The quickest of as many rounds as fit, in seconds."""
    gc.disable()
    shortest, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        started = time.perf_counter()
        action()
        shortest = min(shortest, time.perf_counter() - started)
    gc.enable()
    return shortest


def every_field(data: bytes) -> None:
    for record in read(data).records:
        record.fields()


def beside_sha256(folder: Path, size: int) -> None:
    path = folder / f"{size}.nst"
    path.write_bytes(portrait(size))

    def alone() -> None:
        hashlib.sha256(path.read_bytes()).hexdigest()

    def with_fields() -> None:
        data = path.read_bytes()
        hashlib.sha256(data).hexdigest()
        every_field(data)

    base, ours = best(alone), best(with_fields)
    print(
        f"file {path.stat().st_size:>9,} bytes: read + sha256 {base * 1e6:7.0f} us,"
        f" with every field {ours * 1e6:7.0f} us   {ours / base:5.2f}x"
    )


def beside_nistitl(size: int) -> None:
    try:
        import nistitl
    except ImportError:
        print("nistitl is not installed")
        return
    data = portrait(size)

    def theirs() -> None:
        nistitl.Message().parse(data)

    walk, fields, other = best(lambda: read(data)), best(lambda: every_field(data)), best(theirs)
    print(
        f"parsing {len(data):>9,} bytes: nistitl {other * 1e6:7.0f} us,"
        f" walk {walk * 1e6:4.0f} us {other / walk:6.1f}x,"
        f" every field {fields * 1e6:4.0f} us {other / fields:6.1f}x"
    )


def many_records() -> None:
    image = os.urandom(100_000)
    drafts = [RecordDraft(14, number % 100, {3: "0"}, image) for number in range(400)]
    data = write(drafts, **HEAD)
    walk, fields = best(lambda: read(data)), best(lambda: every_field(data))
    print(
        f"400 records, {len(data) / 1e6:.0f} MB: walk {walk * 1e3:.1f} ms,"
        f" every field {fields * 1e3:.1f} ms"
    )


def memory() -> None:
    data = portrait(3_000_000)
    every_field(data)
    tracemalloc.start()
    transaction = read(data)
    for record in transaction.records:
        record.fields()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"file of {len(data) / 1e6:.0f} MB: extra memory at its peak {peak / 1000:.1f} kB")


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        for size in (40_000, 200_000, 400_000, 3_000_000):
            beside_sha256(Path(folder), size)
    for size in (40_000, 400_000, 3_000_000):
        beside_nistitl(size)
    many_records()
    memory()
    return 0


if __name__ == "__main__":
    sys.exit(main())
