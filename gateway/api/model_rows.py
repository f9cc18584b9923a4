"""How models, their cards and their trials look over HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import select

from assets.base.events import Event
from assets.people import Person
from assets.registry import Asset, AssetModel
from gateway.api.deps import Context
from gateway.api.findings import AssetOfFinding
from gateway.wording import Words, words
from ml.store.shadow import Comparison, Score
from ml.store.tables import ModelContent, StoredModel
from ml.store.versions import SUBJECT

MAX_HISTORY = 100


class AssetModelOfModel(BaseModel):
    """An asset model that a model is for."""

    id: UUID | None
    code: str
    name_en: str
    name_zh: str


class ModelItem(BaseModel):
    """One version of a trained model."""

    id: UUID
    name: str
    kind: str
    version: int
    code: str
    state: str
    state_since: datetime
    state_reason: Words
    asset_models: list[AssetModelOfModel]
    failure_kind: str | None
    digest: str
    size_bytes: int
    content: Literal["stored", "forgotten"]
    parent_id: UUID | None
    created_at: datetime
    figures: dict[str, float]
    pinned: bool


class Models(BaseModel):
    """A page of models."""

    items: list[ModelItem]
    next: str | None = None


class ModelMove(BaseModel):
    """One change of a model's standing."""

    at: datetime
    state: str
    reason: Words
    by: str | None


class UsedBy(BaseModel):
    """How many rows refer to a model."""

    findings: int
    work_orders: int


class ModelCan(BaseModel):
    """What may be asked of a model; only figures promote."""

    rollback: bool
    promote: bool = False
    forget: bool = False


class ModelDetail(ModelItem):
    """A version with its card, its history, and what refers to it."""

    card: dict[str, Any]
    used_by: UsedBy
    history: list[ModelMove]
    can: ModelCan


class TrialFigures(BaseModel):
    """R@b of one model over the trial."""

    recall: float | None
    caught: int
    incidents: int
    late: int
    false: int
    orders: int
    false_per_asset_month: float | None


class BothFigures(BaseModel):
    """Challenger and champion on the same machines and time."""

    challenger: TrialFigures
    champion: TrialFigures | None


class ShadowOrder(BaseModel):
    """An order that one of them would have opened."""

    asset: AssetOfFinding
    opened_at: datetime
    cleared_at: datetime | None
    by: Literal["champion", "challenger"]
    judged: Literal["caught", "late", "ignored", "false", "open"]


class Shadow(BaseModel):
    """A trial: what both would have opened since both watch."""

    challenger: ModelItem
    champion: ModelItem | None
    since: datetime | None
    until: datetime
    asset_months: float
    enough: bool
    figures: BothFigures
    budget_per_month: float
    verdict: Words
    orders: list[ShadowOrder]


def model_items(here: Context, models: Sequence[StoredModel]) -> list[ModelItem]:
    """Return rows with what stands around them."""
    codes = {str(code) for model in models for code in model.card.get("asset_models", ())}
    known = {m.code: m for m in here.session.scalars(select(AssetModel).where(AssetModel.code.in_(codes)))}
    kept = set(
        here.session.scalars(
            select(ModelContent.model_id).where(ModelContent.model_id.in_([model.id for model in models]))
        )
    )
    return [_item(model, known, model.id in kept) for model in models]


def _item(model: StoredModel, known: dict[str, AssetModel], stored: bool) -> ModelItem:
    return ModelItem(
        id=model.id,
        name=model.name,
        kind=model.kind,
        version=model.version,
        code=model.code,
        state=model.state,
        state_since=model.state_since,
        state_reason=words("model.reason.", model.state_reason["code"], model.state_reason.get("params")),
        asset_models=[_asset_model(str(code), known.get(code)) for code in model.card.get("asset_models", ())],
        failure_kind=model.card.get("failure_kind") or None,
        digest=model.digest,
        size_bytes=model.size_bytes,
        content="stored" if stored else "forgotten",
        parent_id=model.parent_id,
        created_at=model.created_at,
        figures=_figures(model.card),
        pinned=model.pinned,
    )


def _figures(card: dict[str, Any]) -> dict[str, float]:
    """The card's figures that are numbers, with how many machines and failures they rest on."""
    data = card.get("data", {})
    found = dict(card.get("figures", {})) | {name: data.get(name) for name in ("assets", "incidents")}
    return {
        name: float(value)
        for name, value in found.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _asset_model(code: str, model: AssetModel | None) -> AssetModelOfModel:
    if model is None:
        return AssetModelOfModel(id=None, code=code, name_en=code, name_zh=code)
    return AssetModelOfModel(id=model.id, code=code, name_en=model.name_en, name_zh=model.name_zh)


def history_of(here: Context, model: StoredModel) -> list[ModelMove]:
    """Return what became of a version, newest first."""
    moves = (
        select(Event)
        .where(
            Event.subject_id == model.id,
            Event.subject_kind == SUBJECT,
            Event.kind.in_(("model.stored", "model.state_changed")),
        )
        .order_by(Event.id.desc())
        .limit(MAX_HISTORY)
    )
    events = here.session.scalars(moves).all()
    people = _people(here, {event.actor_id for event in events if event.actor_id})
    return [
        ModelMove(
            at=event.at,
            state=str(event.payload.get("state", "")),
            reason=words("model.reason.", event.payload["reason"]["code"], event.payload["reason"].get("params")),
            by=people.get(event.actor_id) if event.actor_id else None,
        )
        for event in events
    ]


def _people(here: Context, ids: Iterable[UUID]) -> dict[UUID, str]:
    return {each.id: each.name for each in here.session.scalars(select(Person).where(Person.id.in_(list(ids))))}


def shadow_of(here: Context, found: Comparison) -> Shadow:
    """Return a trial as people read it."""
    items = model_items(here, [found.challenger, *([found.champion] if found.champion else [])])
    wanted = {order.asset_id for order in found.orders}
    assets = {asset.id: asset for asset in here.session.scalars(select(Asset).where(Asset.id.in_(list(wanted))))}
    champion = found.scores.get("champion")
    return Shadow(
        challenger=items[0],
        champion=items[1] if found.champion else None,
        since=found.since,
        until=found.until,
        asset_months=found.scores["challenger"].asset_months,
        enough=found.enough,
        figures=BothFigures(
            challenger=_trial(found.scores["challenger"]), champion=_trial(champion) if champion else None
        ),
        budget_per_month=found.budget_per_month,
        verdict=words("model.reason.", found.verdict.code, found.verdict.params),
        orders=[
            ShadowOrder(
                asset=AssetOfFinding(id=asset.id, name=asset.name, serial=asset.serial),
                opened_at=order.opened_at,
                cleared_at=order.cleared_at,
                by=order.by,  # type: ignore[arg-type]
                judged=order.judged,  # type: ignore[arg-type]
            )
            for order in found.orders
            if (asset := assets.get(order.asset_id)) is not None
        ],
    )


def _trial(score: Score) -> TrialFigures:
    return TrialFigures(**score.plain())
