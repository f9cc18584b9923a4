"""What the detectors of one asset know, to the database and back."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from ingest.store.happened import LONG_AGO, Happened, Place, events_missed
from ml.detectors.plain import StateUnreadable
from ml.detectors.protocol import Learning
from ml.known_assets import Known
from ml.models import ScoringState
from ml.scoring import FleetScorer
from ml.told import seen_by

log = logging.getLogger(__name__)


def restore_state(session: Session, fleet: FleetScorer, asset_id: UUID, upto: Place) -> tuple[datetime, list[Happened]]:
    """Load what the asset's detectors knew; return up to when they were told events, and those that they missed."""
    row = session.get(ScoringState, asset_id)
    if row is None:
        return LONG_AGO, []
    try:
        fleet.load(str(asset_id), row.state)
    except StateUnreadable as error:
        # Learn anew from the stored readings rather than stop scoring this asset.
        log.error("asset %s: %s; it learns anew", asset_id, error)
        return LONG_AGO, []
    seen = seen_by(row)
    return seen.until, events_missed(session, asset_id, seen, upto)


def save_state(session: Session, fleet: FleetScorer, asset_id: UUID, known: Known, upto: Place, now: datetime) -> None:
    """Store what the asset's detectors know; events of batches up to this place have been told to them."""
    key = str(asset_id)
    learning = fleet.learning(key)
    if known.detectors and "residual" not in known.detectors:
        learning = Learning("ready", 1.0)  # limits need nothing of the asset's past
    values: dict[str, Any] = {
        "organisation_id": known.organisation_id,
        "model_id": fleet.model_id(key),
        "state": fleet.dump(key),
        "watermark": moment_of(fleet.watermark(key)) or now,
        "learning": {
            "state": learning.state,
            "progress": round(learning.progress, 3),
            "missing": {name: round(float(number), 3) for name, number in learning.missing.items()},
            "waiting": list(fleet.waiting(key, known.detectors)),
        },
        "events_until": None if known.seen == LONG_AGO else known.seen,
        "events_xid": upto.xid,
        "events_batch": upto.batch,
        "updated_at": now,
    }
    session.execute(
        insert(ScoringState)
        .values(asset_id=asset_id, **values)
        .on_conflict_do_update(index_elements=["asset_id"], set_=values)
    )
    known.saved_at = now


def moment_of(t: float) -> datetime | None:
    """The moment of epoch seconds; None before any."""
    return datetime.fromtimestamp(t, UTC) if np.isfinite(t) else None
