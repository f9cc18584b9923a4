"""What is known of an asset for its warranty: days that were recorded, that its life tells, or that were claimed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.errors import Invalid
from assets.base.events import append_event
from assets.meter_models import Meter, MeterReading
from assets.registry import Asset, Site
from assets.states import StateInterval
from assets.warranty.facts import AssetFacts, Reading
from assets.warranty.periods import EARLIEST, LATEST, local_day
from assets.warranty.tables import WarrantyCard, WarrantyFacts, WarrantyTerms

# Column of warranty_facts -> the fact that clauses begin with.
FACT_OF = {
    "produced_on": "production",
    "invoiced_on": "invoice",
    "purchased_on": "purchase",
    "delivered_on": "delivery",
    "installed_on": "installation",
    "commissioned_on": "commissioning",
    "registered_on": "registration",
}
MAX_METERS = 100  # of one asset
# Machines do not run before they are bought: a purchase claimed for a later day waits for somebody to look.
_BEFORE_USE = ("installation", "commissioning")


@dataclass(frozen=True, slots=True)
class Known:
    """Days by fact, where each comes from (recorded, asset, registration), and what waits for confirmation."""

    dates: dict[str, date]
    sources: dict[str, str]
    unconfirmed: frozenset[str]
    region: str | None
    zone: tzinfo
    zone_name: str
    card: WarrantyCard | None
    version: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)

    def facts(self, asset: Asset, **more: Any) -> AssetFacts:
        """Return it as the verdict reads it."""
        named = frozenset(str(each["id"]) for each in self.card.terms) if self.card else frozenset()
        return AssetFacts(
            dates=self.dates,
            model=str(asset.asset_model_id) if asset.asset_model_id else None,
            region=self.region,
            zone=self.zone,
            unconfirmed=self.unconfirmed,
            term_ids=named,
            **more,
        )


def known_of(session: Session, asset: Asset) -> Known:
    """Gather what is known of an asset."""
    recorded = session.get(WarrantyFacts, asset.id)
    card = card_of(session, asset.id)
    zone, zone_name = zone_of(session, asset)
    dates: dict[str, date] = {}
    sources: dict[str, str] = {}
    if card is not None:
        dates["registration"], sources["registration"] = local_day(card.issued_at, zone), "registration"
        if card.purchased_on:
            dates["purchase"], sources["purchase"] = card.purchased_on, "registration"
    for fact, at in _from_life(session, asset).items():
        dates[fact], sources[fact] = local_day(at, zone), "asset"
    for column, fact in FACT_OF.items():
        day = getattr(recorded, column) if recorded else None
        if day is not None:
            dates[fact], sources[fact] = day, "recorded"
    return Known(
        dates=dates,
        sources=sources,
        unconfirmed=_unconfirmed(session, card, dates, sources),
        region=(recorded.region if recorded else None) or _region_of(session, asset),
        zone=zone,
        zone_name=zone_name,
        card=card,
        version=recorded.version if recorded else 0,
    )


def card_of(session: Session, asset_id: UUID) -> WarrantyCard | None:
    """Return the asset's card, None when it has none."""
    return session.scalar(
        select(WarrantyCard).where(WarrantyCard.asset_id == asset_id, WarrantyCard.state != "revoked")
    )


def _region_of(session: Session, asset: Asset) -> str | None:
    """Return the region where the machine stands; one that was recorded for the warranty counts before it."""
    return session.scalar(select(Site.region).where(Site.id == asset.site_id)) if asset.site_id else None


def zone_of(session: Session, asset: Asset) -> tuple[tzinfo, str]:
    """Return the time zone where the machine stands; its days begin and end there."""
    site = session.get(Site, asset.site_id) if asset.site_id else None
    name = site.time_zone if site else "UTC"
    try:
        return ZoneInfo(name), name
    except (ZoneInfoNotFoundError, ValueError):
        return UTC, "UTC"


