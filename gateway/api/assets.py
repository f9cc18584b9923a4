"""Assets over HTTP: find, register, change and locate them, and what their models expect."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import Text, case, cast, func, literal_column, or_, select, text

from assets.base.errors import Invalid
from assets.base.events import append_event
from assets.base.reach import narrowed
from assets.customers import check_place
from assets.definitions import check_custom
from assets.meters import add_model_meters
from assets.people import Organisation
from assets.places import move
from assets.registry import Asset, AssetModel, Customer, Site, add_asset
from assets.tree import set_parent
from gateway.api.asset_detail import AssetDetail, asset_detail
from gateway.api.asset_filters import Lifecycle, listed
from gateway.api.cards import AssetCard, make_cards
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, Moment, Name, locked_asset, named, seen
from gateway.api.packed import packed
from gateway.api.pages import After, Limit
from gateway.api.sorting import By, Order, Sort, moment_of
from maintenance.models import Episode
from ml.curves import expected_curve

router = APIRouter(prefix="/api/v1", tags=["assets"])

MAX_POINTS = 2000
MAX_MARKS = 20_000  # of a map: more are a cloud
Degrees = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
Share = Annotated[float | None, Field(ge=0, le=1, allow_inf_nan=False)]


# Each is cheap with 100,000 rows: those without an index are a scan that keeps the best hundred.
SORTS = {
    "name": By(Asset.name),
    "serial": By(Asset.serial),
    "lifecycle": By(Asset.lifecycle),
    "registered": By(Asset.created_at, moment_of),
    "site": By(func.coalesce(Site.name, "")),
    "customer": By(func.coalesce(Customer.name, "")),
    "model": By(func.coalesce(AssetModel.name_en, "")),
}
_NAMED: dict[str, tuple[Any, Any]] = {
    "site": (Site, Site.id == Asset.site_id),
    "customer": (Customer, Customer.id == Asset.customer_id),
    "model": (AssetModel, AssetModel.id == Asset.asset_model_id),
}


class AssetItem(AssetCard):
    """A card with what lists and trees need beside it."""

    lifecycle: str
    parent_id: UUID | None
    parts: int


class AssetPage(BaseModel):
    """One page of assets."""

    items: list[AssetItem]
    next: str | None


class Mark(BaseModel):
    """An asset on a map, by its own coordinates or those of its site, and on its site's plan."""

    id: UUID
    name: str
    serial: str
    site_id: UUID | None
    latitude_deg: float | None
    longitude_deg: float | None
    own_place: bool
    plan_x: float | None
    plan_y: float | None
    lifecycle: str
    operation: str
    state: Literal["trouble", "ok"]


class Marks(BaseModel):
    """All assets that have a place; `truncated` when there are more than a map can show."""

    items: list[Mark]
    truncated: bool


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
    """An asset to register: of the customer named, of an organisation, or (neither) of one's own."""

    serial: Annotated[str, Field(min_length=1, max_length=120, pattern=r"\S")]
    name: Name
    model: str | None = None
    asset_model_id: UUID | None = None
    site_id: UUID | None = None
    customer_id: UUID | None = None
    organisation_id: UUID | None = None
    parent_id: UUID | None = None
    lifecycle: Literal["planned", "in_stock", "installed", "in_service"] = "in_service"
    installed_at: Moment | None = None
    custom: dict[str, Any] = {}


class AssetChange(BaseModel):
    """What is to change; of `custom` the named values, null takes one away. Another place is a move."""

    name: Name | None = None
    asset_model_id: UUID | None = None
    customer_id: UUID | None = None
    site_id: UUID | None = None
    installed_at: Moment | None = None
    custom: dict[str, Any] | None = None
    plan_x: Share = None
    plan_y: Share = None


class Place(BaseModel):
    """Where the asset stands (WGS-84), as a phone beside it tells; `located_at`: when, if it is sent later."""

    latitude_deg: Degrees
    longitude_deg: Degrees
    accuracy_m: Annotated[float | None, Field(ge=0, le=1e6, allow_inf_nan=False)] = None
    located_at: Moment | None = None


@router.get("/assets", operation_id="list_assets")
def list_assets(
    here: Here,
    q: str | None = None,
    serial: str | None = None,
    parent_id: UUID | Literal["none"] | None = None,
    site_id: UUID | None = None,
    customer_id: UUID | None = None,
    model_id: UUID | None = None,
    lifecycle: Lifecycle | None = None,
    sort: Sort = None,
    limit: Limit = 100,
    after: After = None,
) -> AssetPage:
    """List assets by name; `q` finds what the search finds, `parent_id=none` finds what is no part of anything."""
    here.require("asset.read")
    order = Order.of(sort, SORTS, "name", Asset.id)
    statement = listed(here, q, serial, parent_id, site_id, customer_id, model_id, lifecycle)
    if (named_by := _NAMED.get(order.name.removeprefix("-"))) is not None:
        statement = statement.outerjoin(*named_by)
    page, following = order.rows(here.session, statement, limit, after)
    return AssetPage(items=_items(here, page), next=following)


