"""An operation as a phone sends it, and the moment at which it happened on the server's clock."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from assets.base.errors import Conflict, Invalid

MAX_OPERATIONS = 200  # of one batch: a technician's day
MAX_BYTES = 2 * 1024 * 1024  # of one batch
MAX_PAYLOAD_BYTES = 512 * 1024  # of one operation: a drawn signature is the largest
MAX_DEVICE = 80
MAX_KIND = 40

AHEAD = timedelta(minutes=15)  # clocks run ahead that much: such a moment is now
GRACE = timedelta(minutes=15)  # and behind: such a moment is the earliest one that can be
OLDEST = timedelta(days=30)  # later nobody remembers what happened


class ImplausibleTime(Invalid):
    """It cannot have happened then; params: `happened_at`, `earliest`, `latest`."""

    code = "implausible_time"


class OperationReused(Conflict):
    """The id belongs to another operation; params: `operation_id`."""

    code = "operation_reused"


class NotYet(Conflict):
    """Nothing is wrong with it, but it cannot be done this moment: to be sent again."""

    code = "not_yet"


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that somebody did. `clock_offset`: what the phone's clock lacks to the server's."""

    id: UUID
    kind: str
    subject_kind: str
    subject_id: UUID
    payload: Mapping[str, Any]
    made_at: datetime
    clock_offset: timedelta = timedelta(0)
    base_version: int | None = None
    after: UUID | None = None
    device: str = ""

    def digest(self) -> bytes:
        """Return what tells this operation from another one under the same id."""
        meant = [self.kind, self.subject_kind, str(self.subject_id), self.payload, self.made_at.isoformat()]
        return hashlib.sha256(json.dumps(meant, sort_keys=True, default=str).encode("utf-8", "replace")).digest()


def clock_offset(measured_ms: int | None, sent_at: datetime | None, now: datetime) -> timedelta:
    """Return what a phone's clock lacks: as it measured, else as its 'sent now' tells, else nothing."""
    if measured_ms is not None:
        return timedelta(milliseconds=measured_ms)
    return now - sent_at if sent_at is not None else timedelta(0)


def plausible(happened_at: datetime, earliest: datetime | None, now: datetime) -> datetime:
    """Return the moment within what can be: not in the future, not before its subject was there, not long ago.

    Clocks that are a little off are forgiven: the nearest moment that can be is taken. Raises ImplausibleTime.
    """
    floor = now - OLDEST
    first = max(earliest, floor) if earliest is not None else floor
    first = min(first, now)
    if happened_at > now + AHEAD or happened_at < first - GRACE:
        text = "it cannot have happened then: is the phone's clock right?"
        told = {"happened_at": happened_at, "earliest": first, "latest": now}
        raise ImplausibleTime(text, field="made_at", **{name: at.isoformat() for name, at in told.items()})
    return max(first, min(happened_at, now))


def storable(value: Any) -> bool:
    """Return whether every text in it can be stored: no zero characters, no halves of characters."""
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= each <= "\udfff" for each in value)
    if isinstance(value, Mapping):
        return all(storable(name) and storable(each) for name, each in value.items())
    if isinstance(value, list | tuple):
        return all(storable(each) for each in value)
    return True
