"""Errors and hints are as wide as the terminal, and commands to type stay whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.mark.parametrize("columns", [40, 80])
def test_no_line_is_wider_and_commands_stay_whole(
    site: Any, job: Any, terminal: Callable[..., Any], columns: int
) -> None:
    names = [f"um_nome_de_job_{number}" for number in range(6)]
    site.write(jobs={name: job("true") for name in names})
    site.due(*names)
    assert site.run("plan", "--out", "p.json").code == 0
    assert site.run("apply", "p.json").code == 0
    seen = terminal("apply", "p.json", columns=columns)
    assert seen.code == 2
    lines = seen.raw.replace("\r\n", "\n").splitlines()
    assert lines[0].startswith("error: the plan of")
    typed = ("mitrarr plan p.json", f"mitrarr plan {site.manifest_path} --out p.json")
    assert all(any(command in line for line in lines) for command in typed)
    assert all(len(line) <= columns for line in lines if "mitrarr plan /" not in line)
    hint = next(number for number, line in enumerate(lines) if line.startswith("  -> "))
    assert all(line.startswith("  ") for line in lines[1:hint])
    assert all(line.startswith("     ") for line in lines[hint + 1 :])


def test_into_a_pipe_an_error_is_one_line(site: Any, job: Any) -> None:
    site.write(jobs={"a": job("true")})
    done = site.run("plan", "nosuch/" + "x" * 200 + ".yaml")
    assert done.code == 2
    assert "x" * 200 in done.err.splitlines()[0]
