"""The fleet overview, assets with their models, timeline and what the model expects."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import func, or_, select, text, tuple_

from assets.base.errors import Invalid, NotFound
from assets.base.events import Event
from assets.base.units import unit_label
from assets.instrumentation import asset_bindings
from assets.people import Person, root_organisation
from assets.registry import Asset, AssetModel, Customer, Site, add_asset
from gateway import demo
from gateway.api.cards import AssetCard, in_order, make_cards
from gateway.api.deps import Context, Here
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from ingest.models import Device
from ingest.store.read import latest_values
from ml.curves import expected_curve
from ml.models import ScoringState
from ticketing.models import WorkOrder

router = APIRouter(prefix="/api/v1", tags=["assets"])

OVERVIEW_LIMIT = 300  # cards on one page; the counts are of all assets
MAX_POINTS = 2000
INTERNAL = frozenset({"note", "reason", "person_id", "person", "repair_code", "assignee", "technician_id"})


class Counts(BaseModel):
    """The fleet in figures; each is a count of rows that a list page shows."""

    assets: int
    in_trouble: int
    watching: int
    learning: int
    offline: int
    open_work_orders: int
    opened_by_models: int


class Overview(BaseModel):
    """Counts and cards, gravest first."""

    counts: Counts
    assets: list[AssetCard]


class AssetPage(BaseModel):
    """One page of assets."""

    items: list[AssetCard]
    next: str | None


class LatestValue(BaseModel):
    """The newest value of a metric."""

    t: datetime
    value: float | str | bool | None
    quality: str


class MetricDetail(BaseModel):
    """A metric with its manufacturer's limits and its newest value."""

    metric: str
    unit: str | None
    unit_label: str
    label_en: str
    label_zh: str
    role: str
    low_low: float | None
    low: float | None
    high: float | None
    high_high: float | None
    latest: LatestValue | None


class DeviceRef(BaseModel):
    """A device that measures the asset."""

    id: UUID
    serial: str
    presence: str
    last_seen_at: datetime | None


class LearningState(BaseModel):
    """How far the asset's model is, and what it still waits for."""

    state: str
    progress: float
    missing: list[str]


class AssetDetail(AssetCard):
    """All that one page shows of an asset."""

    lifecycle: str
    installed_at: datetime | None
    code: str
    customer_url: str
    metrics: list[MetricDetail]
    devices: list[DeviceRef]
    learning: LearningState | None
    repair_codes: list[dict[str, Any]]
    about: str | None


class TimelineActor(BaseModel):
    """Who did it."""

    kind: str
    name: str | None


class TimelineOrder(BaseModel):
    """The work order that an entry is about."""

    id: UUID
    number: str


class TimelineItem(BaseModel):
    """One thing that happened."""

    id: int
    at: datetime
    kind: str
    actor: TimelineActor
    payload: dict[str, Any]
    work_order: TimelineOrder | None


class Timeline(BaseModel):
    """A page of the timeline, newest first."""

    items: list[TimelineItem]
    next: str | None


class ExpectedPoint(BaseModel):
    """What the model expects at a moment, with the band that it takes for normal."""

    t: datetime
    expected: float
    low: float
    high: float


class Expected(BaseModel):
    """A stretch of expectation; no points where there is no model."""

    metric: str
    model_id: str | None
    points: list[ExpectedPoint]


class NewAsset(BaseModel):
    """An asset to register."""

    serial: str = Field(min_length=1, max_length=120)
    name: str = Field(min_length=1, max_length=200)
    model: str | None = None
    site_id: UUID | None = None
    customer_id: UUID | None = None


class Named(BaseModel):
    """A row by id and name."""

    id: UUID
    name: str
    code: str | None = None
    name_zh: str | None = None


class NamedList(BaseModel):
    """A short list."""

    items: list[Named]
    next: str | None = None


class Removed(BaseModel):
    """What removing the demo took away."""

    assets: int


@router.get("/overview", operation_id="get_overview")
def get_overview(here: Here) -> Overview:
    """What is in trouble, at a glance."""
    here.require("asset.read")
    assets = list(here.session.scalars(select(Asset).order_by(Asset.created_at.desc()).limit(2000)))
    cards = make_cards(here.session, assets, here.now)
    return Overview(counts=_counts(here, cards), assets=cards[:OVERVIEW_LIMIT])


def _counts(here: Context, cards: list[AssetCard]) -> Counts:
    states = [card.state for card in cards]
    open_orders = select(func.count()).select_from(WorkOrder).where(WorkOrder.closed_at.is_(None))
    open_orders = open_orders.where(WorkOrder.state.not_in(("completed", "documented", "cancelled", "cannot_complete")))
    by_models = select(func.count()).select_from(WorkOrder).where(WorkOrder.origin == "finding")
    return Counts(
        assets=here.session.scalar(select(func.count()).select_from(Asset)) or 0,
        in_trouble=states.count("trouble"),
        watching=states.count("watch"),
        learning=states.count("learning"),
        offline=states.count("no_data"),
        open_work_orders=here.session.scalar(open_orders) or 0,
        opened_by_models=here.session.scalar(by_models) or 0,
    )


