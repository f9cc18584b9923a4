"""Judge what models opened by what people found: each order right or wrong, each failure pre-empted, late or missed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from assets.registry import Asset
from maintenance.answers import FAILURES, NEUTRAL, RIGHT, UNANSWERED, answer
from ticketing.models import Request, WorkOrder

HORIZON = timedelta(days=30)  # an order longer before the failure than this did not see that failure
MIN_LEAD = timedelta(hours=24)  # less is too late to plan anything
PREEMPTED, LATE, MISSED = "preempted", "late", "missed"
MOST_ORDERS = 100_000  # the newest, read into one answer

Report = tuple[datetime, UUID | None]  # when people said so, and the order that came of it

_OF_MACHINES = ("machine", "general")
_NO_NEWS = ("rejected",)


@dataclass(frozen=True, slots=True)
class Job:
    """One work order in few words. `reported_at`: when a person first said so, for orders that people asked for."""

    id: UUID
    number: str
    asset_id: UUID
    asset_model_id: UUID | None
    origin: str
    kind: str
    state: str
    opened_at: datetime
    ended_at: datetime | None
    outcome: str | None
    repair_code: str | None
    detector: str | None
    model_id: str | None
    reported_at: datetime | None = None

    @property
    def verdict(self) -> str:
        """What people found: right, wrong, neutral or unanswered."""
        found = answer(self.kind, self.outcome)
        # Cancelled or closed without an outcome: nobody will say any more.
        return NEUTRAL if found == UNANSWERED and self.state in ("closed", "cancelled") else found

    @property
    def model(self) -> str:
        """The model that opened it: a detector on a type of machine."""
        return model_key(self.detector or "", self.asset_model_id)


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure of a machine, real or averted. `failed_at` is None where the repair came before it failed.

    `job` is the order that says so; `by` the model's order that saw it coming, None when it was missed.
    """

    job: Job
    at: datetime
    failed_at: datetime | None
    fate: str
    by: Job | None
    lead_s: float | None


def model_key(detector: str, asset_model_id: UUID | None) -> str:
    """Name a model: its detector and the type of machine."""
    return f"{detector}:{asset_model_id or 'none'}"


def load_jobs(session: Session, since: datetime, until: datetime, replayed: bool) -> list[Job]:
    """Return the orders that models opened, and those of people that ended as failures, in time order.

    Those of one horizon before `since` are among them: they may have seen what failed after it.
    """
    first = Request.created_at
    asked: dict[UUID, datetime] = {}
    opened = WorkOrder.opened_at
    linked = select(Request.work_order_id, first).join(WorkOrder, WorkOrder.id == Request.work_order_id)
    for order_id, at in session.execute(linked.where(opened >= since - HORIZON, opened < until)):
        if order_id is not None:
            asked[order_id] = min(asked.get(order_id, at), at)
    query = (
        select(
            WorkOrder.id,
            WorkOrder.number,
            WorkOrder.asset_id,
            Asset.asset_model_id,
            WorkOrder.origin,
            WorkOrder.kind,
            WorkOrder.state,
            WorkOrder.opened_at,
            WorkOrder.work_done_at,
            WorkOrder.closed_at,
            WorkOrder.outcome,
            WorkOrder.repair_code,
            WorkOrder.noticed["detector"].astext,
            WorkOrder.noticed["model_id"].astext,
            WorkOrder.since,
        )
        .join(Asset, Asset.id == WorkOrder.asset_id)
        .where(
            opened >= since - HORIZON,
            opened < until,
            WorkOrder.replayed == replayed,
            or_(
                WorkOrder.origin == "finding",
                and_(WorkOrder.kind.in_(_OF_MACHINES), WorkOrder.outcome.in_(FAILURES)),
            ),
        )
        .order_by(WorkOrder.opened_at.desc(), WorkOrder.id.desc())
        .limit(MOST_ORDERS)
    )
    return [_job(row, asked) for row in session.execute(query)][::-1]


def load_reports(session: Session, since: datetime, until: datetime) -> dict[UUID, list[Report]]:
    """Return when people reported something about each asset, with the order that came of it, oldest first."""
    told = select(Request.asset_id, Request.created_at, Request.work_order_id).where(
        Request.created_at >= since - HORIZON,
        Request.created_at < until,
        Request.state.not_in(_NO_NEWS),
        Request.asset_id.is_not(None),
    )
    found: dict[UUID, list[Report]] = defaultdict(list)
    for asset_id, at, order_id in session.execute(told.order_by(Request.created_at)):
        if asset_id is not None:
            found[asset_id].append((at, order_id))
    return found


