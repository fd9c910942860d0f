"""Calls by hand in a folder where nothing is yet."""

from __future__ import annotations

from datetime import date
from typing import Any

from mitrarr_runner import images
from mitrarr_runner.nist.writer import RecordDraft, face, write


def test_without_any_manifest_a_file_of_any_source_is_registered(site: Any) -> None:
    photo = face(1, images.draw_face(1), date=date(2026, 11, 20))
    data = write([RecordDraft(2, 0, {}), photo], date=date(2026, 11, 20), tcn="T1")
    (site.root / "a.nst").write_bytes(data)
    words = ("register-nist", "--id", "1", "--source", "ANY", "--file", "a.nst")
    answer = site.run(*words, env={"MITRARR_CONFIG": ""})
    assert answer.code == 0, answer.err
    assert (site.root / "state" / "mitrarr.db").exists()
    assert (site.root / "a.nst").exists(), "the file is kept"


def test_a_mistyped_manifest_founds_no_site(site: Any) -> None:
    answer = site.run("apply", "no/such/manifest", env={"MITRARR_CONFIG": ""})
    assert answer.code == 2
    assert "no/such/manifest" in answer.err
    assert list(site.root.iterdir()) == []


def test_both_ways_into_apply_are_the_same(site: Any, job: Any) -> None:
    """A plain crontab line passes the command line by; with any option it goes through it."""
    site.write(jobs={"a": job("sh", "-c", "exit 3")})
    path = str(site.manifest_path)
    answers = []
    for words in (("apply", path), ("apply", path, "--format", "text")):
        with site.store() as db, db.transaction():
            for table in ("slots", "jobs", "runs", "incidents", "notices"):
                db.execute(f"DELETE FROM {table}")  # noqa: S608
        site.due()
        answers.append(site.run(*words))
    assert answers[0].code == answers[1].code == 1
    assert answers[0].err == answers[1].err == ""
    kind = [answer.out.split(" ", 1)[1].split("(")[0] for answer in answers]
    assert kind[0] == kind[1] != ""