def _items(here: Context, assets: list[Asset]) -> list[AssetItem]:
    cards = {card.id: card for card in make_cards(here.session, assets, here.now, sparks=0)}
    counted = select(Asset.parent_id, func.count()).where(Asset.parent_id.in_(list(cards))).group_by(Asset.parent_id)
    parts = {key: number for key, number in here.session.execute(counted)} if cards else {}
    return [
        AssetItem(
            **cards[asset.id].model_dump(),
            lifecycle=asset.lifecycle,
            parent_id=asset.parent_id,
            parts=parts.get(asset.id, 0),
        )
        for asset in assets
    ]


@router.get("/assets/map", operation_id="get_asset_map", response_model=Marks)
def get_asset_map(here: Here, request: Request, site_id: UUID | None = None) -> Response:
    """All assets with a place on the map or on their site's plan."""
    here.require("asset.read")
    query = (
        select(*_MARKED)
        .outerjoin(Site, Site.id == Asset.site_id)
        .where(Asset.lifecycle.not_in(("retired", "scrapped")))
        .where(or_(Asset.latitude_deg.is_not(None), Site.latitude_deg.is_not(None), Asset.plan_x.is_not(None)))
        .order_by(Asset.id)
        .limit(MAX_MARKS)
    )
    if site_id is not None:
        query = query.where(Asset.site_id == site_id)
    query = narrowed(here.session, query, "assets")
    # The database writes the JSON: ten thousand rows made into objects, checked and unmade again take seconds.
    marks = query.subquery("marks")
    rows = func.coalesce(func.json_agg(func.row_to_json(literal_column("marks"))), text("'[]'::json"))
    count, items = here.session.execute(select(func.count(), cast(rows, Text)).select_from(marks)).one()
    more = count == MAX_MARKS and here.session.execute(query.limit(1).offset(MAX_MARKS)).first() is not None
    return packed(request, f'{{"items":{items},"truncated":{str(more).lower()}}}')


_OWN = Asset.latitude_deg.is_not(None)
_TROUBLED = select(Episode.asset_id).where(Episode.closed_at.is_(None), Episode.kind == "machine")
_MARKED = (
    Asset.id,
    Asset.name,
    Asset.serial,
    Asset.site_id,
    case((_OWN, Asset.latitude_deg), else_=Site.latitude_deg).label("latitude_deg"),
    case((_OWN, Asset.longitude_deg), else_=Site.longitude_deg).label("longitude_deg"),
    _OWN.label("own_place"),
    Asset.plan_x,
    Asset.plan_y,
    Asset.lifecycle,
    Asset.operation,
    case((Asset.id.in_(_TROUBLED), "trouble"), else_="ok").label("state"),
)


@router.post("/assets", operation_id="create_asset", status_code=201)
def create_asset(body: NewAsset, here: Here) -> AssetCard:
    """Register an asset of the actor's organisation, or of the customer named."""
    here.require("asset.manage")
    customer = named(here, Customer, body.customer_id, "customer_id")
    organisation = named(here, Organisation, body.organisation_id, "organisation_id")
    if customer is not None and organisation is not None and customer.organisation_id != organisation.id:
        raise Invalid("the customer belongs to another organisation", field="customer_id")
    owner = customer.organisation_id if customer else organisation.id if organisation else here.actor.organisation_id
    site = named(here, Site, body.site_id, "site_id")  # row-level security: only sites one may see
    model = named(here, AssetModel, body.asset_model_id, "asset_model_id")
    if model is None and body.model:
        model = _model_by_code(here, body.model)
    if body.installed_at is not None and body.installed_at > here.now:
        raise Invalid("installed in the past, or planned", field="installed_at")
    asset = Asset(
        organisation_id=owner,
        serial=body.serial.strip(),
        name=body.name.strip(),
        asset_model_id=model.id if model else None,
        site_id=site.id if site else None,
        customer_id=customer.id if customer else None,
        lifecycle=body.lifecycle,
        installed_at=body.installed_at,
        custom=check_custom(model.custom_fields if model else [], body.custom),
        created_at=here.now,
    )
    add_asset(here.session, asset, here.now)
    add_model_meters(here.session, asset, model, here.now)
    if body.parent_id is not None:
        set_parent(here.session, asset, named(here, Asset, body.parent_id, "parent_id"), by_id=here.actor.person_id)
    return make_cards(here.session, [asset], here.now)[0]


