"""Old parts come back (旧件返仓): each issued part of an item that wants it owes its predecessor to the store."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from assets.base.access import Actor
from assets.base.db import Base, Identified, Owned
from assets.base.errors import Conflict, Invalid, NotFound
from assets.base.events import append_event
from assets.registry import Asset
from assets.stock import machines
from assets.stock.errors import MoreThanIssued
from assets.stock.items import Part, get_part, successors_of
from assets.stock.ledger import Line, Posting, Reference, Work, lot_of, post, serial_of
from assets.stock.places import StockLocation, account, lock_stock
from assets.stock.tables import StockMovement, StockSerial
from assets.stock.usages import PartUsage
from assets.stock.words import OLD_PART_KINDS, QUANTITY

UNKNOWN_LOT = "OLD"  # of an old part whose lot nobody wrote down


class OldPartDuty(Identified, Owned, Base):
    """The old part of an issue is to come back until a day; or somebody says why it does not."""

    __tablename__ = "old_part_duties"

    usage_id: Mapped[UUID] = mapped_column(ForeignKey("part_usages.id"), unique=True)
    part_id: Mapped[UUID] = mapped_column(ForeignKey("parts.id"), index=True)
    serial_expected: Mapped[str | None] = mapped_column(Text)
    quantity: Mapped[Decimal] = mapped_column(QUANTITY)
    returned: Mapped[Decimal] = mapped_column(QUANTITY, default=Decimal(0), server_default="0")
    state: Mapped[str] = mapped_column(Text, default="open")
    due_at: Mapped[datetime]
    person_id: Mapped[UUID | None] = mapped_column(index=True)
    work_order_id: Mapped[UUID | None] = mapped_column(index=True)
    work_order_number: Mapped[str | None] = mapped_column(Text)
    asset_id: Mapped[UUID | None] = mapped_column(index=True)
    reason: Mapped[str | None] = mapped_column(Text)
    closed_at: Mapped[datetime | None]
    closed_by_id: Mapped[UUID | None]

    __table_args__ = (
        CheckConstraint("quantity >= 0 AND returned >= 0 AND returned <= quantity", name="returned"),
        Index("ix_old_part_duties_open", "due_at", "id", postgresql_where=text("state = 'open'")),
    )


def owe(session: Session, usage: PartUsage, part: Part, now: datetime, days: int) -> OldPartDuty:
    """Note that the predecessor of what was issued is to come back."""
    duty = OldPartDuty(
        organisation_id=usage.organisation_id,
        usage_id=usage.id,
        part_id=part.id,
        serial_expected=_expected(session, usage),
        quantity=usage.quantity,
        due_at=usage.occurred_at + timedelta(days=days),
        person_id=usage.person_id,
        work_order_id=usage.work_order_id,
        work_order_number=usage.work_order_number,
        asset_id=usage.asset_id,
    )
    session.add(duty)
    session.flush()
    return duty


def _expected(session: Session, usage: PartUsage) -> str | None:
    """Return the serial that the machine had before, when it is known and the only one."""
    if usage.asset_id is None or usage.serial_id is None:
        return None
    found = session.scalars(
        select(StockSerial.serial)
        .where(
            StockSerial.asset_id == usage.asset_id,
            StockSerial.part_id == usage.part_id,
            StockSerial.condition == "installed",
            StockSerial.id != usage.serial_id,
        )
        .limit(2)
    ).all()
    return found[0] if len(found) == 1 else None


def lessen(session: Session, usage: PartUsage, quantity: Decimal, now: datetime) -> None:
    """What went back unused replaced nothing, so nothing old is owed for it."""
    duty = session.scalar(select(OldPartDuty).where(OldPartDuty.usage_id == usage.id, OldPartDuty.state == "open"))
    if duty is None:
        return
    duty.quantity = max(duty.quantity - quantity, duty.returned)
    _close_when_done(duty, now, None, "unused")
    session.flush()


def _close_when_done(duty: OldPartDuty, now: datetime, by: Actor | None, reason: str | None) -> None:
    if duty.returned < duty.quantity:
        return
    duty.state = "returned" if duty.returned > 0 else "waived"
    duty.reason = reason if duty.state == "waived" else duty.reason
    duty.closed_at, duty.closed_by_id = now, by.person_id if by else None


def get_duty(session: Session, duty_id: UUID) -> OldPartDuty:
    """Return a duty with its organisation's stock locked. Raises NotFound."""
    duty = session.get(OldPartDuty, duty_id)
    if duty is None:
        raise NotFound("no such duty", kind="old_part_duty")
    lock_stock(session, duty.organisation_id)
    session.refresh(duty, with_for_update=True)
    return duty


