"""Texts in, data and places out; and nothing else ever comes out of the reader."""

from __future__ import annotations

import json
import time

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mitrarr_runner.manifest import document
from mitrarr_runner.manifest.document import DEPTH, PROBLEMS, Document, pointer
from mitrarr_runner.manifest.read import BYTES, read


def of(content: str | bytes, name: str = "a.yaml") -> Document:
    return read(name, content if isinstance(content, bytes) else content.encode())


def codes(found: Document) -> list[str]:
    return [problem.code for problem in found.problems]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("12:30", "12:30"),
        ("010", 10),
        ("1_000", "1_000"),
        ("0o17", 15),
        ("0x1F", 31),
        ("+7", 7),
        ("-7", -7),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1.2.3", "1.2.3"),
        ("-", None),
        ("~", None),
        ("null", None),
        ("", None),
        ("true", True),
        ("True", True),
        ("tRUE", "tRUE"),
        ("2027-01-25", "2027-01-25"),
        ("=", "="),
        ("'no'", "no"),
        ("'12'", "12"),
        ('"true"', "true"),
        ('""', ""),
        ("|-\n  12", "12"),
        (">-\n  a\n  b", "a b"),
        ("<<", "<<"),
    ],
)
def test_scalars_mean_what_yaml_1_2_says(written: str, value: object) -> None:
    found = of(f"a: {written}\n")
    if written == "-":
        assert codes(found) == ["yaml_syntax"]
        return
    assert found.problems == ()
    assert found.data == {"a": value}
    assert type(found.data["a"]) is type(value)


@pytest.mark.parametrize("written", [".inf", "-.inf", ".nan", "1e999", "9" * 5000, "0x" + "F" * 99])
def test_numbers_without_an_end_are_refused(written: str) -> None:
    assert codes(of(f"a: {written}\n")) == ["number"]


def test_keys_are_texts_as_they_are_written() -> None:
    assert of("010: a\nno: b\n1.0: c\ntrue: d\n").data == {
        "010": "a",
        "no": "b",
        "1.0": "c",
        "true": "d",
    }


def test_every_key_and_value_has_its_place() -> None:
    found = of('a:\n  - b: "c d"\n    é: {f: 12}\n')
    value = found.value_mark(("a", 0, "b"))
    assert (value.line, value.column, value.width) == (2, 8, 5)
    key = found.key_mark(("a", 0, "é", "f"))
    assert (key.line, key.column, key.width) == (3, 9, 1)
    opened_by_a_key = found.value_mark(("a",))
    assert (opened_by_a_key.line, opened_by_a_key.column) == (1, 1)
    item = found.value_mark(("a", 0))
    assert (item.line, item.column) == (2, 5)
    assert found.value_mark(("a", 0, "nowhere", 3)) == item
    assert found.value_mark(("nowhere",)).line == 1


def test_json_places_are_the_same_as_yaml_places() -> None:
    content = '{\r\n  "a": [1, {"b": null}],\r\n  "c": "x\\ny"}'
    from_json, from_yaml = of(content, "a.json"), of(content, "a.yaml")
    assert from_json.problems == from_yaml.problems == ()
    assert from_json.data == from_yaml.data
    assert from_json.places == from_yaml.places


