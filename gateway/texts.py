"""Texts that the server says itself: a code and parameters in, the reader's language out."""

from __future__ import annotations

from datetime import date, datetime, tzinfo
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.messages.pofile import read_po

LANGUAGES = ("en", "zh")
DEFAULT = "en"
_FOLDER = Path(__file__).parent / "locales"
_LOCALES = {"en": Locale("en", "GB"), "zh": Locale("zh", "CN", script="Hans")}
_MAX_ACCEPTED = 20  # entries of Accept-Language that are looked at


@cache
def catalogue(language: str) -> dict[str, str]:
    """Return code -> text of one language, straight from its catalogue: there is no compiled copy to go stale."""
    with (_FOLDER / language / "LC_MESSAGES" / "forewarn.po").open("rb") as file:
        read = read_po(file, locale=language)
    return {str(entry.id): str(entry.string) for entry in read if entry.id and entry.string}


def text(language: str, code: str, **params: Any) -> str:
    """Return the text of a code; a missing one falls back to English, then to the code made readable."""
    found = catalogue(language if language in LANGUAGES else DEFAULT).get(code) or catalogue(DEFAULT).get(code)
    if found is None:
        return code.rpartition(".")[2].replace("_", " ")
    return found.format(**params) if params else found


def has(code: str) -> bool:
    """Return whether the code has a text."""
    return code in catalogue(DEFAULT)


def choose_language(asked: str | None, remembered: str | None, accepted: str | None) -> str:
    """Return 'en' or 'zh': asked for now, else remembered, else the browser's Accept-Language by its weights."""
    for wish in (asked, remembered):
        if wish and wish[:2].lower() in LANGUAGES:
            return wish[:2].lower()
    for tag in _by_weight(accepted or ""):
        if tag[:2] in LANGUAGES:
            return tag[:2]
    return DEFAULT


def _by_weight(accepted: str) -> list[str]:
    weighed = []
    for part in accepted.lower().split(",")[:_MAX_ACCEPTED]:
        tag, _, options = part.strip().partition(";")
        try:
            weight = float(options.strip().removeprefix("q=")) if options.strip() else 1.0
        except ValueError:
            continue
        if tag and weight > 0:
            weighed.append((weight, tag))
    return [tag for _, tag in sorted(weighed, key=lambda one: -one[0])]


def moment(language: str, at: datetime, zone: tzinfo) -> str:
    """Return date and time as the language writes them."""
    pattern = "d MMM y, HH:mm" if language == "en" else "y年M月d日 HH:mm"
    return format_datetime(at.astimezone(zone), pattern, None, _LOCALES[language])


def span(language: str, opens: datetime, closes: datetime, zone: tzinfo) -> str:
    """Return from when until when; the date stands once where both are on one day."""
    until = closes.astimezone(zone)
    same = opens.astimezone(zone).date() == until.date()
    return (
        f"{moment(language, opens, zone)} – {until:%H:%M}"
        if same
        else (f"{moment(language, opens, zone)} – {moment(language, closes, zone)}")
    )


def day(language: str, at: datetime, zone: tzinfo) -> str:
    """Return the date as the language writes it."""
    return format_date(at.astimezone(zone), "d MMMM y" if language == "en" else "y年M月d日", _LOCALES[language])


def calendar_day(language: str, day: date) -> str:
    """Return a day that no clock belongs to, as the language writes it."""
    return format_date(day, "d MMMM y" if language == "en" else "y年M月d日", _LOCALES[language])


def zone_of(name: str | None) -> tzinfo:
    """Return the time zone of that name, UTC when there is none."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
