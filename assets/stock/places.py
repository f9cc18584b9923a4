"""Where stock can be: shelves, vans, people, and the accounts that things come from and go to; the operator's mode."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Select, Text, UniqueConstraint, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from assets.base.db import Base, Identified, Owned
from assets.base.errors import Conflict, Invalid, NotFound
from assets.people import Organisation, Person
from assets.stock.errors import StockMode
from assets.stock.words import MADE_BY_ITSELF, MADE_BY_PEOPLE, MODES, NETTABLE, PERSONAL

MAX_DEPTH = 6  # warehouse, hall, rack, shelf, bin, box


class StockSettings(Identified, Owned, Base):
    """How an organisation, and those below it without settings of their own, keep stock."""

    __tablename__ = "stock_settings"

    mode: Mapped[str] = mapped_column(Text, default="full")
    over_receipt_percent: Mapped[Decimal] = mapped_column(default=Decimal(0))
    old_part_days: Mapped[int] = mapped_column(default=14)
    currency: Mapped[str] = mapped_column(Text, default="CNY")
    version: Mapped[int] = mapped_column()

    __table_args__ = (UniqueConstraint("organisation_id"),)
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class StockLocation(Identified, Owned, Base):
    """A place or an account. Its kind stays: balances rest on it."""

    __tablename__ = "stock_locations"

    code: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("stock_locations.id"), index=True)
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"), index=True)
    site_id: Mapped[UUID | None] = mapped_column(ForeignKey("sites.id", ondelete="SET NULL"), index=True)
    supplied_from_id: Mapped[UUID | None] = mapped_column(ForeignKey("stock_locations.id"), index=True)
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column()

    __table_args__ = (
        UniqueConstraint("organisation_id", "code"),
        Index("ix_stock_locations_code", "code", "id"),
    )
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


DEFAULTS = StockSettings(mode="full", over_receipt_percent=Decimal(0), old_part_days=14, currency="CNY", version=0)


def settings_of(session: Session, organisation_id: UUID) -> StockSettings:
    """Return the settings that an organisation follows: its own, the nearest above, or the defaults."""
    line = session.scalar(select(Organisation.ancestors).where(Organisation.id == organisation_id)) or []
    rows = select(StockSettings).where(StockSettings.organisation_id.in_(line))
    found = {each.organisation_id: each for each in session.scalars(rows)}
    return next((found[each] for each in reversed(line) if each in found), DEFAULTS)


def check_mode(mode: str) -> str:
    """Return a mode. Raises Invalid."""
    if mode not in MODES:
        raise Invalid(f"mode is one of: {', '.join(MODES)}", field="mode", allowed=list(MODES))
    return mode


def require_stock(session: Session, organisation_id: UUID, *, warehouse: bool = False) -> str:
    """Return the mode. Raises StockMode where no stock is kept, or (`warehouse`) where only engineers keep it."""
    mode = settings_of(session, organisation_id).mode
    if mode == "simple" or (warehouse and mode == "personal"):
        raise StockMode(f"the mode {mode!r} does not have this", mode=mode)
    return mode


def allow_place(mode: str, location: StockLocation) -> None:
    """Raise StockMode when the mode knows no stock at such a place."""
    if mode == "personal" and location.kind in NETTABLE - PERSONAL:
        raise StockMode(f"in the mode {mode!r} only people and vans hold stock", mode=mode, location=location.code)


def lock_stock(session: Session, organisation_id: UUID) -> None:
    """Let one transaction at a time change an organisation's stock: what is checked stays true until the commit."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:o, 12))"), {"o": f"stock {organisation_id}"})


def account(session: Session, organisation_id: UUID, kind: str, now: datetime) -> StockLocation:
    """Return the organisation's one location of a kind that is made by itself; make it when missing (stock locked)."""
    if kind not in MADE_BY_ITSELF:
        raise Invalid(f"a {kind} is made by people", field="kind")
    mine = select(StockLocation).where(
        StockLocation.organisation_id == organisation_id, StockLocation.kind == kind, StockLocation.parent_id.is_(None)
    )
    found = session.scalar(mine.order_by(StockLocation.id).limit(1))
    if found is not None:
        return found
    code = kind.upper()
    while session.scalar(
        select(StockLocation.id).where(StockLocation.organisation_id == organisation_id, StockLocation.code == code)
    ):
        code += "-"
    found = StockLocation(
        organisation_id=organisation_id, code=code, name=kind.replace("_", " ").capitalize(), kind=kind, created_at=now
    )
    session.add(found)
    session.flush()
    return found


