"""What does a person see while apply works? (Its end: report/ended.py.)

Jobs run side by side, but a screen is read from top to bottom: the job that was first on the
screen keeps it, the lines of the others are held back until it ends. Progress is rewritten in
place, on a terminal only.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from mitrarr_runner.clock import iso
from mitrarr_runner.engine.apply import Applied, Ended
from mitrarr_runner.engine.orders import Left
from mitrarr_runner.engine.report import columns, gap
from mitrarr_runner.engine.report.gap import Before
from mitrarr_runner.manifest.model import Manifest
from mitrarr_runner.plan import Plan, PlannedRun, StateView, jitter_of, upcoming
from mitrarr_runner.store.jobs import JobMemory
from mitrarr_runner.store.runs import Outcome
from mitrarr_runner.text import Catalogue, Text, from_data, plural, text

_NAMED = 6
"""New jobs that are named; of more, five and how many more."""


class Progress(Protocol):
    """A line that is rewritten in place; the terminal's business (cli/progress.py)."""

    def show(self, label: str, done: int, total: int | None) -> None: ...

    def clear(self) -> None: ...


def words_of(outcome: Outcome) -> Text:
    """An outcome as people read it."""
    return {
        Outcome.OK: text("OK"),
        Outcome.FAILED: text("FAILED"),
        Outcome.TIMEOUT: text("TIMED OUT"),
        Outcome.LOST: text("LOST"),
        Outcome.BLOCKED: text("BLOCKED"),
        Outcome.SKIPPED: text("SKIPPED"),
        Outcome.REPLACED: text("REPLACED"),
        Outcome.DEFERRED: text("DEFERRED"),
        Outcome.STOPPED: text("STOPPED"),
    }[outcome]


_LEFT = {
    Left.TAKEN: text("another apply has this slot"),
    Left.HELD: text("it was paused or drained meanwhile"),
    Left.NEEDS: text("a job it needs is at work, or has failed meanwhile"),
    Left.BUSY: text("its lock is held; the next apply tries again"),
}


class Screen:
    """The Listener of a person who is watching.

    path: of the manifest, as given; width: see report/columns.py. counts: what the steps counted so
    far, all jobs together.
    """

    def __init__(
        self,
        manifest: Manifest,
        path: str,
        say: Catalogue,
        line: Callable[[str], None],
        progress: Progress | None,
        before: Before,
        width: int | None = None,
    ) -> None:
        self.counts: dict[str, int] = {}
        self._manifest = manifest
        self._path = path
        self._say = say
        self._line = line
        self._progress = progress
        self._before = before
        self._width = width
        self._zone = ZoneInfo(manifest.settings.timezone)
        self._entries: dict[tuple[str, datetime | None], PlannedRun] = {}
        self._at = before.booted
        self._owner = ""
        self._held: dict[str, list[str]] = {}
        self._ended: set[str] = set()

    def planned(self, plan: Plan, view: StateView) -> None:
        say = self._say
        self._at = plan.at
        self._entries = {(entry.job, entry.slot): entry for entry in plan.starting}
        self._told(
            say(
                "APPLY  {path}  manifest {fingerprint}  {host}  {moment}",
                path=self._path,
                fingerprint=plan.fingerprint[:7],
                host=socket.gethostname(),
                moment=say.moment(plan.at, self._zone, seconds=False),
            )
        )
        for line in _held(self._manifest.name, plan, view, self._zone, say):
            self._told(line)
        self._new_jobs(plan, view)
        for line in gap.told(
            self._manifest, plan, view, self._before, self._zone, say, self._width
        ):
            self._line(line)
        if plan.starting:
            self._told(
                say("If the SSH connection drops, the work goes on. Ctrl-C ends after the batch.")
            )
        else:
            self._line(say("Nothing to do."))

    def _told(self, line: str) -> None:
        for piece in columns.wrapped(line, self._width, indent=2):
            self._line(piece)

    def _new_jobs(self, plan: Plan, view: StateView) -> None:
        """The first apply says which jobs are new and when they start."""
        new = [memory for memory in plan.memories if memory.job not in view.memories]
        if new:
            told = plural(
                "{count} new job: {names}. Its past slots are not run.",
                "{count} new jobs: {names}. Their past slots are not run.",
                len(new),
                names=self._names(new, plan, view),
            )
            self._told(self._say(told))

    def _names(self, new: Sequence[JobMemory], plan: Plan, view: StateView) -> str:
        """All of them up to six; of more, how many more they are."""
        shown = new if len(new) <= _NAMED else new[: _NAMED - 1]
        names = ", ".join(
            f"{memory.job} ({self._say(self._start(memory, plan, view))})" for memory in shown
        )
        if len(shown) == len(new):
            return names
        more = len(new) - len(shown)
        return self._say(
            plural("{names} and {count} more", "{names} and {count} more", more, names=names)
        )

    def _start(self, memory: JobMemory, plan: Plan, view: StateView) -> Text:
        job, pause = self._manifest.jobs[memory.job], view.pauses.get(memory.job)
        if pause is not None and pause.holds(plan.at):
            return text("paused")
        if memory.run_now:
            return text("at once")
        slot = next(iter(upcoming(job, memory.floor, 1)), None)
        if slot is None:
            return text("runs only when asked")
        due = slot + jitter_of(job)
        return text("from {hour}", hour=self._say.hour(due, self._zone, plan.at))

    def event(self, event: Mapping[str, object]) -> None:
        job = str(event.get("job", ""))
        if event["event"] == "progress":
            self._show_progress(job, event)
            return
        self._count(event)
        if event["event"] == "started":
            self._ended.discard(job)  # one of several runs of the job, one after the other
        lines = self._lines(job, event)
        if not lines:
            return
        if not self._owner:
            self._owner = job
        if job != self._owner:
            self._held.setdefault(job, []).extend(lines)
        else:
            self._print(lines)
        if event["event"] in ("finished", "blocked", "left"):
            self._ended.add(job)
            if job == self._owner:
                self._next_owner()

    def _count(self, event: Mapping[str, Any]) -> None:
        if event["event"] == "step_done":
            for key, value in event["counts"].items():
                self.counts[key] = self.counts.get(key, 0) + int(value)

    def _next_owner(self) -> None:
        """Print what was held back; the next job that still works keeps the screen."""
        self._owner = ""
        while self._held and not self._owner:
            job = next(iter(self._held))
            self._print(self._held.pop(job))
            if job not in self._ended:
                self._owner = job

    def _print(self, lines: list[str]) -> None:
        if self._progress is not None:
            self._progress.clear()
        for line in lines:
            self._line(line)

    def _show_progress(self, job: str, event: Mapping[str, object]) -> None:
        if self._progress is not None and job == self._owner:
            total = event["total"]
            self._progress.show(
                f"  {event['position']}/{len(self._manifest.jobs[job].steps)} {event['kind']}",
                int(str(event["done"])),
                None if total is None else int(str(total)),
            )

    def _lines(self, job: str, event: Mapping[str, Any]) -> list[str]:
        say = self._say
        match event["event"]:
            case "started":
                slot = datetime.fromisoformat(event["slot"]) if event.get("slot") else None
                return ["", *self._wrapped(self._head(job, slot, int(event["run"])))]
            case "step_done":
                steps = len(self._manifest.jobs[job].steps)
                begin = f"  {event['position']}/{steps} {event['kind']:<17} "
                return columns.wrapped_after(begin, say(from_data(event["message"])), self._width)
            case "retry":
                told = say("tried again in {span}", span=say.span(event["seconds"]))
                return [f"      {told}"]
            case "finished":
                return self._finished(job, event)
            case "blocked":
                return ["", say("{job}  blocked by {need}", job=job, need=event["by"])]
            case "left":
                why = say(_LEFT[Left(event["why"])])
                return ["", *self._wrapped(say("{job}  left: {why}", job=job, why=why))]
        return []

    def _finished(self, job: str, event: Mapping[str, Any]) -> list[str]:
        outcome = Outcome(event["outcome"])
        span = self._say.span(event["seconds"])
        lines = [
            self._say("  {outcome} in {span}", outcome=self._say(words_of(outcome)), span=span)
        ]
        if outcome in (Outcome.FAILED, Outcome.TIMEOUT, Outcome.LOST):
            command = f"mitrarr logs {job} --run r{event['run']}"
            lines += self._wrapped(self._say("  look: {command}", command=command))
        return lines

    def _wrapped(self, line: str) -> list[str]:
        return columns.wrapped(line, self._width, indent=4)

    def _head(self, job: str, slot: datetime | None, run: int) -> str:
        if slot is None:
            return self._say("{job}  by hand, run r{run}", job=job, run=str(run))
        entry = self._entries.get((job, slot))  # none of a slot that joined after the plan
        hour = self._say.hour(slot, self._zone, self._at)
        values = {"job": job, "hour": hour, "run": str(run)}  # a handle has no thousands
        if entry is not None and entry.run is not None:
            return self._say(
                "{job}  slot {hour} once more, after r{lost} was lost; run r{run}",
                **values,
                lost=str(entry.run),
            )
        late = None if entry is None else gap.delay(entry, self._at)
        if late is None:
            return self._say("{job}  slot {hour}, run r{run}", **values)
        return self._say(
            "{job}  slot {hour} ({span} late), run r{run}",
            **values,
            span=self._say.span(late.total_seconds()),
        )


