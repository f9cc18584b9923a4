"""What accounts may do at the broker beyond a device's own subtree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy.orm import Session

from ingest.mappings import RESERVED, mapping_accounts
from ingest.sparkplug.registration import sparkplug_rights


@dataclass(frozen=True, slots=True)
class BrokerRight:
    """One right of one account; the filter is MQTT's, with its wildcards. A denial goes before what is allowed."""

    username: str
    access: Literal["read", "write", "deny"]
    filter: str


def broker_rights(session: Session) -> list[BrokerRight]:
    """Return all rights, in a stable order."""
    rights: list[BrokerRight] = []
    for username, topic_filter in mapping_accounts(session):
        # Also what every account may do below forewarn/v1/ACCOUNT: nobody would read it.
        rights += [BrokerRight(username, "deny", f"{root}/#") for root in RESERVED]
        rights.append(BrokerRight(username, "write", topic_filter))
    rights += [BrokerRight(*right) for right in sparkplug_rights(session)]
    return rights
