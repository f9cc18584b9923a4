"""Check-in and check-out: where a technician stood, and how far from the machine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import IllegalMove, Invalid
from assets.registry import Asset, Site
from ticketing.distances import Fix, checked_fix, distance_to
from ticketing.models import Visit, WorkOrder
from ticketing.order_log import log_visit
from ticketing.words import one_of

WITHOUT = ("denied", "unavailable", "timeout", "other")  # why a phone knows no place
WAYS = ("in", "out")
_SITE_ACCURACY_M = 300.0  # a site's point stands for the whole of it


@dataclass(frozen=True, slots=True)
class Place:
    """Where a machine is known to be; `source`: asset or site."""

    latitude_deg: float
    longitude_deg: float
    accuracy_m: float
    source: str


def place_of(asset: Asset | None, site: Site | None) -> Place | None:
    """Return the machine's own place, else its site's."""
    if asset is not None and asset.latitude_deg is not None and asset.longitude_deg is not None:
        return Place(asset.latitude_deg, asset.longitude_deg, asset.location_accuracy_m or 0.0, "asset")
    if site is not None and site.latitude_deg is not None and site.longitude_deg is not None:
        return Place(site.latitude_deg, site.longitude_deg, _SITE_ACCURACY_M, "site")
    return None


def check_in_or_out(
    session: Session,
    order: WorkOrder,
    visit: Visit,
    way: str,
    fix: Fix | None,
    at: datetime,
    *,
    without: str | None = None,
    by: Actor | None = None,
) -> Visit:
    """Write down where the technician stood at `at` when they came ("in") or went ("out"); far away is no refusal.

    The first check-in counts, and the last check-out. Without a place the reason is kept. Raises Invalid, and
    IllegalMove for a visit that nobody made.
    """
    one_of("way", way, WAYS)
    if visit.state in ("scheduled", "cancelled") and way == "out":
        text = f"the visit is {visit.state}"
        raise IllegalMove(text, state=visit.state, to="checked_out", legal=[])
    if visit.state == "cancelled":
        raise IllegalMove("the visit is cancelled", state=visit.state, to="checked_in", legal=[])
    if fix is None and without is None:
        raise Invalid("a place, or why there is none", field="why_no_place", allowed=list(WITHOUT))
    known: datetime | None = getattr(visit, f"checked_{way}_at")
    if known is not None and (known <= at if way == "in" else known >= at):
        return visit
    asset = session.get(Asset, order.asset_id)
    site = session.get(Site, order.site_id) if order.site_id else None
    place = place_of(asset, site)
    found = None
    if fix is not None:
        checked_fix(fix)
        machine = (place.latitude_deg, place.longitude_deg) if place else None
        found = distance_to(fix, machine, place.accuracy_m if place else None)
    facts: dict[str, Any] = {
        "at": at,
        "latitude_deg": fix.latitude_deg if fix else None,
        "longitude_deg": fix.longitude_deg if fix else None,
        "accuracy_m": fix.accuracy_m if fix else None,
        "distance_m": found.metres if found else None,
        "far": found.far if found else None,
        "without": None if fix else one_of("why_no_place", without, WITHOUT),
    }
    for name, value in facts.items():
        setattr(visit, f"checked_{way}_{name}", value)
    session.flush()
    # Where somebody stood is theirs: the log says how far from the machine, and no coordinates.
    said = {name: facts[name] for name in ("distance_m", "accuracy_m", "far", "without")}
    log_visit(session, order, visit, f"visit.checked_{way}", at, by, said | {"source": place.source if place else None})
    return visit
