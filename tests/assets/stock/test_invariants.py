"""Whatever is done in whatever order, online or late, once or twice: sums are zero, balances are what replay gives."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from assets.base.errors import RuleError
from assets.stock.ledger import replay_differences
from assets.stock.operations import submit
from assets.stock.totals import total_differences
from tests.assets.conftest import NOW
from tests.assets.stock.store import Store

KINDS = ("adjust", "issue", "issue", "return", "move", "count", "scrap", "lose")
PLACES = ("main", "bin", "van", "quarantine")
PARTS = ("seal", "grease", "filter", "drive")

_UNEVEN = """
SELECT count(*) FROM (SELECT 1 FROM stock_entries WHERE organisation_id = :o
                      GROUP BY movement_id, part_id, lot_id, serial_id HAVING sum(quantity) <> 0) uneven
"""
_BELOW = "SELECT count(*) FROM stock_balances WHERE organisation_id = :o AND floored AND quantity < 0"
_TWICE = """
SELECT count(*) FROM (SELECT 1 FROM stock_balances b JOIN stock_locations l ON l.id = b.location_id
  WHERE b.organisation_id = :o AND b.serial_id IS NOT NULL AND (b.floored OR l.kind = 'customer') AND b.quantity > 0
  GROUP BY b.serial_id HAVING sum(b.quantity) > 1) twice
"""
_REPEATED = """
SELECT count(*) FROM (SELECT 1 FROM stock_movements WHERE organisation_id = :o AND operation_id IS NOT NULL
                      GROUP BY operation_id HAVING count(*) > 1) repeated
"""
# Every operation that was sent late is booked or waits: none is lost, none is both.
_KNOWN = """
SELECT count(*) FROM (SELECT operation_id FROM stock_movements WHERE organisation_id = :o AND operation_id = ANY (:ids)
                      UNION ALL
                      SELECT operation_id FROM stock_conflicts
                      WHERE organisation_id = :o AND operation_id = ANY (:ids) AND state = 'open') known
"""


@dataclass(frozen=True)
class Step:
    """One operation of a device, as it will be sent, perhaps late, perhaps twice."""

    key: UUID
    kind: str
    part: str
    place: str
    other: str
    quantity: int
    piece: int
    late: bool
    repeats: int

    def body(self, store: Store) -> dict[str, Any]:
        """What is sent."""
        place, other = str(getattr(store, self.place)), str(getattr(store, self.other))
        line: dict[str, Any] = {"part_id": str(getattr(store, self.part)), "quantity": self.quantity}
        if self.part == "filter":
            line["lot"] = f"L{self.piece}"
        if self.part == "drive":
            line |= {"serial": f"S{self.piece}", "quantity": min(self.quantity, 1)}
        ends = {
            "adjust": {"to_location_id": place},
            "lose": {"from_location_id": place},
            "issue": {"from_location_id": place},
            "scrap": {"from_location_id": place},
            "return": {"to_location_id": place},
            "move": {"from_location_id": place, "to_location_id": other},
            "count": {"location_id": place},
        }
        more = {"work_order": "WO-1"} if self.kind in ("issue", "return") else {"reason": "test"}
        return {
            "kind": "adjust" if self.kind == "lose" else self.kind,
            "lines": [line | ends[self.kind]],
            "operation_id": str(self.key),
            "offline": self.late,
            "occurred_at": NOW - timedelta(hours=self.piece),
            **more,
        }


STEPS = st.builds(
    Step,
    key=st.uuids(version=4),
    kind=st.sampled_from(KINDS),
    part=st.sampled_from(PARTS),
    place=st.sampled_from(PLACES),
    other=st.sampled_from(PLACES),
    quantity=st.integers(1, 3),
    piece=st.integers(1, 2),
    late=st.booleans(),
    repeats=st.integers(1, 2),
)


def check(session: Session, store: Store) -> None:
    """Assert all that always holds."""
    for query in (_UNEVEN, _BELOW, _TWICE, _REPEATED):
        assert session.scalar(text(query), {"o": store.owner}) == 0, query
    assert replay_differences(session) == []
    assert total_differences(session) == []


def send(session: Session, store: Store, step: Step) -> str:
    """Send an operation; what is refused leaves nothing behind."""
    with suppress(RuleError), session.begin_nested():
        return submit(session, step.body(store), store.keeper, NOW, store.resolve).state
    return "refused"


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    logs=st.lists(st.lists(STEPS, min_size=1, max_size=5), min_size=1, max_size=3),
    order=st.randoms(use_true_random=False),
)
def test_any_interleaving_keeps_the_ledger_whole(store: Store, logs: list[list[Step]], order: random.Random) -> None:
    with store.database.as_actor(store.keeper) as session:
        open_stock(session, store)
        late: dict[UUID, Step] = {}
        for step in interleaved(logs, order):
            states = [send(session, store, step) for _ in range(step.repeats)]
            if step.late:
                late[step.key] = step
                # A count that agreed books nothing, and so has nothing to repeat.
                assert states[0] in ("booked", "conflict", "unchanged")
            if states[0] == "booked":
                assert set(states[1:]) <= {"repeated"}
        check(session, store)
        counted = {key for key, step in late.items() if step.kind == "count"}
        known = session.scalar(text(_KNOWN), {"o": store.owner, "ids": list(late.keys() - counted)})
        assert known == len(late.keys() - counted)
        session.rollback()


def open_stock(session: Session, store: Store) -> None:
    """Something of everything at two places."""
    for part, place, piece in (("seal", "main", 1), ("seal", "van", 1), ("filter", "van", 1), ("drive", "main", 1)):
        quantity = 1 if part == "drive" else 3
        step = Step(uuid4(), "adjust", part, place, place, quantity, piece, False, 1)
        assert send(session, store, step) == "booked"


def interleaved(logs: list[list[Step]], order: random.Random) -> Iterator[Step]:
    """Each device's steps in their order, the devices mixed."""
    waiting = [list(log) for log in logs if log]
    while waiting:
        log = order.choice(waiting)
        yield log.pop(0)
        waiting = [each for each in waiting if each]


def test_threads_at_once_keep_the_ledger_whole(store: Store) -> None:
    """Real connections, transactions of their own, the same shelves: what holds is asserted, not who came first."""
    for part in ("seal", "grease"):
        store.stock(getattr(store, part), store.main, 20)
    gate = threading.Barrier(3)
    broken: list[BaseException] = []

    def run(seed: int) -> None:
        chance = random.Random(seed)
        gate.wait(60)
        try:
            for _ in range(12):
                step = Step(
                    UUID(int=chance.getrandbits(128), version=4),
                    chance.choice(("issue", "move", "return", "adjust", "count")),
                    chance.choice(("seal", "grease", "drive")),
                    chance.choice(("main", "bin", "van")),
                    chance.choice(("bin", "van")),
                    chance.randint(1, 4),
                    chance.randint(1, 2),
                    chance.random() < 0.5,
                    1,
                )
                with suppress(RuleError), store.database.as_actor(store.keeper) as session:
                    submit(session, step.body(store), store.keeper, NOW, store.resolve)
        except BaseException as error:
            broken.append(error)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert broken == []
    with store.database.as_service() as session:
        check(session, store)
