"""Answer work orders as technicians and planners do, and let what follows happen."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.consumers import Consumer, run_consumer
from maintenance.decisions import FindingFacts
from maintenance.episodes import decide_pending
from maintenance.feedback import ORDER_KINDS, VERDICT_KINDS, learn_from_order, store_verdict
from maintenance.findings import save_findings
from maintenance.models import Finding
from maintenance.outcomes import KINDS, close_episode
from ml.labels import KINDS as LABEL_KINDS
from ml.labels import store_label
from tests.ticketing.world import World
from ticketing import field
from ticketing.models import WorkOrder
from ticketing.work_orders import transition

CONSUMERS = (
    Consumer("maintenance.outcomes", KINDS, close_episode),
    Consumer("ml.labels", LABEL_KINDS, store_label),
    Consumer("maintenance.feedback", ORDER_KINDS, learn_from_order),
    Consumer("maintenance.verdicts", VERDICT_KINDS, store_verdict),
)


def notice(world: World, *facts: FindingFacts, now: datetime | None = None) -> None:
    """Save findings, each under its asset's owner, and decide about all that waits."""
    moment = now or max(fact.cleared_at or fact.last_at for fact in facts)
    with world.database.as_service() as session:
        for fact in facts:
            owner = world.asset(session, UUID(fact.asset)).organisation_id
            save_findings(session, owner, [fact], False, moment)
    with world.database.as_service() as session:
        decide_pending(session, moment)


def consume(world: World, now: datetime) -> None:
    for consumer in CONSUMERS:
        while run_consumer(world.database, consumer, now):
            pass


def orders(session: Session) -> list[WorkOrder]:
    return list(session.scalars(select(WorkOrder).order_by(WorkOrder.id)))


def count_orders(world: World) -> int:
    with world.database.as_service() as session:
        return len(orders(session))


def last_finding(world: World) -> tuple[str | None, str | None, dict[str, Any]]:
    """Return the newest finding's decision, its reason and parameters."""
    with world.database.as_service() as session:
        row = session.scalars(select(Finding).order_by(Finding.id.desc()).limit(1)).one()
        return row.decision, row.decision_reason, row.decision_params or {}


def answer_order(world: World, outcome: str, now: datetime, repair_code: str | None = None) -> WorkOrder:
    """A technician goes to the newest order and says what was found."""
    with world.database.as_service() as session:
        order, ann = orders(session)[-1], world.person(session, world.ann)
        field.start(session, order, ann, now)
        field.finish(session, order, ann, now, outcome=outcome, repair_code=repair_code)
    consume(world, now)
    return order


def send_back(world: World, now: datetime) -> None:
    """The review sends the newest order back."""
    with world.database.as_service() as session:
        transition(session, orders(session)[-1], "in_progress", now)
    consume(world, now)
