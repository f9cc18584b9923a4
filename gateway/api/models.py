"""The model store over HTTP: cards, hashes, going back to an earlier version, trials, training."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, status
from pydantic import BaseModel, Field
from sqlalchemy import func, select

from assets.base.errors import NotFound
from assets.base.queue import enqueue
from assets.registry import AssetModel
from gateway.api.deps import Here
from gateway.api.model_rows import (
    ModelCan,
    ModelDetail,
    ModelItem,
    Models,
    Shadow,
    UsedBy,
    history_of,
    model_items,
    shadow_of,
)
from gateway.api.pages import After, Limit, cursor_of
from gateway.api.work_orders import id_of_cursor
from gateway.wording import Words, words
from maintenance.models import EpisodeFinding, Finding, WorkLink
from ml.store.shadow import compare, model_and_rival
from ml.store.tables import CHALLENGER, RETIRED, StoredModel, TrainingRun
from ml.store.versions import get_model, is_held, roll_back, verify

router = APIRouter(prefix="/api/v1", tags=["models"])

MAX_REASON = 1000


class ModelCheck(BaseModel):
    """What checking hash and readability of the content found."""

    id: UUID
    ok: bool
    digest: str
    found_digest: str | None
    problem: Words | None


class RollBack(BaseModel):
    """Why to go back."""

    reason: Annotated[str, Field(min_length=1, max_length=MAX_REASON)]


class Pin(BaseModel):
    """Whether retention must leave the content alone."""

    pinned: bool


class AssetModelOfRun(BaseModel):
    """An asset model that was learned from."""

    id: UUID
    code: str
    name_en: str
    name_zh: str


class TrainingOutcome(BaseModel):
    """What came of one model, or why there is none."""

    what: str
    code: str
    params: dict[str, Any]
    en: str
    zh: str
    model_id: UUID | None


class TrainingRunItem(BaseModel):
    """One try to learn from what the store holds."""

    id: UUID
    started_at: datetime
    finished_at: datetime | None
    asset_models: list[AssetModelOfRun]
    assets: int
    incidents: int
    outcomes: list[TrainingOutcome]


class TrainingRuns(BaseModel):
    """A page of training runs."""

    items: list[TrainingRunItem]
    next: str | None = None


class Queued(BaseModel):
    """The work waits for a worker."""

    queued: bool


@router.get("/models", operation_id="list_models")
def list_models(
    here: Here,
    kind: Literal["failure", "life", "peers", "wear", "openers"] | None = None,
    state: Literal["champion", "challenger", "retired", "rejected"] | None = None,
    asset_model_id: UUID | None = None,
    limit: Limit = 100,
    after: After = None,
) -> Models:
    """List versions, newest first."""
    here.require("finding.read")
    query = select(StoredModel).order_by(StoredModel.id.desc()).limit(limit + 1)
    if kind is not None:
        query = query.where(StoredModel.kind == kind)
    if state is not None:
        query = query.where(StoredModel.state == state)
    if asset_model_id is not None:
        model = here.session.get(AssetModel, asset_model_id)
        if model is None:
            raise NotFound("no such asset model", kind="asset_model")
        query = query.where(StoredModel.card["asset_models"].contains([model.code]))
    if after is not None:
        query = query.where(StoredModel.id < id_of_cursor(after))
    found = list(here.session.scalars(query))
    page = found[:limit]
    return Models(items=model_items(here, page), next=cursor_of(page[-1].id) if len(found) > limit else None)


@router.get("/models/{model_id}", operation_id="get_model")
def get_model_detail(model_id: UUID, here: Here) -> ModelDetail:
    """One version with its card."""
    here.require("finding.read")
    model = get_model(here.session, model_id)
    [item] = model_items(here, [model])
    findings = select(func.count()).select_from(Finding).where(Finding.model_id == model.code)
    orders = (
        select(func.count(func.distinct(WorkLink.work_order_id)))
        .join(EpisodeFinding, EpisodeFinding.episode_id == WorkLink.episode_id)
        .join(Finding, Finding.id == EpisodeFinding.finding_id)
        .where(Finding.model_id == model.code)
    )
    used_by = UsedBy(findings=here.session.scalar(findings) or 0, work_orders=here.session.scalar(orders) or 0)
    can = ModelCan(rollback=(model.state == RETIRED or is_held(model)) and item.content == "stored")
    return ModelDetail(**item.model_dump(), card=model.card, used_by=used_by, history=history_of(here, model), can=can)


@router.post("/models/{model_id}/verify", operation_id="verify_model")
def verify_model(model_id: UUID, here: Here) -> ModelCheck:
    """Check hash and readability of the stored content; nothing of it is carried out."""
    here.require("finding.read")
    verdict = verify(here.session, get_model(here.session, model_id))
    return ModelCheck(
        id=model_id,
        ok=verdict.ok,
        digest=verdict.digest,
        found_digest=verdict.found_digest,
        problem=words("model.problem.", verdict.problem) if verdict.problem else None,
    )


@router.post("/models/{model_id}/rollback", operation_id="roll_back_model")
def roll_back_model(model_id: UUID, body: RollBack, here: Here) -> ModelItem:
    """Make this version serve again in place of the present one; workers follow within a minute."""
    here.require("policy.manage")
    model = roll_back(here.session, get_model(here.session, model_id), body.reason.strip(), here.now, here.actor)
    return model_items(here, [model])[0]


@router.post("/models/{model_id}/pin", operation_id="pin_model")
def pin_model(model_id: UUID, body: Pin, here: Here) -> ModelItem:
    """Keep a version's content whatever its age, or let retention have it."""
    here.require("policy.manage")
    model = get_model(here.session, model_id)
    model.pinned = body.pinned
    here.session.flush()
    return model_items(here, [model])[0]


