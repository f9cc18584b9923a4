"""Asset models over HTTP: metrics with units and limits, custom fields, checklist, meters and bill of material."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import or_, select, tuple_

from assets.base.errors import Conflict
from assets.base.events import append_event
from assets.bom import MAX_LINES, BomLine, bom_of, set_bom
from assets.definitions import check_checklist, check_fields, check_meters, check_metrics, check_operation_rule
from assets.registry import AssetModel
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, Name, SomeText, contains, locked, seen
from gateway.api.pages import After, Limit, cursor_of, read_cursor

router = APIRouter(prefix="/api/v1", tags=["asset-models"])

Code = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^\S(.*\S)?$")]
Key = Annotated[str, Field(min_length=1, max_length=100)]
Finite = Annotated[float | None, Field(allow_inf_nan=False)]
Words = Annotated[str | None, Field(max_length=200)]


class MetricDefinition(BaseModel):
    """What a metric is: unit (UCUM, or as people write it), limits in that unit, how often it is expected."""

    model_config = ConfigDict(extra="allow")  # detectors keep settings of their own beside these

    unit: Annotated[str | None, Field(max_length=60)] = None
    label_en: Words = None
    label_zh: Words = None
    low_low: Finite = None
    low: Finite = None
    high: Finite = None
    high_high: Finite = None
    rate_per_s: Finite = None
    expected_interval_s: Finite = None
    role: Literal["health", "control", "ambient", "mode"] = "health"
    position: int | None = None


class Choice(BaseModel):
    """One choice of a custom field."""

    value: Key
    en: Name
    zh: Name


class FieldDefinition(BaseModel):
    """A custom field of the model's assets."""

    key: Key
    kind: Literal["text", "number", "date", "choice", "boolean"]
    label_en: Name
    label_zh: Name
    required: bool = False
    unit: Annotated[str | None, Field(max_length=60)] = None
    choices: Annotated[list[Choice] | None, Field(max_length=200)] = None
    minimum: Finite = None
    maximum: Finite = None


class Point(BaseModel):
    """One point of the commissioning checklist."""

    key: Key
    en: Annotated[str, Field(min_length=1, max_length=500)]
    zh: Annotated[str, Field(min_length=1, max_length=500)]
    required: bool = True
    kind: Literal["check", "number", "text"] = "check"
    unit: Annotated[str | None, Field(max_length=60)] = None
    minimum: Finite = None
    maximum: Finite = None


class MeterDefinition(BaseModel):
    """A meter that new assets of the model get."""

    name: Name
    kind: Literal["counter", "gauge"]
    unit: Annotated[str, Field(min_length=1, max_length=60)]
    metric: Annotated[str | None, Field(max_length=128)] = None
    rollover_at: Finite = None


class OperationRule(BaseModel):
    """The values of a metric that mean down or up."""

    metric: Annotated[str, Field(min_length=1, max_length=128)]
    down: Annotated[list[str | float | bool], Field(max_length=100)] = []
    up: Annotated[list[str | float | bool], Field(max_length=100)] = []


class ModelItem(BaseModel):
    """A model at a glance; `name` is the English one."""

    id: UUID
    code: str
    name: str
    name_en: str
    name_zh: str
    manufacturer: str | None
    organisation_id: UUID
    demo: bool
    version: int


class ModelDetail(ModelItem):
    """All that a model defines."""

    metrics: dict[str, MetricDefinition]
    checks: list[dict[str, Any]]
    repair_codes: list[dict[str, Any]]
    detectors: list[str]
    custom_fields: list[FieldDefinition]
    checklist: list[Point]
    meters: list[MeterDefinition]
    operation_rule: OperationRule | None


class Models(BaseModel):
    """A page of models."""

    items: list[ModelItem]
    next: str | None = None


class Check(BaseModel):
    """A check that technicians are told, by what was noticed."""

    signature: Annotated[str, Field(min_length=1, max_length=200)]
    en: Annotated[str, Field(min_length=1, max_length=500)]
    zh: Annotated[str, Field(min_length=1, max_length=500)]


