"""Does everything exist that a manifest refers to? Names, zones, dates, templates, circles.

What a schema cannot ask. Works on data of any shape (`reach`): wrong types are the schema's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

from mitrarr_runner import templates
from mitrarr_runner.errors import UsageError
from mitrarr_runner.manifest import reach
from mitrarr_runner.manifest.circles import circles
from mitrarr_runner.manifest.document import Data, Path
from mitrarr_runner.manifest.explain import did_you_mean
from mitrarr_runner.manifest.merge import Marks, Merged
from mitrarr_runner.manifest.nearest import Nearest
from mitrarr_runner.manifest.problem import Problem
from mitrarr_runner.redact import safe
from mitrarr_runner.text import Text, text

SOURCE_NAMES = frozenset({"tcn", "dai", "ori", "tot", "date", "stem", "t2"})
"""What `sources.*.id` may use: fields of Type-1, the file name's stem, t2['2.018'] for 2.018."""
CARD_NAMES = frozenset({"source", "id"})

_STEP_REFERENCES = {
    "register_nist": ("source", "sources"),
    "send_to_findface": ("destination", "destinations"),
    "check_volume": ("label", "volumes"),
    "heartbeat": ("name", "heartbeats"),
}


def check(merged: Merged, nearest: Nearest) -> Iterator[Problem]:
    """Every reference that leads nowhere."""
    data, asked = merged.data, _Asked(merged.data, merged.marks, nearest)
    for path, kind, options in reach.steps(data):
        if kind in _STEP_REFERENCES:
            key, section = _STEP_REFERENCES[kind]
            yield from asked.one((*path, key), options.get(key), section)
        elif kind == "emit_alert":
            yield from asked.each((*path, "to"), options.get("to"), "channels")
    for name, job in reach.mappings(data, "jobs"):
        yield from asked.each(("jobs", name, "needs"), job.get("needs"), "jobs")
    for name, destination in reach.mappings(data, "destinations"):
        path = ("destinations", name, "sources")
        yield from asked.each(path, destination.get("sources"), "sources")
    for name, heartbeat in reach.mappings(data, "heartbeats"):
        yield from asked.one(("heartbeats", name, "job"), heartbeat.get("job"), "jobs")
        yield from _one_subject(("heartbeats", name), heartbeat, merged.marks)
    for index, rule in reach.items(reach.mapping(data, "alerts").get("rules")):
        if isinstance(rule, dict):
            base: Path = ("alerts", "rules", index)
            yield from asked.each((*base, "to"), rule.get("to"), "channels")
            yield from asked.each((*base, "jobs"), rule.get("jobs"), "jobs")
            yield from _times(base, rule, merged.marks)
    yield from circles(merged)
    yield from _zones(merged, nearest)
    yield from _dates(merged)
    yield from _templates(merged, nearest)


class _Asked:
    """Asks for names of one section and says which are near."""

    def __init__(self, data: dict[str, Data], marks: Marks, nearest: Nearest) -> None:
        self._marks, self._nearest = marks, nearest
        self._known: dict[str, dict[str, Data]] = {
            section: reach.mapping(data, section)
            for section in ("sources", "destinations", "volumes", "heartbeats", "jobs")
        }
        self._known["channels"] = reach.mapping(data, "alerts", "channels")

    def each(self, path: Path, wanted: Data, section: str) -> Iterator[Problem]:
        for index, name in reach.names(wanted):
            yield from self.one((*path, index), name, section)

    def one(self, path: Path, wanted: Data, section: str) -> Iterator[Problem]:
        known = self._known[section]
        if not isinstance(wanted, str) or wanted in known:
            return
        yield self._marks.error(
            f"unknown_{section.removesuffix('s')}",
            path,
            _missing(section, safe(wanted, 80)),
            self._hint(section, self._nearest(wanted, known)),
        )

    def _hint(self, section: str, near: str | None) -> Text:
        known = self._known[section]
        if near is not None:
            path = ("alerts", section, near) if section == "channels" else (section, near)
            mark = self._marks.key(path)
            return text(
                'There is "{name}" ({place}).',
                name=near,
                place=f"{mark.file.rpartition('/')[2]}:{mark.line}:{mark.column}",
            )
        if not known:
            return text("This manifest defines none.")
        some = ", ".join(list(known)[:8]) + (", ..." if len(known) > 8 else "")
        return text("There are: {names}.", names=some)