def _model_by_code(here: Context, code: str) -> AssetModel:
    model = here.session.scalar(select(AssetModel).where(AssetModel.code == code).limit(1))
    if model is None:
        raise Invalid(f"no asset model with code {code!r}", field="model")
    return model


@router.get("/assets/{asset_id}", operation_id="get_asset")
def get_asset(asset_id: UUID, here: Here, response: Response) -> AssetDetail:
    """One asset with its metrics, devices and the state of its model; its version is the ETag."""
    here.require("asset.read")
    asset = seen(here, Asset, asset_id, "asset")
    response.headers["ETag"] = f'"{asset.version}"'
    return asset_detail(here, asset)


@router.patch("/assets/{asset_id}", operation_id="change_asset")
def change_asset(asset_id: UUID, body: AssetChange, here: Here, if_match: IfMatch = None) -> AssetDetail:
    """Change an asset's words, custom values, model or place on the plan; another site is a move."""
    here.require("asset.manage")
    asset = locked_asset(here, asset_id, if_match)
    told = body.model_fields_set
    if body.name is not None:
        asset.name = body.name.strip()
    if "asset_model_id" in told:
        model = named(here, AssetModel, body.asset_model_id, "asset_model_id")
        asset.asset_model_id = model.id if model else None
    if "customer_id" in told:
        _set_customer(here, asset, body.customer_id)
    if body.custom is not None:
        model = here.session.get(AssetModel, asset.asset_model_id) if asset.asset_model_id else None
        asset.custom = check_custom(model.custom_fields if model else [], body.custom, asset.custom)
    if "installed_at" in told:
        if body.installed_at is not None and body.installed_at > here.now:
            raise Invalid("installed in the past, or planned", field="installed_at")
        asset.installed_at = body.installed_at
    for field in ("plan_x", "plan_y"):
        if field in told:
            setattr(asset, field, getattr(body, field))
    if (asset.plan_x is None) != (asset.plan_y is None):
        raise Invalid("a place on the plan has two shares", field="plan_y")
    if "site_id" in told and body.site_id != asset.site_id:
        _move_to(here, asset, body.site_id)
    asset.version += 1
    here.session.flush()
    _log(here, asset, "asset.changed", {"fields": sorted(told)})
    return asset_detail(here, asset)


def _set_customer(here: Context, asset: Asset, customer_id: UUID | None) -> None:
    customer = named(here, Customer, customer_id, "customer_id")
    if customer is not None and customer.organisation_id != asset.organisation_id:
        raise Invalid("the customer belongs to another organisation: transfer the asset", field="customer_id")
    asset.customer_id = customer.id if customer else None


def _move_to(here: Context, asset: Asset, site_id: UUID | None) -> None:
    site = named(here, Site, site_id, "site_id")
    if site is None:
        raise Invalid("say where it is now: POST /assets/{id}/moves", field="site_id")
    here.session.flush()
    move(
        here.session,
        asset,
        site=site,
        person=None,
        place=None,
        reason=None,
        at=here.now,
        now=here.now,
        by_id=here.actor.person_id,
    )


@router.put("/assets/{asset_id}/location", operation_id="locate_asset")
def locate_asset(asset_id: UUID, body: Place, here: Here) -> AssetDetail:
    """Take down where the asset stands; what was taken down before the place that is known changes nothing."""
    here.require("asset.move")
    asset = locked_asset(here, asset_id)
    check_place(body.latitude_deg, body.longitude_deg)
    at = min(body.located_at or here.now, here.now)  # clocks of phones run ahead
    if body.located_at is not None and asset.located_at is not None and at <= asset.located_at:
        return asset_detail(here, asset)
    asset.latitude_deg, asset.longitude_deg = body.latitude_deg, body.longitude_deg
    asset.location_accuracy_m, asset.located_at = body.accuracy_m, at
    here.session.flush()
    _log(here, asset, "asset.located", body.model_dump(mode="json", exclude_none=True))
    return asset_detail(here, asset)


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
    asset = seen(here, Asset, asset_id, "asset")
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


def _log(here: Context, asset: Asset, kind: str, payload: dict[str, Any]) -> None:
    append_event(
        here.session,
        kind,
        at=here.now,
        organisation_id=asset.organisation_id,
        subject_kind="asset",
        subject_id=asset.id,
        asset_id=asset.id,
        actor_kind=here.actor.kind,
        actor_id=here.actor.person_id,
        payload=payload,
    )
