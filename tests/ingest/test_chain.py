"""The durable chain with a real broker and a real database."""

from __future__ import annotations

from tests.conftest import TestBroker
from tests.ingest.support import PASSWORD, IngestProcess, Publisher, add_device, batch, now_ms, query, wait_until


def test_batch_is_stored_and_only_then_acknowledged(database_url: str, broker: TestBroker) -> None:
    device_id = add_device(database_url, "CH-1")
    url = broker.add_device("CH-1", PASSWORD)
    t = now_ms()
    samples = [{"t": t + i, "values": {"a": i + 0.5, "b": 2, "mode": "load"}} for i in range(3)]
    with IngestProcess(database_url, broker.url), Publisher(url, "CH-1") as publisher:
        publisher.send_batch("boot1", 1, batch("boot1", 1, samples))
        publisher.send_until_acknowledged(60)
        rows = query(database_url, "SELECT values FROM samples ORDER BY measured_at")
        assert rows == [([0.5, 2.0, 0.0],), ([1.5, 2.0, 0.0],), ([2.5, 2.0, 0.0],)]
        assert query(database_url, "SELECT device_id, boot, seq, n, stored FROM ingest_batches") == [
            (device_id, "boot1", 1, 3, 3)
        ]
        assert query(database_url, "SELECT latest FROM streams") == [([2.5, 2.0, 0.0],)]
        before = len(publisher.answers)  # more than one when ingest was slow to start and the batch was sent again
        publisher.send("telemetry", batch("boot1", 1, samples))
        wait_until(lambda: len(publisher.answers) > before)
        assert query(database_url, "SELECT count(*) FROM samples") == [(3,)]