class RepairCode(BaseModel):
    """What a technician may say was repaired."""

    code: Key
    component: Key
    en: Name
    zh: Name


class ModelChange(BaseModel):
    """What is to change; the rest stays."""

    manufacturer: Words = None
    name_en: Name | None = None
    name_zh: Name | None = None
    metrics: dict[str, MetricDefinition] | None = None
    checks: Annotated[list[Check] | None, Field(max_length=500)] = None
    repair_codes: Annotated[list[RepairCode] | None, Field(max_length=500)] = None
    detectors: Annotated[list[Key] | None, Field(max_length=50)] = None
    custom_fields: Annotated[list[FieldDefinition] | None, Field(max_length=100)] = None
    checklist: Annotated[list[Point] | None, Field(max_length=100)] = None
    meters: Annotated[list[MeterDefinition] | None, Field(max_length=100)] = None
    operation_rule: OperationRule | None = None


class NewModel(ModelChange):
    """A model of one's own organisation; organisations below see it."""

    code: Code
    name_en: Name
    name_zh: Name


class NewBomLine(BaseModel):
    """A line: an item by its number, or a model whose assets have serial numbers of their own."""

    item_number: Annotated[str | None, Field(min_length=1, max_length=120, pattern=r"\S")] = None
    child_model_id: UUID | None = None
    name_en: Words = None
    name_zh: Words = None
    quantity: Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)] = 1.0
    unit: Annotated[str, Field(min_length=1, max_length=60)] = "1"
    place: Words = None
    note: SomeText = None


class BomLineItem(NewBomLine):
    """A stored line."""

    id: UUID
    line: int


class NewBom(BaseModel):
    """All lines of a model, in their order."""

    lines: Annotated[list[NewBomLine], Field(max_length=MAX_LINES)]


class Bom(BaseModel):
    """A model's bill of material."""

    lines: list[BomLineItem]
    version: int


@router.get("/asset-models", operation_id="list_asset_models")
def list_asset_models(
    here: Here, q: str | None = None, code: str | None = None, limit: Limit = 500, after: After = None
) -> Models:
    """List models by name; `q` looks in code and both names."""
    here.require("asset.read")
    query = select(AssetModel).order_by(AssetModel.name_en, AssetModel.id).limit(limit + 1)
    if q:
        words = contains(q)
        query = query.where(
            or_(AssetModel.code.ilike(words), AssetModel.name_en.ilike(words), AssetModel.name_zh.ilike(words))
        )
    if code:
        query = query.where(AssetModel.code == code)
    if after is not None:
        name, key = read_cursor(after, str, UUID)
        query = query.where(tuple_(AssetModel.name_en, AssetModel.id) > tuple_(name, key))
    found = list(here.session.scalars(query))
    page = found[:limit]
    following = cursor_of(page[-1].name_en, page[-1].id) if len(found) > limit else None
    return Models(items=[_item(row) for row in page], next=following)


@router.post("/asset-models", operation_id="create_asset_model", status_code=201)
def create_asset_model(body: NewModel, here: Here) -> ModelDetail:
    """Add a model."""
    here.require("asset.manage")
    owner = here.actor.organisation_id
    taken = select(AssetModel.id).where(AssetModel.organisation_id == owner, AssetModel.code == body.code)
    if here.session.scalar(taken) is not None:
        raise Conflict(f"there is a model {body.code!r} already", asset_model=body.code)
    row = AssetModel(organisation_id=owner, code=body.code, name_en=body.name_en.strip(), name_zh=body.name_zh.strip())
    row.metrics, row.checks, row.repair_codes, row.detectors = {}, [], [], []
    row.custom_fields, row.checklist, row.meters = [], [], []
    _apply(row, body)
    here.session.add(row)
    here.session.flush()
    _log(here, row, "asset_model.added", sorted(body.model_fields_set))
    return _detail(row)


@router.get("/asset-models/{model_id}", operation_id="get_asset_model")
def get_asset_model(model_id: UUID, here: Here) -> ModelDetail:
    """One model with all that it defines."""
    here.require("asset.read")
    return _detail(seen(here, AssetModel, model_id, "asset_model"))


