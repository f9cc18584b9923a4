"""What accounts may do at the broker beyond a device's own subtree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class BrokerRight:
    """One right of one account; the filter is MQTT's, with its wildcards."""

    username: str
    access: Literal["read", "write"]
    filter: str


def broker_rights(session: Session) -> list[BrokerRight]:
    """Return all rights, in a stable order."""
    return []
