"""The budget of false work orders: how much stronger than usual an asset's evidence must be, from what answers say."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from assets.registry import Asset
from maintenance.answers import RIGHT, UNANSWERED, WRONG, answer
from maintenance.batch import batch_of
from maintenance.decisions import WATCH, Policy
from maintenance.feedback_models import AlarmBudget, ObservedMonth, PlannerVerdict
from maintenance.feedback_settings import Feedback, feedback_for
from maintenance.findings import facts_of
from maintenance.guarded import Guarded
from maintenance.held_back import Held, held_of
from maintenance.likeness import strength, strength_of
from maintenance.models import EpisodeFinding, Finding, WorkLink
from maintenance.suppressors import AUDITED, BUDGET, SUPPRESSED, drawn, is_audited, note_held_back
from ticketing.models import WorkOrder

WINDOW = timedelta(days=365)
CALIBRATED = ("L2", "L3")  # their levels are our own choice; limits and data quality are not ours to move
PRIOR_MONTHS = 3.0  # how many asset-months of its own outweigh what its peers show
PRIOR_SCALE = 0.3  # how far beyond the level false evidence reaches on average, before there is any
PRIOR_COUNT = 2.0
Z_CERTAIN = -1.2816  # nine times of ten the true rate is higher
MOST = 2.5  # never more than so many times the usual level: a budget makes patient, not deaf
SPARED = 0.2  # a level stays below what four of five confirmed troubles reached
FEWEST_RIGHT = 5
DISMISSED_WEIGHT = 0.5  # a planner's no from the desk is worth half a look at the machine
MAX_PEERS = 2000
LOOK_AGAIN_S = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of an asset's own-level machine alarms; `strengths_*` in units of the level that opens."""

    months: float = 0.0
    right: int = 0
    wrong: int = 0
    unanswered: int = 0
    dismissed: int = 0
    held_back: int = 0
    strengths_right: tuple[float, ...] = ()
    strengths_wrong: tuple[float, ...] = ()

    @property
    def orders(self) -> int:
        return self.right + self.wrong + self.unanswered

    def wrong_share(self, prior: float) -> float:
        """Return the share of answers that were no, shrunk to a prior."""
        return (self.wrong + PRIOR_COUNT * prior) / (self.right + self.wrong + PRIOR_COUNT)


@dataclass(frozen=True, slots=True)
class Factor:
    """The controller's answer: the factor, the rates behind it (false orders per 30 days at the usual level), why."""

    level_factor: float
    expected_rate: float
    own_rate: float | None
    peers_rate: float | None
    reason: str
    params: dict[str, Any] = field(default_factory=dict)


def together(counts: Iterable[Counts]) -> Counts:
    """Return the sum of several assets' counts."""
    parts = list(counts)
    return Counts(
        months=sum(part.months for part in parts),
        right=sum(part.right for part in parts),
        wrong=sum(part.wrong for part in parts),
        unanswered=sum(part.unanswered for part in parts),
        dismissed=sum(part.dismissed for part in parts),
        held_back=sum(part.held_back for part in parts),
        strengths_right=tuple(value for part in parts for value in part.strengths_right),
        strengths_wrong=tuple(value for part in parts for value in part.strengths_wrong),
    )


def factor_of(own: Counts, peers: Counts, budget_per_month: float) -> Factor:
    """Return by how much an asset's level is raised so that its false orders meet the budget.

    The rate of false orders at the usual level is a Gamma-Poisson estimate, shrunk to the peers' and through them to
    the budget; alarms that were held back count as orders, or success would look like no need. Whether to raise is
    decided by the rate that is exceeded nearly for certain: one false order is bad luck (and its signature is
    suppressed anyway), and a level raised after each would make deaf. How far, by the rate that is expected: once it
    is clear that the budget is exceeded, a cautious rate would leave it exceeded. False evidence thins out
    exponentially with its strength, so a rate `r` above the budget `b` needs 1 + scale * ln(r / b).
    """
    peers_share = peers.wrong_share(0.5)
    peers_rate = _false(peers, peers_share) / peers.months if peers.months else None
    prior = (_false(peers, peers_share) + budget_per_month) / (peers.months + 1.0)
    shape = prior * PRIOR_MONTHS + _false(own, own.wrong_share(peers_share))
    rate = shape / (PRIOR_MONTHS + own.months)
    certain = _gamma_quantile(shape, Z_CERTAIN) / (PRIOR_MONTHS + own.months)
    own_rate = _false(own, own.wrong_share(peers_share)) / own.months if own.months else None
    params: dict[str, Any] = {"budget_per_month": budget_per_month, "expected_rate": round(rate, 4)}
    params["certain_rate"] = round(certain, 4)
    if not (own.right or own.wrong or own.dismissed):
        # Nobody has answered about this asset: no reason to be more patient with it than with any other.
        return Factor(1.0, rate, own_rate, peers_rate, "budget.no_history", params)
    if certain <= budget_per_month:
        return Factor(1.0, rate, own_rate, peers_rate, "budget.kept", params)
    wrong = [*own.strengths_wrong, *peers.strengths_wrong]
    scale = (sum(max(0.0, min(MOST, s) - 1.0) for s in wrong) + PRIOR_SCALE * PRIOR_COUNT) / (len(wrong) + PRIOR_COUNT)
    wanted = min(MOST, 1.0 + scale * math.log(rate / budget_per_month))
    ceiling = _ceiling([*own.strengths_right, *peers.strengths_right])
    chosen = max(1.0, min(wanted, ceiling))
    limited = chosen < wanted
    params |= {"wanted": round(wanted, 3), "level_factor": round(chosen, 3)}
    return Factor(chosen, rate, own_rate, peers_rate, "budget.limited" if limited else "budget.over", params)


