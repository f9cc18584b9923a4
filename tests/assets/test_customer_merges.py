"""Customers found again by phone or e-mail, records put together with their history kept, and taken apart again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assets.base.db import Database
from assets.base.errors import Conflict, Invalid
from assets.base.events import Event
from assets.customers import add_customer
from assets.people import Organisation
from assets.registry import Asset, Customer, Site, add_asset
from assets.warranty.customers import Match, complete, duplicates_of, match_or_create, merge, undo_merge
from assets.warranty.tables import CustomerMerge
from tests.assets.conftest import Tree
from tests.assets.one_database import migrated
from tests.conftest import AnyCluster

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def database(cluster: AnyCluster, empty_template: str, migrated_template: str) -> Iterator[Database]:
    yield from migrated(cluster, empty_template, migrated_template)


def register(
    session: Session, tree: Tree, name: str = "Ann", phone: str | None = None, email: str | None = None
) -> Match:
    return match_or_create(session, tree.operator.id, name=name, phone=phone, email=email, now=NOW)


def machine(session: Session, tree: Tree, customer: Customer, serial: str) -> UUID:
    made = Asset(organisation_id=tree.operator.id, serial=serial, name=serial, customer_id=customer.id, created_at=NOW)
    return add_asset(session, made, NOW).id


# seed:000-19
def test_a_customer_is_found_by_phone_or_e_mail_in_any_spelling(database: Database, tree: Tree) -> None:
    with database.as_service() as session:
        first = register(session, tree, phone="138 0013 8000")
        assert first.by == "created"
        again = register(session, tree, "Somebody", "+86-13800138000", "ANN@example.com")
        assert (again.customer.id, again.by) == (first.customer.id, "phone")
        assert (again.customer.name, again.customer.email, again.adds) == ("Ann", None, True)
        typed: dict[str, Any] = {"name": "Somebody", "phone": "+86-13800138000", "email": "ANN@example.com"}
        complete(session, first.customer, **typed, now=NOW)  # what the record lacked, once a person accepted it
        assert (first.customer.name, first.customer.email) == ("Ann", "ann@example.com")
        assert not register(session, tree, **typed).adds
        third = register(session, tree, email="ann@Example.com")
        assert (third.customer.id, third.by) == (first.customer.id, "email")
        other = register(session, tree, phone="139 0000 0000")  # a name alone is nobody
        assert other.by == "created"
        with pytest.raises(Invalid):
            register(session, tree)


def test_a_customer_with_an_organisation_of_its_own_is_found_and_a_stranger_s_is_not(
    database: Database, tree: Tree
) -> None:
    with database.as_service() as session:
        below = add_customer(session, name="Dairy", parent=tree.operator, now=NOW, phone="+862155551234")
        add_customer(session, name="Other", parent=tree.stranger, now=NOW, phone="+8613700000000")
        assert register(session, tree, "Dairy", "021-5555 1234").customer.id == below.id
        assert register(session, tree, "Other", "137 0000 0000").by == "created"


def test_two_registrations_at_once_make_one_customer(database: Database, tree: Tree) -> None:
    ready, found = threading.Barrier(4), []

    def run() -> None:
        ready.wait(60)
        with database.as_service() as session:
            found.append(register(session, tree, phone="136 0000 0001").customer.id)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(found) == 4
    assert len(set(found)) == 1


def test_an_unknown_sender_changes_no_record_and_records_that_are_surely_one_are_merged_on_acceptance(
    database: Database, tree: Tree
) -> None:
    with database.as_service() as session:
        by_phone = register(session, tree, "Li Lei", phone="13500000001").customer
        by_email = register(session, tree, "LI LEI", email="li@example.com").customer
        both = register(session, tree, "Li  Lei", "13500000001", "li@example.com")
        assert (both.customer.id, both.adds) == (by_phone.id, True)
        assert (by_phone.email, by_email.phone, by_email.merged_into_id) == (None, None, None)
        kept = complete(session, by_email, name="Li  Lei", phone="13500000001", email="li@example.com", now=NOW)
        assert (kept.id, kept.email) == (by_phone.id, "li@example.com")
        assert by_email.merged_into_id == by_phone.id
        eve = register(session, tree, "Eve", phone="13500000002").customer
        han = register(session, tree, "Han", email="han@example.com").customer
        mixed: dict[str, Any] = {"name": "Han", "phone": "13500000002", "email": "han@example.com"}
        assert not register(session, tree, **mixed).adds  # whoever types two people's contacts does not merge them
        assert complete(session, han, **mixed, now=NOW).id == han.id
        assert (eve.email, han.phone, han.merged_into_id) == (None, None, None)


# seed:000-19
def test_a_merge_moves_what_refers_to_it_and_is_undone(database: Database, tree: Tree) -> None:
    with database.as_service() as session:
        kept = register(session, tree, "Kept", phone="13400000001").customer
        other = register(session, tree, "Other", email="other@example.com").customer
        mine, theirs = machine(session, tree, kept, "M-1"), machine(session, tree, other, "M-2")
        site = Site(organisation_id=tree.operator.id, customer_id=other.id, name="Works")
        session.add(site)
        session.flush()
        done = merge(session, kept, other, NOW, reason="one person")
        session.expire_all()
        assert {session.get_one(Asset, key).customer_id for key in (mine, theirs)} == {kept.id}
        assert session.get_one(Site, site.id).customer_id == kept.id
        assert kept.email == "other@example.com"
        told = select(func.count()).where(Event.asset_id == theirs, Event.kind == "customer.merged")
        assert session.scalar(told) == 1
        with pytest.raises(Conflict):
            merge(session, kept, other, NOW, reason="again")
        with pytest.raises(Invalid):
            merge(session, kept, kept, NOW, reason="itself")
        with pytest.raises(Invalid):
            merge(session, other, kept, NOW, reason=" ")
        undo_merge(session, done, NOW, reason="two people")
        session.expire_all()
        assert session.get_one(Asset, mine).customer_id == kept.id
        assert session.get_one(Asset, theirs).customer_id == other.id
        assert session.get_one(Site, site.id).customer_id == other.id
        assert (kept.email, other.merged_into_id) == (None, None)
        with pytest.raises(Conflict):
            undo_merge(session, done, NOW, reason="again")


def test_customers_with_organisations_of_their_own_are_merged_and_taken_apart(database: Database, tree: Tree) -> None:
    with database.as_service() as session:
        group = add_customer(session, name="Dairy Group", parent=tree.operator, now=NOW)
        works = add_customer(session, name="Dairy Works", parent=tree.operator, now=NOW)
        own = session.get_one(Organisation, works.organisation_id)
        done = merge(session, group, works, NOW, reason="one company")
        session.refresh(own)
        assert own.ancestors == [tree.operator.id, group.organisation_id, own.id]
        undo_merge(session, done, NOW, reason="two companies")
        session.refresh(own)
        assert own.ancestors == [tree.operator.id, own.id]


def test_duplicates_are_named_with_what_speaks_for_them(database: Database, tree: Tree) -> None:
    name = f"Dairy {uuid4().hex[:6]}"
    with database.as_service() as session:
        one = register(session, tree, f"{name} Ltd.", phone="13300000001").customer
        same = add_customer(session, name=name.upper(), parent=tree.operator, now=NOW, phone="+86 133-0000-0001")
        add_customer(session, name=f"{name} South", parent=tree.operator, now=NOW)
        assert [(other.id, because) for other, because in duplicates_of(session, one)] == [(same.id, ["phone", "name"])]
        assert session.scalar(select(func.count()).where(CustomerMerge.kept_id == one.id)) == 0
