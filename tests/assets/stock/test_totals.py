"""What a place holds of an item in all is what its entries give, whoever writes at the same time (5.5g, 5.5n)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.orm import Session

from assets.stock.totals import FILL, StockTotal, total_differences
from tests.assets.stock.store import Store

_LEVEL = text(
    "INSERT INTO stock_levels (id, organisation_id, location_id, part_id, minimum, maximum)"
    " VALUES (gen_random_uuid(), :o, :l, :p, :least, 99)"
)
_AGAIN = text(
    "INSERT INTO stock_entries (id, organisation_id, movement_id, line, part_id, location_id, lot_id, quantity)"
    " SELECT gen_random_uuid(), organisation_id, movement_id, line + 10, part_id, location_id, lot_id, quantity"
    " FROM stock_entries WHERE line = 1 AND part_id = :p"
)


def test_lots_of_a_place_are_summed_and_levels_of_all_kinds_of_change_followed(store: Store) -> None:
    for lot, quantity in (("A", 2), ("B", 3)):
        store.stock(store.filter, store.main, quantity, lot=lot)

    def total(session: Session) -> tuple[Decimal, Decimal]:
        row = session.get_one(StockTotal, (store.main, store.filter), populate_existing=True)
        return row.quantity, row.minimum

    changes = (
        (None, 0),
        (_LEVEL, 7),
        (text("UPDATE stock_levels SET minimum = 4 WHERE part_id = :p"), 4),
        (text("DELETE FROM stock_levels WHERE part_id = :p"), 0),
    )
    with store.database.as_service() as session:
        for change, expected in changes:
            if change is not None:
                session.execute(change, {"o": store.owner, "l": store.main, "p": store.filter, "least": 7})
            assert total(session) == (Decimal(5), Decimal(expected))
            assert total_differences(session) == []


def test_what_was_there_before_totals_were_kept_is_counted(store: Store) -> None:
    store.stock(store.seal, store.main, 4)
    store.issue(store.seal, store.main)
    with store.database.as_service() as session:
        for place in (store.main, store.van):
            session.execute(_LEVEL, {"o": store.owner, "l": place, "p": store.seal, "least": 5})
        session.execute(text("DELETE FROM stock_totals"))
        found = [each["location_id"] for each in total_differences(session) if each["part_id"] == store.seal]
        assert sorted(found) == sorted([store.main, store.van])
        session.execute(text(FILL))
        assert total_differences(session) == []


def test_entries_and_levels_written_at_once_past_all_locks_of_ours_are_all_counted(store: Store) -> None:
    """Each of four transactions is open while the others write: none sees what another one has not committed."""
    store.stock(store.filter, store.main, 1, lot="A")
    gate = threading.Barrier(4)
    broken: list[BaseException] = []
    level = {"o": store.owner, "l": store.main, "p": store.filter, "least": 9}

    def at_once(work: Callable[[Session], object]) -> None:
        try:
            with store.database.as_service() as session:
                session.execute(text("SELECT 1"))
                gate.wait(60)
                work(session)
        except BaseException as error:
            broken.append(error)

    works: list[Callable[[Session], object]] = [lambda session: session.execute(_LEVEL, level)]
    works += [lambda session: session.execute(_AGAIN, {"p": store.filter})] * 3
    threads = [threading.Thread(target=at_once, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert broken == []
    with store.database.as_service() as session:
        assert total_differences(session) == []
        assert session.get_one(StockTotal, (store.main, store.filter)).minimum == 9
