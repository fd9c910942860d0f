"""Keep the tables of keys in the reference in step with the schemas:
`python tools/reference.py write` or `check`.

Between `<!-- keys: NAME -->` and `<!-- /keys -->` stands the table of one top-level key or of one
step kind: path, type, default, description, example, as the schema has them. Everything else on
the pages is written by hand.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mitrarr_runner.manifest.schemas import bundled, manifest_schema, step_schemas

ROOT = Path(__file__).resolve().parent.parent
PAGES = {"en": ROOT / "docs/en/reference.md", "pt": ROOT / "docs/pt/referencia.md"}

_TABLE = re.compile(r"(<!-- keys: (\w+) -->\n).*?(<!-- /keys -->)", re.DOTALL)
_HEADS = {
    "en": ("Key", "Type", "Default", "What it says", "Example"),
    "pt": ("Chave", "Tipo", "Padrão", "O que diz (do esquema, em inglês)", "Exemplo"),
}
_MANDATORY = {"en": "mandatory", "pt": "obrigatória"}
_TYPES = {
    "en": {
        "string": "text",
        "integer": "whole number",
        "number": "number",
        "boolean": "true, false",
        "object": "mapping",
        "array": "list of {}",
        "span": "duration",
        "path": "path",
        "label": "name",
        "name": "name",
        "template": "template",
        "address": "address",
        "calendar": "calendar",
        "share": "share",
        "secret": "secret",
        "step": "step",
        "names": "mapping by name",
    },
    "pt": {
        "string": "texto",
        "integer": "número inteiro",
        "number": "número",
        "boolean": "true, false",
        "object": "mapa",
        "array": "lista de {}",
        "span": "duração",
        "path": "caminho",
        "label": "nome",
        "name": "nome",
        "template": "modelo",
        "address": "endereço",
        "calendar": "calendário",
        "share": "parte",
        "secret": "segredo",
        "step": "passo",
        "names": "mapa por nome",
    },
}


@dataclass(frozen=True, slots=True)
class Key:
    """One row: path below the section's own key, and what the schema says of it."""

    path: str
    part: Mapping[str, Any]
    mandatory: bool


def keys(name: str, schema: Mapping[str, Any]) -> Iterator[Key]:
    """Every key below a top-level key, or below a step kind; the key itself where it has none."""
    if name == "secret":
        yield from _below(schema["$defs"]["secret"], schema, "")
        return
    top: Mapping[str, Any] = schema["properties"].get(name) or {
        "$ref": f"#/$defs/step_{name}",
    }
    found = list(_below(top, schema, ""))
    yield from found or [Key(name, top, False)]


def _below(part: Mapping[str, Any], schema: Mapping[str, Any], start: str) -> Iterator[Key]:
    part = _resolved(part, schema)
    needed = part.get("required", ())
    for name, below in part.get("properties", {}).items():
        if name == "description" and below.get("description", "").startswith("Words for"):
            continue  # the same everywhere; the page says it once
        yield Key(start + name, below, name in needed)
        if below.get("$ref") not in ("#/$defs/secret", "#/$defs/step"):
            yield from _below(below, schema, f"{start}{name}.")
    for inner in ("items", "additionalProperties"):
        found = part.get(inner)
        if isinstance(found, Mapping) and found.get("$ref") != "#/$defs/step":
            yield from _below(found, schema, start)


def _resolved(part: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    name = part.get("$ref", "").removeprefix("#/$defs/")
    found: Mapping[str, Any] = schema["$defs"][name] if name else part
    return found


def table(name: str, schema: Mapping[str, Any], language: str) -> str:
    head = _HEADS[language]
    rows = [head, ("---",) * len(head)]
    for key in keys(name, schema):
        default = _MANDATORY[language] if key.mandatory else ""
        if "default" in key.part:
            default = f"`{_short(key.part['default'])}`"
        example = next(iter(key.part.get("examples", ())), None)
        rows.append(
            (
                f"`{key.path}`",
                _type(key.part, schema, language),
                default,
                key.part.get("description", ""),
                "" if example is None else f"`{_short(example)}`",
            )
        )
    return "".join(f"| {' | '.join(_cell(cell) for cell in row)} |\n" for row in rows)


def _type(part: Mapping[str, Any], schema: Mapping[str, Any], language: str) -> str:
    words = _TYPES[language]
    if part.get("$ref") in ("#/$defs/secret", "#/$defs/step"):
        return words[part["$ref"].rpartition("/")[2]]
    part = _resolved(part, schema)
    if "enum" in part:
        return ", ".join(f"`{value}`" for value in part["enum"])
    kinds = part.get("type", "string")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if part.get("format") in words:
        own = words[part["format"]]
        return f"{own}, {words['object']}" if "object" in kinds else own
    if "array" in kinds:
        return words["array"].format(_type(part.get("items", {}), schema, language))
    if isinstance(part.get("additionalProperties"), Mapping):
        return words["names"]
    return ", ".join(words[kind] for kind in kinds)


def _short(value: object) -> str:
    """As it stands in YAML: words bare, everything else as JSON writes it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cell(words: str) -> str:
    return words.replace("|", "\\|")


def refreshed(text: str, language: str) -> str:
    schema = bundled(manifest_schema(), step_schemas())

    def put(found: re.Match[str]) -> str:
        return f"{found[1]}\n{table(found[2], schema, language)}\n{found[3]}"

    return _TABLE.sub(put, text)


def main(words: list[str]) -> int:
    if words not in (["write"], ["check"]):
        sys.stderr.write(f"{__doc__}\n")
        return 2
    stale = []
    for language, page in PAGES.items():
        text = page.read_text("utf-8")
        wanted = refreshed(text, language)
        if wanted != text:
            stale.append(page)
            if words == ["write"]:
                page.write_text(wanted, "utf-8")
    for page in stale:
        sys.stdout.write(f"{words[0]}: {page.relative_to(ROOT)}\n")
    return 1 if stale and words == ["check"] else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
