"""Let an asset's models begin anew because somebody with the right to say so said that its normal has changed."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.errors import Conflict
from assets.base.events import append_event
from assets.registry import Asset
from ml.models import ScoringState
from ml.told import APPROVED, put_approval


def approve_rebaseline(
    session: Session, asset: Asset, reason: str, now: datetime, *, by_id: UUID | None
) -> tuple[datetime, bool]:
    """Ask for a new reference from the asset's own now on; return that moment, and whether it had been asked before.

    As after a repair the worker takes it up with the asset's next rows; asked again before that, nothing more happens.
    Raises Conflict when nothing was learned that could be forgotten.
    """
    state = session.scalar(select(ScoringState).where(ScoringState.asset_id == asset.id).with_for_update())
    if state is None:
        raise Conflict("nothing was learned of this asset yet", reason="nothing_learned")
    asked = next((work for work in state.untold if work["id"] == APPROVED), None)
    if asked is not None:
        return datetime.fromtimestamp(asked["at"], UTC), True
    # The asset's own now: for one that is replayed, our clock would be far behind its rows or far ahead of them.
    put_approval(session, asset.id, state.watermark)
    append_event(
        session,
        "asset.rebaselined",
        at=now,
        organisation_id=asset.organisation_id,
        subject_kind="asset",
        subject_id=asset.id,
        asset_id=asset.id,
        actor_kind="person" if by_id else "service",
        actor_id=by_id,
        payload={"reason": reason, "from": state.watermark.isoformat()},
    )
    session.flush()
    return state.watermark, False
