"""What an asset's stored model expects, as a line to draw beside what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
from sqlalchemy import text
from sqlalchemy.orm import Session

from assets.registry import Asset, AssetModel
from ingest.store.read import load_block
from ml.blocks import block_of
from ml.detectors.plain import StateUnreadable
from ml.lessons import Lessons
from ml.models import ScoringState
from ml.scoring import FleetScorer

ROWS = 20_000  # read at most


@dataclass(frozen=True)
class Curve:
    """Expected values of one metric: (epoch seconds, expected, low, high)."""

    model_id: str | None
    points: list[tuple[float, float, float, float]]


def expected_curve(
    session: Session, asset_id: UUID, metric: str, since: datetime, until: datetime, points: int
) -> Curve:
    """Return what the asset's stored model expects, at about `points` moments that have readings.

    The caller has checked that the asset is visible; readings and state need the service role, which this takes on.
    """
    session.execute(text("SET LOCAL ROLE forewarn_service"))
    row = session.get(ScoringState, asset_id)
    if row is None:
        return Curve(None, [])
    asset = session.get_one(Asset, asset_id)
    model = session.get(AssetModel, asset.asset_model_id) if asset.asset_model_id else None
    fleet = FleetScorer(default=Lessons().setup(session, model, asset, row.updated_at))
    try:
        fleet.load(str(asset_id), row.state)
    except StateUnreadable:
        return Curve(None, [])
    step_s = (until - since).total_seconds() / points
    readings = load_block(session, asset_id, since, until, limit=ROWS, step_s=step_s)
    if len(readings.t) == 0 or metric not in readings.metrics:
        return Curve(row.model_id, [])
    block = block_of(str(asset_id), readings)
    column = readings.metrics.index(metric)
    expected = fleet.expected(block)[:, column]
    band = fleet.band(block)[:, column]
    keep = np.flatnonzero(np.isfinite(expected) & np.isfinite(band))
    return Curve(
        row.model_id,
        [
            (float(block.t[i]), float(expected[i]), float(expected[i] - band[i]), float(expected[i] + band[i]))
            for i in keep
        ],
    )