@router.get("/models/{model_id}/shadow", operation_id="get_model_shadow")
def get_model_shadow(model_id: UUID, here: Here) -> Shadow:
    """How the version on trial compares with the one that serves. Of either the other is found."""
    here.require("finding.read")
    challenger = model_and_rival(here.session, model_id)
    if challenger.state != CHALLENGER:
        raise NotFound("there is no version on trial", kind="challenger")
    return shadow_of(here, compare(here.session, challenger, here.now))


@router.get("/training-runs", operation_id="list_training_runs")
def list_training_runs(here: Here, limit: Limit = 50, after: After = None) -> TrainingRuns:
    """List what was tried to learn and what came of it, newest first."""
    here.require("finding.read")
    query = select(TrainingRun).order_by(TrainingRun.id.desc()).limit(limit + 1)
    if after is not None:
        query = query.where(TrainingRun.id < id_of_cursor(after))
    found = list(here.session.scalars(query))
    page = found[:limit]
    return TrainingRuns(items=[_run(run) for run in page], next=cursor_of(page[-1].id) if len(found) > limit else None)


@router.post("/training-runs", operation_id="start_training", status_code=status.HTTP_202_ACCEPTED)
def start_training(here: Here) -> Queued:
    """Learn now instead of next week."""
    here.require("policy.manage")
    enqueue(here.session, "train_models", queueing_lock="train_models", lock="train_models")
    return Queued(queued=True)


def _run(run: TrainingRun) -> TrainingRunItem:
    return TrainingRunItem(
        id=run.id,
        started_at=run.started_at,
        finished_at=run.finished_at,
        asset_models=[AssetModelOfRun(**each) for each in run.asset_models],
        assets=run.assets,
        incidents=run.incidents,
        outcomes=[_outcome(each) for each in run.outcomes],
    )


def _outcome(each: dict[str, Any]) -> TrainingOutcome:
    said = words("training.", each["code"], each["params"])
    return TrainingOutcome(what=each["what"], model_id=each["model_id"], **said.model_dump())
