"""Counted stock: the opening balance of a place, or a stocktake, booked through the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.access import Role
from assets.base.errors import Invalid
from assets.imports.fields import Field
from assets.imports.kinds.base import Origin, RowKind, pages
from assets.stock.kinds import perform
from assets.stock.places import StockLocation
from assets.stock.requested import Requested, RequestedLine


class StockCounts(RowKind):
    """How much was counted at a place; the ledger books the difference, so the same file again books nothing."""

    name, en, zh = "stock_counts", "Counted stock", "库存盘点"
    key = ("part_number", "location", "lot", "serial")
    action = "stock.manage"
    read_action = "stock.read"
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
        reason = values["reason"] or f"import {origin.file_name}"
        asked = Requested(
            kind="count",
            lines=(line,),
            work=None,
            asset=None,
            operation_id=None,
            occurred_at=origin.now,
            offline=False,
            reason=reason,
            note=None,
            in_warranty=None,
        )
        try:
            # Whoever may start this import may count; a run knows no more of them than whose it is.
            by = replace(origin.actor, roles=frozenset({Role.STOREKEEPER}))
            done = perform(session, asked, by, origin.now, None)
        except Invalid as wrong:
            said = {"part_id": "part_number", "location_id": "location", "lines": "quantity"}
            field = str(wrong.params.get("field") or "")
            raise Invalid(str(wrong), **(wrong.params | {"field": said.get(field, field or "part_number")})) from wrong
        return "insert" if done.movement is not None else "unchanged"

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
