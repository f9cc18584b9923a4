"""What activating, changing, pausing or ending a plan does to its machines: few at once, many by a job in steps."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from assets.base.queue import enqueue
from maintenance.plans.machines import STEP, end_rows, how_many, let_go, sync_step
from maintenance.plans.tables import MaintenancePlan, Occurrence, PlanAsset

TASK = "settle_plans"
AT_ONCE = 500  # machines that a request looks at itself


def settle(session: Session, plan: MaintenancePlan, why: str, now: datetime) -> None:
    """Let a plan's machines follow it: within this transaction, or, when they are many, by a job.

    `why`: activated, resumed, changed, paused, ended. What a job has not finished yet the newest change takes over.
    """
    begun = plan.settling_since if why == "changed" and plan.settling in ("activated", "resumed") else None
    why = plan.settling or why if begun is not None else why
    plan.settling, plan.settling_since, plan.settled_after = why, begun or now, None
    session.flush()
    if how_many(session, plan, AT_ONCE + 1) > AT_ONCE:
        enqueue(session, TASK, queueing_lock=TASK, lock=TASK)
        return
    while settle_step(session, plan, now):
        pass


def settle_next(session: Session, now: datetime) -> bool:
    """Do one step for a plan whose machines have yet to follow; return whether there was one."""
    waiting = select(MaintenancePlan).where(MaintenancePlan.settling.is_not(None)).order_by(MaintenancePlan.id)
    plan = session.scalar(
        waiting.limit(1).with_for_update(skip_locked=True), execution_options={"populate_existing": True}
    )
    if plan is None:
        return False
    settle_step(session, plan, now)
    return True


def settle_step(session: Session, plan: MaintenancePlan, now: datetime) -> bool:
    """Let some machines follow their plan; return whether there are more."""
    why, since = plan.settling, plan.settling_since
    if why == "paused":
        more = _pause_some(session, plan)
    elif why == "ended":
        more = _end_some(session, plan, now)
    elif plan.state not in ("active", "paused"):
        more = False
    elif why == "resumed" and plan.settled_after is None and _skip_some(session, plan, since or now):
        return True
    else:
        begins = since if why in ("activated", "resumed") else None
        plan.settled_after = sync_step(
            session, plan, now, plan.settled_after, since=begins, anew=why in ("changed", "activated", "resumed")
        )
        more = plan.settled_after is not None
        while not more and let_go(session, plan, now) == STEP:
            pass
    if not more:
        plan.settling = plan.settling_since = plan.settled_after = None
    session.flush()
    return more


def _pause_some(session: Session, plan: MaintenancePlan) -> bool:
    found = select(PlanAsset.id).where(PlanAsset.plan_id == plan.id, PlanAsset.state == "active").limit(STEP)
    keys = session.scalars(found).all()
    session.execute(update(PlanAsset).where(PlanAsset.id.in_(keys)).values(state="paused"))
    return len(keys) == STEP


def _end_some(session: Session, plan: MaintenancePlan, now: datetime) -> bool:
    found = select(PlanAsset.id).where(PlanAsset.plan_id == plan.id, PlanAsset.state != "ended").limit(STEP)
    keys = session.scalars(found).all()
    end_rows(session, keys, "plan_ended", now)
    return len(keys) == STEP


def _skip_some(session: Session, plan: MaintenancePlan, now: datetime) -> bool:
    """What fell due while the plan paused is skipped."""
    late = select(Occurrence.id).where(Occurrence.plan_id == plan.id, Occurrence.state == "planned")
    late = late.where(Occurrence.due_at <= now, Occurrence.put_at.is_(None) | (Occurrence.put_at <= now))
    keys = session.scalars(late.limit(STEP)).all()
    gone = update(Occurrence).where(Occurrence.id.in_(keys))
    session.execute(gone.values(state="skipped", reason="paused", closed_at=now))
    return len(keys) == STEP
