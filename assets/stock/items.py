"""The item master: parts, consumables, tools and rotables in both languages, what follows them and what they fit."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKey, Index, Text, UniqueConstraint, delete, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from assets.base.db import Base, Identified, Owned
from assets.base.errors import Conflict, Invalid, NotFound
from assets.people import Organisation
from assets.registry import Asset, AssetModel
from assets.stock.errors import SupersessionCycle
from assets.stock.text import folded, pairs
from assets.stock.words import MAX_QUANTITY, MONEY, PART_KINDS, QUANTITY, TRACKING

MAX_CHAIN = 50  # successors in a row
MAX_MODELS = 500  # models that one part fits


class Part(Identified, Owned, Base):
    """One item; organisations below its owner read it. `decimals`: of its quantities, 0 for pieces.

    `search_text` and `search_pairs` are made from number, names, barcode and the supplier's number.
    """

    __tablename__ = "parts"

    number: Mapped[str] = mapped_column(Text)
    name_en: Mapped[str] = mapped_column(Text)
    name_zh: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    unit: Mapped[str] = mapped_column(Text, default="pcs")
    decimals: Mapped[int] = mapped_column(default=0)
    tracking: Mapped[str] = mapped_column(Text, default="none")
    old_part_return: Mapped[bool] = mapped_column(default=False)
    superseded_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("parts.id", ondelete="SET NULL"), index=True)
    standard_cost: Mapped[Decimal | None] = mapped_column(MONEY)
    currency: Mapped[str | None] = mapped_column(Text)
    supplier: Mapped[str | None] = mapped_column(Text)
    supplier_number: Mapped[str | None] = mapped_column(Text)
    barcode: Mapped[str | None] = mapped_column(Text, index=True)
    pack_quantity: Mapped[Decimal | None] = mapped_column(QUANTITY)
    lead_time_days: Mapped[int | None]
    active: Mapped[bool] = mapped_column(default=True)
    search_text: Mapped[str] = mapped_column(Text)
    search_pairs: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column()

    __table_args__ = (
        UniqueConstraint("organisation_id", "number"),
        Index("ix_parts_number", "number", "id"),
        Index("ix_parts_search", "search_pairs", postgresql_using="gin"),
    )
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class PartModel(Owned, Base):
    """A part fits an asset model."""

    __tablename__ = "part_models"

    part_id: Mapped[UUID] = mapped_column(ForeignKey("parts.id", ondelete="CASCADE"), primary_key=True)
    asset_model_id: Mapped[UUID] = mapped_column(
        ForeignKey("asset_models.id", ondelete="CASCADE"), primary_key=True, index=True
    )


def add_part(session: Session, part: Part) -> Part:
    """Add an item. Raises Conflict when the owner has this number, Invalid for a word or number that cannot be."""
    check_part(part)
    taken = select(Part.id).where(Part.organisation_id == part.organisation_id, Part.number == part.number)
    if session.scalar(taken):
        raise Conflict(f"there is an item {part.number!r} already", number=part.number)
    session.add(part)
    session.flush()
    return part


def change_part(session: Session, part: Part, changes: dict[str, Any], *, stocked: bool) -> Part:
    """Change an item; what its ledger rests on stays once there is one. Raises Invalid or Conflict."""
    for field in ("unit", "decimals", "tracking"):
        if stocked and field in changes and changes[field] != getattr(part, field):
            raise Conflict(f"{field} stays as it is: there are movements of {part.number}", field=field)
    number = changes.get("number", part.number)
    if number != part.number:
        taken = select(Part.id).where(Part.organisation_id == part.organisation_id, Part.number == number)
        if session.scalar(taken):
            raise Conflict(f"there is an item {number!r} already", number=number)
    for field, value in changes.items():
        setattr(part, field, value)
    check_part(part)
    session.flush()
    return part


def check_part(part: Part) -> None:
    """Raise Invalid for what no item can be; renew what is searched."""
    for field, words in (("kind", PART_KINDS), ("tracking", TRACKING)):
        if getattr(part, field) not in words:
            raise Invalid(f"{field} is one of: {', '.join(words)}", field=field, allowed=list(words))
    if part.kind == "rotable" and part.tracking != "serial":
        raise Invalid("a rotable is followed by its serial", field="tracking", allowed=["serial"])
    if part.tracking == "serial" and (part.decimals or 0):
        raise Invalid("what has serials comes in whole pieces", field="decimals")
    if part.standard_cost is not None and not part.currency:
        raise Invalid("a cost needs its currency", field="currency")
    part.search_text = folded(part.number, part.name_en, part.name_zh, part.barcode, part.supplier_number)
    part.search_pairs = pairs(part.search_text)


def get_part(session: Session, part_id: UUID, *, lock: bool = False) -> Part:
    """Return an item that the caller may see. Raises NotFound."""
    part = session.get(Part, part_id, with_for_update=lock)
    if part is None:
        raise NotFound("no such part", kind="part")
    return part


def part_for(
    session: Session, organisation_id: UUID, *, part_id: UUID | None = None, number: str | None = None
) -> Part:
    """Return an item of an organisation's catalogue (its own and its ancestors'), by id or number, the nearest first.

    Raises Invalid.
    """
    line = catalogue_of(session, organisation_id)
    found = select(Part).where(Part.organisation_id.in_(line))
    found = found.where(Part.id == part_id) if part_id else found.where(Part.number == (number or ""))
    parts = sorted(session.scalars(found), key=lambda part: line.index(part.organisation_id), reverse=True)
    if not parts:
        raise Invalid(f"no such part {number or part_id or ''}".strip(), field="part_id", part=str(number or part_id))
    return parts[0]


def catalogue_of(session: Session, organisation_id: UUID) -> list[UUID]:
    """Return whose items an organisation uses, from the root to itself."""
    return list(session.scalar(select(Organisation.ancestors).where(Organisation.id == organisation_id)) or ())


def whole(part: Part, quantity: Decimal, field: str = "quantity") -> Decimal:
    """Return a quantity that an item may have. Raises Invalid for nothing, too much, or parts of a piece."""
    if not quantity.is_finite() or not 0 < quantity <= MAX_QUANTITY:
        raise Invalid(f"{field} is above 0 and at most {MAX_QUANTITY}", field=field)
    if quantity != quantity.quantize(Decimal(1).scaleb(-part.decimals)):
        raise Invalid(f"{part.number} has {part.decimals} decimals", field=field, part_number=part.number)
    if part.tracking == "serial" and quantity != 1:
        raise Invalid(f"{part.number} goes one serial at a time", field=field, part_number=part.number)
    return quantity


# ---- supersession ---------------------------------------------------------------------------------------------------

_FOLLOWING = text("""
WITH RECURSIVE following AS (
  SELECT id, superseded_by_id, 0 AS depth FROM parts WHERE id = :part
  UNION ALL
  SELECT p.id, p.superseded_by_id, f.depth + 1 FROM parts p JOIN following f ON p.id = f.superseded_by_id
  WHERE f.depth < :most)