def record_facts(
    session: Session, asset: Asset, given: Mapping[str, date | str | None], now: datetime, by_id: UUID | None = None
) -> WarrantyFacts:
    """Record the days of an asset, all at once: what is left out is not known. Raises Invalid for a day to come."""
    zone, _ = zone_of(session, asset)
    check_days(given, local_day(now, zone))
    facts = session.get(WarrantyFacts, asset.id)
    if facts is None:
        facts = WarrantyFacts(asset_id=asset.id, organisation_id=asset.organisation_id, version=0)
        session.add(facts)
    changes = set_facts(facts, given)
    session.flush()
    if changes:
        append_event(
            session,
            "warranty.facts_changed",
            at=now,
            organisation_id=asset.organisation_id,
            subject_kind="asset",
            subject_id=asset.id,
            asset_id=asset.id,
            actor_kind="person" if by_id else "system",
            actor_id=by_id,
            payload={"changes": changes},
        )
    return facts


def check_days(given: Mapping[str, Any], today: date) -> None:
    """Raise Invalid for a day to come, or one that lies before the machine was made."""
    for column in FACT_OF:
        day = given.get(column)
        if isinstance(day, date) and not (EARLIEST <= day <= min(today, LATEST)):
            raise Invalid("this day lies in the future, or before anything was made", field=column, today=str(today))
    produced = given.get("produced_on")
    for column in ("invoiced_on", "purchased_on", "delivered_on", "installed_on", "commissioned_on"):
        day = given.get(column)
        if isinstance(day, date) and isinstance(produced, date) and day < produced:
            raise Invalid("this day lies before the day of production", field=column, produced_on=str(produced))


def set_facts(facts: WarrantyFacts, given: Mapping[str, Any]) -> dict[str, list[str | None]]:
    """Put days and region in the place of what was recorded; return what changed, from and to."""
    changes: dict[str, list[str | None]] = {}
    for column in (*FACT_OF, "region"):
        before, value = getattr(facts, column), given.get(column)
        if before != value:
            changes[column] = [str(before) if before else None, str(value) if value else None]
            setattr(facts, column, value)
    facts.version = (facts.version or 0) + 1
    return changes


def meters_at(session: Session, asset_id: UUID, at: datetime) -> dict[str, Reading]:
    """Return what each meter had counted by that moment, as far as the readings before and after it tell."""
    readings = {}
    for meter in session.scalars(select(Meter).where(Meter.asset_id == asset_id).limit(MAX_METERS)):
        valid = (
            select(MeterReading.total)
            .where(MeterReading.meter_id == meter.id, MeterReading.superseded_at.is_(None))
            .limit(1)
        )
        least = session.scalar(valid.where(MeterReading.at <= at).order_by(MeterReading.at.desc()))
        most = session.scalar(valid.where(MeterReading.at >= at).order_by(MeterReading.at))
        if least is None and most is not None and meter.kind == "counter":
            least = 0.0  # read for the first time later: it had counted no more than that
        if least is not None:
            readings[meter.name] = Reading(least, most)
    return readings


def _from_life(session: Session, asset: Asset) -> dict[str, datetime]:
    found: dict[str, datetime] = {}
    if asset.installed_at is not None:
        found["installation"] = asset.installed_at
    first = (
        select(StateInterval.valid_from)
        .where(
            StateInterval.asset_id == asset.id,
            StateInterval.axis == "lifecycle",
            StateInterval.state == "commissioned",
            StateInterval.source != "import",
        )
        .order_by(StateInterval.valid_from)
        .limit(1)
    )
    if (commissioned := session.scalar(first)) is not None:
        found["commissioning"] = commissioned
    return found


def _unconfirmed(
    session: Session, card: WarrantyCard | None, dates: Mapping[str, date], sources: Mapping[str, str]
) -> frozenset[str]:
    """A purchase claimed from a label waits where its terms say so, and where it does not fit what is known."""
    if (
        card is None
        or card.state == "confirmed"
        or card.channel != "label"
        or sources.get("purchase") != "registration"
    ):
        return frozenset()
    claimed = dates["purchase"]
    if any(fact in dates and claimed > dates[fact] for fact in _BEFORE_USE) or claimed < dates.get(
        "production", claimed
    ):
        return frozenset({"purchase"})
    named = [UUID(str(each["id"])) for each in card.terms]
    strict = select(WarrantyTerms.id).where(WarrantyTerms.id.in_(named), WarrantyTerms.claims_count.is_(False)).limit(1)
    return frozenset({"purchase"}) if session.scalar(strict) else frozenset()
