"""The progress line: ASCII, in place, on a terminal only, and gone without a trace."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mitrarr_runner.cli.progress import Line, bar_of
from mitrarr_runner.clock import FixedClock
from mitrarr_runner.text import Catalogue

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
LABEL = "  2/3 send_to_findface"


class Paper(io.StringIO):
    """A stream that is no terminal: 80 columns are assumed."""

    encoding = "latin-1"

    def fileno(self) -> int:
        raise OSError


def drawn(language: str = "en") -> tuple[Line, Paper, FixedClock]:
    clock, paper = FixedClock(NOW), Paper()
    return Line(paper, Catalogue(language), clock), paper, clock


def test_the_line_of_the_target_screen() -> None:
    line, paper, clock = drawn()
    line.show(LABEL, 0, 240)
    clock.ticks = 19.7
    line.show(LABEL, 120, 240)
    last = paper.getvalue().split("\r")[-1]
    assert last == ("  2/3 send_to_findface  [############............] 120/240  6.1/s  19s left")
    assert len(last) < 80


def test_numbers_follow_the_reader() -> None:
    line, paper, clock = drawn("pt_BR")
    line.show(LABEL, 0, 2400)
    clock.ticks = 20
    line.show(LABEL, 1200, 2400)
    assert "1.200/2.400  60,0/s" in paper.getvalue()


def test_a_rate_is_told_when_it_says_something() -> None:
    line, paper, clock = drawn()
    line.show("x", 0, 10)
    clock.ticks = 0.5
    line.show("x", 5, 10)
    assert "/s" not in paper.getvalue()
    clock.ticks = 5
    line.show("x", 10, 10)
    assert paper.getvalue().endswith("] 10/10  2.0/s"), "nothing is left"


def test_a_new_piece_of_work_has_a_rate_of_its_own() -> None:
    line, paper, clock = drawn()
    line.show("one", 0, 10)
    clock.ticks = 100
    line.show("two", 0, 10)
    clock.ticks = 102
    line.show("two", 4, 10)
    assert paper.getvalue().endswith("4/10  2.0/s  3s left")


def test_an_unknown_whole_has_no_bar() -> None:
    line, paper, _ = drawn()
    line.show("x", 7, None)
    assert paper.getvalue() == "\rx  7"


def test_a_shorter_line_leaves_nothing_of_the_longer_one_and_clear_leaves_nothing() -> None:
    line, paper, _ = drawn()
    line.tell("a long line")
    line.tell("short")
    assert paper.getvalue().endswith("\rshort      ")
    line.clear()
    assert paper.getvalue().endswith("\r     \r")
    before = paper.getvalue()
    line.clear()
    assert paper.getvalue() == before


def test_what_the_terminal_cannot_show_is_replaced_and_nothing_goes_over_its_edge() -> None:
    line, paper, _ = drawn()
    line.tell("✓" * 200)
    assert paper.getvalue() == "\r" + "?" * 79


def test_a_bar_is_full_only_at_the_end() -> None:
    assert [bar_of(n, 3, 6) for n in range(4)] == ["......", "##....", "####..", "######"]
    assert bar_of(9999, 10000, 10) == "#########."
    assert bar_of(11, 10, 10) == "##########"


@pytest.fixture
def spool(site: Any, nist: Callable[..., Path]) -> None:
    (site.root / "in").mkdir()
    for number in range(4):
        nist(f"in/{number}.nst", tcn=f"T{number}")
    site.write(
        sources={"DETRAN": {"spool": str(site.root / "in"), "settle": "0s"}},
        jobs={"a": {"steps": [{"register_nist": {"source": "DETRAN"}}]}},
    )


@pytest.mark.usefixtures("spool")
def test_on_a_terminal_it_is_drawn_in_place_and_goes_away(terminal: Callable[..., Any]) -> None:
    seen = terminal("run", "a")
    assert seen.code == 0
    assert "\r  1/1 register_nist  [########################] 4/4" in seen.raw
    assert "\x1b" not in seen.raw
    seen.raw.encode("ascii")
    assert not any("[#" in line for line in seen.lines), "gone when the step is done"
    assert any(line.startswith("  1/1 register_nist") and "4" in line for line in seen.lines)


@pytest.mark.usefixtures("spool")
def test_into_a_pipe_nothing_is_drawn(site: Any) -> None:
    told = site.run("run", "a")
    assert told.code == 0
    assert "\r" not in told.out
    assert "[#" not in told.out


@pytest.mark.usefixtures("spool")
def test_a_narrow_terminal_gets_a_shorter_bar(terminal: Callable[..., Any]) -> None:
    seen = terminal("run", "a", columns=40)
    drawn = [piece for piece in seen.raw.split("\r") if "register_nist  [" in piece]
    assert drawn
    assert all(len(piece.rstrip()) < 40 for piece in drawn)
