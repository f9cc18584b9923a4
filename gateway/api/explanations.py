"""Why a finding was made, made again from its snapshot, and how long a machine will last."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import select

from assets.base.errors import NotFound
from assets.registry import Asset
from gateway.api.deps import Context, Here
from gateway.api.findings import AssetOfFinding
from gateway.api.work_order_rows import NoticedContribution, SimilarKept
from gateway.wording import Words, words
from maintenance.explaining import lines_of
from maintenance.models import Finding
from maintenance.noticed import contribution_in_words, model_of
from maintenance.remaining_lives import RemainingLife
from maintenance.similar import similar_orders
from ml.reproduction import reproduce, snapshot_of
from ml.store.artefacts import versions
from ml.store.tables import CHAMPION, FindingSnapshot, StoredModel

router = APIRouter(prefix="/api/v1", tags=["findings"])

COVERAGE = 0.90


class Regime(BaseModel):
    """The operating state in which the finding was made; empty where none is told apart."""

    code: str
    en: str
    zh: str


class Learned(BaseModel):
    """What the model had learned from, as far as it is kept."""

    rows: int | None
    since: datetime | None
    until: datetime | None


class ModelOfFinding(BaseModel):
    """The model that noticed; `id` where it is one of the store."""

    model_id: str
    id: UUID | None
    name: str | None
    version: int | None
    learned: Learned | None


class SnapshotOfFinding(BaseModel):
    """What is kept to make the finding again."""

    ref: UUID
    made_at: datetime
    rows: int
    bytes: int
    digest: str
    versions: dict[str, str]
    same_versions: bool


class Explanation(BaseModel):
    """Why a finding was made, in both languages."""

    finding_id: UUID
    asset: AssetOfFinding
    lines: list[Words]
    contributions: list[NoticedContribution]
    since: datetime
    regime: Regime
    model: ModelOfFinding
    snapshot: SnapshotOfFinding | None
    similar: list[SimilarKept]


class Differing(BaseModel):
    """One field that came out otherwise."""

    field: str
    stored: Any
    recomputed: Any


class BothVersions(BaseModel):
    """Libraries when the finding was made, and here."""

    stored: dict[str, str]
    here: dict[str, str]


class ReproductionItem(BaseModel):
    """What making a finding again gave."""

    reproduced: bool
    code: str
    en: str
    zh: str
    differences: list[Differing]
    model_id: str
    snapshot_ref: str | None
    versions: BothVersions


class Within(BaseModel):
    """How probable a failure within this time is."""

    seconds: float
    p: float


class RemainingLifeItem(BaseModel):
    """Remaining life with its interval, or why there is no estimate."""

    state: Literal["estimate", "no_estimate"]
    reason: Words | None
    at: datetime | None
    life_s: float | None
    low_s: float | None
    high_s: float | None
    coverage: float
    p_within: list[Within]
    model_id: str | None


@router.get("/findings/{finding_id}/explanation", operation_id="explain_finding")
def explain_finding(finding_id: UUID, here: Here) -> Explanation:
    """Why the finding was made: leading sensors, since when, in which regime, by which model, what was found before."""
    here.require("finding.read")
    finding = _finding(here, finding_id)
    asset = here.session.get_one(Asset, finding.asset_id)
    about = model_of(here.session, asset)
    contributions = [contribution_in_words(share, about) for share in finding.contributions]
    snapshot = snapshot_of(here.session, finding)
    stored = here.session.scalars(
        select(StoredModel).where(StoredModel.code == finding.model_id).order_by(StoredModel.version).limit(1)
    ).first()
    lines = [*lines_of(finding, contributions), *_learning(snapshot, stored)]
    similar = similar_orders(here.session, finding)
    return Explanation(
        finding_id=finding.id,
        asset=AssetOfFinding(id=asset.id, name=asset.name, serial=asset.serial),
        lines=[words("", line["code"], line["params"]) for line in lines],
        contributions=[NoticedContribution(**share) for share in contributions],
        since=finding.first_at,
        regime=Regime(code=finding.regime, en=finding.regime, zh=finding.regime),
        model=_model(finding, stored, snapshot),
        snapshot=_snapshot(snapshot) if snapshot else None,
        similar=[SimilarKept.model_validate(past.kept()) for past in similar],
    )


@router.post("/findings/{finding_id}/reproduce", operation_id="reproduce_finding")
def reproduce_finding(finding_id: UUID, here: Here) -> ReproductionItem:
    """Make the finding again from its snapshot and compare, to the last bit."""
    here.require("finding.read")
    finding = _finding(here, finding_id)
    outcome = reproduce(here.session, finding)
    said = words("reproduce.", outcome.code)
    return ReproductionItem(
        reproduced=outcome.reproduced,
        code=outcome.code,
        en=said.en,
        zh=said.zh,
        differences=[
            Differing(field=each.field, stored=each.stored, recomputed=each.recomputed) for each in outcome.differences
        ],
        model_id=finding.model_id,
        snapshot_ref=finding.snapshot_ref,
        versions=BothVersions(stored=dict(outcome.versions_stored), here=dict(outcome.versions_here)),
    )


@router.get("/assets/{asset_id}/remaining-life", operation_id="get_remaining_life")
def get_remaining_life(asset_id: UUID, here: Here) -> RemainingLifeItem:
    """The newest remaining life of an asset with its interval, or why there is none."""
    here.require("finding.read")
    if here.session.get(Asset, asset_id) is None:
        raise NotFound("no such asset", kind="asset")
    row = here.session.get(RemainingLife, asset_id)
    if row is None:
        serves = select(StoredModel.id).where(StoredModel.kind == "life", StoredModel.state == CHAMPION).limit(1)
        reason = "not_looked_yet" if here.session.scalar(serves) else "no_model"
        return RemainingLifeItem(
            state="no_estimate",
            reason=words("life.reason.", reason),
            at=None,
            life_s=None,
            low_s=None,
            high_s=None,
            coverage=COVERAGE,
            p_within=[],
            model_id=None,
        )
    return RemainingLifeItem(
        state="estimate" if row.life_s is not None else "no_estimate",
        reason=words("life.reason.", row.reason, row.reason_params) if row.reason else None,
        at=row.at,
        life_s=row.life_s,
        low_s=row.low_s,
        high_s=row.high_s,
        coverage=row.coverage or COVERAGE,
        p_within=[Within(seconds=seconds, p=p) for seconds, p in row.p_within],
        model_id=row.model_id,
    )


def _finding(here: Context, finding_id: UUID) -> Finding:
    finding = here.session.get(Finding, finding_id)
    if finding is None:
        raise NotFound("no such finding", kind="finding")
    return finding


def _learning(snapshot: FindingSnapshot | None, stored: StoredModel | None) -> list[dict[str, Any]]:
    """What is known of the model beyond the finding itself."""
    if stored is not None:
        data: Mapping[str, Any] = stored.card.get("data", {})
        kept = {name: data.get(name) for name in ("assets", "incidents", "since", "until")}
        return [{"code": "explain.learned_from", "params": kept}]
    learning = snapshot.about.get("learning") if snapshot else None
    if learning is None:
        return []
    return [{"code": "explain.ready" if learning == "ready" else "explain.learning", "params": {}}]


def _model(finding: Finding, stored: StoredModel | None, snapshot: FindingSnapshot | None) -> ModelOfFinding:
    learned: Learned | None = None
    if stored is not None:
        data = stored.card.get("data", {})
        learned = Learned(rows=data.get("rows"), since=_time(data.get("since")), until=_time(data.get("until")))
    return ModelOfFinding(
        model_id=finding.model_id,
        id=stored.id if stored else None,
        name=stored.name if stored else None,
        version=stored.version if stored else None,
        learned=learned,
    )


def _time(value: float | None) -> datetime | None:
    return datetime.fromtimestamp(value, UTC) if value is not None else None


def _snapshot(row: FindingSnapshot) -> SnapshotOfFinding:
    there = {str(name): str(value) for name, value in row.versions.items()}
    return SnapshotOfFinding(
        ref=row.id,
        made_at=row.made_at,
        rows=row.rows,
        bytes=len(row.content),
        digest=row.digest,
        versions=there,
        same_versions=there == versions(),
    )
