"""Wrong words on the command line: one sentence, a hint, exit 2, in the reader's language."""

from __future__ import annotations

import shlex
import subprocess
from typing import Any

import pytest

from mitrarr_runner.store.registry import State
from mitrarr_runner.store.runs import Outcome

CALLS = {
    ("nosuch",): 'there is no verb "nosuch"',
    ("paus", "a"): 'did you mean "pause"?',
    ("alerts",): "verbs here: ack, list",
    ("state", "x"): "verbs here: backup, check, export, restore",
    ("registry", "lst"): 'did you mean "list"?',
    ("pause", "--untill", "x"): 'did you mean "--until"?',
    ("send-to-findface", "--batch-size", "x"): "--batch-size: this value cannot be used",
    ("check-volume", "--label", "x"): "--history is missing",
    ("register-nist", "--id"): "--id wants a value",
    ("plan", "a", "b"): "one word too many: b",
    ("serve", "--port", "99999"): "--port: this value cannot be used",
    ("plan", "--detailed-exitcode=3"): "--detailed-exitcode takes no value",
    ("drain", "--wait", "-3"): "SECONDS cannot be negative",
    ("drain", "--wait", "-0.5"): "SECONDS cannot be negative",
    ("plan", "-3"): "there is no option -3",
    ("help", "nosuch"): 'there is no verb "nosuch"',
}


@pytest.mark.parametrize("words", CALLS, ids=" ".join)
def test_one_sentence_and_what_to_do_next(site: Any, words: tuple[str, ...]) -> None:
    site.write(jobs={})
    answer = site.run(*words)
    assert (answer.code, answer.out) == (2, "")
    assert CALLS[words] in answer.err
    assert answer.err.splitlines()[-1].startswith("  -> see: ")
    assert "Traceback" not in answer.err


def test_the_same_in_portuguese(site: Any) -> None:
    for words in CALLS:
        err = site.run(*words, "--lang", "pt_BR").err
        assert err.startswith("erro: "), err
        assert "there is" not in err
        assert "missing" not in err


def test_help_is_framed_in_the_readers_language(site: Any) -> None:
    page = site.run("pause", "--help", "--lang", "pt_BR").out
    assert "Usage:" not in page
    assert "Options:" not in page
    assert "Show this" not in page
    assert "--until" in page


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--lang", "fr", "status"), 'unknown language "fr"'),
        (("status", "--lang=fr"), 'unknown language "fr"'),
        (("apply", "--lang", "english"), 'unknown language "english"'),
        (("--lang", "status"), 'unknown language "status"'),
        (("status", "--lang"), "--lang wants a value"),
        (("status", "--lang="), "--lang wants a value"),
        (("--lang", "--format", "json", "status"), "--lang wants a value"),
    ],
    ids=str,
)
def test_a_language_that_there_is_not(site: Any, words: tuple[str, ...], told: str) -> None:
    site.write(jobs={})
    answer = site.run(*words)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.splitlines() == [f"error: {told}", "  -> languages: en, pt_BR"]
    portuguese = site.run(*words, env={"LANG": "pt_BR.UTF-8"}).err
    assert portuguese.startswith("erro: ")


@pytest.mark.parametrize("language", ["pt", "pt_BR", "pt-br", "PT_BR.UTF-8", "en", "en_GB"])
def test_a_language_may_be_written_as_a_locale(site: Any, language: str) -> None:
    page = site.run("--help", "--lang", language).out
    assert ("Usage:" in page) == language.startswith("en")


def words_of(page: str) -> str:
    return " ".join(page.split())


def test_help_names_every_state_every_default_and_the_language(site: Any) -> None:
    page = words_of(site.run("registry", "list", "--help").out)
    assert all(state.value in page for state in State)
    page = words_of(site.run("pause", "--help").out)
    assert "MITRARR_OPERATOR, SUDO_USER, the SSH key, the login." in page
    for words in (("--help",), ("help",), ()):
        assert "--lang en or --lang pt_BR" in words_of(site.run(*words).out), words


@pytest.mark.parametrize("words", [("--help",), ("plan", "--help"), ("nist", "show", "--help")])
def test_help_is_a_word_too(site: Any, words: tuple[str, ...]) -> None:
    asked = site.run("help", *words[:-1])
    assert (asked.code, asked.err) == (0, "")
    assert asked.out == site.run(*words).out


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_with_its_output_closed_a_call_ends_as_it_would(site: Any, job: Any, closed: str) -> None:
    """Nobody reads it: no bug, and no file of ours in the place of the output."""
    site.write(jobs={"a": job("sh", "-c", "echo said; echo more >&2")})
    site.due()
    for words, code in ((("status",), 0), (("apply", "--verbose"), 0), (("nosuch",), 2)):
        call = shlex.join(site.command(*words))
        done = subprocess.run(
            ["sh", "-c", f"{call} {closed}"],
            cwd=site.root,
            env=site.environment(),
            capture_output=True,
            check=False,
        )
        assert done.returncode == code, (words, done)
        if code == 0:
            assert done.stderr == b""
    assert [run.outcome for run in site.history()] == [Outcome.OK]
    log = (site.site.run_logs / "a" / "1.log").read_text().splitlines()
    assert log[1:3] == ["said", "more"]


def test_version(site: Any) -> None:
    answer = site.run("--version")
    assert (answer.code, answer.out.split()[0]) == (0, "mitrarr")


def test_cron_is_written_to_in_the_manifests_language(site: Any, job: Any) -> None:
    site.write(jobs={"a": job("false")}, settings={"language": "pt_BR"})
    site.due()
    news = site.run("apply", env={"LANG": "C"}).out
    assert "CRÍTICO" in news
    site.write(jobs={"b": job("false")}, settings={"language": "pt_BR"})
    site.due()
    assert "CRITICAL" in site.run("apply", "--lang", "en").out


def test_on_bad_manifest_stop_runs_nothing(site: Any, job: Any) -> None:
    for policy, ran in (("stop", 0), ("last_good", 1)):
        site.write(
            jobs={policy: job("touch", policy, schedule="* * * * *")},
            settings={"on_bad_manifest": policy},
        )
        assert site.run("apply").code == 0
        site.due()
        with site.store() as db, db.transaction():
            db.execute("UPDATE jobs SET floor = floor - 300")
        good = site.manifest_path.read_text()
        site.manifest_path.write_text("{")
        answer = site.run("apply")
        assert answer.code == 2
        assert len([run for run in site.history() if run.job == policy]) == ran, answer
        site.manifest_path.write_text(good)