def test_a_bom_and_windows_line_ends_are_fine() -> None:
    found = of(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert found.data == {"a": 1, "b": 2}
    assert found.key_mark(("b",)).line == 2
    assert found.key_mark(("a",)).column == 1


def test_the_place_of_a_wrong_byte_after_a_bom() -> None:
    (problem,) = of(b"\xef\xbb\xbfa: 1\r\nb: \xe7\r\n").problems
    assert (problem.code, problem.line, problem.column) == ("encoding", 2, 4)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_wide_encodings_are_named(encoding: str) -> None:
    assert codes(of("a: 1\n".encode(encoding))) == ["encoding_utf16"]


def test_problems_of_spelling_do_not_hide_each_other() -> None:
    assert codes(of("a: “x”\nb: ‘y’\nc:\u00a0z\n")) == [
        "curly_quotes",
        "curly_quotes",
        "no_break_space",
    ]


def test_odd_characters_in_quotes_are_meant() -> None:
    assert of('a: "“x” y\u00a0z"\n').problems == ()


def test_a_tab_elsewhere_than_in_the_indentation_is_fine() -> None:
    assert of("a:\t1 # \tnote\nb: 'x\ty'\n").data == {"a": 1, "b": "x\ty"}


FLOODS = {
    "brackets": "[" * 40_000,
    "braces": "{" * 40_000,
    "dashes": "- " * 40_000,
    "question marks": "? " * 20_000,
    "indented": "".join(" " * i + "a:\n" for i in range(600)),
    "open quote": "a: '" + "x" * 100_000,
    "one line": "a" * 1_000_000,
    "aliases": "a: &a [x]\n" + "b: *a\n" * 1000,
    "anchors": "&a " * 10_000,
    "colons": "a: " * 10_000,
    "duplicates": "a: 1\n" * 5_000,
}


@pytest.mark.parametrize("name", ["a.yaml", "a.json"])
@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_is_a_problem_and_quick(flood: str, name: str) -> None:
    started = time.process_time()
    found = of(FLOODS[flood], name)
    assert found.problems
    assert all(problem.line and problem.column for problem in found.problems)
    assert len(found.problems) <= PROBLEMS + 1
    assert time.process_time() - started < 2


def test_depth_is_bounded_and_what_is_less_deep_is_not() -> None:
    def nested(levels: int) -> str:
        return '{"a": ' + "[" * levels + "]" * levels + "}"

    for name in ("a.yaml", "a.json"):
        assert codes(of(nested(DEPTH - 1), name)) == []
        assert codes(of(nested(DEPTH), name)) == ["too_deep"]


def test_size_is_bounded() -> None:
    assert codes(of(b"#" * (BYTES + 1))) == ["too_large"]


@pytest.mark.parametrize("name", ["a.yaml", "a.json"])
def test_the_number_of_values_is_bounded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "VALUES", 100)
    assert codes(of('{"a": [' + "1," * 97 + "1]}", name)) == []
    assert codes(of('{"a": [' + "1," * 98 + "1]}", name)) == ["too_many_values"]


def test_pointer_escapes() -> None:
    assert pointer(("a/b", 0, "c~d")) == "/a~1b/0/c~0d"


# --- fuzz ---

_PIECES = ["a", ": ", "- ", "\n", "  ", "[", "]", "{", "}", ",", '"', "'", "#", "&", "*", "!", "|"]
_PIECES += [">", "%", "@", "`", "\t", "---", "...", "?", "\\", "\r", "“", "\u00a0", "\x00", "\x85"]
_PIECES += ["null", "1", "-", "é", "\ufeff", "\u2028", "://", "\\u", "0x", "//", "/*", "NaN", "1e9"]
_TEXTS = st.lists(st.sampled_from(_PIECES) | st.text(max_size=3), max_size=40).map("".join)


@settings(max_examples=400, deadline=None)
@given(_TEXTS | st.binary(max_size=60), st.sampled_from(["a.yaml", "a.json"]))
@example("\ufeff\ufeff", "a.yaml")
@example("a: !<x", "a.yaml")
@example("'\x85", "a.yaml")
@example("%", "a.yaml")
@example('"\\', "a.json")
def test_the_reader_gives_problems_and_never_raises(content: str | bytes, name: str) -> None:
    if isinstance(content, str):
        content = content.encode("utf-8", "surrogatepass")
    found = read(name, content)
    assert isinstance(found.data, dict)
    json.dumps(found.data, allow_nan=False).encode()
    for problem in found.problems:
        assert problem.line is not None
        assert problem.line >= 1
        assert problem.column is not None
        assert problem.column >= 1
        assert str(problem.message)


_KEYS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp"]))
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.floats(-1e9, 1e9) | _KEYS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(_KEYS, _JSON, max_size=5), st.sampled_from([None, 1]))
def test_json_text_reads_as_the_standard_library_reads_it(data: object, indent: int | None) -> None:
    for ascii_only in (True, False):
        content = json.dumps(data, indent=indent, ensure_ascii=ascii_only)
        found = of(content, "a.json")
        assert found.problems == ()
        assert found.data == json.loads(content)


_WORDS = st.text("abcdefghij é_.-/", min_size=1, max_size=12).filter(lambda s: s == s.strip())
_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | _WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_WORDS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(_WORDS, _PLAIN, min_size=1, max_size=5), st.booleans())
def test_yaml_text_reads_as_safe_load_reads_it(data: object, flow: bool) -> None:
    content = yaml.safe_dump(data, allow_unicode=True, default_flow_style=flow)
    found = of(content)
    assert found.problems == ()
    assert found.data == yaml.safe_load(content) == data
