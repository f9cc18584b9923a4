"""What stock does to a machine's history: an entry on its timeline, and a part in its as-installed tree."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.events import append_event
from assets.consumed_parts import component_installed, component_removed
from assets.registry import Asset
from assets.stock.ledger import Line, Work
from assets.stock.tables import StockMovement

BUILT_IN = frozenset({"part", "rotable"})  # grease and gloves are used, they are no component


def put_in(
    session: Session, asset: Asset, movement: StockMovement, line: Line, by: Actor, work: Work | None, now: datetime
) -> None:
    """Say that a part went into a machine, and build it in."""
    if line.part.kind in BUILT_IN and is_ours(session, asset):
        component_installed(
            session,
            asset=asset,
            part_id=line.part.id,
            part_number=line.part.number,
            name_en=line.part.name_en,
            name_zh=line.part.name_zh,
            serial=line.serial.serial if line.serial else None,
            lot=line.lot.lot if line.lot else None,
            quantity=line.quantity,
            at=movement.occurred_at,
            now=now,
            movement_id=movement.id,
        )
    _note(session, "part.installed", asset, movement, line, by, work)


def not_needed(
    session: Session, asset: Asset, movement: StockMovement, line: Line, by: Actor, work: Work | None, now: datetime
) -> None:
    """Say that a part issued for a machine came back unused."""
    _take_out(session, asset, movement, line, now)
    _note(session, "part.returned", asset, movement, line, by, work)


def old_part_out(
    session: Session, asset: Asset, movement: StockMovement, line: Line, by: Actor, work: Work | None, now: datetime
) -> None:
    """Say that an old part came out. Without a serial nobody knows which of its kind it was: the tree stays."""
    if line.serial is not None:
        _take_out(session, asset, movement, line, now)
    _note(session, "part.removed", asset, movement, line, by, work)


def _take_out(session: Session, asset: Asset, movement: StockMovement, line: Line, now: datetime) -> None:
    if line.part.kind in BUILT_IN and is_ours(session, asset):
        component_removed(
            session,
            asset=asset,
            part_id=line.part.id,
            serial=line.serial.serial if line.serial else None,
            quantity=line.quantity,
            at=movement.occurred_at,
            now=now,
        )


def _note(
    session: Session, kind: str, asset: Asset, movement: StockMovement, line: Line, by: Actor, work: Work | None
) -> None:
    append_event(
        session,
        kind,
        at=movement.occurred_at,
        organisation_id=asset.organisation_id,
        # A partner's technician works on a machine that is not the partner's.
        executing_organisation_id=None if is_ours(session, asset) else movement.organisation_id,
        subject_kind="asset",
        subject_id=asset.id,
        asset_id=asset.id,
        actor_kind=by.kind,
        actor_id=by.person_id,
        payload={
            "part_number": line.part.number,
            "name_en": line.part.name_en,
            "name_zh": line.part.name_zh,
            "quantity": float(line.quantity),
            "unit": line.part.unit,
            "serial": line.serial.serial if line.serial else None,
            "lot": line.lot.lot if line.lot else None,
            "work_order": work.number if work else None,
            "movement_id": str(movement.id),
        },
    )


def is_ours(session: Session, asset: Asset) -> bool:
    """Return whether the transaction's actor owns the machine, or stands above its owner."""
    seen = text("SELECT current_user <> 'forewarn_app' OR :owner = ANY (forewarn_visible_organisations())")
    return bool(session.scalar(seen, {"owner": asset.organisation_id}))
