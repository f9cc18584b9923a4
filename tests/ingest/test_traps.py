"""Traps of the way from the broker to the row, each by its number in docs/traps.md."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from assets.base.db import Database
from gateway.health import KEEP_S, Readiness
from gateway.migrate import upgrade
from gateway.supervise.postgres import EmbeddedPostgres
from ingest import link as module
from ingest.link import Link
from ingest.messages import Message, Prepared
from ingest.mqtt5 import Packet
from ingest.store.claims import Numbers
from ingest.workers import run_ingest
from ingest.writer import Writer, prepare
from tests.conftest import TestBroker
from tests.ingest.support import (
    PASSWORD,
    IngestProcess,
    Publisher,
    add_device,
    batch,
    now_ms,
    query,
    settle,
    start_link,
    wait_until,
)

SHORT_KEEPALIVE = "import ingest.link as link\nlink.KEEPALIVE_S = 2\n"
SMALL_QUEUE = "link.PAUSE_BYTES, link.MOST_BYTES = 4 * 2**20, 8 * 2**20\n"


@pytest.fixture
def broker(own_folder: Path) -> Iterator[TestBroker]:
    """A broker that one test may kill."""
    with TestBroker(own_folder / "broker") as server:
        yield server


@contextmanager
def stalled(url: str) -> Iterator[None]:
    """A database that does not answer: whoever writes a batch waits."""
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE ingest_batches IN ACCESS EXCLUSIVE MODE")
        yield


def only_once(publisher: Publisher) -> None:
    """Wait for ingest; from then on nothing is sent again: whatever is dropped on the way stays missing."""
    publisher.wait_for_ingest()
    publisher.resend_s = 3600


def stored(url: str) -> tuple[int, int]:
    found = query(url, "SELECT count(*)::int, count(DISTINCT measured_at)::int FROM samples")
    return int(found[0][0]), int(found[0][1])


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def one_sample(boot: str, seq: int, start: int, padding: str = "") -> bytes:
    return batch(
        boot, seq, [{"t": start + seq, "values": {"a": seq}}], first=seq, **({"note": padding} if padding else {})
    )


# --- 2, 16: the database stalls -------------------------------------------------------------------------------------


def test_trap_02_memory_stays_bounded_and_nothing_is_acknowledged_while_the_database_stalls(
    database_url: str, broker: TestBroker
) -> None:
    add_device(database_url, "TR-2")
    url = broker.add_device("TR-2", PASSWORD)
    with (
        IngestProcess(database_url, broker.url, before=SHORT_KEEPALIVE + SMALL_QUEUE) as ingest,
        Publisher(url, "TR-2") as publisher,
    ):
        only_once(publisher)
        assert ingest.process is not None
        before, start = resident_mb(ingest.process.pid), now_ms() - 10_000
        publisher.answers.clear()
        with stalled(database_url):
            for seq in range(3000):
                publisher.send_batch("b", seq, one_sample("b", seq, start, "x" * 10_000))
            wait_until(lambda: len(publisher.reasons) >= 3000, 60)  # all of it is with the broker
            time.sleep(2)
            assert resident_mb(ingest.process.pid) - before < 25, "of the 30 MB that wait"
            assert not publisher.answers
        publisher.send_until_acknowledged()
    assert stored(database_url) == (3000, 3000)


def test_trap_16_stall_of_the_database_does_not_cost_the_connection(
    database_url: str, broker: TestBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEEPALIVE_S", 2)  # so that seven seconds stand for a stall of minutes
    add_device(database_url, "TR-16")
    url = broker.add_device("TR-16", PASSWORD)
    stop, connections = threading.Event(), []
    consumer = threading.Thread(target=run_ingest, args=(database_url, broker.url, stop, lambda: connections.append(1)))
    consumer.start()
    try:
        with Publisher(url, "TR-16") as publisher:
            only_once(publisher)
            before, start = len(connections), now_ms() - 10_000
            with stalled(database_url):
                for seq in range(20):
                    publisher.send_batch("b", seq, one_sample("b", seq, start))
                time.sleep(7)
                assert len(publisher.waiting) == 20
            publisher.send_until_acknowledged()
            assert len(connections) == before, "the connection has held"
    finally:
        stop.set()
        consumer.join(60)
    assert stored(database_url) == (20, 20)


def test_trap_02_batch_numbers_taken_before_a_crash_of_the_database_are_not_used_after_it(database_url: str) -> None:
    numbers = Numbers()
    with psycopg.connect(database_url) as connection:
        connection.execute("SET ROLE forewarn_service")
        first = numbers.take(connection, 3)
        numbers.forget()  # what the writer does when a transaction fails; the server may then give them to another
        assert set(numbers.take(connection, 3)).isdisjoint(range(first[0], first[0] + 2000))
    writer = Writer()
    with psycopg.connect(database_url) as connection:
        connection.execute("SET ROLE forewarn_service")
        writer._numbers.take(connection, 3)
        writer.forget()
    assert not writer._numbers._free


# --- 4, 36: ingest is away ------------------------------------------------------------------------------------------


def test_trap_04_trap_36_more_than_a_thousand_messages_wait_for_ingest_and_are_stored_in_groups(
    database_url: str, broker: TestBroker
) -> None:
    add_device(database_url, "TR-4")
    url = broker.add_device("TR-4", PASSWORD)
    with Publisher(url, "TR-4") as publisher:
        with IngestProcess(database_url, broker.url):
            only_once(publisher)
        start = now_ms() - 10_000
        for seq in range(1500):
            publisher.send_batch("b", seq, one_sample("b", seq, start))
        wait_until(lambda: len(publisher.reasons) >= 1500, 60)
        with IngestProcess(database_url, broker.url):
            publisher.send_until_acknowledged()
    assert stored(database_url) == (1500, 1500)
    groups = query(database_url, "SELECT count(DISTINCT xid)::int FROM ingest_batches WHERE boot = 'b'")
    assert int(groups[0][0]) <= 100, "one transaction for each group, not one for each message"


# --- 10: the server's disk is full ----------------------------------------------------------------------------------


@pytest.fixture
def small_disk(own_folder: Path) -> Iterator[Path]:
    """A folder on a file system of its own, of 400 MB."""
    folder = own_folder / "small-disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400m,mode=755", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_trap_10_full_disk_stops_acknowledgements_and_is_told_within_five_seconds(
    small_disk: Path, broker: TestBroker
) -> None:
    with EmbeddedPostgres(small_disk, settings={"max_wal_size": "64MB"}) as server:
        upgrade(server.url)
        add_device(server.url, "TR-10")
        url, database = broker.add_device("TR-10", PASSWORD), Database(server.url)
        readiness = Readiness(database)
        with IngestProcess(server.url, broker.url), Publisher(url, "TR-10") as publisher:
            only_once(publisher)
            wait_until(readiness.is_ready)
            with (small_disk / "filler").open("wb") as filler:
                fill(filler.fileno())
                full_at, start = time.monotonic(), now_ms() - 60_000
                samples = [{"t": start + n, "values": {f"m{i}": n + i / 7 for i in range(20)}} for n in range(500)]
                for seq in range(20):  # 200,000 values: more than any page has room for
                    publisher.send_batch("b", seq, batch("b", seq, samples))
                wait_until(lambda: not readiness.is_ready(), 5)
                assert time.monotonic() - full_at < 5 + KEEP_S
                held = len(publisher.waiting)
                time.sleep(1)
                assert len(publisher.waiting) == held > 0, "nothing is acknowledged that is not stored"
            (small_disk / "filler").unlink()
            if not server.is_alive():
                server.start()
            publisher.send_until_acknowledged()
            wait_until(readiness.is_ready)
        assert query(server.url, "SELECT count(*)::int FROM ingest_batches WHERE boot = 'b'") == [(20,)]
        database.dispose()


def fill(descriptor: int) -> None:
    """Write until nothing more fits."""
    for size in (2**20, 2**12, 1):
        try:
            while True:
                os.write(descriptor, bytes(size))
        except OSError:
            continue


# --- 12: unreadable -------------------------------------------------------------------------------------------------


def test_trap_12_ten_thousand_unreadable_messages_stop_nothing(database_url: str, broker: TestBroker) -> None:
    add_device(database_url, "TR-12")
    url = broker.add_device("TR-12", PASSWORD)
    with IngestProcess(database_url, broker.url), Publisher(url, "TR-12") as publisher:
        only_once(publisher)
        for half in range(2):
            for number in range(5000):
                publisher.send("telemetry", b"no json %d" % number)
            publisher.send_batch("b", half, one_sample("b", half, now_ms() - 1000))
        wait_until(lambda: len(publisher.reasons) >= 10_000, 60)
        sent_at = time.monotonic()
        publisher.send_until_acknowledged()
        assert time.monotonic() - sent_at < 5, "the good ones come through beside the bad ones"
        wait_until(lambda: query(database_url, "SELECT count(*)::int FROM quarantine") == [(10_000,)], 60)
    assert stored(database_url) == (2, 2)


# --- 13, 14, 15, 17, 22: the link -----------------------------------------------------------------------------------


def new_link(broker: TestBroker) -> Link:
    return start_link(broker.url, "link-under-test")


def receive(link: Link, wanted: set[bytes], seconds: float = 60.0) -> None:
    """Take and acknowledge until every wanted payload has come."""
    deadline, missing = time.monotonic() + seconds, set(wanted)
    while missing:
        assert time.monotonic() < deadline, f"{len(missing)} messages never came"
        messages = link.take(50, 1 << 20, 0.2)
        missing -= {message.payload for message in messages}
        link.acknowledge(messages)


def test_trap_13_message_beyond_the_queue_comes_again_and_blocks_no_slot(
    broker: TestBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_MESSAGES", 40)  # reached before reading pauses: what comes then is not taken
    monkeypatch.setattr(module, "BACKOFF_MOST_S", 0.3)
    link = new_link(broker)
    try:
        with Publisher(broker.add_device("TR-13", PASSWORD), "TR-13") as publisher:
            payloads = [b"%d" % number for number in range(400)]
            for payload in payloads:
                publisher.send("telemetry", payload)
            wait_until(lambda: len(publisher.reasons) >= 400)
            receive(link, set(payloads))
            publisher.send("telemetry", b"after")
            receive(link, {b"after"})
    finally:
        link.stop()


@pytest.mark.parametrize("wiped", [False, True])
def test_trap_14_link_subscribes_again_after_each_restart_of_the_broker(
    wiped: bool, broker: TestBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BACKOFF_MOST_S", 0.3)
    link = new_link(broker)
    try:
        with Publisher(broker.add_device("TR-14", PASSWORD), "TR-14") as publisher:
            for number in range(3):
                restart(broker, wiped)
                payload = b"after restart %d" % number
                wait_until(lambda: link.is_connected and publisher.client.is_connected(), 60)
                again = threading.Event()
                sender = threading.Thread(target=keep_sending, args=(publisher, payload, again))
                sender.start()
                try:
                    receive(link, {payload}, 30)
                finally:
                    again.set()
                    sender.join(60)
    finally:
        link.stop()


def restart(broker: TestBroker, wiped: bool) -> None:
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGKILL)
    wait_until(lambda: not broker.is_alive())
    if wiped:
        (broker.home / "sessions.db").unlink(missing_ok=True)
    broker.start()


def have_turned(turns: Sequence[int], before: Sequence[int]) -> bool:
    return all(now > then for now, then in zip(turns, before, strict=True))


def keep_sending(publisher: Publisher, payload: bytes, enough: threading.Event) -> None:
    while not enough.wait(0.3):
        publisher.send("telemetry", payload)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("failure", [ValueError, OSError, SystemExit])
def test_trap_15_whatever_ends_the_links_thread_the_message_is_stored(
    failure: type[BaseException], database_url: str, broker: TestBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BACKOFF_MOST_S", 0.3)
    original, failures = Link._take_message, [failure("odd")]

    def stumble(link: Link, packet: Packet) -> None:
        if b"stumble" in packet.body and failures:
            raise failures.pop()
        original(link, packet)

    monkeypatch.setattr(Link, "_take_message", stumble)
    add_device(database_url, "TR-15")
    url, stop = broker.add_device("TR-15", PASSWORD), threading.Event()
    consumer = threading.Thread(target=run_ingest, args=(database_url, broker.url, stop))
    consumer.start()
    try:
        with Publisher(url, "TR-15") as publisher:
            only_once(publisher)
            publisher.send_batch("stumble", 1, one_sample("stumble", 1, now_ms() - 1000))
            publisher.send_until_acknowledged()
    finally:
        stop.set()
        consumer.join(60)
    assert not failures
    assert stored(database_url) == (1, 1)


def test_trap_17_publishing_and_acknowledging_in_other_threads_never_lock_the_link_up(
    broker: TestBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BACKOFF_MOST_S", 0.2)
    link, done = new_link(broker), threading.Event()
    turns = [0, 0]

    def work(number: int, what: Callable[[], object]) -> None:
        while not done.is_set():
            what()
            turns[number] += 1

    threads = [
        threading.Thread(target=work, args=(0, lambda: link.publish("forewarn/v1/TR-17/config", b"{}"))),
        threading.Thread(target=work, args=(1, lambda: link.acknowledge(link.take(10, 1 << 20, 0.01)))),
    ]
    for thread in threads:
        thread.start()
    try:
        with Publisher(broker.add_device("TR-17", PASSWORD), "TR-17") as publisher:
            for _ in range(3):
                for number in range(200):
                    publisher.send("telemetry", b"%d" % number)
                restart(broker, wiped=False)
                wait_until(lambda: link.is_connected, 60)
                wait_until(partial(have_turned, turns, list(turns)))
    finally:
        done.set()
        for thread in threads:
            thread.join(60)
        link.stop()
    assert not any(thread.is_alive() for thread in threads)


def test_trap_22_acknowledgement_waits_for_those_received_before_it(broker: TestBroker) -> None:
    with Publisher(broker.add_device("TR-22", PASSWORD), "TR-22") as publisher:
        link = new_link(broker)
        for number in range(10):
            publisher.send("telemetry", b"%d" % number)
        wait_until(lambda: link.waiting() == 10)
        messages = link.take(10, 1 << 20, 1.0)
        link.acknowledge(messages[5:])  # these were committed first
        settle(link)
        link.stop()
        link = new_link(broker)
        wait_until(lambda: link.waiting() == 10)
        again = link.take(10, 1 << 20, 1.0)
        assert [message.payload for message in again] == [message.payload for message in messages]
        link.acknowledge(again[5:])
        link.acknowledge(again[:5])
        settle(link)
        link.stop()
        with closing_link(broker) as last:
            assert last.take(10, 1 << 20, 1.0) == []


@contextmanager
def closing_link(broker: TestBroker) -> Iterator[Link]:
    link = new_link(broker)
    try:
        yield link
    finally:
        link.stop()


# --- 32: two workers at once ----------------------------------------------------------------------------------------


def test_trap_32_conflict_with_what_another_worker_is_just_storing_is_counted(database_url: str) -> None:
    add_device(database_url, "TR-32")
    t = now_ms() - 10_000
    first, second = Writer(), Writer()
    with (
        psycopg.connect(database_url, autocommit=True) as one,
        psycopg.connect(database_url, autocommit=True) as two,
    ):
        for connection in (one, two):
            connection.execute("SET ROLE forewarn_service")
        for boot, writer in (("a", first), ("b", second)):  # both have met repeats of this stream, and look for them
            for seq in (1, 2):
                writer.write(one, [prepared(boot, seq, [{"t": t, "values": {"a": 1}}])])
        with one.transaction():
            first.store(one, [prepared("a", 3, [{"t": t + n, "values": {"a": 1}} for n in range(1, 6)])])
            waiting = threading.Thread(
                target=second.write,
                args=(two, [prepared("b", 3, [{"t": t + n, "values": {"a": n}} for n in range(1, 8)])]),
            )
            waiting.start()
            time.sleep(1)
            assert waiting.is_alive(), "it waits for the other"
        waiting.join(60)
    rows = query(
        database_url, "SELECT boot, stored, repeated, conflicting FROM ingest_batches WHERE seq = 3 ORDER BY 1"
    )
    assert rows == [("a", 5, 0, 0), ("b", 2, 5, 4)]


def prepared(boot: str, seq: int, samples: list[dict[str, Any]]) -> Prepared:
    return prepare(Message("forewarn/v1/TR-32/telemetry", batch(boot, seq, samples), time.time_ns() // 1000))
