"""Stored words that every floor of this room uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from assets.base.errors import Invalid

PRIORITIES = ("low", "normal", "high", "urgent")  # rising


def one_of(field: str, value: Any, allowed: Sequence[str]) -> str:
    """Return the word. Raises Invalid unless it is one of those allowed."""
    if value not in allowed:
        raise Invalid(f"{field} is one of {', '.join(allowed)}", field=field, allowed=list(allowed))
    return cast("str", value)


def words(name: str, value: Any, limit: int, *, empty: bool = False) -> str | None:
    """Return a text without blanks around it; None for an empty one where that is allowed. Raises Invalid."""
    text = str(value or "").strip()
    if len(text) > limit or (not text and not empty) or "\0" in text:
        raise Invalid(f"{name} has {0 if empty else 1} to {limit} characters", field=name, limit=limit)
    return text or None
