"""Days that warranty begins with: known by asset."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.bulk import among, insert_objects, update_rows
from assets.base.errors import Forbidden, Invalid, RuleError
from assets.imports.bulk_events import Happened, append_events
from assets.imports.fields import Field
from assets.imports.kinds.base import Origin, pages
from assets.imports.kinds.bulk import BulkKind, Rows
from assets.people import Organisation
from assets.registry import Asset, Site
from assets.warranty.cards import refresh_card
from assets.warranty.known import FACT_OF, check_days, record_facts, set_facts, zone_of
from assets.warranty.periods import local_day
from assets.warranty.tables import WarrantyCard, WarrantyFacts

_DAYS = (
    ("produced_on", "Produced on", "生产日期"),
    ("invoiced_on", "Invoiced on", "开票日期"),
    ("purchased_on", "Purchased on", "购买日期"),
    ("delivered_on", "Delivered on", "交货日期"),
    ("installed_on", "Installed on", "安装日期"),
    ("commissioned_on", "Commissioned on", "投用日期"),
    ("registered_on", "Registered on", "登记日期"),
)


class WarrantyDates(BulkKind):
    """The days and the region that decide until when an asset is in warranty; an empty cell leaves what is there."""

    name, en, zh = "warranty_dates", "Warranty dates", "保修日期"
    key = ("serial",)
    action = "warranty.manage"
    read_action = "warranty.read"
    candidates = (
        "SELECT n FROM (SELECT n, count(*) OVER (PARTITION BY f_serial) AS same FROM import_rows) r WHERE same = 1"
    )
    fields = (
        Field(
            "serial", "Asset serial number", "设备序列号", "reference", required=True, most=120, also=("serial", "sn")
        ),
        *(Field(name, en, zh, "date") for name, en, zh in _DAYS),
        Field("region", "Region (ISO 3166)", "地区（ISO 3166）", most=20, also=("region", "地区")),
    )

    def store(self, session: Session, values: Mapping[str, Any], origin: Origin) -> str:
        """Store the days of one asset."""
        if not _serves(session, origin):
            raise Forbidden("warranty is given and judged by whoever serves", action="warranty")
        found = session.scalars(select(Asset).where(Asset.serial == values["serial"]).limit(2).with_for_update()).all()
        if len(found) != 1:
            raise _not_one(values["serial"], len(found))
        asset = found[0]
        there = session.get(WarrantyFacts, asset.id, populate_existing=True)
        before, after = _told(there, values)
        if after == before:
            return "unchanged"
        record_facts(session, asset, after, origin.now, origin.actor.person_id)
        refresh_card(session, asset, origin.now)
        return "update" if there else "insert"

    def decide(
        self, session: Session, rows: Rows, origin: Origin, memory: dict[Any, Any]
    ) -> dict[int, str | RuleError]:
        """Compare each asset's days with what was recorded."""
        if not _serves(session, origin):
            return {}
        assets = _assets(session, rows)
        facts, _sites = _known(session, assets)
        said: dict[int, str | RuleError] = {}
        for number, values in rows:
            found = assets.get(values["serial"], [])
            if len(found) != 1:
                said[number] = _not_one(values["serial"], len(found))
                continue
            there = facts.get(found[0].id)
            before, after = _told(there, values)
            try:
                if after != before:
                    check_days(after, local_day(origin.now, zone_of(session, found[0])[0]))
                said[number] = "unchanged" if after == before else "update" if there else "insert"
            except RuleError as wrong:
                said[number] = wrong
        return said

    def store_many(self, session: Session, rows: Rows, origin: Origin) -> Rows:
        """Record the days of many assets, with their events; the days of their cards follow."""
        assets = _assets(session, rows, lock=True)
        facts, _sites = _known(session, assets)
        sound = [each for each in rows if len(assets.get(each[1]["serial"], ())) == 1]
        happened: list[Happened] = []
        new: list[WarrantyFacts] = []
        renewed: list[dict[str, Any]] = []
        for _, values in sound:
            asset = assets[values["serial"]][0]
            there = facts.get(asset.id)
            before, after = _told(there, values)
            if after == before:
                continue
            check_days(after, local_day(origin.now, zone_of(session, asset)[0]))
            if there is None:
                new.append(WarrantyFacts(asset_id=asset.id, organisation_id=asset.organisation_id, version=0))
                changes = set_facts(new[-1], after)
            else:
                session.expunge(there)  # it is written with the others
                changes = set_facts(there, after)
                renewed.append({"asset_id": asset.id, "version": there.version, **after})
            happened.append(_changed(asset, changes, origin))
        insert_objects(session, new)
        update_rows(session, "warranty_facts", renewed, key="asset_id")
        append_events(session, happened, new=False)
        ids = {asset.id: asset for found in assets.values() for asset in found}
        for asset_id in session.scalars(
            select(WarrantyCard.asset_id).where(among(WarrantyCard.asset_id, ids))
        ).unique():
            refresh_card(session, ids[asset_id], origin.now)
        stored = {number for number, _ in sound}
        return [each for each in rows if each[0] not in stored]

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


def _serves(session: Session, origin: Origin) -> bool:
    own = session.get(Organisation, origin.actor.organisation_id)
    return own is not None and own.kind != "customer"


def _assets(session: Session, rows: Rows, *, lock: bool = False) -> dict[str, list[Asset]]:
    wanted = select(Asset).where(among(Asset.serial, {values["serial"] for _, values in rows})).order_by(Asset.id)
    if lock:
        wanted = wanted.with_for_update()
    found: dict[str, list[Asset]] = defaultdict(list)
    for asset in session.scalars(wanted):
        found[asset.serial].append(asset)
    return found


def _known(session: Session, assets: Mapping[str, Sequence[Asset]]) -> tuple[dict[UUID, WarrantyFacts], Sequence[Site]]:
    """Return what was recorded by asset, and the assets' sites, which stay at hand as long as somebody holds them."""
    every = [asset for found in assets.values() for asset in found]
    wanted = select(WarrantyFacts).where(among(WarrantyFacts.asset_id, [asset.id for asset in every]))
    facts = session.scalars(wanted, execution_options={"populate_existing": True})
    sites = session.scalars(select(Site).where(among(Site.id, {asset.site_id for asset in every if asset.site_id})))
    return {each.asset_id: each for each in facts}, sites.all()


def _told(there: WarrantyFacts | None, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return days and region as recorded, and as they will be."""
    before = {name: getattr(there, name) if there else None for name in (*FACT_OF, "region")}
    given = {name: _day(values.get(name)) or before[name] for name in FACT_OF}
    region = values.get("region")
    return before, {**given, "region": str(region).upper() if region else before["region"]}


def _changed(asset: Asset, changes: Mapping[str, Any], origin: Origin) -> Happened:
    return Happened(
        origin.now,
        "warranty.facts_changed",
        asset.organisation_id,
        "asset",
        asset.id,
        asset.id,
        {"changes": dict(changes)},
        "person" if origin.actor.person_id else "system",
        origin.actor.person_id,
    )


def _not_one(serial: str, found: int) -> Invalid:
    return Invalid(f"{'no' if not found else 'more than one'} asset {serial!r}", field="serial")
