"""Days that warranty begins with: known by asset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.errors import Forbidden, Invalid
from assets.imports.fields import Field
from assets.imports.kinds.base import Origin, RowKind, pages
from assets.people import Organisation
from assets.registry import Asset
from assets.warranty.cards import refresh_card
from assets.warranty.known import FACT_OF, record_facts
from assets.warranty.tables import WarrantyFacts

_DAYS = (
    ("produced_on", "Produced on", "生产日期"),
    ("invoiced_on", "Invoiced on", "开票日期"),
    ("purchased_on", "Purchased on", "购买日期"),
    ("delivered_on", "Delivered on", "交货日期"),
    ("installed_on", "Installed on", "安装日期"),
    ("commissioned_on", "Commissioned on", "投用日期"),
    ("registered_on", "Registered on", "登记日期"),
)


class WarrantyDates(RowKind):
    """The days and the region that decide until when an asset is in warranty; an empty cell leaves what is there."""

    name, en, zh = "warranty_dates", "Warranty dates", "保修日期"
    key = ("serial",)
    action = "warranty.manage"
    read_action = "warranty.read"
    fields = (
        Field(
            "serial", "Asset serial number", "设备序列号", "reference", required=True, most=120, also=("serial", "sn")
        ),
        *(Field(name, en, zh, "date") for name, en, zh in _DAYS),
        Field("region", "Region (ISO 3166)", "地区（ISO 3166）", most=20, also=("region", "地区")),
    )

    def store(self, session: Session, values: Mapping[str, Any], origin: Origin) -> str:
        """Store the days of one asset."""
        own = session.get(Organisation, origin.actor.organisation_id)
        if own is None or own.kind == "customer":
            raise Forbidden("warranty is given and judged by whoever serves", action="warranty")
        found = session.scalars(select(Asset).where(Asset.serial == values["serial"]).limit(2).with_for_update()).all()
        if len(found) != 1:
            raise Invalid(f"{'no' if not found else 'more than one'} asset {values['serial']!r}", field="serial")
        asset = found[0]
        there = session.get(WarrantyFacts, asset.id, populate_existing=True)
        before = {name: getattr(there, name) if there else None for name in (*FACT_OF, "region")}
        given = {name: _day(values.get(name)) or before[name] for name in FACT_OF}
        region = values.get("region")
        after = {**given, "region": str(region).upper() if region else before["region"]}
        if after == before:
            return "unchanged"
        record_facts(session, asset, after, origin.now, origin.actor.person_id)
        refresh_card(session, asset, origin.now)
        return "update" if there else "insert"

    def rows(self, session: Session) -> Iterator[Sequence[Any]]:
        """Yield what was recorded, by serial."""
        columns = ", ".join(f"f.{name}" for name in (*(name for name, _, _ in _DAYS), "region"))
        statement = (
            f"SELECT a.serial, {columns} FROM warranty_facts f"
            " JOIN assets a ON a.id = f.asset_id ORDER BY a.serial, a.id"
        )
        yield from pages(session, statement, len(self.fields))


def _day(value: Any) -> date | None:
    return value.date() if isinstance(value, datetime) else None
