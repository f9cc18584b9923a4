"""The demo's stock: a depot of its own with bins and vans, minimums, a purchase order, a transfer and a tool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from assets.base.access import Actor, Role
from assets.people import Organisation, Person, add_organisation
from assets.registry import AssetModel
from assets.stock import promises, purchasing, transfers
from assets.stock.items import Part, add_part, set_models, supersede
from assets.stock.numbers import next_number
from assets.stock.places import StockLocation, StockSettings, add_location
from assets.stock.prices import PriceBook, check_book, set_prices
from assets.stock.replenishment import set_level
from assets.stock.tools import Tool, add_tool

CURRENCY = "GBP"
_Kind = tuple[str, str, int, str]  # kind, unit, decimals, tracking
_PART: _Kind = ("part", "pcs", 0, "none")
_USED: _Kind = ("consumable", "pcs", 0, "none")
_ROTABLE: _Kind = ("rotable", "pcs", 0, "serial")
# number, English, Chinese, kind, cost, models
_PARTS: tuple[tuple[str, str, str, _Kind, str, str], ...] = (
    ("BRG-6308", "Deep groove ball bearing 6308", "深沟球轴承 6308", _PART, "18.40", "pump fan"),
    ("SEAL-CP80", "Mechanical seal CP-80", "机械密封 CP-80", _PART, "96.00", "pump"),
    ("SEAL-CP80-B", "Mechanical seal CP-80, carbide", "机械密封 CP-80 碳化物", _PART, "118.00", "pump"),
    ("FIL-SC55", "Oil filter SC-55", "机油滤清器 SC-55", _USED, "31.50", "compressor"),
    ("OIL-46", "Compressor oil VG 46", "压缩机油 VG 46", ("consumable", "L", 1, "lot"), "7.20", "compressor"),
    ("BELT-SPA", "V-belt SPA 1800", "三角带 SPA 1800", _USED, "14.90", "fan"),
    ("FLT-G4", "Panel filter G4, 592 x 592", "板式过滤器 G4 592 x 592", _USED, "9.80", "fan"),
    ("R134A", "Refrigerant R-134a", "制冷剂 R-134a", ("consumable", "kg", 2, "lot"), "24.00", "chiller"),
    ("PT-25", "Pressure transmitter 25 bar", "压力变送器 25 bar", _ROTABLE, "142.00", "chiller compressor"),
    ("MOT-FAN-4", "Fan motor 4 kW", "风机电机 4 kW", _ROTABLE, "415.00", "fan"),
    ("VIB-1", "Vibration analyser", "振动分析仪", ("tool", "pcs", 0, "serial"), "2900.00", ""),
)
_BOUGHT = {"BRG-6308": 12, "SEAL-CP80": 2, "SEAL-CP80-B": 4, "FIL-SC55": 8, "OIL-46": 60, "BELT-SPA": 6, "FLT-G4": 24,
           "R134A": 20, "PT-25": 2, "MOT-FAN-4": 1}  # fmt: skip
_SERIALS = {"PT-25": ("PT25-0417", "PT25-0418"), "MOT-FAN-4": ("FM4-2203",)}
_BIN_OF = {"OIL-46": "DEPOT-OIL", "R134A": "DEPOT-OIL"}
_SENT = {"BRG-6308": 4, "FIL-SC55": 2, "BELT-SPA": 2}  # to Tom's van, long ago
_ON_ITS_WAY = {"FLT-G4": 6, "BRG-6308": 2}  # to Li Wei's van, not confirmed yet
_LEVELS = (  # place, item, minimum, maximum
    ("DEPOT-A1", "BRG-6308", 8, 20),
    ("DEPOT-A1", "FIL-SC55", 4, 12),
    ("DEPOT-A1", "FLT-G4", 12, 36),
    ("DEPOT-OIL", "OIL-46", 40, 120),
    ("VAN-TOM", "BRG-6308", 2, 6),
    ("VAN-TOM", "FLT-G4", 4, 8),
    ("VAN-LI", "FIL-SC55", 1, 3),
)


@dataclass
class _Depot:
    session: Session
    owner: Organisation
    by: Actor
    now: datetime
    parts: dict[str, Part] = field(default_factory=dict)
    places: dict[str, StockLocation] = field(default_factory=dict)


def load_stock(
    session: Session,
    operator: Organisation,
    people: Mapping[str, Person],
    models: Mapping[str, AssetModel],
    now: datetime,
) -> None:
    """Fill a depot below the operator: an organisation of the demo, so that its ledger can go with it."""
    owner = add_organisation(session, kind="partner", name="Northgate depot", parent=operator, now=now, demo=True)
    session.flush()
    keeper = people["Sam Storekeeper"]
    by = Actor("person", operator.id, frozenset({Role.STOREKEEPER}), keeper.id, keeper.name)
    session.add(StockSettings(organisation_id=owner.id, currency=CURRENCY))
    depot = _Depot(session, owner, by, now)
    _parts(depot, models)
    _places(depot, people)
    _buy(depot)
    _transfer(depot)
    for place, number, least, most in _LEVELS:
        set_level(session, depot.places[place], depot.parts[number], Decimal(least), Decimal(most))
    _promise(depot)
    _tool_and_prices(depot)


def _parts(depot: _Depot, models: Mapping[str, AssetModel]) -> None:
    for number, en, zh, (kind, unit, decimals, tracking), cost, fits in _PARTS:
        part = Part(
            organisation_id=depot.owner.id,
            number=number,
            name_en=en,
            name_zh=zh,
            kind=kind,
            unit=unit,
            decimals=decimals,
            tracking=tracking,
            standard_cost=Decimal(cost),
            currency=CURRENCY,
            supplier="Bearings & Drives Ltd",
            lead_time_days=5,
            old_part_return=kind == "rotable" or number.startswith("SEAL"),
            created_at=depot.now,
        )
        depot.parts[number] = add_part(depot.session, part)
        set_models(depot.session, part, [models[model].id for model in fits.split()])
    supersede(depot.session, depot.parts["SEAL-CP80"], depot.parts["SEAL-CP80-B"])


def _places(depot: _Depot, people: Mapping[str, Person]) -> None:
    tom, li = people["Tom Technician"], people["Li Wei 李伟"]
    rows: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
        ("DEPOT", "Northgate depot", "warehouse", {}),
        ("DEPOT-A1", "Rack A, shelf 1", "bin", {"parent": "DEPOT"}),
        ("DEPOT-OIL", "Oil and gas store", "bin", {"parent": "DEPOT"}),
        ("QUARANTINE", "Quarantine cage", "quarantine", {}),
        ("WORKSHOP", "Motor workshop", "repair_shop", {}),
        ("VAN-TOM", "Tom's van", "van", {"person": tom, "supplied": "DEPOT"}),
        ("VAN-LI", "Li Wei's van 李伟的车", "van", {"person": li, "supplied": "DEPOT"}),
    )
    for code, name, kind, more in rows:
        place = StockLocation(
            organisation_id=depot.owner.id,
            code=code,
            name=name,
            kind=kind,
            parent_id=depot.places[more["parent"]].id if "parent" in more else None,
            person_id=more["person"].id if "person" in more else None,
            supplied_from_id=depot.places[more["supplied"]].id if "supplied" in more else None,
            created_at=depot.now,
        )
        depot.places[code] = add_location(depot.session, place)


def _order(depot: _Depot, supplier: str, wanted: Mapping[str, int], at: datetime) -> purchasing.PurchaseOrder:
    made = purchasing.PurchaseOrder(
        organisation_id=depot.owner.id,
        supplier=supplier,
        currency=CURRENCY,
        location_id=depot.places["DEPOT"].id,
        expected_on=(at + timedelta(days=5)).date(),
    )
    lines = [purchasing.Wanted(depot.parts[number].id, Decimal(quantity)) for number, quantity in wanted.items()]
    purchasing.order(depot.session, made, lines, at, depot.by)
    purchasing.move_order(depot.session, made, "ordered", at, depot.by)
    return made


def _buy(depot: _Depot) -> None:
    """One order that came whole two months ago, and one that the storekeeper may receive now."""
    at = depot.now - timedelta(days=60)
    made = _order(depot, "Bearings & Drives Ltd", _BOUGHT, at)
    number_of = {part.id: number for number, part in depot.parts.items()}
    arrived = []
    for line in purchasing.lines_of(depot.session, made.id):
        number = number_of[line.part_id]
        arrived.append(
            purchasing.Arrived(
                line.id,
                line.quantity,
                lot="2026-07" if depot.parts[number].tracking == "lot" else None,
                serials=_SERIALS.get(number, ()),
                location_id=depot.places[_BIN_OF.get(number, "DEPOT-A1")].id,
            )
        )
    purchasing.receive(depot.session, made, arrived, at + timedelta(days=4), depot.by)
    wanted = {"SEAL-CP80-B": 4, "FIL-SC55": 6, "PT-25": 1}
    _order(depot, "Bearings & Drives Ltd", wanted, depot.now - timedelta(days=3))


def _send(depot: _Depot, to: str, items: Mapping[str, int], at: datetime) -> transfers.StockTransfer:
    made = transfers.StockTransfer(
        organisation_id=depot.owner.id, from_id=depot.places["DEPOT-A1"].id, to_id=depot.places[to].id
    )
    asked = [transfers.Asked(depot.parts[number].id, Decimal(quantity)) for number, quantity in items.items()]
    transfers.plan(depot.session, made, asked, at, depot.by)
    transfers.ship(depot.session, made, [], at, depot.by)
    return made


def _transfer(depot: _Depot) -> None:
    made = _send(depot, "VAN-TOM", _SENT, depot.now - timedelta(days=50))
    transfers.receive(depot.session, made, None, depot.now - timedelta(days=49), depot.by)
    _send(depot, "VAN-LI", _ON_ITS_WAY, depot.now - timedelta(hours=5))


def _promise(depot: _Depot) -> None:
    day = (depot.now + timedelta(days=4)).date()
    part, place = depot.parts["FLT-G4"], depot.places["DEPOT"]
    promises.reserve(depot.session, part, place, Decimal(4), day, depot.now, depot.by, note="Filter change, ward block")


def _tool_and_prices(depot: _Depot) -> None:
    tool = Tool(
        organisation_id=depot.owner.id,
        number=next_number(depot.session, "TL"),
        name_en="Vibration analyser",
        name_zh="振动分析仪",
        hourly_rate=Decimal("35"),
        currency=CURRENCY,
        calibration_due_on=(depot.now + timedelta(days=120)).date(),
    )
    add_tool(depot.session, tool, depot.parts["VIB-1"], "VIB1-77120", depot.places["DEPOT"], depot.now, depot.by)
    book = PriceBook(
        organisation_id=depot.owner.id,
        name="List prices",
        coverage="any",
        currency=CURRENCY,
        valid_from=(depot.now - timedelta(days=90)).date(),
    )
    check_book(depot.session, book)
    depot.session.add(book)
    depot.session.flush()
    sold = [part for part in depot.parts.values() if part.kind != "tool"]
    prices: list[tuple[Any, Any, Decimal]] = [
        (part.id, None, ((part.standard_cost or Decimal(0)) * Decimal("1.6")).quantize(Decimal("0.1"))) for part in sold
    ]
    set_prices(depot.session, book, [*prices, (None, tool.id, Decimal("48"))])
