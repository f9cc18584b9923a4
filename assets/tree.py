"""The asset tree: what an asset is a part of, what stands beside it, and what lies below it."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from assets.base.errors import Invalid
from assets.registry import Asset

DEPTH = 20  # plant, area, line, unit, machine, part …: deeper is a mistake, and a loop would never end

_ABOVE = text("""
WITH RECURSIVE above AS (
  SELECT id, parent_id, 0 AS depth FROM assets WHERE id = :asset
  UNION ALL
  SELECT a.id, a.parent_id, above.depth + 1 FROM assets a JOIN above ON a.id = above.parent_id
  WHERE above.depth < :most)
SELECT id FROM above WHERE depth > 0 ORDER BY depth
""")

_BELOW = text("""
WITH RECURSIVE below AS (
  SELECT id, 0 AS depth FROM assets WHERE id = :asset
  UNION ALL
  SELECT a.id, below.depth + 1 FROM assets a JOIN below ON a.parent_id = below.id WHERE below.depth < :most)
SELECT max(depth) FROM below
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


def set_parent(session: Session, asset: Asset, parent: Asset | None) -> None:
    """Make the asset a part of another, or (None) of nothing.

    Raises Invalid for a loop, another owner, or a tree that would be too deep.
    """
    if parent is None:
        asset.parent_id = None
        session.flush()
        return
    # Two moves at once could close a loop that neither sees.
    session.execute(text("SELECT pg_advisory_xact_lock(7301951)"))
    if parent.organisation_id != asset.organisation_id:
        raise Invalid("an asset and what it is a part of belong to the same organisation", field="parent_id")
    above = ancestors_of(session, parent)
    if parent.id == asset.id or asset.id in above:
        raise Invalid("an asset cannot be a part of itself", field="parent_id")
    below = session.scalar(_BELOW, {"asset": asset.id, "most": DEPTH}) or 0
    if len(above) + 2 + below > DEPTH:
        raise Invalid(f"the tree has at most {DEPTH} levels", field="parent_id", limit=DEPTH)
    asset.parent_id = parent.id
    session.flush()
