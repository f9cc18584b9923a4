"""What an asset model consists of: lines of items, and of models that are assets with a serial number of their own."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text, delete, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from assets.base.db import Base, Identified, Owned
from assets.base.errors import Invalid
from assets.registry import AssetModel

MAX_LINES = 2000
DEPTH = 20  # as deep as the tree of assets may be

_REACHES = text("""
WITH RECURSIVE within AS (
  SELECT l.child_model_id AS id, 1 AS depth FROM bom_lines l WHERE l.asset_model_id = ANY(:children)
  UNION
  SELECT l.child_model_id, within.depth + 1 FROM bom_lines l JOIN within ON l.asset_model_id = within.id
  WHERE within.depth < :most)
SELECT EXISTS (SELECT FROM within WHERE id = :model)
""")


class BomLine(Identified, Owned, Base):
    """One line of a model's bill of material; `item_number` names the item master's, which may not know it yet."""

    __tablename__ = "bom_lines"

    asset_model_id: Mapped[UUID] = mapped_column(ForeignKey("asset_models.id", ondelete="CASCADE"))
    line: Mapped[int]
    item_number: Mapped[str | None] = mapped_column(Text)
    child_model_id: Mapped[UUID | None] = mapped_column(ForeignKey("asset_models.id", ondelete="CASCADE"), index=True)
    name_en: Mapped[str | None] = mapped_column(Text)
    name_zh: Mapped[str | None] = mapped_column(Text)
    quantity: Mapped[float]
    unit: Mapped[str] = mapped_column(Text)
    place: Mapped[str | None] = mapped_column(Text)
    note: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        Index("ix_bom_lines_model", "asset_model_id", "line"),
        Index("ix_bom_lines_item", "item_number"),
    )


def bom_of(session: Session, asset_model_id: UUID) -> list[BomLine]:
    """Return the lines of a model in their order."""
    return list(session.scalars(select(BomLine).where(BomLine.asset_model_id == asset_model_id).order_by(BomLine.line)))


def set_bom(session: Session, model: AssetModel, lines: Sequence[BomLine]) -> list[BomLine]:
    """Replace the model's lines. Raises Invalid for a line of nothing, or a model that would contain itself."""
    if len(lines) > MAX_LINES:
        raise Invalid(f"at most {MAX_LINES} lines", field="lines", limit=MAX_LINES)
    for number, line in enumerate(lines, 1):
        if not line.item_number and line.child_model_id is None:
            raise Invalid(f"line {number} names neither an item nor a model", field=f"lines.{number - 1}.item_number")
    children = {line.child_model_id for line in lines if line.child_model_id is not None}
    # Two changes at once could close a loop that neither sees.
    session.execute(text("SELECT pg_advisory_xact_lock(7301952)"))
    if children:
        known = set(session.scalars(select(AssetModel.id).where(AssetModel.id.in_(children))))
        if children - known:
            raise Invalid("no such asset model", field="lines", missing=[str(key) for key in children - known])
        reaches = session.scalar(_REACHES, {"children": list(children), "model": model.id, "most": DEPTH})
        if model.id in children or reaches:
            raise Invalid("a model cannot be a part of itself", field="lines", asset_model_id=str(model.id))
    session.execute(delete(BomLine).where(BomLine.asset_model_id == model.id))
    for number, line in enumerate(lines, 1):
        line.organisation_id, line.asset_model_id, line.line = model.organisation_id, model.id, number
        session.add(line)
    session.flush()
    return list(lines)
