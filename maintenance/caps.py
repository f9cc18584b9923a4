"""The daily cap: a site gets so many predicted orders a day, the most valuable first; the rest waits on the list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from assets.registry import Asset, Site
from maintenance.answers import RIGHT, WRONG, answer
from maintenance.decisions import SELF_EVIDENT_LAYERS, WATCH, Policy
from maintenance.feedback_settings import Feedback, feedback_for
from maintenance.guarded import Guarded
from maintenance.models import Episode, Finding
from ticketing.models import WorkOrder

CAP = "daily_cap"
WINDOW = timedelta(days=365)
PRIOR_COUNT = 2.0  # how many answers about a detector on a model outweigh those about it elsewhere
MAX_RIVALS = 200  # findings of a site that wait at the same moment: a storm must not compare all with all
SOON_S = 20.0  # those before it in the queue are decided in the meantime


class Candidate(NamedTuple):
    """A finding that waits for an order, in few words."""

    asset_id: UUID
    asset_model_id: UUID | None
    finding_id: UUID
    detector: str
    confidence: float
    first_at: datetime


@dataclass(frozen=True, slots=True)
class Worth:
    """What acting on a finding is expected to save: right_share x failure_cost - visit_cost."""

    right_share: float
    failure_cost: float
    visit_cost: float
    currency: str

    @property
    def avoided(self) -> float:
        """Expected cost avoided."""
        return self.right_share * self.failure_cost - self.visit_cost

    def params(self) -> dict[str, Any]:
        """The figure with what it is made of."""
        return {
            "avoided": round(self.avoided, 2),
            "right_share": round(self.right_share, 3),
            "failure_cost": self.failure_cost,
            "visit_cost": self.visit_cost,
            "currency": self.currency,
        }


@dataclass(frozen=True, slots=True)
class Day:
    """A site's day by its own clock, the cap and how many predicted orders it opened so far."""

    cap: int
    opened: int
    ends_at: datetime
    time_zone: str

    @property
    def left(self) -> int:
        return max(0, self.cap - self.opened)


def daily_cap(session: Session, asset: Asset, finding: Finding, policy: Policy, moment: datetime) -> Guarded | None:
    """Guard: open only what is among the most valuable that the site's day has room for; critical always goes.

    Two deciders at the very same moment may each take the last place: the cap orders a day's work, it is no invariant.
    """
    if finding.kind != "machine" or finding.severity == "critical" or finding.replayed or asset.site_id is None:
        return None
    settings = feedback_for(session, asset.organisation_id)
    day = day_of(session, asset.site_id, settings, moment)
    others = _rivals(session, asset, policy)
    if len(others) < day.left:
        return None
    me = Candidate(asset.id, asset.asset_model_id, finding.id, finding.detector, finding.confidence, finding.first_at)
    mine = _worth(session, me, settings, moment)
    before = sum(_order(_worth(session, one, settings, moment), one) < _order(mine, me) for one in others)
    if before < day.left:
        return None
    # With room left, those before it are decided in a moment; without, tomorrow is another day.
    again_s = SOON_S if day.left else max(SOON_S, (day.ends_at - moment).total_seconds())
    params: dict[str, Any] = {
        "cap": day.cap,
        "opened_today": day.opened,
        "rank": before + 1,
        "again_at": (moment + timedelta(seconds=again_s)).isoformat(),
    }
    return Guarded(CAP, params | mine.params(), action=WATCH, again_s=again_s)


def day_of(session: Session, site_id: UUID, settings: Feedback, moment: datetime) -> Day:
    """Return the site's day around a moment, with the predicted orders that it opened."""
    site = session.get(Site, site_id)
    zone = _zone(site.time_zone if site else "UTC")
    starts = moment.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    ends = starts + timedelta(days=1)  # by the wall clock: a day is not always 24 hours long
    opened = select(func.count()).where(
        WorkOrder.site_id == site_id,
        WorkOrder.origin == "finding",
        WorkOrder.kind == "machine",
        WorkOrder.opened_at >= starts,
        WorkOrder.opened_at < ends,
        ~WorkOrder.replayed,
    )
    return Day(settings.daily_cap, session.scalar(opened) or 0, ends, str(zone))


