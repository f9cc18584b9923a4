"""Transfers in two steps: shipped into transit, confirmed by who receives; a difference is booked and kept."""

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
from assets.base.errors import IllegalMove, Invalid, NotFound
from assets.base.events import append_event
from assets.stock.items import get_part, part_for, whole
from assets.stock.ledger import Line, Posting, Reference, lot_of, post, serial_of
from assets.stock.numbers import next_number
from assets.stock.places import StockLocation, account, allow_place, lock_stock, require_stock
from assets.stock.promises import refuse_any_reserved
from assets.stock.tables import StockLot, StockSerial
from assets.stock.words import MAX_LINES, NETTABLE, QUANTITY

ENDS = NETTABLE | {"quarantine", "repair_shop"}
LEGAL = {"planned": ["ship", "cancel"], "shipped": ["receive", "cancel"], "received": [], "cancelled": []}


class StockTransfer(Identified, Owned, Base):
    """Goods on their way from one place to another."""

    __tablename__ = "stock_transfers"

    number: Mapped[str] = mapped_column(Text)
    from_id: Mapped[UUID] = mapped_column(ForeignKey("stock_locations.id"), index=True)
    to_id: Mapped[UUID] = mapped_column(ForeignKey("stock_locations.id"), index=True)
    state: Mapped[str] = mapped_column(Text, default="planned")
    expected_on: Mapped[date | None]
    carrier: Mapped[str | None] = mapped_column(Text)
    tracking_number: Mapped[str | None] = mapped_column(Text)
    note: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    created_by_id: Mapped[UUID | None]
    shipped_at: Mapped[datetime | None]
    shipped_by_id: Mapped[UUID | None]
    received_at: Mapped[datetime | None]
    received_by_id: Mapped[UUID | None]
    version: Mapped[int] = mapped_column()

    __table_args__ = (UniqueConstraint("organisation_id", "number"), Index("ix_stock_transfers_state", "state", "id"))
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class StockTransferLine(Identified, Owned, Base):
    """So much of an item; `received` is what the other end counted."""

    __tablename__ = "stock_transfer_lines"

    transfer_id: Mapped[UUID] = mapped_column(ForeignKey("stock_transfers.id", ondelete="CASCADE"), index=True)
    line: Mapped[int]
    part_id: Mapped[UUID] = mapped_column(ForeignKey("parts.id"), index=True)
    lot_id: Mapped[UUID | None] = mapped_column(ForeignKey("stock_lots.id"), index=True)
    serial_id: Mapped[UUID | None] = mapped_column(ForeignKey("stock_serials.id"), index=True)
    quantity: Mapped[Decimal] = mapped_column(QUANTITY)
    shipped: Mapped[Decimal] = mapped_column(QUANTITY, default=Decimal(0))
    received: Mapped[Decimal] = mapped_column(QUANTITY, default=Decimal(0))

    __table_args__ = (CheckConstraint("quantity > 0", name="some"),)


@dataclass(frozen=True, slots=True)
class Asked:
    """An item to send; lot and serials may be said when it is shipped."""

    part_id: UUID
    quantity: Decimal
    lot: str | None = None
    serial: str | None = None


@dataclass(frozen=True, slots=True)
class Packed:
    """What goes of a line, when it differs from what was planned."""

    line_id: UUID
    quantity: Decimal | None = None
    lot: str | None = None
    serials: tuple[str, ...] = ()


def plan(session: Session, made: StockTransfer, asked: Sequence[Asked], now: datetime, by: Actor) -> StockTransfer:
    """Write a transfer that is to be shipped. Raises Invalid, StockMode."""
    mode = require_stock(session, made.organisation_id)
    if made.from_id == made.to_id:
        raise Invalid("from and to are the same place", field="to_location_id")
    for field, key in (("from_location_id", made.from_id), ("to_location_id", made.to_id)):
        place = session.get(StockLocation, key)
        if place is None or place.organisation_id != made.organisation_id or not place.active:
            raise Invalid("no such location of this organisation", field=field)
        if place.kind not in ENDS:
            raise Invalid(f"nothing is transferred from or to a {place.kind}", field=field)
        allow_place(mode, place)
    if not 0 < len(asked) <= MAX_LINES:
        raise Invalid(f"a transfer has 1 to {MAX_LINES} lines", field="lines", limit=MAX_LINES)
    made.number = next_number(session, "TR")
    made.state, made.created_at, made.created_by_id = "planned", now, by.person_id
    session.add(made)
    session.flush()
    for number, each in enumerate(asked, 1):
        _add_line(session, made, number, each, now)
    session.flush()
    return made


