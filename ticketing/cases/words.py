"""Words and bounds that all of cases share."""

from __future__ import annotations

import re
from typing import Any

from assets.base.errors import Invalid

MAX_TEXT = 4000
MAX_TITLE = 120
MAX_NOTE = 4000
CHANNELS = ("qr_page", "portal", "phone", "e_mail", "desk", "finding", "field")
ORIGINS = ("request", "finding", "manual")
RESOLUTIONS = (
    "fixed_remotely",
    "work_done",
    "delivered",
    "answered",
    "no_fault",
    "withdrawn",
    "unresolved",
    "other",
)
_CODE = re.compile(r"[a-z][a-z0-9_]{0,39}")


def words(name: str, value: Any, limit: int, *, empty: bool = False) -> str | None:
    """Return a text without blanks around it; None for an empty one where that is allowed. Raises Invalid."""
    text = str(value or "").strip()
    if len(text) > limit or (not text and not empty) or "\0" in text:
        raise Invalid(f"{name} has {0 if empty else 1} to {limit} characters", field=name, limit=limit)
    return text or None


def checked_code(value: Any) -> str:
    """Return a code of small letters, digits and underscores. Raises Invalid."""
    if not isinstance(value, str) or not _CODE.fullmatch(value):
        raise Invalid("a code has 1 to 40 small letters, digits and underscores", field="code")
    return value


def title_of(text: str) -> str:
    """Return the first line, as the title of what somebody wrote."""
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return first if len(first) <= MAX_TITLE else first[: MAX_TITLE - 1] + "…"
