"""What the tests of manifests share: a fixed clock, and loading a text as if it were a file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mitrarr_runner.clock import FixedClock
from mitrarr_runner.engine.validate import validate
from mitrarr_runner.engine.validation import Validation

ZONE = "settings: {timezone: America/Sao_Paulo}\n"


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 11, 23, 12, tzinfo=UTC))


@pytest.fixture
def of(tmp_path: Path, clock: FixedClock) -> Callable[[str], Validation]:
    """Validate a manifest given as text."""

    def validated(content: str, name: str = "m.yaml") -> Validation:
        (tmp_path / name).write_text(content, "utf-8")
        return validate(name, environment={}, cwd=tmp_path, clock=clock)

    return validated
