"""Parts that stock gave out for an asset become what is installed in it, and leave it when stock gets them back."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.as_installed import Part, build_in, take_out
from assets.components import Component
from assets.registry import Asset


def component_installed(
    session: Session,
    *,
    asset: Asset,
    part_id: UUID,
    part_number: str,
    name_en: str,
    name_zh: str,
    serial: str | None,
    lot: str | None,
    quantity: Decimal,
    at: datetime,
    now: datetime,
    movement_id: UUID,
) -> Component:
    """Record a consumed part, once per movement, part and serial number; stock writes the event.

    Stock knows where a serial number is: a row that says otherwise ends as this one begins.
    """
    same = select(Component).where(
        Component.movement_id == movement_id,
        Component.part_id == part_id,
        Component.serial.is_not_distinct_from(serial),
    )
    known = session.scalar(same.limit(1))
    if known is not None:
        return known
    moment = min(at, now)
    if serial:
        for elsewhere in _open_rows(session, asset.organisation_id, part_number, serial):
            moment = max(moment, elsewhere.valid_from)
            take_out(session, elsewhere, moment, max(now, moment), reason="installed elsewhere", quiet=True)
    part = Part(
        item_number=part_number,
        serial=serial,
        lot=lot,
        name=name_en or name_zh,
        quantity=1.0 if serial else float(quantity),
    )
    made = build_in(session, asset, part, moment, max(now, moment), quiet=True)
    made.part_id, made.movement_id = part_id, movement_id
    session.flush()
    return made


def component_removed(
    session: Session,
    *,
    asset: Asset,
    part_id: UUID,
    serial: str | None,
    quantity: Decimal,
    at: datetime,
    now: datetime,
) -> bool:
    """Record that a part left the asset, the newest of its kind first; False when none was known to be in it."""
    rows = select(Component).where(
        Component.asset_id == asset.id, Component.part_id == part_id, Component.valid_to.is_(None)
    )
    if serial:
        rows = rows.where(Component.serial == serial)
    left, found = float(quantity), False
    for row in session.scalars(rows.order_by(Component.valid_from.desc(), Component.id.desc())).all():
        if left <= 0:
            break
        found, rest = True, row.quantity - left
        left -= row.quantity
        moment = max(min(at, now), row.valid_from)
        if rest > 0:
            _keep_rest(session, row, rest, moment)
        take_out(session, row, moment, max(now, moment), quiet=True)
    return found


def is_built_in_elsewhere(session: Session, asset: Asset, part_number: str, serial: str) -> bool:
    """Return whether the owner's tree has this serial in another machine now."""
    return any(row.asset_id != asset.id for row in _open_rows(session, asset.organisation_id, part_number, serial))


def _keep_rest(session: Session, row: Component, rest: float, at: datetime) -> None:
    session.add(
        Component(
            organisation_id=row.organisation_id,
            asset_id=row.asset_id,
            part_id=row.part_id,
            item_number=row.item_number,
            lot=row.lot,
            name=row.name,
            quantity=rest,
            place=row.place,
            valid_from=at,
            installed_work_order_id=row.installed_work_order_id,
            by_id=row.by_id,
        )
    )


def _open_rows(session: Session, organisation_id: UUID, part_number: str, serial: str) -> list[Component]:
    found = select(Component).where(
        Component.organisation_id == organisation_id,
        Component.item_number == part_number,
        Component.serial == serial,
        Component.valid_to.is_(None),
    )
    return list(session.scalars(found))
