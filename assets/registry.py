"""Customers, sites, asset models and assets: what exists, where it stands and whose it is."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Sequence, Text, UniqueConstraint, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

import assets.base.calendars  # noqa: F401  sites refer to their calendar by name
from assets.base.db import Base, Identified, Owned, Versioned
from assets.base.errors import Conflict
from assets.base.events import append_event
from assets.base.ids import new_code
from assets.states import begin_states, change_state

LIFECYCLES = ("planned", "in_stock", "installed", "commissioned", "in_service", "retired", "scrapped")
ENDED = frozenset({"retired", "scrapped"})  # nobody watches or serves such an asset any more
OPERATIONS = ("up", "degraded", "down", "unknown")

# Numbers that people read aloud may have gaps; they never repeat.
CUSTOMER_NUMBERS = Sequence("customer_numbers", metadata=Base.metadata)


class Customer(Identified, Owned, Versioned, Base):
    """A customer; its organisation is the owner of its assets."""

    __tablename__ = "customers"

    number: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    phone: Mapped[str | None] = mapped_column(Text)
    email: Mapped[str | None] = mapped_column(Text)
    # The record that this one was put into, when both were the same customer.
    merged_into_id: Mapped[UUID | None] = mapped_column(ForeignKey("customers.id", ondelete="SET NULL"), index=True)
    demo: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (
        Index("ix_customers_email", text("lower(email)")),
        Index("ix_customers_phone", text("\"right\"(regexp_replace(phone, '[^0-9]', '', 'g'), 7)")),
    )


class Site(Identified, Owned, Versioned, Base):
    """Where assets stand. Coordinates are WGS-84 degrees.

    `floor_plan_document_id` has no foreign key: documents know sites, not the other way round.
    """

    __tablename__ = "sites"

    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(Text)
    address: Mapped[str | None] = mapped_column(Text)
    region: Mapped[str | None] = mapped_column(Text)
    time_zone: Mapped[str] = mapped_column(Text, default="UTC")
    latitude_deg: Mapped[float | None]
    longitude_deg: Mapped[float | None]
    calendar_id: Mapped[UUID | None] = mapped_column(ForeignKey("calendars.id", ondelete="SET NULL"))
    floor_plan_document_id: Mapped[UUID | None]
    demo: Mapped[bool] = mapped_column(default=False)


class AssetModel(Identified, Owned, Versioned, Base):
    """A type of asset with the manufacturer's data.

    `metrics`: {name: {unit, label_en, label_zh, low_low, low, high, high_high, rate_per_s, expected_interval_s,
    role}}, limits in the metric's unit, role one of 'health', 'control', 'ambient', 'mode'.
    `checks`: [{signature, en, zh}] suggested checks by what was noticed. `repair_codes`: [{code, component, en, zh}].
    `detectors`: which may open findings on this type; empty means all. `custom_fields`, `checklist`, `meters` and
    `operation_rule` read as `assets.asset_models` checks them.
    """

    __tablename__ = "asset_models"

    code: Mapped[str] = mapped_column(Text)
    manufacturer: Mapped[str | None] = mapped_column(Text)
    name_en: Mapped[str] = mapped_column(Text)
    name_zh: Mapped[str] = mapped_column(Text)
    metrics: Mapped[dict[str, Any]] = mapped_column(default=dict)
    checks: Mapped[list[Any]] = mapped_column(default=list)
    repair_codes: Mapped[list[Any]] = mapped_column(default=list)
    detectors: Mapped[list[Any]] = mapped_column(default=list)
    custom_fields: Mapped[list[Any]] = mapped_column(default=list, server_default=text("'[]'"))
    checklist: Mapped[list[Any]] = mapped_column(default=list, server_default=text("'[]'"))
    meters: Mapped[list[Any]] = mapped_column(default=list, server_default=text("'[]'"))
    operation_rule: Mapped[dict[str, Any] | None]
    demo: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (UniqueConstraint("organisation_id", "code"),)


class Asset(Identified, Owned, Versioned, Base):
    """One machine for its whole life. `code` is what its QR label carries.

    `lifecycle` and `operation` are the newest of its state intervals; coordinates are WGS-84 degrees as captured where
    it stands, `plan_x` and `plan_y` its place on the site's floor plan as shares of width and height.
    """

    __tablename__ = "assets"

    serial: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    asset_model_id: Mapped[UUID | None] = mapped_column(ForeignKey("asset_models.id"), index=True)
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customers.id"), index=True)
    site_id: Mapped[UUID | None] = mapped_column(ForeignKey("sites.id"), index=True)
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("assets.id"), index=True)
    code: Mapped[str] = mapped_column(Text, unique=True, default=new_code)
    lifecycle: Mapped[str] = mapped_column(Text, default="in_service")
    lifecycle_since: Mapped[datetime | None]
    operation: Mapped[str] = mapped_column(Text, default="unknown")
    operation_since: Mapped[datetime | None]
    operation_cause: Mapped[str | None] = mapped_column(Text)
    latitude_deg: Mapped[float | None]
    longitude_deg: Mapped[float | None]
    location_accuracy_m: Mapped[float | None]
    located_at: Mapped[datetime | None]
    plan_x: Mapped[float | None]
    plan_y: Mapped[float | None]
    installed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    custom: Mapped[dict[str, Any]] = mapped_column(default=dict)
    demo: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (
        UniqueConstraint("organisation_id", "serial"),
        Index("ix_assets_serial", "serial"),
        Index("ix_assets_name", text("lower(name)")),
        Index("ix_assets_listed", "name", "id"),
    )


def add_asset(session: Session, asset: Asset, now: datetime) -> Asset:
    """Register an asset; its life begins on the timeline.

    Raises Conflict when the owner already has this serial number.
    """
    taken = select(Asset.id).where(Asset.organisation_id == asset.organisation_id, Asset.serial == asset.serial)
    if session.scalar(taken):
        raise Conflict(f"serial {asset.serial!r} is already registered", serial=asset.serial)
    session.add(asset)
    session.flush()
    begin_states(session, asset, now)
    append_event(
        session,
        "asset.registered",
        at=now,
        organisation_id=asset.organisation_id,
        subject_kind="asset",
        subject_id=asset.id,
        asset_id=asset.id,
        payload={"serial": asset.serial, "name": asset.name, "lifecycle": asset.lifecycle},
    )
    return asset


def set_operation(
    session: Session,
    asset: Asset,
    operation: str,
    now: datetime,
    cause: str,
    *,
    reason_code: str | None = None,
    source: str = "finding",
    by_id: UUID | None = None,
) -> bool:
    """Set up, degraded, down or unknown with its cause; False when it already is."""
    if asset.operation == operation:
        return False
    before = asset.operation
    since = change_state(
        session,
        asset,
        "operation",
        operation,
        now,
        cause=cause,
        reason_code=reason_code,
        source=source,
        by_id=by_id,
    )
    asset.operation, asset.operation_since, asset.operation_cause = operation, since, cause
    payload = {"from": before, "to": operation, "cause": cause}
    append_event(
        session,
        "asset.operation_changed",
        at=now,
        organisation_id=asset.organisation_id,
        subject_kind="asset",
        subject_id=asset.id,
        asset_id=asset.id,
        actor_kind="person" if by_id else "system",
        actor_id=by_id,
        payload=payload | ({"reason_code": reason_code} if reason_code else {}),
    )
    return True
