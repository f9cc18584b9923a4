"""A small store in a real database: two warehouses, a van, items of each kind of tracking, and a machine."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.access import Actor, Role
from assets.base.db import Database
from assets.people import add_organisation, add_person
from assets.registry import Asset, add_asset
from assets.stock.items import Part, add_part
from assets.stock.ledger import Work
from assets.stock.operations import Result, submit
from assets.stock.places import StockLocation, add_location
from assets.stock.tables import StockBalance
from tests.assets.conftest import NOW

T = TypeVar("T")


class Store:
    """Ids of everything, so that each transaction loads its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        with database.as_service() as session:
            organisation = add_organisation(session, kind="operator", name="O", now=NOW)
            self.owner = organisation.id
            self.tess = add_person(
                session, organisation_id=self.owner, name="Tess", roles=[Role.TECHNICIAN], now=NOW
            ).id
            self.keeper = Actor("person", self.owner, frozenset({Role.ADMINISTRATOR}), uuid4(), "Keeper")
            self.technician = Actor("person", self.owner, frozenset({Role.TECHNICIAN}), self.tess, "Tess")
            self.main = self.place(session, "MAIN", "warehouse")
            self.bin = self.place(session, "MAIN-1", "bin", parent_id=self.main)
            self.van = self.place(session, "VAN", "van", person_id=self.tess, supplied_from_id=self.main)
            self.quarantine = self.place(session, "Q", "quarantine")
            self.shop = self.place(session, "SHOP", "repair_shop")
            self.seal = self.part(session, "SEAL")
            self.grease = self.part(session, "GREASE", kind="consumable", unit="kg", decimals=3)
            self.filter = self.part(session, "FILTER", tracking="lot", old_part_return=True)
            self.drive = self.part(
                session, "DRIVE", kind="rotable", tracking="serial", old_part_return=True, standard_cost=Decimal(900)
            )
            asset = Asset(organisation_id=self.owner, serial="P-1", name="P-1", created_at=NOW)
            self.asset = add_asset(session, asset, NOW).id
        self.work = Work(uuid4(), "WO-1")

    def place(self, session: Session, code: str, kind: str, **more: Any) -> UUID:
        """Add a location; return its id."""
        made = StockLocation(organisation_id=self.owner, code=code, name=code, kind=kind, created_at=NOW, **more)
        return add_location(session, made).id

    def part(self, session: Session, number: str, **more: Any) -> UUID:
        """Add an item; return its id."""
        facts = {"kind": "part", "unit": "pcs", "decimals": 0, "tracking": "none", "currency": "EUR", "active": True}
        made = Part(
            organisation_id=self.owner, number=number, name_en=number, name_zh=number, created_at=NOW, **facts | more
        )
        return add_part(session, made).id

    def resolve(self, session: Session, body: dict[str, Any]) -> tuple[Work | None, Asset | None]:
        """Every order is WO-1, every machine P-1."""
        asset = session.get(Asset, self.asset) if body.get("asset_id") or body.get("work_order") else None
        return (self.work if body.get("work_order") else None), asset

    def do(
        self, kind: str, *lines: dict[str, Any], by: Actor | None = None, now: datetime = NOW, **more: Any
    ) -> Result:
        """Submit an operation in a transaction of its own, as the actor."""
        actor = by or self.keeper
        with self.database.as_actor(actor) as session:
            return submit(session, {"kind": kind, "lines": list(lines), **more}, actor, now, self.resolve)

    def stock(self, part: UUID, place: UUID, quantity: float = 1, **more: Any) -> Result:
        """Bring something in."""
        line = {"part_id": part, "to_location_id": place, "quantity": quantity, **more}
        return self.do("adjust", line, reason="opening")

    def issue(self, part: UUID, place: UUID, quantity: float = 1, *, by: Actor | None = None, **more: Any) -> Result:
        """Use something for the order."""
        line_keys = {key: more.pop(key) for key in ("lot", "serial") if key in more}
        line = {"part_id": part, "from_location_id": place, "quantity": quantity, **line_keys}
        return self.do("issue", line, by=by, work_order="WO-1", **more)

    def at(self, part: UUID, place: UUID) -> Decimal:
        """How much is there, over all lots and serials."""
        with self.database.as_service() as session:
            rows = select(StockBalance.quantity).where(StockBalance.part_id == part, StockBalance.location_id == place)
            return sum(session.scalars(rows), Decimal(0))

    def run(self, work: Callable[[Session], T], by: Actor | None = None) -> T:
        """Do something in a transaction as an actor."""
        with self.database.as_actor(by or self.keeper) as session:
            return work(session)
