"""Parts put in for others: told once, kept for ever, so that the new part's term can be judged."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.errors import Conflict, Invalid
from assets.base.events import append_event
from assets.registry import Asset
from assets.warranty.facts import PartPut
from assets.warranty.periods import is_sensible
from assets.warranty.tables import PartReplacement

MAX_REPLACEMENTS = 2000  # of one asset; the newest are judged
MAX_NAME = 200


def note_replacement(
    session: Session,
    asset: Asset,
    *,
    component: str | None,
    part_item: str | None,
    at: datetime,
    now: datetime,
    serial: str | None = None,
    replaced_serial: str | None = None,
    meters: Mapping[str, float] | None = None,
    covered: bool | None = None,
    work_order_id: UUID | None = None,
    by_id: UUID | None = None,
) -> PartReplacement:
    """Note that a part was put in for another. Raises Invalid, or Conflict when the same was told before."""
    names = {"component": component, "part_item": part_item, "serial": serial, "replaced_serial": replaced_serial}
    told = {name: (value or "").strip() or None for name, value in names.items()}
    for name, value in told.items():
        if value is not None and len(value) > MAX_NAME:
            raise Invalid(f"{name} has at most {MAX_NAME} characters", field=name, limit=MAX_NAME)
    if told["component"] is None and told["part_item"] is None:
        raise Invalid("say which component or which part item", field="component")
    if told["serial"] is not None and told["serial"] == told["replaced_serial"]:
        raise Invalid("a part is not put in for itself", field="replaced_serial")
    if at > now or not is_sensible(at):
        raise Invalid("a part is put in when it is, not before", field="at")
    counted = dict(meters or {})
    if any(not math.isfinite(value) or value < 0 for value in counted.values()):
        raise Invalid("a meter shows 0 or more", field="meters")
    # The asset's row stands for its parts: two who tell the same at once would else both be heard.
    session.execute(select(Asset.id).where(Asset.id == asset.id).with_for_update(key_share=True))
    same = select(PartReplacement.id).where(
        PartReplacement.asset_id == asset.id,
        PartReplacement.at == at,
        PartReplacement.component.is_not_distinct_from(told["component"]),
        PartReplacement.part_item.is_not_distinct_from(told["part_item"]),
        PartReplacement.serial.is_not_distinct_from(told["serial"]),
    )
    if session.scalar(same.limit(1)):
        raise Conflict("this replacement is known already", what="replacement")
    made = PartReplacement(
        organisation_id=asset.organisation_id,
        asset_id=asset.id,
        at=at,
        meters=counted,
        covered=covered,
        work_order_id=work_order_id,
        created_at=now,
        **told,
    )
    session.add(made)
    session.flush()
    append_event(
        session,
        "warranty.part_replaced",
        at=at,
        organisation_id=asset.organisation_id,
        subject_kind="asset",
        subject_id=asset.id,
        asset_id=asset.id,
        actor_kind="person" if by_id else "system",
        actor_id=by_id,
        payload={
            **told,
            "covered": covered,
            "component": told["component"] or "",
            "part_item": told["part_item"] or "",
        },
    )
    return made


def replacements_of(session: Session, asset_id: UUID) -> list[PartReplacement]:
    """Return the parts put in, newest first."""
    found = select(PartReplacement).where(PartReplacement.asset_id == asset_id)
    return list(session.scalars(found.order_by(PartReplacement.at.desc()).limit(MAX_REPLACEMENTS)))


def as_history(found: list[PartReplacement]) -> list[PartPut]:
    """Return them as the verdict reads them."""
    return [
        PartPut(
            at=each.at,
            component=each.component,
            part_item=each.part_item,
            serial=each.serial,
            replaced_serial=each.replaced_serial,
            meters=each.meters,
            covered=each.covered,
        )
        for each in found
    ]
