"""Telephone numbers: from any usual spelling to one, and whether two spellings are the same number."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

MAX_SPELLED = 80
LEAST_LOCAL = 7  # digits: what a number without its area code has at least
_CUT = re.compile(r"(?<=[0-9)])\s*(?:;?ext|x|转|轉|分机|分機|内线|內線|#|;|,|/|、).*$", re.IGNORECASE | re.DOTALL)
_WITHHELD = frozenset({"anonymous", "unknown", "restricted", "private", "unavailable", "withheld"})
# Before which national numbers some digit is dialled at home only; others have 0.
_TRUNK = {"1": "1", "7": "8", "36": "06", "39": "", "34": "", "45": "", "47": "", "65": "", "852": "", "853": ""}
_ABROAD = {"1": "011", "7": "810", "81": "010", "82": "00700", "61": "0011", "65": "000"}  # others have 00
_LONGEST = 15  # digits, says E.164
_TWO_DIGITS = frozenset(
    f"{tens}{each}"
    for tens, digits in (
        (2, "07"),
        (3, "0123469"),
        (4, "013456789"),
        (5, "12345678"),
        (6, "0123456"),
        (8, "1246"),
        (9, "0123458"),
    )
    for each in digits
)


@dataclass(frozen=True, slots=True)
class Home:
    """Where a number without a country or area code is at home."""

    country: str = "86"
    area: str = ""


def e164(spelled: str | None, home: Home = Home()) -> str | None:
    """Return the number as +86…; None for one that is withheld or none. The first one of several counts."""
    said = unicodedata.normalize("NFKC", (spelled or "")[:MAX_SPELLED]).strip()
    said = re.sub(r"^(?:tel|sip|sips|callto):", "", said, flags=re.IGNORECASE).partition("@")[0]
    if said.strip('"<> ').lower() in _WITHHELD:
        return None
    first = _CUT.sub("", said)
    marked = first.lstrip('(<" ').startswith("+")
    digits = re.sub(r"[^0-9]", "", re.sub(r"\(0\)", "", first) if marked else first)
    if len(digits) < 3 or not digits.strip("0"):
        return None
    whole = digits if marked else _whole(digits, home)
    whole = _without_trunk(whole)
    return f"+{whole}" if 3 <= len(whole) <= _LONGEST else None


def same_number(one: str | None, other: str | None, home: Home = Home()) -> str | None:
    """Return 'exact' for two spellings of one number, 'likely' when one lacks its area code, else None."""
    left, right = e164(one, home), e164(other, home)
    if left is None or right is None:
        return None
    if left == right:
        return "exact"
    short, long = sorted((left.removeprefix(f"+{home.country}"), right.removeprefix(f"+{home.country}")), key=len)
    local = not home.area and LEAST_LOCAL <= len(short) <= 8 and short[0] not in "+0"
    return "likely" if local and long.endswith(short) and not long.startswith("+") else None


def tail(number: str | None) -> str | None:
    """Return the last seven digits, by which numbers are looked for; None for a shorter one."""
    digits = re.sub(r"[^0-9]", "", number or "")
    return digits[-7:] if len(digits) >= LEAST_LOCAL else None


def _whole(digits: str, home: Home) -> str:
    """Return country code and number of what was dialled at home."""
    country = home.country
    for abroad in {_ABROAD.get(country, "00"), "00"}:
        if digits.startswith(abroad) and len(digits) - len(abroad) >= 8:
            return digits[len(abroad) :]
    trunk = _TRUNK.get(country, "0")
    if _has_country(digits, country):
        return digits
    if trunk and digits.startswith(trunk) and len(digits) - len(trunk) >= 6:
        return country + digits[len(trunk) :]
    local = 7 <= len(digits) <= 8 and home.area
    return country + (home.area.lstrip("0") if local else "") + digits


def _has_country(digits: str, country: str) -> bool:
    """Return whether somebody wrote the country code without its plus; no number at home is that long."""
    rest = digits[len(country) :]
    if not digits.startswith(country):
        return False
    if country == "86":
        return (len(rest) == 11 and rest[0] == "1") or (len(rest) in (10, 11) and rest[0] != "1")
    if country == "1":
        return len(digits) == 11
    return len(digits) >= 11 and not digits.startswith("0")


def _without_trunk(whole: str) -> str:
    """Take out the digit that belongs to calls at home and is often left in: +44 020 …, +86 010 …."""
    country = whole[:1] if whole[:1] in "17" else whole[:2] if whole[:2] in _TWO_DIGITS else whole[:3]
    rest = whole[len(country) :]
    if _TRUNK.get(country, "0") == "0" and rest.startswith("0"):
        return country + rest.lstrip("0")
    return whole
