"""Tools: who has which, since when, and what an hour of it costs; custody is a movement in the ledger."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from assets.base.access import Actor
from assets.base.db import Base, Identified, Owned
from assets.base.errors import Conflict, Invalid, NotFound
from assets.base.events import append_event
from assets.people import Person
from assets.registry import Asset
from assets.stock import machines
from assets.stock.covered import in_warranty, verdicts_on
from assets.stock.items import Part
from assets.stock.ledger import Line, Posting, Reference, Work, place_of_serial, post, serial_of
from assets.stock.places import StockLocation, account, lock_stock, personal_place
from assets.stock.prices import check_currency, check_money, quote
from assets.stock.tables import StockSerial
from assets.stock.words import MONEY, NETTABLE, PERSONAL, QUANTITY
from assets.warranty.facts import Line as Judged

MAX_HOURS = Decimal(1000)  # of one entry


class Tool(Identified, Owned, Base):
    """One tool: a serial of an item of kind 'tool', with its rate. Where it is the ledger says."""

    __tablename__ = "tools"

    number: Mapped[str] = mapped_column(Text)
    name_en: Mapped[str] = mapped_column(Text)
    name_zh: Mapped[str] = mapped_column(Text)
    part_id: Mapped[UUID] = mapped_column(ForeignKey("parts.id"), index=True)
    serial_id: Mapped[UUID] = mapped_column(ForeignKey("stock_serials.id"), unique=True)
    hourly_rate: Mapped[Decimal | None] = mapped_column(MONEY)
    currency: Mapped[str | None] = mapped_column(Text)
    calibration_due_on: Mapped[date | None]
    retired_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column()

    __table_args__ = (UniqueConstraint("organisation_id", "number"), Index("ix_tools_number", "number", "id"))
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class ToolHours(Identified, Owned, Base):
    """Hours of a tool for an order, at the rate that held then. Orders and assets are named without keys."""

    __tablename__ = "tool_hours"

    tool_id: Mapped[UUID] = mapped_column(ForeignKey("tools.id"), index=True)
    work_order_id: Mapped[UUID | None] = mapped_column(index=True)
    work_order_number: Mapped[str | None] = mapped_column(Text)
    asset_id: Mapped[UUID | None] = mapped_column(index=True)
    person_id: Mapped[UUID | None]
    hours: Mapped[Decimal] = mapped_column(QUANTITY)
    rate: Mapped[Decimal | None] = mapped_column(MONEY)
    currency: Mapped[str | None] = mapped_column(Text)
    occurred_at: Mapped[datetime]

    __table_args__ = (CheckConstraint("hours > 0", name="some"),)


def add_tool(
    session: Session, tool: Tool, part: Part, serial: str, place: StockLocation, now: datetime, by: Actor
) -> Tool:
    """Register a tool that stands at a place, or that a receipt has brought there. Raises Conflict, Invalid."""
    if part.kind != "tool" or part.tracking != "serial":
        raise Invalid("an item of kind 'tool', followed by serials", field="part_id")
    if place.kind not in NETTABLE:
        raise Invalid(f"no tool is kept at a {place.kind}", field="location_id")
    check_rate(tool)
    lock_stock(session, tool.organisation_id)
    taken = select(Tool.id).where(Tool.organisation_id == tool.organisation_id, Tool.number == tool.number)
    if session.scalar(taken):
        raise Conflict(f"there is a tool {tool.number!r} already", number=tool.number)
    found = serial_of(session, tool.organisation_id, part, serial, now, make=True)
    if found is None:
        raise Invalid("a tool has a serial", field="serial")
    if session.scalar(select(Tool.id).where(Tool.serial_id == found.id)):
        raise Conflict(f"{serial} is registered already", serial=serial)
    if place_of_serial(session, found) is None:
        line = Line(part, Decimal(1), account(session, tool.organisation_id, "adjustment", now), place, None, found)
        post(session, Posting("adjust", tool.organisation_id, [line], now, now, by=by, reason="tool registered"))
    tool.part_id, tool.serial_id, tool.created_at = part.id, found.id, now
    session.add(tool)
    session.flush()
    return tool


def check_rate(tool: Tool) -> None:
    """Raise Invalid for a rate that cannot be."""
    if tool.hourly_rate is None:
        return
    check_money(tool.hourly_rate, "hourly_rate")
    if not tool.currency:
        raise Invalid("a rate needs its currency", field="currency")
    check_currency(tool.currency)


def get_tool(session: Session, tool_id: UUID, *, lock: bool = False) -> Tool:
    """Return a tool; `lock` the stock of its organisation too. Raises NotFound."""
    tool = session.get(Tool, tool_id)
    if tool is None:
        raise NotFound("no such tool", kind="tool")
    if lock:
        lock_stock(session, tool.organisation_id)
        session.refresh(tool, with_for_update=True)
    return tool


def place_of(session: Session, tool: Tool) -> StockLocation | None:
    """Return where a tool is."""
    at = place_of_serial(session, session.get_one(StockSerial, tool.serial_id))
    return session.get(StockLocation, at) if at else None


def state_of(tool: Tool, place: StockLocation | None) -> str:
    """Return 'retired', 'in_custody' (with a person or in a van) or 'available'."""
    if tool.retired_at is not None:
        return "retired"
    return "in_custody" if place is not None and place.kind in PERSONAL else "available"


def hand_over(
    session: Session,
    tool: Tool,
    now: datetime,
    by: Actor,
    *,
    person: Person | None = None,
    place: StockLocation | None = None,
    note: str | None = None,
) -> None:
    """Give a tool to a person or put it at a place (locked). Raises Conflict when it is there already, Invalid."""
    if person is not None and place is None:
        place = personal_place(session, person, tool.organisation_id, now)
    elif person is not None or place is None:
        raise Invalid("to a person or to a place", field="person_id")
    if tool.retired_at is not None:
        raise Conflict(f"{tool.number} is retired", state="retired")
    if place.kind not in NETTABLE or not place.active:
        raise Invalid(f"no tool is kept at a {place.kind}", field="location_id")
    source = place_of(session, tool)
    if source is None:
        raise Conflict(f"{tool.number} is nowhere", state="lost")
    if source.id == place.id:
        raise Conflict(f"{tool.number} is there already", location=place.code)
    part = session.get_one(Part, tool.part_id)
    line = Line(part, Decimal(1), source, place, None, session.get_one(StockSerial, tool.serial_id))
    paper = Reference("tool", tool.id, tool.number)
    post(session, Posting("custody", tool.organisation_id, [line], now, now, by=by, reference=paper, note=note))


def _covered(
    session: Session, asset: Asset | None, work: Work | None, hours: Decimal, at: datetime, now: datetime
) -> bool | None:
    """A tool's hours are labour to a warranty."""
    if asset is None:
        return None
    [found] = verdicts_on(session, asset, [Judged("tool", "labour", quantity=float(hours))], at, now, work)
    return in_warranty(found.verdict)


