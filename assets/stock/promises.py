"""Reservations by date, and what may still be promised: on hand, what comes, what is promised already."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, func, or_, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from assets.base.access import Actor
from assets.base.db import Base, Identified, Owned
from assets.base.errors import Conflict, Invalid, NotFound
from assets.stock.errors import NotAvailable, ReservedForOthers
from assets.stock.items import Part, whole
from assets.stock.ledger import Work
from assets.stock.places import StockLocation, lock_stock, require_stock, root_of, within
from assets.stock.tables import StockBalance, StockSerial
from assets.stock.words import NETTABLE, QUANTITY

MAX_AHEAD = timedelta(days=3660)
ZERO = Decimal(0)


class StockReservation(Identified, Owned, Base):
    """So much of an item is kept for a day; a hard one is kept from others, a soft one is a wish.

    It lies at a warehouse, van or person, not at a bin of one.
    """

    __tablename__ = "stock_reservations"

    part_id: Mapped[UUID] = mapped_column(ForeignKey("parts.id"), index=True)
    location_id: Mapped[UUID] = mapped_column(ForeignKey("stock_locations.id"))
    quantity: Mapped[Decimal] = mapped_column(QUANTITY)
    fulfilled: Mapped[Decimal] = mapped_column(QUANTITY, default=ZERO)
    needed_on: Mapped[date]
    hard: Mapped[bool] = mapped_column(default=True)
    state: Mapped[str] = mapped_column(Text, default="open")
    work_order_id: Mapped[UUID | None] = mapped_column(index=True)
    work_order_number: Mapped[str | None] = mapped_column(Text)
    note: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    by_id: Mapped[UUID | None]

    __table_args__ = (
        CheckConstraint("quantity > 0", name="some"),
        Index("ix_stock_reservations_open", "location_id", "part_id", postgresql_where=text("state = 'open'")),
    )


@dataclass(frozen=True, slots=True)
class Day:
    """What comes and what is promised on a day, and what is left at its end."""

    on: date
    receipts: Decimal
    reserved: Decimal
    projected: Decimal


@dataclass(frozen=True, slots=True)
class Availability:
    """An item at a place and what lies below it; `days` begin today."""

    on_hand: Decimal
    reserved: Decimal
    inbound: Decimal
    days: tuple[Day, ...]

    def to_promise(self, on: date) -> Decimal:
        """Return what may be promised for a day without breaking a promise from then on."""
        at = max((day for day in self.days if day.on <= on), key=lambda day: day.on, default=self.days[0])
        return min(day.projected for day in self.days if day.on >= at.on)


def project(
    on_hand: Decimal, receipts: list[tuple[date, Decimal]], reserved: list[tuple[date, Decimal]], today: date
) -> tuple[Day, ...]:
    """Return the days on which something comes or goes, today first; what is overdue counts today."""
    days = sorted({today, *(max(on, today) for on, _ in (*receipts, *reserved))})
    comes = [sum((q for on, q in receipts if max(on, today) == day), ZERO) for day in days]
    goes = [sum((q for on, q in reserved if max(on, today) == day), ZERO) for day in days]
    left = list(accumulate((a - b for a, b in zip(comes, goes, strict=True)), initial=on_hand))[1:]
    return tuple(Day(*each) for each in zip(days, comes, goes, left, strict=True))


def on_hand(session: Session, part_id: UUID, location_id: UUID) -> Decimal:
    """Return what of an item is usable at a place and below it: nettable, and in good condition."""
    found = (
        select(func.coalesce(func.sum(StockBalance.quantity), 0))
        .join(StockLocation, StockLocation.id == StockBalance.location_id)
        .outerjoin(StockSerial, StockSerial.id == StockBalance.serial_id)
        .where(
            StockBalance.part_id == part_id,
            StockBalance.location_id.in_(within(location_id)),
            StockLocation.kind.in_(NETTABLE),
            or_(StockSerial.id.is_(None), StockSerial.condition == "good"),
        )
    )
    return Decimal(session.scalar(found) or 0)


def availability(
    session: Session, part: Part, location: StockLocation, today: date, *, but_for: Work | None = None
) -> Availability:
    """Return what is there, what comes and what is promised at a place; `but_for` leaves out one order's promises."""
    here = on_hand(session, part.id, location.id)
    held = select(StockReservation.needed_on, StockReservation.quantity - StockReservation.fulfilled).where(
        StockReservation.part_id == part.id,
        StockReservation.location_id.in_(within(location.id)),
        StockReservation.state == "open",
        StockReservation.hard,
    )
    if but_for is not None:
        held = held.where(StockReservation.work_order_id.is_distinct_from(but_for.id))
    reserved = [(on, quantity) for on, quantity in session.execute(held)]
    dated, undated = inbound(session, part.id, location.id)
    return Availability(
        on_hand=here,
        reserved=sum((quantity for _, quantity in reserved), ZERO),
        inbound=sum((quantity for _, quantity in dated), ZERO) + undated,
        days=project(here, dated, reserved, today),
    )