@router.patch("/asset-models/{model_id}", operation_id="change_asset_model")
def change_asset_model(model_id: UUID, body: ModelChange, here: Here, if_match: IfMatch = None) -> ModelDetail:
    """Change a model; assets keep the custom values that they have."""
    here.require("asset.manage")
    row = locked(here, AssetModel, model_id, "asset_model", if_match)
    _apply(row, body)
    row.version += 1
    here.session.flush()
    _log(here, row, "asset_model.changed", sorted(body.model_fields_set))
    return _detail(row)


@router.get("/asset-models/{model_id}/bom", operation_id="get_bom")
def get_bom(model_id: UUID, here: Here) -> Bom:
    """What the model consists of."""
    here.require("asset.read")
    return _bom(here, seen(here, AssetModel, model_id, "asset_model"))


@router.put("/asset-models/{model_id}/bom", operation_id="set_bom")
def put_bom(model_id: UUID, body: NewBom, here: Here, if_match: IfMatch = None) -> Bom:
    """Replace what the model consists of."""
    here.require("asset.manage")
    row = locked(here, AssetModel, model_id, "asset_model", if_match)
    set_bom(here.session, row, [BomLine(**line.model_dump()) for line in body.lines])
    row.version += 1
    here.session.flush()
    _log(here, row, "asset_model.changed", ["bom"])
    return _bom(here, row)


def _apply(row: AssetModel, body: ModelChange) -> None:
    plain = body.model_dump(exclude_none=True)
    for field in ("name_en", "name_zh"):
        if field in plain:
            setattr(row, field, plain[field].strip())
    if "manufacturer" in body.model_fields_set:
        row.manufacturer = body.manufacturer
    if "metrics" in plain:
        row.metrics = check_metrics(plain["metrics"])
    if "custom_fields" in plain:
        row.custom_fields = list(check_fields(plain["custom_fields"]))
    if "checklist" in plain:
        row.checklist = list(check_checklist(plain["checklist"]))
    if "meters" in plain:
        row.meters = list(check_meters(plain["meters"]))
    for field in ("checks", "repair_codes", "detectors"):
        if field in plain:
            setattr(row, field, plain[field])
    if "operation_rule" in body.model_fields_set:
        row.operation_rule = check_operation_rule(plain.get("operation_rule"))


def _item(row: AssetModel) -> ModelItem:
    return ModelItem(
        id=row.id,
        code=row.code,
        name=row.name_en,
        name_en=row.name_en,
        name_zh=row.name_zh,
        manufacturer=row.manufacturer,
        organisation_id=row.organisation_id,
        demo=row.demo,
        version=row.version,
    )


def _detail(row: AssetModel) -> ModelDetail:
    return ModelDetail(
        **_item(row).model_dump(),
        metrics={name: MetricDefinition(**about) for name, about in row.metrics.items()},
        checks=row.checks,
        repair_codes=row.repair_codes,
        detectors=row.detectors,
        custom_fields=[FieldDefinition(**about) for about in row.custom_fields],
        checklist=[Point(**about) for about in row.checklist],
        meters=[MeterDefinition(**about) for about in row.meters],
        operation_rule=OperationRule(**row.operation_rule) if row.operation_rule else None,
    )


def _bom(here: Context, row: AssetModel) -> Bom:
    lines = bom_of(here.session, row.id)
    return Bom(
        lines=[
            BomLineItem(
                id=line.id,
                line=line.line,
                item_number=line.item_number,
                child_model_id=line.child_model_id,
                name_en=line.name_en,
                name_zh=line.name_zh,
                quantity=line.quantity,
                unit=line.unit,
                place=line.place,
                note=line.note,
            )
            for line in lines
        ],
        version=row.version,
    )


def _log(here: Context, row: AssetModel, kind: str, fields: list[str]) -> None:
    append_event(
        here.session,
        kind,
        at=here.now,
        organisation_id=row.organisation_id,
        subject_kind="asset_model",
        subject_id=row.id,
        actor_kind=here.actor.kind,
        actor_id=here.actor.person_id,
        payload={"code": row.code, "fields": fields},
    )
