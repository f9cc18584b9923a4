"""What stock does to a machine's history: an entry on its timeline, and a part in its as-installed tree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.db import service_rights
from assets.base.events import append_event
from assets.consumed_parts import component_installed, component_removed, is_built_in_elsewhere
from assets.registry import Asset
from assets.stock.ledger import Line, Work
from assets.stock.tables import StockMovement

BUILT_IN = frozenset({"part", "rotable"})  # grease and gloves are used, they are no component


def put_in(
    session: Session, asset: Asset, movement: StockMovement, line: Line, by: Actor, work: Work | None, now: datetime
) -> None:
    """Say that a part went into a machine, and build it in."""
    with _hands_on(session, asset, work) as reach:
        if line.part.kind in BUILT_IN and reach is not None and _is_free(session, asset, line, reach):
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
    _take_out(session, asset, movement, line, work, now)
    _note(session, "part.returned", asset, movement, line, by, work)


def old_part_out(
    session: Session, asset: Asset, movement: StockMovement, line: Line, by: Actor, work: Work | None, now: datetime
) -> None:
    """Say that an old part came out. Without a serial nobody knows which of its kind it was: the tree stays."""
    if line.serial is not None:
        _take_out(session, asset, movement, line, work, now)
    _note(session, "part.removed", asset, movement, line, by, work)


def _take_out(
    session: Session, asset: Asset, movement: StockMovement, line: Line, work: Work | None, now: datetime
) -> None:
    with _hands_on(session, asset, work) as reach:
        if line.part.kind in BUILT_IN and reach is not None:
            component_removed(
                session,
                asset=asset,
                part_id=line.part.id,
                serial=line.serial.serial if line.serial else None,
                quantity=line.quantity,
                at=movement.occurred_at,
                now=now,
            )


@contextmanager
def _hands_on(session: Session, asset: Asset, work: Work | None) -> Iterator[str | None]:
    """Tell how far the actor's hands reach, and lend the rights for it; None: not into this machine's tree.

    `owner`: it is theirs, or below theirs. `executor`: they carry this very order on it out; the rows are the owner's,
    whose other rows stay out of sight, so the service writes them.
    """
    if is_ours(session, asset):
        yield "owner"
    elif work is not None and _carries_out(session, asset, work):
        session.flush()
        with service_rights(session):
            yield "executor"
            session.flush()
    else:
        yield None


def _is_free(session: Session, asset: Asset, line: Line, reach: str) -> bool:
    """A serial that the owner's tree has in another machine is not the executor's to take out there."""
    if reach == "owner" or line.serial is None:
        return True
    return not is_built_in_elsewhere(session, asset, line.part.number, line.serial.serial)


def _carries_out(session: Session, asset: Asset, work: Work) -> bool:
    known = text(
        "SELECT EXISTS (SELECT FROM work_orders WHERE id = :work AND asset_id = :asset AND organisation_id = :owner"
        " AND executing_organisation_id = ANY (forewarn_visible_organisations()))"
    )
    return bool(session.scalar(known, {"work": work.id, "asset": asset.id, "owner": asset.organisation_id}))


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
