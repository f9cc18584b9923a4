"""Keyset pages: {"items": […], "next": cursor or null}."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import Query

from assets.base.errors import Invalid

MAX_LIMIT = 500  # keeps one answer below about a megabyte

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
After = Annotated[str | None, Query(description="cursor from the previous page's `next`")]


def cursor_of(*keys: Any) -> str:
    """Encode the sort keys of the last row of a page."""
    return base64.urlsafe_b64encode(json.dumps(keys, default=str).encode()).decode().rstrip("=")


def aware(text: str) -> datetime:
    """Read a moment of a cursor. Raises ValueError for one without a zone: it could not be compared."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or not 1900 <= moment.year <= 2200:
        raise ValueError("no zone, or no year that is stored")
    return moment


def day_of(text: str) -> date:
    """Read a day of a cursor. Raises ValueError, also for one of a year with which nothing can be counted."""
    day = date.fromisoformat(text)
    if not 1900 <= day.year <= 2200:
        raise ValueError("no year that is stored")
    return day


def read_cursor(cursor: str, *kinds: Callable[[Any], Any]) -> list[Any]:
    """Decode a cursor, one kind per key: `read_cursor(after, str, UUID)`.

    Raises Invalid when it was not made by `cursor_of` of such keys.
    """
    try:
        keys = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(keys, list):
            raise TypeError
        return [kind(key) for kind, key in zip(kinds, keys, strict=True)]
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        raise Invalid("not a cursor that this server gave out", field="after") from None
