"""Every verb, option, exit code, key, rule and step kind stands in the reference, in two languages.

What the pages must look like: a heading for each verb (`mitrarr registry list`), and one that holds
each top-level key (`sources`) and each step kind (`clean`) in backticks; below it the keys in
backticks, nested ones with dots (`schedule.cron`, `rules.when`), without the names that a manifest
chooses. Exit codes stand in backticks below "Exit codes" or "Códigos de saída". Also here: each
step kind has its schema and its examples.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from mitrarr_runner.alerts.channels import CHANNELS
from mitrarr_runner.alerts.rules import RULES
from mitrarr_runner.cli import app, door
from mitrarr_runner.errors import MitrarrError
from mitrarr_runner.manifest.schemas import bundled, manifest_schema, step_schemas
from mitrarr_runner.steps import KINDS
from mitrarr_runner.text import Catalogue

ROOT = Path(__file__).parent.parent
PAGES = {"en": ROOT / "docs/en/reference.md", "pt": ROOT / "docs/pt/referencia.md"}
DONE, PLAN_HAS_WORK, TERMINATED = 0, 10, 143


@pytest.fixture(params=list(PAGES))
def page(request: pytest.FixtureRequest) -> str:
    path = PAGES[request.param]
    return path.read_text("utf-8") if path.exists() else ""


# Reading the pages


def section(page: str, words: str) -> str:
    """The text below the first heading that holds `words` (a pattern) as whole words, to the next
    heading of its level; empty where there is none.
    """
    pattern = rf"^(#+) [^\n]*(?<![\w-]){words}(?![\w-])[^\n]*$"
    found = re.search(pattern, page, re.MULTILINE)
    if found is None:
        return ""
    rest = page[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return found[0] + (rest[: end.start()] if end else rest)


def in_backticks(word: str, where: str) -> bool:
    return re.search(rf"`(?:[^`\n]*[^`\w.-])?{re.escape(word)}(?![\w-])[^`\n]*`", where) is not None


# What must stand there


def verbs() -> Iterator[str]:
    yield from (f"{verb.group} {verb.name}".strip() for verb in app.verbs())


def options() -> Iterator[str]:
    """Every long option of every verb, once."""
    seen = {"--help"}
    for command in _commands(app.build(Catalogue("en"))):
        for parameter in command.params:
            for name in (*parameter.opts, *parameter.secondary_opts):
                if name.startswith("--") and name not in seen:
                    seen.add(name)
                    yield name


def _commands(command: Any) -> Iterator[Any]:
    yield command
    for below in getattr(command, "commands", {}).values():
        yield from _commands(below)


def exit_codes() -> set[int]:
    classes = {MitrarrError, *MitrarrError.__subclasses__()}
    signals = {door.INTERRUPTED, TERMINATED}
    return {DONE, PLAN_HAS_WORK, door.BUG, *signals, *(one.exit_code for one in classes)}


def keys(schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(heading, key): ("jobs", "retry.attempts"), ("command", "argv"), ("version", "version")."""
    for name, part in schema["properties"].items():
        if name != "$schema":
            yield name, name
            yield from ((name, key) for key in _below(part, schema, ""))
    for kind, part in schema["$defs"]["step"]["properties"].items():
        yield from ((kind, key) for key in _below(part, schema, ""))


def _below(part: Mapping[str, Any], schema: Mapping[str, Any], start: str) -> Iterator[str]:
    reference = part.get("$ref", "").removeprefix("#/$defs/")
    if reference in ("secret", "step"):  # these have sections of their own
        return
    if reference:
        part = schema["$defs"][reference]
    for name, below in part.get("properties", {}).items():
        if name != "description":  # the same everywhere
            yield start + name
            yield from _below(below, schema, f"{start}{name}.")
    for inner in ("items", "additionalProperties"):
        if isinstance(part.get(inner), Mapping):
            yield from _below(part[inner], schema, start)


SCHEMA = bundled(manifest_schema(), step_schemas())
SECRET = SCHEMA["$defs"]["secret"]["properties"]


def named(missing: list[str]) -> str:
    return f"{len(missing)} missing in the reference:\n" + "\n".join(missing)


def test_every_verb_has_its_section(page: str) -> None:
    missing = [verb for verb in verbs() if not section(page, rf"mitrarr {verb}")]
    assert not missing, named(missing)


