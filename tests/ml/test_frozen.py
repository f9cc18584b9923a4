"""A sensor that stands still while the others move is marked where it is shown, and its device is not called fresh."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta

import psycopg

from assets.base.db import Database
from assets.instrumentation import bind
from assets.registry import Asset, add_asset
from ingest.messages import Message
from ingest.roll_call import update_presence
from ingest.writer import Writer, prepare
from ml.presence import mark_frozen
from ml.worker import Scorer
from tests.ingest.support import add_device


def test_trap_30_a_frozen_sensor_is_marked_and_its_device_is_not_called_sound(database_url: str) -> None:
    device_id = add_device(database_url, "D-1")
    database = Database(database_url)
    now = datetime.now(UTC).replace(microsecond=0)
    with database.as_service() as session:
        owner = session.connection().exec_driver_sql("SELECT organisation_id FROM devices").scalar_one()
        asset = Asset(organisation_id=owner, serial="P-1", name="P", created_at=now)
        add_asset(session, asset, now)
        bind(session, organisation_id=owner, device_id=device_id, channel="", asset_id=asset.id, at=None)
    chance = random.Random(30)
    samples = []
    for i in range(400):
        values = {name: round(20 + chance.gauss(0, 1), 3) for name in ("a_celsius", "b_celsius")}
        if i >= 200:
            values["a_celsius"] = 21.0  # a cached value, sent on with the time of each message
        samples.append({"t": int((now - timedelta(seconds=400 - i)).timestamp() * 1000), "values": values})
    body = {"boot": "b", "seq": 0, "n": len(samples), "samples": samples}
    message = Message("forewarn/v1/D-1/telemetry", json.dumps(body).encode(), int(now.timestamp() * 1e6))
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET ROLE forewarn_service")
        Writer().write(connection, [prepare(message)])
        Scorer(database).run(now)
        with database.as_service() as session:
            assert mark_frozen(session) == 1
            assert mark_frozen(session) == 0
            update_presence(session, now)
        rows = connection.execute("SELECT metric, frozen_since IS NOT NULL FROM series ORDER BY metric").fetchall()
        assert rows == [("a_celsius", True), ("b_celsius", False)]
        reason = connection.execute("SELECT presence, presence_reason FROM devices").fetchone()
        assert reason == ("degraded", {"code": "frozen_sensors", "params": {"metrics": ["a_celsius"]}})
        connection.execute("UPDATE findings SET cleared_at = now()")
        with database.as_service() as session:
            assert mark_frozen(session) == 1
            update_presence(session, now)
        assert connection.execute("SELECT presence FROM devices").fetchone() == ("online",)
    database.dispose()
