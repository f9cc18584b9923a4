"""Purchase orders and their receipts, partial or too large; lots and serials come into being here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from assets.base.access import Actor
from assets.base.db import Base, Identified, Owned
from assets.base.errors import Conflict, IllegalMove, Invalid, NotFound
from assets.base.events import append_event
from assets.stock.errors import OverReceipt, SerialElsewhere
from assets.stock.items import Part, get_part, part_for, whole
from assets.stock.ledger import Line, Posting, Reference, lot_of, place_of_serial, post, serial_of
from assets.stock.numbers import next_number
from assets.stock.places import StockLocation, account, allow_place, lock_stock, require_stock, settings_of
from assets.stock.prices import check_currency, check_money
from assets.stock.tables import StockMovement, StockSerial
from assets.stock.words import MAX_LINES, MONEY, NETTABLE, PURCHASE_MOVES, QUANTITY, RECEIVABLE


class PurchaseOrder(Identified, Owned, Base):
    """What was ordered from whom, for where."""

    __tablename__ = "purchase_orders"

    number: Mapped[str] = mapped_column(Text)
    supplier: Mapped[str] = mapped_column(Text)
    supplier_reference: Mapped[str | None] = mapped_column(Text)
    currency: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text, default="draft")
    location_id: Mapped[UUID] = mapped_column(ForeignKey("stock_locations.id"), index=True)
    expected_on: Mapped[date | None]
    note: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    created_by_id: Mapped[UUID | None]
    ordered_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column()

    __table_args__ = (UniqueConstraint("organisation_id", "number"), Index("ix_purchase_orders_state", "state", "id"))
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class PurchaseOrderLine(Identified, Owned, Base):
    """So much of an item at a cost; `received` grows with each receipt."""

    __tablename__ = "purchase_order_lines"

    purchase_order_id: Mapped[UUID] = mapped_column(ForeignKey("purchase_orders.id", ondelete="CASCADE"), index=True)
    line: Mapped[int]
    part_id: Mapped[UUID] = mapped_column(ForeignKey("parts.id"), index=True)
    quantity: Mapped[Decimal] = mapped_column(QUANTITY)
    unit_cost: Mapped[Decimal] = mapped_column(MONEY)
    received: Mapped[Decimal] = mapped_column(QUANTITY, default=Decimal(0))

    __table_args__ = (CheckConstraint("quantity > 0", name="some"), CheckConstraint("received >= 0", name="received"))


@dataclass(frozen=True, slots=True)
class Wanted:
    """An item to order."""

    part_id: UUID
    quantity: Decimal
    unit_cost: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Arrived:
    """What came of a line; serials one each, a lot for all of it."""

    line_id: UUID
    quantity: Decimal
    lot: str | None = None
    serials: tuple[str, ...] = ()
    expires_on: date | None = None
    location_id: UUID | None = None


def order(session: Session, made: PurchaseOrder, wanted: Sequence[Wanted], now: datetime, by: Actor) -> PurchaseOrder:
    """Write an order as a draft. Raises Invalid, StockMode."""
    mode = require_stock(session, made.organisation_id)
    place = session.get_one(StockLocation, made.location_id)
    _check_target(mode, place, made.organisation_id)
    check_currency(made.currency)
    made.number = next_number(session, "PO")
    made.state, made.created_at, made.created_by_id = "draft", now, by.person_id
    session.add(made)
    session.flush()
    set_lines(session, made, wanted)
    return made


def set_lines(session: Session, made: PurchaseOrder, wanted: Sequence[Wanted]) -> None:
    """Put lines in place of a draft's. Raises Invalid, or Conflict once it is ordered."""
    if made.state != "draft":
        raise Conflict(f"{made.number} is {made.state}: its lines stay", state=made.state)
    if not 0 < len(wanted) <= MAX_LINES:
        raise Invalid(f"an order has 1 to {MAX_LINES} lines", field="lines", limit=MAX_LINES)
    for line in lines_of(session, made.id):
        session.delete(line)
    session.flush()
    for number, each in enumerate(wanted, 1):
        part = part_for(session, made.organisation_id, part_id=each.part_id)
        cost = each.unit_cost if each.unit_cost is not None else _known_cost(part, made.currency)
        # A serial goes one at a time through the ledger; on paper ten of them are one line.
        _check_ordered(part, each.quantity)
        session.add(
            PurchaseOrderLine(
                organisation_id=made.organisation_id,
                purchase_order_id=made.id,
                line=number,
                part_id=part.id,
                quantity=each.quantity,
                unit_cost=check_money(cost, "unit_cost"),
            )
        )
    session.flush()


def _known_cost(part: Part, currency: str) -> Decimal:
    return part.standard_cost if part.standard_cost is not None and part.currency == currency else Decimal(0)


def _check_ordered(part: Part, quantity: Decimal) -> None:
    if part.tracking == "serial":
        if quantity != quantity.to_integral_value() or not 0 < quantity <= MAX_LINES:
            raise Invalid(f"1 to {MAX_LINES} pieces of {part.number}", field="quantity", part_number=part.number)
        return
    whole(part, quantity)


def _check_target(mode: str, place: StockLocation, organisation_id: UUID) -> None:
    if place.organisation_id != organisation_id or not place.active:
        raise Invalid("no such location of this organisation", field="location_id")
    if place.kind not in NETTABLE | {"quarantine"}:
        raise Invalid(f"nothing is delivered to a {place.kind}", field="location_id")
    allow_place(mode, place)


def lines_of(session: Session, order_id: UUID) -> list[PurchaseOrderLine]:
    """Return an order's lines as they stand on it."""
    lines = select(PurchaseOrderLine).where(PurchaseOrderLine.purchase_order_id == order_id)
    return list(session.scalars(lines.order_by(PurchaseOrderLine.line)))


