"""Runs as they are looked up: what is asked of one job does not walk through those of all."""

from __future__ import annotations

from pathlib import Path

from mitrarr_runner.store import runs
from mitrarr_runner.store.database import open_database


def test_the_runs_of_a_job_are_found_without_those_of_others(tmp_path: Path) -> None:
    """`status` asks for each job: a look through all runs each time took seconds."""
    with open_database(tmp_path / "mitrarr.db") as db:
        with db.transaction():
            db.many(
                "INSERT INTO runs (manifest, job, cause, state, host, pid, pid_started, boot_id,"
                " fingerprint, started_at) VALUES ('prod', :job, 'schedule', 'finished', 'h', 1,"
                " '1', 'b', 'f', 0)",
                [{"job": "rare" if n == 5 else "often"} for n in range(20_000)],
            )
        steps = []
        db._connection.set_progress_handler(lambda: steps.append(1), 1000)
        assert [run.id for run in runs.history(db, "prod", job="rare")] == [6]
        assert runs.history(db, "prod", job="rare", before=6) == ()
        assert [run.id for run in runs.history(db, "prod", job="often", limit=1)] == [20_000]
        assert len(steps) < 5, "thousands of steps of SQLite's machine"
        assert [run.id for run in runs.history(db, "prod", limit=2)] == [20_000, 19_999]
