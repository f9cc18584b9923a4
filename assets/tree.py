"""The asset tree: what an asset is a part of, what stands beside it, and what lies below it."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from assets.as_installed import Part, build_in, lock_tree, take_out, whole_of
from assets.components import DEPTH
from assets.registry import Asset

__all__ = ["DEPTH", "ancestors_of", "set_parent", "siblings_of"]

_ABOVE = text("""
WITH RECURSIVE above AS (
  SELECT id, parent_id, 0 AS depth FROM assets WHERE id = :asset
  UNION ALL
  SELECT a.id, a.parent_id, above.depth + 1 FROM assets a JOIN above ON a.id = above.parent_id
  WHERE above.depth < :most)
SELECT id FROM above WHERE depth > 0 ORDER BY depth
""")


def ancestors_of(session: Session, asset: Asset) -> list[UUID]:
    """Return what the asset is a part of, nearest first."""
    if asset.parent_id is None:
        return []
    return list(session.scalars(_ABOVE, {"asset": asset.id, "most": DEPTH}))


def siblings_of(session: Session, asset: Asset) -> list[UUID]:
    """Return the other parts of the same whole; none for an asset that is no part of anything."""
    if asset.parent_id is None:
        return []
    return list(session.scalars(select(Asset.id).where(Asset.parent_id == asset.parent_id, Asset.id != asset.id)))


def set_parent(
    session: Session,
    asset: Asset,
    parent: Asset | None,
    *,
    at: datetime | None = None,
    place: str | None = None,
    by_id: UUID | None = None,
) -> None:
    """Make the asset a part of another, or (None) of nothing, from `at` (left out: now) on; what was stays to be seen.

    Raises Invalid for a loop, another owner, or a tree that would be too deep.
    """
    lock_tree(session)
    now = datetime.now(UTC)
    moment = at or now
    present = whole_of(session, asset.id)
    if present is not None and parent is not None and (present.asset_id, present.place) == (parent.id, place):
        return
    with session.begin_nested():
        if present is not None:
            take_out(session, present, max(moment, present.valid_from), now, by_id=by_id)
        asset.parent_id = None
        if parent is not None:
            build_in(session, parent, Part(child=asset, place=place), moment, now, by_id=by_id)
        session.flush()