def waiting(session: Session, site_id: UUID, settings: Feedback, moment: datetime) -> list[tuple[Candidate, Worth]]:
    """Return what the cap keeps on the watch list of a site, the most valuable first."""
    capped = _CANDIDATES.where(Asset.site_id == site_id, Finding.cleared_at.is_(None), Finding.decision_reason == CAP)
    found = [Candidate(*row) for row in session.execute(capped.order_by(Finding.id).limit(MAX_RIVALS))]
    ranked = [(one, _worth(session, one, settings, moment)) for one in found]
    return sorted(ranked, key=lambda one: _order(one[1], one[0]))


_CANDIDATES = select(
    Asset.id, Asset.asset_model_id, Finding.id, Finding.detector, Finding.confidence, Finding.first_at
).join(Finding, Finding.asset_id == Asset.id)


def _rivals(session: Session, asset: Asset, policy: Policy) -> list[Candidate]:
    """Return the site's other assets whose evidence waits for an order too: undecided, or held back by the cap."""
    has_order = select(Episode.id).where(
        Episode.asset_id == Asset.id, Episode.kind == "machine", Episode.closed_at.is_(None)
    )
    waits = _CANDIDATES.where(
        Asset.site_id == asset.site_id,
        Asset.id != asset.id,
        Finding.cleared_at.is_(None),
        Finding.kind == "machine",
        Finding.severity != "critical",
        ~Finding.replayed,
        Finding.confidence >= policy.min_confidence,
        or_(~Finding.learning, Finding.layer.in_(SELF_EVIDENT_LAYERS)),
        or_(Finding.decided_revision < Finding.revision, Finding.decision_reason == CAP),
        ~has_order.exists(),
    )
    one_each: dict[UUID, Candidate] = {}
    for row in session.execute(waits.order_by(Finding.id).limit(MAX_RIVALS)):
        one = Candidate(*row)
        one_each.setdefault(one.asset_id, one)
    return list(one_each.values())


def _worth(session: Session, one: Candidate, settings: Feedback, moment: datetime) -> Worth:
    right, wrong = _answers(session, one.asset_model_id, moment).get(one.detector, (0, 0))
    share = (right + PRIOR_COUNT * one.confidence) / (right + wrong + PRIOR_COUNT)
    failure, visit = settings.cost_of(one.asset_id, one.asset_model_id)
    return Worth(share, failure, visit, settings.currency)


def _answers(session: Session, model: UUID | None, moment: datetime) -> dict[str, tuple[int, int]]:
    """Return how often each detector was right and wrong on a model; read once in a transaction, it is a year's sum."""
    known: dict[UUID, dict[str, tuple[int, int]]] = session.info.setdefault(CAP, {})
    if model is None:
        return {}
    if model not in known:
        known[model] = _count_answers(session, model, moment)
    return known[model]


def _count_answers(session: Session, model: UUID, moment: datetime) -> dict[str, tuple[int, int]]:
    detector = WorkOrder.noticed["detector"].astext
    counted = (
        select(detector, WorkOrder.outcome, func.count())
        .join(Asset, Asset.id == WorkOrder.asset_id)
        .where(
            Asset.asset_model_id == model,
            WorkOrder.origin == "finding",
            WorkOrder.kind == "machine",
            WorkOrder.outcome.is_not(None),
            WorkOrder.opened_at > moment - WINDOW,
        )
        .group_by(detector, WorkOrder.outcome)
    )
    found: dict[str, tuple[int, int]] = {}
    for by, outcome, count in session.execute(counted):
        right, wrong = found.get(by, (0, 0))
        verdict = answer("machine", outcome)
        found[by] = (right + count * (verdict == RIGHT), wrong + count * (verdict == WRONG))
    return found


def _order(worth: Worth, one: Candidate) -> tuple[float, datetime, UUID]:
    """Most valuable first, then the oldest evidence."""
    return -worth.avoided, one.first_at, one.finding_id


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