def use_hours(
    session: Session,
    tool: Tool,
    hours: Decimal,
    occurred_at: datetime,
    by: Actor,
    *,
    work: Work | None,
    asset: Asset | None,
    now: datetime | None = None,
) -> ToolHours:
    """Note hours of a tool for an order: at the price book's rate, else its own. Raises Invalid, Conflict."""
    if not hours.is_finite() or not 0 < hours <= MAX_HOURS:
        raise Invalid(f"hours are above 0 and at most {MAX_HOURS}", field="hours")
    if tool.retired_at is not None:
        raise Conflict(f"{tool.number} is retired", state="retired")
    price = quote(
        session,
        tool.organisation_id,
        on=occurred_at.date(),
        tool_id=tool.id,
        customer_id=asset.customer_id if asset else None,
        in_warranty=_covered(session, asset, work, hours, occurred_at, now or occurred_at),
    )
    made = ToolHours(
        organisation_id=tool.organisation_id,
        tool_id=tool.id,
        work_order_id=work.id if work else None,
        work_order_number=work.number if work else None,
        asset_id=asset.id if asset else None,
        person_id=by.person_id,
        hours=hours,
        rate=price.unit_price if price else tool.hourly_rate,
        currency=price.currency if price else tool.currency,
        occurred_at=occurred_at,
    )
    session.add(made)
    session.flush()
    if asset is not None:
        _note(session, tool, made, asset, by)
    return made


def _note(session: Session, tool: Tool, made: ToolHours, asset: Asset, by: Actor) -> None:
    append_event(
        session,
        "tool.used",
        at=made.occurred_at,
        organisation_id=asset.organisation_id,
        executing_organisation_id=None if machines.is_ours(session, asset) else tool.organisation_id,
        subject_kind="asset",
        subject_id=asset.id,
        asset_id=asset.id,
        actor_kind=by.kind,
        actor_id=by.person_id,
        payload={
            "tool": tool.number,
            "name_en": tool.name_en,
            "name_zh": tool.name_zh,
            "hours": float(made.hours),
            "work_order": made.work_order_number,
        },
    )


def hours_of(session: Session, tool_id: UUID) -> Decimal:
    """Return all hours of a tool."""
    return Decimal(
        session.scalar(select(func.coalesce(func.sum(ToolHours.hours), 0)).where(ToolHours.tool_id == tool_id)) or 0
    )
