"""Labels over HTTP: print, attach in the field, revoke; what a scanned code is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field
from sqlalchemy import select, tuple_

from assets.base.errors import Invalid, NotFound
from assets.labels.codes import MAX_LABELS, bind, find_label, print_labels, renew_code, revoke, signed_codes, typed_code
from assets.labels.models import Label
from assets.registry import Asset
from gateway.api.deps import Context, Here
from gateway.api.documents import AssetName
from gateway.api.edits import Reason, locked, locked_asset
from gateway.api.imports import file_response
from gateway.api.pages import After, Limit, aware, cursor_of, read_cursor
from gateway.label_sheet import LAYOUTS, LabelText, label_sheet

router = APIRouter(prefix="/api/v1", tags=["labels"])

State = Literal["free", "bound", "revoked"]


class LabelRow(BaseModel):
    """A printed label; `url` is what its square holds."""

    id: UUID
    code: str
    url: str
    state: State
    asset: AssetName | None
    created_at: datetime
    bound_at: datetime | None
    revoked_at: datetime | None
    revoked_reason: str | None


class LabelPage(BaseModel):
    """A page of labels, newest first."""

    items: list[LabelRow]
    next: str | None = None


class NewLabels(BaseModel):
    """Free labels, or one for each asset."""

    count: int = Field(default=0, ge=0, le=MAX_LABELS)
    asset_ids: list[UUID] = Field(default_factory=list, max_length=MAX_LABELS)


class Sheet(BaseModel):
    """What to print. An asset without a label gets one."""

    label_ids: list[UUID] = Field(default_factory=list, max_length=MAX_LABELS)
    asset_ids: list[UUID] = Field(default_factory=list, max_length=MAX_LABELS)
    layout: Literal["3x8", "2x5", "1x1"] = "3x8"
    language: Literal["en", "zh"] = "en"
    skip: int = Field(default=0, ge=0, le=23)


class Binding(BaseModel):
    """The scanned code or address, and the asset that carries the label."""

    code: str = Field(min_length=1, max_length=500)
    asset_id: UUID


class Why(BaseModel):
    """Why."""

    reason: Reason


class Scanned(BaseModel):
    """What a code is: an asset's own, a label, or nothing that is known."""

    state: Literal["asset", "free", "bound", "revoked", "unknown"]
    asset: AssetName | None
    label: LabelRow | None


@router.get("/labels", operation_id="list_labels")
def list_labels(
    here: Here, asset_id: UUID | None = None, state: State | None = None, limit: Limit = 100, after: After = None
) -> LabelPage:
    """Printed labels, newest first."""
    here.require("asset.read")
    found = select(Label).order_by(Label.created_at.desc(), Label.id.desc()).limit(limit + 1)
    if asset_id is not None:
        found = found.where(Label.asset_id == asset_id)
    if state == "revoked":
        found = found.where(Label.revoked_at.is_not(None))
    elif state is not None:
        free = Label.asset_id.is_(None) if state == "free" else Label.asset_id.is_not(None)
        found = found.where(Label.revoked_at.is_(None), free)
    if after:
        at, key = read_cursor(after, aware, UUID)
        found = found.where(tuple_(Label.created_at, Label.id) < tuple_(at, key))
    rows = list(here.session.scalars(found))
    page = rows[:limit]
    following = cursor_of(page[-1].created_at.isoformat(), page[-1].id) if len(rows) > limit else None
    return LabelPage(items=_rows(here, page), next=following)


@router.get("/labels/lookup", operation_id="look_up_label")
def look_up_label(here: Here, code: Annotated[str, Query(min_length=1, max_length=500)]) -> Scanned:
    """What a scanned code is."""
    here.require("asset.read")
    own = here.session.scalar(select(Asset).where(Asset.code == typed_code(code)))
    if own is not None:
        return Scanned(state="asset", asset=_asset(own), label=None)
    label = find_label(here.session, code)
    if label is None:
        return Scanned(state="unknown", asset=None, label=None)
    [row] = _rows(here, [label])
    return Scanned(state=row.state, asset=row.asset, label=row)


@router.post("/labels", operation_id="create_labels", status_code=201)
def create_labels(body: NewLabels, here: Here) -> LabelPage:
    """Make labels: free ones that are attached later, or one for each asset."""
    here.require("label.manage")
    if body.count and body.asset_ids:
        raise Invalid("free labels or labels of assets, not both", field="count")
    made = print_labels(here.session, here.actor, here.now, count=body.count, assets=_assets(here, body.asset_ids))
    return LabelPage(items=_rows(here, made))