def _require_open(duty: OldPartDuty) -> None:
    if duty.state != "open":
        raise Conflict(f"this is {duty.state} already", state=duty.state)


def give_back(
    session: Session,
    duty: OldPartDuty,
    quantity: Decimal,
    target: StockLocation,
    now: datetime,
    by: Actor,
    *,
    serial: str | None = None,
    lot: str | None = None,
    part_id: UUID | None = None,
    note: str | None = None,
    operation_id: UUID | None = None,
) -> StockMovement:
    """Book an old part into a place where nobody takes it for new (the duty is locked).

    An earlier item of the same chain may come instead. Raises MoreThanIssued, Conflict, Invalid, SerialElsewhere.
    """
    _require_open(duty)
    if quantity > duty.quantity - duty.returned:
        open_ = duty.quantity - duty.returned
        raise MoreThanIssued(f"{open_} to come back, not {quantity}", issued=float(open_), returning=float(quantity))
    if target.kind not in OLD_PART_KINDS:
        raise Invalid(
            "an old part goes to quarantine, a repair shop or scrap",
            field="to_location_id",
            kinds=sorted(OLD_PART_KINDS),
        )
    part = _part(session, duty, part_id)
    owner = duty.organisation_id
    name = (serial or duty.serial_expected) if part.tracking == "serial" else None
    found = serial_of(session, owner, part, name, now, make=True, condition="installed")
    old_lot = lot_of(session, owner, part, lot or UNKNOWN_LOT, now, make=True) if part.tracking == "lot" else None
    line = Line(part, quantity, account(session, owner, "customer", now), target, old_lot, found)
    work = Work(duty.work_order_id, duty.work_order_number or "") if duty.work_order_id else None
    movement = post(
        session,
        Posting(
            "old_part_return",
            owner,
            [line],
            now,
            now,
            by=by,
            work=work,
            asset_id=duty.asset_id,
            reference=Reference("old_part_duty", duty.id, duty.work_order_number or ""),
            operation_id=operation_id,
            condition="scrapped" if target.kind == "scrap" else "defective",
            note=note,
        ),
    )
    duty.returned += quantity
    _close_when_done(duty, now, by, None)
    asset = session.get(Asset, duty.asset_id) if duty.asset_id else None
    if asset is not None:
        machines.old_part_out(session, asset, movement, line, by, work, now)
    session.flush()
    return movement


def _part(session: Session, duty: OldPartDuty, part_id: UUID | None) -> Part:
    if part_id is None or part_id == duty.part_id:
        return get_part(session, duty.part_id)
    if duty.part_id not in successors_of(session, part_id):
        raise Invalid("this item was not the predecessor of what was issued", field="part_id")
    return get_part(session, part_id)


def waive(session: Session, duty: OldPartDuty, reason: str, now: datetime, by: Actor) -> None:
    """Say why the old part does not come (the duty is locked). Raises Conflict."""
    _require_open(duty)
    duty.state, duty.reason, duty.closed_at, duty.closed_by_id = "waived", reason, now, by.person_id
    session.flush()
    append_event(
        session,
        "old_part.waived",
        at=now,
        organisation_id=duty.organisation_id,
        subject_kind="old_part_duty",
        subject_id=duty.id,
        actor_kind=by.kind,
        actor_id=by.person_id,
        payload={"reason": reason, "work_order": duty.work_order_number},
    )