def test_every_option_is_explained(page: str) -> None:
    missing = [name for name in options() if not in_backticks(name, page)]
    assert not missing, named(missing)


def test_every_exit_code_is_explained(page: str) -> None:
    where = section(page, "(?:Exit codes|Códigos de saída)")
    missing = [str(code) for code in sorted(exit_codes()) if not in_backticks(str(code), where)]
    assert not missing, named(missing)


def test_every_key_is_explained_in_its_section(page: str) -> None:
    missing = [
        f"{heading}: {key}"
        for heading, key in keys(SCHEMA)
        if not in_backticks(key, section(page, f"`{heading}`"))
    ]
    missing += [f"secret: {key}" for key in SECRET if not in_backticks(key, page)]
    missing += ["description"] * (not in_backticks("description", page))
    assert not missing, named(missing)


def test_every_kind_of_rule_and_channel_is_explained(page: str) -> None:
    where = section(page, "`alerts`")
    wanted = [*RULES, *CHANNELS]
    missing = [str(name) for name in wanted if not in_backticks(name, where)]
    assert not missing, named(missing)


# Step kinds


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_kind_is_complete(kind: str) -> None:
    wanted = [
        ROOT / f"mitrarr_runner/steps/{kind}.py",
        ROOT / f"schemas/steps/{kind}.schema.json",
        ROOT / f"tests/manifests/good/step-{kind}.yaml",
        ROOT / f"tests/manifests/bad/step-{kind}.yaml",
        ROOT / f"tests/manifests/bad/step-{kind}.yaml.expect.json",
    ]
    missing = [str(path.relative_to(ROOT)) for path in wanted if not path.is_file()]
    assert not missing, f"the step kind {kind} lacks:\n" + "\n".join(missing)


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_kind_has_its_section(kind: str, page: str) -> None:
    assert section(page, f"`{kind}`"), f"no heading for the step kind {kind}"


def test_nothing_stands_beside_the_table_of_kinds() -> None:
    """A schema or an example without a kind is left over from one."""
    schemas = {path.name.split(".")[0] for path in (ROOT / "schemas/steps").iterdir()}
    folder = ROOT / "tests/manifests/good"
    examples = {path.stem.removeprefix("step-") for path in folder.glob("step-*.yaml")}
    assert schemas == set(KINDS)
    assert examples == set(KINDS)


# The reading itself


PAGE = """# Reference
## Exit codes
`0` done, `10` work
## Verbs
### `mitrarr plan [PATH]`
`--at T`
### mitrarr registry list
text
## Keys
### `jobs`
`schedule.cron`, `needs: [a]`
#### deeper
`retry`
### `heartbeats`
`job`
### `heartbeat`
`name`
"""


def test_sections_end_where_the_next_one_of_their_level_begins() -> None:
    assert "deeper" in section(PAGE, "`jobs`")
    assert "`job`" not in section(PAGE, "`jobs`")
    assert "`name`" in section(PAGE, "`heartbeat`")
    assert section(PAGE, "mitrarr registry list").endswith("text\n")
    assert section(PAGE, "mitrarr list") == ""
    assert section(PAGE, "`job`") == ""
    assert section(PAGE, "`plan`") == ""


def test_backticks_hold_whole_words() -> None:
    assert in_backticks("--at", PAGE)
    assert in_backticks("10", PAGE)
    assert in_backticks("needs", PAGE)
    assert in_backticks("schedule.cron", PAGE)
    assert not in_backticks("cron", PAGE)
    assert not in_backticks("schedule", "`schedules`")
    assert not in_backticks("at", PAGE)
    assert not in_backticks("text", PAGE)


def test_the_lists_hold_what_they_should() -> None:
    assert {"plan", "registry list"} <= set(verbs())
    assert {"--by", "--until"} <= set(options())
    assert {0, 1, 2, 3, 4, 10, 70, 130, 143} <= exit_codes()
    assert {
        ("version", "version"),
        ("jobs", "retry.attempts"),
        ("sources", "requires.mount"),
        ("alerts", "rules.when"),
        ("command", "argv"),
        ("clean", "folders.older_than"),
    } <= set(keys(SCHEMA))
    assert set(SECRET) == {"file", "env", "credential"}
