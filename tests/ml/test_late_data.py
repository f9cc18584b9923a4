"""Data that comes late amends history under its own time; it never opens an order for what is long over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from assets.base.db import Database
from assets.instrumentation import bind
from assets.registry import Asset, AssetModel, add_asset
from ingest.messages import Message
from ingest.store.base import Connection
from ingest.writer import Writer, prepare
from maintenance.episodes import decide_pending
from ml.found import HOLD
from ml.late import amend_history
from ml.worker import Scorer
from tests.ingest.support import add_device

NOW = datetime.now(UTC).replace(microsecond=0)
MINUTE = timedelta(minutes=1)
HOT, COOL = 95.0, 50.0


class World:
    """A pump with a limit on its temperature; readings written as ingest would, scored as the worker would."""

    def __init__(self, url: str) -> None:
        device_id = add_device(url, "D-1")
        self.database = Database(url)
        with self.database.as_service() as session:
            owner = session.connection().exec_driver_sql("SELECT organisation_id FROM devices").scalar_one()
            limits = {"temperature_celsius": {"high": 80.0}}
            model = AssetModel(organisation_id=owner, code="pump", name_en="p", name_zh="p", metrics=limits)
            session.add(model)
            session.flush()
            asset = Asset(organisation_id=owner, serial="P-1", name="P", created_at=NOW, asset_model_id=model.id)
            add_asset(session, asset, NOW)
            bind(session, organisation_id=owner, device_id=device_id, channel="", asset_id=asset.id, at=None)
        self.connection: Connection = psycopg.connect(url, autocommit=True)
        self.connection.execute("SET ROLE forewarn_service")
        self.writer = Writer()
        self.scorer = Scorer(self.database)
        self.seq = 0

    def tell(self, begin: datetime, minutes: int, value: float, lane: str = "live", step_s: int = 10) -> None:
        """Send readings of a stretch, a message for each ten minutes."""
        seconds = range(0, minutes * 60, step_s)
        for start in range(0, len(seconds), 60):
            samples = [
                {
                    "t": int((begin + timedelta(seconds=s)).timestamp() * 1000),
                    "values": {"temperature_celsius": value + s % 7 / 10},
                }
                for s in seconds[start : start + 60]
            ]
            body = {"boot": "b", "seq": self.seq, "n": len(samples), "lane": lane, "samples": samples}
            self.seq += 1
            message = Message("forewarn/v1/D-1/telemetry", json.dumps(body).encode(), int(NOW.timestamp() * 1e6))
            self.writer.write(self.connection, [prepare(message)])

    def work(self, now: datetime = NOW) -> None:
        self.scorer.run(now)
        self.decide(now)

    def decide(self, now: datetime) -> None:
        with self.database.as_service() as session:
            while decide_pending(session, now):
                pass

    def amend(self, now: datetime) -> int:
        saved = amend_history(self.database, now)
        self.decide(now)
        return saved

    def findings(self) -> list[tuple[Any, ...]]:
        return self.connection.execute(
            "SELECT first_at, last_at, cleared_at, decision, decision_reason FROM findings WHERE detector = 'limits'"
            " ORDER BY first_at"
        ).fetchall()

    def orders(self) -> list[tuple[Any, ...]]:
        return self.connection.execute("SELECT since, opened_at FROM work_orders ORDER BY since").fetchall()

    def close(self) -> None:
        self.connection.close()
        self.database.dispose()


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    made = World(database_url)
    yield made
    made.close()


def test_trap_29_backfill_behind_live_data_amends_history_and_opens_nothing(world: World) -> None:
    begin = NOW - timedelta(hours=5)
    world.tell(begin, 30, COOL)
    world.work(begin + 30 * MINUTE)
    world.tell(NOW - 5 * MINUTE, 5, COOL)  # back again: the present first
    world.work()
    fault = begin + 90 * MINUTE
    world.tell(begin + 30 * MINUTE, 60, COOL, "backfill")
    world.tell(fault, 40, HOT, "backfill")
    world.tell(fault + 40 * MINUTE, 20, COOL, "backfill")
    world.work()
    assert world.findings() == []
    assert world.amend(NOW + timedelta(seconds=5)) == 0, "its fellows are still coming"
    assert world.amend(NOW + timedelta(seconds=30)) == 1
    [(first_at, last_at, cleared_at, decision, reason)] = world.findings()
    assert (first_at, decision, reason) == (fault, "watch", "ended")
    assert fault + 39 * MINUTE < last_at < cleared_at <= fault + 42 * MINUTE
    assert world.orders() == []
    assert world.amend(NOW + timedelta(seconds=60)) == 0, "done once"
    kinds = world.connection.execute(
        "SELECT kind, at FROM events WHERE kind LIKE 'finding.%%' AND payload->>'detector' = 'limits' ORDER BY id"
    ).fetchall()
    assert [kind for kind, _ in kinds] == ["finding.opened", "finding.cleared"]
    assert all(at < NOW - timedelta(hours=2) for _, at in kinds), "on the timeline where it happened"


def test_trap_29_a_backlog_in_order_opens_nothing_for_what_ended_and_one_order_for_what_lasts(world: World) -> None:
    begin = NOW - timedelta(hours=5)
    world.tell(begin, 60, COOL)
    world.tell(begin + 60 * MINUTE, 40, HOT)
    world.work()  # the worker sees the backlog in parts, and decides in between
    assert world.orders() == []
    world.tell(begin + 100 * MINUTE, 80, COOL)
    world.work()
    lasting = begin + 180 * MINUTE
    world.tell(lasting, 60, HOT)
    world.work()
    assert world.orders() == [], "it may have ended since"
    world.tell(lasting + 60 * MINUTE, 60, HOT)
    world.work()
    assert world.orders() == [(lasting, NOW)]
    assert [(first_at, decision) for first_at, _, _, decision, _ in world.findings()] == [
        (begin + 60 * MINUTE, None),
        (lasting, "open"),
    ]
    world.decide(NOW + HOLD)
    assert all(decision is not None for *_, decision, _ in world.findings())
    assert len(world.orders()) == 1
    assert world.connection.execute("SELECT state FROM episodes").fetchall() == [("open",)]


def test_trap_29_old_rows_that_look_well_do_not_clear_what_is_wrong_now(world: World) -> None:
    world.tell(NOW - 10 * MINUTE, 10, HOT)
    world.work()
    assert len(world.orders()) == 1
    world.tell(NOW - timedelta(hours=3), 120, COOL, "backfill")
    world.work()
    world.amend(NOW + timedelta(seconds=30))
    [(_, _, cleared_at, _, _)] = world.findings()
    assert cleared_at is None
    rows = world.connection.execute("SELECT state, cleared_at FROM episodes").fetchall()
    assert rows == [("open", None)]


def test_a_fault_told_in_two_late_parts_is_one_finding(world: World) -> None:
    begin = NOW - timedelta(hours=6)
    world.tell(begin, 30, COOL)
    world.tell(NOW - 5 * MINUTE, 5, COOL)
    world.work()
    world.tell(begin + 60 * MINUTE, 30, HOT, "backfill")
    world.work()
    assert world.amend(NOW + timedelta(seconds=30)) == 1
    world.tell(begin + 90 * MINUTE, 30, HOT, "backfill")
    world.tell(begin + 120 * MINUTE, 10, COOL, "backfill")
    world.work(NOW + timedelta(seconds=40))
    assert world.amend(NOW + timedelta(seconds=80)) == 1
    [(first_at, _, cleared_at, _, _)] = world.findings()
    assert first_at == begin + 60 * MINUTE
    assert begin + 119 * MINUTE < cleared_at < begin + 123 * MINUTE
    assert world.orders() == []


def test_devices_of_one_asset_wait_for_each_other_a_little(world: World) -> None:
    with world.database.as_service() as session:
        connection = session.connection()
        owner, asset_id = connection.exec_driver_sql("SELECT organisation_id, id FROM assets").one()
        device_id = connection.exec_driver_sql("SELECT id FROM devices").scalar_one()
        bind(session, organisation_id=owner, device_id=device_id, channel="slow", asset_id=asset_id, at=None)
    t = int(NOW.timestamp() * 1000)
    for i in range(0, 60_000, 1000):
        samples = [
            {"t": t - 60_000 + i, "values": {"flow": 1.0 + i % 3}},
            {"t": t - 64_000 + i, "asset": "slow", "values": {"temperature_celsius": HOT}},
        ]
        body = {"boot": "b", "seq": i, "n": 2, "samples": samples}
        message = Message("forewarn/v1/D-1/telemetry", json.dumps(body).encode(), int(NOW.timestamp() * 1e6))
        world.writer.write(world.connection, [prepare(message)])
        if i % 10_000 == 0:
            world.work()
    world.work()
    [(first_at, *_)] = world.findings()
    assert first_at == NOW - timedelta(seconds=64)