def _missing(section: str, name: str) -> Text:
    match section:
        case "sources":
            return text('there is no source "{name}"', name=name)
        case "destinations":
            return text('there is no destination "{name}"', name=name)
        case "volumes":
            return text('there is no label "{name}" under volumes', name=name)
        case "heartbeats":
            return text('there is no heartbeat "{name}"', name=name)
        case "channels":
            return text('there is no channel "{name}" under alerts', name=name)
        case _:
            return text('there is no job "{name}"', name=name)


def _one_subject(path: Path, heartbeat: dict[str, Data], marks: Marks) -> Iterator[Problem]:
    if ("job" in heartbeat) == ("manifest" in heartbeat):
        yield marks.error(
            "one_subject",
            path,
            text("a heartbeat belongs to a job or to a manifest: exactly one of the two"),
        )


def _times(path: Path, rule: dict[str, Data], marks: Marks) -> Iterator[Problem]:
    if rule.get("when") in ("job_failed", "job_lost") and isinstance(rule.get("after"), str):
        yield marks.error(
            "bad_value",
            (*path, "after"),
            text("here `after` counts times in a row, not a length of time"),
            text("Write a number without a unit, for example 2."),
        )


def _zones(merged: Merged, nearest: Nearest) -> Iterator[Problem]:
    wanted: list[tuple[Path, Data]] = [
        (("settings", "timezone"), reach.mapping(merged.data, "settings").get("timezone"))
    ]
    for name, job in reach.mappings(merged.data, "jobs"):
        zone = reach.mapping(job, "schedule").get("timezone")
        wanted.append((("jobs", name, "schedule", "timezone"), zone))
    known: dict[str, bool] = {}
    for path, zone in wanted:
        if isinstance(zone, str) and not known.setdefault(zone, _is_zone(zone)):
            yield merged.marks.error(
                "unknown_zone",
                path,
                text('there is no time zone "{name}"', name=safe(zone, 80)),
                did_you_mean(_near_zone(zone, nearest))
                or text("Zones have names as America/Sao_Paulo; abbreviations are ambiguous."),
            )


def _is_zone(name: str) -> bool:
    from zoneinfo import ZoneInfo

    if name in ("localtime", "posixrules", "Factory") or name.startswith(("posix/", "right/")):
        return False
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return False
    return True


def _near_zone(name: str, nearest: Nearest) -> str | None:
    from zoneinfo import available_timezones

    if "bras" in name.casefold():  # the zone of Brasília has another city's name
        return "America/Sao_Paulo"
    zones = sorted(available_timezones())
    city = name.rpartition("/")[2].replace(" ", "_").casefold()
    same_city = [zone for zone in zones if zone.rpartition("/")[2].casefold() == city]
    return same_city[0] if same_city else nearest(name, zones)


def _dates(merged: Merged) -> Iterator[Problem]:
    for label, volume in reach.mappings(merged.data, "volumes"):
        for index, day in reach.names(reach.mapping(volume, "holidays").get("extra")):
            try:
                date.fromisoformat(day)
            except ValueError:
                path: Path = ("volumes", label, "holidays", "extra", index)
                yield merged.marks.error(
                    "bad_value", path, text("not a date"), text("For example 2027-01-25.")
                )


def _templates(merged: Merged, nearest: Nearest) -> Iterator[Problem]:
    for name, source in reach.mappings(merged.data, "sources"):
        yield from _template(
            ("sources", name, "id"), source.get("id"), SOURCE_NAMES, merged.marks, nearest
        )
    for name, destination in reach.mappings(merged.data, "destinations"):
        for key, template in reach.mapping(destination, "card").items():
            path: Path = ("destinations", name, "card", key)
            yield from _template(path, template, CARD_NAMES, merged.marks, nearest)


def _template(
    path: Path, template: Data, allowed: frozenset[str], marks: Marks, nearest: Nearest
) -> Iterator[Problem]:
    if not isinstance(template, str):
        return
    try:
        used: Iterable[str] = templates.names_in(template)
    except UsageError as error:
        yield marks.error("template", path, error.message, error.hint)
        return
    for name in sorted(set(used) - allowed):
        yield marks.error(
            "template_name",
            path,
            text('a template cannot use "{name}" here', name=safe(name, 80)),
            did_you_mean(nearest(name, sorted(allowed)))
            or text("It may use: {names}.", names=", ".join(sorted(allowed))),
        )
