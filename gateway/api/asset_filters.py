"""The filters of the list of assets, for its pages and its export."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Select, select

from assets.base.reach import narrowed
from assets.registry import Asset
from assets.search.finding import matching
from gateway.api.deps import Context

Lifecycle = Literal["planned", "in_stock", "installed", "commissioned", "in_service", "retired", "scrapped"]


def asset_ids(here: Context, sort: str | None = None, **filters: Any) -> list[UUID]:
    """Return the ids of all assets under a list's filters, without its cards; the file has an order of its own."""
    here.require("asset.read")
    return list(here.session.scalars(listed(here, **filters).with_only_columns(Asset.id)))


def listed(
    here: Context,
    q: str | None = None,
    serial: str | None = None,
    parent_id: UUID | Literal["none"] | None = None,
    site_id: UUID | None = None,
    customer_id: UUID | None = None,
    model_id: UUID | None = None,
    lifecycle: Lifecycle | None = None,
) -> Select[Asset]:
    """Return the assets under filters, in no order."""
    statement = narrowed(here.session, select(Asset), "assets")
    if q:
        statement = statement.where(matching(here.session, q))
    if parent_id is not None:
        of_it = Asset.parent_id.is_(None) if parent_id == "none" else Asset.parent_id == parent_id
        statement = statement.where(of_it)
    wanted = (
        (Asset.serial, serial or None),
        (Asset.site_id, site_id),
        (Asset.customer_id, customer_id),
        (Asset.asset_model_id, model_id),
        (Asset.lifecycle, lifecycle),
    )
    for column, value in wanted:
        if value is not None:
            statement = statement.where(column == value)
    return statement
