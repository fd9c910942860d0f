"""The schemas: every key explained and exampled, one file for editors, no surprises inside."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

import mitrarr_runner.manifest.shapes as shapes_module
from mitrarr_runner.manifest import schemas
from mitrarr_runner.manifest.model import RuleWhen
from mitrarr_runner.manifest.read import read
from mitrarr_runner.resources import folder

ROOT = schemas.manifest_schema()
STEPS = schemas.step_schemas()
GOOD = Path(__file__).parents[1] / "manifests" / "good"
KEYWORDS = {
    *("$schema", "$defs", "$ref", "title", "description", "examples", "default", "format"),
    *("type", "enum", "const", "pattern", "minimum", "maximum", "exclusiveMinimum"),
    *("minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "items"),
    *("minProperties", "maxProperties", "properties", "required", "additionalProperties"),
    *("propertyNames", "allOf", "if", "then"),
}


def walk(schema: dict[str, Any], where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema inside a schema, with its place."""
    yield where, schema
    for key in ("properties", "$defs"):
        for name, part in schema.get(key, {}).items():
            yield from walk(part, f"{where}/{key}/{name}")
    for key in ("items", "additionalProperties", "propertyNames", "if", "then"):
        if isinstance(schema.get(key), dict):
            yield from walk(schema[key], f"{where}/{key}")
    for index, part in enumerate(schema.get("allOf", ())):
        yield from walk(part, f"{where}/allOf/{index}")


def keys() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key a manifest can have."""
    for where, schema in walk(ROOT):
        for name, part in schema.get("properties", {}).items():
            if "/if" not in where:
                yield f"{where}/{name}", part


@pytest.mark.parametrize(("where", "part"), list(keys()), ids=lambda value: str(value)[:60])
def test_every_key_has_a_description_and_an_example_that_holds(
    where: str, part: dict[str, Any]
) -> None:
    assert len(part["description"]) > 10
    assert part["description"][-1] in ".)"
    assert part["examples"]
    validator = Draft202012Validator({**part, "$defs": ROOT["$defs"]})
    for example in part["examples"]:
        validator.validate(example)
    if "default" in part:
        validator.validate(part["default"])


def test_the_schemas_are_schemas() -> None:
    for schema in (ROOT, *STEPS.values()):
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(
    ("where", "schema"), [*walk(ROOT), *(s for step in STEPS.values() for s in walk(step))]
)
def test_nothing_is_in_a_schema_that_the_program_has_no_words_for(
    where: str, schema: dict[str, Any]
) -> None:
    assert set(schema) <= KEYWORDS
    if "properties" in schema and "/if" not in where and "allOf" not in where:
        assert schema["additionalProperties"] is False
    assert schema.get("$ref", "#/$defs/").startswith("#/$defs/")
    silent = {"path", "template"}  # their patterns hold for all that people would write
    if "pattern" in schema and schema.get("format") not in silent and "format" in schema:
        assert schema["format"] in shapes_module._shapes()


def test_the_bundle_is_up_to_date() -> None:
    """After a change of a step's schema: python -m mitrarr_runner.manifest.schemas"""
    assert schemas.bundled(ROOT, STEPS) == ROOT


def test_each_step_schema_stands_alone() -> None:
    for kind, schema in STEPS.items():
        assert schema["title"] == kind
        assert "$ref" not in str(schema)


def test_the_rules_of_the_schema_are_those_of_the_model() -> None:
    known = ROOT["$defs"]["rule"]["properties"]["when"]["enum"]
    assert known == [str(when) for when in RuleWhen]


def test_plain_means_the_same() -> None:
    """Without notes and `$ref`s the schema takes and refuses the same manifests."""
    plain, whole = (
        Draft202012Validator(schemas.plain(ROOT)),
        Draft202012Validator(ROOT),
    )
    assert "$ref" not in str(schemas.plain(ROOT)["properties"])
    for path in sorted((folder("configs") / "prod").iterdir()):
        data = yaml.safe_load(path.read_text("utf-8"))
        assert [error.message for error in plain.iter_errors(data)] == [
            error.message for error in whole.iter_errors(data)
        ]
        data["jobs"] = {"A B": {"steps": [{"x": 1}], "timeout": "soon"}}
        assert sorted(error.message for error in plain.iter_errors(data)) == sorted(
            error.message for error in whole.iter_errors(data)
        )


@pytest.mark.parametrize("path", sorted(GOOD.glob("*.*")), ids=lambda path: path.name)
def test_an_editor_that_only_has_the_schema_agrees_about_the_good_examples(path: Path) -> None:
    Draft202012Validator(ROOT).validate(read(path.name, path.read_bytes()).data)


def test_schemas_are_kept_as_they_are_written() -> None:
    text = (folder("schemas") / "manifest.schema.json").read_text("utf-8")
    assert text == schemas.written(ROOT) + "\n"


def test_only_check_imports_jsonschema_and_only_read_imports_yaml() -> None:
    package = Path(shapes_module.__file__).parent
    doors: dict[str, set[str]] = {"yaml": set(), "jsonschema": set()}
    for path in package.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                if name.partition(".")[0] in doors:
                    doors[name.partition(".")[0]].add(path.name)
    assert doors == {"yaml": {"read.py"}, "jsonschema": {"check.py"}}
