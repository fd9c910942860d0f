"""The crontab as text: our block goes in, changes and goes out; every other byte stays."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mitrarr_runner.engine.cron import crontab
from mitrarr_runner.engine.cron.entries import Entry
from mitrarr_runner.errors import UsageError
from mitrarr_runner.manifest.model import Manifest
from mitrarr_runner.text import LANGUAGES, Catalogue

PROGRAM = Path("/opt/findface/venv/bin/mitrarr")
OTHERS = "# mine\nMAILTO=x@example.org\n17 * * * * /bin/true\t\n\n@reboot echo \\% é\udcff\n"


def entry(
    path: str = "/opt/findface/configs/prod",
    name: str = "prod",
    *,
    every: int = 1,
    root: str | None = None,
) -> Entry:
    found = None if root is None else Path(root)
    manifest = Manifest(name, Path(path), Path(root or "/opt/findface"), "")
    return Entry(name, Path(path), every, found, manifest)


def lines(one: Entry) -> str:
    return crontab.block(one, PROGRAM)


def test_a_block_names_every_path_and_calls_apply_each_minute() -> None:
    shown = lines(entry()).splitlines()
    assert shown[0] == "# mitrarr:prod begin /opt/findface/configs/prod"
    assert shown[-1] == "# mitrarr:prod end"
    calls = [line for line in shown if not line.startswith("#")]
    assert calls == [f"* * * * * {PROGRAM} apply /opt/findface/configs/prod"]


def test_a_guardian_is_called_each_half_hour() -> None:
    assert "\n*/30 * * * * " in lines(entry(every=30))


def test_the_root_is_handed_on_where_the_manifest_does_not_say_it() -> None:
    assert crontab.command(entry(root="/srv/site"), PROGRAM) == (
        f"/usr/bin/env MITRARR_ROOT=/srv/site {PROGRAM} apply /opt/findface/configs/prod"
    )


def as_cron_reads(command: str) -> str:
    """crontab(5): an unescaped % is a line end, an escaped one a %."""
    assert "%" not in command.replace(r"\%", "")
    return command.replace(r"\%", "%")


PATHS = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="/\x7f"), min_size=1
).filter(lambda name: name.isprintable() and name not in (".", ".."))


@given(PATHS, PATHS)
@settings(max_examples=40, deadline=None)
def test_any_path_reaches_the_program_as_it_is(manifest: str, root: str) -> None:
    one = entry(f"/c/{manifest}", root=f"/s/{root}")
    line = as_cron_reads(crontab.command(one, Path("/bin/echo")))
    words = line.replace("/bin/echo", '/bin/sh -c \'printf "%s|" "$MITRARR_ROOT" "$@"\' -', 1)
    done = subprocess.run(
        ["/bin/sh", "-c", words], capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout == f"/s/{root}|apply|/c/{manifest}|"


OLDER = """# mitrarr:prod begin /opt/findface/configs/prod
# Put here by an older program, which had other words.
#
* * * * * /opt/findface/venv/bin/mitrarr apply /opt/findface/configs/prod
# mitrarr:prod end
"""
"""The same call with comments of another program."""


@pytest.mark.parametrize("language", LANGUAGES)
def test_its_comments_are_in_the_language_of_the_call_and_fit_a_screen(language: str) -> None:
    shown = crontab.block(entry(), PROGRAM, Catalogue(language)).splitlines()
    comments = [line for line in shown[1:-1] if line.startswith("#")]
    assert "MAILTO=..." in " ".join(comments)
    assert max(map(len, comments)) <= 80
    assert [shown[0], *(line for line in shown[1:-1] if line[0] != "#"), shown[-1]] == (
        lines(entry()).splitlines()
    )


@pytest.mark.parametrize(
    "there", [crontab.block(entry(), PROGRAM, Catalogue("pt_BR")), OLDER, lines(entry())]
)
def test_a_block_in_other_words_is_the_same_block(there: str) -> None:
    """Two operators of two languages must not rewrite it in turn."""
    one, content = entry(), OTHERS + there + OTHERS
    mine = crontab.block(one, PROGRAM, Catalogue("en"))
    assert crontab.put(content, one.path, mine) == content
    assert [found.content for found in crontab.blocks(content)] == [lines(one)]
    moved = crontab.block(entry(root="/new"), PROGRAM, Catalogue("en"))
    assert crontab.put(content, one.path, moved) == OTHERS + moved + OTHERS
    assert crontab.take(content, one.path) == OTHERS + OTHERS


def test_a_block_goes_to_the_end_and_out_again() -> None:
    one = entry()
    there = crontab.put(OTHERS, one.path, lines(one))
    assert there == OTHERS + lines(one)
    assert crontab.take(there, one.path) == OTHERS


def test_the_same_block_again_changes_nothing() -> None:
    one = entry()
    there = crontab.put(OTHERS, one.path, lines(one)) + "5 5 * * * /bin/later\n"
    assert crontab.put(there, one.path, lines(one)) == there
    assert crontab.difference(there, there) == []


def test_a_changed_block_is_replaced_where_it_stands() -> None:
    old, new = lines(entry(root="/old")), lines(entry(root="/new"))
    there = OTHERS + old + "5 5 * * * /bin/later\n"
    after = crontab.put(there, entry().path, new)
    assert after == OTHERS + new + "5 5 * * * /bin/later\n"
    changed = crontab.difference(there, after)
    assert [line[0] for line in changed] == ["-", "+", "@", "-", "+"]
    assert "later" not in "".join(changed)


def test_of_two_blocks_of_one_manifest_one_stays() -> None:
    one = entry()
    twice = lines(one) + OTHERS + lines(one)
    assert crontab.put(twice, one.path, lines(one)) == lines(one) + OTHERS
    assert crontab.take(twice, one.path) == OTHERS


def test_a_renamed_manifest_takes_its_old_block_along() -> None:
    before = OTHERS + lines(entry(name="old"))
    assert crontab.put(before, entry().path, lines(entry())) == OTHERS + lines(entry())


def test_the_block_of_another_site_of_the_same_name_is_kept() -> None:
    other = lines(entry("/srv/other/configs/prod"))
    there = crontab.put(other, entry().path, lines(entry()))
    assert there == other + lines(entry())
    assert crontab.take(there, entry().path) == other


def test_a_crontab_without_its_last_line_end_gets_one() -> None:
    there = crontab.put("1 1 * * * x", entry().path, lines(entry()))
    assert there == "1 1 * * * x\n" + lines(entry())


@pytest.mark.parametrize(
    "torn",
    [
        "# mitrarr:prod begin /a\n* * * * * x\n",
        "* * * * * x\n# mitrarr:prod end\n",
        "# mitrarr:prod begin /a\n# mitrarr:prod begin /b\n# mitrarr:prod end\n",
        "# mitrarr:prod begin /a\n# mitrarr:other end\n",
    ],
)
def test_half_a_block_is_refused_and_never_guessed(torn: str) -> None:
    for change in (
        lambda: crontab.put(torn, Path("/a"), ""),
        lambda: crontab.take(torn, Path("/")),
    ):
        with pytest.raises(UsageError) as caught:
            change()
        assert caught.value.code == "crontab_block"


FOREIGN = st.lists(
    st.text(st.characters(exclude_characters="\n", codec="utf-8"), max_size=20), max_size=6
).filter(lambda found: not any("mitrarr:" in line for line in found))


@given(FOREIGN, FOREIGN)
@settings(max_examples=60, deadline=None)
def test_what_stood_there_before_stands_there_after(above: list[str], below: list[str]) -> None:
    first, last = ("".join(f"{line}\n" for line in part) for part in (above, below))
    one = entry()
    middle = crontab.put(first, one.path, lines(one)) + last
    assert (
        crontab.put(middle, one.path, lines(entry(root="/x")))
        == first + lines(entry(root="/x")) + last
    )
    assert crontab.take(middle, one.path) == first + last