def inbound(session: Session, part_id: UUID, location_id: UUID) -> tuple[list[tuple[date, Decimal]], Decimal]:
    """Return what is ordered or on its way to a place, by its day, and how much comes without a day."""
    from assets.stock.purchasing import PurchaseOrder, PurchaseOrderLine  # they know promises
    from assets.stock.transfers import StockTransfer, StockTransferLine

    ordered = select(PurchaseOrder.expected_on, PurchaseOrderLine.quantity - PurchaseOrderLine.received).join(
        PurchaseOrder, PurchaseOrder.id == PurchaseOrderLine.purchase_order_id
    )
    ordered = ordered.where(
        PurchaseOrderLine.part_id == part_id,
        PurchaseOrderLine.quantity > PurchaseOrderLine.received,
        PurchaseOrder.location_id.in_(within(location_id)),
        PurchaseOrder.state.in_(("ordered", "partially_received")),
    )
    # Planned ones count too: otherwise the same proposal would be made again each day.
    moving = select(StockTransfer.expected_on, StockTransferLine.quantity - StockTransferLine.received).join(
        StockTransfer, StockTransfer.id == StockTransferLine.transfer_id
    )
    moving = moving.where(
        StockTransferLine.part_id == part_id,
        StockTransferLine.quantity > StockTransferLine.received,
        StockTransfer.to_id.in_(within(location_id)),
        StockTransfer.from_id.not_in(within(location_id)),
        StockTransfer.state.in_(("planned", "shipped")),
    )
    rows = [*session.execute(ordered), *session.execute(moving)]
    dated = [(on, quantity) for on, quantity in rows if on is not None]
    return dated, sum((quantity for on, quantity in rows if on is None), ZERO)


def reserve(
    session: Session,
    part: Part,
    location: StockLocation,
    quantity: Decimal,
    needed_on: date,
    now: datetime,
    by: Actor,
    *,
    hard: bool = True,
    work: Work | None = None,
    note: str | None = None,
) -> StockReservation:
    """Keep something for a day. Raises NotAvailable when a hard one cannot be promised, Invalid, StockMode."""
    require_stock(session, location.organisation_id)
    if part.tracking != "serial":
        whole(part, quantity)
    elif quantity != quantity.to_integral_value() or quantity <= 0:
        raise Invalid(f"whole pieces of {part.number}", field="quantity")
    today = now.date()
    if not today <= needed_on <= today + MAX_AHEAD:
        raise Invalid("a reservation is for today or a day to come, within ten years", field="needed_on")
    if location.kind not in NETTABLE:
        raise Invalid(f"nothing is kept at a {location.kind}", field="location_id")
    root = root_of(session, location)
    lock_stock(session, location.organisation_id)
    left = availability(session, part, root, today).to_promise(needed_on)
    if hard and quantity > left:
        text_ = f"{part.number}: {max(left, ZERO)} {part.unit} may be promised for {needed_on}"
        raise NotAvailable(
            text_, part_number=part.number, available_to_promise=float(max(left, ZERO)), wanted=float(quantity)
        )
    made = StockReservation(
        organisation_id=root.organisation_id,
        part_id=part.id,
        location_id=root.id,
        quantity=quantity,
        needed_on=needed_on,
        hard=hard,
        work_order_id=work.id if work else None,
        work_order_number=work.number if work else None,
        note=note,
        created_at=now,
        by_id=by.person_id,
    )
    session.add(made)
    session.flush()
    return made


def get_reservation(session: Session, reservation_id: UUID) -> StockReservation:
    """Return a reservation with its organisation's stock locked. Raises NotFound."""
    made = session.get(StockReservation, reservation_id)
    if made is None:
        raise NotFound("no such reservation", kind="reservation")
    lock_stock(session, made.organisation_id)
    session.refresh(made)
    return made


def cancel(session: Session, made: StockReservation) -> None:
    """Give it up (locked). Raises Conflict when it is over."""
    if made.state != "open":
        raise Conflict(f"this reservation is {made.state}", state=made.state)
    made.state = "cancelled"
    session.flush()


def refuse_any_reserved(
    session: Session, taken: Iterable[tuple[Part, StockLocation, Decimal]], now: datetime, work: Work | None = None
) -> None:
    """Raise ReservedForOthers when all that is taken at once would break a promise made to other work (stock locked).

    Promises are made by a whole store: what two of its bins give, or two serials, counts together.
    """
    together: dict[tuple[UUID, UUID], tuple[Part, StockLocation, Decimal]] = {}
    for part, place, quantity in taken:
        root = root_of(session, place)
        before = together.get((part.id, root.id), (part, root, ZERO))[2]
        together[part.id, root.id] = part, root, before + quantity
    for part, root, quantity in together.values():
        _refuse_reserved(session, part, root, quantity, now, work)


def _refuse_reserved(
    session: Session, part: Part, root: StockLocation, quantity: Decimal, now: datetime, work: Work | None
) -> None:
    held = select(StockReservation.id).where(
        StockReservation.part_id == part.id,
        StockReservation.location_id == root.id,
        StockReservation.state == "open",
        StockReservation.hard,
    )
    if work is not None:  # what is kept for no order is nobody's to take without one
        held = held.where(StockReservation.work_order_id.is_distinct_from(work.id))
    if session.scalar(held.limit(1)) is None:
        return
    found = availability(session, part, root, now.date(), but_for=work)
    free = max(found.to_promise(now.date()), ZERO)
    if found.on_hand >= quantity > free:  # less on hand than wanted is a shortage, and says so itself
        raise ReservedForOthers(
            f"{part.number}: {free} {part.unit} at {root.code} are not reserved for others",
            part_number=part.number,
            location=root.code,
            available=float(free),
            wanted=float(quantity),
        )


def fulfil(session: Session, part_id: UUID, root_id: UUID, quantity: Decimal, work: Work) -> None:
    """An order got what was kept for it: its reservations shrink, the most urgent first."""
    kept = select(StockReservation).where(
        StockReservation.part_id == part_id,
        StockReservation.location_id == root_id,
        StockReservation.state == "open",
        StockReservation.work_order_id == work.id,
    )
    for each in session.scalars(kept.order_by(StockReservation.needed_on, StockReservation.id)):
        taken = min(quantity, each.quantity - each.fulfilled)
        each.fulfilled += taken
        quantity -= taken
        if each.fulfilled >= each.quantity:
            each.state = "fulfilled"
        if quantity <= 0:
            break
    session.flush()
