"""Is this much normal? Counts and their history in, a verdict and its range out, nothing else.

Pure: no clock, no store, no manifest. `readings` cuts a history into comparable windows, `days`
knows which days are holidays (the one door to the package `holidays`), `verdict` judges one number
and says why, `replay` judges a history again, `history` reads the tutorial's volumes.json.
"""

from mitrarr_runner.volumes.days import DayNames, HolidayRule, calendar
from mitrarr_runner.volumes.history import read_history
from mitrarr_runner.volumes.readings import Log, Reading, SoFar, day_so_far, hour_so_far
from mitrarr_runner.volumes.replay import Replay, Warned, replay
from mitrarr_runner.volumes.verdict import (
    Against,
    Direction,
    Per,
    State,
    Verdict,
    VolumeRule,
    default_rule,
    judge,
    judge_in,
)

__all__ = [
    "Against",
    "DayNames",
    "Direction",
    "HolidayRule",
    "Log",
    "Per",
    "Reading",
    "Replay",
    "SoFar",
    "State",
    "Verdict",
    "VolumeRule",
    "Warned",
    "calendar",
    "day_so_far",
    "default_rule",
    "hour_so_far",
    "judge",
    "judge_in",
    "read_history",
    "replay",
]
