"""A small world for tests: an operator, a customer with a pump, another customer, a partner, and their people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from assets.base.access import Actor, Role
from assets.base.db import Database
from assets.people import Organisation, Person, actor_of, add_organisation, add_person
from assets.registry import Asset, AssetModel, Site, add_asset

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def after(seconds: float) -> datetime:
    """Return a moment so many seconds after the tests' now."""
    return NOW + timedelta(seconds=seconds)


@dataclass(frozen=True)
class World:
    """Ids and actors; rows are loaded in the session that needs them."""

    database: Database
    operator: UUID
    customer: UUID
    pump: UUID
    other_pump: UUID
    model: UUID
    planner: Actor
    ann: Actor  # technician of the operator
    bob: Actor  # technician of the operator
    partner: Actor
    client: Actor
    stranger: Actor

    def asset(self, session: Session, asset_id: UUID | None = None) -> Asset:
        """Return an asset row, by default the pump."""
        return session.get_one(Asset, asset_id or self.pump)

    def person(self, session: Session, actor: Actor) -> Person:
        """Return an actor's person row."""
        assert actor.person_id is not None
        return session.get_one(Person, actor.person_id)


def make_world(database: Database) -> World:
    """Store the world and return its ids."""
    with database.as_service() as session:
        operator = add_organisation(session, kind="operator", name="Operator", now=NOW)
        customer = add_organisation(session, kind="customer", name="Dairy", now=NOW, parent=operator)
        other = add_organisation(session, kind="customer", name="Brewery", now=NOW, parent=operator)
        partner = add_organisation(session, kind="partner", name="Partner", now=NOW, parent=operator)
        model = AssetModel(
            organisation_id=operator.id,
            code="P100",
            name_en="Pump",
            name_zh="泵",
            metrics={"bearing_temperature_celsius": {"unit": "Cel", "label_en": "Bearing", "label_zh": "轴承"}},
            repair_codes=[{"code": "bearing_replaced", "en": "Bearing replaced", "zh": "更换轴承"}],
            checks=[{"signature": "bearing_temperature_celsius:high", "en": "Grease the bearing", "zh": "给轴承加脂"}],
        )
        session.add(model)
        session.flush()
        pump = _pump(session, customer, "PUMP-1", model)
        other_pump = _pump(session, other, "PUMP-2", model)
        return World(
            database=database,
            operator=operator.id,
            customer=customer.id,
            pump=pump.id,
            other_pump=other_pump.id,
            model=model.id,
            planner=_actor(session, operator, "Paula", Role.PLANNER),
            ann=_actor(session, operator, "Ann", Role.TECHNICIAN),
            bob=_actor(session, operator, "Bob", Role.TECHNICIAN),
            partner=_actor(session, partner, "Piet", Role.PARTNER),
            client=_actor(session, customer, "Clara", Role.CUSTOMER),
            stranger=_actor(session, other, "Stan", Role.CUSTOMER),
        )


def _pump(session: Session, owner: Organisation, serial: str, model: AssetModel) -> Asset:
    site = Site(organisation_id=owner.id, name=f"Site of {serial}")
    session.add(site)
    session.flush()
    asset = Asset(
        organisation_id=owner.id,
        serial=serial,
        name=f"Pump {serial}",
        asset_model_id=model.id,
        site_id=site.id,
        operation="up",
        created_at=NOW,
    )
    return add_asset(session, asset, NOW)


def _actor(session: Session, organisation: Organisation, name: str, role: Role) -> Actor:
    person = add_person(
        session,
        organisation_id=organisation.id,
        name=name,
        roles=[role],
        now=NOW,
        email=f"{name.lower()}@example.org",
    )
    return actor_of(session, person)
