"""Asset cards: what one sees of an asset at a glance, computed for many assets in a few queries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.units import unit_label
from assets.registry import Asset, AssetModel, Customer, Site
from ingest.roll_call import presence_of_assets
from ingest.store.read import Latest, latest_values, sparklines
from maintenance.models import Episode, Finding, PredictedJob
from ml.models import ScoringState
from ticketing.models import WorkOrder

SPARK_POINTS = 30
SPARK_SPAN = timedelta(hours=1)
PLANNED = ("plan", "inspection")  # work that comes round: nothing is wrong with a machine because its service is due
ORDER = {"trouble": 0, "watch": 1, "no_data": 2, "learning": 3, "ok": 4}
PRESENCE_ORDER = ("online", "degraded", "sleeping", "unknown", "stale", "offline")
AWAY = frozenset({"offline", "stale"})
ENDED = ("completed", "documented", "cancelled", "cannot_complete")  # orders that nobody works on any more


class ModelRef(BaseModel):
    """An asset model by name."""

    code: str
    name_en: str
    name_zh: str


class NameRef(BaseModel):
    """Something by id and name."""

    id: UUID
    name: str


class OrderRef(BaseModel):
    """A work order by number."""

    id: UUID
    number: str
    state: str


class Worst(BaseModel):
    """The gravest thing that lasts."""

    kind: str
    severity: str
    signature: str
    since: datetime


class Headline(BaseModel):
    """The metric to show first."""

    metric: str
    value: float | str | bool | None
    unit: str | None
    unit_label: str


class AssetCard(BaseModel):
    """An asset at a glance; `state` is one of trouble, watch, no_data, learning, ok."""

    id: UUID
    serial: str
    name: str
    model: ModelRef | None
    site: NameRef | None
    customer: NameRef | None
    demo: bool
    replayed: bool
    state: str
    presence: str
    operation: str
    worst: Worst | None
    open_work_order: OrderRef | None
    last_reading_at: datetime | None
    spark: list[float | None]
    headline: Headline | None


class _Facts:
    """Everything that cards of these assets are made of, loaded at once."""

    def __init__(self, session: Session, assets: Sequence[Asset]) -> None:
        ids = [asset.id for asset in assets]
        self.models = _by_id(session, AssetModel, {a.asset_model_id for a in assets})
        self.sites = _by_id(session, Site, {a.site_id for a in assets})
        self.customers = _by_id(session, Customer, {a.customer_id for a in assets})
        self.latest: dict[UUID, list[Latest]] = latest_values(session, ids)
        self.episodes = _group(session, select(Episode).where(Episode.asset_id.in_(ids), Episode.closed_at.is_(None)))
        self.findings = _group(session, select(Finding).where(Finding.asset_id.in_(ids), Finding.cleared_at.is_(None)))
        self.orders = _group(
            session,
            select(WorkOrder)
            .where(WorkOrder.asset_id.in_(ids), WorkOrder.closed_at.is_(None))
            .where(WorkOrder.state.not_in(ENDED))
            .order_by(WorkOrder.opened_at),
        )
        self.watching = _group(
            session, select(PredictedJob).where(PredictedJob.asset_id.in_(ids), PredictedJob.state == "watching")
        )
        self.learning: dict[UUID, dict[str, Any]] = {
            asset_id: learning
            for asset_id, learning in session.execute(
                select(ScoringState.asset_id, ScoringState.learning).where(ScoringState.asset_id.in_(ids))
            )
        }
        self.presence = presence_of_assets(session, ids)


def make_cards(session: Session, assets: Sequence[Asset], now: datetime, *, sparks: int = 60) -> list[AssetCard]:
    """Return cards, gravest first; only the first `sparks` of them carry a sparkline."""
    facts = _Facts(session, assets)
    cards = [_card(facts, asset) for asset in assets]
    cards.sort(key=lambda card: (ORDER[card.state], card.worst.since.timestamp() if card.worst else 0, card.name))
    wanted = {card.id: card.headline.metric for card in cards[:sparks] if card.headline}
    lines = sparklines(session, wanted, SPARK_SPAN, SPARK_POINTS, now)
    for card in cards:
        card.spark = lines.get(card.id, [])
    return cards


def _card(facts: _Facts, asset: Asset) -> AssetCard:
    model = facts.models.get(asset.asset_model_id)
    site, customer = facts.sites.get(asset.site_id), facts.customers.get(asset.customer_id)
    order = next(iter(facts.orders.get(asset.id, ())), None)
    latest = facts.latest.get(asset.id, [])
    presence = _best(facts.presence.get(asset.id, []))
    episodes = facts.episodes.get(asset.id, [])
    return AssetCard(
        id=asset.id,
        serial=asset.serial,
        name=asset.name,
        model=ModelRef(code=model.code, name_en=model.name_en, name_zh=model.name_zh) if model else None,
        site=NameRef(id=site.id, name=site.name) if site else None,
        customer=NameRef(id=customer.id, name=customer.name) if customer else None,
        demo=asset.demo,
        replayed=bool(asset.custom.get("recorded_fleet")),
        state=_state(facts, asset, bool(latest), presence),
        presence=presence,
        operation=asset.operation,
        worst=_worst(episodes, facts.findings.get(asset.id, [])),
        open_work_order=OrderRef(id=order.id, number=order.number, state=order.state) if order else None,
        last_reading_at=max((value.t for value in latest), default=None),
        spark=[],
        headline=_headline(facts, asset, latest),
    )


def _state(facts: _Facts, asset: Asset, has_data: bool, presence: str) -> str:
    if facts.episodes.get(asset.id) or any(each.origin not in PLANNED for each in facts.orders.get(asset.id, ())):
        return "trouble"
    if facts.watching.get(asset.id):
        return "watch"
    if not has_data or (presence in AWAY and not asset.custom.get("recorded_fleet")):
        return "no_data"
    if facts.learning.get(asset.id, {}).get("state", "learning") == "learning":
        return "learning"
    return "ok"


def _best(presences: list[str]) -> str:
    """One device that works is enough to hear from an asset."""
    return min(presences, key=PRESENCE_ORDER.index, default="unknown")


def _worst(episodes: list[Episode], findings: list[Finding]) -> Worst | None:
    grave = {"critical": 0, "warning": 1, "info": 2}
    if findings:
        f = min(findings, key=lambda f: (grave.get(f.severity, 3), f.first_at))
        return Worst(kind=f.kind, severity=f.severity, signature=f.signature, since=f.first_at)
    if episodes:
        e = min(episodes, key=lambda e: (grave.get(e.severity, 3), e.opened_at))
        return Worst(kind=e.kind, severity=e.severity, signature=e.key, since=e.opened_at)
    return None


def _headline(facts: _Facts, asset: Asset, latest: list[Latest]) -> Headline | None:
    """The metric that the gravest finding names first, else the model's first health metric."""
    by_metric = {value.metric: value for value in latest}
    named = [c["metric"] for f in facts.findings.get(asset.id, []) for c in f.contributions[:1]]
    orders = facts.orders.get(asset.id, [])
    named += [c["metric"] for o in orders if o.noticed for c in o.noticed.get("contributions", [])[:1]]
    model = facts.models.get(asset.asset_model_id)
    metrics: dict[str, Any] = model.metrics if model else {}
    usual = [name for name in in_order(metrics) if metrics[name].get("role") == "health"]
    numeric = [v.metric for v in latest if isinstance(v.value, float) and not isinstance(v.value, bool)]
    chosen = next((by_metric[m] for m in [*named, *usual, *numeric] if m in by_metric), None)
    if chosen is None:
        return None
    return Headline(metric=chosen.metric, value=chosen.value, unit=chosen.unit, unit_label=unit_label(chosen.unit))


def in_order(metrics: dict[str, Any]) -> list[str]:
    """Return the names of a model's metrics in the order in which its maker lists them."""
    return sorted(metrics, key=lambda name: (metrics[name].get("position", len(metrics)), name))


def _by_id(session: Session, kind: type[Any], ids: set[Any]) -> dict[Any, Any]:
    wanted = [each for each in ids if each]
    return {row.id: row for row in session.scalars(select(kind).where(kind.id.in_(wanted)))} if wanted else {}


def _group(session: Session, statement: Any) -> dict[UUID, list[Any]]:
    grouped: dict[UUID, list[Any]] = {}
    for row in session.scalars(statement):
        grouped.setdefault(row.asset_id, []).append(row)
    return grouped
