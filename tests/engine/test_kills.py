"""A hundred SIGKILLs at random over supervisors, workers, commands and recoveries."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench" / "kills.py"


@pytest.mark.slow
def test_a_hundred_kills() -> None:
    done = subprocess.run(
        [sys.executable, str(BENCH), "--kills", "100", "--seed", "7"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "everything held"
