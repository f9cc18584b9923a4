"""The asset tree over HTTP: what an asset is a part of, and its parts."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import select

from assets.base.errors import NotFound
from assets.registry import Asset
from assets.tree import ancestors_of, set_parent
from gateway.api.deps import Context, Here
from gateway.api.findings import AssetOfFinding

router = APIRouter(prefix="/api/v1", tags=["assets"])

MAX_PARTS = 500


class AssetTree(BaseModel):
    """The wholes, nearest first, and the direct parts of an asset."""

    asset: AssetOfFinding
    above: list[AssetOfFinding]
    parts: list[AssetOfFinding]


class NewParent(BaseModel):
    """What it is to be a part of; null: of nothing."""

    parent_id: UUID | None


@router.get("/assets/{asset_id}/tree", operation_id="get_asset_tree")
def get_asset_tree(asset_id: UUID, here: Here) -> AssetTree:
    """What an asset is a part of, and its parts."""
    here.require("asset.read")
    return _tree(here, _asset(here, asset_id))


@router.put("/assets/{asset_id}/parent", operation_id="set_asset_parent")
def set_asset_parent(asset_id: UUID, body: NewParent, here: Here) -> AssetTree:
    """Make an asset a part of another."""
    here.require("asset.manage")
    asset = _asset(here, asset_id)
    set_parent(here.session, asset, _asset(here, body.parent_id) if body.parent_id else None)
    return _tree(here, asset)


def _asset(here: Context, asset_id: UUID) -> Asset:
    asset = here.session.get(Asset, asset_id)
    if asset is None:
        raise NotFound("no such asset", kind="asset")
    return asset


def _tree(here: Context, asset: Asset) -> AssetTree:
    keys = ancestors_of(here.session, asset)
    wholes = {whole.id: whole for whole in here.session.scalars(select(Asset).where(Asset.id.in_(keys)))}
    parts = select(Asset).where(Asset.parent_id == asset.id).order_by(Asset.name, Asset.id).limit(MAX_PARTS)
    return AssetTree(
        asset=_ref(asset),
        above=[_ref(wholes[key]) for key in keys if key in wholes],
        parts=[_ref(part) for part in here.session.scalars(parts)],
    )


def _ref(asset: Asset) -> AssetOfFinding:
    return AssetOfFinding(id=asset.id, name=asset.name, serial=asset.serial)
