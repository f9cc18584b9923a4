"""What identifies somebody in words, and the same words with a pseudonym in place of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from assets.warranty.identities import normal_phone

LEAST_DIGITS = 7  # shorter numbers stand for many other things
_LATIN = "A-Za-z0-9_À-ɏ"


@dataclass(frozen=True)
class Words:
    """Names, addresses and numbers to find, and what stands there afterwards. Pure; the same in any database."""

    names: tuple[str, ...]
    emails: tuple[str, ...]
    phones: tuple[str, ...]  # digits alone
    pseudonym: str

    @property
    def needles(self) -> tuple[str, ...]:
        """What a text that holds one of them holds at least, for a search that looks at whole texts."""
        return (*self.names, *self.emails)

    @property
    def contacts(self) -> Words:
        """The same without names: what is one person's everywhere."""
        return Words((), self.emails, self.phones, self.pseudonym)

    def clean(self, value: Any) -> Any:
        """Return a value, JSON included, with the pseudonym in place of what identifies; keys stay as they are."""
        if isinstance(value, str):
            return self._in_text(value)
        if isinstance(value, dict):
            return {key: self.clean(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self.clean(each) for each in value]
        return value

    def is_all(self, value: str) -> bool:
        """Return whether a text is nothing but an address or number of theirs."""
        plain = value.strip().lower()
        return plain in self.emails or (bool(self.phones) and digits_of(value) in self.phones and not _letters(value))

    def _in_text(self, value: str) -> str:
        for pattern in _patterns(self):
            value = pattern.sub(self.pseudonym, value)
        return value


def words_of(
    names: Iterable[str | None], emails: Iterable[str | None], phones: Iterable[str | None], pseudonym: str
) -> Words:
    """Return what to look for; a number as it is written and as it is dialled."""
    numbers = set()
    for each in phones:
        for spelling in (each, normal_phone(each)):
            if spelling and len(digits_of(spelling)) >= LEAST_DIGITS:
                numbers |= {digits_of(spelling), digits_of(spelling).removeprefix("86")}
    numbers = {each for each in numbers if len(each) >= LEAST_DIGITS}
    return Words(
        tuple(sorted({each.strip() for each in names if each and is_told(each)}, key=len, reverse=True)),
        tuple(sorted({each.strip().lower() for each in emails if each and "@" in each})),
        tuple(sorted(numbers, key=len, reverse=True)),
        pseudonym,
    )


def is_told(name: str) -> bool:
    """Return whether a name can be told from other words: `closed` alone cannot."""
    name = name.strip()
    if len(name) < 2:
        return False
    return " " in name or any(each.isupper() or (each.isalpha() and each.lower() == each.upper()) for each in name)


def digits_of(text: str) -> str:
    """Return the digits of a text."""
    return "".join(each for each in text if each.isascii() and each.isdigit())


def _letters(text: str) -> bool:
    return any(each.isalpha() for each in text)


def _patterns(words: Words) -> list[re.Pattern[str]]:
    found = [re.compile(rf"(?<![\w.+-]){re.escape(each)}(?![\w-])", re.IGNORECASE | re.ASCII) for each in words.emails]
    found += [
        re.compile(rf"(?<![{_LATIN}])\+?" + r"[ ().\-/]{0,3}".join(each) + rf"(?![{_LATIN}])") for each in words.phones
    ]
    return found + [_name(each) for each in words.names]


def _name(name: str) -> re.Pattern[str]:
    """Whole words where letters are latin; Chinese has no word boundaries."""
    parts = r"\s+".join(re.escape(each) for each in name.split())
    before = rf"(?<![{_LATIN}])" if re.match(f"[{_LATIN}]", name[0]) else ""
    after = rf"(?![{_LATIN}])" if re.match(f"[{_LATIN}]", name[-1]) else ""
    return re.compile(before + parts + after)
