"""The daily cap: a site gets so many predicted orders a day, the most valuable first; the rest waits on the list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
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
    mine, *rest = _worths(session, [(asset, finding), *others], settings, moment)
    before = sum(1 for its, (_, other) in zip(rest, others, strict=True) if _order(its, other) < _order(mine, finding))
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


def waiting(
    session: Session, site_id: UUID, settings: Feedback, moment: datetime
) -> list[tuple[Asset, Finding, Worth]]:
    """Return what the cap keeps on the watch list of a site, the most valuable first."""
    capped = (
        select(Asset, Finding)
        .join(Finding, Finding.asset_id == Asset.id)
        .where(Asset.site_id == site_id, Finding.cleared_at.is_(None), Finding.decision_reason == CAP)
        .limit(MAX_RIVALS)
    )
    found = [(asset, finding) for asset, finding in session.execute(capped)]
    ranked = zip(found, _worths(session, found, settings, moment), strict=True)
    return [(a, f, worth) for (a, f), worth in sorted(ranked, key=lambda one: _order(one[1], one[0][1]))]


def _rivals(session: Session, asset: Asset, policy: Policy) -> list[tuple[Asset, Finding]]:
    """Return the site's other assets whose evidence waits for an order too: undecided, or held back by the cap."""
    has_order = select(Episode.id).where(
        Episode.asset_id == Asset.id, Episode.kind == "machine", Episode.closed_at.is_(None)
    )
    waits = (
        select(Asset, Finding)
        .join(Finding, Finding.asset_id == Asset.id)
        .where(
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
        .order_by(Finding.id)
        .limit(MAX_RIVALS)
    )
    one_each: dict[UUID, tuple[Asset, Finding]] = {}
    for other, finding in session.execute(waits):
        one_each.setdefault(other.id, (other, finding))
    return list(one_each.values())


def _worths(
    session: Session, found: Sequence[tuple[Asset, Finding]], settings: Feedback, moment: datetime
) -> list[Worth]:
    answers = _answers(session, {asset.asset_model_id for asset, _ in found if asset.asset_model_id}, moment)
    worths = []
    for asset, finding in found:
        right, wrong = answers.get((asset.asset_model_id, finding.detector), (0, 0))
        share = (right + PRIOR_COUNT * finding.confidence) / (right + wrong + PRIOR_COUNT)
        failure, visit = settings.cost_of(asset)
        worths.append(Worth(share, failure, visit, settings.currency))
    return worths


def _answers(session: Session, models: set[UUID], moment: datetime) -> dict[tuple[UUID | None, str], tuple[int, int]]:
    """Return how often each detector was right and wrong on each model, by what was found on its orders."""
    detector = WorkOrder.noticed["detector"].astext
    counted = (
        select(Asset.asset_model_id, detector, WorkOrder.outcome, func.count())
        .join(Asset, Asset.id == WorkOrder.asset_id)
        .where(
            Asset.asset_model_id.in_(models),
            WorkOrder.origin == "finding",
            WorkOrder.kind == "machine",
            WorkOrder.outcome.is_not(None),
            WorkOrder.opened_at > moment - WINDOW,
        )
        .group_by(Asset.asset_model_id, detector, WorkOrder.outcome)
    )
    found: dict[tuple[UUID | None, str], tuple[int, int]] = {}
    for model, by, outcome, count in session.execute(counted):
        right, wrong = found.get((model, by), (0, 0))
        verdict = answer("machine", outcome)
        found[model, by] = (right + count * (verdict == RIGHT), wrong + count * (verdict == WRONG))
    return found


def _order(worth: Worth, finding: Finding) -> tuple[float, datetime, UUID]:
    """Most valuable first, then the oldest evidence."""
    return -worth.avoided, finding.first_at, finding.id


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
