"""Who calls: customers, people and earlier senders with a telephone number, whichever way it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, any_, func, literal, select
from sqlalchemy.orm import Session

from assets.base.db import service_rights
from assets.people import Organisation, Person
from assets.registry import Asset, Customer
from ticketing.cases.cases import OPEN_STATES
from ticketing.cases.tables import Case
from ticketing.channels.numbers import Home, same_number, tail
from ticketing.models import Request, WorkOrder
from ticketing.work_orders import OPEN_STATES as OPEN_ORDERS

MAX_FOUND = 200  # rows with the same last digits
MAX_SHOWN = 10
MAX_ASSETS = 20


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody with this number; `sure`: 'exact', or 'likely' when one spelling lacks its area code."""

    kind: str  # customer, person, contact (who sent a request before)
    id: UUID
    name: str
    sure: str
    customer_id: UUID | None
    asset_id: UUID | None = None


def callers_of(session: Session, organisation_id: UUID, number: str | None, home: Home) -> list[Caller]:
    """Return who has the number in an organisation and all below it, the surest first.

    With the service's rights, because row policies would keep the index from being used; the organisation bounds it.
    """
    last = tail(number)
    if number is None or last is None:
        return []
    with service_rights(session):
        found = _customers(session, organisation_id, last) + _people(session, organisation_id, last)
        found += _senders(session, organisation_id, last)
    kept: dict[tuple[str, UUID | str], Caller] = {}
    for phone, caller in found:
        sure = same_number(phone, number, home)
        if sure is None:
            continue
        # The same customer's requests are the customer, once; senders without a record are one for each name.
        key = (caller.kind, caller.name.casefold()) if caller.kind == "contact" else (caller.kind, caller.id)
        kept.setdefault(key, Caller(caller.kind, caller.id, caller.name, sure, caller.customer_id, caller.asset_id))
    order = {"customer": 0, "person": 1, "contact": 2}
    known = {caller.customer_id for caller in kept.values() if caller.kind == "customer"}
    shown = [each for each in kept.values() if each.kind != "contact" or each.customer_id not in known]
    return sorted(shown, key=lambda each: (each.sure != "exact", order[each.kind], each.name))[:MAX_SHOWN]


def only_customer(callers: Sequence[Caller]) -> UUID | None:
    """Return the customer when everybody with exactly this number is of the same one."""
    sure = {each.customer_id for each in callers if each.sure == "exact"}
    return next(iter(sure)) if len(sure) == 1 else None


def assets_of(session: Session, customer_ids: Sequence[UUID], first: Sequence[UUID] = ()) -> list[Asset]:
    """Return machines of these customers, those named `first` before the others."""
    wanted = select(Asset).where(Asset.customer_id.in_(customer_ids), Asset.lifecycle.not_in(("retired", "scrapped")))
    if first:
        wanted = wanted.order_by(Asset.id.in_(first).desc())
    found = list(session.scalars(wanted.order_by(Asset.name, Asset.id).limit(MAX_ASSETS)))
    named = [asset for key in first if (asset := session.get(Asset, key)) is not None and asset not in found]
    return [*named, *found][:MAX_ASSETS]


def open_work_of(session: Session, asset_ids: Sequence[UUID]) -> list[WorkOrder]:
    """Return open orders on these machines, newest first."""
    wanted = select(WorkOrder).where(WorkOrder.asset_id.in_(asset_ids), WorkOrder.state.in_(OPEN_ORDERS))
    return list(session.scalars(wanted.order_by(WorkOrder.opened_at.desc(), WorkOrder.id).limit(MAX_SHOWN)))


def last_cases_of(session: Session, customer_ids: Sequence[UUID], asset_ids: Sequence[UUID]) -> list[Case]:
    """Return the last cases of these customers and machines: open ones first, then by time."""
    of = Case.customer_id.in_(customer_ids) | Case.asset_id.in_(asset_ids)
    wanted = select(Case).where(of, Case.state != "merged")
    return list(
        session.scalars(wanted.order_by(Case.state.in_(OPEN_STATES).desc(), Case.opened_at.desc()).limit(MAX_SHOWN))
    )


def last_sent(session: Session, organisation_id: UUID, address: str, since: datetime) -> int:
    """Return how many requests an address has sent since a moment."""
    counted = (
        select(func.count())
        .select_from(Request)
        .where(
            Request.organisation_id.in_(_below(organisation_id)),
            Request.contact["email"].astext == address,
            Request.created_at >= since,
        )
    )
    with service_rights(session):
        return session.scalar(counted) or 0


def _below(organisation_id: UUID) -> Any:
    return select(Organisation.id).where(literal(organisation_id, Uuid()) == any_(Organisation.ancestors))


def _customers(session: Session, organisation_id: UUID, last: str) -> list[tuple[str | None, Caller]]:
    wanted = select(Customer).where(
        func.forewarn_phone_tail(Customer.phone) == last,
        Customer.merged_into_id.is_(None),
        Customer.organisation_id.in_(_below(organisation_id)),
    )
    return [
        (row.phone, Caller("customer", row.id, row.name, "", row.id))
        for row in session.scalars(wanted.order_by(Customer.id).limit(MAX_FOUND))
    ]


def _people(session: Session, organisation_id: UUID, last: str) -> list[tuple[str | None, Caller]]:
    of = select(Customer.id).where(
        Customer.organisation_id == Person.organisation_id, Customer.merged_into_id.is_(None)
    )
    wanted = select(Person, of.order_by(Customer.id).limit(1).scalar_subquery()).where(
        func.forewarn_phone_tail(Person.phone) == last,
        Person.disabled_at.is_(None),
        Person.organisation_id.in_(_below(organisation_id)),
    )
    return [
        (person.phone, Caller("person", person.id, person.name, "", customer_id))
        for person, customer_id in session.execute(wanted.order_by(Person.id).limit(MAX_FOUND))
    ]


def _senders(session: Session, organisation_id: UUID, last: str) -> list[tuple[str | None, Caller]]:
    """Return who left this number with a request, the newest first."""
    phone = Request.contact["phone"].astext
    wanted = select(Request).where(
        func.forewarn_phone_tail(phone) == last, Request.organisation_id.in_(_below(organisation_id))
    )
    return [
        (
            row.contact.get("phone"),
            Caller("contact", row.id, row.contact.get("name") or "", "", row.customer_id, row.asset_id),
        )
        for row in session.scalars(wanted.order_by(Request.id.desc()).limit(MAX_FOUND))
    ]
