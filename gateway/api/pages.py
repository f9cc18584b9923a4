"""Keyset pages: {"items": […], "next": cursor or null}."""

from __future__ import annotations

import base64
import json
from typing import Annotated, Any

from fastapi import Query

from assets.base.errors import Invalid

MAX_LIMIT = 500  # keeps one answer below about a megabyte

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
After = Annotated[str | None, Query(description="cursor from the previous page's `next`")]


def cursor_of(*keys: Any) -> str:
    """Encode the sort keys of the last row of a page."""
    return base64.urlsafe_b64encode(json.dumps(keys, default=str).encode()).decode().rstrip("=")


def read_cursor(cursor: str, size: int) -> list[Any]:
    """Decode a cursor of `size` keys. Raises Invalid when it was not made by `cursor_of`."""
    try:
        keys = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        keys = None
    if not isinstance(keys, list) or len(keys) != size:
        raise Invalid("not a cursor that this server gave out", field="after")
    return keys
