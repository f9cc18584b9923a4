"""One spelling for phone numbers, addresses and names, so that the same customer is found again."""

from __future__ import annotations

import re
import unicodedata

MIN_DIGITS, MAX_DIGITS = 5, 15  # E.164 allows 15; shorter than 5 is no number that one can be reached at
TAIL = 7  # digits by which the database finds candidates; `same_phone` decides
_CHINA = "86"
_CHINESE_MOBILE = re.compile(r"1[3-9]\d{9}")
_EMAIL = re.compile(r"[^@\s,;<>]{1,64}@[^@\s,;<>]+\.[^@\s,;<>.]{2,63}")
MAX_EMAIL = 254
_FORMS = re.compile(
    r"\b(co|company|ltd|limited|inc|llc|gmbh|corp|corporation)\b|(股份)?有限责任公司|(股份)?有限公司|公司",
    re.IGNORECASE,
)


def normal_phone(written: str | None) -> str | None:
    """Return digits with the country code where one is known ('+86138…'), None for what is no number.

    Full-width digits, blanks, dashes, brackets and an extension are understood; 00 is +, eleven digits of a Chinese
    mobile number are +86.
    """
    if not written:
        return None
    plain = unicodedata.normalize("NFKC", written).strip()
    plain = re.split(r"(?i)\s*(?:ext\.?|x|转|分机)\s*\d+\s*$", plain)[0]
    digits = re.sub(r"\D", "", plain)
    if plain.startswith("+"):
        international: str | None = digits
    elif digits.startswith("00"):
        international = digits[2:]
    elif _CHINESE_MOBILE.fullmatch(digits):
        international = _CHINA + digits
    elif digits.startswith(_CHINA) and _CHINESE_MOBILE.fullmatch(digits[2:]):
        international = digits
    else:
        international = None
    kept = international if international is not None else digits
    if not MIN_DIGITS <= len(kept) <= MAX_DIGITS:
        return None
    return f"+{international}" if international is not None else digits


def normal_email(written: str | None) -> str | None:
    """Return an address in small letters, None for what is none."""
    if not written:
        return None
    plain = unicodedata.normalize("NFKC", written).strip().lower()
    return plain if len(plain) <= MAX_EMAIL and _EMAIL.fullmatch(plain) else None


def normal_name(written: str | None) -> str:
    """Return a name without what spellings differ in: width, case, blanks, punctuation, the company's form."""
    plain = unicodedata.normalize("NFKC", written or "").casefold()
    plain = _FORMS.sub(" ", re.sub(r"[.,，。·・'’()（）\-_/&]", " ", plain))
    words = plain.split()
    # Chinese names are written with and without blanks.
    return "".join(words) if any("\u4e00" <= letter <= "\u9fff" for letter in plain) else " ".join(words)


def same_phone(one: str | None, other: str | None) -> bool:
    """Return whether two numbers are one: equal, or one lacks the country code or the trunk's 0 of the other."""
    first, second = normal_phone(one), normal_phone(other)
    if first is None or second is None:
        return False
    if first == second:
        return True
    if first.startswith("+") == second.startswith("+"):
        return False
    international, national = (first, second) if first.startswith("+") else (second, first)
    subscriber = national.lstrip("0")
    country = len(international) - 1 - len(subscriber)
    return len(subscriber) >= TAIL and international.endswith(subscriber) and 1 <= country <= 3


def tail_of(phone: str) -> str:
    """Return the last digits, by which candidates are found."""
    return re.sub(r"\D", "", phone)[-TAIL:]
