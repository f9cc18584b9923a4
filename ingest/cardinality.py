"""How many series a device has, how many it may have, and what was refused because of that."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from ingest.formats.decoded import Reason
from ingest.store.catalog import MAX_SERIES_PER_DEVICE

_COUNT = text("SELECT count(*) FROM series r JOIN streams t ON t.id = r.stream_id WHERE t.device_id = :device")
_REFUSED = text("SELECT coalesce(sum(samples), 0) FROM quarantine WHERE device_id = :device AND reason = ANY(:reasons)")
_REASONS = [str(each) for each in (Reason.TOO_MANY_METRICS, Reason.TOO_MANY_CHANNELS, Reason.TOO_MANY_STATES)]


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    """`refused`: samples of which something was refused for being one name too many, as far as quarantine goes back."""

    count: int
    limit: int
    refused: int


def series_facts(session: Session, device_id: UUID) -> SeriesFacts:
    """Return the figures of one device, as far as the session may see it."""
    count = session.scalars(_COUNT, {"device": device_id}).one()
    refused = session.scalars(_REFUSED, {"device": device_id, "reasons": _REASONS}).one()
    return SeriesFacts(count, MAX_SERIES_PER_DEVICE, int(refused))
