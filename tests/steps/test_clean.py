"""One old file is no "1 old files"."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("files", "words"), [(0, "nothing to remove"), (1, "1 old file"), (2, "2 old files")]
)
def test_what_it_would_remove_and_what_it_removed(
    site: Any, lately: Callable[..., str], files: int, words: str
) -> None:
    (site.root / "tmp").mkdir()
    for number in range(files):
        (site.root / "tmp" / f"{number}").touch()
        os.utime(site.root / "tmp" / f"{number}", (0, 0))
    step = {"clean": {"folders": [{"path": "tmp", "older_than": "1d"}]}}
    site.write(jobs={"a": {"schedule": lately(1), "steps": [step]}})
    site.due()
    planned = site.run("plan", "--format", "json").json["runs"][0]["steps"][0]["describe"]
    done = site.run("apply", "--verbose").out
    if files:
        assert planned == f"{words}, 0.0 MB"
        assert f"{words} removed, 0.0 MB" in done
    else:
        assert planned == words
        assert words in done
