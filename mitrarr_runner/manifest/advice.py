"""What is allowed and probably not meant? Warnings, which stop nothing."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from mitrarr_runner.manifest import reach, values
from mitrarr_runner.manifest.document import Data, Path
from mitrarr_runner.manifest.merge import Marks, Merged
from mitrarr_runner.manifest.problem import Problem
from mitrarr_runner.text import text

_QUIET, _READ = 120, 60


def advise(merged: Merged) -> Iterator[Problem]:
    """Every warning about the content (those about the files come from `files`)."""
    data, marks = merged.data, merged.marks
    for label, volume in reach.mappings(data, "volumes"):
        yield from _holidays(("volumes", label, "holidays"), volume.get("holidays"), marks)
    for name, destination in reach.mappings(data, "destinations"):
        yield from _quiet_period(("destinations", name), destination, marks)
        yield from _plain_http(("destinations", name, "url"), destination.get("url"), marks)
    for name, channel in reach.mappings(data, "alerts", "channels"):
        path: Path = ("alerts", "channels", name, "url")
        yield from _plain_http(path, channel.get("url"), marks)


def _holidays(path: Path, holidays: Data, marks: Marks) -> Iterator[Problem]:
    """The short form means the law's holidays only; in Brazil that is seldom what is wanted."""
    if isinstance(holidays, str) and holidays.startswith("BR"):
        mapping = "{" + f"calendar: {holidays}, optional: true" + "}"
        yield marks.warning(
            "holidays_without_optional",
            path,
            text("holidays only: Carnival and Corpus Christi would count as working days"),
            text("To count the optional ones too: {mapping}", mapping=mapping),
        )


def _quiet_period(path: Path, destination: dict[str, Data], marks: Marks) -> Iterator[Problem]:
    try:
        quiet = values.seconds(destination.get("quiet_period", _QUIET))
        reading = values.seconds(destination.get("read_timeout", _READ))
    except ValueError:
        return
    if quiet < 2 * reading:
        key = "quiet_period" if "quiet_period" in destination else "read_timeout"
        yield marks.warning(
            "quiet_period_short",
            (*path, key),
            text(
                "quiet_period ({quiet}s) is less than twice read_timeout ({reading}s): "
                "a slow answer could be taken for a lost one, and a person sent twice",
                quiet=quiet,
                reading=reading,
            ),
            text("Write at least {least}s.", least=2 * reading),
        )


def _plain_http(path: Path, url: Data, marks: Marks) -> Iterator[Problem]:
    if isinstance(url, str) and url.startswith("http://") and not _is_loopback(url):
        yield marks.warning(
            "plain_http",
            path,
            text("http:// sends passwords and faces readable over the network"),
            text("Use https://, with ca_file where the site has its own authority."),
        )


def _is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
