"""What routes of warranty share: shapes, and the look at terms that does not depend on who asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import select, text

from assets.base.db import SERVICE_ROLE, enter_actor
from assets.base.errors import Forbidden, NotFound
from assets.people import Organisation
from assets.registry import Asset, Customer
from gateway.api.deps import Context


class Named(BaseModel):
    """A row by id and name."""

    id: UUID
    name: str


class AssetNamed(Named):
    """An asset by id, name and serial."""

    serial: str


class Payer(BaseModel):
    """Who pays which share."""

    payer: str
    share_percent: int


class MeterLimitItem(BaseModel):
    """Covered up to and including this value."""

    meter: str
    limit: float


class DecidedBy(BaseModel):
    """The clause that decided, in both languages; `source` is terms or contract."""

    source: str
    id: str
    code: str
    version: int
    clause_id: str
    text_en: str
    text_zh: str
    share_percent: int
    entitlement: str | None
    begins_on: date | None
    ends_on: date | None
    meters: list[MeterLimitItem]


class Considered(BaseModel):
    """A clause that was looked at, and what it said: in, out or open."""

    code: str
    version: int
    clause_id: str
    result: str
    reason: str | None
    missing: list[str]


class OverrideShown(BaseModel):
    """An approved override as it stands on a line."""

    verdict: str
    reason: str
    payer: str | None


class LineVerdictItem(BaseModel):
    """The verdict on a line: in, out or needs_check, who pays, and why."""

    line_id: str
    kind: str
    verdict: str
    payers: list[Payer]
    decided_by: DecidedBy | None
    reason: str | None
    reason_params: dict[str, Any]
    missing: list[str]
    remedies: list[str]
    considered: list[Considered]
    override: OverrideShown | None
    computed: str | None


def require_serving(here: Context) -> None:
    """Raise Forbidden for a customer's organisation: warranty is given and judged by whoever serves."""
    own = here.session.get(Organisation, here.actor.organisation_id)
    if own is None or own.kind == "customer":
        raise Forbidden("warranty is given and judged by whoever serves", action="warranty")


def require_above(here: Context, asset: Asset) -> None:
    """Raise Forbidden unless the actor's organisation stands above the asset's, or owns it, and serves."""
    require_serving(here)
    if here.session.get(Organisation, asset.organisation_id) is None:
        raise Forbidden("the asset belongs to an organisation that yours does not stand above", action="warranty")


def asset_seen(here: Context, asset_id: UUID) -> Asset:
    """Return an asset that the actor sees. Raises NotFound."""
    asset = here.session.get(Asset, asset_id)
    if asset is None:
        raise NotFound("no such asset", kind="asset")
    return asset


@contextmanager
def everything_known(here: Context) -> Iterator[None]:
    """Look as the service does: a verdict must not depend on which terms and contracts the asker may read.

    Only for what an asset, which the caller has found as the actor, is judged by.
    """
    here.session.flush()
    here.session.execute(text(f"SET LOCAL ROLE {SERVICE_ROLE}"))
    yield  # an error ends the transaction, and with it the role
    here.session.flush()
    enter_actor(here.session, here.actor)


def asset_names(here: Context, ids: Iterable[UUID]) -> dict[UUID, AssetNamed]:
    """Return assets by id."""
    rows = here.session.execute(select(Asset.id, Asset.name, Asset.serial).where(Asset.id.in_(set(ids))))
    return {key: AssetNamed(id=key, name=name, serial=serial) for key, name, serial in rows}


def customer_names(here: Context, ids: Iterable[UUID | None]) -> dict[UUID | None, Named]:
    """Return customers by id."""
    rows = here.session.execute(
        select(Customer.id, Customer.name).where(Customer.id.in_({each for each in ids if each}))
    )
    return {key: Named(id=key, name=name) for key, name in rows}
