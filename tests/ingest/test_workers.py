"""Several ingest processes share sessions at one broker or two: whoever dies parks nothing, nothing is stored twice."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from assets.base.db import Database
from ingest.brokers import broker_urls
from ingest.commands import send_command
from ingest.leases import Leases
from ingest.models import Device
from tests.conftest import TestBroker
from tests.ingest.support import PASSWORD, IngestProcess, Publisher, add_device, batch, now, now_ms, query, wait_until


@pytest.fixture
def broker(own_folder: Path) -> Iterator[TestBroker]:
    """A broker of its own: shared sessions of another test would take a share of its messages."""
    with TestBroker(own_folder / "broker") as server:
        yield server


def _send(publisher: Publisher, boot: str, seqs: range) -> None:
    start = now_ms() - 100_000
    for seq in seqs:
        samples = [{"t": start + seq * 10 + i, "values": {"a": seq + i / 10}} for i in range(10)]
        publisher.send_batch(boot, seq, batch(boot, seq, samples, first=seq * 10))
        time.sleep(0.002)


def _assert_complete(url: str, boot: str, batches: int) -> None:
    stored = (
        "SELECT count(*)::int, count(DISTINCT (s.stream_id, s.measured_at))::int FROM samples s"
        " JOIN ingest_batches b ON b.id = s.batch_id WHERE b.boot = %s"
    )
    assert query(url, stored, boot) == [(batches * 10, batches * 10)]


def test_trap_23_killed_worker_parks_nothing_for_the_other_takes_its_sessions_over(
    database_url: str, broker: TestBroker
) -> None:
    add_device(database_url, "WO-1")
    url = broker.add_device("WO-1", PASSWORD)
    first = IngestProcess(database_url, broker.url, slots=2)
    second = IngestProcess(database_url, broker.url, slots=2)
    with first, second, Publisher(url, "WO-1") as publisher:
        wait_until(lambda: _session_locks(database_url) >= 2 and _worker_locks(database_url) == 2, 60)
        publisher.wait_for_ingest()
        publisher.resend_s = 300.0  # whatever the dead one held must come out of its sessions
        time.sleep(1.5)  # so that each has its share
        _send(publisher, "boot", range(200))
        first.kill()
        _send(publisher, "boot", range(200, 400))
        publisher.send_until_acknowledged(60)
    _assert_complete(database_url, "boot", 400)


def test_fewer_slots_leave_no_message_parked(database_url: str, broker: TestBroker) -> None:
    add_device(database_url, "WO-2")
    url = broker.add_device("WO-2", PASSWORD)
    with Publisher(url, "WO-2") as publisher:
        with IngestProcess(database_url, broker.url, slots=3):
            publisher.wait_for_ingest()
            publisher.resend_s = 300.0
            wait_until(lambda: _session_locks(database_url) >= 3)
            time.sleep(0.5)
        _send(publisher, "boot", range(60))  # a third for each session, and nobody reads them
        with IngestProcess(database_url, broker.url, slots=1):
            publisher.send_until_acknowledged(60)
            _send(publisher, "boot", range(60, 120))
            publisher.send_until_acknowledged(60)
    _assert_complete(database_url, "boot", 120)


def test_two_workers_serve_devices_at_two_brokers(database_url: str, broker: TestBroker, own_folder: Path) -> None:
    keys = [add_device(database_url, "WO-3")]
    organisation = query(database_url, "SELECT organisation_id FROM devices WHERE serial = 'WO-3'")[0][0]
    keys.append(add_device(database_url, "WO-4", organisation))
    with contextlib.ExitStack() as stack:
        other = stack.enter_context(TestBroker(own_folder / "other"))
        place = other.url.rpartition("@")[2]
        # One account for both, as brokers behind one name have it.
        _same_service_password(broker, other)
        both = f"{broker.url},{place}"
        for _ in range(2):
            stack.enter_context(IngestProcess(database_url, both, slots=2))
        here = stack.enter_context(Publisher(broker.add_device("WO-3", PASSWORD), "WO-3"))
        there = stack.enter_context(Publisher(other.add_device("WO-4", PASSWORD), "WO-4"))
        for publisher, session in ((here, 1), (there, 2)):
            status = {"online": True, "boot": "boot", "session": session, "at": now_ms(), "agent": "0"}
            publisher.send("status", json.dumps(status).encode(), retain=True)
        for publisher in (here, there):
            _send(publisher, "boot", range(100))
            publisher.send_until_acknowledged(60)
        for key in keys:
            _order(database_url, key)
        wait_until(lambda: _commands(here) == 1 and _commands(there) == 1, 60)
    _assert_complete(database_url, "boot", 200)


def test_leases_go_to_one_worker_and_come_free_when_it_is_gone(database_url: str) -> None:
    one, two = Leases(database_url), Leases(database_url)
    try:
        assert one.refresh() == set()
        assert two.refresh() == set()
        assert one.workers() == 2
        assert (one.take("a"), two.take("a"), two.take("b")) == (True, False, True)
        one.close()
        wait_until(lambda: two.take("a"))
        assert two.refresh() == {"a", "b"}
        assert two.workers() == 1
    finally:
        one.close()
        two.close()


def test_setting_names_one_broker_or_several() -> None:
    assert broker_urls("mqtt://u:p@one:1883") == ["mqtt://u:p@one:1883"]
    assert broker_urls("mqtts://u:p@one:1,two:2") == ["mqtts://u:p@one:1", "mqtts://u:p@two:2"]
    assert broker_urls("mqtt://u:p@127.0.0.1:1883?addresses=all") == ["mqtt://u:p@127.0.0.1:1883"]


def _same_service_password(one: TestBroker, other: TestBroker) -> None:
    other.stop()
    (other.home / "service.password").write_text((one.home / "service.password").read_text())
    other.start()


def _order(url: str, device_id: object) -> None:
    database = Database(url, pool_size=1)
    with database.as_service() as session:
        device = session.get_one(Device, device_id)
        send_command(session, device, "blink", {}, None, now())
    database.dispose()


def _commands(publisher: Publisher) -> int:
    return len({topic for topic, _ in list(publisher.answers) if "/command/" in topic})


def _session_locks(url: str) -> int:
    return int(query(url, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 7301946")[0][0])


def _worker_locks(url: str) -> int:
    return int(query(url, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 7301947")[0][0])


def test_reader_that_fails_begins_anew_and_stops_no_other(database_url: str, broker: TestBroker) -> None:
    from ingest.workers import Worker

    stop, failed, subscribed = threading.Event(), threading.Event(), threading.Event()
    worker = Worker(database_url, broker.url, stop, subscribed.set)
    mapped = worker._readers["mapped"]
    make = mapped.make

    def fails_once(ended: threading.Event) -> object:
        if not failed.is_set():
            failed.set()
            raise RuntimeError("a mistake of ours")
        return make(ended)

    mapped.make = fails_once  # type: ignore[assignment]
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        wait_until(lambda: failed.is_set() and subscribed.is_set())
        add_device(database_url, "WO-5")
        with Publisher(broker.add_device("WO-5", PASSWORD), "WO-5") as publisher:
            _send(publisher, "boot", range(5))
            publisher.send_until_acknowledged()
        assert mapped.thread is not None
        assert mapped.thread.is_alive()
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()
