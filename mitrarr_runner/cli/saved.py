"""apply FILE: exactly the runs of a plan that was reviewed, or a refusal that says what moved."""

from __future__ import annotations

from mitrarr_runner.cli.place import Place, strict
from mitrarr_runner.cli.session import Session
from mitrarr_runner.engine import saved_file, saved_plan
from mitrarr_runner.engine.planning import closing_store
from mitrarr_runner.engine.state import gather
from mitrarr_runner.plan import Plan, StateView


def judged(here: Session, file: str) -> tuple[Place, Plan]:
    """Where it is applied, and what is applied. Raises UsageError ("plan_stale") for a plan that
    was overtaken; the manifest's own errors where it is broken."""
    saved = saved_file.read(here.cwd / file)
    found = strict(here, str(saved.path))
    now = here.clock.now()
    with closing_store(found) as store:
        view = StateView()
        if store is not None:
            view = gather(store, found.manifest, found.site, here.clock, now)
    moved = saved_plan.moved(saved, found.manifest, found.site.root, view, now)
    if moved:
        raise saved_plan.stale(saved, file, moved)
    return found, saved_plan.to_apply(saved, now)
