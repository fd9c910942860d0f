"""Do README.md and docs/ tell the truth? Links, manifests, commands, cron lines, tables, screens.

The pages of a language pair stand in the same order here; what the reference must name is in
test_documented.py.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import reference
import screens
from mitrarr_runner.cli import app
from mitrarr_runner.engine.validate import validate
from mitrarr_runner.text import Catalogue

ROOT = Path(__file__).parent.parent
PAIRS = (
    ("instalacao", "installation"),
    ("operacao", "operation"),
    ("problemas", "troubleshooting"),
    ("manifesto", "manifest"),
    ("referencia", "reference"),
    ("dados-pessoais", "personal-data"),
)
PAGES = (
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "docs" / "decisions.md",
    *(ROOT / "docs" / "pt" / f"{pt}.md" for pt, _ in PAIRS),
    *(ROOT / "docs" / "en" / f"{en}.md" for _, en in PAIRS),
)
SHOWN = tuple(page for page in PAGES if screens.blocks(page.read_text("utf-8")))


def shown(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def outside_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def headings(text: str) -> list[tuple[int, str]]:
    found = re.findall(r"^(#+) (.+)$", outside_code(text), re.MULTILINE)
    return [(len(marks), words) for marks, words in found]


def fenced(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


# The two languages


def test_both_languages_have_the_same_pages() -> None:
    for folder, names in (("pt", [pt for pt, _ in PAIRS]), ("en", [en for _, en in PAIRS])):
        found = {path.name for path in (ROOT / "docs" / folder).iterdir()}
        assert found == {f"{name}.md" for name in names}


@pytest.mark.parametrize(("pt", "en"), PAIRS)
def test_both_languages_have_the_same_shape(pt: str, en: str) -> None:
    ours, theirs = (
        (ROOT / "docs" / folder / f"{name}.md").read_text("utf-8")
        for folder, name in (("pt", pt), ("en", en))
    )
    assert [level for level, _ in headings(ours)] == [level for level, _ in headings(theirs)]
    states = [[block.state for block in screens.blocks(text)] for text in (ours, theirs)]
    assert states[0] == states[1]
    rows = [len(re.findall(r"^\|", text, re.MULTILINE)) for text in (ours, theirs)]
    assert rows[0] == rows[1]


# Links


def anchor(words: str) -> str:
    """As forges make them of a heading."""
    return re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    return {anchor(words) for _, words in headings(page.read_text("utf-8"))}


def broken_links(page: Path) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", outside_code(page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, name = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (name and name not in anchors(there)):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert list(broken_links(page)) == []


def test_a_broken_link_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A `b` c\n[x](gone.md) [y](#a-b-c) [z](#nope) [w](page.md#a-b-c)\n")
    assert list(broken_links(page)) == ["gone.md", "#nope"]


def test_the_hints_of_the_program_lead_somewhere() -> None:
    """Messages name pages and headings: `docs/en/troubleshooting.md, 'The store'`."""
    named = 0
    for path in (ROOT / "mitrarr_runner").rglob("*.py"):
        for page, words in re.findall(
            r"(docs/[\w/.-]+\.md)(?:, ['\"]([^'\"]+)['\"])?", path.read_text()
        ):
            named += 1
            assert (ROOT / page).exists(), f"{path.name} names {page}"
            if words:
                found = {heading for _, heading in headings((ROOT / page).read_text("utf-8"))}
                assert words in found, f"{path.name} names {page}, {words}"
    assert named


# What must not stand there


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_nothing_of_a_workplace_is_told(page: Path) -> None:
    text = page.read_text("utf-8")
    home = str(Path.home()) + "/"
    for word in (str(ROOT), str(Path(sys.executable).parent.parent), home, screens.BUG):
        assert word not in text, f"{shown(page)} tells of {word}"


# Manifests


def problems(path: Path) -> list[str]:
    found = validate(str(path), environment={}, cwd=path.parent)
    return [f"{p.file}:{p.line}:{p.column} {p.message}" for p in found.problems]


def wholes() -> list[Any]:
    return [
        pytest.param(text, id=f"{shown(page)}-{number}")
        for page in PAGES
        for number, text in enumerate(
            re.findall(
                r"<!-- whole: json -->\n```json\n(.*?)^```$",
                page.read_text("utf-8"),
                re.DOTALL | re.MULTILINE,
            )
        )
    ]


@pytest.mark.parametrize("text", wholes())
def test_a_whole_manifest_is_valid(text: str, tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(text)
    assert problems(path) == []


@pytest.mark.parametrize("page", ["pt/manifesto.md", "en/manifest.md"])
def test_the_examples_of_the_page_are_one_manifest(page: str, tmp_path: Path) -> None:
    examples = fenced((ROOT / "docs" / page).read_text("utf-8"), "yaml")
    assert len(examples) >= 8
    for number, text in enumerate(examples):
        (tmp_path / f"{number:02d}.yaml").write_text(text, "utf-8")
    assert problems(tmp_path) == []


# Commands


def _verbs() -> dict[str, set[str]]:
    """Every verb with its options, groups as "registry list"."""
    command = app.build(Catalogue("en"))
    found: dict[str, set[str]] = {}
    for name, verb in command.commands.items():
        below = getattr(verb, "commands", None)
        for own, one in (
            ((f"{name} {k}", v) for k, v in below.items()) if below else ((name, verb),)
        ):
            found[own] = {opt for p in one.params for opt in (*p.opts, *p.secondary_opts)}
    return found


VERBS = _verbs()
GROUPS = {name.split()[0] for name in VERBS if " " in name}
_CALL = re.compile(
    r"(?:(?<![\w/.-])mitrarr|bin/mitrarr|scheduler-cli|infra\.cli\.main) ([^`|;\n]*)"
)


def calls(text: str) -> Iterator[str]:
    """What follows the program's name, in code of any kind, continued lines joined."""
    code = re.findall(r"^```(?:bash|console|cron)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    typed = [
        line.removeprefix("$ ")
        for block in code
        for line in re.sub(r"\\\n\s*", " ", block).splitlines()
    ]
    inline = re.findall(r"`([^`\n]+)`", outside_code(text))
    for line in (*typed, *inline):
        yield from _CALL.findall(line.replace("\\|", "|"))


