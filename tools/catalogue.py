"""Keep the language catalogue in step with the source: `python tools/catalogue.py extract`,
`compile` or `check` (all three: `make catalogue`).

    extract   write every marked text into mitrarr.po; translations are kept, entries whose text
              is gone are dropped, new ones are empty and wait for a translator
    compile   write mitrarr.mo from mitrarr.po; the same input gives the same bytes
    check     name what is missing, stale, fuzzy, empty or different; exit 1 where anything is

The header holds no dates and the references no line numbers: a file changes when a text does.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from marked import Finding, Marked, Scan, holes, scan_folder

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "mitrarr_runner"
LANGUAGE = "pt_BR"
FOLDER = ROOT / PACKAGE / "locale" / LANGUAGE / "LC_MESSAGES"
PO, MO = FOLDER / "mitrarr.po", FOLDER / "mitrarr.mo"

# Two forms, as in English: operators write "0 arquivos", where CLDR would say "0 arquivo".
_HEADERS = (
    ("Project-Id-Version", "mitrarr"),
    ("Language", LANGUAGE),
    ("MIME-Version", "1.0"),
    ("Content-Type", "text/plain; charset=utf-8"),
    ("Content-Transfer-Encoding", "8bit"),
    ("Plural-Forms", "nplurals=2; plural=(n != 1);"),
)
_COMMENT = "# Textos do mitrarr em português do Brasil: `make catalogue`, depois traduza aqui."


class _Catalogue(Catalog):
    """Babel's, with a header that holds nothing but what readers of the file need."""

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        return list(_HEADERS)

    @property
    def num_plurals(self) -> int:
        return 2


def main(words: list[str]) -> int:
    """Run the commands in the order they are given."""
    commands = {"extract": extract, "compile": compile_, "check": check}
    if not words or any(word not in commands for word in words):
        print(__doc__)
        return 2
    return max(commands[word]() for word in words)


def extract() -> int:
    found = scan_folder(ROOT, PACKAGE)
    FOLDER.mkdir(parents=True, exist_ok=True)
    made = po_bytes(merged(found, entries(PO)))
    PO.write_bytes(made)
    empty = sum(1 for message in entries(PO).values() if not _complete(message))
    print(f"{PO.relative_to(ROOT)}: {len(entries(PO))} texts, {empty} without translation")
    return 0


def compile_() -> int:
    MO.write_bytes(mo_bytes(entries(PO)))
    print(f"{MO.relative_to(ROOT)}: {MO.stat().st_size} bytes")
    return 0


def check() -> int:
    found = scan_folder(ROOT, PACKAGE)
    known = entries(PO)
    compiled = MO.read_bytes() if MO.exists() else b""
    wrong = [*found.findings, *compare(found, known), *compare_compiled(known, compiled)]
    for finding in wrong:
        print(finding)
    print(f"{len(known)} texts, {len(wrong)} findings")
    return 1 if wrong else 0


def entries(path: Path) -> dict[str, Message]:
    """What stands in a .po file, by source text; nothing where there is no file."""
    if not path.exists():
        return {}
    with path.open("rb") as file:
        return {_key(message): message for message in read_po(file) if message.id}


def merged(found: Scan, old: Mapping[str, Message]) -> Catalog:
    """The catalogue that belongs to the source; translations and translators' notes are kept."""
    made = _Catalogue(locale=LANGUAGE, header_comment=_COMMENT, fuzzy=False)
    for (one, plural), places in _by_text(found).items():
        before = old.get(one)
        identity = one if plural is None else (one, plural)
        kept = before if before is not None and before.id == identity else Message(identity)
        message = Message(
            identity,
            kept.string,
            [(file, 1) for file in places],
            flags={flag for flag in kept.flags if flag == "fuzzy"},
            user_comments=kept.user_comments,
        )
        message.flags.discard("python-format")  # "50% de" is not a format
        made[identity] = message
    return made


def po_bytes(catalogue: Catalog) -> bytes:
    out = io.BytesIO()
    write_po(out, catalogue, width=100, sort_by_file=True, include_lineno=False)
    return out.getvalue()


def mo_bytes(known: Mapping[str, Message]) -> bytes:
    """The compiled catalogue; what is fuzzy or incomplete stays English."""
    made = _Catalogue(locale=LANGUAGE, header_comment=_COMMENT, fuzzy=False)
    for message in known.values():
        if _complete(message) and not message.fuzzy:
            made[message.id] = Message(message.id, message.string)
    out = io.BytesIO()
    write_mo(out, made)
    return out.getvalue()


def compare(found: Scan, known: Mapping[str, Message]) -> Iterator[Finding]:
    """Missing, stale, fuzzy, empty, and translations that would not render like their source."""
    wanted = _by_text(found)
    seen: set[str] = set()
    for one, plural in wanted:
        where = wanted[one, plural][0]
        if one in seen:
            yield Finding(where, f"marked in two ways, use one plural() for both: {one!r}")
        elif one not in known:
            yield Finding(where, f"missing in the catalogue: {one!r}")
        elif known[one].id != (one if plural is None else (one, plural)):
            yield Finding(where, f"another plural in the catalogue: {one!r}")
        seen.add(one)
    for one, message in known.items():
        if one not in seen:
            yield Finding(PO.name, f"stale, no such text in the source: {one!r}")
        elif message.fuzzy:
            yield Finding(PO.name, f"fuzzy: {one!r}")
        elif not _complete(message):
            yield Finding(PO.name, f"not translated: {one!r}")
        else:
            yield from _differs(message)


def compare_compiled(known: Mapping[str, Message], compiled: bytes) -> Iterator[Finding]:
    if mo_bytes(known) != compiled:
        yield Finding(MO.name, "not compiled from mitrarr.po: make catalogue")


def _differs(message: Message) -> Iterator[Finding]:
    for source, target in zip(_forms(message.id), _forms(message.string), strict=True):
        if holes(source) != holes(target):
            yield Finding(PO.name, f"holes differ: {source!r} and {target!r}")
        if _margins(source) != _margins(target):
            yield Finding(PO.name, f"blanks at the ends differ: {source!r} and {target!r}")


def _by_text(found: Scan) -> dict[tuple[str, str | None], list[str]]:
    """Each text once, with the files it stands in."""
    places: dict[tuple[str, str | None], list[str]] = {}
    for text in found.texts:
        files = places.setdefault(_identity(text), [])
        if text.file not in files:
            files.append(text.file)
    return places


def _identity(text: Marked) -> tuple[str, str | None]:
    return text.one, text.plural


def _key(message: Message) -> str:
    return _forms(message.id)[0]


def _forms(value: object) -> tuple[str, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (str(value),)


def _complete(message: Message) -> bool:
    forms = _forms(message.string or "")
    return len(forms) == len(_forms(message.id)) and all(forms)


def _margins(words: str) -> tuple[str, str]:
    bare = words.strip()
    start = words.find(bare)
    return words[:start], words[start + len(bare) :]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
