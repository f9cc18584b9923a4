"""The ledger: sums of zero, no shelf below zero, one place to a serial, nothing ever changed."""

from __future__ import annotations

import threading
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from assets.base.db import APP_ROLE
from assets.base.errors import Forbidden, Invalid
from assets.stock.errors import MoreThanIssued, OperationReused, ReservedForOthers, SerialElsewhere, StockShort
from assets.stock.items import get_part
from assets.stock.ledger import replay_differences
from assets.stock.places import StockLocation
from assets.stock.promises import reserve
from tests.assets.conftest import NOW
from tests.assets.stock.store import Store


def test_issue_takes_from_the_shelf_and_return_brings_back(store: Store) -> None:
    store.stock(store.seal, store.van, 5)
    store.issue(store.seal, store.van, 3, by=store.technician)
    assert store.at(store.seal, store.van) == 2
    back = {"part_id": store.seal, "quantity": 2, "to_location_id": store.van}
    store.do("return", back, by=store.technician, work_order="WO-1")
    assert store.at(store.seal, store.van) == 4
    with pytest.raises(MoreThanIssued):
        store.do("return", back, by=store.technician, work_order="WO-1")
    assert store.at(store.seal, store.van) == 4


def test_shortage_names_everything_that_is_missing_and_books_nothing(store: Store) -> None:
    store.stock(store.seal, store.main, 5)
    lines = [
        {"part_id": store.seal, "from_location_id": store.main, "quantity": 2},
        {"part_id": store.seal, "from_location_id": store.main, "quantity": 4},
        {"part_number": "GREASE", "from_location_id": store.main, "quantity": 0.5},
    ]
    with pytest.raises(StockShort) as refused:
        store.do("issue", *lines, work_order="WO-1")
    missing = refused.value.params["missing"]
    assert isinstance(missing, list)
    assert [(each["part_number"], each["location"], each["wanted"], each["available"]) for each in missing] == [
        ("SEAL", "MAIN", 6.0, 5.0),
        ("GREASE", "MAIN", 0.5, 0.0),
    ]
    assert store.at(store.seal, store.main) == 5


def test_a_promise_is_not_taken_piece_by_piece(store: Store) -> None:
    """A store promises as a whole: two of its bins, or two lines of one movement, take no more than one may."""
    store.stock(store.seal, store.main, 1)
    store.stock(store.seal, store.bin, 1)

    def promise(session: Session) -> None:
        main = session.get_one(StockLocation, store.main)
        reserve(session, get_part(session, store.seal), main, Decimal(1), NOW.date(), NOW, store.keeper)

    store.run(promise)
    both = [{"part_id": store.seal, "from_location_id": place, "quantity": 1} for place in (store.main, store.bin)]
    with pytest.raises(ReservedForOthers):
        store.do("issue", *both, work_order="WO-1")
    with pytest.raises(ReservedForOthers):
        store.do("move", *[each | {"to_location_id": store.quarantine} for each in both])
    store.do("issue", both[0], work_order="WO-1")


@pytest.mark.parametrize("quantity", [0, -1, 1.5, "NaN", 10**12])
def test_quantity_that_an_item_cannot_have_is_refused(store: Store, quantity: Any) -> None:
    with pytest.raises(Invalid):
        store.stock(store.seal, store.main, quantity)


def test_decimals_of_an_item_are_kept_exactly(store: Store) -> None:
    for _ in range(10):
        store.stock(store.grease, store.main, 0.1)
    assert store.at(store.grease, store.main) == Decimal(1)


def test_a_serial_is_at_one_place_only(store: Store) -> None:
    store.stock(store.drive, store.main, serial="S1")
    with pytest.raises(SerialElsewhere):
        store.stock(store.drive, store.van, serial="S1")
    with pytest.raises(SerialElsewhere):
        store.issue(store.drive, store.van, serial="S1")
    store.issue(store.drive, store.main, serial="S1")
    with pytest.raises(SerialElsewhere):
        store.issue(store.drive, store.main, serial="S1")
    with pytest.raises(SerialElsewhere):
        store.stock(store.drive, store.main, serial="S1")


def test_the_database_alone_keeps_a_serial_at_one_place(store: Store) -> None:
    store.stock(store.drive, store.main, serial="S1")
    second = text(
        "INSERT INTO stock_entries"
        " (id, organisation_id, movement_id, line, part_id, location_id, serial_id, quantity)"
        " SELECT gen_random_uuid(), organisation_id, movement_id, 9, part_id,"
        " CASE WHEN quantity > 0 THEN CAST(:van AS uuid) ELSE location_id END, serial_id, quantity"
        " FROM stock_entries"
    )
    with pytest.raises(IntegrityError, match="a serial is at one place"):
        store.run(lambda session: session.execute(second, {"van": store.van}))


