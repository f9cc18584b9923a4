"""What became of alarms that the budget held back: nothing, a model's later order, or a trouble that was missed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from maintenance.answers import RIGHT, WRONG, answer
from maintenance.feedback_models import HeldBack
from maintenance.models import EpisodeFinding, WorkLink
from maintenance.suppressors import BUDGET, SUPPRESSED
from ticketing.models import WorkOrder

FOLLOWS = timedelta(days=30)  # a trouble that shows so soon after is what the evidence was about
SAME = timedelta(days=1)  # a wrong order of a model so soon after is the same false alarm


@dataclass(frozen=True, slots=True)
class Trouble:
    """A confirmed trouble, or a false alarm: when it was noticed, and whether by a model's order."""

    at: datetime
    by_model: bool
    right: bool = True


@dataclass(slots=True)
class Held:
    """Days with alarms that nothing followed, and the strengths of those that people's reports proved right."""

    days: int = 0
    missed: list[float] = field(default_factory=list)


def held_of(session: Session, assets: Sequence[UUID], since: datetime) -> dict[UUID, Held]:
    """Return what became of the alarms that the budget held back since then; only assets that had any."""
    # One alarm a day at most: evidence that flaps below the level would have been one order.
    day = func.date_trunc("day", HeldBack.at)
    # What outgrew the level later is counted at the order that it opened, right or wrong.
    opened = exists().where(
        EpisodeFinding.finding_id == HeldBack.finding_id, WorkLink.episode_id == EpisodeFinding.episode_id
    )
    held = select(HeldBack.asset_id, func.min(HeldBack.at), func.max(HeldBack.ratio)).where(
        HeldBack.asset_id.in_(assets), HeldBack.reason == BUDGET, HeldBack.result == SUPPRESSED, HeldBack.at > since,
        ~opened,
    )  # fmt: skip
    by_asset: dict[UUID, list[tuple[datetime, float]]] = defaultdict(list)
    for asset_id, at, ratio in session.execute(held.group_by(HeldBack.asset_id, day)):
        by_asset[asset_id].append((at, ratio))
    troubles = _troubles(session, sorted(by_asset), since) if by_asset else {}
    return {asset_id: settled(alarms, troubles.get(asset_id, ())) for asset_id, alarms in by_asset.items()}


def settled(alarms: Iterable[tuple[datetime, float]], troubles: Sequence[Trouble]) -> Held:
    """Tell what nothing followed from what was right; what a model opened later itself is counted there."""
    found, missed = Held(), dict[datetime, float]()
    for at, ratio in alarms:
        right = (each for each in troubles if each.right and at <= each.at <= at + FOLLOWS)
        followed = min(right, key=lambda t: t.at, default=None)
        if followed is None:
            again = any(not each.right and at <= each.at <= at + SAME for each in troubles)
            found.days += not again
        elif not followed.by_model:
            missed[followed.at] = max(ratio, missed.get(followed.at, 0.0))
    found.missed = [missed[at] for at in sorted(missed)]
    return found


def _troubles(session: Session, assets: Sequence[UUID], since: datetime) -> Mapping[UUID, list[Trouble]]:
    noticed = func.coalesce(WorkOrder.since, WorkOrder.opened_at)
    orders = select(WorkOrder.asset_id, noticed, WorkOrder.origin, WorkOrder.kind, WorkOrder.outcome).where(
        WorkOrder.asset_id.in_(assets), WorkOrder.outcome.is_not(None), noticed > since, ~WorkOrder.replayed
    )
    troubles: dict[UUID, list[Trouble]] = defaultdict(list)
    for asset_id, at, origin, kind, outcome in session.execute(orders):
        verdict, by_model = answer("machine" if kind == "general" else kind, outcome), origin == "finding"
        if kind in ("machine", "general") and (verdict == RIGHT or (verdict == WRONG and by_model)):
            troubles[asset_id].append(Trouble(at, by_model, verdict == RIGHT))
    return troubles
