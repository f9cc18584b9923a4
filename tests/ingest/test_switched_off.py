"""What a device sends while it is switched off stays with it, or waits until it is let in again; its own name is it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from sqlalchemy import select

from assets.base.db import Database
from assets.base.errors import Conflict
from ingest.held import release
from ingest.identity import reinstate_device, revoke_device
from ingest.messages import Message, Receipt
from ingest.models import Device, Quarantined
from ingest.store.base import Connection
from ingest.writer import Writer, prepare
from tests.ingest.support import add_device, batch, query

SERIAL = "OFF-1"


class Sender:
    """A device's messages, straight into the writer."""

    def __init__(self, url: str, connection: Connection) -> None:
        self.url, self.connection = url, connection
        self.database = Database(url)

    def send(self, body: bytes | dict[str, Any]) -> list[Receipt]:
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        received_us = int(datetime.now(UTC).timestamp() * 1e6)
        message = Message(f"forewarn/v1/{SERIAL}/telemetry", payload, received_us)
        return Writer().write(self.connection, [prepare(message)])

    def switch(self, on: bool) -> None:
        now = datetime.now(UTC)
        with self.database.as_service() as session:
            device = session.scalars(select(Device)).one()
            if on:
                reinstate_device(session, device, now)
            else:
                revoke_device(session, device, "stolen", now)

    def release(self) -> tuple[int, int]:
        with self.database.as_service() as session:
            row = session.scalars(select(Quarantined)).one()
            return tuple(release(session, row, None, datetime.now(UTC)))

    def count(self, table: str) -> int:
        return int(query(self.url, f"SELECT count(*) FROM {table}")[0][0])


@pytest.fixture
def sender(database_url: str) -> Iterator[Sender]:
    add_device(database_url, SERIAL)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET ROLE forewarn_service")
        made = Sender(database_url, connection)
        yield made
        made.database.dispose()


def test_batch_of_a_device_that_is_switched_off_is_not_acknowledged_and_stored_when_it_comes_again(
    sender: Sender,
) -> None:
    payload = batch("boot", 0, [{"t": int(datetime.now(UTC).timestamp() * 1000), "values": {"a": 1}}])
    sender.switch(on=False)
    assert sender.send(payload) == []
    assert sender.send(payload) == []
    assert (sender.count("samples"), sender.count("quarantine")) == (0, 0)
    sender.switch(on=True)
    assert sender.send(payload) == [Receipt(SERIAL, "boot", 0)]
    assert (sender.count("samples"), sender.count("quarantine")) == (1, 0)


def test_plain_message_of_a_device_that_is_switched_off_waits_until_it_is_let_in_again(sender: Sender) -> None:
    sender.switch(on=False)
    sender.send({"a": 1.5, "b": 2})
    assert query(sender.url, "SELECT reason FROM quarantine") == [("disabled_device",)]
    with pytest.raises(Conflict):
        sender.release()
    sender.switch(on=True)
    assert sender.release() == (1, 0)
    assert (sender.count("samples"), sender.count("series"), sender.count("quarantine")) == (1, 2, 0)


@pytest.mark.parametrize("count", [1, 2])
def test_asset_with_the_devices_own_serial_is_the_device(sender: Sender, count: int) -> None:
    now = int(datetime.now(UTC).timestamp() * 1000)
    for seq in range(3):  # the second is read at once
        samples = [{"t": now + seq * 10 + i, "asset": SERIAL, "values": {"a": 1.0 + i}} for i in range(count)]
        events = [{"t": now, "asset": SERIAL, "code": "E1"}] if seq == 2 else []
        sender.send(batch("boot", seq, samples, events=events))
    sender.send({"asset": SERIAL, "ts": now + 100, "values": {"a": 5.0}})
    assert query(sender.url, "SELECT channel FROM streams") == [("",)]
    assert query(sender.url, "SELECT channel FROM device_events") == [("",)]
    assert sender.count("samples") == 3 * count + 1
