"""Minimum and maximum at each place, demand that planning foresees, and what should therefore be fetched or ordered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_UP, Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from assets.base.access import Actor
from assets.base.db import Base, Identified, Owned
from assets.base.errors import Invalid
from assets.stock.items import Part, newest
from assets.stock.places import StockLocation, lock_stock, require_stock, settings_of
from assets.stock.proposal_query import PROPOSALS
from assets.stock.purchasing import PurchaseOrder, Wanted, order
from assets.stock.transfers import Asked, StockTransfer, plan
from assets.stock.words import MAX_LINES, MAX_QUANTITY, NETTABLE, QUANTITY

HORIZON_DAYS = 30  # demand further ahead can wait, for an item without a lead time of its own
MAX_DEMANDS = 5000  # of one source


class StockLevel(Identified, Owned, Base):
    """Below `minimum` a place (with its bins) is filled up to `maximum`."""

    __tablename__ = "stock_levels"

    location_id: Mapped[UUID] = mapped_column(ForeignKey("stock_locations.id", ondelete="CASCADE"))
    part_id: Mapped[UUID] = mapped_column(ForeignKey("parts.id", ondelete="CASCADE"), index=True)
    minimum: Mapped[Decimal] = mapped_column(QUANTITY)
    maximum: Mapped[Decimal] = mapped_column(QUANTITY)

    __table_args__ = (
        UniqueConstraint("location_id", "part_id"),
        CheckConstraint("minimum >= 0 AND maximum >= minimum", name="order"),
    )


class PartDemand(Identified, Owned, Base):
    """So much of an item will be needed on a day; who plans writes it anew by source. No place: the main store."""

    __tablename__ = "part_demands"

    part_id: Mapped[UUID] = mapped_column(ForeignKey("parts.id", ondelete="CASCADE"), index=True)
    location_id: Mapped[UUID | None] = mapped_column(ForeignKey("stock_locations.id", ondelete="SET NULL"), index=True)
    quantity: Mapped[Decimal] = mapped_column(QUANTITY)
    needed_on: Mapped[date]
    source_kind: Mapped[str] = mapped_column(Text)
    source_ref: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text, default="open")
    created_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("quantity > 0", name="some"),
        Index("ix_part_demands_source", "organisation_id", "source_kind", "source_ref"),
    )


@dataclass(frozen=True, slots=True)
class Demand:
    """One need of a source."""

    part_id: UUID
    quantity: Decimal
    needed_on: date
    location_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """An item at a place: what is there, what comes, what goes."""

    on_hand: Decimal
    inbound: Decimal
    reserved: Decimal
    demand: Decimal
    minimum: Decimal
    maximum: Decimal


@dataclass(frozen=True, slots=True)
class Proposal:
    """Fetch or order so much of an item for a place."""

    part: Part
    location: StockLocation
    source: StockLocation | None
    position: Position
    quantity: Decimal


def to_order(position: Position, pack: Decimal | None, decimals: int) -> Decimal:
    """Return how much to fetch: nothing at or above the minimum, else up to the maximum, in whole packs."""
    left = position.on_hand + position.inbound - position.reserved - position.demand
    if left >= position.minimum:
        return Decimal(0)
    wanted = max(position.maximum, position.minimum) - left
    if pack:
        return (wanted / pack).to_integral_value(ROUND_UP) * pack
    return wanted.quantize(Decimal(1).scaleb(-decimals), ROUND_UP)


def set_level(session: Session, location: StockLocation, part: Part, minimum: Decimal, maximum: Decimal) -> StockLevel:
    """Set minimum and maximum. Raises Invalid, StockMode."""
    require_stock(session, location.organisation_id)
    if location.kind not in NETTABLE:
        raise Invalid(f"a {location.kind} is not filled up", field="location_id")
    if not (minimum.is_finite() and maximum.is_finite() and 0 <= minimum <= maximum <= MAX_QUANTITY):
        raise Invalid("0 ≤ minimum ≤ maximum", field="maximum")
    lock_stock(session, location.organisation_id)
    level = session.scalar(
        select(StockLevel).where(StockLevel.location_id == location.id, StockLevel.part_id == part.id)
    )
    if level is None:
        level = StockLevel(organisation_id=location.organisation_id, location_id=location.id, part_id=part.id)
        session.add(level)
    level.minimum, level.maximum = minimum, maximum
    session.flush()
    return level


def set_demand(
    session: Session,
    organisation_id: UUID,
    source_kind: str,
    source_ref: str,
    demands: Sequence[Demand],
    now: datetime,
) -> list[PartDemand]:
    """Put what a source needs in place of what it needed before; nothing: it needs nothing any more. Raises Invalid."""
    if len(demands) > MAX_DEMANDS:
        raise Invalid(f"at most {MAX_DEMANDS} demands of one source", field="demands", limit=MAX_DEMANDS)
    lock_stock(session, organisation_id)
    before = select(PartDemand).where(
        PartDemand.organisation_id == organisation_id,
        PartDemand.source_kind == source_kind,
        PartDemand.source_ref == source_ref,
    )
    for each in session.scalars(before):
        session.delete(each)
    _check_known(session, organisation_id, demands)
    made = [
        PartDemand(
            organisation_id=organisation_id,
            part_id=each.part_id,
            location_id=each.location_id,
            quantity=each.quantity,
            needed_on=each.needed_on,
            source_kind=source_kind,
            source_ref=source_ref,
            created_at=now,
        )
        for each in demands
    ]
    session.add_all(made)
    session.flush()
    return made


def _check_known(session: Session, organisation_id: UUID, demands: Sequence[Demand]) -> None:
    parts = {each.part_id for each in demands}
    if len(set(session.scalars(select(Part.id).where(Part.id.in_(parts))))) != len(parts):
        raise Invalid("no such part", field="part_id")
    places = {each.location_id for each in demands if each.location_id}
    mine = select(StockLocation.id).where(
        StockLocation.id.in_(places), StockLocation.organisation_id == organisation_id
    )
    if len(set(session.scalars(mine))) != len(places):
        raise Invalid("no such location of this organisation", field="location_id")
    if any(not each.quantity.is_finite() or not 0 < each.quantity <= MAX_QUANTITY for each in demands):
        raise Invalid("a demand is above 0", field="quantity")


def proposals(
    session: Session,
    today: date,
    *,
    limit: int,
    after: tuple[str, UUID, UUID] | None = None,
    location_id: UUID | None = None,
    part_id: UUID | None = None,
) -> list[Proposal]:
    """Return what to fetch or order, by item number; at most `limit`."""
    number, part_after, place_after = after or (None, None, None)
    rows = session.execute(
        text(PROPOSALS),
        {
            "today": today,
            "horizon": HORIZON_DAYS,
            "location": location_id,
            "part": part_id,
            "number": number,
            "part_after": part_after,
            "place_after": place_after,
            "limit": limit,
        },
    ).mappings()
    found = []
    for row in list(rows):
        part = session.get_one(Part, row["part_id"])
        place = session.get_one(StockLocation, row["location_id"])
        source = session.get(StockLocation, place.supplied_from_id) if place.supplied_from_id else None
        position = Position(*(row[name] for name in ("on_hand", "inbound", "reserved", "demand", "minimum", "maximum")))
        pack = part.pack_quantity if source is None else None
        found.append(Proposal(part, place, source, position, to_order(position, pack, part.decimals)))
    return found


def accept(
    session: Session, wanted: Sequence[tuple[UUID, UUID, Decimal | None]], now: datetime, by: Actor
) -> tuple[list[StockTransfer], list[PurchaseOrder]]:
    """Make transfers and purchase orders of (part, location, quantity or as proposed). Raises Invalid, StockMode."""
    if not 0 < len(wanted) <= MAX_LINES or len({each[:2] for each in wanted}) != len(wanted):
        raise Invalid(f"1 to {MAX_LINES} different proposals", field="items", limit=MAX_LINES)
    moves: dict[tuple[UUID, UUID, UUID], list[Asked]] = defaultdict(list)
    orders: dict[tuple[UUID, UUID, str, str], list[Wanted]] = defaultdict(list)
    for part_id, location_id, told in wanted:
        place = session.get(StockLocation, location_id)
        part = session.get(Part, part_id)
        if place is None or part is None:
            raise Invalid("no such part or location", field="items")
        owner = place.organisation_id
        lock_stock(session, owner)
        quantity = told
        if quantity is None:
            proposed = proposals(session, now.date(), limit=1, location_id=location_id, part_id=part_id)
            if not proposed:
                raise Invalid(f"nothing is to be ordered of {part.number} for {place.code}", field="items")
            quantity = proposed[0].quantity
        if place.supplied_from_id is not None:
            moves[owner, place.supplied_from_id, place.id].append(Asked(part.id, quantity))
        else:
            # A warehouse uses up what it has of the old number; a supplier delivers the new one.
            bought = newest(session, part)
            if bought is not part:
                quantity = quantity.quantize(Decimal(1).scaleb(-bought.decimals), ROUND_UP)
            currency = bought.currency or settings_of(session, owner).currency
            lines = orders[owner, place.id, bought.supplier or "—", currency]
            same = next((line for line in lines if line.part_id == bought.id), None)
            if same is not None:  # the old number and the new one, both accepted
                lines.remove(same)
                quantity += same.quantity
            lines.append(Wanted(bought.id, quantity))
    transfers = [
        plan(session, StockTransfer(organisation_id=owner, from_id=source, to_id=target), asked, now, by)
        for (owner, source, target), asked in moves.items()
    ]
    purchases = [
        order(
            session,
            PurchaseOrder(organisation_id=owner, supplier=supplier, currency=currency, location_id=place),
            lines,
            now,
            by,
        )
        for (owner, place, supplier, currency), lines in orders.items()
    ]
    return transfers, purchases
