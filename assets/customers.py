"""Customers and their organisations, sites, and the tree that they stand in."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from assets.base.errors import Conflict, Invalid
from assets.people import Organisation, add_organisation, normal_email
from assets.registry import CUSTOMER_NUMBERS, Customer, Site

MAX_DEPTH = 12  # manufacturer, importer, region, agent, sub-agent, customer: deeper is a mistake
TREE_LOCK = 7_301_953
KINDS_BELOW = {
    "operator": ("operator", "partner", "customer"),
    "partner": ("partner", "customer"),
    "customer": ("customer",),  # a group and its subsidiaries
}

_BELOW = text(
    "SELECT coalesce(max(cardinality(ancestors)), 0) FROM organisations WHERE ancestors @> ARRAY[:id]::uuid[]"
)
_MOVE = text("""
UPDATE organisations SET ancestors = cast(:above AS uuid[]) || ancestors[array_position(ancestors, :id):]
WHERE ancestors @> ARRAY[:id]::uuid[]
""")


def add_customer(
    session: Session,
    *,
    name: str,
    parent: Organisation,
    now: datetime,
    number: str | None = None,
    phone: str | None = None,
    email: str | None = None,
) -> Customer:
    """Add a customer with an organisation of its own below `parent`, which then owns its assets.

    Without a number it gets the next one. Raises Conflict for a number that is taken.
    """
    check_kind(parent, "customer")
    told = number.strip() if number else ""
    if told and session.scalar(select(Customer.id).where(Customer.number == told)):
        raise Conflict(f"there is a customer {told!r} already", number=told)
    organisation = add_organisation(session, kind="customer", name=name, parent=parent, now=now)
    customer = Customer(
        organisation_id=organisation.id,
        number=told or f"C{session.scalar(CUSTOMER_NUMBERS):06}",
        name=name,
        phone=phone,
        email=normal_email(email) if email else None,
    )
    session.add(customer)
    session.flush()
    return customer


def check_kind(parent: Organisation, kind: str) -> None:
    """Raise Invalid unless an organisation of this kind may stand below the other, and the tree is not too deep."""
    if kind not in KINDS_BELOW.get(parent.kind, ()):
        allowed = KINDS_BELOW.get(parent.kind, ())
        raise Invalid(f"below a {parent.kind} stands: {', '.join(allowed)}", field="kind", allowed=list(allowed))
    if len(parent.ancestors) >= MAX_DEPTH:
        raise Invalid(f"the tree has at most {MAX_DEPTH} levels", field="parent_id", limit=MAX_DEPTH)


def move_organisation(session: Session, organisation: Organisation, parent: Organisation) -> None:
    """Hang an organisation with all below it under another one: who is above sees it from now on, who was does not.

    Raises Invalid for a loop, a root, a kind that does not stand there, or a tree that would be too deep.
    """
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": TREE_LOCK})
    session.refresh(parent)
    if organisation.parent_id is None:
        raise Invalid("the top of a tree does not move", field="parent_id")
    if organisation.id in parent.ancestors:
        raise Invalid("an organisation cannot stand below itself", field="parent_id")
    check_kind(parent, organisation.kind)
    deepest = session.scalar(_BELOW, {"id": organisation.id}) or 0
    if len(parent.ancestors) + deepest - len(organisation.ancestors) + 1 > MAX_DEPTH:
        raise Invalid(f"the tree has at most {MAX_DEPTH} levels", field="parent_id", limit=MAX_DEPTH)
    organisation.parent_id = parent.id
    session.flush()
    session.execute(_MOVE, {"id": organisation.id, "above": parent.ancestors})
    session.refresh(organisation)


def check_site(site: Site) -> None:
    """Raise Invalid for a time zone that there is not, or coordinates that are no place."""
    try:
        ZoneInfo(site.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Invalid(f"no time zone {site.time_zone!r}", field="time_zone") from error
    check_place(site.latitude_deg, site.longitude_deg)


def check_place(latitude_deg: float | None, longitude_deg: float | None) -> None:
    """Raise Invalid unless both are there, or none, and lie on the globe (WGS-84)."""
    if (latitude_deg is None) != (longitude_deg is None):
        raise Invalid("latitude and longitude belong together", field="longitude_deg")
    if latitude_deg is not None and not -90 <= latitude_deg <= 90:
        raise Invalid("a latitude lies between -90 and 90", field="latitude_deg")
    if longitude_deg is not None and not -180 <= longitude_deg <= 180:
        raise Invalid("a longitude lies between -180 and 180", field="longitude_deg")


def number_is_free(session: Session, number: str, but: UUID | None = None) -> bool:
    """Return whether no other customer that one may see has this number."""
    found = session.scalar(select(Customer.id).where(Customer.number == number))
    return found is None or found == but
