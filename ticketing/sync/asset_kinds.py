"""Operations on machines: read a meter, take down where it stands, stick a label on it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select

from assets.base.errors import Forbidden, Invalid, NotFound
from assets.base.events import append_event
from assets.labels.codes import bind, find_label
from assets.labels.models import Label
from assets.meter_models import Meter
from assets.meter_rules import Told
from assets.meters import read_meter
from assets.registry import Asset
from ticketing.distances import Fix, checked_fix
from ticketing.models import WorkOrder
from ticketing.sync.work import Work


def meter_read(work: Work) -> dict[str, Any]:
    """Take down what a meter showed."""
    work.need("meter.read")
    key = work.operation.subject_id
    meter = work.session.scalar(
        select(Meter).where(Meter.id == key).with_for_update(), execution_options={"populate_existing": True}
    )
    if meter is None:
        raise _hidden(work, Meter, "meter")
    work.bounded(None)
    value = work.said.number("value")
    if value is None:
        raise Invalid("value is missing", field="payload.value")
    order_id = work.said.id("work_order_id")
    if order_id is not None and work.session.get(WorkOrder, order_id) is None:
        raise Invalid("there is no such row", field="payload.work_order_id")
    kind = "rollover" if work.said.flag("rolled_over") else "reading"
    made = read_meter(
        work.session,
        meter,
        Told(value, kind, None, work.said.text("reason", 1000)),
        work.at,
        work.now,
        by_id=work.person.id,
        work_order_id=order_id,
    )
    return {"reading_id": str(made.id), "value": made.value, "total": made.total}


def asset_locate(work: Work) -> dict[str, Any]:
    """Take down where a machine stands; what was taken down before the place that is known changes nothing."""
    work.need("asset.move")
    asset = _asset(work)
    latitude, longitude = work.said.number("latitude_deg"), work.said.number("longitude_deg")
    if latitude is None or longitude is None:
        raise Invalid("a latitude and a longitude", field="payload.latitude_deg")
    fix = checked_fix(Fix(latitude, longitude, work.said.number("accuracy_m")), "payload")
    if asset.located_at is None or work.at > asset.located_at:
        asset.latitude_deg, asset.longitude_deg = fix.latitude_deg, fix.longitude_deg
        asset.location_accuracy_m, asset.located_at = fix.accuracy_m, work.at
        work.session.flush()
        facts = {"latitude_deg": latitude, "longitude_deg": longitude, "accuracy_m": fix.accuracy_m}
        _log(work, asset, "asset.located", facts)
    return {"asset_id": str(asset.id), "located_at": asset.located_at.isoformat() if asset.located_at else None}


def label_bind(work: Work) -> dict[str, Any]:
    """Attach a printed label to the machine that it was stuck on."""
    work.need("label.manage")
    asset = _asset(work)
    found = find_label(work.session, work.said.word("code", 60))
    if found is None:
        raise NotFound("this code is on none of our labels", kind="label")
    label = work.session.scalar(select(Label).where(Label.id == found.id).with_for_update())
    if label is None:
        raise Forbidden("this label belongs to another organisation", kind="label")
    bind(work.session, label, asset, work.by, work.at)
    return {"label_id": str(label.id), "asset_id": str(asset.id)}


def _asset(work: Work) -> Asset:
    key: UUID = work.operation.subject_id
    asset = work.session.scalar(
        select(Asset).where(Asset.id == key).with_for_update(), execution_options={"populate_existing": True}
    )
    if asset is None:
        raise _hidden(work, Asset, "asset")
    work.bounded(asset.created_at)
    return asset


def _hidden(work: Work, kind: type[Any], word: str) -> Forbidden | NotFound:
    """Of a row that may be read and not changed, and of one that is not there."""
    if work.session.get(kind, work.operation.subject_id) is not None:
        return Forbidden(f"this {word} belongs to another organisation", kind=word)
    return NotFound(f"no such {word}", kind=word)


def _log(work: Work, asset: Asset, kind: str, facts: dict[str, Any]) -> None:
    append_event(
        work.session,
        kind,
        at=work.at,
        organisation_id=asset.organisation_id,
        subject_kind="asset",
        subject_id=asset.id,
        asset_id=asset.id,
        actor_kind=work.by.kind,
        actor_id=work.by.person_id,
        payload={name: value for name, value in facts.items() if value is not None},
    )
