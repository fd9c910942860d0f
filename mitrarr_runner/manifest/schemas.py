"""What do the shipped schemas say? Reading `schemas/`, and the parts the program itself needs.

`schemas/manifest.schema.json` stands alone: its `$defs` hold a copy of each step kind's own schema
(`schemas/steps/<kind>.schema.json`, the source), so that editors and other validators need one
file. `bundled` makes that copy; a test holds the two together, and

    python -m mitrarr_runner.manifest.schemas

writes it anew after a step's schema was changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from mitrarr_runner import resources

Schema: TypeAlias = dict[str, Any]

_NOTES = frozenset({"description", "examples", "default", "title", "$defs", "$schema"})


def manifest_schema() -> Schema:
    """The whole schema, as it is printed and as editors see it."""
    return _load(resources.folder("schemas") / "manifest.schema.json")


def step_schemas() -> Mapping[str, Schema]:
    """The schema of each step kind, by kind."""
    found = sorted((resources.folder("schemas") / "steps").glob("*.schema.json"))
    return {path.name.removesuffix(".schema.json"): _load(path) for path in found}


def bundled(schema: Schema, steps: Mapping[str, Schema]) -> Schema:
    """`schema` with its step kinds replaced by `steps`."""
    defs = {name: part for name, part in schema["$defs"].items() if not name.startswith("step_")}
    copies = {
        f"step_{kind}": {k: v for k, v in step.items() if k not in ("$schema", "title")}
        for kind, step in steps.items()
    }
    listed = {
        kind: {
            "description": step["description"],
            "$ref": f"#/$defs/step_{kind}",
            "examples": step["examples"],
        }
        for kind, step in steps.items()
    }
    defs["step"] = {**defs["step"], "properties": listed}
    return {**schema, "$defs": {**defs, **copies}}


def plain(schema: Schema, node: Any = None) -> Any:
    """Without notes for readers and with every `$ref` written out (none of them is recursive):
    the validator looks each `$ref` up anew, which is half of its time."""
    node = schema if node is None else node
    if isinstance(node, list):
        return [plain(schema, item) if item is not None else None for item in node]
    if not isinstance(node, dict):
        return node
    found: Schema = {}
    if "$ref" in node:
        found.update(plain(schema, schema["$defs"][node["$ref"].removeprefix("#/$defs/")]))
    for key, value in node.items():
        if key == "properties":
            found[key] = {name: plain(schema, part) for name, part in value.items()}
        elif key in ("enum", "const", "required"):
            found[key] = value
        elif key != "$ref" and key not in _NOTES:
            found[key] = plain(schema, value)
    return found


def _load(path: Any) -> Schema:
    loaded: Schema = json.loads(path.read_text("utf-8"))
    return loaded


def written(node: Any, indent: int = 0) -> str:
    """JSON as the schemas are kept: two spaces, what is short on one line."""
    flat = json.dumps(node, ensure_ascii=False)
    small = isinstance(node, list) or not _nested(node)
    if not isinstance(node, (dict, list)) or not node or (small and len(flat) + indent <= 96):
        return flat
    pad, end = " " * (indent + 2), " " * indent
    if isinstance(node, list):
        return "[\n" + ",\n".join(pad + written(item, indent + 2) for item in node) + f"\n{end}]"
    lines = (
        f"{pad}{json.dumps(key, ensure_ascii=False)}: {written(value, indent + 2)}"
        for key, value in node.items()
    )
    return "{\n" + ",\n".join(lines) + f"\n{end}}}"


def _nested(node: Any) -> bool:
    return isinstance(node, dict) and (
        len(node) > 3 or any(isinstance(value, dict) for value in node.values())
    )


if __name__ == "__main__":
    target = resources.folder("schemas") / "manifest.schema.json"
    target.write_text(written(bundled(manifest_schema(), step_schemas())) + "\n", "utf-8")