def get_order(session: Session, order_id: UUID, *, lock: bool = False) -> PurchaseOrder:
    """Return an order that the caller may see; `lock` its organisation's stock too. Raises NotFound."""
    made = session.get(PurchaseOrder, order_id)
    if made is None:
        raise NotFound("no such purchase order", kind="purchase_order")
    if lock:
        lock_stock(session, made.organisation_id)
        session.refresh(made, with_for_update=True)
    return made


def move_order(session: Session, made: PurchaseOrder, to: str, now: datetime, by: Actor) -> None:
    """Order it, cancel it, or say that the rest is not coming. Raises IllegalMove."""
    legal = PURCHASE_MOVES[made.state]
    if to not in legal:
        text = f"{made.number} is {made.state}; it cannot become {to}, only: {', '.join(legal) or 'nothing'}"
        raise IllegalMove(text, state=made.state, to=to, legal=list(legal))
    before, made.state = made.state, to
    if to == "ordered":
        made.ordered_at = now
    session.flush()
    _note(session, made, before, now, by)


def receive(
    session: Session,
    made: PurchaseOrder,
    arrived: Sequence[Arrived],
    now: datetime,
    by: Actor,
    *,
    accept_over: bool = False,
    occurred_at: datetime | None = None,
    operation_id: UUID | None = None,
    note: str | None = None,
) -> StockMovement:
    """Book what came (the order is locked). Raises OverReceipt unless it is accepted, SerialElsewhere, Invalid."""
    if made.state not in RECEIVABLE:
        raise IllegalMove(f"{made.number} is {made.state}: nothing is expected", state=made.state, to="received")
    mode = require_stock(session, made.organisation_id)
    known = {line.id: line for line in lines_of(session, made.id)}
    tolerance = 1 + settings_of(session, made.organisation_id).over_receipt_percent / 100
    source = account(session, made.organisation_id, "supplier", now)
    lines: list[Line] = []
    for each in arrived:
        line = known.get(each.line_id)
        if line is None:
            raise Invalid(f"no such line of {made.number}", field="line_id")
        part = get_part(session, line.part_id)
        if line.received + each.quantity > line.quantity * tolerance and not accept_over:
            raise OverReceipt(
                f"{part.number}: {line.quantity} ordered, {line.received} received, {each.quantity} more",
                part_number=part.number,
                ordered=float(line.quantity),
                received=float(line.received),
                arriving=float(each.quantity),
            )
        place = session.get(StockLocation, each.location_id or made.location_id)
        if place is None:
            raise Invalid("no such location", field="location_id")
        _check_target(mode, place, made.organisation_id)
        lines += _ledger_lines(session, made, line, part, each, source, place, now)
        line.received += each.quantity
    movement = post(
        session,
        Posting(
            "receipt",
            made.organisation_id,
            lines,
            occurred_at or now,
            now,
            by=by,
            reference=Reference("purchase_order", made.id, made.number),
            operation_id=operation_id,
            condition="good",
            note=note,
        ),
    )
    before = made.state
    made.state = "received" if all(line.received >= line.quantity for line in known.values()) else "partially_received"
    session.flush()
    _note(session, made, before, now, by)
    return movement


def _ledger_lines(
    session: Session,
    made: PurchaseOrder,
    line: PurchaseOrderLine,
    part: Part,
    each: Arrived,
    source: StockLocation,
    place: StockLocation,
    now: datetime,
) -> list[Line]:
    owner = made.organisation_id
    lot = lot_of(session, owner, part, each.lot, now, make=True) if part.tracking != "none" else None
    if lot is not None and each.expires_on is not None:
        lot.expires_on = each.expires_on
    if part.tracking != "serial":
        if each.serials:
            text = f"{part.number} has no serials"
            raise Invalid(text, field="serials", reason="no_serials", part_number=part.number)
        return [Line(part, each.quantity, source, place, lot, None, line.unit_cost, made.currency)]
    names = [name.strip() for name in each.serials]
    if len(names) != each.quantity or len(set(names)) != len(names) or not all(names):
        text = f"{each.quantity} different serials of {part.number}"
        wanted = {"reason": "serials_wanted", "part_number": part.number, "quantity": str(each.quantity)}
        raise Invalid(text, field="serials", **wanted)
    serials = [_new_serial(session, owner, part, name, now) for name in names]
    for serial in serials:
        serial.lot_id = lot.id if lot else serial.lot_id
    return [Line(part, Decimal(1), source, place, None, serial, line.unit_cost, made.currency) for serial in serials]


def _new_serial(session: Session, owner: UUID, part: Part, name: str, now: datetime) -> StockSerial:
    """A serial that is received is nowhere yet; one that went back to its supplier may come again."""
    serial = serial_of(session, owner, part, name, now, make=True)
    assert serial is not None
    if serial.condition != "good" or place_of_serial(session, serial) is not None:
        raise SerialElsewhere(f"{part.number} {name} is here already", serial=name, condition=serial.condition)
    return serial


def receipts_of(session: Session, order_id: UUID) -> list[StockMovement]:
    """Return an order's receipts, newest first."""
    found = select(StockMovement).where(StockMovement.reference_id == order_id, StockMovement.kind == "receipt")
    return list(session.scalars(found.order_by(StockMovement.id.desc()).limit(MAX_LINES)))


def _note(session: Session, made: PurchaseOrder, before: str, now: datetime, by: Actor) -> None:
    append_event(
        session,
        "purchase_order.moved",
        at=now,
        organisation_id=made.organisation_id,
        subject_kind="purchase_order",
        subject_id=made.id,
        actor_kind=by.kind,
        actor_id=by.person_id,
        payload={"number": made.number, "from": before, "to": made.state, "supplier": made.supplier},
    )
