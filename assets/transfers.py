"""Hand an asset with its parts over to another owner: what it is goes along, what was done for the seller stays his."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from assets.as_installed import take_out, whole_of
from assets.base.errors import Conflict, Invalid
from assets.base.events import append_event
from assets.commissioning import CommissioningAnswer
from assets.components import Component
from assets.contracts.tables import ContractAsset
from assets.instrumentation import Binding, asset_bindings
from assets.labels.models import Label
from assets.lifecycle import end_bindings
from assets.meter_models import Meter, MeterReading
from assets.people import Organisation
from assets.places import end_stay
from assets.positions import leave_positions
from assets.registry import ENDED, Asset, Customer
from assets.states import StateInterval
from assets.warranty.tables import PartReplacement, WarrantyCard, WarrantyFacts

MAX_PARTS = 500  # assets of one machine
_GO_ALONG: tuple[tuple[Any, str], ...] = (
    (StateInterval, "asset_id"),
    (Meter, "asset_id"),
    (MeterReading, "asset_id"),
    (Component, "asset_id"),
    (CommissioningAnswer, "asset_id"),
    (WarrantyFacts, "asset_id"),
    (WarrantyCard, "asset_id"),
    (PartReplacement, "asset_id"),
    (Label, "asset_id"),
)


def transfer(
    session: Session,
    asset: Asset,
    to: Organisation,
    customer: Customer | None,
    reason: str,
    now: datetime,
    *,
    by_id: UUID | None = None,
) -> list[Asset]:
    """Give the asset, which the caller has locked, with the assets in it to another organisation; return them all.

    States, meters, parts, checklist, warranty and bound labels go along. Contracts that covered it, places, positions
    and the channels that measured end; the channels measure on for the new owner, who sees readings from now on.
    Events, requests, work orders and documents stay with the seller; who is above both sees all. Raises Invalid, and
    Conflict for a serial number that the buyer has already or an asset whose life has ended.
    """
    if to.id == asset.organisation_id:
        raise Invalid("it belongs to this organisation already", field="organisation_id")
    if customer is not None and customer.organisation_id != to.id:
        raise Invalid("the customer belongs to another organisation", field="customer_id")
    if asset.lifecycle in ENDED:
        raise Conflict(f"a {asset.lifecycle} asset changes hands no more", lifecycle=asset.lifecycle)
    whole = whole_of(session, asset.id)
    if whole is not None:
        take_out(session, whole, max(now, whole.valid_from), now, reason="transfer", by_id=by_id)
    going = _with_parts(session, asset)
    _check_serials(session, going, to)
    for each in going:
        _hand_over(session, each, to, customer, reason, now, by_id)
    return going


def _with_parts(session: Session, asset: Asset) -> list[Asset]:
    going, last = [asset], [asset.id]
    while last:
        parts = session.scalars(select(Asset).where(Asset.parent_id.in_(last)).with_for_update()).all()
        going += parts
        last = [part.id for part in parts]
        if len(going) > MAX_PARTS:
            raise Invalid(f"at most {MAX_PARTS} assets at once", field="asset_id", limit=MAX_PARTS)
    return going


def _check_serials(session: Session, going: list[Asset], to: Organisation) -> None:
    taken = session.scalars(
        select(Asset.serial).where(Asset.organisation_id == to.id, Asset.serial.in_([each.serial for each in going]))
    ).all()
    if taken:
        raise Conflict("the new owner has this serial number already", serials=list(taken))


def _hand_over(
    session: Session,
    asset: Asset,
    to: Organisation,
    customer: Customer | None,
    reason: str,
    now: datetime,
    by_id: UUID | None,
) -> None:
    seller, devices = asset.organisation_id, _devices(session, asset)
    leave_positions(session, asset, now, now)
    end_stay(session, asset, now)
    _log(session, asset, "asset.handed_over", seller, now, by_id, {"to": str(to.id), "reason": reason})
    bound = end_bindings(session, asset, now)
    asset.organisation_id, asset.customer_id, asset.site_id = to.id, customer.id if customer else None, None
    asset.latitude_deg = asset.longitude_deg = asset.location_accuracy_m = asset.located_at = None
    asset.plan_x = asset.plan_y = None
    asset.version += 1
    session.flush()
    for table, column in _GO_ALONG:
        session.execute(update(table).where(getattr(table, column) == asset.id).values(organisation_id=to.id))
    # The warranty is the machine's; whose it was, and how he proved that he bought it, is not the buyer's to read.
    card = update(WarrantyCard).where(WarrantyCard.asset_id == asset.id)
    session.execute(card.values(customer_id=asset.customer_id, proof=None))
    session.execute(delete(ContractAsset).where(ContractAsset.asset_id == asset.id))
    for old in bound:
        session.add(
            Binding(
                organisation_id=to.id,
                device_id=old.device_id,
                channel=old.channel,
                asset_id=asset.id,
                valid_from=now,
            )
        )
    session.flush()
    facts = {"from_id": str(seller), "to_id": str(to.id), "devices": devices}
    _log(session, asset, "asset.transferred", to.id, now, by_id, facts)


def _devices(session: Session, asset: Asset) -> list[str]:
    bound = asset_bindings.c
    found = select(bound.device_id).where(bound.asset_id == asset.id, bound.valid_to.is_(None)).distinct()
    return sorted(str(key) for key in session.scalars(found))


def _log(
    session: Session,
    asset: Asset,
    kind: str,
    owner: UUID,
    now: datetime,
    by_id: UUID | None,
    payload: dict[str, Any],
) -> None:
    append_event(
        session,
        kind,
        at=now,
        organisation_id=owner,
        subject_kind="asset",
        subject_id=asset.id,
        asset_id=asset.id,
        actor_kind="person" if by_id else "system",
        actor_id=by_id,
        payload=payload,
    )
