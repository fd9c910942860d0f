"""JSON goes out through whatever standard output is, and any program can read it."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mitrarr_runner.cli.session import Session
from mitrarr_runner.clock import SystemClock
from mitrarr_runner.text import Catalogue

WORDS = "ação → 𝄞"
NARROW = {"latin-1": {"LC_ALL": "C", "PYTHONIOENCODING": "latin-1"}}
NARROW["ascii"] = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}


def said(encoding: str, data: Mapping[str, Any]) -> bytes:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding)
    Session(Catalogue("en"), SystemClock(), {}, Path(), out, out).json(data)
    out.flush()
    return raw.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "cp1252", "ascii"])
def test_the_same_answer_in_every_encoding(encoding: str) -> None:
    told = said(encoding, {"reason": WORDS, "runs": [WORDS] * 300})
    assert json.loads(told.decode(encoding)) == {
        "version": 1,
        "reason": WORDS,
        "runs": [WORDS] * 300,
    }


def test_outside_unicode_it_is_plain_ascii() -> None:
    """A program reads JSON as UTF-8 (RFC 8259, 8.1): bytes of latin-1 would end it."""
    assert "ação → 𝄞".encode() in said("utf-8", {"reason": WORDS})
    for encoding in ("ascii", "latin-1", "cp1252"):
        answer = said(encoding, {"reason": WORDS})
        assert rb"a\u00e7\u00e3o \u2192 \ud834\udd1e" in answer
        assert json.loads(answer)["reason"] == WORDS


def test_a_byte_of_a_name_that_is_no_character_goes_out_too() -> None:
    """A lone surrogate, as surrogateescape makes it, is no UTF-8 either."""
    assert rb"\udcff" in said("utf-8", {"name": "\udcff"})


@pytest.mark.parametrize("encoding", NARROW)
def test_every_answer_of_the_command_line(site: Any, job: Any, encoding: str) -> None:
    site.write(jobs={"p": job("echo", "→ ação")})
    env = NARROW[encoding]
    assert site.run("pause", "p", "--reason", "espera → ação", env=env).code == 0
    for words in (
        ("plan", "--format", "json"),
        ("plan", "--from", "2026-11-23T00:00", "--until", "2026-11-24T00:00", "--format", "json"),
        ("status", "--format", "json"),
        ("apply", "--format", "json"),
        ("validate", "--format", "json"),
        ("state", "export", "--review", "-"),
        ("schema",),
    ):
        done = site_bytes(site, env, *words)
        assert isinstance(json.loads(done.decode(encoding)), dict), words


def site_bytes(site: Any, env: Mapping[str, str], *words: str) -> bytes:
    done = subprocess.run(
        site.command(*words),
        cwd=site.root,
        env=site.environment(**env),
        capture_output=True,
        check=False,
    )
    assert done.returncode in (0, 1), (words, done.stderr)
    return done.stdout
