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
