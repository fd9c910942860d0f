"""When is a job due? From a line of cron and a named zone to instants in UTC, and nothing else.

Pure: no clock, no store, no manifest. `grammar` and `fields` read the line (the one door to
croniter), `instants` walks local minutes and maps them to UTC by Debian cron's rules for the
nights on which the clock changes, `advice` (imported by itself) finds lines that are valid and yet
probably not what was meant.
"""

from mitrarr_runner.schedule.fields import CronError
from mitrarr_runner.schedule.grammar import Cron, parse
from mitrarr_runner.schedule.identity import fingerprint, jitter
from mitrarr_runner.schedule.instants import latest_slot, moved, next_slot, slots

__all__ = [
    "Cron",
    "CronError",
    "fingerprint",
    "jitter",
    "latest_slot",
    "moved",
    "next_slot",
    "parse",
    "slots",
]