def add_location(session: Session, location: StockLocation) -> StockLocation:
    """Add a place. Raises Conflict for a code that is taken, Invalid for what cannot be."""
    if location.kind not in MADE_BY_PEOPLE:
        raise Invalid(f"kind is one of: {', '.join(MADE_BY_PEOPLE)}", field="kind", allowed=list(MADE_BY_PEOPLE))
    allow_place(settings_of(session, location.organisation_id).mode, location)
    check_location(session, location)
    taken = select(StockLocation.id).where(
        StockLocation.organisation_id == location.organisation_id, StockLocation.code == location.code
    )
    if session.scalar(taken):
        raise Conflict(f"there is a location {location.code!r} already", code=location.code)
    session.add(location)
    session.flush()
    return location


def check_location(session: Session, location: StockLocation) -> None:
    """Raise Invalid for a circle, another owner's place, or a bin that lies in nothing."""
    if location.kind == "bin" and location.parent_id is None:
        raise Invalid("a bin lies in a warehouse", field="parent_id")
    if location.kind in PERSONAL and location.person_id is None and location.kind == "person":
        raise Invalid("whose stock it is", field="person_id")
    if location.person_id is not None and session.get(Person, location.person_id) is None:
        raise Invalid("no such person", field="person_id")
    for field in ("parent_id", "supplied_from_id"):
        other = getattr(location, field)
        if other is not None:
            _check_way(session, location, field, other)


def _check_way(session: Session, location: StockLocation, field: str, other: UUID) -> None:
    """Follow parents, or suppliers, upwards: never back to oneself, never to another owner's."""
    session.execute(text("SELECT pg_advisory_xact_lock(7301956)"))
    seen = 0
    step: UUID | None = other
    while step is not None:
        found = session.get(StockLocation, step)
        if found is None or found.organisation_id != location.organisation_id:
            raise Invalid("no such location of the same organisation", field=field)
        seen += 1
        if found.id == location.id or seen > MAX_DEPTH:
            raise Invalid(f"locations form a tree of at most {MAX_DEPTH} levels", field=field, limit=MAX_DEPTH)
        if field == "parent_id" and (found.kind in MADE_BY_ITSELF or found.kind in PERSONAL):
            raise Invalid(f"nothing lies in a {found.kind}", field=field)
        step = getattr(found, field)


def get_location(session: Session, location_id: UUID, field: str = "location_id") -> StockLocation:
    """Return a place that the caller may see. Raises Invalid."""
    location = session.get(StockLocation, location_id)
    if location is None:
        raise Invalid("no such stock location", field=field)
    return location


def find_location(session: Session, location_id: UUID, *, lock: bool = False) -> StockLocation:
    """Return a place by its address. Raises NotFound."""
    location = session.get(StockLocation, location_id, with_for_update=lock)
    if location is None:
        raise NotFound("no such stock location", kind="stock_location")
    return location


def within(location_id: UUID) -> Select[tuple[UUID]]:
    """Return the query for a place and all that lies below it."""
    below = select(StockLocation.id).where(StockLocation.id == location_id).cte(recursive=True)
    below = below.union(select(StockLocation.id).join(below, StockLocation.parent_id == below.c.id))
    return select(below.c.id)


def root_of(session: Session, location: StockLocation) -> StockLocation:
    """Return what a bin lies in, in the end; promises are made for that."""
    seen = location
    for _ in range(MAX_DEPTH):
        if seen.parent_id is None:
            return seen
        seen = session.get_one(StockLocation, seen.parent_id)
    return seen


def personal_place(session: Session, person: Person, organisation_id: UUID, now: datetime) -> StockLocation:
    """Return a person's own stock, made when missing (stock locked)."""
    mine = select(StockLocation).where(
        StockLocation.organisation_id == organisation_id,
        StockLocation.person_id == person.id,
        StockLocation.kind == "person",
    )
    found = session.scalar(mine.order_by(StockLocation.id).limit(1))
    if found is None:
        found = StockLocation(
            organisation_id=organisation_id,
            code=f"P-{person.id.hex[-10:].upper()}",
            name=person.name,
            kind="person",
            person_id=person.id,
            created_at=now,
        )
        session.add(found)
        session.flush()
    return found