def over_budget(session: Session, asset: Asset, finding: Finding, policy: Policy, moment: datetime) -> Guarded | None:
    """Guard: put on the watch list what does not reach the asset's raised level; let some of it through at random."""
    if not _is_ours(finding) or finding.replayed or is_audited(session, finding.id):
        return None
    batch = batch_of(session, asset.id)
    if batch is not None and asset.id not in batch.budgeted:
        return None
    budget = session.get(AlarmBudget, asset.id, populate_existing=True)
    ratio = strength(facts_of(finding))
    if budget is None or ratio >= budget.level_factor:
        return None
    share = feedback_for(session, asset.organisation_id).audit_share
    result = AUDITED if drawn(f"{asset.id}:{BUDGET}:{moment.date()}", share) else SUPPRESSED
    note_held_back(session, finding, BUDGET, result, ratio, moment)
    if result == AUDITED:
        return None
    known = {name: budget.facts.get(name) for name in ("budget_per_month", "expected_rate")}
    params = {"level_factor": round(budget.level_factor, 3), "ratio": round(ratio, 3)} | known
    return Guarded(BUDGET, params, action=WATCH, again_s=LOOK_AGAIN_S)


def reckon(session: Session, asset: Asset, now: datetime) -> Factor:
    """Compute an asset's factor and store it."""
    return _reckon_kin(session, [asset], now)[0]


def reckon_all(session: Session, now: datetime, limit: int = 500) -> int:
    """Compute anew the factors that are oldest; they fade as what they rest on leaves the window. Return how many."""
    due = select(Asset).join(AlarmBudget, AlarmBudget.asset_id == Asset.id)
    due = due.where(AlarmBudget.computed_at < now - timedelta(hours=1)).order_by(AlarmBudget.computed_at).limit(limit)
    kin: dict[UUID | None, list[Asset]] = defaultdict(list)
    for asset in session.scalars(due).all():
        kin[asset.asset_model_id].append(asset)
    for model, assets in kin.items():
        for few in [assets] if model else [[asset] for asset in assets]:  # without a model nobody is kin
            _reckon_kin(session, few, now)
    return sum(len(assets) for assets in kin.values())


def _reckon_kin(session: Session, assets: Sequence[Asset], now: datetime) -> list[Factor]:
    """Compute the factors of assets of one model; what their kin shows is read once."""
    kin = {asset.id for asset in assets}
    if model := assets[0].asset_model_id:
        same = select(Asset.id).where(Asset.asset_model_id == model).order_by(Asset.id).limit(MAX_PEERS)
        kin.update(session.scalars(same))
    counts = counts_of(session, sorted(kin), now)
    months = sum(one.months for one in counts.values())
    busy = {asset_id: one for asset_id, one in counts.items() if one.orders or one.dismissed or one.held_back}
    factors = []
    for asset in assets:
        own = counts[asset.id]
        others = together(one for asset_id, one in busy.items() if asset_id != asset.id)
        peers = replace(others, months=max(0.0, months - own.months))
        settings = feedback_for(session, asset.organisation_id)
        factors.append(_store(session, asset, own, peers, len(kin) - 1, settings, now))
    return factors


def counts_of(session: Session, assets: Sequence[UUID], now: datetime) -> dict[UUID, Counts]:
    """Return what became of the alarms of these assets within the window."""
    since = now - WINDOW
    months = _months(session, assets, since.date())
    tallies = {asset_id: _Tally(months=months.get(asset_id, 0.0)) for asset_id in assets}
    for asset_id, kind, outcome, state, *evidence in _orders(session, assets, since):
        tallies[asset_id].add(answer(kind, outcome), strength_of(*evidence), state)
    said_no = select(PlannerVerdict.asset_id, func.count()).where(
        PlannerVerdict.asset_id.in_(assets), PlannerVerdict.verdict == "dismiss", PlannerVerdict.at > since
    )
    for asset_id, count in session.execute(said_no.group_by(PlannerVerdict.asset_id)):
        tallies[asset_id].dismissed = count
    for asset_id, found in held_of(session, assets, since).items():
        tallies[asset_id].held(found)
    return {asset_id: tally.counts() for asset_id, tally in tallies.items()}


