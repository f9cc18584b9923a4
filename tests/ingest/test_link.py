"""The connection to a real broker: bounded, in order, and back by itself."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest import link as module
from ingest.link import Link, client_id_of
from ingest.messages import Message
from tests.conftest import TestBroker
from tests.ingest.support import PASSWORD, Publisher, start_link, wait_until


@pytest.fixture
def broker(own_folder: Path) -> Iterator[TestBroker]:
    """A broker of its own: the shared one keeps the retained states of other tests' devices."""
    with TestBroker(own_folder) as server:
        yield server


@pytest.fixture
def link(broker: TestBroker) -> Iterator[Link]:
    made = start_link(broker.url, "link-under-test")
    yield made
    made.stop()


def drain(link: Link, least: int) -> list[Message]:
    """Take and acknowledge everything until so many have come, and nothing more for a second."""
    taken: list[Message] = []
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        messages = link.take(50, 1 << 20, 1.0)
        if not messages and len(taken) >= least:
            break
        link.acknowledge(messages)
        taken += messages
    return taken


def test_trap_24_full_queue_holds_the_broker_back_without_losing_the_connection(
    broker: TestBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAUSE_MESSAGES", 50)
    monkeypatch.setattr(module, "KEEPALIVE_S", 2)  # so that six seconds stand for a stall of many minutes
    link = start_link(broker.url, "link-under-test")
    try:
        generation = link._generation
        with Publisher(broker.add_device("LI-1", PASSWORD), "LI-1") as publisher:
            for number in range(600):
                publisher.send("telemetry", b"%6d" % number + bytes(10_000))
            wait_until(lambda: link.waiting() >= 50)
            time.sleep(6)
            assert 50 <= link.waiting() < 100
            assert (link.is_connected, link._generation) == (True, generation)
            taken = drain(link, 600)
        assert [int(message.payload[:6]) for message in taken] == list(range(600))
    finally:
        link.stop()


def test_trap_21_what_was_not_acknowledged_comes_again_after_a_new_connection(link: Link, broker: TestBroker) -> None:
    with Publisher(broker.add_device("LI-2", PASSWORD), "LI-2") as publisher:
        for number in range(4):
            publisher.send("telemetry", b"%d" % number)
        wait_until(lambda: link.waiting() == 4)
        first = link.take(4, 1 << 20, 1.0)
        link.acknowledge(first[:2])
        link.stop()
        again = Link(broker.url, client_id="link-under-test")
        again.start()
        try:
            wait_until(lambda: again.waiting() == 2)
            again.acknowledge(first[2:])  # of the old connection: must acknowledge nothing on the new one
            taken = drain(again, 2)
        finally:
            again.stop()
    assert [message.payload for message in taken] == [b"2", b"3"]


def test_link_comes_back_after_the_broker_was_killed(broker: TestBroker) -> None:
    link = Link(broker.url)
    link.start()
    try:
        wait_until(lambda: link.is_connected)
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGKILL)
        wait_until(lambda: not link.is_connected)
        broker.start()
        wait_until(lambda: link.is_connected, 60)
        with Publisher(broker.add_device("LI-3", PASSWORD), "LI-3") as publisher:

            def has_come() -> bool:
                publisher.send("telemetry", b"x")  # until the subscriptions are in force
                return link.waiting() > 0

            wait_until(has_come, 60, 0.3)
        assert not link.is_dead
    finally:
        link.stop()


def test_name_at_the_broker_stays_the_same_and_cannot_be_guessed() -> None:
    name = client_id_of("mqtt://forewarn-service:secret@127.0.0.1:1883")
    assert name == client_id_of("mqtt://forewarn-service:secret@10.0.0.9:1884"), "the session must be found again"
    assert name != client_id_of("mqtt://forewarn-service:other@127.0.0.1:1883")
    assert name.startswith("forewarn-ingest-")
    assert "secret" not in name


def test_live_messages_go_before_a_backlog_and_acknowledgements_keep_the_order_of_receipt(
    link: Link, broker: TestBroker
) -> None:
    def payload(lane: str, number: int) -> bytes:
        return b'{"boot":"b","seq":%d,"lane":"%s","samples":[]}' % (number, lane.encode())

    with Publisher(broker.add_device("LI-4", PASSWORD), "LI-4") as publisher:
        for number in range(20):
            publisher.send("telemetry", payload("backfill", number))
        for number in range(4):
            publisher.send("telemetry", payload("live", number))
        wait_until(lambda: link.waiting() == 24)
        taken = link.take(8, 1 << 20, 1.0)
        lanes = ["live" if b"live" in message.payload else "backfill" for message in taken]
        assert lanes == ["live"] * 4 + ["backfill"] * 4, "live ones first, and the backlog goes on"
        live, backlog = taken[:4], taken[4:]
        link.acknowledge(live)
        assert len(link._order) == 24, "what was received before is not done yet"
        link.acknowledge(backlog)
        assert len(link._order) == 20
        assert [message.payload for message in drain(link, 16)] == [
            payload("backfill", number) for number in range(4, 20)
        ]
        assert not link._order
