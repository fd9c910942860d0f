"""Which days are holidays, by the calendar that the manifest names? The one door to `holidays`.

Carnival, Ash Wednesday and Corpus Christi are no holidays by Brazilian law but in category
`optional`; an office is as empty on them, so they count unless a manifest says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from typing import TypeAlias

from mitrarr_runner.errors import UsageError
from mitrarr_runner.redact import safe
from mitrarr_runner.text import Text, text

DayNames: TypeAlias = Callable[[date], str | None]
SUNDAY = 6


@dataclass(frozen=True, slots=True)
class HolidayRule:
    """calendar: a country as in ISO 3166, or country-subdivision: BR, BR-SP. extra: more dates."""

    calendar: str
    optional: bool = True
    extra: tuple[date, ...] = ()


def calendar(code: str, optional: bool = True, extra: tuple[date, ...] = ()) -> DayNames:
    """The name of the holiday on a date, or None; an extra date without a name is "extra".

    UsageError `calendar_unknown` for a calendar that `holidays` does not have.
    """
    import holidays

    country, _, subdivision = code.partition("-")
    _check(code, country, subdivision, holidays.list_supported_countries())
    country_of = holidays.country_holidays(country)
    categories = {"public"} | ({"optional"} & set(country_of.supported_categories or ()))
    known = holidays.country_holidays(
        country,
        subdiv=subdivision or None,
        categories=tuple(sorted(categories)) if optional else ("public",),
        # Named in the country's own language: by default the names follow the host's $LANG.
        language=country_of.default_language,
    )
    named = frozenset(extra)

    def name(day: date) -> str | None:
        return known.get(day) or ("extra" if day in named else None)

    return name


def kind_of_day(day: date, names: DayNames | None) -> int:
    """Monday = 0 ... Sunday = 6; a holiday is a Sunday, whatever weekday it falls on."""
    return SUNDAY if names is not None and names(day) is not None else day.weekday()


def _check(code: str, country: str, subdivision: str, known: dict[str, list[str]]) -> None:
    if country not in known:
        raise _unknown(code, code, [*known, *(f"BR-{part}" for part in known["BR"])])
    if subdivision and subdivision not in known[country]:
        raise _unknown(code, subdivision, known[country], f"{country}-")


def _unknown(code: str, wanted: str, known: list[str], prefix: str = "") -> UsageError:
    near = get_close_matches(wanted.upper(), known, 3, 0.5)
    hint: Text = text("A calendar is a country or country-subdivision, e.g. BR-SP.")
    if near:
        hint = text(
            "Perhaps {names}? A calendar is a country or country-subdivision, e.g. BR-SP.",
            names=", ".join(prefix + name for name in near),
        )
    return UsageError(
        text('there is no holiday calendar "{code}"', code=safe(code, 40)),
        code="calendar_unknown",
        hint=hint,
    )
