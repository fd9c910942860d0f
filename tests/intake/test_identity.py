from __future__ import annotations

import pytest

from mitrarr_runner.errors import UsageError
from mitrarr_runner.intake import identity
from mitrarr_runner.manifest.references import SOURCE_NAMES
from mitrarr_runner.nist import writer
from mitrarr_runner.nist.reader import read

TRANSACTION = read(
    writer.write(
        [writer.RecordDraft(2, 0, {18: "João da Silva", 30: " 529.982.247-25 "})],
        date="20260102",
        tcn=" T1 ",
        dai="BR/DAI",
        ori="BR/ORI",
        tot="CRIM",
        charset="utf-8",
    )
)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ tcn }}", "T1"),
        ("{{tcn}}", "T1"),
        ("{{ stem }}", "2025001"),
        ("{{ dai }}|{{ ori }}|{{ tot }}|{{ date }}", "BR/DAI|BR/ORI|CRIM|20260102"),
        ('{{ t2["018"] }}', "João da Silva"),
        ("{{ t2['030'] | replace('.', '') | replace('-', '') }}", "52998224725"),
        ("SP-{{ stem[:4] }}", "SP-2025"),
    ],
)
def test_ids(template: str, expected: str) -> None:
    assert identity.person_id(identity.rule(template), TRANSACTION, "2025001") == expected


def test_every_name_the_manifest_allows_has_a_value() -> None:
    for name in SOURCE_NAMES:
        assert identity.person_id(identity.rule("{{ " + name + " }}"), TRANSACTION, "s")


@pytest.mark.parametrize(
    ("template", "code"),
    [('{{ t2["999"] }}', "no_id"), ("{{ t2 }}" * 9, "bad_id"), ("", "no_id"), ("a\nb", "bad_id")],
)
def test_no_ids(template: str, code: str) -> None:
    with pytest.raises(identity.NoIdError) as raised:
        identity.person_id(identity.rule(template), TRANSACTION, "s")
    assert raised.value.code == code
    assert "529" not in str(raised.value)


def test_a_type_1_field_with_separators_in_it_is_no_id() -> None:
    odd = read(writer.write([], date="20260102", tcn="A\x1fB"))
    with pytest.raises(identity.NoIdError, match="bad_id"):
        identity.person_id(identity.rule("{{ tcn }}"), odd, "s")


def test_128_characters_are_the_limit() -> None:
    assert identity.checked("x" * 128)
    with pytest.raises(identity.NoIdError):
        identity.checked("x" * 129)


@pytest.mark.parametrize("template", ["{{ name }}", "{{ tcn", "{{ cpf }}-{{ tcn }}"])
def test_templates_that_fit_no_file(template: str) -> None:
    with pytest.raises(UsageError):
        identity.rule(template)


@pytest.mark.parametrize(
    ("name", "stem"), [("a.nst", "a"), ("a.b.NST", "a.b"), (".nst", ".nst"), ("a", "a")]
)
def test_stems(name: str, stem: str) -> None:
    assert identity.stem_of(name) == stem
