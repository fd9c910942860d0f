"""logs --follow: a run's output as it comes, until the run ends."""

from __future__ import annotations

import time
from zoneinfo import ZoneInfo

from mitrarr_runner.cli.place import Place
from mitrarr_runner.cli.progress import Line
from mitrarr_runner.cli.reading import run_named
from mitrarr_runner.cli.session import Session
from mitrarr_runner.engine.control import alive
from mitrarr_runner.engine.follow import Tail
from mitrarr_runner.engine.report.history import RunLog, log_head, outcome_word, printable
from mitrarr_runner.engine.state import is_lost
from mitrarr_runner.plan import upcoming
from mitrarr_runner.store import runs
from mitrarr_runner.store.database import Database
from mitrarr_runner.store.runs import Run
from mitrarr_runner.text import Text, text

_LOOK = 0.2
"""Seconds between two looks at the log and the store."""


class Following:
    """One person's look at one job."""

    def __init__(self, here: Session, found: Place, job: str) -> None:
        self._here = here
        self._found = found
        self._job = job
        self._zone = ZoneInfo(found.manifest.settings.timezone)
        self._line: Line | None = None

    def to_the_end(self, wanted: str | None, last: int | None) -> int:
        """The run asked for, else the running one, else the next one; last: lines of what it
        printed before. Returns 0 at the run's end, whatever it is.
        """
        if wanted is None:
            with self._store() as db:
                self._tell(db, self._next(db), last)
            return 0
        opened = self._found.open_readonly()
        run = run_named(opened, self._job, wanted)
        assert opened is not None  # noqa: S101 - there is a run
        with opened as db:
            self._tell(db, run, last)
        return 0

    def _store(self) -> Database:
        """The store, waited for where nothing was ever applied."""
        while (db := self._found.open_readonly()) is None:
            self._say_waiting()
            time.sleep(_LOOK)
        return db

    def _next(self, db: Database) -> Run:
        """The run in progress; else the first one that is newer than all there are."""
        name, site, clock = self._found.manifest.name, self._found.site, self._here.clock
        running = alive(db, site, clock, name, self._job)
        if running is not None:
            return running
        known = {run.id for run in runs.history(db, name, job=self._job, limit=1)}
        if self._line is not None:  # the first run of all may have been quicker than this look
            known = set()
        while True:
            newest = runs.history(db, name, job=self._job, limit=1)
            if newest and newest[0].id not in known:
                return newest[0]
            self._say_waiting()
            time.sleep(_LOOK)

    def _say_waiting(self) -> None:
        """Once; on a terminal as a line that goes away."""
        here = self._here
        if self._line is not None:
            return
        self._line = Line(here.out, here.say, here.clock)
        words = here.say(self._waiting())
        if here.on_terminal:
            self._line.tell(words)
        else:
            here.print(words)
            here.out.flush()

    def _waiting(self) -> Text:
        job = self._found.manifest.jobs.get(self._job)
        now = self._here.clock.now()
        following = upcoming(job, now, 1) if job is not None else ()
        if not following:
            return text("{job} is not running; waiting for its next run", job=self._job)
        return text(
            "{job} is not running; waiting for its next run (slot {hour})",
            job=self._job,
            hour=self._here.say.hour(following[0], self._zone, now),
        )

    def _tell(self, db: Database, run: Run, last: int | None) -> None:
        here, found = self._here, self._found
        path = found.site.run_logs / run.job / f"{run.id}.log"
        if self._line is not None:
            self._line.clear()
        log = RunLog(run, self._lost(run), None, here.clock.now(), self._zone)
        for line in log_head(log, here.say):
            here.print(line)
        here.out.flush()
        tail = Tail(path)
        printed = tail.lines()
        self._print(printed if last is None else printed[-last:])
        while (now := runs.get(db, run.id)) is not None:
            over = now.finished or self._lost(now)
            self._print(tail.last() if over else tail.lines())
            if over:
                here.print(self._end(now))
                break
            time.sleep(_LOOK)
        tail.close()

    def _print(self, lines: list[str]) -> None:
        for line in lines:
            self._here.print(printable(line))
        if lines:
            self._here.out.flush()

    def _lost(self, run: Run) -> bool:
        found = self._found
        return not run.finished and is_lost(run, found.manifest.name, found.site, self._here.clock)

    def _end(self, run: Run) -> Text:
        if not run.finished:
            return text("{run} was lost: its process is gone", run=run.handle)
        outcome = outcome_word(run.outcome)
        if run.seconds is None:
            return text("{run} has ended: {outcome}", run=run.handle, outcome=outcome)
        return text(
            "{run} has ended: {outcome}, after {span}",
            run=run.handle,
            outcome=outcome,
            span=self._here.say.span(run.seconds),
        )
