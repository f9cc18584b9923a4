"""Find text in both languages: pairs of characters, so that Chinese needs no word boundaries."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from sqlalchemy import ARRAY, ColumnElement, Text, and_, cast
from sqlalchemy.orm import InstrumentedAttribute

MAX_PAIRS = 400  # of one row: some four hundred characters of names


def folded(*texts: str | None) -> str:
    """Return the texts as they are compared: full-width and capital letters as plain small ones."""
    return " ".join(unicodedata.normalize("NFKC", each).casefold().strip() for each in texts if each)


def pairs(text: str) -> list[str]:
    """Return every pair of neighbouring characters of each word, once; a word of one character stands for itself."""
    found: dict[str, None] = {}
    for word in text.split():
        for start in range(max(len(word) - 1, 1)):
            found[word[start : start + 2]] = None
        found.update((sign, None) for sign in word if ord(sign) >= 0x2E80)
    return list(found)[:MAX_PAIRS]


def containing(
    text: InstrumentedAttribute[str], kept: InstrumentedAttribute[list[str]], wanted: str
) -> ColumnElement[bool]:
    """Return the condition under which every word of `wanted` occurs; the index over pairs narrows it first."""
    words = folded(wanted).split()[:8]
    conditions: list[ColumnElement[bool]] = []
    for word in words:
        conditions.append(text.contains(word, autoescape=True))
        if _indexed(word):
            conditions.append(kept.op("@>")(cast(_sought(word), ARRAY(Text))))
    return and_(True, *conditions)


def _indexed(word: str) -> bool:
    """A single letter is in no pair by itself; a Chinese character is kept alone."""
    return len(word) > 1 or ord(word) >= 0x2E80


def _sought(word: str) -> Sequence[str]:
    return [word[start : start + 2] for start in range(len(word) - 1)][:20] or [word]
