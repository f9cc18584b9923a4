"""An agent whose computer boots at 1970 and is set by the network: its samples end where they belong."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from assets.base.db import Database
from edge_agent import clock, wire
from edge_agent.link import BrokerAddress
from edge_agent.pace import Pace
from edge_agent.publisher import Publisher
from edge_agent.spool import Spool
from ingest.held import release_held
from tests.conftest import TestBroker
from tests.ingest.support import PASSWORD, IngestProcess, add_device, query, wait_until

PACE = Pace(ack_timeout_s=1.0, ack_timeout_max_s=2.0, reconnect_base_s=0.2, turn_s=0.05, clock_wait_s=0.3)
NTP_MS = 1_700_000_000_000  # how far the clock is off until the network sets it


class Computer:
    """Its wall clock is off by `behind_ms`; its monotonic clock is the real one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.behind_ms = 0
        monkeypatch.setattr(clock, "now_ms", lambda: int(time.time() * 1000) - self.behind_ms)
        self.truth: list[int] = []

    def measure(self, spool: Spool, n: int) -> None:
        samples = []
        for i in range(n):
            self.truth.append(int(time.time() * 1000))
            m = clock.monotonic_ms() - spool.born
            samples.append(wire.Sample(clock.now_ms(), {"a": float(len(self.truth) + i)}, m))
            time.sleep(0.005)
        spool.append(samples)


@contextmanager
def running(spool: Spool, url: str) -> Iterator[Publisher]:
    address = BrokerAddress.parse(url, "C-1", PASSWORD)
    publisher = Publisher("C-1", address, spool, lambda: wire.Describe("m", "0"), PACE)
    publisher.start()
    try:
        yield publisher
    finally:
        publisher.stop()


def test_trap_31_an_ntp_step_during_buffering_is_repaired_with_boot_id_and_monotonic_clock(
    database_url: str, broker: TestBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_device(database_url, "C-1")
    broker.add_device("C-1", PASSWORD)
    url = broker.url.rpartition("@")[2]
    computer = Computer(monkeypatch)
    computer.behind_ms = NTP_MS
    spool = Spool(tmp_path / "spool", 10_000_000)
    computer.measure(spool, 20)
    with running(spool, f"mqtt://{url}"):  # no server yet: these leave without an offset
        wait_until(lambda: len(spool.formed()) > 0)
        time.sleep(0.6)
    computer.measure(spool, 20)
    computer.behind_ms = -27 * 3_600_000
    computer.measure(spool, 20)
    computer.behind_ms = 0
    with IngestProcess(database_url, broker.url), running(spool, f"mqtt://{url}") as publisher:
        wait_until(lambda: publisher.status.offset_ms is not None, 60)  # what left before it is held until then
        computer.measure(spool, 20)
        wait_until(lambda: spool.records == 0, 60)
    spool.close()
    database = Database(database_url)
    with database.as_service() as session:
        release_held(session, datetime.now(UTC))
    database.dispose()
    rows = query(database_url, "SELECT extract(epoch FROM measured_at) * 1000, flags FROM samples ORDER BY 1")
    assert len(rows) == 80
    assert max(abs(float(t) - truth) for (t, _), truth in zip(rows, computer.truth, strict=True)) < 500
    assert query(database_url, "SELECT count(*) FROM quarantine WHERE reason = 'absurd_time'") == [(0,)]
    (ledger,) = query(database_url, "SELECT stored, quarantined, corrected FROM device_boots WHERE highest = 80")
    assert ledger == (80, 0, 60)
    latest = query(database_url, "SELECT latest_at FROM streams WHERE latest_at IS NOT NULL")[0][0]
    assert abs(latest.timestamp() * 1000 - computer.truth[-1]) < 500


def test_the_answer_about_the_time_comes_without_the_database(  # a slow database must not bend the offset
    broker: TestBroker, tmp_path: Path, make_database: Callable[..., str]
) -> None:
    broker.add_device("C-1", PASSWORD)
    url = broker.url.rpartition("@")[2]
    spool = Spool(tmp_path / "spool", 10_000_000)
    with IngestProcess(make_database(), broker.url), running(spool, f"mqtt://{url}") as publisher:  # no tables
        wait_until(lambda: publisher.status.offset_ms is not None, 60)
        offset = publisher.status.offset_ms
    spool.close()
    assert offset is not None
    assert abs(offset) < 1000
