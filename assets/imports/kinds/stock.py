"""Items and places of the stock: known by their number and code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from assets.base.errors import Invalid
from assets.imports.fields import Field
from assets.imports.kinds.base import Origin, RowKind, pages
from assets.stock.items import Part, add_part, change_part
from assets.stock.places import StockLocation, add_location
from assets.stock.words import PART_KINDS, TRACKING

_KINDS = {"part": ("备件", "配件"), "consumable": ("耗材",), "tool": ("工具",), "rotable": ("周转件",)}
_TRACKING = {"none": ("无",), "lot": ("批次",), "serial": ("序列号",)}
_STOCKED = text("SELECT EXISTS (SELECT 1 FROM stock_entries WHERE part_id = :part)")


class Parts(RowKind):
    """Items by number."""

    name, en, zh = "parts", "Parts", "物料"
    key = ("number",)
    action = "part.manage"
    read_action = "part.read"
    fields = (
        Field("number", "Part number", "物料编号", required=True, most=120, also=("number", "item", "item no", "料号")),
        Field("name_en", "Name (English)", "英文名称", required=True, also=("name en",)),
        Field("name_zh", "Name (Chinese)", "中文名称", required=True, also=("name zh",)),
        Field("kind", "Kind", "类型", "choice", choices={word: _KINDS.get(word, ()) for word in PART_KINDS}),
        Field("unit", "Unit", "单位", most=20),
        Field(
            "tracking", "Tracking", "追溯方式", "choice", choices={word: _TRACKING.get(word, ()) for word in TRACKING}
        ),
        Field("standard_cost", "Standard cost", "标准成本", "number", low=0, high=1e9),
        Field("currency", "Currency", "币种", most=3),
        Field("supplier", "Supplier", "供应商"),
        Field("supplier_number", "Supplier's number", "供应商料号", most=120),
        Field("barcode", "Barcode", "条码", most=120),
        Field("old_part_return", "Old part goes back", "旧件返还", "yes_no"),
        Field("lead_time_days", "Lead time in days", "采购周期（天）", "number", low=0, high=3650),
    )

    def store(self, session: Session, values: Mapping[str, Any], origin: Origin) -> str:
        """Store an item of the importer's own."""
        told = {name: value for name, value in values.items() if value is not None}
        if "standard_cost" in told:
            told["standard_cost"] = Decimal(str(told["standard_cost"]))
        if "lead_time_days" in told:
            told["lead_time_days"] = int(told["lead_time_days"])
        own = Part.organisation_id == origin.actor.organisation_id
        there = session.scalar(select(Part).where(own, Part.number == told["number"]))
        if there is None:
            about = {"kind": "part", "unit": "pcs", "tracking": "none"} | told
            add_part(session, Part(organisation_id=origin.actor.organisation_id, created_at=origin.now, **about))
            return "insert"
        changes = {name: value for name, value in told.items() if getattr(there, name) != value}
        if not changes:
            return "unchanged"
        change_part(session, there, changes, stocked=bool(session.scalar(_STOCKED, {"part": there.id})))
        return "update"

    def rows(self, session: Session) -> Iterator[Sequence[Any]]:
        """Yield items by number."""
        names = ", ".join(each.name for each in self.fields)
        yield from pages(session, f"SELECT {names} FROM parts ORDER BY number, id", len(self.fields))


class StockLocations(RowKind):
    """Warehouses, bins and vans by code."""

    name, en, zh = "stock_locations", "Stock locations", "库位"
    key = ("code",)
    action = "stock.manage"
    read_action = "stock.read"
    fields = (
        Field("code", "Location code", "库位编码", required=True, most=120, also=("code", "location", "库位")),
        Field("name", "Location name", "库位名称", required=True, also=("name", "名称")),
        Field(
            "kind",
            "Location kind",
            "库位类型",
            "choice",
            required=True,
            choices={
                "warehouse": ("仓库",),
                "bin": ("货位", "储位"),
                "van": ("服务车", "车辆"),
                "quarantine": ("隔离区",),
                "repair_shop": ("维修车间",),
            },
            also=("kind", "类型"),
        ),
        Field("parent", "Inside of (code)", "上级库位", "reference", most=120, also=("parent", "warehouse")),
    )

    def store(self, session: Session, values: Mapping[str, Any], origin: Origin) -> str:
        """Store a place of the importer's own; its kind stays once it is there."""
        there = self._find(session, values["code"], origin)
        parent = self._find(session, values["parent"], origin) if values["parent"] else None
        if values["parent"] and parent is None:
            raise Invalid(f"no location {values['parent']!r}", field="parent")
        if there is None:
            made = StockLocation(
                organisation_id=origin.actor.organisation_id,
                code=values["code"],
                name=values["name"],
                kind=values["kind"],
                parent_id=parent.id if parent else None,
                created_at=origin.now,
            )
            add_location(session, made)
            return "insert"
        if there.kind != values["kind"] or (parent is not None and parent.id != there.parent_id):
            raise Invalid("kind and place of a location stay as they are", field="kind")
        if there.name == values["name"]:
            return "unchanged"
        there.name = values["name"]
        return "update"

    def _find(self, session: Session, code: str, origin: Origin) -> StockLocation | None:
        return session.scalar(
            select(StockLocation).where(
                StockLocation.organisation_id == origin.actor.organisation_id, StockLocation.code == code
            )
        )

    def rows(self, session: Session) -> Iterator[Sequence[Any]]:
        """Yield places by code, what holds others first."""
        statement = (
            "SELECT l.code, l.name, l.kind, p.code FROM stock_locations l LEFT JOIN stock_locations p"
            " ON p.id = l.parent_id WHERE l.kind IN ('warehouse', 'bin', 'van', 'quarantine', 'repair_shop')"
            " ORDER BY l.parent_id IS NOT NULL, l.code, l.id"
        )
        yield from pages(session, statement, 4)
