"""Items of the stock: known by their number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from assets.base.bulk import among, insert_objects, update_rows
from assets.base.errors import RuleError
from assets.imports.fields import Field
from assets.imports.kinds.base import Origin, pages
from assets.imports.kinds.bulk import BulkKind, Rows
from assets.stock.items import Part, add_part, change_part, check_part
from assets.stock.words import PART_KINDS, TRACKING

_KINDS = {"part": ("备件", "配件"), "consumable": ("耗材",), "tool": ("工具",), "rotable": ("周转件",)}
_TRACKING = {"none": ("无",), "lot": ("批次",), "serial": ("序列号",)}
_STAYS = frozenset({"unit", "tracking"})  # once there is a movement
_WRITTEN = (
    *("id", "number", "name_en", "name_zh", "kind", "unit", "tracking", "standard_cost", "currency", "supplier"),
    *("supplier_number", "barcode", "old_part_return", "lead_time_days", "search_text", "search_pairs"),
)
_STOCKED = text("SELECT EXISTS (SELECT 1 FROM stock_entries WHERE part_id = :part)")


def _told(values: Mapping[str, Any]) -> dict[str, Any]:
    told = {name: value for name, value in values.items() if value is not None}
    if "standard_cost" in told:
        told["standard_cost"] = Decimal(str(told["standard_cost"]))
    if "lead_time_days" in told:
        told["lead_time_days"] = int(told["lead_time_days"])
    return told


def _made(told: Mapping[str, Any], origin: Origin) -> Part:
    about = {"kind": "part", "unit": "pcs", "tracking": "none", **told}
    return Part(organisation_id=origin.actor.organisation_id, created_at=origin.now, **about)


def _changes(there: Part, told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if getattr(there, name) != value}


def _changed(there: Part, changes: Mapping[str, Any]) -> Part:
    """Return the item as it will be, beside the one that is there."""
    return Part(**{name: getattr(there, name) for name in (*_WRITTEN, "decimals", "version")} | dict(changes))


def _judged(part: Part) -> RuleError | None:
    try:
        check_part(part)
    except RuleError as wrong:
        return wrong
    return None


class Parts(BulkKind):
    """Items by number."""

    name, en, zh = "parts", "Parts", "物料"
    key = ("number",)
    action = "part.manage"
    read_action = "part.read"
    candidates = (
        "SELECT n FROM (SELECT n, count(*) OVER (PARTITION BY f_number) AS same FROM import_rows) r WHERE same = 1"
    )
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
        told = _told(values)
        own = Part.organisation_id == origin.actor.organisation_id
        there = session.scalar(select(Part).where(own, Part.number == told["number"]))
        if there is None:
            add_part(session, _made(told, origin))
            return "insert"
        changes = _changes(there, told)
        if not changes:
            return "unchanged"
        change_part(session, there, changes, stocked=bool(session.scalar(_STOCKED, {"part": there.id})))
        return "update"

    def decide(
        self, session: Session, rows: Rows, origin: Origin, memory: dict[Any, Any]
    ) -> dict[int, str | RuleError]:
        """An item is judged by itself; one that changes what a ledger rests on goes one by one."""
        found = self._there(session, rows, origin)
        said: dict[int, str | RuleError] = {}
        for number, values in rows:
            told = _told(values)
            there = found.get(told["number"])
            if there is None:
                said[number] = _judged(_made(told, origin)) or "insert"
            elif not (changes := _changes(there, told)):
                said[number] = "unchanged"
            elif not changes.keys() & _STAYS:
                said[number] = _judged(_changed(there, changes)) or "update"
        return said

    def store_many(self, session: Session, rows: Rows, origin: Origin) -> Rows:
        """Add new items, and change those that are there."""
        found = self._there(session, rows, origin, lock=True)
        made, changed, left = [], [], []
        for number, values in rows:
            told = _told(values)
            there = found.get(told["number"])
            if there is None:
                made.append(_made(told, origin))
            elif (changes := _changes(there, told)).keys() & _STAYS:
                left.append((number, values))
            elif changes:
                changed.append(_changed(there, changes))
        for part in (*made, *changed):
            check_part(part)
        insert_objects(session, made)
        update_rows(
            session,
            "parts",
            [{name: getattr(part, name) for name in _WRITTEN} | {"version": part.version + 1} for part in changed],
        )
        if changed:
            session.expire_all()
        return left

    def _there(self, session: Session, rows: Rows, origin: Origin, *, lock: bool = False) -> dict[str, Part]:
        own = Part.organisation_id == origin.actor.organisation_id
        wanted = select(Part).where(own, among(Part.number, [values["number"] for _, values in rows]))
        if lock:
            wanted = wanted.order_by(Part.id).with_for_update()
        found = session.scalars(wanted, execution_options={"populate_existing": True})
        return {part.number: part for part in found}

    def rows(self, session: Session) -> Iterator[Sequence[Any]]:
        """Yield items by number."""
        names = ", ".join(each.name for each in self.fields)
        yield from pages(session, f"SELECT {names} FROM parts ORDER BY number, id", len(self.fields))