def test_the_database_refuses_entries_that_do_not_sum_to_zero(store: Store) -> None:
    store.stock(store.seal, store.main, 5)
    lone = text(
        "INSERT INTO stock_entries (id, organisation_id, movement_id, line, part_id, location_id, quantity)"
        " SELECT gen_random_uuid(), organisation_id, movement_id, 9, part_id, location_id, 1 FROM stock_entries LIMIT 1"
    )
    with pytest.raises(IntegrityError, match="sum to zero"):
        store.run(lambda session: session.execute(lone))


@pytest.mark.parametrize("table", ["stock_entries", "stock_movements"])
@pytest.mark.parametrize("change", ["UPDATE {} SET id = id", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_nobody_changes_what_was_booked(store: Store, table: str, change: str) -> None:
    store.stock(store.seal, store.main, 5)
    statement = text(change.format(table))
    with pytest.raises(DBAPIError, match="permission denied"):
        store.run(lambda session: session.execute(statement))
    with pytest.raises(DBAPIError, match=r"permission denied|append-only"), store.database.as_service() as session:
        session.execute(statement)
    assert store.at(store.seal, store.main) == 5


def test_the_owner_of_the_tables_changes_nothing_either(store: Store, superuser_url: str, stock_url: str) -> None:
    import psycopg

    store.stock(store.seal, store.main, 5)
    url = superuser_url.rpartition("/")[0] + "/" + stock_url.rpartition("/")[2]
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in ("UPDATE stock_entries SET quantity = 7", "DELETE FROM stock_movements"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
                connection.execute(statement)


def test_requests_write_no_balances(store: Store) -> None:
    store.stock(store.seal, store.main, 5)
    with pytest.raises(DBAPIError, match="permission denied"):
        store.run(lambda session: session.execute(text("UPDATE stock_balances SET quantity = 99")))
    with store.database.as_owner() as session:
        session.execute(text(f"SET LOCAL ROLE {APP_ROLE}"))
        assert session.scalar(text("SELECT count(*) FROM stock_balances")) == 0  # without an actor nothing is seen


def test_technician_takes_nothing_from_another_ones_van(store: Store) -> None:
    with store.database.as_service() as session:
        other = store.place(session, "VAN-2", "van", person_id=store.tess)
    store.stock(store.seal, other, 5)
    stranger = type(store.technician)("person", store.owner, store.technician.roles, uuid4(), "Tom")
    with pytest.raises(Forbidden):
        store.issue(store.seal, other, by=stranger)
    with pytest.raises(Forbidden):
        store.do("scrap", {"part_id": store.seal, "from_location_id": other}, by=stranger, reason="rust")


def test_repeated_operation_is_booked_once(store: Store) -> None:
    store.stock(store.seal, store.van, 5)
    key = str(uuid4())
    first = store.issue(store.seal, store.van, 2, operation_id=key)
    again = store.issue(store.seal, store.van, 2, operation_id=key, offline=True)
    assert (first.state, again.state) == ("booked", "repeated")
    assert first.movement is not None
    assert again.movement is not None
    assert first.movement.id == again.movement.id
    assert store.at(store.seal, store.van) == 3
    with pytest.raises(OperationReused):
        store.issue(store.seal, store.van, 1, operation_id=key)


def test_nothing_is_booked_into_the_future(store: Store) -> None:
    store.stock(store.seal, store.van, 5)
    with pytest.raises(Invalid):
        store.issue(store.seal, store.van, occurred_at=NOW + timedelta(hours=1))
    store.issue(store.seal, store.van, occurred_at=NOW - timedelta(days=3))


def test_the_last_part_goes_to_one_of_many(store: Store) -> None:
    """Threads with their own connections, let go at once: one gets it, the others hear what is missing."""
    store.stock(store.seal, store.van, 1)
    gate = threading.Barrier(4)
    outcomes: list[str] = []

    def take() -> None:
        gate.wait(30)
        try:
            outcomes.append(store.issue(store.seal, store.van).state)
        except StockShort as short:
            missing = short.params["missing"]
            assert isinstance(missing, list)
            outcomes.append(f"short {missing[0]['available']:g}")

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcomes) == ["booked", "short 0", "short 0", "short 0"]
    assert store.at(store.seal, store.van) == 0


def test_the_database_alone_keeps_the_last_part_from_two(store: Store) -> None:
    """Entries written past all rules of ours, by two transactions at once: one of them is refused."""
    store.stock(store.seal, store.main, 1)
    gate = threading.Barrier(2)
    outcomes: list[str] = []
    take = text(
        "INSERT INTO stock_entries (id, organisation_id, movement_id, line, part_id, location_id, quantity)"
        " SELECT gen_random_uuid(), organisation_id, movement_id, 9, part_id, location_id, -quantity FROM stock_entries"
        " WHERE line = 1"
    )

    def run() -> None:
        try:
            with store.database.as_actor(store.keeper) as session:
                gate.wait(30)
                session.execute(take)
            outcomes.append("booked")
        except IntegrityError:
            outcomes.append("refused")

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcomes) == ["booked", "refused"]
    assert store.at(store.seal, store.main) == 0
    with store.database.as_service() as session:
        assert replay_differences(session) == []
