"""Which part was in which asset when: one place at a time, no loops, and the past stays as it was."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count, pairwise
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assets.as_installed import AlreadyInstalled, Part, build_in, components_of, installed_at, take_out
from assets.base.db import Database
from assets.base.errors import Conflict, Invalid
from assets.components import Component
from assets.consumed_parts import component_installed, component_removed
from assets.registry import Asset, add_asset
from assets.tree import ancestors_of, set_parent
from tests.assets.conftest import Tree
from tests.assets.one_database import migrated

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=365)
NUMBERS = count(1)

database = pytest.fixture(scope="module")(migrated)


def new_asset(session: Session, owner: UUID, name: str = "Pump") -> Asset:
    asset = Asset(organisation_id=owner, serial=f"A-{next(NUMBERS)}", name=name, created_at=NOW)
    return add_asset(session, asset, NOW)


def day(number: int) -> datetime:
    return NOW + timedelta(days=number)


def names(session: Session, asset: Asset, at: datetime) -> list[tuple[str | None, int]]:
    return [(row.serial, depth) for row, depth in installed_at(session, asset.id, at)]


def test_what_was_installed_is_told_for_any_day(database: Database, tree: Tree) -> None:
    owner = tree.customer.id
    with database.as_service() as session:
        machine, motor = new_asset(session, owner), new_asset(session, owner, "Motor")
        build_in(session, machine, Part(child=motor, place="drive"), day(1), LATER)
        first = build_in(session, motor, Part(item_number="BRG", serial="S1", place="left"), day(2), LATER)
        second = Part(item_number="BRG", serial="S2", place="left")
        build_in(session, motor, second, day(5), LATER, replaces=first)
        assert names(session, machine, day(0)) == []
        assert names(session, machine, day(1)) == [(motor.serial, 1)]
        assert names(session, machine, day(4)) == [(motor.serial, 1), ("S1", 2)]
        assert names(session, machine, day(5)) == [(motor.serial, 1), ("S2", 2)]
        assert [row.serial for row in components_of(session, motor.id, past=True)] == ["S2", "S1"]
        assert ancestors_of(session, motor) == [machine.id]
        set_parent(session, motor, None, at=day(9))
        assert names(session, machine, day(8)) == [(motor.serial, 1), ("S2", 2)]
        assert names(session, machine, day(9)) == []
        assert motor.parent_id is None


def test_serial_is_in_one_place_and_a_place_holds_one_part(database: Database, tree: Tree) -> None:
    with database.as_service() as session:
        one, other = new_asset(session, tree.customer.id), new_asset(session, tree.customer.id)
        part = Part(item_number="BRG", serial="S1", place="left")
        row = build_in(session, one, part, day(1), LATER)
        assert build_in(session, one, part, day(3), LATER).id == row.id, "told twice"
        for whole, wrong in ((other, part), (one, Part(item_number="BRG", serial="S9", place="left"))):
            with pytest.raises(AlreadyInstalled) as refused:
                build_in(session, whole, wrong, day(3), LATER)
            assert refused.value.params["component_id"] == str(row.id)
        assert take_out(session, row, day(4), LATER)
        assert not take_out(session, row, day(5), LATER)
        moved = build_in(session, other, part, day(4), LATER)
        earlier = build_in(session, one, Part(item_number="X", serial="S1"), day(0), LATER)
        assert earlier.valid_to is None, "another item may have the same serial number"
        assert moved.valid_from == day(4)


def test_swap_told_afterwards_fits_before_what_is_known(database: Database, tree: Tree) -> None:
    with database.as_service() as session:
        one, other = new_asset(session, tree.customer.id), new_asset(session, tree.customer.id)
        part = Part(item_number="BRG", serial="S1")
        build_in(session, other, part, day(10), LATER)
        before = build_in(session, one, part, day(2), LATER)
        assert before.valid_to == day(10)
        assert names(session, one, day(9)) == [("S1", 1)]
        assert names(session, other, day(10)) == [("S1", 1)]


def test_loops_are_refused_wherever_in_time_they_close(database: Database, tree: Tree) -> None:
    with database.as_service() as session:
        a, b, c = (new_asset(session, tree.customer.id) for _ in range(3))
        build_in(session, a, Part(child=b), day(1), LATER)
        row = build_in(session, b, Part(child=c), day(1), LATER)
        for whole, part in ((c, a), (b, a), (a, a)):
            with pytest.raises(Invalid):
                build_in(session, whole, Part(child=part), day(3), LATER)
        take_out(session, row, day(5), LATER)
        with pytest.raises(Invalid):
            build_in(session, c, Part(child=a), day(3), LATER)  # c was in a until the fifth day
        build_in(session, c, Part(child=a), day(5), LATER)
        assert names(session, c, day(6)) == [(a.serial, 1), (b.serial, 2)]


def test_parts_that_cannot_be_are_refused(database: Database, tree: Tree) -> None:
    with database.as_service() as session:
        asset, foreign = new_asset(session, tree.customer.id), new_asset(session, tree.partner.id)
        wrong = (
            Part(),
            Part(item_number="X", quantity=0),
            Part(item_number="X", quantity=float("nan")),
            Part(item_number="X", serial="1", quantity=2),
            Part(child=foreign),
        )
        for part in wrong:
            with pytest.raises(Invalid):
                build_in(session, asset, part, day(1), LATER)
        with pytest.raises(Invalid):
            build_in(session, asset, Part(item_number="X"), LATER + timedelta(days=1), LATER)
        scrap = new_asset(session, tree.customer.id)
        scrap.lifecycle = "scrapped"
        with pytest.raises(Conflict):
            build_in(session, asset, Part(child=scrap), day(1), LATER)
        with pytest.raises(Conflict):
            build_in(session, scrap, Part(item_number="X"), day(1), LATER)


actions = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.sampled_from(["left", None]), st.integers(0, 20), st.booleans()),
    min_size=1,
    max_size=14,
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions)
def test_no_part_and_no_place_is_ever_taken_twice(
    database: Database, tree: Tree, actions: list[tuple[int, int, str | None, int, bool]]
) -> None:
    """Build in and take out in any order and at any time: stretches of one part, or one place, never overlap."""
    with database.as_service() as session:
        wholes = [new_asset(session, tree.customer.id) for _ in range(3)]
        for whole, serial, place, at, out in actions:
            part = Part(item_number="I", serial=f"S{serial}", place=place)
            try:
                if out:
                    open_row = next(iter(components_of(session, wholes[whole].id)), None)
                    if open_row is not None:
                        take_out(session, open_row, day(at), LATER)
                else:
                    build_in(session, wholes[whole], part, day(at), LATER)
            except (AlreadyInstalled, Invalid):
                continue
        rows = list(session.scalars(select(Component).where(Component.asset_id.in_([w.id for w in wholes]))))
        for key in ("serial", "place"):
            groups: dict[object, list[Component]] = {}
            for row in rows:
                if getattr(row, key) is not None:
                    where = row.asset_id if key == "place" else None
                    groups.setdefault((getattr(row, key), where), []).append(row)
            for group in groups.values():
                group.sort(key=lambda row: row.valid_from)
                assert all(a.valid_to is not None and a.valid_to <= b.valid_from for a, b in pairwise(group))
        assert all(row.valid_to is None or row.valid_from < row.valid_to for row in rows)
        session.rollback()


def test_two_who_build_in_the_same_serial_at_once_end_with_one(database: Database, tree: Tree) -> None:
    with database.as_service() as session:
        wholes = [new_asset(session, tree.customer.id).id for _ in range(2)]
    start, results, serial = threading.Barrier(2), [], f"ONE-{next(NUMBERS)}"

    def run(whole_id: UUID) -> None:
        with database.as_service() as session:
            whole = session.get_one(Asset, whole_id)
            start.wait(30)
            try:
                build_in(session, whole, Part(item_number="I", serial=serial), day(1), LATER)
                results.append("built")
            except AlreadyInstalled:
                results.append("refused")

    threads = [threading.Thread(target=run, args=(whole,)) for whole in wholes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with database.as_service() as session:
        counted = session.scalar(select(func.count()).select_from(Component).where(Component.serial == serial))
    assert (sorted(results), counted) == (["built", "refused"], 1)


def test_consumed_parts_come_in_once_and_go_out_again(database: Database, tree: Tree) -> None:
    with database.as_service() as session:
        asset, other = new_asset(session, tree.customer.id), new_asset(session, tree.customer.id)
        part, movement = uuid4(), uuid4()

        def consume(into: Asset, serial: str | None, quantity: int, movement_id: UUID, at: datetime) -> Component:
            return component_installed(
                session,
                asset=into,
                part_id=part,
                part_number="SEAL",
                name_en="Seal",
                name_zh="密封",
                serial=serial,
                lot="L7",
                quantity=Decimal(quantity),
                at=at,
                now=LATER,
                movement_id=movement_id,
            )

        row = consume(asset, None, 4, movement, day(1))
        assert consume(asset, None, 4, movement, day(1)).id == row.id
        assert component_removed(
            session, asset=asset, part_id=part, serial=None, quantity=Decimal(1), at=day(2), now=LATER
        )
        assert [each.quantity for each in components_of(session, asset.id)] == [3.0]
        consume(asset, "S1", 1, uuid4(), day(3))
        consume(other, "S1", 1, uuid4(), day(4))
        assert [each.serial for each in components_of(session, asset.id)] == [None], "stock knows where it is now"
        assert not component_removed(
            session, asset=asset, part_id=part, serial="S1", quantity=Decimal(1), at=day(5), now=LATER
        )
