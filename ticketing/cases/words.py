"""Words and bounds that all of cases share."""

from __future__ import annotations

import re
from typing import Any

from assets.base.errors import Invalid
from ticketing.words import words as words

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


def checked_code(value: Any) -> str:
    """Return a code of small letters, digits and underscores. Raises Invalid."""
    if not isinstance(value, str) or not _CODE.fullmatch(value):
        raise Invalid("a code has 1 to 40 small letters, digits and underscores", field="code")
    return value


def title_of(text: str) -> str:
    """Return the first line, as the title of what somebody wrote."""
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return first if len(first) <= MAX_TITLE else first[: MAX_TITLE - 1] + "…"
