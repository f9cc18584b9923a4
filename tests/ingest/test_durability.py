"""Kill any part in the middle: afterwards rows equal samples, and nothing is there twice."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.migrate import upgrade
from gateway.supervise.postgres import EmbeddedPostgres
from tests.conftest import TestBroker
from tests.ingest.support import (
    PASSWORD,
    IngestProcess,
    Publisher,
    add_device,
    batch,
    now_ms,
    query,
    wait_until,
)

SAMPLES = 20  # per batch
# Makes each commit slow enough to be hit by a kill.
SLOW_COMMITS = """
import time
from ingest.writer import Writer
_store = Writer.store
def slowly(self, connection, group):
    receipts = _store(self, connection, group)
    time.sleep(0.05)
    return receipts
Writer.store = slowly
"""


def _batches(boot: str, count: int) -> list[bytes]:
    start = now_ms() - count * SAMPLES
    return [
        batch(
            boot,
            seq,
            [{"t": start + seq * SAMPLES + i, "values": {"a": seq + i / 100}} for i in range(SAMPLES)],
            first=seq * SAMPLES,
        )
        for seq in range(count)
    ]


def _assert_complete(url: str, count: int) -> None:
    assert query(url, "SELECT count(*), count(DISTINCT measured_at) FROM samples") == [(count * SAMPLES,) * 2]
    assert query(url, "SELECT count(*), sum(stored)::int FROM ingest_batches WHERE boot = 'boot'") == [
        (count, count * SAMPLES)
    ]
    assert query(url, "SELECT highest, received::text FROM device_boots WHERE boot = 'boot'") == [
        (count * SAMPLES, f"{{[0,{count * SAMPLES})}}")
    ]


def test_trap_01_ingest_killed_between_receipt_and_commit_loses_and_doubles_nothing(
    database_url: str, broker: TestBroker
) -> None:
    add_device(database_url, "DU-1")
    url = broker.add_device("DU-1", PASSWORD)
    ingest = IngestProcess(database_url, broker.url, before=SLOW_COMMITS)
    ingest.start()
    try:
        with Publisher(url, "DU-1") as publisher:
            publisher.wait_for_ingest()
            for seq, payload in enumerate(_batches("boot", 300)):
                publisher.send_batch("boot", seq, payload)
                if seq % 100 == 60:
                    time.sleep(0.03)
                    ingest.kill()
                    ingest.start()
                time.sleep(0.002)
            publisher.send_until_acknowledged()
    finally:
        ingest.stop()
    _assert_complete(database_url, 300)


@pytest.fixture
def own_postgres(own_folder: Path) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that one test may kill."""
    server = EmbeddedPostgres(own_folder / "killed")
    server.start()
    yield server
    server.stop()


def test_trap_02_database_killed_during_a_run_loses_and_doubles_nothing(
    own_postgres: EmbeddedPostgres, broker: TestBroker
) -> None:
    upgrade(own_postgres.url)
    database_url = own_postgres.url
    add_device(database_url, "DU-2")
    url = broker.add_device("DU-2", PASSWORD)
    with IngestProcess(database_url, broker.url, before=SLOW_COMMITS), Publisher(url, "DU-2") as publisher:
        publisher.wait_for_ingest()
        batches = _batches("boot", 200)
        for seq, payload in enumerate(batches[:100]):
            publisher.send_batch("boot", seq, payload)
        wait_until(lambda: len(publisher.waiting) < 100)
        assert own_postgres.pid is not None
        os.kill(own_postgres.pid, signal.SIGKILL)
        publisher.answers.clear()
        for seq, payload in enumerate(batches[100:], start=100):
            publisher.send_batch("boot", seq, payload)
        time.sleep(1.0)
        acknowledged_while_away = len([seq for _, seq in publisher.waiting if seq >= 100])
        assert acknowledged_while_away == 100, "nothing is acknowledged while the database is away"
        own_postgres.start()
        publisher.send_until_acknowledged()
        _assert_complete(database_url, 200)


def test_trap_03_broker_killed_and_its_state_wiped_loses_and_doubles_nothing(
    database_url: str, own_folder: Path
) -> None:
    add_device(database_url, "DU-3")
    broker = TestBroker(own_folder / "wiped-broker")
    broker.start()
    try:
        url = broker.add_device("DU-3", PASSWORD)
        with IngestProcess(database_url, broker.url, before=SLOW_COMMITS), Publisher(url, "DU-3") as publisher:
            publisher.wait_for_ingest()
            for seq, payload in enumerate(_batches("boot", 200)):
                publisher.send_batch("boot", seq, payload)
                if seq == 100:
                    assert broker.pid is not None
                    os.kill(broker.pid, signal.SIGKILL)
                    wait_until(lambda: not broker.is_alive())
                    (broker.home / "sessions.db").unlink(missing_ok=True)
                    threading.Timer(0.2, broker.start).start()
                time.sleep(0.002)
            publisher.send_until_acknowledged()
            _assert_complete(database_url, 200)
    finally:
        broker.stop()