def _held(
    manifest: str, plan: Plan, view: StateView, zone: ZoneInfo, say: Catalogue
) -> Iterator[str]:
    """A drain, and a pause of what somebody runs by hand all the same."""
    by_hand = {entry.job for entry in plan.entries if entry.code == "by_hand"}
    drain = view.drain
    if drain is not None:
        values = {"since": say.hour(drain.at, zone, plan.at), "actor": drain.actor}
        if by_hand:
            yield say(
                "{manifest} is draining since {since} by {actor}; this run starts all the"
                " same, because it is asked for by hand.",
                manifest=manifest,
                **values,
            )
        else:
            told = say("DRAINING since {since} by {actor}: nothing new is started.", **values)
            command = say("Start runs again: {command}", command="mitrarr drain --off")
            yield f"{told} {command}"
    for job in by_hand:
        pause = view.pauses.get(job)
        if pause is not None and pause.holds(plan.at):
            yield say(
                "{job} is paused since {since} by {actor}; this run starts all the same, because"
                " it is asked for by hand. The pause stays.",
                job=job,
                since=say.hour(pause.at, zone, plan.at),
                actor=pause.actor,
            )


def applied_json(applied: Applied) -> dict[str, Any]:
    return {
        "at": iso(applied.plan.at),
        "manifest": applied.plan.fingerprint,
        "failed": applied.failed,
        "interrupted": applied.interrupted,
        "seconds": round(applied.seconds, 3),
        "runs": [_ended_json(ended) for ended in applied.ended],
        "lost": [{"job": run.job, "run": run.handle} for run in applied.lost],
        "left": [entry.job for entry in applied.left],
    }


def _ended_json(ended: Ended) -> dict[str, object]:
    slot = ended.entry.slot
    return {
        "job": ended.entry.job,
        "slot": None if slot is None else iso(slot),
        "run": None if ended.run is None else f"r{ended.run}",
        "outcome": None if ended.outcome is None else ended.outcome.value,
        "seconds": round(ended.seconds, 3),
    }
