"""The lookup token (its format can never change), the card's name, the photo's file name."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitrarr_runner.delivery.token import (
    LONGEST_NAME,
    card_comment,
    card_name,
    file_name,
    is_ours,
    token,
)
from mitrarr_runner.errors import UsageError

KEY = bytes(range(32))
TOKEN = "[m:QFOOBARQFOOBARQFOOBA]"


def test_the_token_of_a_known_key_source_and_id_never_changes() -> None:
    """Worked out with another program: openssl dgst -sha256 -mac HMAC, base32."""
    assert token(KEY, "DETRAN", "2025001") == "[m:2YJ2DHIHVOMCVVOCRI6V]"
    assert token(KEY, "DETRAN", "joão") == "[m:2O4LVHAFSWI6EYIDZIAK]"


@given(st.text(), st.text())
def test_the_format(source: str, person: str) -> None:
    assert re.fullmatch(r"\[m:[A-Z2-7]{20}\]", token(KEY, source, person))


def test_another_key_source_or_id_makes_another_token() -> None:
    made = {
        token(KEY, "DETRAN", "1"),
        token(KEY, "DETRAN_MG", "1"),
        token(KEY, "DETRAN", "11"),
        token(KEY, "DETRAN1", "1"),
        token(bytes(32), "DETRAN", "1"),
    }
    assert len(made) == 5


def test_the_name_is_the_template_and_the_token() -> None:
    assert card_name("{{ source }} {{ id }}", "DETRAN", "7", TOKEN) == f"DETRAN 7 {TOKEN}"
    assert card_name("{{ '' }}", "DETRAN", "7", TOKEN) == TOKEN


@given(st.text(max_size=600))
def test_whatever_the_id_holds_the_name_fits_and_ends_with_our_token_alone(person: str) -> None:
    name = card_name("{{ source }} {{ id }}", "DETRAN", person, TOKEN)
    assert len(name) <= LONGEST_NAME
    assert name.endswith(TOKEN)
    assert "[m:" not in name[: -len(TOKEN)].lower()
    assert not re.search(r"[\x00-\x1f\x7f\u2028\u2029]", name)
    name.encode("utf-8")


def test_an_id_that_looks_like_a_token_cannot_pass_for_another_person() -> None:
    name = card_name("{{ id }}", "DETRAN", f"x {TOKEN} [M:AAA]", "[m:AAAAAAAAAAAAAAAAAAAA]")
    assert name == "x (m:QFOOBARQFOOBARQFOOBA] (m:AAA] [m:AAAAAAAAAAAAAAAAAAAA]"


def test_a_long_name_is_cut_and_the_token_is_not() -> None:
    name = card_name("{{ id }}", "DETRAN", "a" * 300, TOKEN)
    assert len(name) == 256
    assert name == "a" * 231 + " " + TOKEN


def test_a_lone_surrogate_of_a_damaged_file_does_not_break_the_request() -> None:
    assert card_name("{{ id }}", "S", "a\udcffb", TOKEN) == f"a?b {TOKEN}"
    assert re.fullmatch(r"\[m:[A-Z2-7]{20}\]", token(KEY, "S", "a\udcffb"))


def test_a_name_that_the_template_does_not_know_is_a_usage_error() -> None:
    with pytest.raises(UsageError) as caught:
        card_name("{{ tcn }}", "DETRAN", "7", TOKEN)
    assert caught.value.code == "template"


def test_the_comment() -> None:
    assert card_comment(None, "DETRAN", "7") == ""
    assert card_comment("{{ source }}\n[m:x]", "DETRAN", "7") == "DETRAN (m:x]"
    assert len(card_comment("{{ id }}", "DETRAN", "a" * 3000)) == 2048


def test_the_photos_name_is_the_same_at_each_attempt_and_found_again() -> None:
    assert file_name(TOKEN, "image/jpeg") == "m-QFOOBARQFOOBARQFOOBA.jpg"
    assert file_name(TOKEN, "image/png") == "m-QFOOBARQFOOBARQFOOBA.png"
    assert is_ours(file_name(TOKEN, "image/jpeg"), TOKEN)
    assert is_ours("uploads/m-QFOOBARQFOOBARQFOOBA_x1.jpg", TOKEN)
    assert not is_ours("m-QFOOBARQFOOBARQFOOBB.jpg", TOKEN)
    assert not is_ours("photo.jpg", TOKEN)
