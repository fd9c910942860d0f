"""What does a person see while apply works, and at its end?

Jobs run side by side, but a screen is read from top to bottom: the job that was first on the
screen keeps it, the lines of the others are held back until it ends. Progress is rewritten in
place, on a terminal only.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from mitrarr_runner.clock import iso
from mitrarr_runner.engine.apply import Applied, Ended
from mitrarr_runner.manifest.model import Manifest
from mitrarr_runner.plan import Action, Plan, PlannedRun, StateView
from mitrarr_runner.store.runs import Outcome
from mitrarr_runner.text import Catalogue, Text, from_data, plural, text


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


class Screen:
    """The Listener of a person who is watching."""

    def __init__(
        self,
        manifest: Manifest,
        path: str,
        say: Catalogue,
        line: Callable[[str], None],
        progress: Progress | None,
    ) -> None:
        self._manifest = manifest
        self._path = path
        self._say = say
        self._line = line
        self._progress = progress
        self._zone = ZoneInfo(manifest.settings.timezone)
        self._entries: dict[str, PlannedRun] = {}
        self._owner = ""
        self._held: dict[str, list[str]] = {}
        self._ended: set[str] = set()

    def planned(self, plan: Plan, view: StateView) -> None:
        say = self._say
        moment = say.moment(plan.at, self._zone)
        told = say(
            "APPLY  {path}  manifest {fingerprint}  {host}  {moment}",
            path=self._path,
            fingerprint=plan.fingerprint,
            host=socket.gethostname(),
            moment=moment,
        )
        self._line(told)
        self._new_jobs(plan, view)
        for job in self._manifest.jobs:
            self._not_run([e for e in plan.entries if e.job == job and not e.starts], plan)
        for job, run in view.lost.items():
            if not run.finished:
                self._line(f"  {job}  {run.handle}  {say('was lost: its process is gone')}")
        self._entries = {entry.job: entry for entry in plan.starting}
        if plan.starting:
            self._line(
                say("If the SSH connection drops, the work goes on. Ctrl-C ends after the batch.")
            )
        else:
            self._line(say("Nothing to do."))

    def _new_jobs(self, plan: Plan, view: StateView) -> None:
        """The first apply says which jobs are new; when they start stands in the plan."""
        new = [m.job for m in plan.memories if m.job not in view.memories]
        if new:
            shown = ", ".join(new[:5]) + (", ..." if len(new) > 5 else "")
            told = plural(
                "{count} new job: {names}. Its past slots are not run.",
                "{count} new jobs: {names}. Their past slots are not run.",
                len(new),
                names=shown,
            )
            self._line(self._say(told))

    def _not_run(self, entries: list[PlannedRun], plan: Plan) -> None:
        by_reason: dict[tuple[Action, str], list[PlannedRun]] = {}
        for entry in entries:
            by_reason.setdefault((entry.action, entry.code), []).append(entry)
        for found in by_reason.values():
            hours = [self._say.hour(e.slot, self._zone, plan.at) for e in found if e.slot]
            shown = " ".join(hours[:4]) + (f" ... {hours[-1]}" if len(hours) > 4 else "")
            self._line(f"  {found[0].job}  {shown}  {self._say(found[0].reason)}")

    def event(self, event: Mapping[str, object]) -> None:
        job = str(event.get("job", ""))
        if event["event"] == "progress":
            self._show_progress(job, event)
            return
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
                return ["", self._head(job, int(event["run"]))]
            case "step_done":
                steps = len(self._manifest.jobs[job].steps)
                told = say(from_data(event["message"]))
                return [f"  {event['position']}/{steps} {event['kind']:<17} {told}"]
            case "retry":
                told = say("tried again in {span}", span=say.span(event["seconds"]))
                return [f"      {told}"]
            case "finished":
                outcome = say(words_of(Outcome(event["outcome"])))
                return [
                    say("  {outcome} in {span}", outcome=outcome, span=say.span(event["seconds"]))
                ]
            case "blocked":
                return ["", say("{job}  blocked by {need}", job=job, need=event["by"])]
            case "left":
                return ["", say("{job}  left: another apply has this slot", job=job)]
        return []

    def _head(self, job: str, run: int) -> str:
        entry = self._entries.get(job)
        if entry is None or entry.slot is None:
            return self._say("{job}  by hand, run r{run}", job=job, run=run)
        hour = entry.slot.astimezone(self._zone).strftime("%H:%M")
        return self._say("{job}  slot {hour}, run r{run}", job=job, hour=hour, run=run)


def summary(applied: Applied, say: Catalogue) -> list[str]:
    """The last lines of an apply by hand; the parts add up to the jobs that were started."""
    if not applied.ended and not applied.left:
        return []
    counts: dict[str, int] = {}
    for ended in applied.ended:
        key = say(words_of(ended.outcome)) if ended.outcome else say(text("left to another apply"))
        counts[key] = counts.get(key, 0) + 1
    parts = ", ".join(f"{count} {key}" for key, count in counts.items())
    told = say(plural("{count} job", "{count} jobs", len(applied.ended)))
    lines = [
        "",
        say(
            "SUMMARY  {jobs}: {parts}.  {span}",
            jobs=told,
            parts=parts,
            span=say.span(applied.seconds),
        ),
    ]
    if applied.left:
        lines.append(
            say(
                plural(
                    "{count} job found no free place and is left to the next apply",
                    "{count} jobs found no free place and are left to the next apply",
                    len(applied.left),
                )
            )
        )
    return lines


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