@router.get("/assets", operation_id="list_assets")
def list_assets(
    here: Here, q: str | None = None, serial: str | None = None, limit: Limit = 100, after: After = None
) -> AssetPage:
    """List assets by name; `q` looks in name and serial."""
    here.require("asset.read")
    statement = select(Asset).order_by(Asset.name, Asset.id).limit(limit + 1)
    if q:
        pattern = "%" + q.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        statement = statement.where(or_(Asset.name.ilike(pattern), Asset.serial.ilike(pattern)))
    if serial:
        statement = statement.where(Asset.serial == serial)
    if after:
        name, key = read_cursor(after, str, UUID)
        statement = statement.where(tuple_(Asset.name, Asset.id) > tuple_(name, key))
    rows = list(here.session.scalars(statement))
    page = rows[:limit]
    cards = {card.id: card for card in make_cards(here.session, page, here.now, sparks=0)}
    following = cursor_of(page[-1].name, page[-1].id) if len(rows) > limit else None
    return AssetPage(items=[cards[asset.id] for asset in page], next=following)


@router.post("/assets", operation_id="create_asset", status_code=201)
def create_asset(body: NewAsset, here: Here) -> AssetCard:
    """Register an asset of the actor's organisation, or of the customer named."""
    here.require("asset.manage")
    owner = here.actor.organisation_id
    if body.customer_id:
        customer = here.session.get(Customer, body.customer_id)
        if customer is None:
            raise Invalid("no such customer", field="customer_id")
        owner = customer.organisation_id
    if body.site_id and here.session.get(Site, body.site_id) is None:  # row-level security: only sites one may see
        raise Invalid("no such site", field="site_id")
    model = _model_by_code(here, body.model) if body.model else None
    asset = Asset(
        organisation_id=owner,
        serial=body.serial.strip(),
        name=body.name.strip(),
        asset_model_id=model.id if model else None,
        site_id=body.site_id,
        customer_id=body.customer_id,
        created_at=here.now,
    )
    add_asset(here.session, asset, here.now)
    return make_cards(here.session, [asset], here.now)[0]


def _model_by_code(here: Context, code: str) -> AssetModel:
    model = here.session.scalar(select(AssetModel).where(AssetModel.code == code).limit(1))
    if model is None:
        raise Invalid(f"no asset model with code {code!r}", field="model")
    return model


@router.get("/assets/{asset_id}", operation_id="get_asset")
def get_asset(asset_id: UUID, here: Here) -> AssetDetail:
    """One asset with its metrics, devices and the state of its model."""
    here.require("asset.read")
    asset = _asset(here, asset_id)
    card = make_cards(here.session, [asset], here.now)[0]
    model = here.session.get(AssetModel, asset.asset_model_id) if asset.asset_model_id else None
    devices = here.session.scalars(
        select(Device)
        .join(asset_bindings, asset_bindings.c.device_id == Device.id)
        .where(asset_bindings.c.asset_id == asset.id, asset_bindings.c.valid_to.is_(None))
        .distinct()
    )
    return AssetDetail(
        **card.model_dump(),
        lifecycle=asset.lifecycle,
        installed_at=asset.installed_at,
        code=asset.code,
        customer_url=f"/a/{asset.code}",
        metrics=_metrics(here, asset, model),
        devices=[
            DeviceRef(id=d.id, serial=d.serial, presence=d.presence, last_seen_at=d.last_seen_at) for d in devices
        ],
        learning=_learning(here, asset, model),
        repair_codes=model.repair_codes if model else [],
        about=asset.custom.get("about"),
    )


def _metrics(here: Context, asset: Asset, model: AssetModel | None) -> list[MetricDetail]:
    known: dict[str, Any] = model.metrics if model else {}
    latest = {value.metric: value for value in latest_values(here.session, [asset.id]).get(asset.id, [])}
    described = []
    for metric in [*in_order(known), *sorted(set(latest) - set(known))]:
        about, value = known.get(metric, {}), latest.get(metric)
        unit = (value.unit if value else None) or about.get("unit")
        label = metric.replace("_", " ")
        described.append(
            MetricDetail(
                metric=metric,
                unit=unit,
                unit_label=unit_label(unit),
                label_en=about.get("label_en") or label,
                label_zh=about.get("label_zh") or label,
                role=about.get("role") or "health",
                low_low=about.get("low_low"),
                low=about.get("low"),
                high=about.get("high"),
                high_high=about.get("high_high"),
                latest=LatestValue(t=value.t, value=value.value, quality=value.quality) if value else None,
            )
        )
    return described


def _learning(here: Context, asset: Asset, model: AssetModel | None) -> LearningState | None:
    """How far the model is; None where only limits watch, which learn nothing."""
    if model and model.detectors and "residual" not in model.detectors:
        return None
    state = here.session.scalar(select(ScoringState.learning).where(ScoringState.asset_id == asset.id))
    if not state:
        return None
    return LearningState(
        state=state.get("state", "learning"),
        progress=state.get("progress", 0.0),
        missing=list(state.get("missing", [])),
    )