SELECT id FROM following WHERE depth > 0 ORDER BY depth
""")


def successors_of(session: Session, part_id: UUID) -> list[UUID]:
    """Return what superseded a part, nearest first."""
    return list(session.scalars(_FOLLOWING, {"part": part_id, "most": MAX_CHAIN}))


def newest(session: Session, part: Part) -> Part:
    """Return what is bought for a part: the last of its successors that is in use and seen, else the part itself."""
    found = (session.get(Part, each) for each in reversed(successors_of(session, part.id)))
    return next((each for each in found if each is not None and each.active), part)


def supersede(session: Session, part: Part, successor: Part | None) -> None:
    """Say what takes a part's place (None: nothing). Raises SupersessionCycle, or Invalid for too long a chain."""
    # Two changes at once could close a circle that neither sees.
    session.execute(text("SELECT pg_advisory_xact_lock(7301955)"))
    if successor is not None:
        following = successors_of(session, successor.id)
        if successor.id == part.id or part.id in following:
            raise SupersessionCycle(f"{part.number} would supersede itself", field="part_id")
        if len(following) + 1 >= MAX_CHAIN:
            raise Invalid(f"a chain has at most {MAX_CHAIN} parts", field="part_id", limit=MAX_CHAIN)
        if successor.unit != part.unit:
            raise Invalid(f"{successor.number} is counted in {successor.unit}, not {part.unit}", field="part_id")
    part.superseded_by_id = successor.id if successor else None
    session.flush()


# ---- what a part fits -----------------------------------------------------------------------------------------------


def set_models(session: Session, part: Part, model_ids: Iterable[UUID]) -> None:
    """Say which asset models a part fits. Raises Invalid for one that the caller does not see."""
    wanted = set(model_ids)
    if len(wanted) > MAX_MODELS:
        raise Invalid(f"at most {MAX_MODELS} models", field="model_ids", limit=MAX_MODELS)
    seen = set(session.scalars(select(AssetModel.id).where(AssetModel.id.in_(wanted))))
    if seen != wanted:
        raise Invalid("no such asset model", field="model_ids")
    session.execute(delete(PartModel).where(PartModel.part_id == part.id))
    session.add_all(
        PartModel(part_id=part.id, asset_model_id=model, organisation_id=part.organisation_id)
        for model in sorted(wanted)
    )
    session.flush()


def model_of_asset(session: Session, asset_id: UUID) -> UUID | None:
    """Return the asset's model, for which compatible parts are listed. Raises NotFound."""
    found = session.execute(select(Asset.asset_model_id).where(Asset.id == asset_id)).first()
    if found is None:
        raise NotFound("no such asset", kind="asset")
    model: UUID | None = found[0]
    return model
