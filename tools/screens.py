"""Keep the screens in README.md and docs/ real: `python tools/screens.py write` or `check`.

A console block behind `<!-- run: STATE -->` is run in a site of that state, all blocks of one page
and state in one site and in the page's order, in the page's language. What differs from run to run
(instants, lengths of time, sizes, fingerprints) does not count as a difference.

    empty      an empty folder
    fresh      the demo's site with its files in the spool, and nothing done yet
    applied    the same after the first apply: one file in quarantine, one person parked, the files
               moved from the spool to amostras/
    down       the same again, and FindFace does not answer any more
    damaged    the same again, and the store is no store any more

Nothing here knows what a screen should say.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mitrarr_runner.clock import SystemClock
from mitrarr_runner.engine.demo import site as demo_site
from mitrarr_runner.findface.simulator import process

ROOT = Path(__file__).resolve().parent.parent
SHOWN_ROOT = "/opt/findface/mitrarr_clean"
SHOWN_HOST = "srv-ingest01"
BUG = "mitrarr-bug-"
STATES = ("empty", "fresh", "applied", "down", "damaged")

_BLOCK = re.compile(r"<!-- run: (\w+) -->\n```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_MARK = "--%s-- next command --%s--"
_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|seg|ter|qua|qui|sex|sáb|dom)"
_SPAN = r"\d+d\d\dh|\d+h\d\dm|\d+m\d\ds|\d+s"
_CHANGING = (
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:]+(?:Z|[+-]\d\d:\d\d)"), "INSTANT"),
    (
        re.compile(rf"(?:{_DAY} )?(?:\d{{4}}-\d\d-\d\d |\d\d/\d\d/\d{{4}} )?\d\d:\d\d(?::\d\d)?"),
        "TIME",
    ),
    (re.compile(r"\bdat \d{8}\b"), "dat DAY"),  # of the samples that the demo makes today
    (re.compile(r'"\d+ \d+ \* \* \*"'), "DAILY"),  # the demo's slot is half a day away
    (re.compile(r"TIME(?: [+-]\d\d:\d\d)+"), "TIME"),
    (re.compile(rf"\b(?:{_SPAN})\b"), "SPAN"),
    (re.compile(r"\b[0-9a-f]{12}\b|\b(?=[a-f]*\d)[0-9a-f]{7}\b"), "HASH"),
    (re.compile(r"\b[\d.,]+ (?:kB|MB|bytes)"), "SIZE"),
    (re.compile(r"\b\d{1,3}(?:[.,]\d{3})+\b"), "NUMBER"),
    (re.compile(r"(disk|disco) \d+%"), r"\1 SHARE"),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:PORT"),
    (re.compile(r"(there as|lá como) \d+"), r"\1 ID"),
    (re.compile(r" \([\d.,]+/s\)"), ""),
    (re.compile(r"[ \t]+"), " "),
)


@dataclass(frozen=True, slots=True)
class Block:
    """One console block: where its text stands in the page, and the state it is run in."""

    state: str
    start: int
    end: int
    shown: str

    @property
    def commands(self) -> list[str]:
        return [line[2:] for line in self.shown.splitlines() if line.startswith("$ ")]


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*/*.md"))]


def language(page: Path) -> str:
    return "pt_BR" if page.parent.name == "pt" else "en"


def blocks(text: str) -> list[Block]:
    return [
        Block(found[1], found.start(2), found.end(2), found[2]) for found in _BLOCK.finditer(text)
    ]


def masked(screen: str) -> str:
    """A screen without what differs from run to run."""
    for pattern, name in _CHANGING:
        screen = pattern.sub(name, screen)
    return "\n".join(line.strip() for line in screen.strip().splitlines())


class Sites:
    """Sites to run in, below one folder; those of a language are made once and then copied."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def site(self, page: Path, state: str) -> Path:
        """The page's own site in that state."""
        own = self._folder / f"{page.parent.name}-{page.stem}" / state / "site"
        if not own.exists():
            if state == "empty":
                own.mkdir(parents=True)
            else:
                shutil.copytree(self._model(language(page), state), own)
        return own

    def _model(self, tongue: str, state: str) -> Path:
        models = self._folder / f"models-{tongue}"
        if not models.exists():
            _make(models, tongue)
        return models / state


