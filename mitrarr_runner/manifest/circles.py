"""Does a job wait for itself? Circles in `needs`, each reported once."""

from __future__ import annotations

from collections.abc import Iterator

from mitrarr_runner.manifest import reach
from mitrarr_runner.manifest.document import Path
from mitrarr_runner.manifest.merge import Merged
from mitrarr_runner.manifest.problem import Problem
from mitrarr_runner.text import text


def circles(merged: Merged) -> Iterator[Problem]:
    """One problem for each circle that a walk along `needs` comes to."""
    jobs = dict(reach.mappings(merged.data, "jobs"))
    needs = {
        name: [need for _, need in reach.names(job.get("needs")) if need in jobs]
        for name, job in jobs.items()
    }
    for circle in _found(needs):
        last, first = circle[-1], circle[0]
        listed = reach.names(jobs[last].get("needs"))
        index = next(index for index, name in listed if name == first)
        path: Path = ("jobs", last, "needs", index)
        shown = " -> ".join((*circle[:10], "..." if len(circle) > 10 else first))
        yield merged.marks.error(
            "needs_circle",
            path,
            text("jobs that need each other in a circle: {circle}", circle=shown),
            text("Take one of these needs away."),
        )


def _found(needs: dict[str, list[str]]) -> Iterator[list[str]]:
    """Depth first, without recursion: a chain of 10,000 needs is no reason to fall over."""
    done: set[str] = set()
    for start in needs:
        if start in done:
            continue
        trail, on_trail, todo = [start], {start}, [iter(needs[start])]
        while todo:
            following = next(todo[-1], None)
            if following is None:
                todo.pop()
                on_trail.discard(trail[-1])
                done.add(trail.pop())
            elif following in on_trail:
                yield trail[trail.index(following) :]
            elif following not in done:
                trail.append(following)
                on_trail.add(following)
                todo.append(iter(needs[following]))
