"""How long an asset was down and why, out of its states, the work on it and the silence of its devices."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from assets.downtime import UNOBSERVED, Downtime, Source, Stretch, downtime
from assets.states import history
from maintenance.models import Finding
from ticketing.models import WorkOrder

# Why a machine stands still while somebody works on it, by the origin of the order.
_ORIGINS = {"plan": "planned_maintenance", "inspection": "planned_maintenance"}
_SILENT = "connection"  # kind of the findings that say that nobody hears the asset


def asset_downtime(session: Session, asset_id: UUID, since: datetime, until: datetime) -> Downtime:
    """Return the downtime of [since, until); what lasts counts up to `until`."""
    stretches = [
        *_states(session, asset_id, since, until),
        *_work(session, asset_id, since, until),
        *_silences(session, asset_id, since, until),
    ]
    return downtime(stretches, since, until)


def _states(session: Session, asset_id: UUID, since: datetime, until: datetime) -> list[Stretch]:
    """What telemetry or a person said: down under the reason told, else a breakdown."""
    return [
        Stretch(
            row.valid_from, row.valid_to, row.reason_code or "breakdown", Source(f"operation:{row.source}", str(row.id))
        )
        for row in history(session, asset_id, "operation", since, until)
        if row.state == "down"
    ]


def _work(session: Session, asset_id: UUID, since: datetime, until: datetime) -> list[Stretch]:
    """Work on the machine itself, from its begin to its end; a sensor is changed while the machine runs."""
    found = select(WorkOrder).where(
        WorkOrder.asset_id == asset_id,
        WorkOrder.kind.in_(("machine", "general")),
        WorkOrder.started_at.is_not(None),
        WorkOrder.started_at < until,
        or_(WorkOrder.work_done_at.is_(None), WorkOrder.work_done_at > since),
        WorkOrder.state != "cancelled",
    )
    stretches = []
    for order in session.scalars(found.order_by(WorkOrder.started_at).limit(5000)):
        if order.started_at is None:
            continue
        end = order.work_done_at or order.closed_at
        reason = _ORIGINS.get(order.origin, "repair")
        stretches.append(Stretch(order.started_at, end, reason, Source("work_order", str(order.id), order.number)))
    return stretches


def _silences(session: Session, asset_id: UUID, since: datetime, until: datetime) -> list[Stretch]:
    """Nobody heard the machine: it is neither up nor down then."""
    found = select(Finding).where(
        Finding.asset_id == asset_id,
        Finding.kind == _SILENT,
        Finding.first_at < until,
        or_(Finding.cleared_at.is_(None), Finding.cleared_at > since),
    )
    return [
        Stretch(row.first_at, row.cleared_at, UNOBSERVED, Source("finding", str(row.id)))
        for row in session.scalars(found.order_by(Finding.first_at).limit(5000))
    ]
