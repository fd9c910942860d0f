"""Which checks are there? One table, in the order of the report; all of them always run.

One that stumbles over the host (a folder that vanishes, a right that is missing) is a finding too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from mitrarr_runner.engine.doctor import caller, host, remote, state, work
from mitrarr_runner.engine.doctor.finding import Finding, Ground, problem, raised
from mitrarr_runner.errors import MitrarrError
from mitrarr_runner.text import text


@dataclass(frozen=True, slots=True)
class Check:
    """remote: of one destination, and so looked at when only that one is asked for."""

    name: str
    look: Callable[[Ground], Iterable[Finding]]
    of_destination: bool = False


CHECKS: tuple[Check, ...] = (
    Check("python", host.python),
    Check("root", state.root),
    Check("manifest", state.manifest),
    Check("owner", state.owner),
    Check("disk", state.disk_kind),
    Check("space", state.space),
    Check("store", state.store),
    Check("clock", host.clock),
    Check("zones", host.zones),
    Check("language", host.language),
    Check("cron", caller.installed),
    Check("old_infra", host.old_infra),
    Check("spools", work.spools),
    Check("secrets", work.secrets, of_destination=True),
    Check("channels", work.channels),
    Check("api", host.api),
    Check("destinations", remote.destinations, of_destination=True),
)


def examine(ground: Ground, checks: Iterable[Check] = CHECKS) -> Iterator[Finding]:
    """Every finding, as it is made: destinations may take their time."""
    for check in checks:
        if ground.destination is None or check.of_destination:
            yield from _looked(check, ground)


def _looked(check: Check, ground: Ground) -> Iterator[Finding]:
    try:
        yield from check.look(ground)
    except MitrarrError as error:
        yield raised(error, text("check {name}", name=check.name))
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        message = text("could not be made ({reason})", reason=reason)
        yield problem("check_failed", text("check {name}", name=check.name), message, None)