def _add_line(session: Session, made: StockTransfer, number: int, each: Asked, now: datetime) -> None:
    part = part_for(session, made.organisation_id, part_id=each.part_id)
    if part.tracking == "serial" and not each.serial:
        if each.quantity != each.quantity.to_integral_value() or not 0 < each.quantity <= MAX_LINES:
            raise Invalid(f"1 to {MAX_LINES} pieces of {part.number}", field="quantity")
    else:
        whole(part, each.quantity)
    lot = lot_of(session, made.organisation_id, part, each.lot, now) if part.tracking == "lot" else None
    serial = serial_of(session, made.organisation_id, part, each.serial, now) if part.tracking == "serial" else None
    session.add(
        StockTransferLine(
            organisation_id=made.organisation_id,
            transfer_id=made.id,
            line=number,
            part_id=part.id,
            lot_id=lot.id if lot else None,
            serial_id=serial.id if serial else None,
            quantity=each.quantity,
        )
    )


def lines_of(session: Session, transfer_id: UUID) -> list[StockTransferLine]:
    """Return a transfer's lines in their order."""
    lines = select(StockTransferLine).where(StockTransferLine.transfer_id == transfer_id)
    return list(session.scalars(lines.order_by(StockTransferLine.line, StockTransferLine.id)))


def get_transfer(session: Session, transfer_id: UUID, *, lock: bool = False) -> StockTransfer:
    """Return a transfer that the caller may see; `lock` its organisation's stock too. Raises NotFound."""
    made = session.get(StockTransfer, transfer_id)
    if made is None:
        raise NotFound("no such transfer", kind="stock_transfer")
    if lock:
        lock_stock(session, made.organisation_id)
        session.refresh(made, with_for_update=True)
    return made


def _require(made: StockTransfer, to: str, *states: str) -> None:
    if made.state not in states:
        text = f"{made.number} is {made.state}, so it cannot be {to}"
        raise IllegalMove(text, state=made.state, to=to, legal=LEGAL[made.state])


def ship(
    session: Session,
    made: StockTransfer,
    packed: Sequence[Packed],
    now: datetime,
    by: Actor,
    *,
    ignore_reservations: bool = False,
) -> None:
    """Send it off (the transfer is locked). Raises StockShort, ReservedForOthers, IllegalMove, Invalid."""
    _require(made, "shipped", "planned")
    require_stock(session, made.organisation_id)
    _pack(session, made, packed, now)
    source, transit = (
        session.get_one(StockLocation, made.from_id),
        account(session, made.organisation_id, "transit", now),
    )
    lines = _ledger_lines(session, made, source, transit, "quantity")
    if not ignore_reservations:
        refuse_any_reserved(session, [(line.part, source, line.quantity) for line in lines], now)
    _post(session, made, "transfer_ship", lines, now, by)
    for each in lines_of(session, made.id):
        each.shipped = each.quantity
    made.state, made.shipped_at, made.shipped_by_id = "shipped", now, by.person_id
    session.flush()
    _note(session, made, "planned", now, by)


def _pack(session: Session, made: StockTransfer, packed: Sequence[Packed], now: datetime) -> None:
    known = {line.id: line for line in lines_of(session, made.id)}
    for each in packed:
        line = known.get(each.line_id)
        if line is None:
            raise Invalid(f"no such line of {made.number}", field="line_id")
        part = get_part(session, line.part_id)
        if part.tracking == "serial":
            if each.serials:
                _split(session, made, line, each.serials, now)
            continue
        line.quantity = whole(part, each.quantity) if each.quantity is not None else line.quantity
        if part.tracking == "lot" and each.lot:
            lot = lot_of(session, made.organisation_id, part, each.lot, now)
            line.lot_id = lot.id if lot else None
    session.flush()


def _split(
    session: Session, made: StockTransfer, line: StockTransferLine, serials: Sequence[str], now: datetime
) -> None:
    """Put a line for each serial in place of one for several."""
    part = get_part(session, line.part_id)
    if len(serials) > MAX_LINES or len(set(serials)) != len(serials):
        raise Invalid("a serial stands there twice, or too many", field="serials")
    session.delete(line)
    session.flush()
    for name in serials:
        _add_line(session, made, line.line, Asked(part.id, Decimal(1), serial=name), now)
    session.flush()


