"""What of an event somebody outside the organisation may read."""

from __future__ import annotations

from functools import cache
from string import Formatter
from typing import Any

from gateway import texts

# Who is outside reads what the sentence of an event says, and these plain facts; whatever a kind of event may carry
# besides, and never these.
OPEN = frozenset(
    {"serial", "name", "number", "from", "to", "lifecycle", "operation", "state", "quantity", "unit"}
    | {"origin"}  # which sentence is said of an order's opening; the order itself shows it
)
INTERNAL = frozenset(
    {"note", "reason", "person_id", "person", "repair_code", "assignee", "technician_id", "devices", "from_id", "to_id"}
)


def outside(kind: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Return what of an event's payload somebody outside may read."""
    allowed = (OPEN | _said_of(kind)) - INTERNAL
    return {name: value for name, value in payload.items() if name in allowed}


@cache
def _said_of(kind: str) -> frozenset[str]:
    said = [texts.catalogue(language).get(f"event.{kind}", "") for language in texts.LANGUAGES]
    return frozenset(name for each in said for _, name, _, _ in Formatter().parse(each) if name)
