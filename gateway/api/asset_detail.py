"""All that one page shows of an asset: metrics, devices, what its model defines, and where its life has come to."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import select

from assets.base.access import may
from assets.base.units import unit_label
from assets.instrumentation import asset_bindings
from assets.lifecycle import legal_moves
from assets.registry import ENDED, Asset, AssetModel
from gateway.api.asset_models import FieldDefinition
from gateway.api.cards import AssetCard, in_order, make_cards
from gateway.api.deps import Context
from ingest.models import Device
from ingest.store.read import latest_values
from ml.models import ScoringState


class LatestValue(BaseModel):
    """The newest value of a metric."""

    t: datetime
    value: float | str | bool | None
    quality: str


class MetricDetail(BaseModel):
    """A metric with its manufacturer's limits and its newest value."""

    metric: str
    unit: str | None
    unit_label: str
    label_en: str
    label_zh: str
    role: str
    low_low: float | None
    low: float | None
    high: float | None
    high_high: float | None
    latest: LatestValue | None


class DeviceRef(BaseModel):
    """A device that measures the asset."""

    id: UUID
    serial: str
    presence: str
    last_seen_at: datetime | None


class LearningState(BaseModel):
    """How far the asset's model is, what it still needs, and which metrics wait to be a part of its reference."""

    state: str
    progress: float
    missing: list[str]
    waiting: list[str]


class AssetDetail(AssetCard):
    """All that one page shows of an asset; `legal` is where its life may go next, as far as the reader may move it."""

    lifecycle: str
    lifecycle_since: datetime | None
    legal: list[str]
    operation_cause: str | None
    installed_at: datetime | None
    code: str
    customer_url: str
    organisation_id: UUID
    customer_id: UUID | None
    site_id: UUID | None
    asset_model_id: UUID | None
    parent_id: UUID | None
    latitude_deg: float | None
    longitude_deg: float | None
    location_accuracy_m: float | None
    located_at: datetime | None
    plan_x: float | None
    plan_y: float | None
    custom: dict[str, Any]
    custom_fields: list[FieldDefinition]
    version: int
    metrics: list[MetricDetail]
    devices: list[DeviceRef]
    learning: LearningState | None
    repair_codes: list[dict[str, Any]]
    about: str | None


def asset_detail(here: Context, asset: Asset) -> AssetDetail:
    """Return all of an asset."""
    card = make_cards(here.session, [asset], here.now)[0]
    model = here.session.get(AssetModel, asset.asset_model_id) if asset.asset_model_id else None
    devices = here.session.scalars(
        select(Device)
        .join(asset_bindings, asset_bindings.c.device_id == Device.id)
        .where(asset_bindings.c.asset_id == asset.id, asset_bindings.c.valid_to.is_(None))
        .distinct()
    )
    return AssetDetail(
        **card.model_dump(),
        lifecycle=asset.lifecycle,
        lifecycle_since=asset.lifecycle_since,
        legal=legal_for(here, asset),
        operation_cause=asset.operation_cause,
        installed_at=asset.installed_at,
        code=asset.code,
        customer_url=f"/a/{asset.code}",
        organisation_id=asset.organisation_id,
        customer_id=asset.customer_id,
        site_id=asset.site_id,
        asset_model_id=asset.asset_model_id,
        parent_id=asset.parent_id,
        latitude_deg=asset.latitude_deg,
        longitude_deg=asset.longitude_deg,
        location_accuracy_m=asset.location_accuracy_m,
        located_at=asset.located_at,
        plan_x=asset.plan_x,
        plan_y=asset.plan_y,
        custom=asset.custom,
        custom_fields=[FieldDefinition(**about) for about in model.custom_fields] if model else [],
        version=asset.version,
        metrics=_metrics(here, asset, model),
        devices=[
            DeviceRef(id=d.id, serial=d.serial, presence=d.presence, last_seen_at=d.last_seen_at) for d in devices
        ],
        learning=_learning(here, asset, model),
        repair_codes=model.repair_codes if model else [],
        about=asset.custom.get("about"),
    )


def legal_for(here: Context, asset: Asset) -> list[str]:
    """Return where the asset's life may go next, as far as the actor may move it."""
    if not may(here.actor, "asset.move"):
        return []
    return [to for to in legal_moves(asset.lifecycle) if to not in ENDED or may(here.actor, "asset.retire")]


def _metrics(here: Context, asset: Asset, model: AssetModel | None) -> list[MetricDetail]:
    known: dict[str, Any] = model.metrics if model else {}
    latest = {value.metric: value for value in latest_values(here.session, [asset.id]).get(asset.id, [])}
    described = []
    for metric in [*in_order(known), *sorted(set(latest) - set(known))]:
        about, value = known.get(metric, {}), latest.get(metric)
        unit = (value.unit if value else None) or about.get("unit")
        label = metric.replace("_", " ")
        described.append(
            MetricDetail(
                metric=metric,
                unit=unit,
                unit_label=unit_label(unit),
                label_en=about.get("label_en") or label,
                label_zh=about.get("label_zh") or label,
                role=about.get("role") or "health",
                low_low=about.get("low_low"),
                low=about.get("low"),
                high=about.get("high"),
                high_high=about.get("high_high"),
                latest=LatestValue(t=value.t, value=value.value, quality=value.quality) if value else None,
            )
        )
    return described


def _learning(here: Context, asset: Asset, model: AssetModel | None) -> LearningState | None:
    """How far the model is; None where only limits watch, which learn nothing."""
    if model and model.detectors and "residual" not in model.detectors:
        return None
    state = here.session.scalar(select(ScoringState.learning).where(ScoringState.asset_id == asset.id))
    if not state:
        return None
    return LearningState(
        state=state.get("state", "learning"),
        progress=state.get("progress", 0.0),
        missing=list(state.get("missing", [])),
        waiting=list(state.get("waiting", [])),
    )
