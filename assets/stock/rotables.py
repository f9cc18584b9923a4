"""Rotables go round: good, installed, defective, in repair, good again, or scrapped; each repair with its cost."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from assets.base.access import Actor
from assets.base.db import Base, Identified, Owned
from assets.base.errors import Conflict, IllegalMove, Invalid, NotFound
from assets.base.events import append_event
from assets.stock.errors import SerialElsewhere
from assets.stock.items import get_part
from assets.stock.ledger import Line, Posting, Reference, place_of_serial, post
from assets.stock.numbers import next_number
from assets.stock.places import StockLocation, account, allow_place, lock_stock, require_stock
from assets.stock.prices import check_currency, check_money
from assets.stock.tables import StockSerial
from assets.stock.words import CONDITION_MOVES, MONEY, NETTABLE

# What people may say of a piece on a shelf; everything else is the outcome of a movement or a repair.
BY_HAND = {"good": ("defective",), "defective": ("good",)}


class RepairOrder(Identified, Owned, Base):
    """One piece at one repair shop, once."""

    __tablename__ = "repair_orders"

    number: Mapped[str] = mapped_column(Text)
    part_id: Mapped[UUID] = mapped_column(ForeignKey("parts.id"), index=True)
    serial_id: Mapped[UUID] = mapped_column(ForeignKey("stock_serials.id"), index=True)
    shop_id: Mapped[UUID] = mapped_column(ForeignKey("stock_locations.id"), index=True)
    state: Mapped[str] = mapped_column(Text, default="sent")
    fault: Mapped[str | None] = mapped_column(Text)
    result: Mapped[str | None] = mapped_column(Text)
    cost: Mapped[Decimal | None] = mapped_column(MONEY)
    currency: Mapped[str | None] = mapped_column(Text)
    sent_at: Mapped[datetime]
    sent_by_id: Mapped[UUID | None]
    ended_at: Mapped[datetime | None]
    ended_by_id: Mapped[UUID | None]

    __table_args__ = (UniqueConstraint("organisation_id", "number"), Index("ix_repair_orders_state", "state", "id"))


def get_serial(session: Session, serial_id: UUID, *, lock: bool = False) -> StockSerial:
    """Return a serial; `lock` the stock of its organisation too. Raises NotFound."""
    serial = session.get(StockSerial, serial_id)
    if serial is None:
        raise NotFound("no such serial", kind="stock_serial")
    if lock:
        lock_stock(session, serial.organisation_id)
        session.refresh(serial)
    return serial


def get_repair(session: Session, repair_id: UUID) -> RepairOrder:
    """Return a repair order. Raises NotFound."""
    repair = session.get(RepairOrder, repair_id)
    if repair is None:
        raise NotFound("no such repair order", kind="repair_order")
    return repair


def legal_conditions(serial: StockSerial) -> list[str]:
    """Return what people may say of this piece now."""
    return list(BY_HAND.get(serial.condition, ()))


def set_condition(session: Session, serial: StockSerial, to: str, reason: str, now: datetime, by: Actor) -> None:
    """Say that a piece on the shelf is defective, or good after all (locked). Raises IllegalMove."""
    if to not in legal_conditions(serial):
        text = f"{serial.serial} is {serial.condition}; it cannot become {to}"
        raise IllegalMove(text, state=serial.condition, to=to, legal=legal_conditions(serial))
    assert to in CONDITION_MOVES[serial.condition]
    before, serial.condition = serial.condition, to
    session.flush()
    append_event(
        session,
        "stock_serial.condition_changed",
        at=now,
        organisation_id=serial.organisation_id,
        subject_kind="stock_serial",
        subject_id=serial.id,
        actor_kind=by.kind,
        actor_id=by.person_id,
        payload={"serial": serial.serial, "from": before, "to": to, "reason": reason},
    )


def send(
    session: Session, serial: StockSerial, shop: StockLocation, fault: str | None, now: datetime, by: Actor
) -> RepairOrder:
    """Send a defective piece to a repair shop (locked). Raises SerialElsewhere, Invalid, StockMode."""
    require_stock(session, serial.organisation_id)
    if shop.kind != "repair_shop" or shop.organisation_id != serial.organisation_id:
        raise Invalid("a repair shop of the same organisation", field="shop_location_id")
    if serial.condition != "defective":
        raise SerialElsewhere(
            f"{serial.serial} is {serial.condition}, not defective", serial=serial.serial, condition=serial.condition
        )
    part = get_part(session, serial.part_id)
    at = place_of_serial(session, serial)
    place = session.get(StockLocation, at) if at else None
    if place is None or place.kind in ("customer", "transit"):
        raise SerialElsewhere(f"{serial.serial} is not on any shelf", serial=serial.serial)
    repair = RepairOrder(
        organisation_id=serial.organisation_id,
        number=next_number(session, "RO"),
        part_id=part.id,
        serial_id=serial.id,
        shop_id=shop.id,
        fault=fault,
        sent_at=now,
        sent_by_id=by.person_id,
    )
    session.add(repair)
    session.flush()
    if place.id == shop.id:  # the old part came straight to the shop
        serial.condition = "in_repair"
        session.flush()
    else:
        _post(session, repair, "repair_send", Line(part, Decimal(1), place, shop, None, serial), "in_repair", now, by)
    return repair


def end(
    session: Session,
    repair: RepairOrder,
    target: StockLocation | None,
    now: datetime,
    by: Actor,
    *,
    cost: Decimal | None = None,
    currency: str | None = None,
    result: str | None = None,
) -> None:
    """Take a piece back good into a store, or (no target) scrap it. Raises Conflict when it is over, Invalid."""
    lock_stock(session, repair.organisation_id)
    session.refresh(repair, with_for_update=True)
    if repair.state != "sent":
        raise Conflict(f"{repair.number} is {repair.state}", state=repair.state)
    mode = require_stock(session, repair.organisation_id)
    if cost is not None:
        check_money(cost, "cost")
        if not currency:
            raise Invalid("a cost needs its currency", field="currency")
        check_currency(currency)
    if target is not None:
        if target.kind not in NETTABLE or target.organisation_id != repair.organisation_id:
            raise Invalid("a store of the same organisation", field="to_location_id")
        allow_place(mode, target)
    serial = get_serial(session, repair.serial_id, lock=True)
    part = get_part(session, repair.part_id)
    shop = session.get_one(StockLocation, repair.shop_id)
    goes_to = target or account(session, repair.organisation_id, "scrap", now)
    condition, kind = ("good", "repair_return") if target else ("scrapped", "repair_scrap")
    _post(session, repair, kind, Line(part, Decimal(1), shop, goes_to, None, serial), condition, now, by)
    repair.state = "returned" if target else "scrapped"
    repair.cost, repair.currency, repair.result = cost, currency if cost is not None else None, result
    repair.ended_at, repair.ended_by_id = now, by.person_id
    session.flush()


def _post(
    session: Session, repair: RepairOrder, kind: str, line: Line, condition: str, now: datetime, by: Actor
) -> None:
    post(
        session,
        Posting(
            kind,
            repair.organisation_id,
            [line],
            now,
            now,
            by=by,
            reference=Reference("repair_order", repair.id, repair.number),
            condition=condition,
        ),
    )


def repair_cost(session: Session, serial_id: UUID) -> list[tuple[str, Decimal, int]]:
    """Return what a piece's repairs cost so far: (currency, sum, how many)."""
    rows = session.execute(
        select(RepairOrder.currency, func.sum(RepairOrder.cost), func.count())
        .where(RepairOrder.serial_id == serial_id, RepairOrder.cost.is_not(None))
        .group_by(RepairOrder.currency)
        .order_by(RepairOrder.currency)
    )
    return [(currency or "", total or Decimal(0), count) for currency, total, count in rows]
