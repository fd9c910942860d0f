"""Wrong words on the command line: one sentence, a hint, exit 2, in the reader's language."""

from __future__ import annotations

from typing import Any

import pytest

CALLS = {
    ("nosuch",): 'there is no verb "nosuch"',
    ("paus", "a"): 'did you mean "pause"?',
    ("registry", "lst"): 'did you mean "list"?',
    ("pause", "--untill", "x"): 'did you mean "--until"?',
    ("send-to-findface", "--batch-size", "x"): "--batch-size: this value cannot be used",
    ("check-volume", "--label", "x"): "--history is missing",
    ("register-nist", "--id"): "--id wants a value",
    ("plan", "a", "b"): "one word too many: b",
    ("serve", "--port", "99999"): "--port: this value cannot be used",
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
