"""Counted stock: the opening balance of a place, or a stocktake, booked through the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.access import Actor, Role
from assets.base.bulk import among
from assets.base.errors import Invalid, RuleError
from assets.imports.fields import Field
from assets.imports.kinds.base import Origin, pages
from assets.imports.kinds.bulk import BulkKind, Rows
from assets.stock.counting import Counted, changes_of, count_many
from assets.stock.items import Part, catalogue_of
from assets.stock.kinds import SHELVES, perform
from assets.stock.places import StockLocation, allow_place, lock_stock, settings_of
from assets.stock.requested import Requested, RequestedLine
from assets.stock.words import MAX_QUANTITY


class StockCounts(BulkKind):
    """How much was counted at a place; the ledger books the difference, so the same file again books nothing."""

    name, en, zh = "stock_counts", "Counted stock", "库存盘点"
    key = ("part_number", "location", "lot", "serial")
    action = "stock.manage"
    read_action = "stock.read"
    # Lots and serials are made, and pieces found elsewhere, as they come: these go one by one.
    candidates = """
    SELECT n FROM (SELECT n, f_lot, f_serial, count(*) OVER (PARTITION BY f_part_number, f_location) AS same
                   FROM import_rows) r WHERE same = 1 AND f_lot IS NULL AND f_serial IS NULL
    """
    fields = (
        Field("part_number", "Part number", "物料编号", "reference", required=True, most=120, also=("number", "料号")),
        Field("location", "Location code", "库位编码", "reference", required=True, most=120, also=("location", "库位")),
        Field("quantity", "Counted", "盘点数量", "number", required=True, low=0, also=("quantity", "on hand", "数量")),
        Field("lot", "Lot", "批次", "reference", most=120),
        Field("serial", "Serial number", "序列号", "reference", most=120, also=("serial",)),
        Field("reason", "Reason", "原因", most=1000),
    )

    def store(self, session: Session, values: Mapping[str, Any], origin: Origin) -> str:
        """Book what differs from the books; a place that held nothing of it yet is an insert."""
        own = origin.actor.organisation_id
        place = session.scalar(
            select(StockLocation).where(StockLocation.organisation_id == own, StockLocation.code == values["location"])
        )
        if place is None:
            raise Invalid(f"no location {values['location']!r}", field="location")
        line = RequestedLine(
            part_id=None,
            part_number=values["part_number"],
            quantity=Decimal(str(values["quantity"])),
            lot=values["lot"],
            serial=values["serial"],
            location_id=place.id,
        )
        asked = Requested(
            kind="count",
            lines=(line,),
            work=None,
            asset=None,
            operation_id=None,
            occurred_at=origin.now,
            offline=False,
            reason=_reason(values, origin),
            note=None,
        )
        try:
            done = perform(session, asked, _keeper(origin), origin.now, None)
        except Invalid as wrong:
            said = {"part_id": "part_number", "location_id": "location", "lines": "quantity"}
            field = str(wrong.params.get("field") or "")
            raise Invalid(str(wrong), **(wrong.params | {"field": said.get(field, field or "part_number")})) from wrong
        return "insert" if done.movement is not None else "unchanged"

    def decide(
        self, session: Session, rows: Rows, origin: Origin, memory: dict[Any, Any]
    ) -> dict[int, str | RuleError]:
        """Compare counts of plain items with the books; where anything is out of the ordinary a row goes by itself."""
        counted = self._counted(session, rows, origin)
        changes = changes_of(session, list(counted.values()))
        return {n: "insert" if change else "unchanged" for n, change in zip(counted, changes, strict=True)}

    def store_many(self, session: Session, rows: Rows, origin: Origin) -> Rows:
        """Book the differences, a movement for each row."""
        lock_stock(session, origin.actor.organisation_id)
        counted = self._counted(session, rows, origin)
        count_many(session, origin.actor.organisation_id, list(counted.values()), origin.now, _keeper(origin))
        return [each for each in rows if each[0] not in counted]

    def _counted(self, session: Session, rows: Rows, origin: Origin) -> dict[int, Counted]:
        """Return the rows that can be counted without any doubt."""
        own = origin.actor.organisation_id
        mode = settings_of(session, own).mode
        line = catalogue_of(session, own)
        wanted = select(Part).where(
            Part.organisation_id.in_(line), among(Part.number, {values["part_number"] for _, values in rows})
        )
        known = sorted(session.scalars(wanted), key=lambda part: line.index(part.organisation_id))
        parts = {part.number: part for part in known}  # the nearest of that number
        shelves = select(StockLocation).where(
            StockLocation.organisation_id == own, among(StockLocation.code, {values["location"] for _, values in rows})
        )
        places = {place.code: place for place in session.scalars(shelves)}
        counted = {}
        for number, values in rows:
            part, place = parts.get(values["part_number"]), places.get(values["location"])
            if part is None or place is None or mode == "simple" or not _plain(part, place, mode):
                continue
            quantity = Decimal(str(values["quantity"]))
            if quantity <= MAX_QUANTITY and quantity == quantity.quantize(Decimal(1).scaleb(-part.decimals)):
                counted[number] = Counted(part, place, quantity, _reason(values, origin))
        return counted

    def rows(self, session: Session) -> Iterator[Sequence[Any]]:
        """Yield what the books hold at the places where things are counted."""
        statement = (
            "SELECT p.number, l.code, b.quantity, o.lot, s.serial, NULL FROM stock_balances b"
            " JOIN parts p ON p.id = b.part_id JOIN stock_locations l ON l.id = b.location_id"
            " LEFT JOIN stock_lots o ON o.id = b.lot_id LEFT JOIN stock_serials s ON s.id = b.serial_id"
            " WHERE b.quantity <> 0 AND l.kind IN ('warehouse', 'bin', 'van', 'person', 'quarantine', 'repair_shop')"
            " ORDER BY p.number, l.code, b.id"
        )
        yield from pages(session, statement, 6)


def _keeper(origin: Origin) -> Actor:
    """Whoever may start this import may count; a run knows no more of them than whose it is."""
    return replace(origin.actor, roles=frozenset({Role.STOREKEEPER}))


def _reason(values: Mapping[str, Any], origin: Origin) -> str:
    return values["reason"] or f"import {origin.file_name}"


def _plain(part: Part, place: StockLocation, mode: str) -> bool:
    if part.tracking != "none" or not place.active or place.kind not in SHELVES:
        return False
    try:
        allow_place(mode, place)
    except RuleError:
        return False
    return True