def wrong_calls(text: str) -> Iterator[str]:
    for call in calls(text):
        words = call.removeprefix("help ").split()  # `help VERB` is `VERB --help`
        if not words or not re.fullmatch(r"[a-z][a-z-]*", words[0]):
            continue  # a placeholder: VERB, --help
        name = " ".join(words[:2]) if words[0] in GROUPS else words[0]
        if name not in VERBS:
            if words[0] not in GROUPS or len(words) > 1:
                yield call
            continue
        flags = {re.split(r"[=\s]", word)[0] for word in words if re.match(r"--?[a-z]", word)}
        if flags - VERBS[name] - {"--lang", "--help", "-h"}:
            yield call


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_every_command_that_is_named_exists(page: Path) -> None:
    assert list(wrong_calls(page.read_text("utf-8"))) == []


def test_a_wrong_command_is_seen() -> None:
    typed = "mitrarr registry lost\nmitrarr plan --at x\n"
    text = f"`mitrarr plan --att x` `mitrarr plam` `mitrarr help plam`\n```bash\n{typed}```\n"
    assert len(list(wrong_calls(text))) == 4
    assert (
        list(wrong_calls("`mitrarr help VERB` `mitrarr help plan` `mitrarr help registry`")) == []
    )


@pytest.mark.parametrize("page", ["pt/referencia.md", "en/reference.md"])
def test_no_verb_tells_of_options_that_it_has_not(page: str) -> None:
    """Those of its list, and of the sentence that begins with "Options:"."""
    parts = re.split(
        r"^### `mitrarr ", (ROOT / "docs" / page).read_text("utf-8"), flags=re.MULTILINE
    )
    strange = []
    for part in parts[1:]:
        head = part.split("`")[0]
        own = next((o for name, o in VERBS.items() if re.match(rf"{name}(?![\w-])", head)), None)
        listed = re.findall(r"^- (`--[^:.]*)", part, re.MULTILINE)
        listed += re.findall(r"(?:Options|Opções): ([^.:]*)", part)
        told = set(re.findall(r"`(--[a-z-]+)", " ".join(listed)))
        strange += [f"{head}: {option}" for option in told - (own or told)]
    assert strange == []