def failures(jobs: Iterable[Job], reports: Mapping[UUID, Sequence[Report]], until: datetime) -> list[Failure]:
    """Return each failure of the machines once, with its fate, in time order.

    A failure that people reported at f is pre-empted when a model's order opened in [f - HORIZON, f - MIN_LEAD],
    after the last repair, and was still open at f; late when it opened after that. A model's order that people
    confirmed and nobody had reported before the repair is pre-empted: its lead is the time to the repair, at least.
    """
    by_asset: dict[UUID, list[Job]] = defaultdict(list)
    for job in jobs:
        if job.kind in _OF_MACHINES:
            by_asset[job.asset_id].append(job)
    found: list[Failure] = []
    for asset_id, own in by_asset.items():
        found += _of_asset(own, reports.get(asset_id, ()), until)
    return sorted(found, key=lambda one: (one.at, one.job.id))


def _of_asset(own: Sequence[Job], reports: Sequence[Report], until: datetime) -> list[Failure]:
    models = sorted((j for j in own if j.origin == "finding"), key=lambda j: j.opened_at)
    people = [j for j in own if j.origin != "finding" and j.outcome in FAILURES]
    repairs = [j.ended_at for j in own if j.ended_at and j.verdict == RIGHT]
    found: list[Failure] = []
    told: set[UUID] = set()  # orders whose failure is told by a model's order
    for job in models:
        if job.verdict != RIGHT or any(_said(order) < job.opened_at <= _end(order, until) for order in people):
            continue  # in the second case people were first, and their order tells it
        before = min((at for at, order_id in reports if order_id == job.id and at < job.opened_at), default=None)
        if before is not None:
            found.append(Failure(job, before, before, MISSED, None, None))
            continue
        same = {order.id for order in people if _within(job, _said(order))}
        told |= same
        times = [_said(order) for order in people if order.id in same]
        times += [at for at, order_id in reports if order_id in (None, job.id) and _within(job, at)]
        found.append(_caught(job, job, min(times, default=None), until))
    for order in (order for order in people if order.id not in told):
        at = _said(order)
        repaired = max((r for r in repairs if r < at), default=None)
        first = next((job for job in models if _foresaw(job, at, repaired)), None)
        missed = Failure(order, at, at, MISSED, None, None)
        found.append(missed if first is None else _caught(order, first, at, until))
    return found


def _caught(job: Job, by: Job, failed_at: datetime | None, until: datetime) -> Failure:
    end = failed_at or by.ended_at or until
    lead = end - by.opened_at
    late = failed_at is not None and lead < MIN_LEAD
    return Failure(job, end, failed_at, LATE if late else PREEMPTED, by, lead.total_seconds())


def _said(order: Job) -> datetime:
    return order.reported_at or order.opened_at


def _within(job: Job, at: datetime) -> bool:
    """Between a model's order and its repair, and not so late that it was seen by chance."""
    return job.opened_at <= at <= min(job.ended_at or at, job.opened_at + HORIZON)


def _end(job: Job, until: datetime) -> datetime:
    return job.ended_at or until


def _foresaw(job: Job, at: datetime, repaired_before: datetime | None) -> bool:
    """A model's order that was open when people reported, not one about what was repaired before."""
    still_open = job.verdict in (UNANSWERED, NEUTRAL) and (job.ended_at is None or job.ended_at >= at)
    fresh = repaired_before is None or job.opened_at >= repaired_before
    return still_open and fresh and timedelta(0) <= at - job.opened_at <= HORIZON


def _job(row: Any, asked: Mapping[UUID, datetime]) -> Job:
    key, number, asset_id, asset_model_id, origin, kind, state, opened_at, done_at, closed_at = row[:10]
    outcome, repair_code, detector, model_id, since = row[10:]
    reported = asked.get(key) or (min(since, opened_at) if since is not None and origin != "finding" else None)
    return Job(
        key,
        number,
        asset_id,
        asset_model_id,
        origin,
        kind,
        state,
        opened_at,
        done_at or closed_at,
        outcome,
        repair_code,
        detector if origin == "finding" else None,
        model_id if origin == "finding" else None,
        reported,
    )