def _make(models: Path, tongue: str) -> None:
    models.mkdir(parents=True)
    with process.start(seed=7, lists=("DETRAN",)) as simulator:
        for state in ("fresh", "applied"):  # not copied: intake goes by the files' own times
            _demo_site(models / state, simulator.url, tongue)
        _shell("mitrarr apply", models / "applied", tongue)
    applied = models / "applied"
    (applied / "entrada").rename(applied / "amostras")  # a copied spool would be one of new files
    (applied / "entrada").mkdir()
    shutil.copytree(applied, models / "down")
    shutil.copytree(applied, models / "damaged", ignore=shutil.ignore_patterns("mitrarr.db*"))
    (models / "damaged" / "state" / "mitrarr.db").write_bytes(b"not a store " * 99)


def _demo_site(folder: Path, url: str, tongue: str) -> None:
    """The demo's site, its manifest in configs/prod/, where every verb looks by itself."""
    demo_site.prepare(folder)
    demo_site.fill(folder, SystemClock().now())
    written = demo_site.write_manifest(folder, url, tongue, SystemClock().now())
    text = written.read_text("utf-8").replace("root: ..", "root: ../..")
    written.unlink()
    (folder / "configs" / "prod").mkdir()
    manifest = folder / "configs" / "prod" / "00-demo.yaml"
    manifest.write_text(text.replace("name: demo", "name: prod"), "utf-8")


def _shell(script: str, site: Path, tongue: str) -> str:
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=site,
        env={
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(site.parent),
            "LANG": "C.UTF-8",
            "COLUMNS": "80",
            "MITRARR_LANG": tongue,
            "MITRARR_OPERATOR": "operador.a",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    return done.stdout


def run(block: Block, site: Path, tongue: str) -> str:
    """The block as it should stand in the page: its commands, each followed by what it printed."""
    mark = _MARK % (os.getpid(), os.getpid())
    lines = [f"{command}\ncode=$?\necho '{mark}'\n(exit $code)" for command in block.commands]
    printed = _shell("\n".join(lines), site, tongue).split(f"{mark}\n")
    whole = ""
    for command, screen in zip(block.commands, printed, strict=False):
        whole += f"$ {command}\n{_placed(screen, site)}"
    return whole


def _placed(screen: str, site: Path) -> str:
    """The same on the server that the tutorial speaks of."""
    for prefix in ("/private", ""):
        screen = screen.replace(f"{prefix}{site}", SHOWN_ROOT)
    binaries = str(Path(sys.executable).parent)
    screen = screen.replace(binaries, f"{SHOWN_ROOT}/.venv/bin")
    host = re.escape(socket.gethostname())
    return re.sub(
        rf"( *)(?<![\w.-]){host}(?![\w.-])",
        lambda found: found[1][: _shrunk(len(found[1]))] + SHOWN_HOST,
        screen,
    )


def _shrunk(blanks: int) -> int:
    """How many blanks stay before the longer name, so that a right end stays where it was."""
    more = len(SHOWN_HOST) - len(socket.gethostname())
    return max(blanks - more, 2) if blanks > 2 else blanks


def refreshed(page: Path, sites: Sites) -> str:
    """The page with every screen that has really changed replaced; a bug never becomes one."""
    text = page.read_text("utf-8")
    tongue = language(page)
    made = [(one, run(one, sites.site(page, one.state), tongue)) for one in blocks(text)]
    for block, screen in reversed(made):
        if BUG in screen:
            sys.stderr.write(f"{page.relative_to(ROOT)}: a bug, not a screen:\n{screen}\n")
        elif masked(screen) != masked(block.shown):
            text = text[: block.start] + screen + text[block.end :]
    return text


def differences(page: Path, sites: Sites) -> Iterator[tuple[str, str]]:
    """(as it stands, as it is printed now), masked, of the screens that differ."""
    for block in blocks(page.read_text("utf-8")):
        now = masked(run(block, sites.site(page, block.state), language(page)))
        if now != masked(block.shown):
            yield masked(block.shown), now


def main(words: list[str]) -> int:
    if words not in (["write"], ["check"]):
        sys.stderr.write(f"{__doc__}\n")
        return 2
    changed = []
    with tempfile.TemporaryDirectory(prefix="mitrarr-screens-") as folder:
        sites = Sites(Path(folder))
        for page in pages():
            text = refreshed(page, sites)
            if text != page.read_text("utf-8"):
                changed.append(page)
                if words == ["write"]:
                    page.write_text(text, "utf-8")
    for page in changed:
        sys.stdout.write(f"{words[0]}: {page.relative_to(ROOT)}\n")
    return 1 if changed and words == ["check"] else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
