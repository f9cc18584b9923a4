"""Keyset pages: {"items": […], "next": cursor or null}."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Query

from assets.base.errors import Invalid

MAX_LIMIT = 500  # keeps one answer below about a megabyte

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
After = Annotated[str | None, Query(description="cursor from the previous page's `next`")]


def cursor_of(*keys: Any) -> str:
    """Encode the sort keys of the last row of a page."""
    return base64.urlsafe_b64encode(json.dumps(keys, default=str).encode()).decode().rstrip("=")


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
