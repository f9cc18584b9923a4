"""What time it is for an asset, and the lock under which its troubles are decided."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from maintenance.models import Finding


def asset_moment(session: Session, asset_id: UUID, now: datetime, *, replayed: bool) -> datetime:
    """Return `now`, for replayed evidence the asset's own watermark.

    Replay runs at real speed or faster, so since the watermark was written at least the same time has passed there.
    """
    if not replayed:
        return now
    newest = (
        select(Finding.watermark, Finding.saved_at)
        .where(Finding.asset_id == asset_id, Finding.replayed)
        .order_by(Finding.watermark.desc())
        .limit(1)
    )
    row = session.execute(newest).first()
    if row is None:
        return now
    watermark, saved_at = row
    return min(now, watermark + max(now - saved_at, timedelta(0)))


def lock_asset(session: Session, asset_id: UUID) -> None:
    """Wait until nobody else decides about this asset; held until the transaction ends."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:a, 11))"), {"a": str(asset_id)})


def try_lock_assets(session: Session, asset_ids: Collection[UUID]) -> set[UUID]:
    """Take the same locks where they are free, and return which: whoever holds many must never wait for one more."""
    taken = text(
        "SELECT a, pg_try_advisory_xact_lock(hashtextextended(a::text, 11)) FROM unnest(CAST(:assets AS uuid[])) AS a"
    )
    return {row[0] for row in session.execute(taken, {"assets": list(asset_ids)}) if row[1]}