@dataclass(slots=True)
class _Tally:
    months: float
    right: int = 0
    wrong: int = 0
    unanswered: int = 0
    dismissed: int = 0
    held_back: int = 0
    strengths: dict[str, list[float]] = field(default_factory=lambda: {RIGHT: [], WRONG: []})

    def add(self, verdict: str, strong: float, state: str) -> None:
        if verdict == UNANSWERED and state not in ("cancelled", "closed"):
            self.unanswered += 1
        elif verdict == RIGHT:
            self.right += 1
            self.strengths[RIGHT].append(strong)
        elif verdict == WRONG:
            self.wrong += 1
            self.strengths[WRONG].append(strong)

    def held(self, found: Held) -> None:
        """Missed troubles are right ones: else only those strong enough to pass would say how strong true ones get,
        and each rise of the level would allow the next."""
        self.held_back = found.days
        self.right += len(found.missed)
        self.strengths[RIGHT] += found.missed

    def counts(self) -> Counts:
        return Counts(
            self.months,
            self.right,
            self.wrong,
            self.unanswered,
            self.dismissed,
            self.held_back,
            tuple(self.strengths[RIGHT]),
            tuple(self.strengths[WRONG]),
        )


def _false(counts: Counts, wrong_share: float) -> float:
    """Return how many of the alarms were false, as far as answers tell: what nobody answered teaches nothing."""
    return counts.wrong + DISMISSED_WEIGHT * counts.dismissed + wrong_share * counts.held_back


def _gamma_quantile(shape: float, z: float) -> float:
    """Return a quantile of the gamma distribution of rate 1 (Wilson and Hilferty 1931); `z` is the normal one's."""
    ninth = 1.0 / (9.0 * shape)
    return shape * max(0.0, 1.0 - ninth + z * math.sqrt(ninth)) ** 3


def _ceiling(right: Sequence[float]) -> float:
    if len(right) < FEWEST_RIGHT:
        return MOST
    ordered = sorted(right)
    return ordered[int(SPARED * len(ordered))]


def _is_ours(finding: Finding) -> bool:
    return finding.layer in CALIBRATED and finding.kind == "machine" and finding.severity != "critical"


def _orders(session: Session, assets: Sequence[UUID], since: datetime) -> Iterable[Any]:
    """Each machine order that models opened at levels of their own: asset, kind, outcome, state, strongest evidence."""
    evidence = aliased(Finding)
    strongest = (
        select(evidence.id)
        .join(EpisodeFinding, EpisodeFinding.finding_id == evidence.id)
        .join(WorkLink, WorkLink.episode_id == EpisodeFinding.episode_id)
        .where(WorkLink.work_order_id == WorkOrder.id, evidence.layer.in_(CALIBRATED))
        .order_by((evidence.peak / func.nullif(evidence.limit_open, 0)).desc().nulls_last())
        .limit(1)
        .correlate(WorkOrder)
        .scalar_subquery()
    )
    order = (WorkOrder.asset_id, WorkOrder.kind, WorkOrder.outcome, WorkOrder.state)
    query = (
        select(*order, Finding.layer, Finding.peak, Finding.limit_open, Finding.limit_clear)
        .join(Finding, Finding.id == strongest)
        .where(
            WorkOrder.asset_id.in_(assets),
            WorkOrder.origin == "finding",
            WorkOrder.kind == "machine",
            WorkOrder.opened_at > since,
            ~WorkOrder.replayed,
        )
    )
    return session.execute(query)


def _months(session: Session, assets: Sequence[UUID], since: date) -> dict[UUID, float]:
    observed = select(ObservedMonth.asset_id, func.sum(ObservedMonth.days)).where(
        ObservedMonth.asset_id.in_(assets), ObservedMonth.month >= since.replace(day=1)
    )
    return {asset_id: days / 30.0 for asset_id, days in session.execute(observed.group_by(ObservedMonth.asset_id))}


def _store(
    session: Session, asset: Asset, own: Counts, peers: Counts, kin: int, settings: Feedback, now: datetime
) -> Factor:
    factor = factor_of(own, peers, settings.budget_per_month)
    counted = {name: value for name, value in asdict(own).items() if not name.startswith("strengths")}
    facts = counted | {
        "orders": own.orders,
        "peers": kin,
        "peers_rate": factor.peers_rate,
        "own_rate": factor.own_rate,
        "expected_rate": factor.expected_rate,
        "budget_per_month": settings.budget_per_month,
        "reason": {"code": factor.reason, "params": factor.params},
    }
    values: dict[str, Any] = {
        "organisation_id": asset.organisation_id,
        "level_factor": factor.level_factor,
        "facts": facts,
        "computed_at": now,
    }
    statement = insert(AlarmBudget).values(asset_id=asset.id, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["asset_id"], set_=values))
    return factor
