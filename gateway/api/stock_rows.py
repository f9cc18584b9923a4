"""What every answer about stock names: items, places, people, orders and machines, by id and by name."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import Header
from pydantic import BaseModel, Field, PlainSerializer, StringConstraints
from sqlalchemy import select

from assets.base.errors import Invalid
from assets.people import Person
from assets.registry import Asset
from assets.stock.items import Part
from assets.stock.ledger import Work
from assets.stock.places import StockLocation
from assets.stock.tables import StockLot, StockSerial
from assets.stock.words import MAX_NAME, MAX_NOTE, MAX_NUMBER
from gateway.api.deps import Context
from ticketing.models import WorkOrder
from ticketing.work_orders import StaleVersion

# At most nine digits before the point and four behind it: a JSON number holds them exactly.
Amount = Annotated[Decimal, PlainSerializer(float, return_type=float)]
AmountIn = Annotated[Decimal, Field(max_digits=13, decimal_places=4, ge=0)]
Number = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NUMBER)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NAME)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_NOTE)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NOTE)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
IfMatch = Annotated[str | None, Header(description="the version that the change is based on")]


class PartRef(BaseModel):
    """An item by number and names."""

    id: UUID
    number: str
    name_en: str
    name_zh: str
    unit: str


class PlaceRef(BaseModel):
    """A stock location by code and name."""

    id: UUID
    code: str
    name: str
    kind: str


class PersonRef(BaseModel):
    """A person by name."""

    id: UUID
    name: str


class AssetRef(BaseModel):
    """A machine by name and serial."""

    id: UUID
    name: str
    serial: str


class OrderRef(BaseModel):
    """A work order by number."""

    id: UUID
    number: str


class PaperRef(BaseModel):
    """The paper behind a movement."""

    kind: str
    id: UUID
    number: str


def part_ref(part: Part) -> PartRef:
    """Return an item's name."""
    return PartRef(id=part.id, number=part.number, name_en=part.name_en, name_zh=part.name_zh, unit=part.unit)


def place_ref(place: StockLocation) -> PlaceRef:
    """Return a place's name."""
    return PlaceRef(id=place.id, code=place.code, name=place.name, kind=place.kind)


def order_ref(work_order_id: UUID | None, number: str | None) -> OrderRef | None:
    """Return the order that a row names."""
    return OrderRef(id=work_order_id, number=number or "") if work_order_id else None


class Names:
    """The names of everything that the rows of one page point to, each kind asked for once."""

    def __init__(self, here: Context) -> None:
        self._session = here.session
        self._parts: dict[UUID, Part] = {}
        self._places: dict[UUID, StockLocation] = {}
        self._people: dict[UUID, str] = {}
        self._assets: dict[UUID, Asset] = {}
        self._lots: dict[UUID, str] = {}
        self._serials: dict[UUID, StockSerial] = {}

    def load(
        self,
        *,
        parts: Iterable[UUID | None] = (),
        places: Iterable[UUID | None] = (),
        people: Iterable[UUID | None] = (),
        assets: Iterable[UUID | None] = (),
        lots: Iterable[UUID | None] = (),
        serials: Iterable[UUID | None] = (),
    ) -> Names:
        """Fetch the names behind ids."""
        self._parts |= {row.id: row for row in self._rows(Part, parts)}
        self._places |= {row.id: row for row in self._rows(StockLocation, places)}
        self._people |= {row.id: row.name for row in self._rows(Person, people)}
        self._assets |= {row.id: row for row in self._rows(Asset, assets)}
        self._lots |= {row.id: row.lot for row in self._rows(StockLot, lots)}
        self._serials |= {row.id: row for row in self._rows(StockSerial, serials)}
        return self

    def _rows(self, model: type[Any], keys: Iterable[UUID | None]) -> Iterable[Any]:
        wanted = {key for key in keys if key is not None}
        return self._session.scalars(select(model).where(model.id.in_(wanted))) if wanted else ()

    def part(self, key: UUID) -> PartRef:
        """Return an item's name; one that the caller may not see has none."""
        part = self._parts.get(key)
        return part_ref(part) if part else PartRef(id=key, number="?", name_en="?", name_zh="?", unit="")

    def place(self, key: UUID | None) -> PlaceRef | None:
        """Return a place's name."""
        place = self._places.get(key) if key else None
        return place_ref(place) if place else None

    def person(self, key: UUID | None) -> PersonRef | None:
        """Return a person's name."""
        return PersonRef(id=key, name=self._people[key]) if key and key in self._people else None

    def asset(self, key: UUID | None) -> AssetRef | None:
        """Return a machine's name."""
        asset = self._assets.get(key) if key else None
        return AssetRef(id=asset.id, name=asset.name, serial=asset.serial) if asset else None

    def lot(self, key: UUID | None) -> str | None:
        """Return a lot."""
        return self._lots.get(key) if key else None

    def serial(self, key: UUID | None) -> StockSerial | None:
        """Return a serial."""
        return self._serials.get(key) if key else None


def check_version(if_match: str | None, version: int, name: str) -> None:
    """Raise StaleVersion when the change was based on another version, Invalid for what is no version."""
    wanted = (if_match or "").strip().removeprefix("W/").strip('"')
    if not wanted:
        return
    if not wanted.isdigit():
        raise Invalid("If-Match holds a version number", field="If-Match")
    if int(wanted) != version:
        raise StaleVersion(
            f"{name} changed in the meantime", expected=int(wanted), version=version, yours=int(wanted), current=version
        )


def work_of(here: Context, work_order_id: UUID | None, number: str | None) -> tuple[Work | None, Asset | None]:
    """Return the order that is named by id or number, and its machine. Raises Invalid."""
    if work_order_id is None and not number:
        return None, None
    found = select(WorkOrder).where(WorkOrder.id == work_order_id if work_order_id else WorkOrder.number == number)
    order = here.session.scalar(found)
    if order is None:
        raise Invalid("no such work order", field="work_order")
    return Work(order.id, order.number), here.session.get(Asset, order.asset_id)


def asset_of(here: Context, asset_id: UUID | None) -> Asset | None:
    """Return a machine that the caller may see. Raises Invalid."""
    if asset_id is None:
        return None
    asset = here.session.get(Asset, asset_id)
    if asset is None:
        raise Invalid("no such asset", field="asset_id")
    return asset