@router.get("/assets/{asset_id}/timeline", operation_id="get_timeline")
def get_timeline(asset_id: UUID, here: Here, limit: Limit = 50, after: After = None) -> Timeline:
    """Everything that happened to the asset, newest first."""
    here.require("event.read")
    _asset(here, asset_id)
    statement = select(Event).where(Event.asset_id == asset_id)
    statement = statement.order_by(Event.at.desc(), Event.id.desc()).limit(limit + 1)
    if after:
        at, number = read_cursor(after, datetime.fromisoformat, int)
        statement = statement.where(tuple_(Event.at, Event.id) < tuple_(at, number))
    rows = list(here.session.scalars(statement))
    page = rows[:limit]
    return Timeline(
        items=timeline_items(here, page),
        next=cursor_of(page[-1].at.isoformat(), page[-1].id) if len(rows) > limit else None,
    )


def timeline_items(here: Context, events: list[Event]) -> list[TimelineItem]:
    """Return events with the names that they refer to."""
    people = {e.actor_id for e in events if e.actor_kind == "person" and e.actor_id}
    staff = here.actor.roles != {"customer"}  # customers see what was done, not who did it
    names: dict[UUID, str] = {}
    if staff and people:
        names = {
            key: name for key, name in here.session.execute(select(Person.id, Person.name).where(Person.id.in_(people)))
        }
    orders = [e.subject_id for e in events if e.subject_kind == "work_order"]
    numbers: dict[UUID, str] = {}
    if orders:
        rows = here.session.execute(select(WorkOrder.id, WorkOrder.number).where(WorkOrder.id.in_(orders)))
        numbers = {key: number for key, number in rows}
    return [
        TimelineItem(
            id=e.id,
            at=e.at,
            kind=e.kind,
            actor=TimelineActor(kind=e.actor_kind, name=names.get(e.actor_id) if e.actor_id else None),
            payload=e.payload if staff else {k: v for k, v in e.payload.items() if k not in INTERNAL},
            work_order=TimelineOrder(id=e.subject_id, number=numbers[e.subject_id])
            if e.subject_id in numbers
            else None,
        )
        for e in events
    ]


@router.get("/assets/{asset_id}/expected", operation_id="get_expected")
def get_expected(
    asset_id: UUID,
    metric: str,
    here: Here,
    start: Annotated[AwareDatetime | None, Query(alias="from")] = None,
    end: Annotated[AwareDatetime | None, Query(alias="to")] = None,
    points: int = 300,
) -> Expected:
    """What the asset's model expects of a metric over a stretch of time."""
    here.require("reading.read")
    asset = _asset(here, asset_id)
    until = end or here.now
    since = start or until - timedelta(hours=1)
    if since >= until:
        raise Invalid("`from` must be before `to`", field="from")
    curve = expected_curve(here.session, asset.id, metric, since, until, max(2, min(points, MAX_POINTS)))
    return Expected(
        metric=metric,
        model_id=curve.model_id,
        points=[
            ExpectedPoint(t=datetime.fromtimestamp(t, UTC), expected=e, low=low, high=high)
            for t, e, low, high in curve.points
        ],
    )


@router.get("/asset-models", operation_id="list_asset_models")
def list_asset_models(here: Here) -> NamedList:
    """Asset models by name."""
    here.require("asset.read")
    rows = here.session.scalars(select(AssetModel).order_by(AssetModel.name_en).limit(500))
    return NamedList(items=[Named(id=m.id, name=m.name_en, name_zh=m.name_zh, code=m.code) for m in rows])


@router.get("/sites", operation_id="list_sites")
def list_sites(here: Here) -> NamedList:
    """Sites by name."""
    here.require("asset.read")
    return NamedList(
        items=[Named(id=s.id, name=s.name) for s in here.session.scalars(select(Site).order_by(Site.name).limit(500))]
    )


@router.get("/customers", operation_id="list_customers")
def list_customers(here: Here) -> NamedList:
    """Customers by name."""
    here.require("asset.read")
    rows = here.session.scalars(select(Customer).order_by(Customer.name).limit(500))
    return NamedList(items=[Named(id=c.id, name=c.name, code=c.number) for c in rows])


@router.delete("/demo", operation_id="remove_demo")
def remove_demo(here: Here) -> Removed:
    """Remove all demo data: assets, devices, readings, work, people and customers marked as demo."""
    here.require("demo.remove")
    # Asked as the service: to an actor, the highest organisation that they see would look like the operator.
    here.session.execute(text("SET LOCAL ROLE forewarn_service"))
    operator = root_organisation(here.session)
    if operator is None or operator.id != here.actor.organisation_id:
        raise NotFound("only the operator has a demo to remove")
    return Removed(assets=demo.remove(here.session, operator.id, here.actor.person_id, here.now))


def _asset(here: Context, asset_id: UUID) -> Asset:
    asset = here.session.get(Asset, asset_id)
    if asset is None:
        raise NotFound("no such asset")
    return asset