@router.post("/labels/sheet", operation_id="print_label_sheet", response_class=Response)
def print_label_sheet(body: Sheet, here: Here) -> Response:
    """A PDF to print."""
    here.require("label.manage")
    labels = list(here.session.scalars(select(Label).where(Label.id.in_(body.label_ids))))
    if len(labels) != len(set(body.label_ids)):
        raise Invalid("no such label", field="label_ids")
    labels.sort(key=lambda each: body.label_ids.index(each.id))
    assets = _assets(here, body.asset_ids)
    have = select(Label).where(Label.asset_id.in_(body.asset_ids), Label.revoked_at.is_(None)).order_by(Label.id)
    known = {label.asset_id: label for label in here.session.scalars(have)}
    without = [asset for asset in assets if asset.id not in known]
    if without:
        known |= {label.asset_id: label for label in print_labels(here.session, here.actor, here.now, assets=without)}
    labels += [known[asset.id] for asset in assets]
    if any(label.revoked_at for label in labels):
        raise Invalid("a revoked label is not printed", field="label_ids")
    if not labels:
        raise Invalid("nothing to print", field="label_ids")
    said = [
        LabelText(row.url, row.code, row.asset.name if row.asset else "", row.asset.serial if row.asset else "")
        for row in _rows(here, labels)
    ]
    pdf = label_sheet(body.language, LAYOUTS[body.layout], said, body.skip)
    return file_response(pdf, "application/pdf", "labels.pdf")


@router.post("/labels/bind", operation_id="bind_label")
def bind_label(body: Binding, here: Here) -> LabelRow:
    """Attach a label to an asset, in front of it."""
    here.require("label.manage")
    found = find_label(here.session, body.code)
    if found is None:
        raise NotFound("this code is on none of our labels", kind="label")
    asset = locked_asset(here, body.asset_id)
    label = locked(here, Label, found.id, "label")
    bind(here.session, label, asset, here.actor, here.now)
    return _rows(here, [label])[0]


@router.post("/labels/{label_id}/revoke", operation_id="revoke_label")
def revoke_label(label_id: UUID, body: Why, here: Here) -> LabelRow:
    """Make a label lead nowhere."""
    here.require("label.manage")
    label = locked(here, Label, label_id, "label")
    revoke(here.session, label, body.reason, here.actor, here.now)
    return _rows(here, [label])[0]


@router.post("/assets/{asset_id}/code/renew", operation_id="renew_asset_code")
def renew_asset_code(asset_id: UUID, body: Why, here: Here) -> Scanned:
    """Give the asset another code of its own; the old one leads nowhere."""
    here.require("label.manage")
    asset = locked_asset(here, asset_id)
    renew_code(here.session, asset, body.reason, here.actor, here.now)
    return Scanned(state="asset", asset=_asset(asset), label=None)


def _assets(here: Context, keys: Sequence[UUID]) -> list[Asset]:
    found = {asset.id: asset for asset in here.session.scalars(select(Asset).where(Asset.id.in_(keys)))}
    if set(keys) - set(found):
        raise Invalid("no such asset", field="asset_ids")
    return [found[key] for key in dict.fromkeys(keys)]


def _asset(asset: Asset) -> AssetName:
    return AssetName(id=asset.id, name=asset.name, serial=asset.serial)


def _rows(here: Context, labels: Sequence[Label]) -> list[LabelRow]:
    codes = signed_codes(here.session, labels, here.now) if labels else []
    keys = [label.asset_id for label in labels if label.asset_id]
    assets = {asset.id: asset for asset in here.session.scalars(select(Asset).where(Asset.id.in_(keys)))}
    rows = []
    for label, code in zip(labels, codes, strict=True):
        asset = assets.get(label.asset_id) if label.asset_id else None
        state: State = "revoked" if label.revoked_at else "bound" if label.asset_id else "free"
        rows.append(
            LabelRow(
                id=label.id,
                code=code,
                url=f"{here.settings.base_url}/a/{code}",
                state=state,
                asset=_asset(asset) if asset else None,
                created_at=label.created_at,
                bound_at=label.bound_at,
                revoked_at=label.revoked_at,
                revoked_reason=label.revoked_reason,
            )
        )
    return rows
