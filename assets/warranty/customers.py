"""Find the customer that a registration is of, or make one; put records together that are one, and undo that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Table, Uuid, any_, func, literal, or_, select, text, update
from sqlalchemy.orm import Session

from assets.base.db import Base
from assets.base.errors import Conflict, Invalid
from assets.base.events import append_event
from assets.customers import move_organisation
from assets.people import Organisation
from assets.registry import CUSTOMER_NUMBERS, Asset, Customer
from assets.warranty.identities import TAIL, normal_email, normal_name, normal_phone, same_phone, tail_of
from assets.warranty.tables import CustomerMerge

MAX_CANDIDATES = 200
MAX_REASON = 1000
# Records stay as they are written there: a merge's own row says what it moved.
_KEPT_AS_WRITTEN = frozenset({"customers", "customer_merges"})


@dataclass(frozen=True, slots=True)
class Match:
    """The customer, how it was found (phone, email, created), and whether what was sent would change its record."""

    customer: Customer
    by: str
    adds: bool = False


def match_or_create(
    session: Session,
    organisation_id: UUID,
    *,
    name: str,
    phone: str | None,
    email: str | None,
    now: datetime,
    demo: bool = False,
) -> Match:
    """Return the organisation's customer with this phone or e-mail, or a new one. Raises Invalid without either.

    A name alone matches nobody: two people of one name are two people. A record that is found stays as it is: whoever
    knows somebody's number may be anybody. What was sent comes into it by `complete`, once a person has accepted it.
    """
    number, address = normal_phone(phone), normal_email(email)
    if number is None and address is None:
        raise Invalid("a phone number or an e-mail address is needed", field="phone")
    _lock_contact(session, organisation_id, number, address)
    by_phone, by_email = _by_phone(session, organisation_id, number), _by_email(session, organisation_id, address)
    found = by_phone or by_email
    if found is None:  # a customer with an organisation of its own, somewhere below the same operator
        by_phone, by_email = (
            _by_phone(session, None, number, organisation_id),
            _by_email(session, None, address, organisation_id),
        )
        found = by_phone or by_email
    if found is None:
        made = Customer(
            organisation_id=organisation_id,
            number=f"C{session.scalar(CUSTOMER_NUMBERS):06}",
            name=name.strip(),
            phone=number,
            email=address,
            demo=demo,
        )
        session.add(made)
        session.flush()
        _note(session, made, "customer.created", now, None, {"number": made.number, "from": "registration"})
        return Match(made, "created")
    adds = bool((number and not by_phone and not found.phone) or (address and not by_email and not found.email))
    if by_phone and by_email and by_phone.id != by_email.id:
        adds = _surely_one(by_phone, by_email, name)
    return Match(found, "phone" if by_phone else "email", adds)


def complete(
    session: Session,
    customer: Customer,
    *,
    name: str,
    phone: str | None,
    email: str | None,
    now: datetime,
    by_id: UUID | None = None,
) -> Customer:
    """Take the contact that a person has accepted into the record, unless it is another's; return the record.

    Phone and e-mail of two records that carry this very name are one customer: the younger is put into the older.
    """
    number, address = normal_phone(phone), normal_email(email)
    _lock_contact(session, customer.organisation_id, number, address)
    by_phone = _by_phone(session, customer.organisation_id, number)
    by_email = _by_email(session, customer.organisation_id, address)
    other = next((each for each in (by_phone, by_email) if each is not None and each.id != customer.id), None)
    if other is not None and customer.merged_into_id is None and _surely_one(customer, other, name):
        customer, younger = sorted((customer, other), key=lambda each: each.id)
        reason = "same name, phone and e-mail"
        merge(session, customer, younger, now, because="registration", reason=reason, by_id=by_id)
    _fill(customer, number if not by_phone else None, address if not by_email else None)
    session.flush()
    return customer


def _lock_contact(session: Session, organisation_id: UUID, number: str | None, address: str | None) -> None:
    """Let two who register at once with one number or address become one customer."""
    for key in sorted(filter(None, (number and f"p {tail_of(number)}", address and f"e {address}"))):
        session.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:s, 12))"), {"s": f"{organisation_id} {key}"}
        )


def duplicates_of(session: Session, customer: Customer) -> list[tuple[Customer, list[str]]]:
    """Return records, among those that the actor sees, that may be this customer, with what speaks for it."""
    number, address, name = normal_phone(customer.phone), normal_email(customer.email), normal_name(customer.name)
    conditions = [func.lower(Customer.name) == customer.name.lower()]
    if number:
        conditions.append(_tail() == tail_of(number))
    if address:
        conditions.append(func.lower(Customer.email) == address)
    if name:
        conditions.append(func.lower(Customer.name).like(f"%{_literal(name.split()[0][:20])}%", escape="\\"))
    candidates = session.scalars(
        select(Customer)
        .where(
            Customer.id != customer.id,
            Customer.merged_into_id.is_(None),
            or_(*conditions),
        )
        .order_by(Customer.id)
        .limit(MAX_CANDIDATES)
    )
    found = []
    for other in candidates:
        because = [
            word
            for word, same in (
                ("phone", same_phone(number, other.phone)),
                ("email", address is not None and normal_email(other.email) == address),
                ("name", bool(name) and normal_name(other.name) == name),
            )
            if same
        ]
        if because:
            found.append((other, because))
    return sorted(found, key=lambda each: -len(each[1]))


def merge(
    session: Session,
    kept: Customer,
    other: Customer,
    now: datetime,
    *,
    reason: str,
    because: str = "person",
    by_id: UUID | None = None,
) -> CustomerMerge:
    """Put `other` into `kept`: all that refers to it moves over, and is written down. Raises Conflict, Invalid."""
    words = reason.strip()
    if not 1 <= len(words) <= MAX_REASON:
        raise Invalid(f"a reason has 1 to {MAX_REASON} characters", field="reason", limit=MAX_REASON)
    if kept.id == other.id:
        raise Invalid("a customer is not put into itself", field="into_id")
    _lock(session, kept, other)
    if kept.merged_into_id or other.merged_into_id:
        raise Conflict("one of the two was put into another already", what="merged")
    parent_id = _bring_together(session, kept, other)
    moved = {
        table.name: ids
        for table, column in _references()
        if (ids := _point(session, table, column, [], other.id, kept.id))
    }
    before = {"name": kept.name, "phone": kept.phone, "email": kept.email, "parent_id": parent_id}
    _fill(kept, other.phone, other.email)
    other.merged_into_id = kept.id
    made = CustomerMerge(
        organisation_id=kept.organisation_id,
        kept_id=kept.id,
        merged_id=other.id,
        because=because,
        reason=words,
        moved=moved,
        before=before,
        merged_at=now,
        merged_by_id=by_id,
    )
    session.add(made)
    session.flush()
    _tell(session, made, kept, "customer.merged", now, by_id)
    return made


def undo_merge(session: Session, done: CustomerMerge, now: datetime, *, reason: str, by_id: UUID | None = None) -> None:
    """Take two records apart again: what the merge moved goes back, if nobody has moved it on. Raises Conflict."""
    words = reason.strip()
    if not 1 <= len(words) <= MAX_REASON:
        raise Invalid(f"a reason has 1 to {MAX_REASON} characters", field="reason", limit=MAX_REASON)
    kept, other = session.get_one(Customer, done.kept_id), session.get_one(Customer, done.merged_id)
    _lock(session, kept, other)
    session.refresh(done, with_for_update=True)
    if done.undone_at is not None:
        raise Conflict("this was undone already", what="undone")
    if other.merged_into_id != kept.id:
        raise Conflict("the record was put into another since", what="merged")
    if kept.merged_into_id is not None:
        raise Conflict("the record that was kept was put into another since: undo that first", what="merged")
    for table, column in _references():
        if ids := done.moved.get(table.name):
            _point(session, table, column, [UUID(each) for each in ids], kept.id, other.id)
    for name, value in (("phone", other.phone), ("email", other.email)):
        # What came from the other goes back; what a person wrote since stays.
        if done.before.get(name) is None and getattr(kept, name) == value:
            setattr(kept, name, None)
    if done.before.get("parent_id"):
        own, above = (
            session.get(Organisation, other.organisation_id),
            session.get(Organisation, UUID(done.before["parent_id"])),
        )
        if own is not None and above is not None:
            move_organisation(session, own, above)
    kept.version += 1
    other.merged_into_id = None
    done.undone_at, done.undone_by_id, done.undo_reason = now, by_id, words
    session.flush()
    _tell(session, done, kept, "customer.merge_undone", now, by_id)


def _bring_together(session: Session, kept: Customer, other: Customer) -> str | None:
    """Hang the other's organisation, which owns its assets, below the kept one's; return where it hung.

    None: the two share an organisation, or one stands above the other already. Raises Conflict where others share it.
    """
    if kept.organisation_id == other.organisation_id:
        return None
    upper, lower = session.get(Organisation, kept.organisation_id), session.get(Organisation, other.organisation_id)
    if upper is None or lower is None:
        raise Conflict("one of the two belongs to somebody else", what="organisation")
    if upper.id in lower.ancestors or lower.id in upper.ancestors:
        return None
    shared = select(func.count()).where(Customer.organisation_id == lower.id, Customer.merged_into_id.is_(None))
    if (session.scalar(shared) or 0) > 1 or lower.parent_id is None:
        raise Conflict("its organisation has other customers too", what="organisation")
    before = str(lower.parent_id)
    move_organisation(session, lower, upper)
    return before


def _by_phone(
    session: Session, organisation_id: UUID | None, number: str | None, beside: UUID | None = None
) -> Customer | None:
    if number is None:
        return None
    candidates = _live(session, organisation_id, _tail() == tail_of(number), beside)
    return next((each for each in candidates if same_phone(number, each.phone)), None)


def _by_email(
    session: Session, organisation_id: UUID | None, address: str | None, beside: UUID | None = None
) -> Customer | None:
    if address is None:
        return None
    return next(iter(_live(session, organisation_id, func.lower(Customer.email) == address, beside)), None)


def _live(
    session: Session, organisation_id: UUID | None, condition: Any, beside: UUID | None = None
) -> Sequence[Customer]:
    """Return customers of one organisation, or of all below the operator that `beside` is below."""
    wanted = select(Customer).where(Customer.merged_into_id.is_(None), condition)
    if organisation_id is not None:
        wanted = wanted.where(Customer.organisation_id == organisation_id)
    else:
        owner = session.get(Organisation, beside)
        root = owner.ancestors[0] if owner else beside
        below = select(Organisation.id).where(literal(root, Uuid()) == any_(Organisation.ancestors))
        wanted = wanted.where(Customer.organisation_id.in_(below))
    return session.scalars(wanted.order_by(Customer.id).limit(MAX_CANDIDATES)).all()


def _tail() -> Any:
    return func.right(func.regexp_replace(Customer.phone, "[^0-9]", "", "g"), TAIL)


def _literal(words: str) -> str:
    return words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _surely_one(one: Customer, other: Customer, name: str) -> bool:
    """One organisation, the same name, and no field in which they say different things."""
    if one.organisation_id != other.organisation_id:
        return False
    names = {normal_name(one.name), normal_name(other.name), normal_name(name)}
    phones = one.phone is None or other.phone is None or same_phone(one.phone, other.phone)
    emails = one.email is None or other.email is None or normal_email(one.email) == normal_email(other.email)
    return len(names) == 1 and names != {""} and phones and emails


def _fill(customer: Customer, phone: str | None, email: str | None) -> None:
    """Add what the record lacks; what it says already stays."""
    if phone and not customer.phone:
        customer.phone, customer.version = phone, customer.version + 1
    if email and not customer.email:
        customer.email, customer.version = email, customer.version + 1


def _references() -> list[tuple[Table, str]]:
    """Return every table and column that refers to customers, whichever room it is in."""
    found = []
    for table in Base.metadata.sorted_tables:
        if table.name in _KEPT_AS_WRITTEN or "id" not in table.columns:
            continue
        for key in table.foreign_keys:
            if key.column.table.name == "customers":
                found.append((table, key.parent.name))
    return found


def _point(session: Session, table: Table, column: str, ids: Sequence[UUID], old: UUID, new: UUID) -> list[str]:
    """Let rows that refer to one customer refer to another (only those of `ids`, when given); return which."""
    changed = update(table).where(table.c[column] == old).values({column: new}).returning(table.c.id)
    if ids:
        changed = changed.where(table.c.id.in_(ids))
    return [str(key) for key in session.execute(changed).scalars()]


def _lock(session: Session, one: Customer, other: Customer) -> None:
    ids = sorted((one.id, other.id))
    session.execute(select(Customer.id).where(Customer.id.in_(ids)).order_by(Customer.id).with_for_update())
    session.refresh(one)
    session.refresh(other)


def _tell(session: Session, done: CustomerMerge, kept: Customer, kind: str, now: datetime, by_id: UUID | None) -> None:
    """The kept record's own history, and that of each asset whose customer it touched."""
    other = session.get_one(Customer, done.merged_id)
    facts = {"kept": kept.number, "merged": other.number, "because": done.because}
    _note(session, kept, kind, now, by_id, facts)
    assets = [UUID(each) for each in done.moved.get("assets", [])]
    for asset in session.scalars(select(Asset).where(Asset.id.in_(assets)).order_by(Asset.id)):
        append_event(
            session,
            kind,
            at=now,
            organisation_id=asset.organisation_id,
            subject_kind="asset",
            subject_id=asset.id,
            asset_id=asset.id,
            actor_kind="person" if by_id else "system",
            actor_id=by_id,
            payload=facts,
        )


def _note(
    session: Session, customer: Customer, kind: str, now: datetime, by_id: UUID | None, payload: dict[str, Any]
) -> None:
    append_event(
        session,
        kind,
        at=now,
        organisation_id=customer.organisation_id,
        subject_kind="customer",
        subject_id=customer.id,
        actor_kind="person" if by_id else "system",
        actor_id=by_id,
        payload=payload,
    )