@pytest.mark.parametrize("page", ["pt/referencia.md", "en/reference.md"])
def test_each_verb_tells_of_its_options(page: str) -> None:
    """In its own section, or among the common ones."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    parts = re.split(r"^### `mitrarr ", text, flags=re.MULTILINE)
    common = set(re.findall(r"--[a-z-]+", parts[0]))
    own = {part.split("`")[0]: set(re.findall(r"--[a-z-]+", part)) for part in parts[1:]}
    missing = []
    for name, options in VERBS.items():
        told = next((o for head, o in own.items() if re.match(rf"{name}(?![\w-])", head)), set())
        long = {option for option in options if option.startswith("--")}
        here = {"--lang", "--help"} | (common & {"--help"})
        missing += [f"{name} {option}" for option in sorted(long - told - here)]
    assert missing == []


# Cron


@pytest.mark.parametrize("page", ["pt/instalacao.md", "en/installation.md"])
def test_the_cron_lines_work_as_cron_runs_them(page: str, tmp_path: Path) -> None:
    """With the page's own manifests, in the tutorial's layout, from another folder."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    site, configs = tmp_path / "findface" / "mitrarr_clean", tmp_path / "findface" / "configs"
    for folder in (site, configs, tmp_path / "dados" / "entrada" / "detran"):
        folder.mkdir(parents=True)
    manifests = [json.loads(one) for one in fenced(text, "json")]
    for manifest, name in zip(manifests, ("prod_schedule", "guardian"), strict=True):
        placed = json.dumps(manifest).replace("/opt/findface", str(tmp_path / "findface"))
        (configs / f"{name}.json").write_text(placed.replace("/dados", str(tmp_path / "dados")))
    (block,) = fenced(text, "cron")
    lines = [line for line in block.splitlines() if line[:1] in "*0123456789"]
    assert len(lines) == 2
    for line in lines:
        command = line.split(maxsplit=5)[5]
        command = command.replace(
            "/opt/findface/mitrarr_clean/.venv/bin", str(Path(sys.executable).parent)
        )
        done = subprocess.run(
            [
                "env",
                "-i",
                "PATH=/usr/bin:/bin",
                f"HOME={tmp_path}",
                "sh",
                "-c",
                command.replace("/opt/findface", str(tmp_path / "findface")),
            ],
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), line
    assert {path.name for path in (site / "state" / "heartbeat").iterdir()} == {"prod", "guardian"}
    assert (site / "state" / "mitrarr.db").exists()
    assert (site / "state" / "guardian.db").exists()


# Tables and screens


@pytest.mark.parametrize("language", reference.PAGES)
def test_the_tables_of_keys_are_the_schemas(language: str) -> None:
    text = reference.PAGES[language].read_text("utf-8")
    assert reference.refreshed(text, language) == text, "type: python tools/reference.py write"


def test_every_key_has_its_table() -> None:
    schema = reference.bundled(reference.manifest_schema(), reference.step_schemas())
    wanted = set(schema["properties"]) | set(schema["$defs"]["step"]["properties"]) | {"secret"}
    for page in reference.PAGES.values():
        found = set(re.findall(r"<!-- keys: (\w+) -->", page.read_text("utf-8")))
        assert found == wanted - {"$schema", "version", "name", "description"}


@pytest.fixture(scope="session")
def sites(tmp_path_factory: pytest.TempPathFactory) -> screens.Sites:
    return screens.Sites(tmp_path_factory.mktemp("screens"))


@pytest.mark.slow
@pytest.mark.parametrize("page", SHOWN, ids=shown)
def test_the_screens_are_real(page: Path, sites: screens.Sites) -> None:
    for old, new in screens.differences(page, sites):
        assert old == new, "type: python tools/screens.py write"


def test_every_screen_is_in_a_known_state() -> None:
    for page in SHOWN:
        text = page.read_text("utf-8")
        assert {block.state for block in screens.blocks(text)} <= set(screens.STATES)
        assert len(screens.blocks(text)) == text.count("<!-- run")
        assert len(screens.blocks(text)) == len(fenced(text, "console"))


def test_what_changes_from_run_to_run_is_masked_and_the_rest_is_not() -> None:
    one = "cron OK (apply há 1s)  manifesto e7aa228 OK  disco 22%\n A1 seg 02:00 (em 11h07m) 26 kB"
    two = "cron OK (apply há 2m10s)   manifesto 0123abc OK  disco 9%\n A1 14:52 (em 3m01s) 5,8 kB"
    assert screens.masked(one) == screens.masked(two)
    assert screens.masked(one) != screens.masked(one.replace("OK", "HAS ERRORS", 1))
    assert screens.masked("22 sent") != screens.masked("21 sent")


def test_the_changelog_misses_nothing_that_is_there() -> None:
    missing = (ROOT / "CHANGELOG.md").read_text("utf-8").split("### What there is not yet")[1]
    named = set(re.findall(r"`([a-z][a-z -]*)`", missing.split("\n## ")[0]))
    assert not named & set(VERBS), "built meanwhile: say so"
