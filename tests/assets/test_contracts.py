"""Contracts: what a period holds is the sum of its entries, and no line is used twice."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from assets.base.db import Database
from assets.base.errors import Conflict, IllegalMove, Invalid
from assets.contracts.agreements import (
    as_term_set,
    contracts_of,
    entitlements_of,
    fill_contract,
    make_contract,
    move_contract,
    set_assets,
    set_entitlements,
)
from assets.contracts.ledger import ConsumedAlready, NothingLeft, balance_at, enter, period_of, undo
from assets.contracts.tables import Contract, Entitlement, EntitlementEntry
from assets.registry import Asset, add_asset
from tests.assets.conftest import Tree
from tests.assets.one_database import migrated
from tests.conftest import AnyCluster

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
ORDER, OTHER = uuid4(), uuid4()
VISITS: dict[str, Any] = {"key": "visits", "kind": "visits", "quantity": 4, "period": "quarter"}


class Agreement:
    """An active contract of the customer, from 31 January 2025 for a year, with its entitlements by key."""

    def __init__(self, database: Database, tree: Tree, *included: dict[str, Any]) -> None:
        self.database = database
        with database.as_service() as session:
            contract = make_contract(
                session,
                provider_organisation_id=tree.operator.id,
                organisation_id=tree.customer.id,
                name="Full service",
                starts_on=date(2025, 1, 31),
                ends_on=date(2026, 1, 30),
                time_zone="Asia/Shanghai",
                now=NOW,
                clauses=[{"id": "k", "kind": "cover", "scope": ["labour"], "text_en": "Labour", "text_zh": "人工",
                          "entitlement": "visits"}],
            )  # fmt: skip
            set_entitlements(session, contract, included or [VISITS])
            move_contract(session, contract, "active", NOW)
            self.id = contract.id

    def load(self, session: Session, key: str = "visits") -> tuple[Contract, Entitlement]:
        contract = session.get_one(Contract, self.id)
        return contract, next(each for each in entitlements_of(session, self.id) if each.key == key)

    def use(self, kind: str = "consume", quantity: int = 1, *, key: str = "visits", **more: Any) -> UUID:
        with self.database.as_service() as session:
            contract, entitlement = self.load(session, key)
            given = {"at": NOW, "now": NOW, **more}
            return enter(session, contract, entitlement, kind, Decimal(quantity), **given).id

    def take_back(self, entry_id: UUID, reason: str | None = "mistake") -> UUID:
        with self.database.as_service() as session:
            entry = session.get_one(EntitlementEntry, entry_id)
            return undo(session, session.get_one(Contract, self.id), entry, at=NOW, now=NOW, reason=reason).id

    def left(self, day: date = NOW.date(), key: str = "visits") -> tuple[int, int, int]:
        with self.database.as_service() as session:
            contract, entitlement = self.load(session, key)
            balance = balance_at(session, contract, entitlement, day)
            return int(balance.available), int(balance.reserved), int(balance.consumed)


@pytest.fixture(scope="module")
def database(cluster: AnyCluster, empty_template: str, migrated_template: str) -> Iterator[Database]:
    yield from migrated(cluster, empty_template, migrated_template)


@pytest.fixture
def agreement(database: Database, tree: Tree) -> Agreement:
    return Agreement(database, tree)


def test_periods_begin_on_the_contract_s_day_or_the_month_s_last() -> None:
    contract = Contract(starts_on=date(2025, 1, 31), ends_on=date(2026, 1, 30), time_zone="UTC")
    spans = {
        "contract": (date(2025, 1, 31), date(2026, 1, 30)),
        "year": (date(2025, 1, 31), date(2026, 1, 30)),
        "quarter": (date(2025, 4, 30), date(2025, 7, 30)),
        "month": (date(2025, 5, 31), date(2025, 6, 29)),
    }
    for period, span in spans.items():
        assert period_of(contract, Entitlement(period=period), date(2025, 6, 1)) == span
    for outside in (date(2025, 1, 30), date(2026, 1, 31)):
        with pytest.raises(Invalid):
            period_of(contract, Entitlement(period="month"), outside)


def test_a_line_is_used_once_and_again_only_after_its_correction(agreement: Agreement) -> None:
    line = {"work_order_id": ORDER, "line_id": "1"}
    reserved = agreement.use("reserve", **line)
    assert agreement.left() == (3, 1, 0)
    used = agreement.use("consume", **line)  # the reservation becomes the use
    assert agreement.left() == (3, 0, 1)
    for kind in ("consume", "reserve"):
        with pytest.raises(ConsumedAlready):
            agreement.use(kind, **line)
    with pytest.raises(Conflict):
        agreement.take_back(reserved)
    with pytest.raises(Invalid):
        agreement.take_back(used, reason=None)
    agreement.take_back(used)
    assert agreement.left() == (4, 0, 0)
    agreement.use("consume", **line)
    agreement.use("consume", work_order_id=OTHER, line_id="1")
    assert agreement.left() == (2, 0, 2)


def test_nothing_is_used_beyond_what_is_left(agreement: Agreement) -> None:
    agreement.use("reserve", 3)
    with pytest.raises(NothingLeft) as refused:
        agreement.use("consume", 2)
    assert refused.value.params == {"key": "visits", "left": 1.0, "wanted": 2.0}
    assert agreement.left(date(2025, 8, 1)) == (4, 0, 0)  # the next quarter has its own
    for wrong in (Decimal(0), Decimal(-1), Decimal("NaN")):
        with pytest.raises(Invalid), agreement.database.as_service() as session:
            enter(session, *agreement.load(session), "consume", wrong, at=NOW, now=NOW)


def test_what_a_period_left_is_carried_over_where_it_is_agreed(database: Database, tree: Tree) -> None:
    agreement = Agreement(database, tree, {**VISITS, "carries_over": True})
    agreement.use("consume", 1, at=datetime(2025, 3, 1, tzinfo=UTC))
    assert agreement.left(date(2025, 3, 1))[0] == 3
    assert agreement.left(date(2025, 6, 1))[0] == 7
    assert agreement.left(date(2025, 8, 1))[0] == 11


def test_two_who_take_the_last_one_at_once_do_not_both_get_it(agreement: Agreement) -> None:
    agreement.use("consume", 3)
    ready, outcomes = threading.Barrier(4), []

    def take(number: int) -> None:
        ready.wait(60)
        try:
            agreement.use("consume", work_order_id=ORDER, line_id=str(number))
            outcomes.append("taken")
        except NothingLeft:
            outcomes.append("refused")

    threads = [threading.Thread(target=take, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(outcomes) == ["refused"] * 3 + ["taken"]
    assert agreement.left() == (0, 0, 4)


def test_balances_are_the_sum_of_the_entries_whatever_happens(agreement: Agreement) -> None:
    chance = random.Random(7)
    entries: list[UUID] = []
    for _ in range(60):
        line = {"work_order_id": ORDER, "line_id": str(chance.randrange(4))} if chance.random() < 0.7 else {}
        try:
            if entries and chance.random() < 0.4:
                agreement.take_back(chance.choice(entries))
            else:
                entries.append(agreement.use(chance.choice(("reserve", "consume")), chance.randrange(1, 3), **line))
        except Conflict:
            continue
    with agreement.database.as_service() as session:
        standing = {"reserve": 0, "consume": 0}
        own = EntitlementEntry.contract_id == agreement.id
        back = set(session.scalars(select(EntitlementEntry.undoes_id).where(own)))
        lines = []
        for entry in session.scalars(select(EntitlementEntry).where(own, EntitlementEntry.kind.in_(standing))):
            if entry.id not in back:
                standing[entry.kind] += int(entry.quantity)
                lines.append((entry.line_id, entry.kind) if entry.line_id else entry.id)
    assert agreement.left() == (4 - sum(standing.values()), standing["reserve"], standing["consume"])
    assert agreement.left()[0] >= 0
    assert len(lines) == len(set(lines))


def test_the_ledger_is_not_rewritten(agreement: Agreement, tree: Tree, database: Database) -> None:
    agreement.use()
    with pytest.raises(DBAPIError, match="keeps what was written"), database.as_service() as session:
        session.execute(text("UPDATE entitlement_entries SET quantity = 9"))


def test_what_an_order_used_itself_does_not_count_against_it(
    agreement: Agreement, database: Database, tree: Tree
) -> None:
    with database.as_service() as session:
        asset = add_asset(session, Asset(organisation_id=tree.customer.id, serial="P", name="P", created_at=NOW), NOW)
        set_assets(session, session.get_one(Contract, agreement.id), [asset], NOW, None)
        asset_id = asset.id
    agreement.use("consume", 4, work_order_id=ORDER, line_id="1")
    with database.as_service() as session:
        (contract,) = contracts_of(session, session.get_one(Asset, asset_id))
        for order, left in ((ORDER, 4.0), (OTHER, 0.0), (None, 0.0)):
            assert as_term_set(session, contract, NOW, order).allowances["visits"].left == left


def test_a_contract_moves_and_changes_by_its_rules_alone(agreement: Agreement, database: Database, tree: Tree) -> None:
    with database.as_service() as session:
        contract = session.get_one(Contract, agreement.id)
        with pytest.raises(Conflict):
            fill_contract(
                contract,
                name="x",
                starts_on=contract.starts_on,
                ends_on=contract.ends_on,
                time_zone="UTC",
                customer_id=None,
                precedence=0,
                clauses=[],
                response_times=[],
            )
        with pytest.raises(IllegalMove):
            move_contract(session, contract, "active", NOW)
        with pytest.raises(Invalid):
            move_contract(session, contract, "cancelled", NOW)
        foreign = add_asset(session, Asset(organisation_id=tree.stranger.id, serial="X", name="X", created_at=NOW), NOW)
        with pytest.raises(Invalid):
            set_assets(session, contract, [foreign], NOW, None)
        move_contract(session, contract, "cancelled", NOW, on=date(2025, 6, 30), reason="sold")
        assert contract.cancelled_on == date(2025, 6, 30)
    with pytest.raises(Invalid):
        agreement.use(at=NOW + timedelta(days=45), now=NOW + timedelta(days=45))
    agreement.use()  # until its last day it holds
