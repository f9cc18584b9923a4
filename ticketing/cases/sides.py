"""On which side of a case somebody stands: the desk's, the customer's, or a partner's."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.access import DESK, Actor, Role
from assets.base.db import service_rights
from assets.base.errors import Forbidden, NotFound
from assets.people import Organisation
from ticketing.cases.tables import Case

STAFF_SIDES = ("desk", "technician")


def desk_of(session: Session, organisation_id: UUID) -> UUID:
    """Return whose desk looks after an organisation: itself, or the nearest above that is no customer.

    Customers do not see the organisation above them, hence the service's rights; only the id comes back.
    """
    with service_rights(session):
        owner = session.get(Organisation, organisation_id)
        if owner is None:
            raise NotFound("no such organisation", kind="organisation")
        above = select(Organisation.id, Organisation.kind).where(Organisation.id.in_(owner.ancestors))
        kinds = {key: kind for key, kind in session.execute(above)}
    nearest = (key for key in reversed(owner.ancestors) if kinds.get(key) != "customer")
    return next(nearest, organisation_id)


def side_of(session: Session, case: Case, actor: Actor | None) -> str:
    """Return desk, technician, customer, partner, or requester for somebody who is not signed in."""
    if actor is None or actor.kind == "public":
        return "requester"
    if not _above(session, actor.organisation_id, case.desk_organisation_id):
        own = _above(session, actor.organisation_id, case.organisation_id)
        return "customer" if own else "partner"
    if actor.roles <= {Role.CUSTOMER}:
        return "customer"
    if actor.roles <= {Role.PARTNER}:
        return "partner"
    return "desk" if actor.roles & DESK else "technician"


def require_staff(session: Session, case: Case, actor: Actor) -> str:
    """Return the side of somebody who works for the desk. Raises Forbidden for customers and partners."""
    side = side_of(session, case, actor)
    if side not in STAFF_SIDES:
        raise Forbidden(f"{case.number} is looked after by another organisation's desk", kind="case")
    return side


def _above(session: Session, organisation_id: UUID, below_id: UUID) -> bool:
    """Return whether an organisation is another one or stands above it."""
    if organisation_id == below_id:
        return True
    with service_rights(session):
        below = session.get(Organisation, below_id)
    return below is not None and organisation_id in below.ancestors
