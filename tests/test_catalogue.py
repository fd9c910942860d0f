"""Every text for people is marked, translated into Brazilian Portuguese, and rendered from there.

`make catalogue` mends what is missing here, all but the translations themselves.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from babel.messages.catalog import Message

import catalogue
from marked import Finding, Marked, Scan, scan, scan_folder
from mitrarr_runner.text import Catalogue, plural, text

HEAD = "from mitrarr_runner.text import Text, mark, plural, text\n"


@pytest.fixture(scope="module")
def found() -> Scan:
    return scan_folder(catalogue.ROOT, catalogue.PACKAGE)


def shown(findings: object) -> str:
    return "\n".join(str(finding) for finding in findings)  # type: ignore[attr-defined]


# The source


def test_every_text_is_marked_with_plain_literals_and_its_holes_are_filled(found: Scan) -> None:
    assert not found.findings, shown(found.findings)


def test_the_scan_sees_every_way_of_marking() -> None:
    source = HEAD + (
        'text("a {x}", x=1)\n'
        'plural("one b", "{count} bs", 2)\n'
        'mark("long "\n    "c")\n'
        'here.say("d")\n'
        'self._say("e")\n'
        'say(text("f"))\n'
        "f\"{say('g')}\"\n"
    )
    assert [(one.one, one.plural) for one in scan(source, "x.py").texts] == [
        ("a {x}", None),
        ("one b", "{count} bs"),
        ("long c", None),
        ("d", None),
        ("e", None),
        ("f", None),
        ("g", None),
    ]


@pytest.mark.parametrize(
    ("call", "what"),
    [
        ("text(words)", "plain literals"),
        ('text(f"{name} is here")', "plain literals"),
        ('text("a" if x else "b")', "plain literals"),
        ('mark("a" + name)', "plain literals"),
        ('plural("one", many, 2)', "plain literals"),
        ('Text("a bare sentence")', "use text()"),
        ('say(f"{name} is here")', "one plain literal"),
        ('say("a" if x else "b")', "one plain literal"),
        ('say("{name} is here".format(name=name))', "one plain literal"),
        ('text("{name} is here")', "given no value"),
        ('text("{name} is here", nome=1)', "given no value"),
        ('text("here", name=1)', "has no hole"),
        ('plural("{count} a", "{count} {b}", 2)', "given no value"),
    ],
)
def test_what_cannot_be_extracted_is_found(call: str, what: str) -> None:
    findings = scan(HEAD + call, "x.py").findings
    assert any(what in finding.what for finding in findings), shown(findings)
    assert findings[0].where == "x.py:2"


@pytest.mark.parametrize(
    "call",
    [
        "say(message)",
        "say(found.title)",
        'Text("{value}", {"value": 1})',
        'text("{name}", **values)',
        'plural("{count} a", "{count} as", 2)',
        'plural("one a", "many as", 2)',
        "other.text(words)",
    ],
)
def test_what_is_fine_is_not_found(call: str) -> None:
    assert scan(HEAD + call, "x.py").findings == ()


def test_a_name_of_somebody_else_is_no_marker() -> None:
    assert scan("def text(x): ...\ntext('a')\n", "x.py") == Scan((), ())


# The catalogue


def test_the_catalogue_is_complete_and_current(found: Scan) -> None:
    wrong = list(catalogue.compare(found, catalogue.entries(catalogue.PO)))
    assert not wrong, f"run `make catalogue`, then translate\n{shown(wrong)}"


def test_the_compiled_catalogue_belongs_to_the_source() -> None:
    known = catalogue.entries(catalogue.PO)
    wrong = list(catalogue.compare_compiled(known, catalogue.MO.read_bytes()))
    assert not wrong, shown(wrong)


def one(words: str, many: str | None = None) -> Scan:
    return Scan((Marked(words, many, "x.py", 1),), ())


def entry(source: object, target: object, *flags: str) -> dict[str, Message]:
    message = Message(source, target, flags=flags)
    return {source if isinstance(source, str) else source[0]: message}  # type: ignore[index]


@pytest.mark.parametrize(
    ("source", "known", "what"),
    [
        (one("a"), {}, "missing"),
        (one("a"), entry("a", "b") | entry("c", "d"), "stale"),
        (one("a"), entry("a", "b", "fuzzy"), "fuzzy"),
        (one("a"), entry("a", ""), "not translated"),
        (one("a", "as"), entry(("a", "as"), ("b", "")), "not translated"),
        (one("a", "as"), entry("a", "b"), "another plural"),
        (one("a {x}"), entry("a {x}", "b {y}"), "holes differ"),
        (one("a {x}"), entry("a {x}", "b {x"), "holes differ"),
        (one("{n} a", "{n} as"), entry(("{n} a", "{n} as"), ("{n} b", "bs")), "holes differ"),
        (one("  a"), entry("  a", "b"), "blanks"),
        (Scan((*one("a").texts, *one("a", "as").texts), ()), entry("a", "b"), "in two ways"),
    ],
)
def test_a_bad_entry_is_named(source: Scan, known: dict[str, Message], what: str) -> None:
    wrong = list(catalogue.compare(source, known))
    assert any(what in finding.what for finding in wrong), shown(wrong)


def test_a_good_entry_is_not_named() -> None:
    known = entry("a {x}", "b {x}") | entry(("{n} c", "{n} cs"), ("{n} d", "{n} ds"))
    source = Scan((*one("a {x}").texts, *one("{n} c", "{n} cs").texts), ())
    assert list(catalogue.compare(source, known)) == []


def test_extraction_keeps_translations_and_drops_what_is_gone(tmp_path: Path) -> None:
    old = entry("a", "b") | entry("gone", "foi") | entry("f", "g", "fuzzy")
    po = tmp_path / "mitrarr.po"
    source = Scan((*one("a").texts, *one("f").texts, *one("50% new").texts), ())
    po.write_bytes(catalogue.po_bytes(catalogue.merged(source, old)))
    kept = catalogue.entries(po)
    assert {key: message.string for key, message in kept.items()} == {
        "a": "b",
        "f": "g",
        "50% new": "",
    }
    assert kept["f"].fuzzy
    assert "gone" not in po.read_text()
    assert po.read_bytes() == catalogue.po_bytes(catalogue.merged(source, kept))
    assert "python-format" not in po.read_text()


def test_compiling_is_repeatable_and_leaves_out_what_is_not_ready() -> None:
    known = entry("a", "b") | entry("f", "g-fuzzy", "fuzzy") | entry("e", "")
    made = catalogue.mo_bytes(known)
    assert made == catalogue.mo_bytes(dict(reversed(known.items())))
    assert b"g-fuzzy" not in made
    assert list(catalogue.compare_compiled(known, made)) == []
    assert [type(one) for one in catalogue.compare_compiled(known, b"")] == [Finding]


# What a reader sees


def test_portuguese_is_what_a_portuguese_reader_gets() -> None:
    say = Catalogue("pt_BR")
    assert say(text("{name} is paused, by {actor}", name="job_a", actor="operador.b")) == (
        "job_a está pausado, por operador.b"
    )
    assert say(text("interrupted")) == "interrompido"


@pytest.mark.parametrize(("count", "words"), [(0, "0 jobs"), (1, "1 job"), (1200, "1.200 jobs")])
def test_counts_follow_the_readers_language(count: int, words: str) -> None:
    assert Catalogue("pt_BR")(plural("{count} job", "{count} jobs", count)) == words


def test_english_needs_no_catalogue() -> None:
    assert Catalogue("en")(text("interrupted")) == "interrupted"
