"""Assets, people and what measures what."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, text

from assets.base.access import Role
from assets.base.db import Database
from assets.base.errors import Conflict
from assets.base.events import Event
from assets.base.ids import uuid7
from assets.instrumentation import Binding, bind
from assets.people import actor_of, add_person, root_organisation
from assets.registry import Asset, add_asset, set_operation
from tests.assets.conftest import NOW, Tree


def make_asset(tree: Tree, serial: str = "P-1") -> Asset:
    return Asset(organisation_id=tree.customer.id, serial=serial, name="Pump", created_at=NOW)


def test_organisations_know_their_ancestors_from_the_root_down(tree: Tree) -> None:
    assert tree.operator.ancestors == [tree.operator.id]
    assert tree.customer.ancestors == [tree.operator.id, tree.customer.id]


def test_root_is_the_first_organisation_without_parent(database: Database, tree: Tree) -> None:
    with database.as_service() as session:
        root = root_organisation(session)
        assert root is not None
        assert root.id == tree.operator.id


def test_person_acts_with_the_roles_held_at_home(database: Database, tree: Tree) -> None:
    with database.as_service() as session:
        person = add_person(
            session, organisation_id=tree.partner.id, name="Ann", roles=[Role.PARTNER, Role.TECHNICIAN], now=NOW
        )
        actor = actor_of(session, person)
    assert actor.roles == {Role.PARTNER, Role.TECHNICIAN}
    assert (actor.organisation_id, actor.person_id, actor.name) == (tree.partner.id, person.id, "Ann")


def test_email_is_kept_in_one_spelling(database: Database, tree: Tree) -> None:
    with database.as_service() as session:
        person = add_person(
            session, organisation_id=tree.operator.id, name="Ann", email=" Ann@Example.COM ", roles=[], now=NOW
        )
        assert person.email == "ann@example.com"


def test_registered_asset_begins_its_timeline(database: Database, tree: Tree) -> None:
    with database.as_service() as session:
        asset = add_asset(session, make_asset(tree), NOW)
        [event] = session.scalars(select(Event).where(Event.asset_id == asset.id))
        assert event.kind == "asset.registered"
        assert event.payload == {"serial": "P-1", "name": "Pump", "lifecycle": "in_service"}


def test_serial_is_unique_within_its_owner_only(database: Database, tree: Tree) -> None:
    with database.as_service() as session:
        add_asset(session, make_asset(tree), NOW)
        with pytest.raises(Conflict):
            add_asset(session, make_asset(tree), NOW)
        twin = make_asset(tree)
        twin.organisation_id = tree.operator.id
        assert add_asset(session, twin, NOW).code != ""


def test_operation_changes_once(database: Database, tree: Tree) -> None:
    with database.as_service() as session:
        asset = add_asset(session, make_asset(tree), NOW)
        assert set_operation(session, asset, "down", NOW, "safety valve closed")
        assert not set_operation(session, asset, "down", NOW, "again")
        kinds = list(session.scalars(select(Event.kind).where(Event.asset_id == asset.id).order_by(Event.id)))
        assert kinds == ["asset.registered", "asset.operation_changed"]


def test_absent_json_is_null_in_sql(database: Database, tree: Tree) -> None:
    with database.as_service() as session:
        add_asset(session, make_asset(tree), NOW)
    with database.as_service() as session:
        assert session.scalar(text("SELECT count(*) FROM events WHERE personal IS NULL")) == 1


def bindings(database: Database) -> list[tuple[object, object, object]]:
    with database.as_service() as session:
        rows = session.scalars(select(Binding).order_by(Binding.id))
        return [(row.asset_id, row.valid_from, row.valid_to) for row in rows]


def test_new_binding_ends_the_one_before(database: Database, tree: Tree) -> None:
    device, later = uuid7(), NOW + timedelta(days=1)
    with database.as_service() as session:
        first, second = (add_asset(session, make_asset(tree, serial), NOW) for serial in ("P-1", "P-2"))
        for asset, at in ((first, None), (first, None), (second, later)):
            bind(session, organisation_id=tree.customer.id, device_id=device, channel="", asset_id=asset.id, at=at)
    assert bindings(database) == [(first.id, None, later), (second.id, later, None)]


@pytest.mark.parametrize("days", [None, 0, -1])
def test_binding_that_never_measured_anything_goes(database: Database, tree: Tree, days: int | None) -> None:
    device, at = uuid7(), None if days is None else NOW + timedelta(days=days)
    with database.as_service() as session:
        first, second = (add_asset(session, make_asset(tree, serial), NOW) for serial in ("P-1", "P-2"))
        for asset, since in ((first, NOW), (second, at)):
            bind(session, organisation_id=tree.customer.id, device_id=device, channel="", asset_id=asset.id, at=since)
    assert bindings(database) == [(second.id, at, None)]
