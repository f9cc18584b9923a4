"""The days on which a country rests, or works although it usually would not, as exceptions of a calendar."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import holidays

from assets.base.errors import Invalid

MAX_YEARS = 10
FIRST_YEAR, LAST_YEAR = 1990, 2100
_SUBSTITUTED = re.compile(r"(\d\d)/(\d\d)/(\d{4})")
Spans = list[list[str]]


@dataclass(frozen=True, slots=True)
class HolidayDay:
    """One day that differs. `works_for`: the day off for which this one is worked (调休); None: a day off."""

    day: date
    name: str
    works_for: date | None = None


def countries() -> dict[str, list[str]]:
    """Return the countries whose holidays are known, each with its subdivisions."""
    return {country: list(parts) for country, parts in sorted(holidays.list_supported_countries().items())}


def holiday_days(
    country: str, years: Sequence[int], *, subdivision: str | None = None, language: str = "en"
) -> list[HolidayDay]:
    """Return the public holidays of some years, and the days at weekends that are worked instead, by day.

    Raises Invalid for a country, subdivision or year that is not known.
    """
    known = countries()
    if country not in known:
        raise Invalid("no such country", field="country")
    if subdivision is not None and subdivision not in known[country]:
        raise Invalid("no such subdivision", field="subdivision", allowed=known[country][:100])
    if not 1 <= len(years) <= MAX_YEARS or not all(FIRST_YEAR <= year <= LAST_YEAR for year in years):
        raise Invalid(f"1 to {MAX_YEARS} years from {FIRST_YEAR} to {LAST_YEAR}", field="years", limit=MAX_YEARS)
    found = _calendar(country, subdivision, years, _language(country, language))
    plain = _calendar(country, subdivision, years, _language(country, "en"))
    days = [HolidayDay(day, name) for day, name in found.items()]
    instead = _worked_instead(plain)
    worked = [day for day in getattr(found, "weekend_workdays", ()) if day.year in years]
    name = "调休上班" if language == "zh" else "Working day"
    days += [HolidayDay(day, name, instead.get(day, day)) for day in worked]
    return sorted(days, key=lambda each: each.day)


def is_foreseen(country: str, year: int) -> bool:
    """Return whether the year's shifted working days are known: China announces them each autumn for the next year."""
    if not any(_shifted(country, before) for before in range(year - 3, year)):
        return True
    return bool(_shifted(country, year))


def _shifted(country: str, year: int) -> list[date]:
    days: Sequence[date] = tuple(getattr(holidays.country_holidays(country, years=year), "weekend_workdays", ()))
    return [day for day in days if day.year == year]


def as_exceptions(
    days: Sequence[HolidayDay], hours: Mapping[str, Any], present: Mapping[str, Any]
) -> tuple[dict[str, Spans], dict[str, str]]:
    """Return exceptions and names to add to a calendar: closed on days off, open as on the day that is made up for.

    What somebody entered by hand for a day stays.
    """
    exceptions: dict[str, Spans] = {}
    names: dict[str, str] = {}
    usual: Spans = next((list(hours[str(day)]) for day in range(5) if hours.get(str(day))), [])
    for each in days:
        key = each.day.isoformat()
        if key in present:
            continue
        names[key] = each.name
        if each.works_for is None:
            exceptions[key] = []
        else:
            exceptions[key] = list(hours.get(str(each.works_for.weekday())) or usual)
    return exceptions, names


def _language(country: str, language: str) -> str | None:
    """Return the nearest language that the country's holidays are named in; None: their own."""
    supported = getattr(holidays.country_holidays(country), "supported_languages", ()) or ()
    return next((each for each in supported if each.startswith("zh_CN" if language == "zh" else "en")), None)


def _calendar(
    country: str, subdivision: str | None, years: Sequence[int], language: str | None
) -> holidays.HolidayBase:
    return holidays.country_holidays(country, subdiv=subdivision, years=list(years), language=language, expand=False)


def _worked_instead(found: holidays.HolidayBase) -> dict[date, date]:
    """Return the worked day -> the day off that it makes up for, from the English names of days off."""
    instead: dict[date, date] = {}
    for day, name in found.items():
        if match := _SUBSTITUTED.search(str(name)):
            month, number, year = (int(part) for part in match.groups())
            instead[date(year, month, number)] = day
    return instead
