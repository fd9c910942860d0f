"""The table of families says what is true, and a call pays for its own family only."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from mitrarr_runner.cli import app


@pytest.mark.parametrize("family", app.FAMILIES)
def test_a_family_answers_to_its_words_and_no_others(family: str) -> None:
    module = import_module(f"mitrarr_runner.cli.{family}")
    words = {verb.group or verb.name for verb in module.VERBS}
    assert words == set(app.FAMILIES[family])


def test_all_of_them_for_words_that_are_no_verb() -> None:
    every = app.verbs()
    assert app.verbs("nosuch") == app.verbs("--help") == every
    assert len({(verb.group, verb.name) for verb in every}) == len(every)
    assert {verb.name for verb in app.verbs("state")} == {"backup", "restore", "check", "export"}


def test_a_call_imports_its_own_family() -> None:
    source = (
        "import sys; from mitrarr_runner.cli import app; app.verbs('pause'); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "mitrarr_runner.cli.operate" in loaded
    assert not {"mitrarr_runner.cli.doctor", "mitrarr_runner.nist.reader"} & loaded
