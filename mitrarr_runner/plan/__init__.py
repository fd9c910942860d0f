"""What would happen now, and why? PURE: (Manifest, StateView, now) -> Plan.

`mitrarr plan` prints the Plan, `mitrarr apply` does it: a dry run cannot drift from the real one.
Nothing here reads a clock, a file or the store. The rules are SEMANTICS sections 1, 4, 5 and 6.

values: what goes in and out; decide: the plan; past: slots that are due or older; coming: slots of
the manifest alone; needs: who waits for whom.
"""

from mitrarr_runner.plan.coming import jitter_of, slots_between, upcoming
from mitrarr_runner.plan.decide import (
    LATE,
    ON_TIME,
    in_its_place,
    in_order,
    not_repeated,
    plan,
    repeatable,
)
from mitrarr_runner.plan.needs import blocked, blocked_as_kept
from mitrarr_runner.plan.past import HARD_CAP
from mitrarr_runner.plan.values import Action, Plan, PlannedRun, StateView

__all__ = [
    "HARD_CAP",
    "LATE",
    "ON_TIME",
    "Action",
    "Plan",
    "PlannedRun",
    "StateView",
    "blocked",
    "blocked_as_kept",
    "in_its_place",
    "in_order",
    "jitter_of",
    "not_repeated",
    "plan",
    "repeatable",
    "slots_between",
    "upcoming",
]