def _ledger_lines(
    session: Session, made: StockTransfer, source: StockLocation, target: StockLocation, of: str
) -> list[Line]:
    found: list[Line] = []
    for each in lines_of(session, made.id):
        quantity: Decimal = getattr(each, of)
        if quantity > 0:
            found.append(_line(session, each, quantity, source, target))
    return found


def _line(
    session: Session, each: StockTransferLine, quantity: Decimal, source: StockLocation, target: StockLocation
) -> Line:
    lot = session.get_one(StockLot, each.lot_id) if each.lot_id else None
    serial = session.get_one(StockSerial, each.serial_id) if each.serial_id else None
    return Line(get_part(session, each.part_id), quantity, source, target, lot, serial)


def _post(session: Session, made: StockTransfer, kind: str, lines: Sequence[Line], now: datetime, by: Actor) -> None:
    post(
        session,
        Posting(
            kind,
            made.organisation_id,
            lines,
            now,
            now,
            by=by,
            reference=Reference("stock_transfer", made.id, made.number),
        ),
    )


def receive(
    session: Session,
    made: StockTransfer,
    counted: dict[UUID, Decimal] | None,
    now: datetime,
    by: Actor,
    *,
    final: bool = True,
    note: str | None = None,
) -> None:
    """Confirm what came, all of it when nothing is told (the transfer is locked).

    `final`: the rest is not coming; what differs is booked against the adjustment account. Raises IllegalMove, Invalid.
    """
    _require(made, "received", "shipped")
    owner = made.organisation_id
    target, transit = session.get_one(StockLocation, made.to_id), account(session, owner, "transit", now)
    adjustment = account(session, owner, "adjustment", now)
    lines = {line.id: line for line in lines_of(session, made.id)}
    if counted is not None and set(counted) - set(lines):
        raise Invalid(f"no such line of {made.number}", field="line_id")
    came: list[Line] = []
    differs: list[Line] = []
    for line in lines.values():
        arriving = line.shipped - line.received if counted is None else counted.get(line.id, Decimal(0))
        open_ = line.shipped - line.received
        part = get_part(session, line.part_id)
        if arriving < 0 or (line.serial_id is not None and arriving > open_):
            raise Invalid("that many cannot have come", field="received", part_number=part.number)
        if arriving > 0:
            arriving = whole(part, arriving, "received")
        usual = min(arriving, open_)
        if usual > 0:
            came.append(_line(session, line, usual, transit, target))
        if arriving > open_:
            differs.append(_line(session, line, arriving - open_, adjustment, target))
        elif final and arriving < open_:
            differs.append(_line(session, line, open_ - arriving, transit, adjustment))
        line.received += arriving
    if came:
        _post(session, made, "transfer_receive", came, now, by)
    if differs:
        _post(session, made, "transfer_difference", differs, now, by)
    if note:
        made.note = note
    if final or all(line.received >= line.shipped for line in lines.values()):
        made.state, made.received_at, made.received_by_id = "received", now, by.person_id
        session.flush()
        _note(session, made, "shipped", now, by)
    session.flush()


def cancel(session: Session, made: StockTransfer, now: datetime, by: Actor) -> None:
    """Take it back: what is in transit returns to where it came from (the transfer is locked). Raises IllegalMove."""
    _require(made, "cancelled", "planned", "shipped")
    before = made.state
    if before == "shipped":
        source = session.get_one(StockLocation, made.from_id)
        transit = account(session, made.organisation_id, "transit", now)
        back = [
            _line(session, line, line.shipped - line.received, transit, source)
            for line in lines_of(session, made.id)
            if line.shipped > line.received
        ]
        if back:
            _post(session, made, "transfer_cancel", back, now, by)
    made.state = "cancelled"
    session.flush()
    _note(session, made, before, now, by)


def _note(session: Session, made: StockTransfer, before: str, now: datetime, by: Actor) -> None:
    append_event(
        session,
        "stock_transfer.moved",
        at=now,
        organisation_id=made.organisation_id,
        subject_kind="stock_transfer",
        subject_id=made.id,
        actor_kind=by.kind,
        actor_id=by.person_id,
        payload={"number": made.number, "from": before, "to": made.state},
    )
