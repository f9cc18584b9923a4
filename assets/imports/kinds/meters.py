"""Readings of meters: known by asset, meter and moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.errors import Invalid
from assets.imports.fields import Field
from assets.imports.kinds.base import Origin, RowKind, pages
from assets.meter_models import Meter, MeterReading
from assets.meter_rules import Told
from assets.meters import read_meter
from assets.registry import Asset


class MeterReadings(RowKind):
    """What meters showed."""

    name, en, zh = "meter_readings", "Meter readings", "抄表记录"
    key = ("serial", "meter", "at")
    action = "meter.read"
    fields = (
        Field(
            "serial", "Asset serial number", "设备序列号", "reference", required=True, most=120, also=("serial", "sn")
        ),
        Field("meter", "Meter", "仪表", "reference", required=True, also=("meter name", "计数器", "仪表名称")),
        Field("at", "Read at", "抄表时间", "date", required=True, also=("time", "date", "时间", "日期")),
        Field("value", "Value", "读数", "number", required=True, also=("reading", "示数", "数值")),
    )

    def store(self, session: Session, values: Mapping[str, Any], origin: Origin) -> str:
        """Store a reading; the same again is unchanged, another value at the same moment is refused."""
        meter = self._meter(session, values["serial"], values["meter"])
        there = session.scalar(
            select(MeterReading.value).where(
                MeterReading.meter_id == meter.id,
                MeterReading.at == values["at"],
                MeterReading.superseded_at.is_(None),
            )
        )
        if there == values["value"]:
            return "unchanged"
        told = Told(values["value"])
        read_meter(session, meter, told, values["at"], origin.now, source="import", by_id=origin.actor.person_id)
        return "insert"

    def _meter(self, session: Session, serial: str, name: str) -> Meter:
        found = session.scalars(select(Asset.id).where(Asset.serial == serial).limit(2)).all()
        if len(found) != 1:
            raise Invalid(f"{'no' if not found else 'more than one'} asset {serial!r}", field="serial")
        wanted = select(Meter).where(Meter.asset_id == found[0], Meter.name == name).with_for_update()
        meter = session.scalar(wanted, execution_options={"populate_existing": True})
        if meter is None:
            raise Invalid(f"the asset has no meter {name!r}", field="meter")
        return meter

    def rows(self, session: Session) -> Iterator[Sequence[Any]]:
        """Yield readings by asset, meter and time; replaced and corrected ones are left out."""
        statement = (
            "SELECT a.serial, m.name, r.at, r.value FROM meter_readings r JOIN meters m ON m.id = r.meter_id"
            " JOIN assets a ON a.id = r.asset_id WHERE r.superseded_at IS NULL AND r.kind = 'reading'"
            " ORDER BY a.serial, m.name, r.at"
        )
        yield from pages(session, statement, 4)
