"""What the models remember of an asset goes to its new owner with it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from assets.base.events import Event
from assets.registry import Asset
from ml.models import ScoringState

TRANSFERRED_KINDS = frozenset({"asset.transferred"})


def change_owner(session: Session, event: Event, now: datetime) -> None:
    """Give the scoring state to the new owner: the machine is the same. Harmless when repeated."""
    asset = session.get(Asset, event.subject_id, populate_existing=True)
    if asset is not None:
        mine = update(ScoringState).where(ScoringState.asset_id == asset.id)
        session.execute(mine.values(organisation_id=asset.organisation_id))
