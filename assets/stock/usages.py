"""Stock that work uses: issued to an order, put into a machine, what was left brought back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from assets.base.access import Actor, Role
from assets.base.db import Base, Identified, Owned
from assets.base.errors import Forbidden, Invalid
from assets.registry import Asset
from assets.stock import machines
from assets.stock.covered import in_warranty, verdicts_on
from assets.stock.errors import MoreThanIssued
from assets.stock.items import Part, whole
from assets.stock.ledger import Line, Posting, Work, cost_of, lot_of, post, serial_of
from assets.stock.places import (
    StockLocation,
    account,
    allow_place,
    lock_stock,
    root_of,
    settings_of,
)
from assets.stock.prices import quote
from assets.stock.promises import fulfil, refuse_any_reserved
from assets.stock.tables import StockMovement
from assets.stock.words import MAX_LINES, MONEY, NETTABLE, PERSONAL, QUANTITY
from assets.warranty.facts import Line as Judged


class PartUsage(Identified, Owned, Base):
    """So much of an item was used by an order or a machine; the price is the one that held then.

    Orders and assets are named without keys: they live elsewhere, and may go.
    """

    __tablename__ = "part_usages"

    movement_id: Mapped[UUID] = mapped_column(ForeignKey("stock_movements.id"), index=True)
    part_id: Mapped[UUID] = mapped_column(ForeignKey("parts.id"), index=True)
    lot_id: Mapped[UUID | None] = mapped_column(ForeignKey("stock_lots.id"), index=True)
    serial_id: Mapped[UUID | None] = mapped_column(ForeignKey("stock_serials.id"), index=True)
    location_id: Mapped[UUID] = mapped_column(ForeignKey("stock_locations.id"), index=True)
    work_order_id: Mapped[UUID | None] = mapped_column(index=True)
    work_order_number: Mapped[str | None] = mapped_column(Text)
    asset_id: Mapped[UUID | None] = mapped_column(index=True)
    person_id: Mapped[UUID | None]
    quantity: Mapped[Decimal] = mapped_column(QUANTITY)
    returned: Mapped[Decimal] = mapped_column(QUANTITY, default=Decimal(0), server_default="0")
    occurred_at: Mapped[datetime]
    in_warranty: Mapped[bool | None]
    unit_cost: Mapped[Decimal | None] = mapped_column(MONEY)
    cost_currency: Mapped[str | None] = mapped_column(Text)
    unit_price: Mapped[Decimal | None] = mapped_column(MONEY)
    price_currency: Mapped[str | None] = mapped_column(Text)
    price_book_id: Mapped[UUID | None]

    __table_args__ = (
        CheckConstraint("quantity > 0", name="some"),
        CheckConstraint("returned >= 0 AND returned <= quantity", name="returned"),
    )


@dataclass(frozen=True, slots=True)
class Used:
    """An item that is used or comes back; the place is where it is taken from or brought to."""

    part: Part
    quantity: Decimal
    place: StockLocation | None = None
    lot: str | None = None
    serial: str | None = None


@dataclass(slots=True)
class Use:
    """What is the same for all lines of one issue or return."""

    organisation_id: UUID
    by: Actor
    now: datetime
    occurred_at: datetime
    work: Work | None = None
    asset: Asset | None = None
    operation_id: UUID | None = None
    digest: bytes | None = None
    offline: bool = False
    reason: str | None = None
    note: str | None = None


def issue(session: Session, use: Use, used: Sequence[Used]) -> StockMovement:
    """Use items for an order or a machine (or, with a reason, for neither).

    Raises StockShort, ReservedForOthers, SerialElsewhere, StockMode, Forbidden, Invalid.
    """
    if use.work is None and use.asset is None and not use.reason:
        raise Invalid("used for which order or machine, or why", field="reason")
    lock_stock(session, use.organisation_id)
    settings = settings_of(session, use.organisation_id)
    simple = settings.mode == "simple"
    target = account(session, use.organisation_id, "customer", use.now)
    lines = []
    for each in _bounded(used):
        source = _source(session, use, each, settings.mode)
        # Nothing is counted in the mode 'simple': what is named there is new by itself.
        lot = lot_of(session, use.organisation_id, each.part, each.lot, use.now, make=simple)
        serial = serial_of(session, use.organisation_id, each.part, each.serial, use.now, make=simple)
        lines.append(Line(each.part, each.quantity, source, target, lot, serial))
    if not simple and not use.offline:  # what was taken offline is gone, whoever it was kept for
        taken = [(line.part, line.source, line.quantity) for line in lines]
        refuse_any_reserved(session, taken, use.now, use.work)
    movement = _post(session, use, "issue" if use.work or use.asset else "consume", lines, "installed")
    for line, covered in zip(lines, _covered(session, use, lines), strict=True):
        _use(session, use, movement, line, covered, settings.old_part_days)
    return movement


def _covered(session: Session, use: Use, lines: Sequence[Line]) -> list[bool | None]:
    """Whether each line is in warranty, by the verdict: what somebody says counts once another person approved it."""
    if use.asset is None:
        return [None] * len(lines)
    asked = [
        Judged(
            str(number),
            "part",
            part_item=line.part.number,
            part_serial=line.serial.serial if line.serial else None,
            quantity=float(line.quantity),
        )
        for number, line in enumerate(lines)
    ]
    found = verdicts_on(session, use.asset, asked, use.occurred_at, use.now, use.work)
    return [in_warranty(each.verdict) for each in found]


def reprice(session: Session, usage: PartUsage, covered: bool | None, customer_id: UUID | None) -> bool:
    """Let a usage follow another verdict, at the prices of its day; return whether it changed."""
    if usage.in_warranty == covered:
        return False
    price = quote(
        session,
        usage.organisation_id,
        on=usage.occurred_at.date(),
        part_id=usage.part_id,
        customer_id=customer_id,
        in_warranty=covered,
    )
    usage.in_warranty = covered
    usage.unit_price = price.unit_price if price else None
    usage.price_currency = price.currency if price else None
    usage.price_book_id = price.book.id if price else None
    return True


def _bounded(used: Sequence[Used]) -> Sequence[Used]:
    if not 0 < len(used) <= MAX_LINES:
        raise Invalid(f"a movement has 1 to {MAX_LINES} lines", field="lines", limit=MAX_LINES)
    for each in used:
        whole(each.part, each.quantity)
    return used


def _source(session: Session, use: Use, each: Used, mode: str) -> StockLocation:
    if mode == "simple":
        return account(session, use.organisation_id, "supplier", use.now)
    place = each.place or own_place(session, use.by, use.organisation_id)
    if place is None:
        raise Invalid("from which place", field="from_location_id")
    if place.kind not in NETTABLE:
        raise Invalid(f"nothing is issued from a {place.kind}", field="from_location_id", location=place.code)
    allow_place(mode, place)
    check_hands(place, use.by)
    return place


def own_place(session: Session, by: Actor, organisation_id: UUID) -> StockLocation | None:
    """Return the van or personal stock of who acts: where things are taken from when nothing is said."""
    if by.person_id is None:
        return None
    mine = select(StockLocation).where(
        StockLocation.organisation_id == organisation_id,
        StockLocation.person_id == by.person_id,
        StockLocation.kind.in_(PERSONAL),
        StockLocation.active,
    )
    return session.scalar(mine.order_by(StockLocation.kind.desc(), StockLocation.id).limit(1))


def check_hands(place: StockLocation, by: Actor) -> None:
    """Raise Forbidden when a technician takes from, or puts into, what somebody else answers for."""
    if by.roles & {Role.ADMINISTRATOR, Role.STOREKEEPER, Role.DISPATCHER, Role.PLANNER}:
        return
    if place.kind in PERSONAL and place.person_id is not None and place.person_id != by.person_id:
        raise Forbidden(f"{place.code} is somebody else's stock", location=place.code)


def _post(session: Session, use: Use, kind: str, lines: Sequence[Line], condition: str) -> StockMovement:
    return post(
        session,
        Posting(
            kind,
            use.organisation_id,
            lines,
            use.occurred_at,
            use.now,
            by=use.by,
            work=use.work,
            asset_id=use.asset.id if use.asset else None,
            operation_id=use.operation_id,
            digest=use.digest,
            offline=use.offline,
            reason=use.reason,
            note=use.note,
            condition=condition,
        ),
    )


def _use(
    session: Session, use: Use, movement: StockMovement, line: Line, covered: bool | None, old_part_days: int
) -> None:
    from assets.stock.old_parts import owe  # duties know usages

    cost, currency = cost_of(line)
    price = quote(
        session,
        use.organisation_id,
        on=use.occurred_at.date(),
        part_id=line.part.id,
        customer_id=use.asset.customer_id if use.asset else None,
        in_warranty=covered,
    )
    usage = PartUsage(
        organisation_id=use.organisation_id,
        movement_id=movement.id,
        part_id=line.part.id,
        lot_id=line.lot.id if line.lot else None,
        serial_id=line.serial.id if line.serial else None,
        location_id=line.source.id,
        work_order_id=use.work.id if use.work else None,
        work_order_number=use.work.number if use.work else None,
        asset_id=use.asset.id if use.asset else None,
        person_id=use.by.person_id,
        quantity=line.quantity,
        occurred_at=use.occurred_at,
        in_warranty=covered,
        unit_cost=cost,
        cost_currency=currency,
        unit_price=price.unit_price if price else None,
        price_currency=price.currency if price else None,
        price_book_id=price.book.id if price else None,
    )
    session.add(usage)
    session.flush()
    if line.part.old_part_return and (use.work or use.asset):
        owe(session, usage, line.part, use.now, old_part_days)
    if use.work is not None:
        fulfil(session, line.part.id, root_of(session, line.source).id, line.quantity, use.work)
    if use.asset is not None:
        machines.put_in(session, use.asset, movement, line, use.by, use.work, use.now)


# ---- back from the order --------------------------------------------------------------------------------------------


def bring_back(session: Session, use: Use, used: Sequence[Used]) -> StockMovement:
    """Return what an order did not need, in good condition. Raises MoreThanIssued, SerialElsewhere, Invalid."""
    if use.work is None and use.asset is None:
        raise Invalid("back from which order or machine", field="work_order")
    lock_stock(session, use.organisation_id)
    mode = settings_of(session, use.organisation_id).mode
    source = account(session, use.organisation_id, "customer", use.now)
    lines = []
    for each in _bounded(used):
        lot = lot_of(session, use.organisation_id, each.part, each.lot, use.now)
        serial = serial_of(session, use.organisation_id, each.part, each.serial, use.now)
        target = _target(session, use, each, mode)
        lines.append(Line(each.part, each.quantity, source, target, lot, serial))
    taken = [usage for line in lines for usage in _take_back(session, use, line)]
    movement = _post(session, use, "return", lines, "good")
    for usage, quantity in taken:
        _lessen(session, usage, quantity, use.now)
    if use.asset is not None:
        for line in lines:
            machines.not_needed(session, use.asset, movement, line, use.by, use.work, use.now)
    return movement


def _target(session: Session, use: Use, each: Used, mode: str) -> StockLocation:
    if mode == "simple":
        return account(session, use.organisation_id, "supplier", use.now)
    place = each.place or own_place(session, use.by, use.organisation_id)
    if place is None:
        raise Invalid("back to which place", field="to_location_id")
    if place.kind not in NETTABLE | {"quarantine"}:
        raise Invalid(f"nothing unused goes to a {place.kind}", field="to_location_id", location=place.code)
    allow_place(mode, place)
    check_hands(place, use.by)
    return place


def _take_back(session: Session, use: Use, line: Line) -> list[tuple[PartUsage, Decimal]]:
    """Find what is given back among what was issued, the newest first."""
    issued = select(PartUsage).where(
        PartUsage.organisation_id == use.organisation_id,
        PartUsage.part_id == line.part.id,
        PartUsage.lot_id.is_not_distinct_from(line.lot.id if line.lot else None),
        PartUsage.serial_id.is_not_distinct_from(line.serial.id if line.serial else None),
        PartUsage.returned < PartUsage.quantity,
    )
    if use.work is not None:
        issued = issued.where(PartUsage.work_order_id == use.work.id)
    else:
        issued = issued.where(PartUsage.asset_id == (use.asset.id if use.asset else None))
    left, found = line.quantity, []
    for usage in session.scalars(issued.order_by(PartUsage.id.desc())):
        back = min(left, usage.quantity - usage.returned)
        usage.returned += back
        found.append((usage, back))
        left -= back
        if left <= 0:
            break
    if left > 0:
        raise MoreThanIssued(
            f"{line.part.number}: {line.quantity - left} of {line.quantity} are out on this order",
            part_number=line.part.number,
            issued=float(line.quantity - left),
            returning=float(line.quantity),
        )
    session.flush()
    return found


def _lessen(session: Session, usage: PartUsage, quantity: Decimal, now: datetime) -> None:
    from assets.stock.old_parts import lessen

    lessen(session, usage, quantity, now)


def usages_of(session: Session, work_order_id: UUID) -> Sequence[PartUsage]:
    """Return what an order used, oldest first."""
    found = select(PartUsage).where(PartUsage.work_order_id == work_order_id).order_by(PartUsage.id)
    return session.scalars(found.limit(1000)).all()
