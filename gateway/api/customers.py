"""Customers over HTTP; each has an organisation of its own, which owns its assets."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import func, or_, select

from assets.base.errors import Conflict, NotFound
from assets.base.events import append_event
from assets.customers import add_customer, number_is_free
from assets.people import Organisation, normal_email
from assets.registry import Customer
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, Name, contains, locked, named, seen
from gateway.api.pages import After, Limit
from gateway.api.sorting import By, Order, Sort

router = APIRouter(prefix="/api/v1", tags=["customers"])

Number = Annotated[str | None, Field(min_length=1, max_length=60, pattern=r"\S")]
Phone = Annotated[str | None, Field(max_length=60)]
Email = Annotated[str | None, Field(min_length=3, max_length=320, pattern="@")]


# Each is cheap with 100,000 rows.
SORTS = {
    "name": By(Customer.name),
    "number": By(Customer.number),
    "phone": By(func.coalesce(Customer.phone, "")),
    "email": By(func.coalesce(Customer.email, "")),
}


class CustomerItem(BaseModel):
    """A customer; `code` is its number under the name that pickers use."""

    id: UUID
    number: str
    code: str
    name: str
    phone: str | None
    email: str | None
    organisation_id: UUID
    demo: bool
    version: int


class Customers(BaseModel):
    """A page of customers."""

    items: list[CustomerItem]
    next: str | None = None


class NewCustomer(BaseModel):
    """A customer; its organisation is made below the one named, left out: below one's own."""

    name: Name
    number: Number = None
    phone: Phone = None
    email: Email = None
    parent_organisation_id: UUID | None = None


class CustomerChange(BaseModel):
    """What is to change."""

    name: Name | None = None
    number: Number = None
    phone: Phone = None
    email: Email = None


@router.get("/customers", operation_id="list_customers")
def list_customers(
    here: Here,
    q: str | None = None,
    number: str | None = None,
    sort: Sort = None,
    limit: Limit = 100,
    after: After = None,
) -> Customers:
    """List customers by name; `q` looks in name and number."""
    here.require("asset.read")
    order = Order.of(sort, SORTS, "name", Customer.id)
    query = select(Customer, order.column).where(Customer.merged_into_id.is_(None))
    if q:
        query = query.where(or_(Customer.name.ilike(contains(q)), Customer.number.ilike(contains(q))))
    if number:
        query = query.where(Customer.number == number)
    page, following = order.rows(here.session, query, limit, after)
    return Customers(items=[customer_item(row) for row in page], next=following)


@router.post("/customers", operation_id="create_customer", status_code=201)
def create_customer(body: NewCustomer, here: Here) -> CustomerItem:
    """Add a customer with an organisation of its own."""
    here.require("customer.manage")
    parent = named(
        here, Organisation, body.parent_organisation_id or here.actor.organisation_id, "parent_organisation_id"
    )
    if parent is None:
        raise NotFound("no such organisation", kind="organisation")
    made = add_customer(
        here.session,
        name=body.name.strip(),
        parent=parent,
        now=here.now,
        number=body.number,
        phone=body.phone,
        email=body.email,
    )
    _log(here, made, "customer.added")
    return customer_item(made)


@router.get("/customers/{customer_id}", operation_id="get_customer")
def get_customer(customer_id: UUID, here: Here) -> CustomerItem:
    """One customer."""
    here.require("asset.read")
    return customer_item(seen(here, Customer, customer_id, "customer"))


@router.patch("/customers/{customer_id}", operation_id="change_customer")
def change_customer(customer_id: UUID, body: CustomerChange, here: Here, if_match: IfMatch = None) -> CustomerItem:
    """Change a customer's words; null takes a phone or an address away."""
    here.require("customer.manage")
    row = locked(here, Customer, customer_id, "customer", if_match)
    if body.name is not None:
        row.name = body.name.strip()
    if body.number is not None:
        if not number_is_free(here.session, body.number.strip(), row.id):
            raise Conflict(f"there is a customer {body.number!r} already", number=body.number)
        row.number = body.number.strip()
    if "phone" in body.model_fields_set:
        row.phone = body.phone
    if "email" in body.model_fields_set:
        row.email = normal_email(body.email) if body.email else None
    row.version += 1
    here.session.flush()
    _log(here, row, "customer.changed")
    return customer_item(row)


def customer_item(row: Customer) -> CustomerItem:
    """Return a customer as lists show it."""
    return CustomerItem(
        id=row.id,
        number=row.number,
        code=row.number,
        name=row.name,
        phone=row.phone,
        email=row.email,
        organisation_id=row.organisation_id,
        demo=row.demo,
        version=row.version,
    )


def _log(here: Context, row: Customer, kind: str) -> None:
    append_event(
        here.session,
        kind,
        at=here.now,
        organisation_id=row.organisation_id,
        subject_kind="customer",
        subject_id=row.id,
        actor_kind=here.actor.kind,
        actor_id=here.actor.person_id,
        payload={"number": row.number},
        personal={"name": row.name, "phone": row.phone, "email": row.email},
    )
