"""Positions: one asset at a time, swapped at event time; a channel bound to a place measures whoever stood there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.db import Database
from assets.base.errors import Conflict, Invalid
from assets.base.events import Event
from assets.instrumentation import asset_bindings, asset_of_device, bind
from assets.people import add_organisation
from assets.positions import Position, add_position, install, installations_of, remove
from assets.registry import Asset, add_asset
from tests.assets.conftest import NOW

HOUR = timedelta(hours=1)


class Plant:
    """An organisation with a place, three pumps and a sensor at the place."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.organisation = add_organisation(session, kind="operator", name="O", now=NOW)
        self.place = self.position("feed pump")
        self.pumps = [self.pump(name) for name in ("A", "B", "C")]
        self.device = uuid4()
        bind(
            session,
            organisation_id=self.organisation.id,
            device_id=self.device,
            channel="",
            position_id=self.place.id,
            at=None,
        )

    def position(self, name: str) -> Position:
        return add_position(self.session, organisation_id=self.organisation.id, name=name, site_id=None, now=NOW)

    def pump(self, serial: str) -> Asset:
        return add_asset(
            self.session,
            Asset(organisation_id=self.organisation.id, serial=serial, name=serial, created_at=NOW),
            NOW,
        )

    def stood(self, place: Position | None = None) -> list[tuple[str, float, float | None]]:
        names = {pump.id: pump.serial for pump in self.pumps}
        return [
            (names[each.asset_id], hours(each.valid_from), hours(each.valid_to) if each.valid_to else None)
            for each in reversed(installations_of(self.session, (place or self.place).id))
        ]

    def measured(self) -> dict[UUID, tuple[datetime | None, datetime | None]]:
        rows = self.session.execute(
            select(asset_bindings.c.asset_id, asset_bindings.c.valid_from, asset_bindings.c.valid_to).where(
                asset_bindings.c.device_id == self.device
            )
        )
        return {asset_id: (begin, end) for asset_id, begin, end in rows}


def hours(at: datetime) -> float:
    return (at - NOW) / HOUR


@pytest.fixture
def plant(database: Database) -> Iterator[Plant]:
    with database.as_service() as session:
        yield Plant(session)


def test_a_swap_ends_one_installation_and_begins_the_next_at_event_time(plant: Plant) -> None:
    a, b, _ = plant.pumps
    install(plant.session, plant.place, a, NOW - 10 * HOUR, NOW)
    install(plant.session, plant.place, b, NOW - 4 * HOUR, NOW)
    assert plant.stood() == [("A", -10, -4), ("B", -4, None)]
    assert plant.measured() == {
        a.id: (NOW - 10 * HOUR, NOW - 4 * HOUR),
        b.id: (NOW - 4 * HOUR, None),
    }
    assert asset_of_device(plant.session, plant.device) == b.id


def test_a_swap_told_afterwards_fits_between_what_is_known(plant: Plant) -> None:
    a, b, c = plant.pumps
    install(plant.session, plant.place, a, NOW - 10 * HOUR, NOW)
    install(plant.session, plant.place, b, NOW - 4 * HOUR, NOW)
    install(plant.session, plant.place, c, NOW - 7 * HOUR, NOW)
    assert plant.stood() == [("A", -10, -7), ("C", -7, -4), ("B", -4, None)]


def test_an_asset_stands_at_one_place_at_a_time(plant: Plant) -> None:
    a, b, _ = plant.pumps
    other = plant.position("spare")
    install(plant.session, plant.place, a, NOW - 10 * HOUR, NOW)
    install(plant.session, other, a, NOW - 2 * HOUR, NOW)
    assert plant.stood() == [("A", -10, -2)]
    assert plant.stood(other) == [("A", -2, None)]
    install(plant.session, plant.place, b, NOW - 3 * HOUR, NOW)
    assert plant.stood() == [("A", -10, -3), ("B", -3, None)]


def test_installing_what_stands_there_changes_nothing(plant: Plant) -> None:
    a, b, _ = plant.pumps
    first = install(plant.session, plant.place, a, NOW - 10 * HOUR, NOW)
    assert install(plant.session, plant.place, a, NOW - 2 * HOUR, NOW).id == first.id
    install(plant.session, plant.place, b, NOW - 10 * HOUR, NOW)  # corrects a mistake: A never stood there
    assert plant.stood() == [("B", -10, None)]


def test_removal_leaves_the_place_empty_and_both_are_on_the_timeline(plant: Plant) -> None:
    a, *_ = plant.pumps
    install(plant.session, plant.place, a, NOW - 10 * HOUR, NOW)
    assert remove(plant.session, plant.place, NOW - HOUR, NOW)
    assert not remove(plant.session, plant.place, NOW, NOW)
    assert plant.stood() == [("A", -10, -1)]
    kinds = plant.session.execute(
        select(Event.kind, Event.at).where(Event.subject_id == a.id, Event.kind.like("asset.%d")).order_by(Event.id)
    ).all()
    assert [tuple(row) for row in kinds][1:] == [
        ("asset.installed", NOW - 10 * HOUR),
        ("asset.removed", NOW - HOUR),
    ]


def test_a_place_is_not_filled_in_advance_nor_named_twice(plant: Plant) -> None:
    with pytest.raises(Invalid):
        install(plant.session, plant.place, plant.pumps[0], NOW + HOUR, NOW)
    with pytest.raises(Conflict):
        plant.position("feed pump")


def test_a_retired_asset_is_put_nowhere(plant: Plant) -> None:
    plant.pumps[0].lifecycle = "retired"
    plant.session.flush()
    with pytest.raises(Conflict):
        install(plant.session, plant.place, plant.pumps[0], NOW, NOW)
    assert plant.stood() == []


def test_a_channel_may_move_from_an_asset_to_a_place(plant: Plant) -> None:
    a, b, _ = plant.pumps
    device = uuid4()
    own = plant.organisation.id
    bind(plant.session, organisation_id=own, device_id=device, channel="x", asset_id=a.id, at=None)
    install(plant.session, plant.place, b, NOW - 9 * HOUR, NOW)
    bind(
        plant.session, organisation_id=own, device_id=device, channel="x", position_id=plant.place.id, at=NOW - 5 * HOUR
    )
    plant.device = device
    assert plant.measured() == {a.id: (None, NOW - 5 * HOUR), b.id: (NOW - 5 * HOUR, None)}
